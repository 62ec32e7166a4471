//! The program in a scratch folder: started, told to stop, killed, looked at afterwards.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use service::clock::Clock;
use service::db::Db;
use service::hub::Hub;

/// How long the program may take to be ready, or to end. Generous: other tests share the machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// The path of the program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_hpl-service");

/// The password of the accounts.
pub const PASSWORD: &str = "a slow brown dog sleeps";

/// The program while it runs; killed when dropped. Its log lies beside the data folder.
pub struct Program {
    child: Child,
    log: PathBuf,
    /// `scheme://address`.
    pub url: String,
}

/// How the program came up.
pub enum Start {
    /// It takes requests.
    Ready(Program),
    /// It ended before.
    Ended(ExitStatus),
}

/// Starts `serve` on `data`, to die at a fail point if one is named.
pub fn try_start(data: &Path, flags: &[&str], die_at: Option<&str>) -> Start {
    try_start_by(Command::new(PROGRAM), data, flags, die_at)
}

/// Starts `serve` on `data` by a shell, after these commands of it.
pub fn start_after(shell: &str, data: &Path) -> Program {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{shell}; exec \"$0\" \"$@\""), PROGRAM]);
    match try_start_by(command, data, &[], None) {
        Start::Ready(program) => program,
        Start::Ended(status) => panic!("the program ended at once: {status}"),
    }
}

fn try_start_by(mut command: Command, data: &Path, flags: &[&str], die_at: Option<&str>) -> Start {
    let ready = data.with_extension("ready");
    let _ = std::fs::remove_file(&ready);
    let log = data.with_extension("log");
    let written = File::options().append(true).create(true).open(&log).unwrap();
    command.stderr(written);
    command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--ready-file"]).arg(&ready);
    command.arg("--data").arg(data).args(flags).stdin(Stdio::null()).env_remove("HPL_SERVICE_DIE_AT");
    if let Some(point) = die_at {
        command.env("HPL_SERVICE_DIE_AT", point);
    }
    let mut child = command.spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Ok(text) = std::fs::read_to_string(&ready) {
            let url = text.lines().next().unwrap().to_owned();
            return Start::Ready(Program { child, log, url });
        }
        if let Some(status) = child.try_wait().unwrap() {
            return Start::Ended(status);
        }
        if began.elapsed() > PATIENCE {
            let _ = child.kill();
            panic!("the program was not ready in time");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Starts `serve` on `data`; it must come up.
pub fn start(data: &Path, flags: &[&str]) -> Program {
    match try_start(data, flags, None) {
        Start::Ready(program) => program,
        Start::Ended(status) => {
            print_end(&data.with_extension("log"));
            panic!("the program ended at once: {status}")
        }
    }
}

impl Program {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// What the system says of the process in a file of `/proc`.
    pub fn proc(&self, name: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap()
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        self.child.wait().unwrap();
    }

    /// Asks it to stop.
    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether it has ended, and how.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub fn wait(&mut self, patience: Duration) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status;
            }
            assert!(began.elapsed() < patience, "the program did not end in {patience:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Stops it the clean way.
    pub fn stop(mut self) {
        self.terminate();
        let status = self.wait(PATIENCE);
        assert!(status.success(), "{status}");
    }
}

/// What programs on this data folder have logged.
pub fn log(data: &Path) -> String {
    std::fs::read_to_string(data.with_extension("log")).unwrap_or_default()
}

/// Prints what the program said last.
fn print_end(log: &Path) {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    println!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
}

impl Drop for Program {
    fn drop(&mut self) {
        if std::thread::panicking() {
            print_end(&self.log);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs another command of the program on `data`. Returns what it printed.
pub fn command(data: &Path, words: &[&str], input: &str) -> String {
    let mut child = Command::new(PROGRAM)
        .args(words)
        .env("HPL_SERVICE_DATA", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{words:?}: {}", done.status);
    String::from_utf8(done.stdout).unwrap()
}

/// Makes the account `ada`.
pub fn make_account(data: &Path) {
    let printed = command(data, &["admin", "create-user", "ada"], &format!("{PASSWORD}\n"));
    assert!(printed.contains("ada"), "{printed}");
}

/// A join token for so many nodes.
pub fn join_token(data: &Path, nodes: usize) -> String {
    let printed = command(data, &["admin", "join-token", "--trusted", "--nodes", &nodes.to_string()], "");
    let joined = printed.split_once("://").and_then(|(_, rest)| rest.split_once('@'));
    joined.expect(&printed).0.to_owned()
}

/// Nothing in the database of a stopped program breaks a rule.
pub async fn check(data: &Path) {
    let db = Db::open(data, Clock::System, Arc::new(Hub::default())).await.unwrap();
    let broken = service::db::check::broken(&mut db.read().await.unwrap()).await.unwrap();
    db.close().await;
    assert!(broken.is_empty(), "{broken:#?}");
}

/// A data folder in a scratch folder, removed when dropped.
pub struct Folder {
    root: tempfile::TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { root: tempfile::tempdir().unwrap() }
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Something beside it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}
