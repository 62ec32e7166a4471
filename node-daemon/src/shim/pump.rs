//! Carries what a run says to out.log and err.log. It never makes the run wait: what is beyond the bound, or finds no
//! room on the disk, is counted and dropped. A log is always the beginning of what was said, without holes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{ChildStderr, ChildStdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::STACK;
use crate::folder::RunFolder;

/// As much as a pipe holds.
const PIECE: usize = 64 * 1024;

/// Both of them at work.
pub(super) struct Pumps {
    ends: Receiver<()>,
    open: usize,
    shared: Arc<Shared>,
    dropped: [Arc<AtomicU64>; 2],
}

struct Shared {
    /// Bytes that may still be kept, of both streams together.
    left: AtomicU64,
    /// Nothing more is kept.
    closed: AtomicBool,
}

/// Starts one thread for each stream.
///
/// # Errors
/// A log cannot be made, or a thread.
pub(super) fn start(out: ChildStdout, err: ChildStderr, folder: &RunFolder, keep: u64) -> io::Result<Pumps> {
    let (tell, ends) = channel();
    let shared = Arc::new(Shared { left: AtomicU64::new(keep), closed: AtomicBool::new(false) });
    let dropped = [pump(out, &folder.out_log(), &shared, tell.clone())?, pump(err, &folder.err_log(), &shared, tell)?];
    Ok(Pumps { ends, open: 2, shared, dropped })
}

fn pump(
    from: impl Read + Send + 'static,
    to: &Path,
    shared: &Arc<Shared>,
    tell: Sender<()>,
) -> io::Result<Arc<AtomicU64>> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    let dropped = Arc::new(AtomicU64::new(0));
    let (shared, counted) = (Arc::clone(shared), Arc::clone(&dropped));
    thread::Builder::new().name("log".into()).stack_size(STACK).spawn(move || {
        carry(from, &file, &shared, &counted);
        // so that exit.json never speaks of a log that a power cut takes away
        let _ = file.sync_all();
        let _ = tell.send(());
    })?;
    Ok(dropped)
}

fn carry(mut from: impl Read, mut to: impl Write, shared: &Shared, dropped: &AtomicU64) {
    let mut piece = vec![0; PIECE];
    let mut broken = false;
    loop {
        let said = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(n) => &piece[..n],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let keep = if broken || shared.closed.load(Ordering::Relaxed) { 0 } else { take(&shared.left, said.len()) };
        let kept = written(&mut to, &said[..keep]);
        // a hole would make all that follows stand in the wrong place
        broken |= kept < said.len();
        dropped.fetch_add((said.len() - kept) as u64, Ordering::Relaxed);
    }
}

/// Takes up to `wanted` out of what is left.
fn take(left: &AtomicU64, wanted: usize) -> usize {
    let before =
        left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(wanted as u64)));
    let before = before.unwrap_or_else(|same| same);
    usize::try_from(before).map_or(wanted, |before| before.min(wanted))
}

/// How many bytes found their place.
fn written(to: &mut impl Write, mut piece: &[u8]) -> usize {
    let all = piece.len();
    while !piece.is_empty() {
        match to.write(piece) {
            Ok(0) => break,
            Ok(n) => piece = &piece[n..],
            Err(why) if why.kind() == io::ErrorKind::Interrupted => (),
            Err(_) => break,
        }
    }
    all - piece.len()
}

impl Pumps {
    /// Waits until both streams have ended; says whether they have. What comes later is dropped.
    pub(super) fn drain(&mut self, patience: Duration) -> bool {
        let begun = Instant::now();
        while self.open > 0 && self.ends.recv_timeout(patience.saturating_sub(begun.elapsed())).is_ok() {
            self.open -= 1;
        }
        self.shared.closed.store(true, Ordering::Relaxed);
        self.open == 0
    }

    /// Bytes dropped of each stream.
    pub(super) fn dropped(&self) -> [u64; 2] {
        [0, 1].map(|i: usize| self.dropped[i].load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried(said: &[u8], keep: u64, room: usize) -> (Vec<u8>, u64) {
        struct Disk(Vec<u8>, usize);
        impl Write for Disk {
            fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
                let n = piece.len().min(self.1 - self.0.len()).min(1000);
                self.0.extend(&piece[..n]);
                if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let shared = Shared { left: AtomicU64::new(keep), closed: AtomicBool::new(false) };
        let (dropped, mut disk) = (AtomicU64::new(0), Disk(vec![], room));
        carry(said, &mut disk, &shared, &dropped);
        (disk.0, dropped.into_inner())
    }

    #[test]
    fn a_log_is_the_beginning_of_what_was_said() {
        let said: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        for (keep, room) in [(u64::MAX, 200_000), (0, 200_000), (70_000, 200_000), (u64::MAX, 70_001), (70_000, 5)] {
            let (log, dropped) = carried(&said, keep, room);
            let wanted = room.min(usize::try_from(keep).unwrap()).min(said.len());
            assert_eq!((log.as_slice(), dropped), (&said[..wanted], (said.len() - wanted) as u64));
        }
    }
}
