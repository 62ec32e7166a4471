//! What passes between the daemon and the shim, as files of the attempt's folder. Both may be killed at any moment and
//! neither waits for the other: each file is written whole and renamed into its place.
//!
//! ```text
//!   daemon                                  shim                             stage
//!     launch.json  ────────────────────────►  reads it
//!                                             shim.json (who it is)
//!                                             starts ───────────────────────►  sandbox.json, then it becomes mpirun
//!     control.json (stop, more time) ───────► looks at it when it is new
//!                                             out.log, err.log, work/…
//!     reads exit.json  ◄──────────────────── exit.json, the last thing it does
//! ```

use std::collections::BTreeMap;
use std::path::PathBuf;

use hpl_spec::evidence::MemoryPeak;
use serde::{Deserialize, Serialize};

/// What the shim is to start, and within which bounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Program and arguments, the program by its whole path. No shell reads them.
    pub argv: Vec<String>,
    /// The whole environment of the program.
    pub env: BTreeMap<String, String>,
    /// The folder it starts in and may write to.
    pub work: PathBuf,
    /// A folder of its own for scratch files, writable, its path short enough for the sockets that MPI makes there.
    /// The shim makes it (mode 0700) and removes it.
    pub tmp: PathBuf,
    /// Folders and files that it may read and execute beside the system's own: the benchmark, MPI.
    pub read: Vec<PathBuf>,
    /// Seconds after which it is ended.
    pub walltime_s: u32,
    /// The name of its control group.
    pub group: String,
    /// User and group that it runs as; the daemon's own if absent.
    pub run_as: Option<(u32, u32)>,
    /// Within which bounds.
    pub limits: RunLimits,
}

/// The bounds of a run. A bound that the node cannot set is named in [`Exit::sandbox`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunLimits {
    /// Bytes of memory, over all of its processes.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub processes: u32,
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Bytes of the work folder and the scratch folder together.
    pub work_bytes: u64,
    /// Bytes of out.log and err.log together; what comes after is counted and dropped.
    pub log_bytes: u64,
    /// Free bytes on the disk of the work folder below which the run is ended.
    pub disk_reserve: u64,
}

/// Who the shim is, so that a daemon that starts anew knows it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShimIs {
    /// Its process, which is also its session.
    pub pid: u32,
    /// The moment of its start as the system counts it (field 22 of /proc/PID/stat): a later process of the same
    /// number has another one.
    pub start_ticks: u64,
    /// The boot it belongs to.
    pub boot_id: String,
    /// When it started the program: milliseconds of the clock that counts from boot (CLOCK_BOOTTIME).
    pub started_ms: u64,
}

/// What the daemon wants of a shim; later versions of the file replace earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// End the run.
    pub stop: Option<Stop>,
    /// Seconds, instead of [`Launch::walltime_s`].
    pub walltime_s: Option<u32>,
}

/// Why a run was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stop {
    /// Somebody cancelled the job.
    Cancelled,
    /// Its fence is dead: another run of the job counts.
    Stale,
    /// Its walltime was over.
    Walltime,
    /// Its files grew beyond [`RunLimits::work_bytes`].
    WorkFull,
    /// The disk fell below [`RunLimits::disk_reserve`].
    DiskFull,
}

/// What the stage could do before it became the launcher: `sandbox.json`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Staged {
    /// Each measure by name, `yes` or what is missing, e.g. `landlock: yes (ABI 7)`.
    pub measures: BTreeMap<String, String>,
    /// Whether the run can reach the network.
    pub network_open: bool,
    /// Why the launcher could not be started.
    pub failed: Option<String>,
}

/// How a run ended: `exit.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// How the launcher ended.
    pub end: End,
    /// Why it was ended, if it was.
    pub stopped: Option<Stop>,
    /// Seconds from its start to its end, by the monotonic clock.
    pub elapsed_s: f64,
    /// Processor seconds of all its processes.
    pub cpu_s: Option<f64>,
    /// The most memory they held at one moment.
    pub memory_peak: Option<MemoryPeak>,
    /// How many of them were killed because the memory bound was reached.
    pub out_of_memory: u64,
    /// How often a process was refused because of [`RunLimits::processes`].
    pub processes_refused: u64,
    /// Bytes of out.log and err.log that were dropped.
    pub log_dropped: [u64; 2],
    /// How the run was kept apart, by name: what the stage says and what the shim set.
    pub sandbox: BTreeMap<String, String>,
    /// Whether the run could reach the network.
    pub network_open: bool,
    /// Processor seconds of the shim itself.
    pub shim_cpu_s: f64,
    /// The boot in which it ended.
    pub boot_id: String,
}

/// How a launcher ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// With this status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It was never started.
    NotStarted(String),
}
