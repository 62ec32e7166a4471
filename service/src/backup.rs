//! A consistent copy of the data folder in one file, while the service runs.
//!
//! The caller copies the database first, by the database's own means; the files beside it are packed
//! after that. They only grow, so each holds at least what the copied database knows of it: what it lacks
//! is nothing, and what it has too much came after the copy.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::geteuid;
use tar::{Builder, EntryType, Header};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there already.
    #[error("{} exists and is not overwritten; name another file", .0.display())]
    Exists(PathBuf),
    /// Another backup writes to it.
    #[error("another backup is writing {}; wait for it or name another file", .0.display())]
    Running(PathBuf),
    /// The disk refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Attaches a path to what the system said.
fn at(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path, source }
}

/// What a backup is made of.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// A copy of the database, made just before.
    pub database_copy: &'a Path,
    /// The database's name in the data folder.
    pub database_name: &'a str,
    /// The data folder.
    pub data: &'a Path,
    /// Files and folders in it to pack; what is not there is left out.
    pub include: &'a [&'a str],
}

/// Packs a backup into a tar file (mode 0600) and returns its length in bytes. It is written beside
/// `out` with `.part` behind the name, put on the disk, and renamed; what an interrupted backup left
/// there is overwritten. `progress` hears the bytes written so far, about every MiB. Blocks.
///
/// Files are packed with the length they have when opened; links and other things that are no files are
/// left out, and so is a file that is removed meanwhile. One that is emptied while it is packed ends in
/// zeros.
///
/// # Errors
/// [`BackupError`]; no file is left then.
pub fn write_tar(out: &Path, source: Source<'_>, progress: &mut dyn FnMut(u64)) -> Result<u64, BackupError> {
    let mut part = out.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let file = claim(&part)?;
    // Looked at under the lock: whoever held it before has renamed by now.
    if out.symlink_metadata().is_ok() {
        remove_if_ours(&part, &file);
        return Err(BackupError::Exists(out.to_owned()));
    }
    let packed = file
        .set_len(0)
        .map_err(at(&part))
        .and_then(|()| pack(&file, &part, source, progress))
        .and_then(|length| rename(&part, out).map(|()| length));
    if packed.is_err() {
        remove_if_ours(&part, &file);
    }
    packed
}

/// Opens and locks the part file. One that somebody else made is not written to: he could read it.
fn claim(part: &Path) -> Result<File, BackupError> {
    let no_link = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600).custom_flags(no_link);
    let file = options.open(part).map_err(at(part))?;
    let meta = file.metadata().map_err(at(part))?;
    if !meta.is_file() || meta.uid() != geteuid().as_raw() {
        return Err(BackupError::Exists(part.to_owned()));
    }
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| BackupError::Running(part.to_owned()))?;
    file.set_permissions(Permissions::from_mode(0o600)).map_err(at(part))?;
    Ok(file)
}

/// Removes the part file, unless its name stands for another file by now.
fn remove_if_ours(part: &Path, file: &File) {
    let ours = part.symlink_metadata().and_then(|found| Ok(identity(&found) == identity(&file.metadata()?)));
    if ours.is_ok_and(|ours| ours)
        && let Err(error) = std::fs::remove_file(part)
    {
        tracing::warn!(path = %part.display(), %error, "the rest of a failed backup could not be removed");
    }
}

fn identity(meta: &std::fs::Metadata) -> (u64, u64) {
    (meta.dev(), meta.ino())
}

fn rename(part: &Path, out: &Path) -> Result<(), BackupError> {
    std::fs::rename(part, out).map_err(at(out))?;
    let folder = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(at(folder))
}

fn pack(file: &File, part: &Path, source: Source<'_>, progress: &mut dyn FnMut(u64)) -> Result<u64, BackupError> {
    let own = identity(&file.metadata().map_err(at(part))?);
    let counted = Counted { inner: BufWriter::with_capacity(1 << 18, file), written: 0, told: 0, progress };
    let mut packer = Packer { tar: Builder::new(counted), part, own };

    packer.file(source.database_copy, Path::new(source.database_name))?;
    // In the order of names, and each once.
    for name in source.include.iter().collect::<BTreeSet<_>>() {
        packer.any(&source.data.join(name), Path::new(name))?;
    }
    let mut counted = packer.tar.into_inner().map_err(at(part))?;
    counted.flush().and_then(|()| file.sync_all()).map_err(at(part))?;
    (counted.progress)(counted.written);
    Ok(counted.written)
}

/// The tar that is being written.
struct Packer<'a, W: Write> {
    tar: Builder<W>,
    part: &'a Path,
    own: (u64, u64),
}

impl<W: Write> Packer<'_, W> {
    /// Packs a file, or a folder with all below it.
    fn any(&mut self, path: &Path, name: &Path) -> Result<(), BackupError> {
        let meta = match path.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(path)(error)),
        };
        if meta.is_file() {
            match self.file(path, name) {
                Err(BackupError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
                result => result,
            }
        } else if meta.is_dir() {
            self.folder(path, name, &meta)
        } else {
            tracing::warn!(path = %path.display(), "no file and no folder; left out of the backup");
            Ok(())
        }
    }

    fn folder(&mut self, path: &Path, name: &Path, meta: &std::fs::Metadata) -> Result<(), BackupError> {
        let mut header = header(meta, 0o700, 0);
        header.set_entry_type(EntryType::Directory);
        self.tar.append_data(&mut header, name, io::empty()).map_err(at(self.part))?;
        let entries = match std::fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at(path)(error)),
        };
        let names: Result<BTreeSet<_>, _> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
        for entry in names.map_err(at(path))? {
            self.any(&path.join(&entry), &name.join(&entry))?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &Path) -> Result<(), BackupError> {
        let no_link = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
        let file = OpenOptions::new().read(true).custom_flags(no_link).open(path).map_err(at(path))?;
        let meta = file.metadata().map_err(at(path))?;
        if !meta.is_file() || identity(&meta) == self.own {
            return Ok(());
        }
        let length = meta.len();
        // A sealed file stays read-only.
        let mut header = header(&meta, meta.mode() & 0o600, length);
        header.set_entry_type(EntryType::Regular);
        let content = file.chain(io::repeat(0)).take(length);
        self.tar.append_data(&mut header, name, content).map_err(at(self.part))
    }
}

fn header(meta: &std::fs::Metadata, mode: u32, length: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(length);
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    header
}

/// How many bytes are written between two words of progress.
const STEP: u64 = 1 << 20;

/// A writer that counts.
struct Counted<'a, W> {
    inner: W,
    written: u64,
    told: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.written += count as u64;
        if self.written - self.told >= STEP {
            self.told = self.written;
            (self.progress)(self.written);
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
