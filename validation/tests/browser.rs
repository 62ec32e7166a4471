//! The pages in a real browser: the service as a process, Chromium without scripts, and axe-core on every page. What is
//! done there is told by `validation/browser/walk.mjs`; its screenshots are in `target/browser`.
//!
//! Where Chromium or node is missing the test says so and does nothing, except where `CI=true`: there it fails.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use validation::program::hpl_service;

/// How long the service may take to begin.
const BEGIN: Duration = Duration::from_secs(60);

/// The service, ended when dropped.
struct Service {
    process: Child,
    url: String,
    _data: tempfile::TempDir,
}

impl Drop for Service {
    fn drop(&mut self) {
        // What the test found is more than whether the end of the process worked.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start() -> Service {
    let data = tempfile::tempdir().expect("a scratch folder");
    let ready = data.path().join("ready");
    let mut command = Command::new(hpl_service());
    command.args(["serve", "--listen", "127.0.0.1:0", "--signup", "open", "--disk-low", "0", "--disk-critical", "0"]);
    command.arg("--data").arg(data.path().join("data")).arg("--ready-file").arg(&ready);
    command.args(["--log", "warn"]).stdin(Stdio::null());
    let mut process = command.spawn().expect("hpl-service starts");
    let began = Instant::now();
    let url = loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            break text.lines().next().unwrap_or_default().to_owned();
        }
        if let Ok(Some(ended)) = process.try_wait() {
            panic!("hpl-service ended before it was ready: {ended}; its words are above");
        }
        assert!(began.elapsed() < BEGIN, "hpl-service was not ready after {BEGIN:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    Service { process, url, _data: data }
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
fn a_newcomer_walks_through_the_pages_without_scripts() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let browser = std::env::var_os("HPL_BROWSER").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if let Some(what) = missing(&folder, &browser) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
        eprintln!("skipped: {what}");
        return;
    }
    let service = start();
    let mut walk = Command::new("node");
    walk.arg(folder.join("walk.mjs")).args(["--url", &service.url]).arg("--browser").arg(&browser);
    let said = walk.stdin(Stdio::null()).output().expect("node starts");
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "the walk found something wrong:\n{words}");
}
