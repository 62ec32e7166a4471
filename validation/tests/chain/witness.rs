//! Somebody who watches a node's data folder and remembers every run, so that what it left behind can be compared when
//! its folder is long gone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::Duration;

use serde_json::Value;

/// What was seen of an attempt.
#[derive(Debug, Default)]
pub struct Seen {
    /// Its job.
    pub job: String,
    /// Its shims, by process and moment of start: an attempt may have one.
    pub shims: BTreeSet<(u32, u64)>,
    /// Its scratch folder.
    pub tmp: PathBuf,
    /// Its control group.
    pub group: String,
    /// Its logs, open: the file can be read when its name is gone.
    logs: [Option<File>; 2],
}

impl Seen {
    /// What the program wrote, `out` or `err`.
    pub fn log(&self, stream: usize) -> Vec<u8> {
        let Some(file) = &self.logs[stream] else { return vec![] };
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }
}

type Book = BTreeMap<String, Seen>;

/// The one who watches; it ends when dropped.
pub struct Witness {
    book: Arc<Mutex<Book>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Witness {
    /// Watches over the data folder at `data`, which need not be there yet.
    pub fn of(data: &Path) -> Witness {
        let (book, over) = (Arc::new(Mutex::new(Book::new())), Arc::new(AtomicBool::new(false)));
        let (seen, end, data) = (book.clone(), over.clone(), data.to_owned());
        let thread = spawn(move || {
            while !end.load(Ordering::Relaxed) {
                look(&data, &mut seen.lock().unwrap());
                sleep(Duration::from_millis(10));
            }
        });
        Witness { book, over, thread: Some(thread) }
    }

    /// Calls `with` with all that was seen.
    pub fn seen<T>(&self, with: impl FnOnce(&Book) -> T) -> T {
        with(&self.book.lock().unwrap())
    }

    /// How many programs were started here, over all attempts.
    pub fn starts(&self) -> usize {
        self.seen(|book| book.values().map(|seen| seen.shims.len()).sum())
    }

    /// Shims of this node that are alive.
    pub fn living_shims(&self) -> Vec<u32> {
        let all: Vec<_> = self.seen(|book| book.values().flat_map(|seen| seen.shims.iter().copied()).collect());
        all.into_iter().filter(|&(pid, ticks)| start_ticks(pid) == Some(ticks)).map(|(pid, _)| pid).collect()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The moment of the start of a process that lives.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let lives = !matches!(*fields.first()?, "Z" | "X");
    lives.then(|| fields.get(19)?.parse().ok()).flatten()
}

fn look(data: &Path, book: &mut Book) {
    for entry in std::fs::read_dir(data.join("runs")).into_iter().flatten().flatten() {
        let Ok(attempt) = entry.file_name().into_string() else { continue };
        let folder = entry.path();
        let json =
            |name: &str| -> Option<Value> { serde_json::from_slice(&std::fs::read(folder.join(name)).ok()?).ok() };
        let seen = book.entry(attempt).or_default();
        if seen.job.is_empty()
            && let Some(taken) = json("assignment.json")
        {
            seen.job = taken["assignment"]["job"].as_str().unwrap_or_default().to_owned();
        }
        if seen.group.is_empty()
            && let Some(launch) = json("launch.json")
        {
            seen.tmp = launch["tmp"].as_str().unwrap_or_default().into();
            seen.group = launch["group"].as_str().unwrap_or_default().to_owned();
        }
        if let Some(shim) = json("shim.json")
            && let (Some(pid), Some(ticks)) = (shim["pid"].as_u64(), shim["start_ticks"].as_u64())
        {
            seen.shims.insert((u32::try_from(pid).unwrap(), ticks));
        }
        for (at, name) in ["out.log", "err.log"].into_iter().enumerate() {
            if seen.logs[at].is_none() {
                seen.logs[at] = File::open(folder.join(name)).ok();
            }
        }
    }
}
