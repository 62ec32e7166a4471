//! What the tokens of attempts and nodes are made with. They are derived, not drawn, those of attempts from id and fence,
//! those of nodes from join token and machine, so that an answer that was lost on the way can be given again, word for
//! word; only hashes are kept of them.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ring::hmac;

use crate::private_file::write_new;
use crate::secret::{Secret, TokenHash, TokenKind};

/// The key of the tokens of all attempts and nodes.
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
        self.derive(TokenKind::Attempt, format!("{attempt} {fence}").as_bytes())
    }

    /// The token of the node that a machine becomes by a join token; a machine that joins by it once more becomes
    /// another node, the next of that `number`.
    #[must_use]
    pub fn node_token(&self, join: &TokenHash, machine: &str, number: u32) -> Secret {
        // No id of an attempt begins like this, so no token of one kind is made like one of the other.
        let mut text = format!("node {number} ").into_bytes();
        text.extend(join.as_bytes());
        text.extend(machine.as_bytes());
        self.derive(TokenKind::Node, &text)
    }

    fn derive(&self, kind: TokenKind, text: &[u8]) -> Secret {
        let tag = hmac::sign(&self.0, text);
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Secret::from_bytes(kind, &bytes)
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
    fn the_token_of_a_node_follows_from_join_token_machine_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let key = AttemptKey::load_or_create(&folder.path().join("key")).unwrap();
        let (one, two) = (TokenHash::of("one"), TokenHash::of("two"));
        let made = |join, machine, number| key.node_token(join, machine, number).reveal().to_owned();
        let first = made(&one, "m", 0);
        assert_eq!(first, made(&one, "m", 0));
        for other in [made(&two, "m", 0), made(&one, "n", 0), made(&one, "m", 1), key.token("m", 0).reveal().into()] {
            assert_ne!(first, other);
        }
    }

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
