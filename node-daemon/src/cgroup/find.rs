//! Where control groups are mounted and which one this process is in: pure readings of /proc/self/mountinfo and
//! /proc/self/cgroup.
//!
//! There are two versions. Of version 1 each controller (memory, pids, …) has a tree of its own; version 2 is one tree.
//! A machine may have one, the other, or both, with the controllers in either.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The group of this process, as a folder of each tree that can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trees {
    /// In the tree of version 2.
    pub v2: Option<PathBuf>,
    /// In the trees of version 1, by controller. Several controllers may share a tree.
    pub v1: BTreeMap<String, PathBuf>,
}

/// A tree that is mounted.
struct Mount {
    /// Version 1: its controllers. Version 2: none.
    controllers: Option<Vec<String>>,
    /// Which of its groups is to be seen at the mount point.
    root: String,
    at: PathBuf,
}

/// Reads both files. What does not fit the format is passed over.
#[must_use]
pub fn trees(mountinfo: &str, cgroup: &str) -> Trees {
    let mut found = Trees::default();
    let mounts: Vec<Mount> = mountinfo.lines().filter_map(mount).collect();
    for (controllers, path) in cgroup.lines().filter_map(membership) {
        let ours = mounts.iter().filter(|m| match &m.controllers {
            Some(of_mount) => controllers.iter().any(|c| of_mount.iter().any(|m| m == c)),
            None => controllers.is_empty(),
        });
        let Some(folder) = ours.filter_map(|m| within(m, path)).next() else { continue };
        if controllers.is_empty() {
            found.v2 = Some(folder);
        } else {
            found.v1.extend(controllers.into_iter().map(|c| (c.to_owned(), folder.clone())));
        }
    }
    found
}

/// `31 23 0:28 ROOT AT rw,relatime [shared:1 …] - TYPE SOURCE OPTIONS`
fn mount(line: &str) -> Option<Mount> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (root, at) = (unescaped(place.next()?), PathBuf::from(unescaped(place.next()?)));
    let mut kind = kind.split(' ');
    let controllers = match kind.next()? {
        "cgroup2" => None,
        "cgroup" => Some(kind.nth(1)?.split(',').map(str::to_owned).collect()),
        _ => return None,
    };
    Some(Mount { controllers, root, at })
}

/// `4:memory:/path` (version 1; a tree without controllers is called `name=…`) or `0::/path` (version 2).
fn membership(line: &str) -> Option<(Vec<&str>, &str)> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    Some((controllers.split(',').filter(|c| !c.is_empty()).collect(), path))
}

/// The folder of group `path` in a mount that shows the tree from its root on; None if it does not show it.
fn within(mount: &Mount, path: &str) -> Option<PathBuf> {
    let inner = Path::new(path).strip_prefix(&mount.root).ok()?;
    // groups above our namespace are written `/..`: out of reach
    let reachable = inner.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    reachable.then(|| if inner.as_os_str().is_empty() { mount.at.clone() } else { mount.at.join(inner) })
}

/// Spaces, tabs, line ends and backslashes are written as octal numbers.
fn unescaped(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v1(trees: &Trees) -> Vec<(&str, &str)> {
        trees.v1.iter().map(|(c, p)| (c.as_str(), p.to_str().unwrap())).collect()
    }

    #[test]
    fn pure_version_2_of_a_service() {
        let mounts = "\
22 1 0:21 / /proc rw,nosuid - proc proc rw
24 30 0:22 / /sys rw,nosuid,nodev shared:7 - sysfs sysfs rw
30 24 0:27 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";
        let found = trees(mounts, "0::/system.slice/hpl-node.service\n");
        assert_eq!(found.v2.unwrap(), Path::new("/sys/fs/cgroup/system.slice/hpl-node.service"));
        assert!(found.v1.is_empty());
    }

    #[test]
    fn pure_version_1_with_shared_trees() {
        let mounts = "\
33 32 0:29 / /sys/fs/cgroup/systemd rw shared:10 - cgroup cgroup rw,xattr,name=systemd
36 32 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct
37 32 0:33 / /sys/fs/cgroup/memory rw shared:16 - cgroup cgroup rw,memory
39 32 0:35 / /sys/fs/cgroup/pids\\040x rw shared:18 - cgroup cgroup rw,pids
";
        let groups = "9:pids:/user.slice\n5:memory:/\n3:cpu,cpuacct:/user.slice/a b\n1:name=systemd:/user.slice\n";
        let found = trees(mounts, groups);
        assert_eq!(found.v2, None);
        let wanted = [
            ("cpu", "/sys/fs/cgroup/cpu,cpuacct/user.slice/a b"),
            ("cpuacct", "/sys/fs/cgroup/cpu,cpuacct/user.slice/a b"),
            ("memory", "/sys/fs/cgroup/memory"),
            ("name=systemd", "/sys/fs/cgroup/systemd/user.slice"),
            ("pids", "/sys/fs/cgroup/pids x/user.slice"),
        ];
        assert_eq!(v1(&found), wanted);
    }

    #[test]
    fn both_versions_and_a_container_that_sees_a_part() {
        let mounts = "\
35 31 0:32 /docker/c1 /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
        let groups = "8:pids:/../elsewhere\n4:memory:/docker/c1/inner\n2:freezer:/docker/c1\n0::/\nnonsense\n";
        let found = trees(mounts, groups);
        assert_eq!(found.v2.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
        assert_eq!(
            v1(&found),
            [("memory", "/sys/fs/cgroup/memory/inner")],
            "pids is out of reach, freezer not mounted"
        );
        assert_eq!(v1(&trees(mounts, "4:memory:/docker/c2\n")), []);
        assert_eq!(trees("", ""), Trees::default());
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(mounts in "[a-z0-9:/ ,\\\\\n-]{0,200}", groups in "[a-z0-9:/,.=\n]{0,200}") {
            let _ = trees(&mounts, &groups);
        }
    }
}
