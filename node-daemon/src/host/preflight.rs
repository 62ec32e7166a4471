//! Why the node should not claim a job now. A node that is not well claims nothing, and says why.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::environment::clip;
use super::load::{CpuLook, busy_cores, load};
use super::run_lock::{Holder, RunLock};
use super::{bytes_words, free_disk, memory_available};

/// Bytes of the file that is given up so that a result can be written to a full disk.
pub const BALLAST: u64 = 64 << 20;
/// Less memory than this is not worth a job, in bytes.
pub const LEAST_MEMORY: u64 = 256 << 20;
/// More cores than this, busy with other work, spoil a figure.
pub const OTHER_CORES: f64 = 0.5;
/// No reason is longer, in bytes: the service takes no more.
const REASON: usize = 256;
/// How long the processors are looked at; if they seem busy, three times as long again.
const WINDOW: Duration = Duration::from_millis(500);

/// What a node must have before it may claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wants {
    /// The data folder.
    pub data: PathBuf,
    /// Whether the ballast lies there already; if not, it needs room too.
    pub ballast: bool,
    /// Bytes that the logs of an attempt may have, as the service said.
    pub log_bytes: u64,
    /// Bytes that its artifacts may have.
    pub artifact_bytes: u64,
    /// The benchmark.
    pub xhpl: PathBuf,
    /// The launcher.
    pub mpirun: PathBuf,
    /// Whether other work may run beside ours.
    pub shared: bool,
    /// Whether the node is to claim nothing.
    pub draining: bool,
}

/// What it has. A figure that could not be had is absent and stops nobody.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Free bytes on the disk of the data folder.
    pub free_disk: Option<u64>,
    /// Bytes of memory that can be taken.
    pub memory_available: u64,
    /// Cores that are busy with other work.
    pub busy_cores: Option<f64>,
    /// The load of the last minute.
    pub load: Option<f64>,
    /// Whose run is on this machine.
    pub holder: Option<Holder>,
    /// What is wrong with the benchmark's program.
    pub xhpl: Option<String>,
    /// What is wrong with the launcher.
    pub mpirun: Option<String>,
}

/// Looks, and says why the node should not claim now; empty if it is well. It takes half a second where no other work
/// may run beside ours, two where such work was found.
#[must_use]
pub fn look(wants: &Wants) -> Vec<String> {
    judge(wants, &figures(wants))
}

/// The reasons, from what was wanted and what was found: at most seven, at most 256 bytes each.
#[must_use]
pub fn judge(wants: &Wants, found: &Figures) -> Vec<String> {
    let mut reasons = Vec::new();
    if wants.draining {
        reasons.push("the node is being drained; `hpl-node drain --undo` ends that".to_owned());
    }
    reasons.extend(found.xhpl.clone());
    reasons.extend(found.mpirun.clone());
    let need = disk_needed(wants);
    if let Some(free) = found.free_disk.filter(|free| *free < need) {
        reasons.push(format!(
            "disk: {} free, {} needed for logs and artifacts of a run, at {}",
            bytes_words(free),
            bytes_words(need),
            wants.data.display()
        ));
    }
    if found.memory_available < LEAST_MEMORY {
        let has = bytes_words(found.memory_available);
        reasons.push(format!("memory: {has} available, {} needed", bytes_words(LEAST_MEMORY)));
    }
    if !wants.shared {
        reasons.extend(busy(found));
        reasons.extend(other_run(wants, found));
    }
    for reason in &mut reasons {
        clip(reason, REASON);
    }
    reasons
}

/// Twice the logs (here, and once more while they are sent), the artifacts, and the ballast if it is not there yet.
fn disk_needed(wants: &Wants) -> u64 {
    let ballast = if wants.ballast { 0 } else { BALLAST };
    wants.log_bytes.saturating_mul(2).saturating_add(wants.artifact_bytes).saturating_add(ballast)
}

fn busy(found: &Figures) -> Option<String> {
    let cores = found.busy_cores.filter(|cores| *cores > OTHER_CORES)?;
    let load = found.load.map(|load| format!(" (load {load:.2})")).unwrap_or_default();
    Some(format!(
        "other work keeps {cores:.1} cores busy{load}, {OTHER_CORES} at most would do; `run --shared` allows it"
    ))
}

fn other_run(wants: &Wants, found: &Figures) -> Option<String> {
    let holder = found.holder.as_ref().filter(|holder| holder.data != wants.data)?;
    Some(format!("another run is on this machine, of {holder}; `run --shared` allows both"))
}

/// Collects the figures.
#[must_use]
pub fn figures(wants: &Wants) -> Figures {
    let alone = !wants.shared;
    Figures {
        free_disk: free_disk(&wants.data).ok(),
        memory_available: memory_available(),
        busy_cores: alone.then(other_cores).flatten(),
        load: load().ok().filter(|_| alone),
        holder: alone.then(RunLock::holder).flatten(),
        xhpl: not_executable("xhpl", &wants.xhpl),
        mpirun: not_executable("mpirun", &wants.mpirun),
    }
}

