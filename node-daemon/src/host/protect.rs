//! What the daemon does for itself, so that it keeps speaking while a run takes all cores and most of the memory.
//!
//! Children inherit priority and score; the stage of a run raises them again for what it becomes. Locked memory is
//! not inherited.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{Resource, getpriority_process, getrlimit, setpriority_process};

/// How much sooner than others the daemon gets a core.
pub const NICE: i32 = -10;
/// How late the daemon is killed when memory is short; -1000 would be never.
pub const OOM_SCORE: i32 = -900;
/// Bytes that a process must be allowed to lock: stacks of threads and pools of the allocator count in full, though
/// little of them is ever used. Below it a thread could not be started any more.
const LOCK_ROOM: u64 = 1 << 30;
/// The bit of the capability that lifts the limit of locked memory.
const CAP_IPC_LOCK: u32 = 14;

/// Raises priority, lowers the score of the killer for lack of memory, keeps the pages in memory. To be called before
/// threads are started: they inherit the priority. Each measure by name, with `yes` or the reason why not.
#[must_use]
pub fn protect() -> BTreeMap<String, String> {
    let words = |result: Result<(), String>| result.map_or_else(|why| why, |()| "yes".to_owned());
    [("nice", nice()), ("oom_score", oom_score(Path::new("/proc/self/oom_score_adj"))), ("memory_locked", lock())]
        .map(|(name, result)| (name.to_owned(), words(result)))
        .into()
}

fn nice() -> Result<(), String> {
    let now = getpriority_process(None).map_err(|e| e.to_string())?;
    if now <= NICE {
        return Ok(());
    }
    setpriority_process(None, NICE).map_err(|_| {
        format!("no: stays at {now}, {NICE} is not allowed (needs CAP_SYS_NICE, or Nice={NICE} in the unit)")
    })
}

/// The number in `/proc/self/oom_score_adj`.
pub(crate) fn parse_score(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|score| (-1000..=1000).contains(score))
}

fn oom_score(file: &Path) -> Result<(), String> {
    let now = std::fs::read_to_string(file).ok().as_deref().and_then(parse_score);
    if now.is_some_and(|score| score <= OOM_SCORE) {
        return Ok(());
    }
    let now = now.map_or_else(|| "unknown".to_owned(), |score| score.to_string());
    std::fs::write(file, OOM_SCORE.to_string()).map_err(|_| {
        format!("no: stays at {now}, {OOM_SCORE} is not allowed (needs CAP_SYS_RESOURCE, or OOMScoreAdjust={OOM_SCORE} in the unit)")
    })
}

fn lock() -> Result<(), String> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limit = getrlimit(Resource::Memlock).current;
    may_lock(has_capability(&status, CAP_IPC_LOCK), limit)?;
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).map_err(|e| format!("no: {e}"))
}

/// Whether locking is safe: with too little room the next thread could not be started.
fn may_lock(capable: bool, limit: Option<u64>) -> Result<(), String> {
    match limit {
        Some(bytes) if !capable && bytes < LOCK_ROOM => Err(format!(
            "no: only {} may be locked (needs CAP_IPC_LOCK, or LimitMEMLOCK=infinity in the unit)",
            super::bytes_words(bytes)
        )),
        _ => Ok(()),
    }
}

/// Whether the effective capabilities in `/proc/self/status` hold the bit.
pub(crate) fn has_capability(status: &str, bit: u32) -> bool {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    line.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask >> bit & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_measure_is_named() {
        // What they do to this process ends with it, but the other tests of this process would run under them:
        // so the real call is made in tests/host.rs, in a process of its own.
        let scratch = tempfile::tempdir().unwrap();
        let file = scratch.path().join("oom_score_adj");
        std::fs::write(&file, "-950\n").unwrap();
        oom_score(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "-950\n");
        std::fs::write(&file, "0\n").unwrap();
        oom_score(&file).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "-900");
        let refused = oom_score(&scratch.path().join("no/such")).unwrap_err();
        assert_eq!(
            refused,
            "no: stays at unknown, -900 is not allowed (needs CAP_SYS_RESOURCE, or OOMScoreAdjust=-900 in the unit)"
        );
        assert_eq!((parse_score("-17\n"), parse_score("9999"), parse_score("x")), (Some(-17), None, None));
    }

    #[test]
    fn memory_is_locked_only_where_there_is_room() {
        may_lock(false, None).unwrap();
        may_lock(true, Some(0)).unwrap();
        may_lock(false, Some(1 << 30)).unwrap();
        let refused = may_lock(false, Some(8 << 20)).unwrap_err();
        assert_eq!(
            refused,
            "no: only 8.0 MiB may be locked (needs CAP_IPC_LOCK, or LimitMEMLOCK=infinity in the unit)"
        );
        assert!(has_capability("Name: x\nCapEff:\t0000000000004000\n", CAP_IPC_LOCK));
        assert!(!has_capability("CapEff:\t0000000000003fff\n", CAP_IPC_LOCK) && !has_capability("", 0));
    }
}
