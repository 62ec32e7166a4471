//! Starting a program under `mpirun` and watching the memory of its ranks.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often the ranks are looked at. Only a few small files are read: this must not slow down what is measured.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// After this a run is taken for dead.
const PATIENCE: Duration = Duration::from_secs(600);
/// Lines of the output that an error message quotes.
const QUOTED: usize = 15;

/// What is left of a program that ended well.
#[derive(Debug)]
pub struct Ended {
    /// What it said.
    pub said: String,
    /// The most memory that its ranks had resident, each at its own peak, in bytes. `None` if the system does
    /// not tell.
    pub resident: Option<u64>,
}

impl Ended {
    /// The end of what it said.
    pub fn end(&self) -> String {
        end(&self.said)
    }
}

/// The last lines of what a program said.
fn end(said: &str) -> String {
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(QUOTED)..].join("\n")
}

/// `mpirun` with that many ranks.
pub fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new("mpirun");
    // Open MPI refuses to start as root without these; a container often has no other user.
    command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
    command.args(["-np", &ranks.to_string()]);
    command
}

/// Runs `command` in `folder` and watches those of its descendants that execute `program`.
///
/// # Errors
/// If it cannot be started, fails, or does not end; with the end of what it said.
pub fn run(mut command: Command, program: &Path, folder: &Path) -> Result<Ended, String> {
    let log = folder.join("said.log");
    let open = || File::create(&log).and_then(|file| Ok((file.try_clone()?, file)));
    let (out, err) = open().map_err(|e| format!("{}: {e}", log.display()))?;
    command.current_dir(folder).stdin(Stdio::null()).stdout(out).stderr(err);
    let mut child = command.spawn().map_err(|e| format!("mpirun cannot be started: {e}"))?;
    let program = program.canonicalize().unwrap_or_else(|_| program.to_owned());
    let (begin, mut peaks) = (Instant::now(), BTreeMap::new());
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break Ok(status),
            Ok(None) if begin.elapsed() < PATIENCE => look(&child, &program, &mut peaks),
            Ok(None) => break Err(format!("it did not end within {} s", PATIENCE.as_secs())),
            Err(e) => break Err(format!("the system cannot say whether it ended: {e}")),
        }
        sleep(LOOK_EVERY);
    };
    if status.is_err() {
        // The error that is on its way out says more than a failure to kill would.
        let _ = child.kill().and_then(|()| child.wait());
    }
    let said = fs::read_to_string(&log).unwrap_or_default();
    match status {
        Ok(status) if status.success() => {
            let resident = (!peaks.is_empty()).then(|| peaks.values().sum());
            Ok(Ended { said, resident })
        }
        Ok(status) => Err(format!("it ended with {status} and said:\n{}", end(&said))),
        Err(why) => Err(format!("{why}; it said:\n{}", end(&said))),
    }
}

/// Notes the peaks of the ranks so far; they only grow, so the last look at each counts.
fn look(mpirun: &Child, program: &Path, peaks: &mut BTreeMap<u32, u64>) {
    if peaks.is_empty() {
        for pid in descendants(mpirun.id()) {
            if fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program) {
                peaks.insert(pid, 0);
            }
        }
    }
    for (pid, peak) in peaks {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        *peak = kib.map_or(*peak, |kib: u64| kib * 1024);
    }
}

/// Children, their children, and so on, as far as the system tells.
fn descendants(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut next = 0;
    while let Some(parent) = found.get(next) {
        for thread in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        next += 1;
    }
    found.split_off(1)
}
