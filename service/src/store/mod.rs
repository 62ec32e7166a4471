//! Logs, artifacts and metrics of attempts, as files beside the database.
//!
//! ```text
//!   DATA/logs/ab/<attempt>/out.log        ab: the first two digits of the id's last group
//!   DATA/artifacts/ab/<attempt>/HPL.out
//!   DATA/metrics/ab/<attempt>.jsonl
//! ```
//!
//! A file's own length is the truth about how much of it has come; no copy of that number lies in the
//! database, so the two cannot disagree after a crash. A node sends a file in chunks that name their
//! offset (the method is that of GitLab's runner): what comes twice is recognised, a gap or a difference
//! is answered with the length at hand, and a seal with the length and hash of the whole ends it. A
//! sealed file is read-only from then on.
//!
//! Chunks are not forced to the disk one by one. After a power cut a file may be shorter than what was
//! acknowledged; the node is then told the length and sends the rest again, for which it keeps its copy
//! until the seal, and the seal is on the disk before it is acknowledged.
//!
//! Writers of one attempt take turns. Everything that touches the disk runs on the threads for blocking
//! work, and runs to its end even if nobody waits for it any more.

mod append;
mod folder;
mod metrics;
mod name;
mod read;
mod seal;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use hpl_spec::id::AttemptId;
use tokio::sync::Mutex;

pub use append::{AppendError, Appended, Chunk};
pub use metrics::MetricsError;
pub use name::{ArtifactName, FileName, NameError, Stream};
pub use read::{Listed, Part, ReadError};
pub use seal::SealError;

use crate::disk::Disk;
use folder::{Root, Tree, folder};

/// How much an attempt may leave behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all its logs together.
    pub logs: u64,
    /// Bytes of all its artifacts together.
    pub artifacts: u64,
    /// How many artifacts.
    pub artifact_count: usize,
    /// Bytes of its metrics.
    pub metrics: u64,
}

impl Default for Quota {
    /// 8 MiB of logs, 16 artifacts of 64 MiB together, 32 MiB of metrics.
    fn default() -> Quota {
        Quota { logs: 8 << 20, artifacts: 64 << 20, artifact_count: 16, metrics: 32 << 20 }
    }
}

/// Attempts share this many locks. Two that meet on one wait for each other, which costs a write's time.
const LOCKS: usize = 256;

/// The files beside the database. Clones are the same store.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    root: Root,
    disk: Arc<Disk>,
    locks: Vec<Arc<Mutex<()>>>,
}

impl Store {
    /// Opens the store in the data folder, which must exist; `disk` says whether it has room.
    ///
    /// # Errors
    /// If the folder cannot be opened or written to, or one of its three folders is a symbolic link: a
    /// link could lead anywhere, a mount or a bind mount serves as well.
    pub fn open(data: &Path, disk: Arc<Disk>) -> io::Result<Store> {
        for tree in Tree::ALL {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(data.join(tree.as_str()))?;
        }
        let root = Root(OwnedFd::from(File::open(data)?));
        for tree in Tree::ALL {
            root.folder(&[tree.as_str().to_owned()])
                .map_err(|error| io::Error::new(error.kind(), format!("{} is no folder, or a link", tree.as_str())))?;
        }
        let locks = (0..LOCKS).map(|_| Arc::default()).collect();
        Ok(Store { inner: Arc::new(Inner { root, disk, locks }) })
    }

    /// Removes all that an attempt left behind. Nothing there is no error.
    ///
    /// # Errors
    /// If the disk refuses; what was removed by then stays so, and the call can be repeated.
    pub async fn delete(&self, attempt: &AttemptId) -> io::Result<()> {
        let id = attempt.clone();
        self.exclusive(attempt, move |inner| {
            for tree in [Tree::Logs, Tree::Artifacts] {
                inner.root.remove_folder(&folder(tree, &id))?;
            }
            inner.root.remove(&folder::Place::of_metrics(&id))?;
            inner.disk.look_again();
            Ok(())
        })
        .await
    }

    /// Runs blocking work while no other writer of the attempt does. The lock is held by the work, not by
    /// who waits for it.
    async fn exclusive<T, E>(
        &self,
        attempt: &AttemptId,
        work: impl FnOnce(&Inner) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<io::Error> + Send + 'static,
    {
        let turn = Arc::clone(&self.inner.locks[lock_of(attempt)]).lock_owned().await;
        self.shared(move |inner| {
            let _turn = turn;
            work(inner)
        })
        .await
    }

    /// Runs blocking work beside all others.
    async fn shared<T, E>(&self, work: impl FnOnce(&Inner) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<io::Error> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        tokio::task::spawn_blocking(move || work(&inner))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error).into()))
    }
}

/// The lock of an attempt.
fn lock_of(attempt: &AttemptId) -> usize {
    attempt.as_str().bytes().fold(0_usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b))) % LOCKS
}

/// Whether the disk, or the share of it that the service may use, is full.
fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
