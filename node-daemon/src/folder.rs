//! Where things lie: the daemon's data folder and the folder of an attempt.
//!
//! ```text
//!   DATA/                 0700
//!     node.json           who this node is, with its token (0600)
//!     node.lock           held by the daemon that runs from this folder
//!     ballast             64 MiB, given up so that a result can be written to a full disk
//!     drain               there while the node is to claim nothing
//!     status.json         for `hpl-node status`
//!     described.json      what this node is, asked once a boot
//!     claim.json          the number of the last claim
//!     runs/ATTEMPT/       what is running or not delivered
//!       assignment.json   what was claimed (0600)
//!       journal.jsonl     what happened and what was answered
//!       launch.json  control.json  shim.json  sandbox.json  exit.json     see `launch`
//!       group.json  shim.log                                              the shim's own
//!       finish.json       the end as it is told
//!       out.log  err.log
//!       work/             the run's own: input files, output, events
//!     orphans/ATTEMPT/    the same, of attempts that may write no longer; kept for seven days
//! ```

use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hpl_spec::id::AttemptId;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The daemon's data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data(PathBuf);

impl Data {
    /// The folder at `path`, made with mode 0700 if it is not there.
    ///
    /// # Errors
    /// It cannot be made, or is no folder.
    pub fn open(path: &Path) -> io::Result<Data> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let path = path.canonicalize()?;
        for inner in ["runs", "orphans"] {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path.join(inner))?;
        }
        Ok(Data(path))
    }

    /// Lets other users pass through to folders whose names they know, and see no list of them: a run with a user of its
    /// own has to reach its work folder.
    ///
    /// # Errors
    /// Of the file system.
    pub fn open_the_way(&self, attempt: &RunFolder) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        for path in [self.path(), &self.runs(), attempt.path()] {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o711))?;
        }
        Ok(())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Who this node is.
    #[must_use]
    pub fn node(&self) -> PathBuf {
        self.0.join("node.json")
    }

    /// Held by the daemon that runs from here.
    #[must_use]
    pub fn lock(&self) -> PathBuf {
        self.0.join("node.lock")
    }

    /// Given up when the disk is full.
    #[must_use]
    pub fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }

    /// There while the node is to claim nothing.
    #[must_use]
    pub fn drain(&self) -> PathBuf {
        self.0.join("drain")
    }

    /// How the daemon stands.
    #[must_use]
    pub fn status(&self) -> PathBuf {
        self.0.join("status.json")
    }

    /// What is running or not delivered.
    #[must_use]
    pub fn runs(&self) -> PathBuf {
        self.0.join("runs")
    }

    /// What came of attempts that may write no longer.
    #[must_use]
    pub fn orphans(&self) -> PathBuf {
        self.0.join("orphans")
    }

    /// The folder of an attempt under `runs`.
    #[must_use]
    pub fn run(&self, attempt: &AttemptId) -> RunFolder {
        RunFolder(self.runs().join(attempt.as_str()))
    }
}

/// The folder of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

macro_rules! files {
    ($($(#[$about:meta])* $name:ident = $file:literal,)*) => {
        $($(#[$about])* #[must_use] pub fn $name(&self) -> PathBuf { self.0.join($file) })*
    };
}

impl RunFolder {
    /// The folder at `path`, whether it is there or not.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> RunFolder {
        RunFolder(path.into())
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    files! {
        /// What was claimed.
        assignment = "assignment.json",
        /// What happened and what was answered.
        journal = "journal.jsonl",
        /// See [`crate::launch::Launch`].
        launch = "launch.json",
        /// See [`crate::launch::Control`].
        control = "control.json",
        /// See [`crate::launch::ShimIs`].
        shim = "shim.json",
        /// See [`crate::launch::Staged`].
        sandbox = "sandbox.json",
        /// See [`crate::launch::Exit`].
        exit = "exit.json",
        /// The end as it is told.
        finish = "finish.json",
        /// What the run said on its standard output.
        out_log = "out.log",
        /// What it said on its standard error.
        err_log = "err.log",
        /// The run's own folder.
        work = "work",
    }
}

/// Writes `value` as JSON to `path`, whole or not at all: to a file beside it (mode 0600), forced to the disk, renamed.
///
/// # Errors
/// Of the file system.
pub fn write_json(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&serde_json::to_vec_pretty(value).map_err(io::Error::other)?)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    sync_folder(path)
}

/// Forces the entry of `path` in its folder to the disk.
///
/// # Errors
/// Of the file system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    std::fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// Reads what [`write_json`] wrote; None if there is no such file.
///
/// # Errors
/// Of the file system; what is there cannot be read.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {e}", path.display()))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let data = Data::open(&scratch.path().join("a/b")).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&data.node()).unwrap(), None);
        write_json(&data.node(), &vec![1, 2]).unwrap();
        write_json(&data.node(), &vec![3]).unwrap();
        assert_eq!(read_json::<Vec<u32>>(&data.node()).unwrap(), Some(vec![3]));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&data.node()), mode(data.path())), (0o600, 0o700));
        assert!(read_json::<u32>(&data.node()).is_err());
    }
}
