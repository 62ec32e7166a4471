//! The file of an attempt's samples, read piece by piece; what was made of it is kept and only the rest is read.
//!
//! A file may have 32 MiB, which takes a third of a second of a core to read, and everybody who may see a run may ask
//! for it again and again. A file only grows, so what was made of its beginning stays right. Few are read at a time: a
//! run on this machine is not to be disturbed by those who look at others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use hpl_spec::api::agent::Sample;
use hpl_spec::id::AttemptId;
use tokio::sync::{Mutex as Turn, Semaphore};

use super::samples::Thin;
use crate::diagnose::Watched;
use crate::error::{Error, Result};
use crate::store::{ReadError, Store};

/// Bytes of the file that are read at once; a page of samples is as long.
const PIECE: usize = 1 << 20;
/// Files of each kind that are kept read: a few MiB each at most.
const KEPT: usize = 8;
/// Files that are read at a time.
const AT_A_TIME: usize = 2;

/// A piece of the file, read.
pub(super) struct Piece {
    pub(super) samples: Vec<Sample>,
    pub(super) unreadable: u32,
    pub(super) next: Option<u64>,
    pub(super) total: u64,
    /// Where the whole lines end.
    end: u64,
}

/// The whole lines among the bytes from `offset` on. A last line without its end is still being written.
pub(super) async fn piece(store: &Store, attempt: &AttemptId, offset: u64) -> Result<Piece> {
    let part = match store.read_metrics(attempt, offset, PIECE).await {
        Ok(part) => part,
        Err(ReadError::Absent) => {
            return Ok(Piece { samples: vec![], unreadable: 0, next: None, total: 0, end: offset });
        }
        Err(error) => return Err(Error::internal(error)),
    };
    // A piece takes milliseconds: not for the threads that serve.
    let read = move || read(&part.bytes, part.total, offset);
    tokio::task::spawn_blocking(read).await.map_err(Error::internal)
}

fn read(bytes: &[u8], total: u64, offset: u64) -> Piece {
    let mut read = Piece { samples: vec![], unreadable: 0, next: None, total, end: offset };
    let at_the_end = offset.saturating_add(bytes.len() as u64) >= total;
    let whole = match bytes.iter().rposition(|byte| *byte == b'\n') {
        Some(end) => end + 1,
        None if at_the_end => 0,
        // No sample is as long: what lies here is none.
        None => {
            read.unreadable = 1;
            bytes.len()
        }
    };
    for line in bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(sample) => read.samples.push(sample),
            Err(_) => read.unreadable = read.unreadable.saturating_add(1),
        }
    }
    read.end = offset.saturating_add(whole as u64);
    read.next = (whole > 0 && !at_the_end).then_some(read.end);
    read
}

/// What is made of samples, one after the other.
pub(super) trait See: Clone + Send {
    /// Takes note of a sample.
    fn note(&mut self, sample: &Sample);
}

impl See for Thin {
    fn note(&mut self, sample: &Sample) {
        self.see(sample);
    }
}

impl See for Watched {
    fn note(&mut self, sample: &Sample) {
        self.see(sample);
    }
}

/// What was made of a file so far.
#[derive(Debug, Clone)]
pub(super) struct Read<S> {
    /// What was made.
    pub(super) of: S,
    /// Bytes of the file.
    pub(super) total: u64,
    /// Lines that could not be read.
    pub(super) unreadable: u32,
    /// Where the lines begin that were not seen yet.
    offset: u64,
}

impl<S: See> Read<S> {
    fn new(of: S) -> Read<S> {
        Read { of, total: 0, unreadable: 0, offset: 0 }
    }

    /// Reads what has come since.
    async fn go_on(&mut self, store: &Store, attempt: &AttemptId) -> Result<()> {
        loop {
            let read = piece(store, attempt, self.offset).await?;
            self.total = read.total;
            self.unreadable = self.unreadable.saturating_add(read.unreadable);
            read.samples.iter().for_each(|sample| self.of.note(sample));
            self.offset = read.end;
            if read.next.is_none() {
                return Ok(());
            }
        }
    }
}

