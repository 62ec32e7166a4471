//! The pages in a real browser: the service, a daemon and `xhpl` as processes, Chromium driven through all that people do
//! on the pages, without scripts and with them, and axe-core on every page. What is done there is told by
//! `validation/browser/walk.mjs`; its screenshots are in `target/browser`.
//!
//! Where Chromium or node is missing the test says so and does nothing, except where `CI=true`: there it fails.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use validation::program::{hpl_node, hpl_service, xhpl};

/// How long the service may take to begin, and the daemon to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// The administrator of the walk, and everybody's password.
const OPERATOR: &str = "grace";
const PASSWORD: &str = "seven purple kettles";

/// A process, asked to end when dropped and killed if it does not.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        // What the test found is more than whether the end of the process worked.
        let _ = kill_process(Pid::from_child(&self.0), Signal::TERM);
        let began = Instant::now();
        while began.elapsed() < PATIENCE && matches!(self.0.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service with a node. The daemon ends first.
struct Site {
    _node: Process,
    _service: Process,
    url: String,
    folder: tempfile::TempDir,
}

impl Site {
    fn log(&self) -> String {
        let read = |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("service:\n{}\nnode:\n{}", read("service.log"), read("node.log"))
    }
}

fn log(folder: &Path, name: &str) -> File {
    File::create(folder.join(name)).expect("a log")
}

/// Runs a command to its end, which must be a good one; what it printed.
fn done(command: &mut Command, input: &str) -> String {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it listens");
    let said = child.wait_with_output().expect("it ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(said.status.success(), "{command:?}: {}{}", text(&said.stdout), text(&said.stderr));
    text(&said.stdout)
}

fn start() -> Site {
    let folder = tempfile::tempdir().expect("a scratch folder");
    let (ready, data) = (folder.path().join("ready"), folder.path().join("service"));
    let mut command = Command::new(hpl_service());
    command.args(["serve", "--listen", "127.0.0.1:0", "--signup", "open", "--disk-low", "0", "--disk-critical", "0"]);
    command.args(["--beat", "2", "--no-rate-limits", "--log", "warn"]);
    command.arg("--data").arg(&data).arg("--ready-file").arg(&ready);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(folder.path(), "service.log"));
    let mut service = Process(command.spawn().expect("hpl-service starts"));
    let began = Instant::now();
    let url = loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            break text.lines().next().unwrap_or_default().to_owned();
        }
        if let Ok(Some(ended)) = service.0.try_wait() {
            let said = std::fs::read_to_string(folder.path().join("service.log")).unwrap_or_default();
            panic!("hpl-service ended before it was ready: {ended}\n{said}");
        }
        assert!(began.elapsed() < PATIENCE, "hpl-service was not ready after {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let admin = |arguments: &[&str], input: &str| {
        let mut command = Command::new(hpl_service());
        done(command.arg("admin").arg("--data").arg(&data).args(arguments), input)
    };
    admin(&["create-admin", OPERATOR], &format!("{PASSWORD}\n"));
    let said = admin(&["join-token"], "");
    let join = said.lines().find(|line| line.starts_with("hpl-join")).expect("a join string");
    let node_data = folder.path().join("node");
    done(Command::new(hpl_node()).args(["join", join, "--name", "walk-node", "--data"]).arg(&node_data), "");
    let mut command = Command::new(hpl_node());
    command.arg("run").arg("--data").arg(&node_data).arg("--xhpl").arg(xhpl()).arg("--shared");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(folder.path(), "node.log"));
    let node = Process(command.spawn().expect("hpl-node starts"));
    Site { _node: node, _service: service, url, folder }
}

/// What is missing for a browser to walk, if anything.
fn missing(folder: &Path, browser: &Path) -> Option<String> {
    let answers = |program: &str| {
        let mut command = Command::new(program);
        let said = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    if !browser.is_file() {
        return Some(format!("there is no Chromium at {}", browser.display()));
    }
    if !answers("node") {
        return Some("there is no node".to_owned());
    }
    if folder.join("node_modules/axe-core").is_dir() && folder.join("node_modules/playwright-core").is_dir() {
        return None;
    }
    if !answers("npm") {
        return Some("there is no npm to install the packages of validation/browser".to_owned());
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    let done = install.stdin(Stdio::null()).status().is_ok_and(|status| status.success());
    (!done).then(|| "`npm ci` in validation/browser failed".to_owned())
}

#[test]
fn people_walk_through_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let browser = std::env::var_os("HPL_BROWSER").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if let Some(what) = missing(&folder, &browser) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
        eprintln!("skipped: {what}");
        return;
    }
    let site = start();
    let mut walk = Command::new("node");
    walk.arg(folder.join("walk.mjs")).args(["--url", &site.url, "--operator", OPERATOR, "--password", PASSWORD]);
    let said = walk.arg("--browser").arg(&browser).stdin(Stdio::null()).output().expect("node starts");
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    println!("{words}");
    assert!(said.status.success(), "the walk found something wrong:\n{words}\n{}", site.log());
}
