//! The key that certificates are signed with: a file of PKCS#8, made at the first start.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};

use super::PublicKey;
use crate::private_file::write_new;

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file holds something else.
    #[error(
        "{} is no Ed25519 key in PKCS#8 form ({why}); restore it from a backup, or move it away to have a new one \
         made, with which later certificates are signed",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system gave no random numbers.
    #[error("the system gave no random numbers to make a key of")]
    Random,
}

/// The key that certificates are signed with.
#[derive(Debug)]
pub struct SigningKey {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

impl SigningKey {
    /// Reads the key, or makes one (mode 0600) where there is no file. A file that others may read is
    /// used, with a warning in the log.
    ///
    /// # Errors
    /// If the file cannot be read, made, or holds no key. A damaged key is never replaced.
    pub fn load_or_create(path: &Path) -> Result<SigningKey, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        match std::fs::metadata(path) {
            Ok(meta) => {
                if meta.mode() & 0o077 != 0 {
                    tracing::warn!(path = %path.display(), "others may read the signing key; chmod 600 it");
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let made = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| KeyError::Random)?;
                write_new(path, made.as_ref()).map_err(io)?;
            }
            Err(error) => return Err(io(error)),
        }
        let pkcs8 = std::fs::read(path).map_err(io)?;
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8)
            .map_err(|why| KeyError::NoKey { path: path.to_owned(), why: why.to_string() })?;
        let mut public = [0; 32];
        public.copy_from_slice(pair.public_key().as_ref());
        Ok(SigningKey { pair, public: PublicKey(public) })
    }

    /// The public half, for people to compare and to check with.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.public
    }

    /// The 64 bytes of the signature of a message.
    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes.copy_from_slice(self.pair.sign(message).as_ref());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        let first = SigningKey::load_or_create(&path).unwrap().public_key();
        assert_eq!(SigningKey::load_or_create(&path).unwrap().public_key(), first);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no part file is left");

        write_new(&path, b"another").unwrap();
        assert_eq!(SigningKey::load_or_create(&path).unwrap().public_key(), first, "the first one stays");
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        for damaged in [&b""[..], b"-----BEGIN PRIVATE KEY-----", &[0x30; 83]] {
            std::fs::write(&path, damaged).unwrap();
            let error = SigningKey::load_or_create(&path).unwrap_err();
            assert!(matches!(error, KeyError::NoKey { .. }), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), damaged);
        }
        let nowhere = SigningKey::load_or_create(&folder.path().join("none/signing.key")).unwrap_err();
        assert!(nowhere.to_string().contains("none/signing.key"), "{nowhere}");
    }
}
