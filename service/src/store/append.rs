//! One more chunk of a file.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use hpl_spec::id::AttemptId;

use super::folder::{Access, Place, Tree, entries, folder};
use super::name::FileName;
use super::{Inner, Quota, Store, is_full, seal};
use crate::disk::Load;

/// A piece of a file.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// Bytes of the file before this piece.
    pub offset: u64,
    /// The piece.
    pub bytes: Bytes,
    /// Whether it belongs to the result, and is written even where the disk is low.
    pub load: Load,
}

/// A chunk that is in the file now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Bytes in the file.
    pub length: u64,
    /// Whether the file held all of it before.
    pub dup: bool,
}

/// Why a chunk is not in the file. The file is as it was before.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is a gap before it, or it says something else than what is there.
    #[error("the file holds {have} bytes and the chunk does not continue them; send on from byte {have}")]
    Mismatch {
        /// Bytes in the file; where to go on.
        have: u64,
        /// Whether bytes that the file holds were sent with another content. The seal will then not fit
        /// either, and ask for the whole file again.
        differs: bool,
    },
    /// The attempt's files of this kind would be longer than allowed together.
    #[error("at most {limit} bytes are kept, of which this file holds {have}; the rest is not kept")]
    TooLong {
        /// Bytes allowed for all files of the kind together.
        limit: u64,
        /// Bytes in this file.
        have: u64,
    },
    /// One artifact more than allowed.
    #[error("at most {limit} artifacts are kept")]
    TooMany {
        /// Artifacts allowed.
        limit: usize,
    },
    /// The file was sealed.
    #[error("the file was sealed with {have} bytes and takes no more")]
    Sealed {
        /// Bytes in the file.
        have: u64,
    },
    /// Little space is left, and it is kept for results.
    #[error("the service is short of disk space and keeps what is left for results; try again later")]
    DiskLow,
    /// No space is left.
    #[error("the service's disk is full; try again later")]
    DiskFull,
    /// The disk failed.
    #[error("the file could not be written")]
    Io(#[source] io::Error),
}

impl From<io::Error> for AppendError {
    fn from(error: io::Error) -> AppendError {
        if is_full(&error) { AppendError::DiskFull } else { AppendError::Io(error) }
    }
}

/// What there is to do with a chunk, were its overlap with the file the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    /// Bytes of the chunk that the file should hold.
    overlap: usize,
    /// Length of the file afterwards.
    length: u64,
}

/// Decides by the lengths alone; None is a gap.
fn plan(have: u64, offset: u64, chunk: usize) -> Option<Plan> {
    let before = have.checked_sub(offset)?;
    let overlap = usize::try_from(before).map_or(chunk, |before| before.min(chunk));
    Some(Plan { overlap, length: have.saturating_add((chunk - overlap) as u64) })
}

impl Store {
    /// Puts a chunk into a file: appended if it begins where the file ends; recognised if the file holds
    /// it; of one that overlaps the end, the rest is appended. An empty chunk at 0 makes an empty file.
    ///
    /// # Errors
    /// [`AppendError`]; the file is then as it was before.
    pub async fn append(
        &self,
        attempt: &AttemptId,
        file: &FileName,
        chunk: Chunk,
        quota: Quota,
    ) -> Result<Appended, AppendError> {
        let (id, name) = (attempt.clone(), file.clone());
        self.exclusive(attempt, move |inner| append(inner, &id, &name, &chunk, quota)).await
    }
}

fn append(
    inner: &Inner,
    attempt: &AttemptId,
    name: &FileName,
    chunk: &Chunk,
    quota: Quota,
) -> Result<Appended, AppendError> {
    let place = Place::of(attempt, name);
    let file = inner.root.open(&place, Access::Read)?;
    let have = file.as_ref().map_or(Ok(0), |file| file.metadata().map(|m| m.len()))?;

    let plan = plan(have, chunk.offset, chunk.bytes.len()).ok_or(AppendError::Mismatch { have, differs: false })?;
    let (known, new) = chunk.bytes.split_at(plan.overlap);
    if let Some(file) = &file {
        if !holds(file, chunk.offset, known)? {
            return Err(AppendError::Mismatch { have, differs: true });
        }
        if new.is_empty() {
            return Ok(Appended { length: have, dup: true });
        }
        if seal::is_sealed(file)? {
            return Err(AppendError::Sealed { have });
        }
    }

    within_quota(inner, attempt, name, file.is_none(), have, plan.length, quota)?;
    if !new.is_empty() && !inner.disk.state().takes(chunk.load) {
        return Err(AppendError::DiskLow);
    }
    let writable = match &file {
        Some(_) => inner.root.open_present(&place),
        None => inner.root.create(&place),
    };
    fail::fail_point!("file_opened");
    let written = writable.and_then(|file| write_or_cut(&file, have, new));
    if let Err(error) = written {
        inner.disk.look_again();
        if file.is_none() {
            inner.root.remove(&place)?;
        }
        return Err(error.into());
    }
    Ok(Appended { length: plan.length, dup: false })
}

/// Whether the file holds these bytes at this offset.
fn holds(file: &File, offset: u64, expected: &[u8]) -> io::Result<bool> {
    let mut found = vec![0; expected.len()];
    file.read_exact_at(&mut found, offset)?;
    Ok(found == expected)
}

/// Writes at the file's end, `have`; cuts it back there if that fails.
pub(super) fn write_or_cut(file: &File, have: u64, bytes: &[u8]) -> io::Result<()> {
    file.write_all_at(bytes, have).inspect_err(|_| {
        if let Err(error) = file.set_len(have) {
            tracing::error!(%error, "a file could not be cut back after a failed write");
        }
    })
}

/// Refuses what would make the attempt's files of the kind too long or too many.
fn within_quota(
    inner: &Inner,
    attempt: &AttemptId,
    name: &FileName,
    fresh: bool,
    have: u64,
    length: u64,
    quota: Quota,
) -> Result<(), AppendError> {
    let (tree, limit) = match name {
        FileName::Log(_) => (Tree::Logs, quota.logs),
        FileName::Artifact(_) => (Tree::Artifacts, quota.artifacts),
    };
    let there = match inner.root.folder(&folder(tree, attempt))? {
        Some(folder) => entries(&folder)?,
        None => Vec::new(),
    };
    if tree == Tree::Artifacts && fresh && there.len() >= quota.artifact_count {
        return Err(AppendError::TooMany { limit: quota.artifact_count });
    }
    let others = there.iter().map(|entry| entry.length).sum::<u64>().saturating_sub(have);
    if others.saturating_add(length) > limit {
        return Err(AppendError::TooLong { limit, have });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_decide() {
        let planned = |have, offset, chunk| plan(have, offset, chunk).map(|p| (p.overlap, p.length));
        assert_eq!(planned(0, 0, 0), Some((0, 0)));
        assert_eq!(planned(10, 10, 5), Some((0, 15)), "continues");
        assert_eq!(planned(10, 5, 5), Some((5, 10)), "known");
        assert_eq!(planned(10, 2, 3), Some((3, 10)), "known, in the middle");
        assert_eq!(planned(10, 8, 5), Some((2, 13)), "overlaps");
        assert_eq!(planned(10, 11, 5), None, "gap");
        assert_eq!(planned(10, u64::MAX, 5), None, "gap");
    }
}
