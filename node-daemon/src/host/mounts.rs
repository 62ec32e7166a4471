//! What is mounted where: the hierarchies of control groups, and the file system that a folder lies on.

use std::path::{Component, Path, PathBuf};

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The folder of the file system that is mounted.
    pub root: PathBuf,
    /// Where.
    pub at: PathBuf,
    /// Its kind, e.g. `ext4`.
    pub kind: String,
    /// Its own options; those of a version 1 hierarchy name its controllers.
    pub options: String,
}

/// All mounts from the text of `/proc/self/mountinfo`; a line that is not understood is passed over.
#[must_use]
pub fn parse_mounts(mountinfo: &str) -> Vec<Mount> {
    let parse = |line: &str| {
        // id parent device root mount-point options [tags] - kind source super-options
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, at) = (unescape(left.next()?), unescape(left.next()?));
        let mut right = right.split(' ');
        let (kind, _source, options) = (right.next()?, right.next()?, right.next().unwrap_or(""));
        Some(Mount { root, at, kind: kind.to_owned(), options: options.to_owned() })
    };
    mountinfo.lines().filter_map(parse).collect()
}

/// Spaces and the like are written as `\040`.
fn unescape(word: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = (first == b'\\').then(|| after.get(..3)).flatten().and_then(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    std::ffi::OsString::from(String::from_utf8_lossy(&bytes).into_owned()).into()
}

/// The mount that `path`, which is absolute and without links, lies on: of those that fit the longest, of equal ones
/// the last.
#[must_use]
pub fn mount_of<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|m| path.starts_with(&m.at)).max_by_key(|m| m.at.components().count())
}

/// Whether a file system of this kind is served by another machine.
#[must_use]
pub fn is_network(kind: &str) -> bool {
    const KINDS: [&str; 16] = [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.glusterfs",
        "fuse.sshfs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "orangefs",
        "smb3",
        "virtiofs",
    ];
    KINDS.contains(&kind)
}

/// The group of this process in one hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Whether the hierarchy is of version 2.
    pub v2: bool,
    /// Where the hierarchy is mounted.
    pub mount: PathBuf,
    /// The folder of the group, at the mount or below it.
    pub folder: PathBuf,
}

impl Group {
    /// The group's folder and those above it that lie within the mount, the nearest first.
    #[must_use]
    pub fn chain(&self) -> Vec<PathBuf> {
        self.folder.ancestors().take_while(|f| f.starts_with(&self.mount)).map(Path::to_owned).collect()
    }
}

/// The group that holds `controller` for the process whose `/proc/PID/cgroup` is `cgroup`: of version 1 if a hierarchy
/// of that version has the controller, else of version 2.
#[must_use]
pub fn group(cgroup: &str, mounts: &[Mount], controller: &str) -> Option<Group> {
    // number:controllers:path; version 2 is number 0 and names no controllers
    let lines = || cgroup.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let has = |list: &str| list.split(',').any(|word| word == controller);
    let v1 = lines().find(|(names, _)| has(names));
    let (v2, (_, path)) =
        v1.map(|line| (false, line)).or_else(|| Some((true, lines().find(|(n, _)| n.is_empty())?)))?;
    let fits = |m: &&Mount| if v2 { m.kind == "cgroup2" } else { m.kind == "cgroup" && has(&m.options) };
    let mount = mounts.iter().find(fits)?;
    // In a container the mount may begin further down; a path that lies outside of it cannot be seen, and the mount's
    // own folder is then the nearest one.
    let below = Path::new(path).strip_prefix(&mount.root).unwrap_or(Path::new(""));
    let visible = below.components().all(|c| c != Component::ParentDir);
    let folder = if visible { mount.at.join(below) } else { mount.at.clone() };
    Some(Group { v2, mount: mount.at.clone(), folder })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIXED: &str = "\
24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
30 24 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
40 24 0:41 /export /home/a\\040b rw - nfs4 server:/export rw
broken line
";

    #[test]
    fn mounts_are_read_and_found() {
        let mounts = parse_mounts(MIXED);
        assert_eq!(mounts.len(), 6);
        let kind = |path: &str| mount_of(&mounts, Path::new(path)).map(|m| m.kind.as_str());
        assert_eq!((kind("/home"), kind("/home/a b/c"), kind("relative")), (Some("ext4"), Some("nfs4"), None));
        assert!(is_network("nfs4") && !is_network("ext4"));
    }

    #[test]
    fn groups_are_found_in_both_versions() {
        let mounts = parse_mounts(MIXED);
        let cgroup = "4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/user\n";
        let memory = group(cgroup, &mounts, "memory").unwrap();
        assert_eq!((memory.v2, memory.folder.to_str().unwrap()), (false, "/sys/fs/cgroup/memory/jobs/7"));
        assert_eq!(memory.chain().len(), 3);
        assert_eq!(group(cgroup, &mounts, "cpu").unwrap().folder, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        let pids = group(cgroup, &mounts, "pids").unwrap();
        assert_eq!((pids.v2, pids.folder.to_str().unwrap()), (true, "/sys/fs/cgroup/unified/user"));
        assert_eq!(group("", &mounts, "memory"), None);
        assert_eq!(group(cgroup, &[], "memory"), None);
    }

    #[test]
    fn a_container_sees_its_own_subtree() {
        let mounts = parse_mounts("32 30 0:28 /docker/7 /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        let folder = |cgroup: &str| group(cgroup, &mounts, "memory").unwrap().folder;
        assert_eq!(folder("0::/docker/7/inner\n"), Path::new("/sys/fs/cgroup/inner"));
        assert_eq!(folder("0::/../other\n"), Path::new("/sys/fs/cgroup"));
    }
}
