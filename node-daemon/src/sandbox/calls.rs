//! Which system calls are refused: a deny list, because MPI, drivers of network cards and numerical libraries use more
//! of them than any list of ours would know.
//!
//! ```text
//!   not there     clone3, whose flags a filter cannot see; the C library then takes clone
//!   not allowed   what a harmless program or library tries and can do without: namespaces, keys, io_uring, …
//!   killed        what no benchmark does: taking over processes, mounts, modules, the machine itself
//! ```
//!
//! `process_vm_readv` stays: ranks of one node read each other's messages with it. Landlock keeps it inside the run;
//! where neither landlock nor a user namespace does, it is not allowed, and MPI copies twice.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter,
};

use super::{Measures, note};

/// What is said not to be allowed (EPERM).
const NOT_ALLOWED: &[i64] = &[
    // other namespaces, roots, and mounts by the newer calls
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_mount_setattr,
    // files past their paths
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // keys of the user
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // large parts of the kernel that a benchmark does without
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    // other processes
    libc::SYS_kcmp,
    libc::SYS_pidfd_getfd,
    libc::SYS_process_madvise,
    // the clock and the names of the machine
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_settimeofday,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_vhangup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];

/// What ends the process that does it (SIGSYS).
const KILLED: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_writev,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_reboot,
];

/// Flags of `clone` that make a namespace.
const NAMESPACES: &[i32] = &[
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// The numbers of x86-64 with 32-bit pointers are the same with this bit, except for a few from 512 on.
#[cfg(target_arch = "x86_64")]
const X32: i64 = 0x4000_0000;
/// ptrace, kexec_load and process_vm_writev among those few.
#[cfg(target_arch = "x86_64")]
const X32_KILLED: &[i64] = &[X32 + 521, X32 + 528, X32 + 540];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Puts the filters on. `confined`: something else keeps `process_vm_readv` inside the run.
pub(super) fn deny(confined: bool, measures: &mut Measures) {
    let filters = filters(confined);
    let put_on = filters.and_then(|all| all.iter().try_for_each(|filter| apply_filter(filter)));
    note(measures, "seccomp", put_on.map(|()| "yes"));
    if !confined {
        measures.insert("process_vm_readv".into(), "not allowed: nothing else would keep it inside the run".into());
    }
}

fn filters(confined: bool) -> Result<Vec<BpfProgram>, seccompiler::Error> {
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    let mut refused = always(NOT_ALLOWED);
    if !confined {
        refused.extend(always(&[libc::SYS_process_vm_readv]));
    }
    for number in both(libc::SYS_clone) {
        refused.insert(number, no_namespace()?);
    }
    #[allow(unused_mut, reason = "x86-64 has more")]
    let mut killed = always(KILLED);
    #[cfg(target_arch = "x86_64")]
    killed.extend(X32_KILLED.iter().map(|&number| (number, vec![])));
    [
        (always(&[libc::SYS_clone3]), errno(libc::ENOSYS)),
        (refused, errno(libc::EPERM)),
        (killed, SeccompAction::KillProcess),
    ]
    .into_iter()
    .map(|(rules, action)| {
        let arch = std::env::consts::ARCH.try_into()?;
        Ok(SeccompFilter::new(rules, SeccompAction::Allow, action, arch)?.try_into()?)
    })
    .collect()
}

/// These calls, whatever their arguments.
fn always(calls: &[i64]) -> Rules {
    calls.iter().flat_map(|&call| both(call)).map(|number| (number, vec![])).collect()
}

/// The numbers of a call.
fn both(call: i64) -> Vec<i64> {
    #[cfg(target_arch = "x86_64")]
    return vec![call, call + X32];
    #[cfg(not(target_arch = "x86_64"))]
    return vec![call];
}

/// A clone with any of the flags for namespaces.
fn no_namespace() -> Result<Vec<SeccompRule>, seccompiler::Error> {
    let rule = |&flag: &i32| {
        let flag = u64::from(flag.unsigned_abs());
        let set = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(flag), flag)?;
        Ok(SeccompRule::new(vec![set])?)
    };
    NAMESPACES.iter().map(rule).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_can_be_built_and_agree() {
        assert_eq!(filters(true).unwrap().len(), 3);
        let refused = always(NOT_ALLOWED);
        assert!(KILLED.iter().all(|call| !refused.contains_key(call)));
        assert!(!refused.contains_key(&libc::SYS_process_vm_readv) && !KILLED.contains(&libc::SYS_process_vm_readv));
        assert!(filters(false).unwrap()[1].len() > filters(true).unwrap()[1].len());
    }
}
