//! The end of a file, and its beginning anew.
//!
//! A sealed file has lost its owner's right to write: like its length, its being sealed is a property of
//! the file itself.

use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};

use hpl_spec::id::AttemptId;
use sha2::{Digest, Sha256};

use super::folder::{Access, Place};
use super::name::FileName;
use super::{Store, is_full};

/// Why a file is not sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Nothing of it has come.
    #[error("the file has not come; send it, if it is empty as an empty chunk")]
    Absent,
    /// Its length is another.
    #[error("the file holds {have} bytes instead of {expected}; send on from byte {have}")]
    Length {
        /// Bytes in the file.
        have: u64,
        /// Bytes it should have.
        expected: u64,
    },
    /// Its content is another: the sender should [`Store::reset`] it and send all of it again.
    #[error("the file's SHA-256 is another than the one named; send it again from byte 0")]
    Hash {
        /// The SHA-256 of what came.
        have: [u8; 32],
    },
    /// No space is left; some disks find that only now.
    #[error("the service's disk is full; try again later")]
    DiskFull,
    /// The disk failed.
    #[error("the file could not be sealed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for SealError {
    fn from(error: io::Error) -> SealError {
        if is_full(&error) { SealError::DiskFull } else { SealError::Io(error) }
    }
}

/// Whether the file was sealed.
pub(super) fn is_sealed(file: &File) -> io::Result<bool> {
    Ok(sealed_mode(file.metadata()?.permissions().mode()))
}

/// Whether a file of this mode was sealed.
pub(super) fn sealed_mode(mode: u32) -> bool {
    mode & 0o200 == 0
}

/// The SHA-256 of a file's first `length` bytes.
fn hash(file: &File, length: u64) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    let mut at = 0;
    while at < length {
        let wanted = usize::try_from(length - at).map_or(buffer.len(), |rest| rest.min(buffer.len()));
        file.read_exact_at(&mut buffer[..wanted], at)?;
        hasher.update(&buffer[..wanted]);
        at += wanted as u64;
    }
    Ok(hasher.finalize().into())
}

impl Store {
    /// Compares length and SHA-256 of the whole file, puts it and its name on the disk, and makes it
    /// read-only. A second seal with the same figures is no error.
    ///
    /// # Errors
    /// [`SealError`]; the file then stays open for more.
    pub async fn seal(
        &self,
        attempt: &AttemptId,
        file: &FileName,
        length: u64,
        sha256: [u8; 32],
    ) -> Result<(), SealError> {
        let place = Place::of(attempt, file);
        self.exclusive(attempt, move |inner| {
            let file = inner.root.open(&place, Access::Read)?.ok_or(SealError::Absent)?;
            let have = file.metadata()?.len();
            if have != length {
                return Err(SealError::Length { have, expected: length });
            }
            let have = hash(&file, length)?;
            if have != sha256 {
                return Err(SealError::Hash { have });
            }
            // The content first: after a power cut nothing may be sealed and not there.
            file.sync_all()?;
            fail::fail_point!("file_synced");
            file.set_permissions(Permissions::from_mode(0o400))?;
            file.sync_all()?;
            Ok(inner.root.sync_folders(&place)?)
        })
        .await
    }

    /// Empties a file, so that it can be sent again from byte 0; says whether it did. A sealed file stays
    /// as it is, and so does one that has not come.
    ///
    /// # Errors
    /// If the disk refuses.
    pub async fn reset(&self, attempt: &AttemptId, file: &FileName) -> io::Result<bool> {
        let place = Place::of(attempt, file);
        self.exclusive(attempt, move |inner| match inner.root.open(&place, Access::Read)? {
            Some(file) if !is_sealed(&file)? => inner.root.open_present(&place)?.set_len(0).map(|()| true),
            _ => Ok(false),
        })
        .await
    }
}
