//! The certificate of a result: a zip file that can be checked without the service.
//!
//! ```text
//!   certificate.json   what was run, where, by whom, how fast, and how it was checked
//!   HPL.dat, HPL.out   the files of the run, as they came
//!   README.txt         how to check all this
//!   manifest.json      length and SHA-256 of each file above
//!   signature.json     Ed25519 over the bytes of manifest.json
//! ```
//!
//! The signature covers the manifest, the manifest covers the rest, so a bundle in which a byte of any
//! file differs does not verify. The same content gives the same bundle: times in it are fixed and its
//! files are in order. Ed25519 is that of RFC 8032.

mod key;
mod sign;
mod verify;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use key::{KeyError, SigningKey};
pub use sign::{BuildError, Contents, build};
pub use verify::{Verified, VerifyError, verify};

const CERTIFICATE: &str = "certificate.json";
const README: &str = "README.txt";
const MANIFEST: &str = "manifest.json";
const SIGNATURE: &str = "signature.json";

/// Names that the bundle itself uses.
const RESERVED: [&str; 4] = [CERTIFICATE, README, MANIFEST, SIGNATURE];

/// What manifests say they are, so that a signature over one can stand for nothing else.
const FORMAT: &str = "hpl-certificate-1";
const ALGORITHM: &str = "ed25519";

/// Limits of a bundle, for writers and readers alike: 40 files, 80 MiB of them, packed or unpacked.
const MOST_FILES: usize = 40;
const LONGEST_SUM: u64 = 80 << 20;

/// The longest JSON file that is read into memory as values.
const LONGEST_JSON: u64 = 1 << 20;

/// manifest.json
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    format: String,
    files: BTreeMap<String, Fingerprint>,
}

/// What the manifest says about a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fingerprint {
    bytes: u64,
    sha256: String,
}

impl Fingerprint {
    fn of(content: &[u8]) -> Fingerprint {
        Fingerprint { bytes: content.len() as u64, sha256: HEXLOWER.encode(&Sha256::digest(content)) }
    }
}

/// signature.json
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    algorithm: String,
    key_id: String,
    public_key: PublicKey,
    signature: String,
}

/// The public half of a signing key; as text 64 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// A short name for people to compare: the first 16 hexadecimal digits of the key's SHA-256.
    #[must_use]
    pub fn id(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(self.0)[..8])
    }

    /// The key's 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A text that is no public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a public key; expected 64 hexadecimal digits (0-9, a-f)")]
pub struct PublicKeyError;

impl FromStr for PublicKey {
    type Err = PublicKeyError;

    fn from_str(text: &str) -> Result<PublicKey, PublicKeyError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| PublicKeyError)?;
        Ok(PublicKey(bytes.try_into().map_err(|_| PublicKeyError)?))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = PublicKeyError;

    fn try_from(text: String) -> Result<PublicKey, PublicKeyError> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

/// Whether a file of a bundle may be called this: no folders, nothing hidden, nothing to escape.
fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=100).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(plain)
}

/// JSON as it lies in the bundle: indented, with an end of line.
fn to_json(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_shown() {
        let key = PublicKey([0xa5; 32]);
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!(key.id().len(), 16);
        for bad in ["", "a5", &"A5".repeat(32), &"a5".repeat(33)] {
            assert_eq!(bad.parse::<PublicKey>(), Err(PublicKeyError), "{bad}");
        }
    }

    #[test]
    fn names_with_folders_are_refused() {
        assert!(["HPL.out", "a", "certificate.json"].into_iter().all(is_plain_name));
        for bad in ["", ".", "..", "a/b", "/a", "a\\b", "-a", "a b", "a\0", &"a".repeat(101)] {
            assert!(!is_plain_name(bad), "{bad:?}");
        }
    }
}
