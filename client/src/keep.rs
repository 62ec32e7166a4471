//! What is kept between two commands: where the service is, and the token that opens it. One file, for its owner alone.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use client::door::{Reach, address, is_pin};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// `client.json`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    /// Where the service is.
    #[serde(flatten)]
    pub reach: Reach,
    /// Who we are there.
    pub username: String,
    /// What proves it.
    pub token: String,
    /// The number by which the token is taken back.
    pub token_id: i64,
}

/// What a command knows when it begins.
#[derive(Clone, PartialEq, Eq)]
pub struct Known {
    /// Where the service is.
    pub reach: Reach,
    /// What proves who we are; None: nobody.
    pub token: Option<String>,
    /// Who we are, where that was kept.
    pub username: Option<String>,
}

/// What the environment says in the place of the file: `HPL_URL`, `HPL_PIN`, `HPL_TOKEN`.
#[derive(Clone, Default)]
pub struct Environment {
    /// Another service.
    pub url: Option<String>,
    /// The hash of its key.
    pub pin: Option<String>,
    /// Another token.
    pub token: Option<String>,
}

impl Environment {
    /// The one that we were started in. What is empty counts as not set.
    pub fn here() -> Environment {
        let read = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Environment { url: read("HPL_URL"), pin: read("HPL_PIN"), token: read("HPL_TOKEN") }
    }
}

/// Where the file is: as named, else `$XDG_CONFIG_HOME/hplaas/client.json`, else below `~/.config`.
///
/// # Errors
/// Nothing says where.
pub fn place(named: Option<&Path>) -> Result<PathBuf, Error> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let configuration = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let configuration = configuration.ok_or_else(|| {
        Error::told("neither XDG_CONFIG_HOME nor HOME says where your configuration lies: name a file with --config")
    })?;
    Ok(configuration.join("hplaas/client.json"))
}

fn at(path: &Path, error: &io::Error) -> Error {
    Error::Told(format!("{}: {error}", path.display()))
}

/// What the file says; None where there is none.
///
/// # Errors
/// It cannot be read, or is broken.
pub fn load(path: &Path) -> Result<Option<Login>, Error> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|why| {
            Error::Told(format!(
                "{}: found what is no login ({why}); expected what `hpl login` writes: log in again",
                path.display()
            ))
        }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at(path, &error)),
    }
}

/// Writes the file, whole or not at all, for its owner alone (mode 0600).
///
/// # Errors
/// Of the file system.
pub fn save(path: &Path, login: &Login) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| at(folder, &error))?;
    }
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let write = || {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
        file.write_all(&serde_json::to_vec_pretty(login).map_err(io::Error::other)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    write().map_err(|error| {
        // What is half written is of no use to anybody.
        let _ = std::fs::remove_file(&part);
        at(path, &error)
    })
}

/// Removes the file. One that is gone is gone.
///
/// # Errors
/// Of the file system.
pub fn remove(path: &Path) -> Result<(), Error> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

/// What a command knows, by the file and the environment. A token and a pin of the file are for the service that the file
/// names, and are shown to no other.
///
/// # Errors
/// Neither says where the service is; the environment says what cannot be.
pub fn known(login: Option<Login>, path: &Path, said: Environment) -> Result<Known, Error> {
    let url = said.url.as_deref().map(address).transpose().map_err(|why| Error::Told(format!("HPL_URL: {why}")))?;
    if said.pin.as_deref().is_some_and(|pin| !is_pin(pin)) {
        return Err(Error::told("HPL_PIN: expected the hash of a key: 43 letters, digits, - and _"));
    }
    let login = login.filter(|login| url.as_ref().is_none_or(|url| *url == login.reach.url));
    let Some(url) = url.or_else(|| login.as_ref().map(|login| login.reach.url.clone())) else {
        return Err(Error::Told(format!(
            "you are not logged in: {} is not there\n  expected a login, or HPL_URL and HPL_TOKEN: hpl login \
             https://HOST:PORT (your account page shows the whole line)",
            path.display()
        )));
    };
    let pin = said.pin.or_else(|| login.as_ref().and_then(|login| login.reach.pin.clone()));
    let username = login.as_ref().filter(|_| said.token.is_none()).map(|login| login.username.clone());
    Ok(Known { reach: Reach { url, pin }, token: said.token.or_else(|| login.map(|login| login.token)), username })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn login() -> Login {
        let reach = Reach { url: "https://a:1".into(), pin: Some("k".repeat(43)) };
        Login { reach, username: "ada".into(), token: "hpl_u_x".into(), token_id: 7 }
    }

    #[test]
    fn a_login_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/client.json");
        assert!(load(&path).unwrap().is_none());
        save(&path, &login()).unwrap();
        save(&path, &login()).unwrap();
        assert!(load(&path).unwrap().is_some_and(|kept| kept == login()));
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(load(&path).unwrap().is_none());
        std::fs::write(&path, "{}").unwrap();
        let why = load(&path).err().unwrap().to_string();
        assert!(why.contains("client.json") && why.contains("log in again"), "{why}");
    }

    #[test]
    fn a_token_is_shown_to_its_own_service_alone() {
        let path = Path::new("client.json");
        let here = known(Some(login()), path, Environment::default()).ok().unwrap();
        assert_eq!((here.token.as_deref(), here.username.as_deref()), (Some("hpl_u_x"), Some("ada")));
        let other = Environment { url: Some("https://b:1/".into()), ..Environment::default() };
        let other = known(Some(login()), path, other).ok().unwrap();
        assert_eq!((other.reach.url.as_str(), other.reach.pin, other.token), ("https://b:1", None, None));
        let token = Environment { token: Some("t".into()), ..Environment::default() };
        let mine = known(Some(login()), path, token).ok().unwrap();
        assert_eq!((mine.reach, mine.token.as_deref(), mine.username), (login().reach, Some("t"), None));
        let nothing = known(None, path, Environment::default()).err().unwrap().to_string();
        assert!(nothing.contains("hpl login") && nothing.contains("client.json"), "{nothing}");
        let strange = Environment { url: Some("ftp://x".into()), ..Environment::default() };
        assert!(known(None, path, strange).err().unwrap().to_string().starts_with("HPL_URL: found"));
        let pin = Environment { pin: Some("short".into()), ..Environment::default() };
        assert!(known(None, path, pin).err().unwrap().to_string().starts_with("HPL_PIN"));
    }
}
