//! The runs of a node: a daemon that is told to stop leaves them to their shims, so that the next one can take them up
//! again. Who stops everything has to end them as well.
//!
//! A shim writes down who it is (`shim.json`) and ends its run when `control.json` says so: the same two files by which
//! daemon and shim understand each other.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde::Deserialize;

/// What ends a run.
const STOP: &str = "{\"stop\":\"cancelled\",\"walltime_s\":null}";
/// How often one looks whether runs have ended.
const LOOK: Duration = Duration::from_millis(50);

/// Who a shim says that it is.
#[derive(Debug, Deserialize)]
struct Shim {
    pid: i32,
    start_ticks: u64,
}

impl Shim {
    /// A process of this number that began at another moment is another one.
    fn is_alive(&self) -> bool {
        let stat = read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        // The name before the last `)` may hold anything; the state follows, and the 20th field after it is the start.
        let after = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>());
        let fields = after.unwrap_or_default();
        let same = fields.get(19).and_then(|ticks| ticks.parse().ok()) == Some(self.start_ticks);
        same && !matches!(fields.first(), Some(&("Z" | "X")))
    }
}

/// The folders of runs that still go on, with their shims.
fn alive(node: &Path) -> Vec<(PathBuf, Shim)> {
    let folders = std::fs::read_dir(node.join("runs")).into_iter().flatten().flatten().map(|entry| entry.path());
    let shim = |folder: PathBuf| {
        let shim: Shim = serde_json::from_str(&read_to_string(folder.join("shim.json")).ok()?).ok()?;
        shim.is_alive().then_some((folder, shim))
    };
    folders.filter_map(shim).collect()
}

/// Waits until no run of the node goes on, at most so long. Whether that came to be.
pub fn wait(node: &Path, most: Duration) -> bool {
    let began = Instant::now();
    loop {
        if alive(node).is_empty() {
            return true;
        }
        if began.elapsed() > most {
            return false;
        }
        sleep(LOOK);
    }
}

/// Ends the runs that still go on: their shims do it, as on a cancel; whoever does not within `grace` is killed.
pub fn end(node: &Path, grace: Duration) {
    for (folder, _) in alive(node) {
        // Renamed into place, so that the shim never reads half of it. Where the disk is full the shim is killed below.
        let part = folder.join("control.part");
        let _ = std::fs::write(&part, STOP).and_then(|()| std::fs::rename(&part, folder.join("control.json")));
    }
    if wait(node, grace) {
        return;
    }
    for (_, shim) in alive(node) {
        if let Some(pid) = Pid::from_raw(shim.pid) {
            // It can have ended in this very moment: then there is nobody left to signal.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use super::*;

    /// A stand-in for a shim: a shell that ends when it is told to, or never.
    fn shim(node: &Path, polite: bool) -> Child {
        let folder = node.join("runs/a");
        std::fs::create_dir_all(&folder).unwrap();
        let heed = if polite { "grep -qs '\"stop\":\"cancelled\"' control.json && exit 0; " } else { "" };
        let mut command = Command::new("sh");
        command.args(["-c", &format!("while :; do {heed}sleep 0.02; done")]).current_dir(&folder).process_group(0);
        let child = command.spawn().unwrap();
        let stat = read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let ticks = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().to_owned();
        let json =
            format!("{{\"pid\": {}, \"start_ticks\": {ticks}, \"boot_id\": \"b\", \"started_ms\": 1}}", child.id());
        std::fs::write(folder.join("shim.json"), json).unwrap();
        child
    }

    #[test]
    fn runs_that_go_on_are_ended_politely_or_not() {
        for (polite, grace) in [(true, 60_000), (false, 50)] {
            let node = tempfile::tempdir().unwrap();
            assert!(wait(node.path(), Duration::ZERO), "a node without runs");
            let mut child = shim(node.path(), polite);
            assert!(!wait(node.path(), Duration::ZERO));
            end(node.path(), Duration::from_millis(grace));
            assert_eq!(child.wait().unwrap().success(), polite);
            assert!(wait(node.path(), Duration::ZERO));
        }
    }

    #[test]
    fn another_process_of_the_same_number_is_left_alone() {
        let node = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(node.path().join("runs/a")).unwrap();
        let json =
            format!("{{\"pid\": {}, \"start_ticks\": 1, \"boot_id\": \"b\", \"started_ms\": 1}}", std::process::id());
        std::fs::write(node.path().join("runs/a/shim.json"), json).unwrap();
        assert!(wait(node.path(), Duration::ZERO));
        end(node.path(), Duration::ZERO);
        assert!(!node.path().join("runs/a/control.json").exists());
    }
}
