//! A data folder of its own for a whole chain, and what is asked of the processes that belong to it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take: other builds may run on this machine.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(30);

/// The programs by their variables, names and packages.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("HPLAAS_SERVICE", "hpl-service", "service"),
    ("HPLAAS_NODE", "hpl-node", "node-daemon"),
    ("HPLAAS_XHPL", "xhpl", "hpl-mpi"),
];

/// The programs, built if nobody names them.
fn programs() -> &'static [PathBuf; 3] {
    static FOUND: OnceLock<[PathBuf; 3]> = OnceLock::new();
    FOUND.get_or_init(|| {
        let missing: Vec<_> = PROGRAMS.iter().filter(|(variable, ..)| std::env::var_os(variable).is_none()).collect();
        if !missing.is_empty() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--quiet"]);
            for (_, name, package) in &missing {
                cargo.args(["--package", package, "--bin", name]);
            }
            assert!(cargo.status().expect("cargo runs").success(), "the programs cannot be built");
        }
        let beside_us = |name: &str| Path::new(env!("CARGO_BIN_EXE_xtask")).with_file_name(name);
        PROGRAMS.map(|(variable, name, _)| std::env::var_os(variable).map_or_else(|| beside_us(name), PathBuf::from))
    })
}

/// Where one `up` after the other is typed.
pub struct Desk {
    /// Scratch, with the data folder in it.
    pub folder: TempDir,
    /// The service that is started.
    pub service: PathBuf,
    /// The benchmark that is run.
    pub xhpl: PathBuf,
}

impl Desk {
    /// A new one, with the real programs.
    pub fn new() -> Desk {
        let [service, _, xhpl] = programs().clone();
        Desk { folder: tempfile::tempdir().unwrap(), service, xhpl }
    }

    /// The data folder; `up` makes it.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("up")
    }

    /// `up` at any free port.
    pub fn up(&self, options: &[&str]) -> Command {
        self.up_at("0", options)
    }

    /// `up` at this port.
    pub fn up_at(&self, port: &str, options: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["up", "--port", port]).args(options).arg("--data").arg(self.data());
        command.env("HPLAAS_SERVICE", &self.service).env("HPLAAS_XHPL", &self.xhpl).env("HPLAAS_NODE", &programs()[1]);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same under way.
    pub fn start(&self, options: &[&str]) -> Up {
        let (out, err) = (self.folder.path().join("out"), self.folder.path().join("err"));
        let mut command = self.up(options);
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&err).unwrap());
        Up { child: command.spawn().unwrap(), out, err }
    }

    /// What service and node have said.
    pub fn logs(&self) -> String {
        let log = |name: &str| format!("{name}:\n{}", fs::read_to_string(self.data().join(name)).unwrap_or_default());
        log("service.log") + &log("node.log")
    }

    /// The processes that name our folder in their command line or work in it: number and command line.
    fn processes(&self) -> Vec<(i32, String)> {
        let mark = self.folder.path().to_string_lossy().into_owned();
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let ours = entries.filter_map(|entry| {
            let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
            let line = String::from_utf8_lossy(&fs::read(entry.path().join("cmdline")).ok()?).replace('\0', " ");
            let place = fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            (line.contains(&mark) || place.starts_with(self.folder.path())).then_some((pid, line))
        });
        ours.collect()
    }

    /// What of ours still runs. A process that was killed may need a moment.
    pub fn left(&self) -> Vec<String> {
        let began = Instant::now();
        loop {
            let left = self.processes();
            if left.is_empty() || began.elapsed() > Duration::from_secs(5) {
                return left.into_iter().map(|(_, line)| line).collect();
            }
            sleep(LOOK);
        }
    }

    /// Kills the one process of ours whose first argument is `command`.
    pub fn kill(&self, command: &str) {
        let is = |line: &str| line.split(' ').nth(1) == Some(command);
        let (pid, _) = self.processes().into_iter().find(|(_, line)| is(line)).expect("it runs");
        kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }
}

/// An `up` under way; killed when dropped, if it should still run.
pub struct Up {
    child: Child,
    out: PathBuf,
    err: PathBuf,
}

impl Up {
    fn said(&self) -> (String, String) {
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        (read(&self.out), read(&self.err))
    }

    /// Waits until it has said this.
    pub fn wait_for(&mut self, words: &str) {
        let began = Instant::now();
        loop {
            let (out, err) = self.said();
            if out.contains(words) || err.contains(words) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{ended:?}, and no `{words}`:\n{out}\n{err}");
            sleep(LOOK);
        }
    }

    /// Sends it a signal and waits until it has ended.
    pub fn signal(&mut self, signal: Signal) -> Output {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.end()
    }

    /// Waits until it has ended.
    pub fn end(&mut self) -> Output {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {:?}", self.said());
            sleep(LOOK);
        };
        let (out, err) = self.said();
        Output { status, stdout: out.into_bytes(), stderr: err.into_bytes() }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // Asked first, so that what it started ends with it; where it has ended there is nobody to ask.
        if self.child.try_wait().ok().flatten().is_none() {
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            let _ = self.child.wait();
        }
    }
}

/// What it has said, as text.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}