/// A file, and for charts their points.
type Name = (AttemptId, u32);
type Shelf<S> = Mutex<VecDeque<(Name, Arc<Turn<Read<S>>>)>>;

/// What was made of the files that were asked for last.
#[derive(Debug)]
pub struct Samples {
    watched: Shelf<Watched>,
    charts: Shelf<Thin>,
    turns: Semaphore,
}

impl Default for Samples {
    fn default() -> Samples {
        Samples { watched: Mutex::default(), charts: Mutex::default(), turns: Semaphore::new(AT_A_TIME) }
    }
}

impl Samples {
    /// What rules look at, of all samples of an attempt.
    pub(super) async fn watched(&self, store: &Store, attempt: &AttemptId) -> Result<Watched> {
        let name = (attempt.clone(), 0);
        self.read(&self.watched, name, store, Watched::default).await.map(|read| read.of)
    }

    /// All samples of an attempt thinned out to so many points.
    pub(super) async fn chart(&self, store: &Store, attempt: &AttemptId, points: u32) -> Result<Read<Thin>> {
        self.read(&self.charts, (attempt.clone(), points), store, || Thin::new(points)).await
    }

    async fn read<S: See>(&self, shelf: &Shelf<S>, name: Name, store: &Store, new: impl Fn() -> S) -> Result<Read<S>> {
        let attempt = name.0.clone();
        let kept = {
            let mut all = shelf.lock().unwrap_or_else(PoisonError::into_inner);
            let known = all.iter().position(|(known, _)| *known == name).and_then(|at| all.remove(at));
            let (name, kept) = known.unwrap_or_else(|| (name, Arc::new(Turn::new(Read::new(new())))));
            all.push_back((name, kept.clone()));
            if all.len() > KEPT {
                all.pop_front();
            }
            kept
        };
        // Those who want the same wait for the first of them, who has read it then.
        let mut kept = kept.lock().await;
        let _turn = self.turns.acquire().await.map_err(Error::internal)?;
        kept.go_on(store, &attempt).await?;
        Ok(kept.clone())
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::disk::{Disk, Watermarks};
    use crate::store::Quota;

    fn lines(from: u64, count: u64) -> Bytes {
        let line = |i: u64| format!("{{\"at_ms\":{},\"values\":{{\"load_tasks\":{i}}}}}\n", 5000 * i);
        (from..from + count).map(line).collect::<String>().into()
    }

    #[tokio::test]
    async fn a_file_that_grows_is_read_on_and_makes_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let marks = Watermarks::new(0, 0).unwrap();
        let disk = Arc::new(Disk::open(folder.path(), marks).unwrap());
        let store = Store::open(folder.path(), disk).unwrap();
        let attempt: AttemptId = "0190f5fe-7c00-7a3b-8b1e-aa0000000001".parse().unwrap();
        let (kept, other) = (Samples::default(), Samples::default());
        assert_eq!(kept.chart(&store, &attempt, 50).await.unwrap().total, 0, "none is there yet");
        for round in 0..4 {
            store.append_metrics(&attempt, lines(20_000 * round, 20_000), Quota::default()).await.unwrap();
            if round == 2 {
                store.append_metrics(&attempt, Bytes::from_static(b"no sample\n"), Quota::default()).await.unwrap();
            }
            kept.watched(&store, &attempt).await.unwrap();
            kept.chart(&store, &attempt, 50).await.unwrap();
        }
        let (on, anew) =
            (kept.chart(&store, &attempt, 50).await.unwrap(), other.chart(&store, &attempt, 50).await.unwrap());
        assert!(on.total > 3 << 20, "several pieces: {}", on.total);
        assert_eq!((on.total, on.unreadable, on.offset), (anew.total, 1, on.total));
        assert_eq!(format!("{:?}", on.of), format!("{:?}", anew.of));
        assert_eq!(kept.watched(&store, &attempt).await.unwrap(), other.watched(&store, &attempt).await.unwrap());
        // No more is kept than is said.
        for points in 2..40 {
            kept.chart(&store, &attempt, points).await.unwrap();
        }
        assert_eq!(kept.charts.lock().unwrap().len(), KEPT);
    }
}
