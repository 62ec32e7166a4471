//! 64 MiB that lie on the disk for nothing, and are given up when it is full, so that the end of a run can be written.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;

use rustix::fs::{FallocateFlags, fallocate};

use crate::folder::Data;
use crate::host;
use crate::host::preflight::BALLAST;

/// So much must be free beside it.
const ROOM: u64 = 64 << 20;

/// Lays the ballast down if it is not there and the disk has room for it; whether it is there.
pub fn lay(data: &Data) -> bool {
    let path = data.ballast();
    let there = || path.metadata().is_ok_and(|meta| meta.len() >= BALLAST);
    if there() {
        return true;
    }
    if host::free_disk(data.path()).is_ok_and(|free| free < BALLAST + ROOM) {
        return false;
    }
    let make = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        fallocate(&file, FallocateFlags::empty(), 0, BALLAST)?;
        file.sync_all()
    };
    if let Err(why) = make() {
        tracing::warn!(%why, "no ballast can be laid down");
        // Half of it is no help to anybody.
        let _ = std::fs::remove_file(&path);
    }
    there()
}

/// Does it; if the disk is full, gives up the ballast and does it once more.
///
/// # Errors
/// What `act` says the second time.
pub fn with<T>(data: &Data, mut act: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let full = |e: &io::Error| e.kind() == io::ErrorKind::StorageFull || e.raw_os_error() == Some(libc::EDQUOT);
    match act() {
        Err(e) if full(&e) && std::fs::remove_file(data.ballast()).is_ok() => {
            tracing::warn!("the disk is full: the ballast is given up");
            act()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_given_up_once_and_laid_again() {
        let scratch = tempfile::tempdir().unwrap();
        let data = Data::open(scratch.path()).unwrap();
        assert!(lay(&data) && lay(&data));
        let mut tries = 0;
        let mut full = || {
            tries += 1;
            if tries == 1 { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(tries) }
        };
        assert_eq!(with(&data, &mut full).unwrap(), 2);
        assert!(!data.ballast().exists());
        let mut never = || -> io::Result<()> { Err(io::ErrorKind::StorageFull.into()) };
        assert!(with(&data, &mut never).is_err());
        assert!(lay(&data));
        let mut other = || -> io::Result<()> { Err(io::ErrorKind::NotFound.into()) };
        assert!(with(&data, &mut other).is_err() && data.ballast().exists());
    }
}
