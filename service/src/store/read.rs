//! Files as readers want them: a range, the end, a stream, a list.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use bytes::Bytes;
use hpl_spec::id::AttemptId;

use super::Store;
use super::folder::{Access, Place, Tree, entries, folder};
use super::name::{FileName, Stream};
use super::seal::{is_sealed, sealed_mode};

/// A piece of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The bytes; fewer than asked for where the file ends.
    pub bytes: Bytes,
    /// Bytes of the file before them.
    pub offset: u64,
    /// Bytes in the file at that moment.
    pub total: u64,
    /// Whether the file is complete and will not grow.
    pub sealed: bool,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing of the file has come, or it was removed.
    #[error("there is no such file")]
    Absent,
    /// The disk failed.
    #[error("the file could not be read")]
    Io(#[from] io::Error),
}

/// A file that an attempt left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub name: FileName,
    /// Bytes in it.
    pub length: u64,
    /// Whether it is complete.
    pub sealed: bool,
}

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum From {
    Start(u64),
    End,
}

/// At most `most` bytes of a file.
fn read(file: &File, from: From, most: usize) -> io::Result<Part> {
    let meta = file.metadata()?;
    let total = meta.len();
    let offset = match from {
        From::Start(offset) => offset,
        From::End => total.saturating_sub(most as u64),
    };
    let rest = total.saturating_sub(offset);
    let mut bytes = vec![0; usize::try_from(rest).map_or(most, |rest| rest.min(most))];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], offset + filled as u64) {
            // The file was emptied meanwhile.
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(Part { bytes: bytes.into(), offset, total, sealed: is_sealed(file)? })
}

impl Store {
    /// At most `most` bytes from `offset` on; none beyond the end. `most` is the caller's memory.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read(
        &self,
        attempt: &AttemptId,
        file: &FileName,
        offset: u64,
        most: usize,
    ) -> Result<Part, ReadError> {
        self.part(Place::of(attempt, file), From::Start(offset), most).await
    }

    /// The last `most` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn tail(&self, attempt: &AttemptId, file: &FileName, most: usize) -> Result<Part, ReadError> {
        self.part(Place::of(attempt, file), From::End, most).await
    }

    /// At most `most` bytes of an attempt's metrics from `offset` on.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn read_metrics(&self, attempt: &AttemptId, offset: u64, most: usize) -> Result<Part, ReadError> {
        self.part(Place::of_metrics(attempt), From::Start(offset), most).await
    }

    async fn part(&self, place: Place, from: From, most: usize) -> Result<Part, ReadError> {
        self.shared(move |inner| {
            let file = inner.root.open(&place, Access::Read)?.ok_or(ReadError::Absent)?;
            Ok(read(&file, from, most)?)
        })
        .await
    }

    /// The file, open for reading at its start, and its length in bytes. The descriptor outlives a
    /// deletion.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn open_file(&self, attempt: &AttemptId, file: &FileName) -> Result<(tokio::fs::File, u64), ReadError> {
        let place = Place::of(attempt, file);
        let (file, length) = self
            .shared(move |inner| {
                let file = inner.root.open(&place, Access::Read)?.ok_or(ReadError::Absent)?;
                let length = file.metadata()?.len();
                Ok::<_, ReadError>((file, length))
            })
            .await?;
        Ok((tokio::fs::File::from_std(file), length))
    }

    /// The logs and artifacts of an attempt, logs first, each by name.
    ///
    /// # Errors
    /// If the disk does not answer.
    pub async fn list(&self, attempt: &AttemptId) -> io::Result<Vec<Listed>> {
        let attempt = attempt.clone();
        self.shared(move |inner| {
            let mut found = Vec::new();
            for tree in [Tree::Logs, Tree::Artifacts] {
                let Some(folder) = inner.root.folder(&folder(tree, &attempt))? else { continue };
                for entry in entries(&folder)? {
                    let Some(name) = name_of(tree, &entry.name) else { continue };
                    let sealed = sealed_mode(entry.mode.as_raw_mode());
                    found.push(Listed { name, length: entry.length, sealed });
                }
            }
            found.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(found)
        })
        .await
    }
}

/// The name that a file in a tree stands for; None if the store did not put it there.
fn name_of(tree: Tree, file: &str) -> Option<FileName> {
    match tree {
        Tree::Logs => file.strip_suffix(".log")?.parse::<Stream>().ok().map(FileName::Log),
        Tree::Artifacts => file.parse().ok().map(FileName::Artifact),
        Tree::Metrics => None,
    }
}
