//! The calls to the system that no library offers without `unsafe`: three for the stage, which has one thread and is about
//! to become another program (and one of them for the doctor's child, which has one thread too), and a look at the clock.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::AsRawFd;

use rustix::net::{AddressFamily, SocketType, socket};
use rustix::thread::UnshareFlags;

/// Leaves the namespaces of `flags` for new ones.
///
/// # Errors
/// It may not, or there are no more to be had; a wish to leave the table of open files is refused.
pub fn leave(flags: UnshareFlags) -> io::Result<()> {
    if flags.contains(UnshareFlags::FILES) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: what is unsafe about it is FILES (one thread would see descriptors that another cannot); that was ruled
    // out above.
    unsafe { rustix::thread::unshare_unsafe(flags) }.map_err(Into::into)
}

/// Brings up `lo`, the network of this process with itself.
///
/// # Errors
/// It may not be changed from here.
pub fn loopback_up() -> io::Result<()> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    // SAFETY: the structure is plain numbers and arrays of them, for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    // the flags are a short in C, and the constants are not
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the request is a whole `ifreq` with a name that ends in zero; the call reads it and keeps nothing of it.
    let answer = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Marks every open file from number `first` on to be closed when this process becomes another program.
///
/// # Errors
/// A kernel before 5.11.
pub fn keep_from_program(first: u32) -> io::Result<()> {
    // SAFETY: with this flag the call closes nothing now, so no descriptor that somebody holds becomes invalid.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel holds the wall clock for synchronised: some time service keeps it right.
///
/// # Errors
/// A sandbox that does not allow to look.
pub fn clock_is_kept() -> io::Result<bool> {
    // SAFETY: the structure is plain numbers, for which all zeros is a value; with no mode set nothing is changed.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is whole and ours; the call fills it in and keeps nothing of it.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    match answer {
        -1 => Err(io::Error::last_os_error()),
        answer => Ok(answer != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0),
    }
}
