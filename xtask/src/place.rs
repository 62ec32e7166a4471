//! Where `up` keeps its things, and at which port its service listens.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::Error;

/// The port where nothing else was asked for.
const PORT: u16 = 8080;

/// The data folder.
///
/// ```text
///   service/          the service's: database, logs, keys
///   node/             the node's: who it is, what it runs
///   account.json      the demonstration account (0600)
///   ready             where the service listens
///   lock              held by the `up` that uses the folder
///   service.log  node.log
/// ```
#[derive(Debug)]
pub struct Place {
    folder: PathBuf,
    /// Given back by the system when we end, however that is.
    _lock: File,
}

impl Place {
    /// The folder at `path`, made with mode 0700 if it is not there, for us alone.
    ///
    /// # Errors
    /// It cannot be made; another `up` uses it.
    pub fn open(path: &Path) -> Result<Place, Error> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(Error::file(path))?;
        let folder = path.canonicalize().map_err(Error::file(path))?;
        let file = folder.join("lock");
        let lock = File::create(&file).map_err(Error::file(&file))?;
        match lock.try_lock() {
            Ok(()) => Ok(Place { folder, _lock: lock }),
            Err(TryLockError::Error(why)) => Err(Error::file(file)(why)),
            Err(TryLockError::WouldBlock) => {
                let url = std::fs::read_to_string(folder.join("ready")).unwrap_or_default();
                let at = url.lines().next().map(|url| format!(", at {url}")).unwrap_or_default();
                let folder = shortest(&folder);
                let text = "stop it with Ctrl-C where it runs, or name another folder with --data";
                Err(Error::Options(format!("another `up` runs in {}{at}: {text}", folder.display())))
            }
        }
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The service's data.
    pub fn service(&self) -> PathBuf {
        self.folder.join("service")
    }

    /// The node's data.
    pub fn node(&self) -> PathBuf {
        self.folder.join("node")
    }

    /// Who the node is.
    pub fn identity(&self) -> PathBuf {
        self.node().join("node.json")
    }

    /// The demonstration account.
    pub fn account(&self) -> PathBuf {
        self.folder.join("account.json")
    }

    /// Where the service says that it takes requests.
    pub fn ready(&self) -> PathBuf {
        self.folder.join("ready")
    }

    /// The log of a program.
    pub fn log(&self, of: &str) -> PathBuf {
        self.folder.join(format!("{of}.log"))
    }

    /// The port to listen at: the one that is wanted, or that of the last time, or the usual one.
    pub fn port(&self, wanted: Option<u16>) -> u16 {
        let last = || {
            let reach = std::fs::read_to_string(self.service().join("reach")).ok()?;
            reach.split_whitespace().next()?.rsplit_once(':')?.1.parse().ok()
        };
        wanted.or_else(last).unwrap_or(PORT)
    }
}

/// Is nobody listening at this port of loopback?
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Writes a file that is for its owner alone, whole or not at all.
///
/// # Errors
/// Of the file system.
pub fn write_secret(file: &Path, text: &str) -> Result<(), Error> {
    let part = file.with_extension("part");
    // What a killed predecessor left there may have another mode.
    match std::fs::remove_file(&part) {
        Err(why) if why.kind() != ErrorKind::NotFound => return Err(Error::file(part)(why)),
        _ => (),
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut written = options.open(&part).map_err(Error::file(&part))?;
    written.write_all(text.as_bytes()).and_then(|()| written.sync_all()).map_err(Error::file(&part))?;
    std::fs::rename(&part, file).map_err(Error::file(file))
}

/// The path as one would type it here.
pub fn shortest(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_port_is_the_wanted_one_or_that_of_the_last_time() {
        let folder = tempfile::tempdir().unwrap();
        let place = Place::open(&folder.path().join("up")).unwrap();
        assert_eq!((place.port(None), place.port(Some(1))), (PORT, 1));
        std::fs::create_dir(place.service()).unwrap();
        std::fs::write(place.service().join("reach"), "http://127.0.0.1:41000 \n").unwrap();
        assert_eq!((place.port(None), place.port(Some(1))), (41_000, 1));
        std::fs::write(place.service().join("reach"), "").unwrap();
        assert_eq!(place.port(None), PORT);
    }

    #[test]
    fn two_do_not_use_one_folder() {
        let folder = tempfile::tempdir().unwrap();
        let first = Place::open(folder.path()).unwrap();
        std::fs::write(first.ready(), "http://127.0.0.1:41000\n\n").unwrap();
        let refused = Place::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("runs in ") && refused.contains(", at http://127.0.0.1:41000: stop it"), "{refused}");
        drop(first);
        Place::open(folder.path()).unwrap();
    }

    #[test]
    fn a_port_that_somebody_listens_at_is_not_free() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
        assert!(is_free(0));
    }

    #[test]
    fn secrets_are_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.json");
        std::fs::write(file.with_extension("part"), "left behind").unwrap();
        for text in ["one", "two"] {
            write_secret(&file, text).unwrap();
            assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
