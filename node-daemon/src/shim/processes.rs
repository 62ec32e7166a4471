//! Processes as /proc shows them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::param::{clock_ticks_per_second, page_size};

use crate::launch::ShimIs;

/// What the shim wants to know of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: u32,
    state: u8,
    parent: u32,
    session: u32,
    /// Processor time of children that ended and were waited for.
    waited_for_ticks: u64,
    /// When it was started.
    pub(super) start_ticks: u64,
    rss_pages: u64,
}

impl Process {
    /// The process of that number.
    pub(super) fn of(pid: u32) -> Option<Process> {
        parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Whether it only waits for its parent to take notice.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    fn rss_bytes(&self) -> u64 {
        self.rss_pages * page_size() as u64
    }
}

/// Reads a line of /proc/PID/stat. The name in parentheses may hold anything, so it is counted from the last one.
fn parse(line: &str) -> Option<Process> {
    let (pid, rest) = line.split_once(" (")?;
    let fields: Vec<&str> = rest.rsplit_once(')')?.1.split_whitespace().collect();
    // the manual counts the state as field 3
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let small = |field: usize| u32::try_from(number(field)?).ok();
    Some(Process {
        pid: pid.parse().ok()?,
        state: *fields.first()?.as_bytes().first()?,
        parent: small(4)?,
        session: small(6)?,
        waited_for_ticks: number(16)? + number(17)?,
        start_ticks: number(22)?,
        rss_pages: number(24)?,
    })
}

/// All that are there.
fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(Process::of).collect()
}

/// The living descendants of `root`. A shim is given the orphans among them, so none is missing.
pub(super) fn descendants(root: u32) -> Vec<Process> {
    below(root, &all()).into_iter().filter(|p| !p.has_ended()).collect()
}

fn below(root: u32, all: &[Process]) -> Vec<Process> {
    let mut family = BTreeSet::from([root]);
    loop {
        let before = family.len();
        family.extend(all.iter().filter(|p| family.contains(&p.parent)).map(|p| p.pid).collect::<Vec<_>>());
        if family.len() == before {
            return all.iter().filter(|p| p.pid != root && family.contains(&p.pid)).copied().collect();
        }
    }
}

/// Bytes that the descendants of `root` hold in memory. What they share is counted for each.
pub(super) fn rss_below(root: u32) -> u64 {
    descendants(root).iter().map(Process::rss_bytes).sum()
}

/// Processor seconds of all descendants of this process that have ended.
pub(super) fn waited_for_s() -> Option<f64> {
    let own = parse(&fs::read_to_string("/proc/self/stat").ok()?)?;
    Some(own.waited_for_ticks as f64 / clock_ticks_per_second() as f64)
}

/// Living processes that a dead shim left: those of its session, and those whose environment names the scratch folder
/// of its run, which no other run has.
pub(super) fn left_by(shim: Option<&ShimIs>, tmp: &Path) -> Vec<u32> {
    let all = all();
    // the number of a session is not dealt again while somebody is in it: a process of that number that is not the
    // shim means that its session has ended
    let session = shim.filter(|is| is.boot_id == super::boot_id());
    let session = session.filter(|is| all.iter().all(|p| p.pid != is.pid || p.start_ticks == is.start_ticks));
    let own = std::process::id();
    let left = |p: &&Process| {
        let of_session = session.is_some_and(|is| p.session == is.pid && p.start_ticks >= is.start_ticks);
        p.pid != own && !p.has_ended() && (of_session || names(p.pid, tmp))
    };
    all.iter().filter(left).map(|p| p.pid).collect()
}

fn names(pid: u32, tmp: &Path) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|&byte| byte == 0).any(|v| v.strip_prefix(b"TMPDIR=") == Some(tmp.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "42 (a) b (c) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 70 8 20 0 1 0 999 1000 25 18446744073709551615";

    #[test]
    fn a_line_of_stat_is_read_whatever_the_name() {
        let read = parse(LINE).unwrap();
        let wanted = Process {
            pid: 42,
            state: b'S',
            parent: 7,
            session: 42,
            waited_for_ticks: 78,
            start_ticks: 999,
            rss_pages: 25,
        };
        assert_eq!(read, wanted);
        assert!(parse("42 (a) S 7").is_none() && parse("").is_none() && parse("x (a) S").is_none());
    }

    #[test]
    fn descendants_are_found_through_every_generation() {
        let process = |pid, parent| Process { pid, parent, ..parse(LINE).unwrap() };
        let all = [process(5, 4), process(4, 3), process(9, 1), process(3, 2), process(2, 1), process(1, 0)];
        assert_eq!(below(2, &all).iter().map(|p| p.pid).collect::<Vec<_>>(), [5, 4, 3]);
        assert!(below(8, &all).is_empty());
        assert_eq!(Process::of(std::process::id()).unwrap().pid, std::process::id());
    }
}
