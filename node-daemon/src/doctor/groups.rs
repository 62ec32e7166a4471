//! Control groups: which version, which controllers, and whether a group can really be made.

use std::path::{Path, PathBuf};

use super::{Ability, State};
use crate::host::environment::cgroup_version;
use crate::host::mounts::{Mount, group, parse_mounts};

/// What a run needs of them: to bound and count memory, to bound processes, to share the cores.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];

/// What came of trying each controller.
#[derive(Debug, Default)]
struct Tried {
    /// The versions that are mounted.
    version: String,
    /// In which a group can be made, with the version.
    works: Vec<(&'static str, u8)>,
    /// In which none can, and why.
    lacks: Vec<(&'static str, String)>,
}

/// Whether a run can have a control group of its own.
#[must_use]
pub fn cgroup() -> Ability {
    let text = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let (own, mountinfo) = (text("/proc/self/cgroup"), text("/proc/self/mountinfo"));
    let mounts = parse_mounts(&mountinfo);
    let mut tried = Tried { version: cgroup_version(&mountinfo).to_owned(), ..Tried::default() };
    for controller in CONTROLLERS {
        match try_controller(&own, &mounts, controller) {
            Ok(version) => tried.works.push((controller, version)),
            Err(why) => tried.lacks.push((controller, why)),
        }
    }
    judge(&tried)
}

/// Makes a group with the controller and removes it; the version it was made in.
fn try_controller(own: &str, mounts: &[Mount], controller: &str) -> Result<u8, String> {
    let group = group(own, mounts, controller).ok_or("not mounted")?;
    if !group.v2 {
        try_group(&group.folder)?;
        return Ok(1);
    }
    // The group that deals its controllers to others may hold no process: a daemon whose own group was given to it
    // moves itself aside. Here it is enough to see that it was given, and with which controllers.
    let words = std::fs::read_to_string(group.folder.join("cgroup.controllers")).unwrap_or_default();
    if !words.split_whitespace().any(|word| word == controller) {
        return Err(format!("not given to {}", group.folder.display()));
    }
    try_group(&group.folder)?;
    Ok(2)
}

/// Makes and removes a group; no other process looks for this name.
fn try_group(own: &Path) -> Result<(), String> {
    let folder: PathBuf = own.join(format!("hpl-node-doctor-{}", std::process::id()));
    std::fs::create_dir(&folder).map_err(|e| format!("{}: {e}", own.display()))?;
    let is_group = folder.join("cgroup.procs").exists();
    std::fs::remove_dir(&folder).map_err(|e| format!("{} cannot be removed: {e}", folder.display()))?;
    if is_group { Ok(()) } else { Err(format!("{} is no control group", own.display())) }
}

/// What the lack of a controller costs.
fn cost(controller: &str) -> &'static str {
    match controller {
        "memory" => {
            "without memory, its peak is a sum of resident sizes taken each second; results stay amber at `memory`, and \
             a run that takes too much is only bounded process by process"
        }
        "pids" => "without pids, a run that forks without end is bounded by the user's own limit alone",
        _ => "without cpu, the daemon keeps its turn by its priority alone",
    }
}

fn judge(tried: &Tried) -> Ability {
    let named = |names: &[&str]| names.join(", ");
    let works: Vec<&str> = tried.works.iter().map(|(name, _)| *name).collect();
    let found = match tried.works.first() {
        Some((_, version)) if tried.works.iter().all(|(_, v)| v == version) => {
            format!("version {version}: a group with {} can be made", named(&works))
        }
        Some(_) => format!("versions 1 and 2: a group with {} can be made", named(&works)),
        None if tried.version == "none" => "none is mounted".to_owned(),
        None => format!("version {}: no group can be made", tried.version),
    };
    let Some((_, why)) = tried.lacks.first() else { return Ability::has("cgroup", found) };
    let lacking: Vec<&str> = tried.lacks.iter().map(|(name, _)| *name).collect();
    let found = match (works.is_empty(), tried.version.as_str()) {
        (true, "none") => found,
        (true, _) => format!("{found} ({why})"),
        (false, _) => format!("{found}; not with {} ({why})", named(&lacking)),
    };
    let costs: Vec<&str> = lacking.iter().map(|name| cost(name)).collect();
    let mend = if tried.version == "none" {
        "mount them: mount -t cgroup2 none /sys/fs/cgroup"
    } else {
        "run the daemon by the unit in node-daemon/ (it has Delegate=yes), or as root; by hand: systemd-run -p \
         Delegate=yes hpl-node run"
    };
    let state = if works.is_empty() { State::No } else { State::Partly };
    Ability::lacks("cgroup", state, found, costs.join("; "), mend)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_are_counted_up() {
        let tried = |works: &[(&'static str, u8)], lacks: &[&'static str]| Tried {
            version: "1 and 2".to_owned(),
            works: works.to_vec(),
            lacks: lacks.iter().map(|name| (*name, "Permission denied".to_owned())).collect(),
        };
        let all = judge(&tried(&[("memory", 1), ("pids", 1), ("cpu", 1)], &[]));
        assert_eq!(all, Ability::has("cgroup", "version 1: a group with memory, pids, cpu can be made"));
        let some = judge(&tried(&[("memory", 1), ("pids", 2)], &["cpu"]));
        assert_eq!(some.state, State::Partly);
        assert_eq!(
            some.found,
            "versions 1 and 2: a group with memory, pids can be made; not with cpu (Permission denied)"
        );
        let none = judge(&tried(&[], &CONTROLLERS));
        assert_eq!(none.state, State::No);
        assert_eq!(none.found, "version 1 and 2: no group can be made (Permission denied)");
        assert!(none.costs.contains("amber at `memory`") && none.mend.contains("Delegate=yes"));
        let bare = judge(&Tried { version: "none".to_owned(), ..tried(&[], &CONTROLLERS) });
        assert!(bare.found == "none is mounted" && bare.mend.contains("mount -t cgroup2"));
    }

    #[test]
    fn a_plain_folder_is_no_group() {
        let scratch = tempfile::tempdir().unwrap();
        assert!(try_group(scratch.path()).unwrap_err().ends_with("is no control group"));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
        let mounts = parse_mounts(&format!("32 30 0:28 / {} rw - cgroup2 cgroup2 rw\n", scratch.path().display()));
        std::fs::write(scratch.path().join("cgroup.controllers"), "cpu pids\n").unwrap();
        let tried = |controller| try_controller("0::/\n", &mounts, controller).unwrap_err();
        assert!(tried("memory").starts_with("not given to") && tried("cpu").ends_with("is no control group"));
        assert_eq!(try_controller("", &mounts, "cpu").unwrap_err(), "not mounted");
    }
}
