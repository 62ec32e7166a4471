//! Making room for groups in the tree of version 2, where a group that deals controllers may hold no process itself.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{made, write};

/// Where the daemon and its shims go.
pub(super) const ASIDE: &str = "hpl-node-daemon";
/// What is dealt to runs, if it is there.
const DEALT: &[&str] = &["memory", "pids", "cpu"];
/// Processes that appear while others are moved: how often it is looked again.
const ROUNDS: usize = 10;

/// The group below which those of runs are made, for a process in the group `own`.
pub(super) fn base(own: &Path) -> PathBuf {
    match own.parent() {
        Some(above) if own.file_name().is_some_and(|name| name == ASIDE) => above.to_owned(),
        _ => own.to_owned(),
    }
}

/// Deals the controllers of `base` to the groups below it; moves the daemon aside if it stands in the way.
pub(super) fn deal(base: &Path) -> Result<(), String> {
    let words = |file: &str| fs::read_to_string(base.join(file)).map_err(|why| format!("{file}: {why}"));
    let (has, deals) = (words("cgroup.controllers")?, words("cgroup.subtree_control")?);
    let has_word = |text: &str, word: &str| text.split_whitespace().any(|w| w == word);
    let wanted = DEALT.iter().filter(|c| has_word(&has, c) && !has_word(&deals, c));
    let wanted: Vec<String> = wanted.map(|c| format!("+{c}")).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let control = base.join("cgroup.subtree_control");
    match write(&control, &wanted.join(" ")) {
        Ok(()) => Ok(()),
        Err(why) if why.kind() == io::ErrorKind::ResourceBusy => {
            step_aside(base)?;
            write(&control, &wanted.join(" ")).map_err(|why| format!("controllers cannot be dealt: {why}"))
        }
        Err(why) => Err(format!(
            "controllers cannot be dealt ({why}): start hpl-node as a service with Delegate=yes, or by `systemd-run -p Delegate=yes`"
        )),
    }
}

/// Moves the processes of `base` into a group below it, if all are of this program.
fn step_aside(base: &Path) -> Result<(), String> {
    let aside = made(&base.join(ASIDE))?;
    for _ in 0..ROUNDS {
        let here = processes(base);
        if here.is_empty() {
            return Ok(());
        }
        if let Some(other) = here.iter().find(|pid| !is_this_program(**pid)) {
            return Err(format!(
                "process {other}, which is not hpl-node, is in the same group: start hpl-node as a service with Delegate=yes"
            ));
        }
        for pid in here {
            match write(&aside.join("cgroup.procs"), &pid.to_string()) {
                // it has ended meanwhile
                Err(why) if why.raw_os_error() == Some(libc::ESRCH) => (),
                moved => moved.map_err(|why| format!("the daemon cannot be moved aside: {why}"))?,
            }
        }
    }
    Err("new processes keep appearing in the daemon's own group".into())
}

fn is_this_program(pid: u32) -> bool {
    let file = |pid: &str| fs::metadata(format!("/proc/{pid}/exe")).map(|m| (m.dev(), m.ino()));
    matches!((file(&pid.to_string()), file("self")), (Ok(a), Ok(b)) if a == b)
}

/// The processes of one group.
pub(super) fn processes(folder: &Path) -> BTreeSet<u32> {
    let text = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse().ok()).collect()
}
