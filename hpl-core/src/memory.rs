//! How much memory this process may still take, and how much it took at most.
//!
//! A matrix that does not fit makes the machine swap, or has the process killed in the midst of a run:
//! better to know before. What the kernel counts as available (`/proc/meminfo`) is not the whole truth
//! in a container or a batch job, whose control group may grant less; the groups above it count as well.
//!
//! Only files are read, and a file that is missing or strange says nothing rather than failing. All
//! functions that read take the root folder, so that tests can bring their own `/proc` and `/sys`.

use std::fs;
use std::path::{Path, PathBuf};

/// Limits from here on mean "none": version 1 writes the largest number of whole pages below 2^63.
const ABSURD: u64 = 1 << 62;

/// The memory of this machine and of this process in it, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Memory {
    /// What the machine has; 0 if `/proc/meminfo` does not tell.
    pub total: u64,
    /// What can be taken without swapping and within the limits of all control groups.
    pub available: u64,
    /// Of the control groups' limits the one that leaves the least.
    pub limit: Option<CgroupLimit>,
}

/// The memory limit of a control group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CgroupLimit {
    /// What all processes of the group may take together, in bytes.
    pub bytes: u64,
    /// Where the limit is written.
    pub file: PathBuf,
}

/// The memory available to the calling process now.
pub fn available() -> Memory {
    available_below(Path::new("/"))
}

/// The most memory that this process has ever had resident, in bytes (`VmHWM`).
pub fn peak_resident() -> Option<u64> {
    field_kib(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM")
}

/// Whether the kernel backs memory with huge pages: "always", "madvise" (where asked to) or "never".
pub fn huge_page_mode() -> Option<String> {
    parse_choice(&fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok()?)
}

/// The word that the kernel puts in brackets: `always [madvise] never`.
fn parse_choice(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// As [`available`], with `proc` and `sys` in the folder `root`.
pub fn available_below(root: &Path) -> Memory {
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    let (total, free) = parse_meminfo(&text("proc/meminfo"));
    let groups = group_folders(&text("proc/self/cgroup"), &text("proc/self/mountinfo"));
    let tightest = groups
        .iter()
        .flat_map(|folders| folders.chain().into_iter().map(|folder| (folders.files, folder)))
        .flat_map(|(files, folder)| read_limits(root, files, &folder))
        .min_by_key(|(room, _)| *room);
    match tightest {
        Some((room, limit)) => Memory { total, available: free.min(room), limit: Some(limit) },
        None => Memory { total, available: free, limit: None },
    }
}

/// Total and available bytes from the text of `/proc/meminfo`; 0 for what it does not tell.
///
/// Kernels before 3.14 do not write `MemAvailable`; free and cached memory come near it.
pub fn parse_meminfo(text: &str) -> (u64, u64) {
    let field = |name| field_kib(text, name);
    let cached = || Some(field("MemFree")? + field("Cached").unwrap_or(0));
    let free = field("MemAvailable").or_else(cached);
    (field("MemTotal").unwrap_or(0), free.unwrap_or(0))
}

/// The bytes of the line `Name:   1234 kB`.
fn field_kib(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// How the two versions of control groups name their files.
#[derive(Debug, PartialEq, Eq)]
struct Files {
    limits: &'static [&'static str],
    usage: &'static str,
    /// The line of `memory.stat` with the page cache of the group and of those below it that the kernel
    /// would drop first.
    cache: &'static str,
}

const VERSION_1: Files =
    Files { limits: &["memory.limit_in_bytes"], usage: "memory.usage_in_bytes", cache: "total_inactive_file" };

/// Above `memory.high` a group is not killed but throttled until it swaps: no place for a matrix.
const VERSION_2: Files =
    Files { limits: &["memory.max", "memory.high"], usage: "memory.current", cache: "inactive_file" };

/// The folder of this process's group in one hierarchy, and where the hierarchy is mounted.
#[derive(Debug, PartialEq, Eq)]
struct GroupFolder {
    files: &'static Files,
    mount: PathBuf,
    folder: PathBuf,
}

impl GroupFolder {
    /// The folder and those above it that lie within the mount.
    fn chain(&self) -> Vec<PathBuf> {
        let within = |folder: &&Path| folder.starts_with(&self.mount);
        self.folder.ancestors().take_while(within).map(Path::to_owned).collect()
    }
}

/// The memory groups from the texts of `/proc/self/cgroup` and `/proc/self/mountinfo`.
///
/// A machine may mount both versions; the memory controller is then in one of them, and the other has
/// no memory files, which adds no limit.
fn group_folders(cgroup: &str, mountinfo: &str) -> Vec<GroupFolder> {
    let mut folders = Vec::new();
    for line in cgroup.lines() {
        // number:controllers:path; version 2 is number 0 and names no controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(number), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let files = match (number, names) {
            ("0", "") => &VERSION_2,
            (_, names) if names.split(',').any(|name| name == "memory") => &VERSION_1,
            _ => continue,
        };
        if let Some((root, mount)) = mountinfo.lines().find_map(|line| parse_mount(line, files)) {
            // In a container the mount may show only the subtree from `root` on. A path outside of it
            // cannot be seen; the mount's own folder then is the nearest one.
            let below = Path::new(path).strip_prefix(&root).unwrap_or(Path::new(""));
            let visible = below.components().all(|c| c != std::path::Component::ParentDir);
            let folder = if visible { mount.join(below) } else { mount.clone() };
            folders.push(GroupFolder { files, mount, folder });
        }
    }
    folders
}

/// Root within the hierarchy and mount point, if this line of mountinfo mounts the memory groups.
fn parse_mount(line: &str, files: &Files) -> Option<(PathBuf, PathBuf)> {
    // id parent major:minor root mount-point options... - type source super-options
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let (kind, options) = (kind.next()?, kind.nth(1)?);
    let matches = if *files == VERSION_2 {
        kind == "cgroup2"
    } else {
        kind == "cgroup" && options.split(',').any(|option| option == "memory")
    };
    let mut place = place.split(' ').skip(3);
    let (root, mount) = (place.next()?, place.next()?);
    matches.then(|| (unescape(root), unescape(mount)))
}

/// The path with mountinfo's escapes undone: a blank is written `\040`, a backslash `\134`.
fn unescape(field: &str) -> PathBuf {
    let pairs = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    pairs.iter().fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain)).into()
}

