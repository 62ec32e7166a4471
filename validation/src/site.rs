//! A service with a node, as processes on this machine, for tests that are its users.

use std::fs::{File, read_to_string, remove_file};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::program::{hpl_node, hpl_service, xhpl};

/// How long the service may take to begin, and the daemon to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Everybody's password.
pub const PASSWORD: &str = "seven purple kettles";

/// A process, asked to end when dropped and killed if it does not.
#[derive(Debug)]
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

/// A service over TLS, with a certificate of its own making, and a node. The daemon ends first.
#[derive(Debug)]
pub struct Site {
    node: Option<Process>,
    service: Option<Process>,
    url: String,
    pin: String,
    folder: tempfile::TempDir,
}

fn log(folder: &Path, name: &str) -> File {
    File::options().append(true).create(true).open(folder.join(name)).expect("a log")
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

impl Site {
    /// Starts both; the node has that name.
    ///
    /// # Panics
    /// If one of them does not start.
    pub fn start(node: &str) -> Site {
        let folder = tempfile::tempdir().expect("a scratch folder");
        let (url, pin) = (String::new(), String::new());
        let mut site = Site { node: None, service: None, url, pin, folder };
        site.serve("127.0.0.1:0");
        let said = site.admin(&["join-token"], "");
        let join = said.lines().find(|line| line.starts_with("hpl-join")).expect("a join string");
        let data = site.path().join("node");
        done(Command::new(hpl_node()).args(["join", join, "--name", node, "--data"]).arg(&data), "");
        let mut command = Command::new(hpl_node());
        command.arg("run").arg("--data").arg(&data).arg("--xhpl").arg(xhpl()).arg("--shared");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(site.path(), "node.log"));
        site.node = Some(Process(command.spawn().expect("hpl-node starts")));
        site
    }

    fn serve(&mut self, listen: &str) {
        let ready = self.path().join("ready");
        // Of the service before, if there was one.
        let _ = remove_file(&ready);
        let mut command = Command::new(hpl_service());
        command.args(["serve", "--listen", listen, "--signup", "open", "--disk-low", "0", "--disk-critical", "0"]);
        command.args(["--beat", "2", "--no-rate-limits", "--log", "warn"]);
        command.arg("--data").arg(self.data()).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log(self.path(), "service.log"));
        let mut service = Process(command.spawn().expect("hpl-service starts"));
        let began = Instant::now();
        let text = loop {
            if let Ok(text) = read_to_string(&ready) {
                break text;
            }
            if let Ok(Some(ended)) = service.0.try_wait() {
                panic!("hpl-service ended before it was ready: {ended}\n{}", self.log());
            }
            assert!(began.elapsed() < PATIENCE, "hpl-service was not ready after {PATIENCE:?}");
            std::thread::sleep(Duration::from_millis(50));
        };
        let mut lines = text.lines().map(str::to_owned);
        (self.url, self.pin) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
        self.service = Some(service);
    }

    /// Stops the service and starts it again at the same address, after so long.
    ///
    /// # Panics
    /// If it does not start.
    pub fn restart(&mut self, after: Duration) {
        self.service = None;
        std::thread::sleep(after);
        let address = self.url.trim_start_matches("https://").to_owned();
        self.serve(&address);
    }

    /// Where the service is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The hash of its key.
    pub fn pin(&self) -> &str {
        &self.pin
    }

    /// The folder of the test.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("service")
    }

    /// `hpl-service admin …`, which must go well; what it printed.
    ///
    /// # Panics
    /// If it does not.
    pub fn admin(&self, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new(hpl_service());
        done(command.arg("admin").arg("--data").arg(self.data()).args(arguments), input)
    }

    /// What both have said.
    pub fn log(&self) -> String {
        let read = |name: &str| read_to_string(self.path().join(name)).unwrap_or_default();
        format!("service:\n{}\nnode:\n{}", read("service.log"), read("node.log"))
    }
}
