//! Free space of the data folder, and who may still write.
//!
//! Two watermarks. Below the first, logs, metrics and artifacts are refused: what is left is for the
//! database. Below the second, new submissions are refused too. Results are written as long as anything
//! fits: a run of six hours must not be lost for want of a kilobyte.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How full the disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DiskState {
    /// Everything may be written.
    Fine,
    /// Below the first watermark: no logs, metrics, artifacts.
    Low,
    /// Below the second watermark: no submissions either.
    Critical,
}

/// What somebody wants to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// Logs, metrics, artifacts: much of it, and none of it needed for a verdict.
    Bulk,
    /// A new job or a new account: small, and the start of more.
    Submission,
    /// A result, its output file, the end of an attempt.
    Result,
}

impl DiskState {
    /// Whether this may still be written.
    #[must_use]
    pub fn takes(self, load: Load) -> bool {
        match load {
            Load::Bulk => self < DiskState::Low,
            Load::Submission => self < DiskState::Critical,
            Load::Result => true,
        }
    }
}

/// Free space, in bytes, below which writing is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermarks {
    low: u64,
    critical: u64,
}

/// Watermarks in the wrong order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the watermark below which submissions are refused ({critical} bytes) is above the one below which logs are \
     refused ({low} bytes); expected it to be the smaller one"
)]
pub struct WatermarkError {
    low: u64,
    critical: u64,
}

impl Watermarks {
    /// Logs, metrics and artifacts are refused below `low` bytes, submissions below `critical`.
    ///
    /// # Errors
    /// If `critical` is above `low`.
    pub fn new(low: u64, critical: u64) -> Result<Watermarks, WatermarkError> {
        if critical <= low { Ok(Watermarks { low, critical }) } else { Err(WatermarkError { low, critical }) }
    }

    /// How full a disk with so many free bytes is.
    #[must_use]
    pub fn judge(self, free: u64) -> DiskState {
        if free < self.critical {
            DiskState::Critical
        } else if free < self.low {
            DiskState::Low
        } else {
            DiskState::Fine
        }
    }
}

/// How long a look at the disk is good for. A look costs a microsecond on a local disk, but may cost a
/// round trip on one across a network.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// The last look.
#[derive(Debug, Default)]
struct Cached(Option<(Instant, u64)>);

impl Cached {
    fn get(&mut self, now: Instant, look: impl FnOnce() -> io::Result<u64>) -> io::Result<u64> {
        match self.0 {
            Some((at, free)) if now.saturating_duration_since(at) < GOOD_FOR => Ok(free),
            _ => {
                let free = look()?;
                self.0 = Some((now, free));
                Ok(free)
            }
        }
    }
}

/// The disk below the data folder.
#[derive(Debug)]
pub struct Disk {
    folder: OwnedFd,
    watermarks: Watermarks,
    cached: Mutex<Cached>,
}

impl Disk {
    /// Watches the disk on which `folder` lies.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open(folder: &Path, watermarks: Watermarks) -> io::Result<Disk> {
        let folder = OwnedFd::from(std::fs::File::open(folder)?);
        Ok(Disk { folder, watermarks, cached: Mutex::default() })
    }

    /// Bytes that the service may still write, at most a second old. Space that the system keeps for its
    /// administrator is not counted.
    ///
    /// # Errors
    /// If the disk does not answer.
    pub fn free(&self) -> io::Result<u64> {
        let mut cached = self.cached.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        cached.get(Instant::now(), || {
            let stat = rustix::fs::fstatvfs(&self.folder)?;
            Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
        })
    }

    /// How full the disk is. A disk that does not answer counts as fine: the write itself will tell.
    pub fn state(&self) -> DiskState {
        match self.free() {
            Ok(free) => self.watermarks.judge(free),
            Err(error) => {
                tracing::warn!(%error, "the disk does not say how much space is free");
                DiskState::Fine
            }
        }
    }

    /// Forgets the last look, for one who has just learned better from a failed write or has freed space.
    pub fn look_again(&self) {
        self.cached.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermarks_order_what_is_refused() {
        let marks = Watermarks::new(1000, 100).unwrap();
        let taken = |free| {
            let state = marks.judge(free);
            [Load::Bulk, Load::Submission, Load::Result].map(|load| state.takes(load))
        };
        assert_eq!(taken(1000), [true, true, true]);
        assert_eq!(taken(999), [false, true, true]);
        assert_eq!(taken(100), [false, true, true]);
        assert_eq!(taken(99), [false, false, true]);
        assert_eq!(taken(0), [false, false, true]);
        assert!(Watermarks::new(10, 11).is_err());
        assert_eq!(Watermarks::new(0, 0).unwrap().judge(0), DiskState::Fine);
    }

    #[test]
    fn a_look_is_good_for_a_second() {
        let start = Instant::now();
        let mut cached = Cached::default();
        assert_eq!(cached.get(start, || Ok(1)).unwrap(), 1);
        assert_eq!(cached.get(start + Duration::from_millis(999), || Ok(2)).unwrap(), 1);
        assert_eq!(cached.get(start + Duration::from_secs(1), || Ok(3)).unwrap(), 3);
        let later = start + Duration::from_secs(9);
        assert!(cached.get(later, || Err(io::Error::other("gone"))).is_err());
    }

    #[test]
    fn a_real_folder_has_a_size() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Disk::open(folder.path(), Watermarks::new(u64::MAX, 0).unwrap()).unwrap();
        assert!(disk.free().unwrap() > 0);
        assert_eq!(disk.state(), DiskState::Low);
        assert!(Disk::open(&folder.path().join("none"), Watermarks::new(0, 0).unwrap()).is_err());
    }
}
