//! Where a file lies, and how it is opened: folder by folder from the data folder down, never through a
//! symbolic link, so that not even one planted in the data folder leads out of it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;

use hpl_spec::id::AttemptId;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;

use super::name::FileName;

/// The three trees under the data folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    Logs,
    Artifacts,
    Metrics,
}

impl Tree {
    pub(super) const ALL: [Tree; 3] = [Tree::Logs, Tree::Artifacts, Tree::Metrics];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Tree::Logs => "logs",
            Tree::Artifacts => "artifacts",
            Tree::Metrics => "metrics",
        }
    }
}

/// A path below the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    folders: Vec<String>,
    name: String,
}

/// The folder that attempts share: the first two digits of the id's last group, which are random, while
/// the first groups of an id are its time and would put all attempts of a day into one folder.
fn shared_folder(attempt: &AttemptId) -> String {
    attempt.as_str().rsplit('-').next().unwrap_or_default().chars().take(2).collect()
}

impl Place {
    /// Where a log or an artifact lies.
    pub(super) fn of(attempt: &AttemptId, file: &FileName) -> Place {
        match file {
            FileName::Log(stream) => Place { folders: folder(Tree::Logs, attempt), name: format!("{stream}.log") },
            FileName::Artifact(name) => {
                Place { folders: folder(Tree::Artifacts, attempt), name: name.as_str().to_owned() }
            }
        }
    }

    /// Where an attempt's metrics lie.
    pub(super) fn of_metrics(attempt: &AttemptId) -> Place {
        Place { folders: vec![Tree::Metrics.as_str().into(), shared_folder(attempt)], name: format!("{attempt}.jsonl") }
    }
}

/// The folder of an attempt in the tree of logs or of artifacts.
pub(super) fn folder(tree: Tree, attempt: &AttemptId) -> Vec<String> {
    vec![tree.as_str().into(), shared_folder(attempt), attempt.to_string()]
}

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The data folder. Everything below is reached from its descriptor.
#[derive(Debug)]
pub(super) struct Root(pub(super) OwnedFd);

impl Root {
    /// Opens a folder below; None if it does not exist.
    pub(super) fn folder(&self, folders: &[String]) -> io::Result<Option<OwnedFd>> {
        let mut at = self.0.try_clone()?;
        for name in folders {
            at = match openat(&at, name, FOLDER, Mode::empty()) {
                Ok(next) => next,
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error.into()),
            };
        }
        Ok(Some(at))
    }

    /// Opens a folder below, making what is missing (mode 0700).
    fn folder_made(&self, folders: &[String]) -> io::Result<OwnedFd> {
        let mut at = self.0.try_clone()?;
        for name in folders {
            match mkdirat(&at, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
            at = openat(&at, name, FOLDER, Mode::empty())?;
        }
        Ok(at)
    }

    /// Opens a file to read, or to read and write, which a sealed one refuses; None if it does not exist.
    ///
    /// # Errors
    /// Also if what lies there is a link, a pipe, or anything but a file.
    pub(super) fn open(&self, place: &Place, access: Access) -> io::Result<Option<File>> {
        let Some(folder) = self.folder(&place.folders)? else { return Ok(None) };
        match openat(&folder, &place.name, access.flags(), Mode::empty()) {
            Ok(file) => regular(file).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Opens a file to read and write that was seen to exist.
    pub(super) fn open_present(&self, place: &Place) -> io::Result<File> {
        self.open(place, Access::Write)?.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Makes a file that does not exist (mode 0600), with the folders above it.
    pub(super) fn create(&self, place: &Place) -> io::Result<File> {
        let folder = self.folder_made(&place.folders)?;
        let flags = Access::Write.flags() | OFlags::CREATE | OFlags::EXCL;
        regular(openat(&folder, &place.name, flags, Mode::RUSR | Mode::WUSR)?)
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, place: &Place) -> io::Result<()> {
        match self.folder(&place.folders)? {
            Some(folder) => absent_is_fine(unlinkat(&folder, &place.name, AtFlags::empty())),
            None => Ok(()),
        }
    }

    /// Removes a folder and the files in it, if it is there.
    pub(super) fn remove_folder(&self, folders: &[String]) -> io::Result<()> {
        let Some((last, above)) = folders.split_last() else { return Ok(()) };
        let (Some(parent), Some(folder)) = (self.folder(above)?, self.folder(folders)?) else { return Ok(()) };
        for entry in entries(&folder)? {
            absent_is_fine(unlinkat(&folder, &entry.name, AtFlags::empty()))?;
        }
        absent_is_fine(unlinkat(&parent, last, AtFlags::REMOVEDIR))
    }

    /// Puts the names of a file and of the folders above it on the disk.
    pub(super) fn sync_folders(&self, place: &Place) -> io::Result<()> {
        for depth in 0..=place.folders.len() {
            if let Some(folder) = self.folder(&place.folders[..depth])? {
                rustix::fs::fsync(&folder)?;
            }
        }
        Ok(())
    }
}

/// What an open file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Access {
    /// NONBLOCK keeps the opening of a planted pipe from waiting for its other end.
    fn flags(self) -> OFlags {
        let access = match self {
            Access::Read => OFlags::RDONLY,
            Access::Write => OFlags::RDWR,
        };
        access | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK
    }
}

fn regular(file: OwnedFd) -> io::Result<File> {
    let file = File::from(file);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidData, "something else lies where a file of the store should be"))
    }
}

fn absent_is_fine(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One file in a folder.
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) length: u64,
    pub(super) mode: Mode,
}

/// The files in a folder, by name. What is no file, or has a name that is no text, is left out.
pub(super) fn entries(folder: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in rustix::fs::Dir::read_from(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().to_str() else { continue };
        let stat = match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => continue,
            Err(error) => return Err(error.into()),
        };
        if FileType::from_raw_mode(stat.st_mode).is_file() {
            let length = u64::try_from(stat.st_size).unwrap_or(0);
            found.push(Entry { name: name.to_owned(), length, mode: Mode::from_raw_mode(stat.st_mode) });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