/// How many cores are busy with other work now. A moment is enough to see that none are; a burst is looked at longer.
fn other_cores() -> Option<f64> {
    let first = CpuLook::take().ok()?;
    let mut busy = None;
    for window in [WINDOW, WINDOW * 3] {
        std::thread::sleep(window);
        busy = busy_cores(&first, &CpuLook::take().ok()?);
        if busy.is_none_or(|cores| cores <= OTHER_CORES) {
            break;
        }
    }
    busy
}

/// What is wrong with a program, if it cannot be started by this user.
#[must_use]
pub fn not_executable(name: &str, path: &Path) -> Option<String> {
    let option = format!("--{name} says where it is");
    match path.metadata() {
        Err(e) => Some(format!("{name}: {}: {e}; {option}", path.display())),
        Ok(file) if !file.is_file() => Some(format!("{name}: {} is not a program; {option}", path.display())),
        Ok(_) => rustix::fs::access(path, rustix::fs::Access::EXEC_OK)
            .err()
            .map(|e| format!("{name}: {} cannot be executed: {e}; `chmod +x` mends it", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants() -> Wants {
        Wants {
            data: "/data".into(),
            ballast: true,
            log_bytes: 8 << 20,
            artifact_bytes: 64 << 20,
            xhpl: "/bin/sh".into(),
            mpirun: "/bin/sh".into(),
            shared: false,
            draining: false,
        }
    }

    fn well() -> Figures {
        Figures { free_disk: Some(80 << 20), memory_available: LEAST_MEMORY, ..Figures::default() }
    }

    #[test]
    fn each_reason_has_its_figures() {
        assert_eq!(judge(&wants(), &well()), Vec::<String>::new());
        let ill = Figures {
            free_disk: Some((80 << 20) - 1),
            memory_available: 100 << 20,
            busy_cores: Some(1.62),
            load: Some(2.3),
            holder: Some(Holder { pid: 77, data: "/other".into() }),
            xhpl: not_executable("xhpl", Path::new("/no/xhpl")),
            mpirun: not_executable("mpirun", Path::new("/")),
        };
        let asked = Wants { draining: true, ..wants() };
        let expected = [
            "the node is being drained; `hpl-node drain --undo` ends that",
            "xhpl: /no/xhpl: No such file or directory (os error 2); --xhpl says where it is",
            "mpirun: / is not a program; --mpirun says where it is",
            "disk: 80.0 MiB free, 80.0 MiB needed for logs and artifacts of a run, at /data",
            "memory: 100.0 MiB available, 256.0 MiB needed",
            "other work keeps 1.6 cores busy (load 2.30), 0.5 at most would do; `run --shared` allows it",
            "another run is on this machine, of process 77 with the data folder /other; `run --shared` allows both",
        ];
        assert_eq!(judge(&asked, &ill), expected);
        assert_eq!(judge(&Wants { shared: true, ..asked }, &ill), expected[..5]);
    }

    #[test]
    fn the_edges_are_where_they_are_said_to_be() {
        let edge = Figures { busy_cores: Some(OTHER_CORES), ..well() };
        assert_eq!(judge(&wants(), &edge), Vec::<String>::new());
        assert_eq!(judge(&Wants { ballast: false, ..wants() }, &well()).len(), 1);
        let more = Figures { free_disk: Some(144 << 20), ..well() };
        assert_eq!(judge(&Wants { ballast: false, ..wants() }, &more), Vec::<String>::new());
        let own = Figures { holder: Some(Holder { pid: 77, data: "/data".into() }), ..well() };
        assert_eq!(judge(&wants(), &own), Vec::<String>::new());
        let unknown = Figures { free_disk: None, ..well() };
        assert_eq!(judge(&wants(), &unknown), Vec::<String>::new());
        let long = Figures { xhpl: Some("ä".repeat(400)), ..well() };
        assert!(judge(&wants(), &long)[0].len() <= REASON);
        assert_eq!(judge(&Wants { log_bytes: u64::MAX, ..wants() }, &well()).len(), 1);
    }

    #[test]
    fn this_machine_has_figures() {
        let scratch = tempfile::tempdir().unwrap();
        let wants = Wants { data: scratch.path().to_owned(), ..wants() };
        let found = figures(&wants);
        assert!(found.free_disk.is_some() && found.busy_cores.is_some() && found.load.is_some(), "{found:?}");
        assert_eq!((found.xhpl, found.mpirun), (None, None));
        let shared = figures(&Wants { shared: true, ..wants });
        assert_eq!((shared.busy_cores, shared.holder), (None, None));
        let plain = scratch.path().join("plain");
        std::fs::write(&plain, "").unwrap();
        assert!(not_executable("xhpl", &plain).unwrap().contains("cannot be executed"));
    }
}
