//! Memory of this machine, and how much of it this process may still take.
//!
//! What the kernel calls available is not the whole truth in a container or a batch job: the control groups of this
//! process, each with those above it, may grant less. A file that is missing or strange says nothing.

use std::path::{Path, PathBuf};

use super::mounts::{Group, group, parse_mounts};

/// Limits from here on mean "none": version 1 writes the largest number of whole pages below 2^63.
const ABSURD: u64 = 1 << 62;

/// Memory in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// What the machine has.
    pub total: u64,
    /// What can be taken without swapping and within the limits of all control groups.
    pub available: u64,
    /// Swap space; 0 if there is none.
    pub swap_total: u64,
    /// Of the control groups' limits the one that leaves the least.
    pub limit: Option<Limit>,
}

/// The limit of a control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What all processes of the group may hold together, in bytes.
    pub bytes: u64,
    /// What they may still take.
    pub left: u64,
    /// Where the limit is written.
    pub file: PathBuf,
}

/// Bytes that this process may still take: what the kernel calls available, lowered to what its memory control groups
/// (of either version) leave.
#[must_use]
pub fn memory_available() -> u64 {
    memory_below(Path::new("/")).available
}

/// The memory, with `proc` and `sys` in the folder `root`.
#[must_use]
pub fn memory_below(root: &Path) -> Memory {
    let text = |file: &str| std::fs::read_to_string(root.join(file)).unwrap_or_default();
    let mut memory = parse_meminfo(&text("proc/meminfo"));
    let own = group(&text("proc/self/cgroup"), &parse_mounts(&text("proc/self/mountinfo")), "memory");
    memory.limit = own.and_then(|group| tightest(root, &group));
    if let Some(limit) = &memory.limit {
        memory.available = memory.available.min(limit.left);
    }
    memory
}

/// The text of `/proc/meminfo`; 0 for what it does not tell.
#[must_use]
pub fn parse_meminfo(text: &str) -> Memory {
    let field = |name: &str| meminfo_field(text, name);
    // kernels before 3.14 do not estimate what is available; free and cached memory come near it
    let estimate = || field("MemFree").unwrap_or(0) + field("Cached").unwrap_or(0);
    Memory {
        total: field("MemTotal").unwrap_or(0),
        available: field("MemAvailable").unwrap_or_else(estimate),
        swap_total: field("SwapTotal").unwrap_or(0),
        limit: None,
    }
}

/// The bytes of the line `Name:   1234 kB`.
#[must_use]
pub fn meminfo_field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().strip_suffix("kB")?.trim_end().parse::<u64>().ok()?.checked_mul(1024)
}

/// Of the limits of `group` and the groups above it the one that leaves the least.
fn tightest(root: &Path, group: &Group) -> Option<Limit> {
    // Above `memory.high` a group is not killed but slowed until it swaps: no place for a matrix. The page cache that
    // the kernel would drop first does not count as taken.
    let (limits, usage, cache): (&[&str], _, _) = if group.v2 {
        (&["memory.max", "memory.high"], "memory.current", "inactive_file")
    } else {
        (&["memory.limit_in_bytes"], "memory.usage_in_bytes", "total_inactive_file")
    };
    let text = |file: PathBuf| {
        let below = file.strip_prefix("/").unwrap_or(&file).to_owned();
        std::fs::read_to_string(root.join(below)).ok()
    };
    let read = |folder: &PathBuf, name: &str| {
        let file = folder.join(name);
        let bytes: u64 = text(file.clone())?.trim().parse().ok()?;
        let used: u64 = text(folder.join(usage))?.trim().parse().ok()?;
        let droppable = text(folder.join("memory.stat")).and_then(|stat| stat_field(&stat, cache)).unwrap_or(0);
        let left = bytes.saturating_sub(used.saturating_sub(droppable));
        (bytes < ABSURD).then_some(Limit { bytes, left, file })
    };
    let chain = group.chain();
    let all = chain.iter().flat_map(|folder| limits.iter().filter_map(|name| read(folder, name)));
    all.min_by_key(|limit| limit.left)
}

/// The number of the line `name 1234`.
fn stat_field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal: 1000 kB\nMemFree:  100 kB\nMemAvailable: 600 kB\nCached: 50 kB\nSwapTotal: 8 kB\n";

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        root
    }

    #[test]
    fn meminfo_is_read_old_and_new() {
        let new = parse_meminfo(MEMINFO);
        assert_eq!((new.total, new.available, new.swap_total), (1_024_000, 614_400, 8192));
        assert_eq!(parse_meminfo(&MEMINFO.replace("MemAvailable", "Other")).available, 150 * 1024);
        assert_eq!(parse_meminfo("MemTotal: many kB\n"), Memory::default());
    }

    #[test]
    fn version_1_lowers_what_is_available() {
        let root = tree(&[
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "4:memory:/a/b\n"),
            ("proc/self/mountinfo", "32 30 0:28 / /cg/memory rw - cgroup cgroup rw,memory\n"),
            ("cg/memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("cg/memory/memory.usage_in_bytes", "5\n"),
            ("cg/memory/a/memory.limit_in_bytes", "300000\n"),
            ("cg/memory/a/memory.usage_in_bytes", "200000\n"),
            ("cg/memory/a/memory.stat", "cache 9\ntotal_inactive_file 50000\n"),
            ("cg/memory/a/b/memory.limit_in_bytes", "400000\n"),
            ("cg/memory/a/b/memory.usage_in_bytes", "100000\n"),
        ]);
        let memory = memory_below(root.path());
        assert_eq!(memory.available, 150_000);
        let limit = memory.limit.unwrap();
        assert_eq!((limit.bytes, limit.file.to_str().unwrap()), (300_000, "/cg/memory/a/memory.limit_in_bytes"));
    }

    #[test]
    fn version_2_counts_high_as_well_and_max_means_none() {
        let files = [
            ("proc/meminfo", MEMINFO),
            ("proc/self/cgroup", "0::/a\n"),
            ("proc/self/mountinfo", "32 30 0:28 / /cg rw - cgroup2 cgroup2 rw\n"),
            ("cg/a/memory.current", "100\n"),
            ("cg/a/memory.max", "max\n"),
            ("cg/a/memory.high", "max\n"),
        ];
        assert_eq!(memory_below(tree(&files).path()).available, 614_400);
        let mut files = files;
        files[5].1 = "600\n";
        assert_eq!(memory_below(tree(&files).path()).available, 500);
        files[3].1 = "700\n";
        assert_eq!(memory_below(tree(&files).path()).available, 0);
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = memory_below(Path::new("/"));
        assert!(memory.total >= memory.available && memory.available > 0, "{memory:?}");
    }
}
