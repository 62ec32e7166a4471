//! Namespaces: a network with nothing but `lo`, and a /dev/shm of the run's own, which ends with its last process.
//!
//! As root both are made directly. Otherwise a user namespace is made with them, in which the user keeps its number:
//! files and the memory of ranks look the same from inside. All ranks are in the same one, so `process_vm_readv`
//! between them still works.

use std::ffi::CString;
use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use crate::sys;

/// What came of the wish for a network of its own.
pub(super) enum Network {
    /// It is there; how it was made.
    Own(String),
    /// None can be made; nothing has changed.
    Open(String),
    /// It is there and cannot be used, and there is no way back.
    Half(String),
}

/// Makes a network with nothing but `lo`. `changes_user`: the run gets another user, which a user namespace of one
/// user does not allow.
pub(super) fn network(changes_user: bool) -> Network {
    match sys::leave(UnshareFlags::NEWNET) {
        Ok(()) => return lo("yes"),
        Err(why) if changes_user || Errno::from_io_error(&why) != Some(Errno::PERM) => {
            return Network::Open(words("net", &why));
        }
        Err(_) => (),
    }
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    if let Err(why) = sys::leave(UnshareFlags::NEWUSER | UnshareFlags::NEWNET | UnshareFlags::NEWNS) {
        return Network::Open(words("user", &why));
    }
    let mapped = fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| fs::write("/proc/self/uid_map", format!("{user} {user} 1")))
        .and_then(|()| fs::write("/proc/self/gid_map", format!("{group} {group} 1")));
    match mapped {
        Ok(()) => lo("yes (user namespace)"),
        Err(why) => Network::Half(format!("no user in the user namespace: {why}")),
    }
}

/// Why there is no new namespace. The system's own words for a bound of it speak of a disk.
fn words(kind: &str, why: &io::Error) -> String {
    match Errno::from_io_error(why) {
        Some(Errno::NOSPC) => format!("no more {kind} namespaces are allowed here (sysctl user.max_{kind}_namespaces)"),
        _ => format!("no {kind} namespace: {why}"),
    }
}

fn lo(how: &str) -> Network {
    match sys::loopback_up() {
        Ok(()) => Network::Own(how.into()),
        Err(why) => Network::Half(format!("`lo` cannot be brought up: {why}")),
    }
}

/// Lays a file system of its own over /dev/shm: nobody else's segments are to be seen, and those of a run that was
/// killed do not stay in memory. What lies there counts towards the run's memory.
pub(super) fn shared_memory(bytes: u64) -> io::Result<String> {
    // in a user namespace this was done with it, and once more does no harm
    sys::leave(UnshareFlags::NEWNS)?;
    // what is unmounted outside is to go here as well, and nothing mounted here is to be seen outside
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    let options = CString::new(format!("mode=1777,size={bytes}")).map_err(io::Error::other)?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("hpl-node", "/dev/shm", "tmpfs", flags, options.as_c_str())?;
    Ok("its own".into())
}
