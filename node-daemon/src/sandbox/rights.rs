//! The user of the run, and what is left of root's powers.

use rustix::process::{Gid, Uid, geteuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::{Measures, note};

/// Becomes the user and the group of `run_as`, in no other group, and gives up all capabilities.
///
/// A run as root keeps one of them, to read files whatever their mode: the benchmark may lie in somebody's closed
/// home. Which files those are landlock says.
pub(super) fn give_up(run_as: Option<(u32, u32)>, measures: &mut Measures) -> Result<(), String> {
    let root = geteuid().is_root() && run_as.is_none();
    let kept = if root { CapabilitySet::DAC_READ_SEARCH } else { CapabilitySet::empty() };
    // without the right to do so there are none worth taking away, and no_new_privs keeps new ones out
    for capability in CapabilitySet::all().difference(kept).iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    let _ = clear_ambient_capability_set();
    if let Some((user, group)) = run_as {
        become_user(user, group)?;
        measures.insert("user".into(), format!("yes ({user}:{group})"));
    } else {
        measures.insert("user".into(), format!("no: the daemon's own ({})", geteuid().as_raw()));
    }
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    let words = if root { "none but to read" } else { "none" };
    note(measures, "capabilities", set_capabilities(None, sets).map(|()| words));
    Ok(())
}

/// This process has one thread, so what the calls change for a thread they change for the process.
fn become_user(user: u32, group: u32) -> Result<(), String> {
    let (uid, gid) = (Uid::from_raw(user), Gid::from_raw(group));
    let change = || {
        set_thread_groups(&[])?;
        set_thread_res_gid(gid, gid, gid)?;
        set_thread_res_uid(uid, uid, uid)
    };
    change().map_err(|why: rustix::io::Errno| {
        format!("the run cannot be given to user {user}, group {group}: {why}; start the daemon as root, or without --run-as")
    })
}
