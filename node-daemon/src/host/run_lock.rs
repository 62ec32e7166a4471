//! One run at a time on a machine, whichever daemon it belongs to: two runs beside each other are both slow, and
//! neither figure is worth anything.
//!
//! It is a lock on a file that all daemons of the machine share, so it is gone with the last process that holds it,
//! however that process ended. The file tells who holds it, for people only. Any user of the machine can take the lock:
//! it guards figures, not secrets.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// The file's name.
const NAME: &str = "hpl-node-run.lock";
/// Where it may lie: the first of these that is a folder. All daemons of a machine find the same.
const PLACES: [&str; 2] = ["/run/lock", "/tmp"];
/// How long a lock that somebody merely looks at is waited for.
const GLANCE: Duration = Duration::from_millis(200);

/// Who holds the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The daemon's process; 0 if it did not say.
    pub pid: u32,
    /// Its data folder; empty if it did not say.
    pub data: PathBuf,
}

impl Holder {
    /// This process, with the data folder it runs from.
    #[must_use]
    pub fn me(data: &Path) -> Holder {
        Holder { pid: std::process::id(), data: data.to_owned() }
    }

    fn unknown() -> Holder {
        Holder { pid: 0, data: PathBuf::new() }
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            0 => write!(f, "a process that did not say its name"),
            pid => write!(f, "process {pid} with the data folder {}", self.data.display()),
        }
    }
}

/// Why the lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RunLockError {
    /// A run of another daemon is on.
    #[error("another run is on this machine, of {0}")]
    Held(Holder),
    /// The file cannot be used.
    #[error("{0}: {1}; it must be a file that this user can read")]
    File(PathBuf, io::Error),
}

/// Held while a run is on; given up when dropped, unless a process that inherited it is still there. It is never unlocked,
/// only closed: unlocking would take it from those processes too.
#[derive(Debug)]
pub struct RunLock {
    file: File,
}

impl RunLock {
    /// Where the lock of this machine lies.
    #[must_use]
    pub fn path() -> PathBuf {
        let place = PLACES.iter().find(|place| Path::new(place).is_dir()).unwrap_or(&PLACES[1]);
        Path::new(place).join(NAME)
    }

    /// Takes the lock of this machine for `me`.
    ///
    /// # Errors
    /// Somebody else holds it; the file cannot be used.
    pub fn try_take(me: &Holder) -> Result<RunLock, RunLockError> {
        RunLock::try_take_at(&RunLock::path(), me)
    }

    /// As [`RunLock::try_take`], at another place.
    ///
    /// # Errors
    /// As above.
    pub fn try_take_at(path: &Path, me: &Holder) -> Result<RunLock, RunLockError> {
        let unusable = |e| RunLockError::File(path.to_owned(), e);
        let (mut file, writable) = open(path).map_err(unusable)?;
        let until = Instant::now() + GLANCE;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(unusable(e)),
                // somebody may only be looking
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(TryLockError::WouldBlock) => return Err(RunLockError::Held(told(&mut file))),
            }
        }
        if writable {
            // only people read it: what cannot be written changes nothing
            let _ = tell(&mut file, me);
        }
        Ok(RunLock { file })
    }

    /// Who holds the lock of this machine; None if nobody does.
    #[must_use]
    pub fn holder() -> Option<Holder> {
        RunLock::holder_at(&RunLock::path())
    }

    /// As [`RunLock::holder`], at another place.
    #[must_use]
    pub fn holder_at(path: &Path) -> Option<Holder> {
        let mut file = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(told(&mut file)),
            // closing the file gives it up
            Ok(()) | Err(TryLockError::Error(_)) => None,
        }
    }

    /// Lets processes that are started from now on hold the lock too: it is then free only when the last of them has
    /// ended, even if this daemon is killed. The shim of the run is started so.
    ///
    /// # Errors
    /// Of the system.
    pub fn inherit(&self, inherited: bool) -> io::Result<()> {
        let flags = if inherited { rustix::io::FdFlags::empty() } else { rustix::io::FdFlags::CLOEXEC };
        Ok(rustix::io::fcntl_setfd(&self.file, flags)?)
    }
}

/// Opens the file, made for all users if it is not there, and whether it can be written.
fn open(path: &Path) -> io::Result<(File, bool)> {
    let flags = OFlags::NOFOLLOW.bits() as i32;
    // Without O_CREAT first: in a folder like /tmp the kernel refuses it for a file of another user.
    let there = || OpenOptions::new().read(true).write(true).custom_flags(flags).open(path).map(|file| (file, true));
    match there() {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            match OpenOptions::new().read(true).write(true).create_new(true).custom_flags(flags).open(path) {
                Ok(file) => {
                    file.set_permissions(std::fs::Permissions::from_mode(0o666))?;
                    Ok((file, true))
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => there(),
                Err(e) => Err(e),
            }
        }
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Ok((OpenOptions::new().read(true).custom_flags(flags).open(path)?, false))
        }
        other => other,
    }
}

fn tell(file: &mut File, me: &Holder) -> io::Result<()> {
    let text = serde_json::to_vec(me).map_err(io::Error::other)?;
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&text)
}

fn told(file: &mut File) -> Holder {
    let mut text = String::new();
    // whoever wrote it, it is short
    match file.take(4096).read_to_string(&mut text) {
        Ok(_) => serde_json::from_str(&text).unwrap_or_else(|_| Holder::unknown()),
        Err(_) => Holder::unknown(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn one_holds_it_and_is_named() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join(NAME);
        assert_eq!(RunLock::holder_at(&path), None);
        let me = Holder::me(Path::new("/data"));
        let lock = RunLock::try_take_at(&path, &me).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o666);
        assert_eq!(RunLock::holder_at(&path), Some(me.clone()));
        let refused = RunLock::try_take_at(&path, &me).unwrap_err().to_string();
        assert!(refused.ends_with("with the data folder /data"), "{refused}");
        drop(lock);
        assert_eq!(RunLock::holder_at(&path), None);
        std::fs::write(&path, "rubbish").unwrap();
        let other = File::open(&path).unwrap();
        other.try_lock().unwrap();
        assert_eq!(RunLock::holder_at(&path), Some(Holder::unknown()));
    }

    #[test]
    fn looking_does_not_keep_others_from_taking() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join(NAME);
        let me = Holder::me(scratch.path());
        drop(RunLock::try_take_at(&path, &me).unwrap());
        std::thread::scope(|scope| {
            let taken = scope.spawn(|| (0..50).all(|_| RunLock::try_take_at(&path, &me).is_ok()));
            while !taken.is_finished() {
                let _ = RunLock::holder_at(&path);
                // a glance is short against the time between two glances
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(taken.join().unwrap());
        });
    }

    #[test]
    fn a_child_that_inherits_it_keeps_it() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join(NAME);
        let lock = RunLock::try_take_at(&path, &Holder::me(scratch.path())).unwrap();
        lock.inherit(true).unwrap();
        // `cat` ends when its input does
        let mut child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        drop(lock);
        assert!(RunLock::holder_at(&path).is_some());
        drop(child.stdin.take());
        child.wait().unwrap();
        // other tests of this process may start programs just now, which inherit it for a moment
        let until = Instant::now() + Duration::from_secs(60);
        while RunLock::holder_at(&path).is_some() {
            assert!(Instant::now() < until);
            std::thread::yield_now();
        }
    }

    #[test]
    fn links_are_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (path, target) = (scratch.path().join(NAME), scratch.path().join("target"));
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(RunLock::try_take_at(&path, &Holder::me(scratch.path())).is_err());
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious");
    }
}
