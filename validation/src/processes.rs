//! The processes of a job, found by a mark in their environment: launchers put ranks into process groups
//! and sessions of their own, but every child inherits the environment.
//!
//! Where there is no `/proc`, no process is found.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// The environment variable that carries the mark.
pub const MARK: &str = "HPLAAS_TEST_JOB";

/// The processes whose environment carries this mark, and whose name is `name` if one is given.
pub fn marked(mark: &str, name: Option<&str>) -> Vec<u32> {
    let wanted = format!("{MARK}={mark}");
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let carries = environment.split(|&byte| byte == 0).any(|variable| variable == wanted.as_bytes());
        carries && name.is_none_or(|name| name_of(*pid).as_deref() == Some(name))
    })
    .collect()
}

/// What the process is called: the file name of its program.
pub fn name_of(pid: u32) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

/// The most memory the process has had resident, in bytes. None once it has ended.
pub fn peak_resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// Sends a signal. A process that has ended by itself needs none.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}
