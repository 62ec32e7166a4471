//! The demonstration account: a name, a password drawn at random, and the file that keeps them for the next time.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::place::write_secret;

/// Its name.
const NAME: &str = "demo";
/// 32 letters and digits without the pairs that look alike: five random bits each.
const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
/// Letters of a password: 80 random bits.
const LENGTH: usize = 16;
/// They are read in groups.
const GROUP: usize = 4;

/// Who logs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

impl Account {
    /// A new one, with a password that nobody knows.
    pub fn draw() -> Account {
        let random: [u8; LENGTH] = rand::random();
        let letters: Vec<char> = random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        let groups: Vec<String> = letters.chunks(GROUP).map(String::from_iter).collect();
        Account { username: NAME.to_owned(), password: groups.join("-") }
    }

    /// The one that a file keeps; None without the file.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn load(file: &Path) -> Result<Option<Account>, Error> {
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(why) if why.kind() == ErrorKind::NotFound => return Ok(None),
            Err(why) => return Err(Error::file(file)(why)),
        };
        let strange =
            |why: serde_json::Error| Error::Strange { whom: file.display().to_string(), why: why.to_string() };
        serde_json::from_str(&text).map(Some).map_err(strange)
    }

    /// Keeps it in a file for its owner alone.
    ///
    /// # Errors
    /// Of the file system.
    pub fn save(&self, file: &Path) -> Result<(), Error> {
        // Two texts: this cannot fail.
        write_secret(file, &serde_json::to_string_pretty(self).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_readable_and_never_the_same() {
        let (one, other) = (Account::draw(), Account::draw());
        assert_ne!(one.password, other.password);
        assert_eq!(one.password.len(), LENGTH + LENGTH / GROUP - 1);
        assert!(one.password.bytes().all(|b| b == b'-' || LETTERS.contains(&b)), "{}", one.password);
    }

    #[test]
    fn what_was_saved_is_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("account.json");
        assert!(Account::load(&file).unwrap().is_none());
        let account = Account::draw();
        account.save(&file).unwrap();
        assert!(Account::load(&file).unwrap() == Some(account));
        std::fs::write(&file, "{}").unwrap();
        assert!(Account::load(&file).err().unwrap().to_string().contains("account.json"));
    }
}