/// What each limit of the group leaves, in bytes, and the limit.
fn read_limits(root: &Path, files: &Files, folder: &Path) -> Vec<(u64, CgroupLimit)> {
    let read = |name: &str| {
        let file = root.join(folder.strip_prefix("/").unwrap_or(folder)).join(name);
        fs::read_to_string(&file).ok().map(|text| (text, file))
    };
    let number = |name: &str| read(name)?.0.trim().parse::<u64>().ok();
    let used = number(files.usage).unwrap_or(0);
    let cache = read("memory.stat").and_then(|(text, _)| parse_stat(&text, files.cache));
    let held = used.saturating_sub(cache.unwrap_or(0));
    let limit = |name: &&str| {
        let (text, file) = read(name)?;
        let bytes = parse_limit(&text)?;
        Some((bytes.saturating_sub(held), CgroupLimit { bytes, file }))
    };
    files.limits.iter().filter_map(limit).collect()
}

/// The limit in bytes that a limit file states; none for `max` and for absurdly large numbers.
pub fn parse_limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|bytes| *bytes < ABSURD)
}

/// The number behind `name` in the text of a `memory.stat`.
fn parse_stat(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMINFO: &str = "MemTotal:       1000 kB\nMemFree:  300 kB\nMemAvailable:    800 kB\n";
    const KIB: u64 = 1024;

    /// A folder of its own for each test, gone when the test ends.
    struct Root(PathBuf);

    impl Root {
        fn new(name: &str, files: &[(&str, &str)]) -> Root {
            let root = Root(std::env::temp_dir().join(format!("hpl-memory-{}-{name}", std::process::id())));
            for (file, text) in files.iter().chain(&[("proc/meminfo", MEMINFO)]) {
                let path = root.0.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            root
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn version_1_takes_the_tightest_group_on_the_way_up() {
        let root = Root::new(
            "v1",
            &[
                ("proc/self/cgroup", "4:cpu,memory:/batch/job\n1:name=systemd:/\n0::/\n"),
                (
                    "proc/self/mountinfo",
                    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                     35 31 0:32 / /sys/fs/cg\\040m rw shared:9 - cgroup cgroup rw,cpu,memory\n\
                     41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                ),
                ("sys/fs/cg m/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cg m/batch/memory.limit_in_bytes", "614400\n"),
                ("sys/fs/cg m/batch/memory.usage_in_bytes", "307200\n"),
                ("sys/fs/cg m/batch/memory.stat", "inactive_file 1\ntotal_inactive_file 102400\n"),
                ("sys/fs/cg m/batch/job/memory.limit_in_bytes", "512000\n"),
                ("sys/fs/cg m/batch/job/memory.usage_in_bytes", "1024\n"),
            ],
        );
        let memory = available_below(&root.0);
        assert_eq!((memory.total, memory.available), (1000 * KIB, 400 * KIB));
        let limit = memory.limit.unwrap();
        assert_eq!(limit.bytes, 614_400);
        assert_eq!(limit.file, root.0.join("sys/fs/cg m/batch/memory.limit_in_bytes"));
    }

    #[test]
    fn version_2_in_a_container_that_sees_a_subtree() {
        let root = Root::new(
            "v2",
            &[
                ("proc/self/cgroup", "0::/docker/c0ffee/step\n"),
                ("proc/self/mountinfo", "41 31 0:38 /docker/c0ffee /sys/fs/cgroup rw - cgroup2 cgroup rw\n"),
                ("sys/fs/cgroup/memory.max", "716800\n"),
                ("sys/fs/cgroup/memory.current", "204800\n"),
                ("sys/fs/cgroup/memory.stat", "anon 3\ninactive_file 102400\n"),
                ("sys/fs/cgroup/step/memory.max", "max\n"),
                ("sys/fs/cgroup/step/memory.high", "max\n"),
            ],
        );
        let memory = available_below(&root.0);
        assert_eq!(memory.available, 600 * KIB);
        assert_eq!(memory.limit.unwrap().bytes, 700 * KIB);
    }

    #[test]
    fn a_limit_above_what_is_free_changes_nothing_and_a_full_group_leaves_nothing() {
        let cgroup = ("proc/self/cgroup", "0::/../elsewhere\n");
        let mount = ("proc/self/mountinfo", "1 2 0:3 / /cg rw - cgroup2 none rw\n");
        let wide = Root::new("wide", &[cgroup, mount, ("cg/memory.max", "99999999\n")]);
        assert_eq!(available_below(&wide.0).available, 800 * KIB);
        let used = ("cg/memory.current", "9000\n");
        let full = Root::new("full", &[cgroup, mount, ("cg/memory.high", "4096\n"), used]);
        assert_eq!(available_below(&full.0).available, 0);
    }

    #[test]
    fn without_groups_the_machine_alone_counts() {
        let bare = Root::new("bare", &[]);
        let memory = available_below(&bare.0);
        assert_eq!(memory, Memory { total: 1000 * KIB, available: 800 * KIB, limit: None });
        let nothing = Memory { total: 0, available: 0, limit: None };
        assert_eq!(available_below(&bare.0.join("nowhere")), nothing);
    }

    #[test]
    fn old_kernels_and_odd_texts() {
        let old = "MemTotal: 10 kB\nMemFree: 3 kB\nSwapCached: 9 kB\nCached: 2 kB\n";
        assert_eq!(parse_meminfo(old), (10 * KIB, 5 * KIB));
        assert_eq!(parse_meminfo("MemTotal: many\n\n:\n"), (0, 0));
        assert_eq!(parse_choice("always [madvise] never\n").unwrap(), "madvise");
        assert_eq!(parse_choice("always"), None);
        assert_eq!(parse_limit("max\n"), None);
        assert_eq!(parse_limit("4611686018427387904"), None);
        assert_eq!(parse_limit("4611686018427387903\n"), Some((1 << 62) - 1));
        assert!(group_folders("4:memory\nx\n4:memory:/", "1 2 - cgroup\n- \n").is_empty());
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = available();
        assert!(memory.available > 0 && memory.available <= memory.total, "{memory:?}");
        let peak = peak_resident().unwrap();
        assert!(peak > 100 * KIB && peak < memory.total, "{peak}");
    }
}
