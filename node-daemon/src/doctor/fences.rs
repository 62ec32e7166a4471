//! The two fences that the kernel puts around a run: landlock for files, seccomp for system calls. A thread of its own
//! goes behind each and pushes against it; both bind that thread alone and end with it.

use std::collections::BTreeMap;

use landlock::{ABI, Access, AccessFs, LandlockStatus, Ruleset, RulesetAttr};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use super::{Ability, State};

/// A file that everybody may read, and a thread behind landlock may not.
const OPEN_TO_ALL: &str = "/proc/version";
/// What a refused call answers in the trial: nothing else would say so.
const ANSWER: Errno = Errno::NOTNAM;

/// Whether the kernel can keep a run from files.
#[must_use]
pub fn landlock() -> Ability {
    match in_thread(try_landlock) {
        Ok(abi) => Ability::has("landlock", format!("ABI {abi}, a run can be kept from files")),
        Err(why) => Ability::lacks(
            "landlock",
            State::No,
            why,
            "a run can read and write whatever this user can; its result says so",
            "use a kernel from 5.13 on with CONFIG_SECURITY_LANDLOCK=y, and name landlock in lsm=… on its command line \
             (those in force: cat /sys/kernel/security/lsm); a container must allow the three landlock_* calls",
        ),
    }
}

/// Whether the kernel can keep a run from system calls.
#[must_use]
pub fn seccomp() -> Ability {
    match in_thread(try_seccomp) {
        Ok(()) => Ability::has("seccomp", "a run can be kept from system calls"),
        Err(why) => Ability::lacks(
            "seccomp",
            State::No,
            why,
            "a run may make any system call that this user may; its result says so",
            "use a kernel with CONFIG_SECCOMP_FILTER=y, on x86-64, AArch64 or RISC-V",
        ),
    }
}

fn in_thread<T: Send + 'static>(work: fn() -> Result<T, String>) -> Result<T, String> {
    let thread = std::thread::Builder::new().spawn(work).map_err(|e| e.to_string())?;
    thread.join().unwrap_or_else(|_| Err("the thread that tried it died".to_owned()))
}

/// Forbids this thread all files; the kernel's version of the rules.
fn try_landlock() -> Result<String, String> {
    let words = |e: landlock::RulesetError| e.to_string();
    let rules = Ruleset::default().handle_access(AccessFs::from_all(ABI::V1)).map_err(words)?;
    let status = rules.create().and_then(landlock::RulesetCreated::restrict_self).map_err(words)?;
    let abi = match status.landlock {
        LandlockStatus::NotEnabled => return Err("in the kernel, but not enabled".to_owned()),
        LandlockStatus::NotImplemented => return Err("not in the kernel".to_owned()),
        LandlockStatus::Available { kernel_abi: Some(newer), .. } => newer.to_string(),
        LandlockStatus::Available { effective_abi, .. } => (effective_abi as i32).to_string(),
    };
    match std::fs::File::open(OPEN_TO_ALL) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => Ok(abi),
        Err(e) => Err(format!("ABI {abi}, but a forbidden file answers: {e}")),
        Ok(_) => Err(format!("ABI {abi}, but a forbidden file can be read")),
    }
}

/// Forbids this thread one call that harms nobody.
fn try_seccomp() -> Result<(), String> {
    let words = |e: &dyn std::fmt::Display| e.to_string();
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|e| words(&e))?;
    let refused = SeccompAction::Errno(ANSWER.raw_os_error().unsigned_abs());
    let rules = BTreeMap::from([(libc::SYS_getpriority, vec![])]);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, arch).map_err(|e| words(&e))?;
    let program = BpfProgram::try_from(filter).map_err(|e| words(&e))?;
    apply_filter(&program).map_err(|e| words(&e))?;
    match rustix::process::getpriority_process(None) {
        Err(ANSWER) => Ok(()),
        other => Err(format!("a filter was taken, but a forbidden call answers: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_binds_nobody_but_its_thread() {
        for ability in [landlock(), seccomp()] {
            assert!(ability.state == State::Yes || !ability.mend.is_empty(), "{ability:?}");
        }
        std::fs::read_to_string(OPEN_TO_ALL).unwrap();
        rustix::process::getpriority_process(None).unwrap();
        assert_eq!(in_thread::<()>(|| panic!("as told")), Err("the thread that tried it died".to_owned()));
    }
}
