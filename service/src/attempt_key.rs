//! What the tokens of attempts are made with. They are derived from attempt and fence, not drawn, so that an
//! assignment whose answer was lost on the way can be given again, word for word; only hashes are kept of them.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ring::hmac;

use crate::private_file::write_new;
use crate::secret::{Secret, TokenKind};

/// The key of all attempts' tokens.
#[derive(Clone)]
pub struct AttemptKey(Arc<hmac::Key>);

impl AttemptKey {
    /// Reads the key, or makes one (mode 0600) where there is no file.
    ///
    /// # Errors
    /// The file cannot be read or made, or is not 32 bytes long.
    pub fn load_or_create(path: &Path) -> io::Result<AttemptKey> {
        if !path.try_exists()? {
            write_new(path, &rand::random::<[u8; 32]>())?;
        }
        let bytes = std::fs::read(path)?;
        if bytes.len() != 32 {
            let why = format!("{} holds {} bytes, a key has 32; restore it from a backup", path.display(), bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(AttemptKey(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, &bytes))))
    }

    /// The token of an attempt: HMAC-SHA-256 of its id and fence.
    #[must_use]
    pub fn token(&self, attempt: &str, fence: i64) -> Secret {
        let tag = hmac::sign(&self.0, format!("{attempt} {fence}").as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Secret::from_bytes(TokenKind::Attempt, &bytes)
    }
}

impl fmt::Debug for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AttemptKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_attempt_gets_the_same_token_and_no_other_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (one, again) = (AttemptKey::load_or_create(&path).unwrap(), AttemptKey::load_or_create(&path).unwrap());
        assert_eq!(one.token("a", 1).reveal(), again.token("a", 1).reveal());
        assert_ne!(one.token("a", 1).reveal(), one.token("a", 2).reveal());
        assert_ne!(one.token("a", 1).reveal(), one.token("b", 1).reveal());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert!(AttemptKey::load_or_create(&path).unwrap_err().to_string().contains("5 bytes"));
    }
}
