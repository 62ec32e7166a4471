//! What a running shim looks at: what the daemon wants, the clock, the disk, the size of what the run wrote.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::processes;
use crate::folder::{RunFolder, read_json};
use crate::launch::{Control, Launch, Stop};

/// Between two looks at the free bytes of the disk, and at anything.
pub(super) const DISK: Duration = Duration::from_secs(1);
/// Between two looks at the size of the files, and the longest time between two samples of memory.
const SIZE: Duration = Duration::from_secs(5);
/// The first sample of memory.
const FIRST: Duration = Duration::from_millis(300);
/// What a file counts at least, however little is in it: its entry takes room as well.
const ENTRY: u64 = 4096;
/// More files than this count as a full folder, so that a look never takes long.
const ENTRIES: usize = 100_000;

/// A shim's view of its run.
pub(super) struct Watch<'a> {
    folder: &'a RunFolder,
    launch: &'a Launch,
    started: Instant,
    control: Control,
    /// What control.json was when it was read last: inode, time, size.
    seen: Option<(u64, i64, i64, u64)>,
    disk: Instant,
    size: Instant,
    /// When memory is looked at, where no control group counts it.
    memory: Option<Instant>,
    /// The most resident bytes that were seen.
    pub(super) most_rss: u64,
}

impl<'a> Watch<'a> {
    /// A run that was started at `started`. `sample`: its memory is to be looked at.
    pub(super) fn new(folder: &'a RunFolder, launch: &'a Launch, started: Instant, sample: bool) -> Watch<'a> {
        let memory = sample.then(|| started + FIRST);
        let control = Control::default();
        Watch { folder, launch, started, control, seen: None, disk: started, size: started + DISK, memory, most_rss: 0 }
    }

    /// Looks at what is due; why the run is to be ended, if it is.
    pub(super) fn look(&mut self, now: Instant) -> Option<Stop> {
        self.read_control();
        let elapsed = now.saturating_duration_since(self.started);
        if let Some(stop) = due(&self.control, self.launch.walltime_s, elapsed) {
            return Some(stop);
        }
        if self.memory.is_some_and(|at| now >= at) {
            self.most_rss = self.most_rss.max(processes::rss_below(std::process::id()));
            // close to each other at first, since a short run has to be seen as well
            self.memory = Some(now + (elapsed / 4).clamp(FIRST, SIZE));
        }
        if now >= self.disk {
            self.disk = now + DISK;
            if free(&self.launch.work).is_some_and(|free| free < self.launch.limits.disk_reserve) {
                return Some(Stop::DiskFull);
            }
        }
        if now >= self.size {
            self.size = now + SIZE;
            return holds_more(&[&self.launch.work, &self.launch.tmp], self.launch.limits.work_bytes)
                .then_some(Stop::WorkFull);
        }
        None
    }

    /// How long until the walltime is over.
    pub(super) fn left(&self, now: Instant) -> Duration {
        let end = self.started + walltime(&self.control, self.launch.walltime_s);
        end.saturating_duration_since(now)
    }

    /// Reads control.json if it is another than last time.
    fn read_control(&mut self) {
        let path = self.folder.control();
        let Ok(now) = fs::metadata(&path).map(|m| (m.ino(), m.mtime(), m.mtime_nsec(), m.size())) else { return };
        if self.seen == Some(now) {
            return;
        }
        self.seen = Some(now);
        match read_json(&path) {
            Ok(control) => self.control = control.unwrap_or_default(),
            Err(why) => super::tell(format_args!("{why}; it is passed over")),
        }
    }
}

/// What the daemon wants, and the clock.
fn due(control: &Control, walltime_s: u32, elapsed: Duration) -> Option<Stop> {
    control.stop.or((elapsed >= walltime(control, walltime_s)).then_some(Stop::Walltime))
}

fn walltime(control: &Control, walltime_s: u32) -> Duration {
    Duration::from_secs(control.walltime_s.unwrap_or(walltime_s).into())
}

/// Bytes that a user may still write to the disk of `path`.
fn free(path: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(path).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether what lies below these folders takes more than `bytes` on the disk. Links are not followed.
fn holds_more(folders: &[&Path], bytes: u64) -> bool {
    let (mut held, mut seen) = (0, 0);
    let mut open: Vec<_> = folders.iter().map(|folder| folder.to_path_buf()).collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            held += (found.blocks() * 512).max(ENTRY);
            seen += 1;
            if held > bytes || seen > ENTRIES {
                return true;
            }
            if found.is_dir() {
                open.push(entry.path());
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_wants_goes_before_the_clock() {
        let wants = |stop, walltime_s| Control { stop, walltime_s };
        let after = Duration::from_secs;
        assert_eq!(due(&wants(None, None), 10, after(9)), None);
        assert_eq!(due(&wants(None, None), 10, after(10)), Some(Stop::Walltime));
        assert_eq!(due(&wants(None, Some(20)), 10, after(19)), None);
        assert_eq!(due(&wants(None, Some(5)), 10, after(6)), Some(Stop::Walltime));
        assert_eq!(due(&wants(Some(Stop::Stale), None), 10, after(99)), Some(Stop::Stale));
    }

    #[test]
    fn files_are_added_up_and_links_not_followed() {
        let scratch = tempfile::tempdir().unwrap();
        let (a, b) = (scratch.path().join("a"), scratch.path().join("b"));
        fs::create_dir_all(a.join("inner")).unwrap();
        fs::create_dir(&b).unwrap();
        let holds = |bytes| holds_more(&[&a, &b, Path::new("/nowhere")], bytes);
        assert!(!holds(ENTRY) && holds(ENTRY - 1));
        fs::write(a.join("inner/file"), vec![1; 100_000]).unwrap();
        fs::write(b.join("empty"), "").unwrap();
        std::os::unix::fs::symlink("/usr", b.join("link")).unwrap();
        assert!(holds(110_000) && !holds(200_000));
    }
}
