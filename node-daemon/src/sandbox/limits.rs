//! Limits of each process, niceness, and who goes first when memory ends.

use rustix::process::{Resource, Rlimit, getpriority_process, getrlimit, setpriority_process, setrlimit};

use super::{Measures, note};
use crate::launch::Launch;

/// Open files of a process: MPI needs some for every rank, nobody needs more.
const OPEN_FILES: u64 = 65_536;
/// The daemon must stay reachable while every core computes.
const NICE: i32 = 1;
/// Above every ordinary process, so that the kernel ends the run and not the daemon.
const OOM_SCORE: &str = "500";

/// Sets all of them.
pub(super) fn set(launch: &Launch, measures: &mut Measures) {
    let limits = &launch.limits;
    let exactly = |bound: u64| Rlimit { current: Some(bound), maximum: Some(bound) };
    let mut wanted = vec![
        ("core", Resource::Core, exactly(0)),
        ("file size", Resource::Fsize, exactly(at_most(Resource::Fsize, limits.file_bytes))),
        ("open files", Resource::Nofile, exactly(at_most(Resource::Nofile, OPEN_FILES))),
    ];
    // it counts all processes of the user, so it is of use only for a user that does nothing else
    if launch.run_as.is_some() {
        let bound = at_most(Resource::Nproc, u64::from(limits.processes));
        wanted.push(("processes", Resource::Nproc, exactly(bound)));
    }
    let failed: Vec<String> = wanted
        .into_iter()
        .filter_map(|(name, which, limit)| setrlimit(which, limit).err().map(|why| format!("{name} ({why})")))
        .collect();
    let rlimits = if failed.is_empty() { Ok("yes") } else { Err(failed.join(", ")) };
    note(measures, "rlimits", rlimits);
    note(measures, "locked_memory", locked_memory());
    let nice = getpriority_process(None).and_then(|now| setpriority_process(None, now.max(NICE)));
    note(measures, "nice", nice.map(|()| "yes"));
    let score = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    note(measures, "oom_score", score.map(|()| "yes"));
}

/// Bounds the processes of a user namespace. From Linux 5.14 on they are counted for the namespace, before that for the
/// user, who may have others.
pub(super) fn processes_of_namespace(bound: u32, measures: &mut Measures) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    if counts_by_namespace(&release) {
        let bound = at_most(Resource::Nproc, bound.into());
        let set = setrlimit(Resource::Nproc, Rlimit { current: Some(bound), maximum: Some(bound) });
        note(measures, "process_limit", set.map(|()| "yes (user namespace)"));
    }
}

fn counts_by_namespace(release: &str) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse::<u32>().ok());
    (parts.next(), parts.next()) >= (Some(5), Some(14))
}

/// Never more than what is allowed here already.
fn at_most(which: Resource, bound: u64) -> u64 {
    getrlimit(which).maximum.map_or(bound, |maximum| maximum.min(bound))
}

/// No limit, because network cards want the memory that they write to locked; otherwise as much as is allowed.
fn locked_memory() -> Result<String, rustix::io::Errno> {
    if setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None }).is_ok() {
        return Ok("without limit".into());
    }
    let maximum = getrlimit(Resource::Memlock).maximum;
    setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum })?;
    Ok(maximum.map_or_else(|| "without limit".into(), |bytes| format!("up to {bytes} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_says_how_processes_are_counted() {
        for (release, wanted) in
            [("5.14.0-362.el9\n", true), ("6.1.0-1-amd64", true), ("5.13.9", false), ("4.18.0-5", false), ("", false)]
        {
            assert_eq!(counts_by_namespace(release), wanted, "{release}");
        }
    }
}
