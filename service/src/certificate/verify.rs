//! A bundle is checked, with nothing but its bytes and perhaps the key that should have signed it.
//!
//! A bundle comes from anywhere: counts and lengths are bounded before anything is unpacked, and what
//! two zip programs might read differently (names twice, files hidden between others) is refused.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Cursor, Read};

use data_encoding::HEXLOWER;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::de::DeserializeOwned;
use serde_json::Value;
use zip::ZipArchive;

use super::{
    ALGORITHM, CERTIFICATE, FORMAT, Fingerprint, LONGEST_JSON, LONGEST_SUM, MANIFEST, MOST_FILES, Manifest, PublicKey,
    README, SIGNATURE, Signature, is_plain_name, to_json,
};

/// Why a bundle is not to be believed.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Not a zip, or a damaged one.
    #[error("this is no zip file, or a damaged one ({0})")]
    NoZip(String),
    /// A zip that programs may read differently, or that no service made.
    #[error("the zip is put together in a way that no certificate is: {0}")]
    Odd(&'static str),
    /// Too much in it.
    #[error("the bundle holds more than a certificate may: {0}")]
    TooLong(&'static str),
    /// A name with a folder, or another that no certificate has.
    #[error("the bundle holds a file called {0:?}, which no certificate does")]
    Name(String),
    /// A file of every certificate is not there, or one that the manifest lists.
    #[error("`{0}` is missing from the bundle")]
    Missing(String),
    /// A file that the manifest does not list.
    #[error("`{0}` is not in the manifest: it was added after signing")]
    Unlisted(String),
    /// A file that is not what the manifest says.
    #[error("`{0}` has another length or SHA-256 than the manifest says: it was changed after signing")]
    Changed(String),
    /// JSON of another shape.
    #[error("`{0}` is not written as in a certificate: it was changed, or comes from a newer service")]
    Malformed(&'static str),
    /// The signature does not fit.
    #[error("the signature does not fit manifest.json: one of the two was changed")]
    Signature,
    /// Signed, but by somebody else.
    #[error("the bundle was signed by key {found}, not by {expected}")]
    OtherKey {
        /// The key that signed it.
        found: PublicKey,
        /// The key that should have.
        expected: PublicKey,
    },
}

/// A bundle whose files are those that were signed.
#[derive(Debug, Clone, PartialEq)]
pub struct Verified {
    /// certificate.json
    pub certificate: Value,
    /// All files under the signature, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The key that signed.
    pub public_key: PublicKey,
    /// Whether that is the key the caller expected. If not, the caller expected none, and the signature
    /// says only that the files belong together.
    pub expected: bool,
}

/// Checks a bundle: all files as signed, and signed by `expected` if one is given. Unpacks and hashes up
/// to 80 MiB: not for a thread that serves others.
///
/// # Errors
/// [`VerifyError`] says what is wrong.
pub fn verify(bundle: &[u8], expected: Option<&PublicKey>) -> Result<Verified, VerifyError> {
    let mut files = unpack(bundle)?;
    let mut take = |name: &str| files.remove(name).ok_or_else(|| VerifyError::Missing(name.to_owned()));
    let (manifest_bytes, signature_bytes) = (take(MANIFEST)?, take(SIGNATURE)?);

    let signature: Signature = json(SIGNATURE, &signature_bytes)?;
    let public_key = signature.public_key;
    // No hash covers this file, so not even a blank of it may differ from what was written.
    let as_written = to_json(&signature).is_ok_and(|text| text == signature_bytes);
    if !as_written || signature.algorithm != ALGORITHM || signature.key_id != public_key.id() {
        return Err(VerifyError::Malformed(SIGNATURE));
    }
    let bytes = HEXLOWER.decode(signature.signature.as_bytes()).map_err(|_| VerifyError::Malformed(SIGNATURE))?;
    UnparsedPublicKey::new(&ED25519, public_key.as_bytes())
        .verify(&manifest_bytes, &bytes)
        .map_err(|_| VerifyError::Signature)?;
    if let Some(expected) = expected.filter(|expected| **expected != public_key) {
        return Err(VerifyError::OtherKey { found: public_key, expected: *expected });
    }

    let manifest: Manifest = json(MANIFEST, &manifest_bytes)?;
    if manifest.format != FORMAT {
        return Err(VerifyError::Malformed(MANIFEST));
    }
    compare(&manifest, &files)?;
    let certificate = files.get(CERTIFICATE).ok_or_else(|| VerifyError::Missing(CERTIFICATE.to_owned()))?;
    let certificate: Value = json(CERTIFICATE, certificate)?;
    if !certificate.is_object() {
        return Err(VerifyError::Malformed(CERTIFICATE));
    }
    Ok(Verified { certificate, files, public_key, expected: expected.is_some() })
}

/// The files are those of the manifest, each as it says.
fn compare(manifest: &Manifest, files: &BTreeMap<String, Vec<u8>>) -> Result<(), VerifyError> {
    for name in [CERTIFICATE, README] {
        if !manifest.files.contains_key(name) {
            return Err(VerifyError::Missing(name.to_owned()));
        }
    }
    if let Some(name) = manifest.files.keys().find(|name| !files.contains_key(*name)) {
        return Err(VerifyError::Missing(name.clone()));
    }
    for (name, content) in files {
        match manifest.files.get(name) {
            None => return Err(VerifyError::Unlisted(name.clone())),
            Some(listed) if *listed != Fingerprint::of(content) => return Err(VerifyError::Changed(name.clone())),
            Some(_) => {}
        }
    }
    Ok(())
}

/// All files of the zip, in memory.
fn unpack(bundle: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, VerifyError> {
    let no_zip = |error: zip::result::ZipError| VerifyError::NoZip(error.to_string());
    if bundle.len() as u64 > LONGEST_SUM {
        return Err(VerifyError::TooLong("the zip file itself"));
    }
    let mut zip = ZipArchive::new(Cursor::new(bundle)).map_err(no_zip)?;
    if zip.len() > MOST_FILES {
        return Err(VerifyError::TooLong("too many files"));
    }
    if zip.has_duplicate_names() {
        return Err(VerifyError::Odd("a name occurs twice"));
    }
    if zip.offset() != 0 || !zip.comment().is_empty() {
        return Err(VerifyError::Odd("bytes before or after it"));
    }
    let names: Vec<Vec<u8>> = zip.file_names_raw().map(<[u8]>::to_vec).collect();
    if let Some(name) = names.iter().find(|name| !std::str::from_utf8(name).is_ok_and(is_plain_name)) {
        return Err(VerifyError::Name(String::from_utf8_lossy(name).chars().take(100).collect()));
    }
    zip.validate_header_consistency().map_err(|_| VerifyError::Odd("its two lists of files differ"))?;

    let mut files = BTreeMap::new();
    let mut room = LONGEST_SUM;
    for index in 0..zip.len() {
        let file = zip.by_index(index).map_err(no_zip)?;
        if !file.is_file() {
            return Err(VerifyError::Odd("something in it is no file"));
        }
        let name = String::from_utf8_lossy(file.name_raw()).into_owned();
        let mut content = Vec::new();
        file.take(room + 1)
            .read_to_end(&mut content)
            .map_err(|error| VerifyError::NoZip(format!("{name}: {error}")))?;
        let left = room.checked_sub(content.len() as u64);
        room = left.ok_or(VerifyError::TooLong("too many bytes when unpacked"))?;
        files.insert(name, content);
    }
    Ok(files)
}

/// A JSON file of bounded length.
fn json<T: DeserializeOwned>(name: &'static str, text: &[u8]) -> Result<T, VerifyError> {
    if text.len() as u64 > LONGEST_JSON {
        return Err(VerifyError::TooLong(name));
    }
    serde_json::from_slice(text).map_err(|_| VerifyError::Malformed(name))
}

impl Verified {
    /// What was checked and what the certificate says, for people. Texts from the bundle are escaped, so
    /// that they cannot move the cursor of a terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let _ = writeln!(text, "The bundle is as it was signed. Key {} ({}).", self.public_key.id(), self.public_key);
        if self.expected {
            text.push_str("That is the key you named.\n");
        } else {
            text.push_str("Anybody can sign: compare this key with the one your service shows, or name it.\n");
        }
        text.push_str("\nFiles:\n");
        for (name, content) in &self.files {
            let _ = writeln!(text, "  {name}  {} bytes", content.len());
        }
        text.push_str("\nThe certificate says:\n");
        lines(&mut text, "", &self.certificate);
        text
    }
}

/// One line for each value, objects flattened to `a.b`.
fn lines(text: &mut String, path: &str, value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let dot = if path.is_empty() { "" } else { "." };
                lines(text, &format!("{path}{dot}{}", printable(name)), value);
            }
        }
        Value::String(said) => {
            let _ = writeln!(text, "  {path}: {}", printable(said));
        }
        other => {
            let _ = writeln!(text, "  {path}: {}", printable(&other.to_string()));
        }
    }
}

/// The text with everything escaped that is neither a letter, digit, mark of ASCII nor a letter of
/// another script: control characters and those that turn the direction of writing among them.
fn printable(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || c == ' ' || c.is_ascii_graphic();
    text.chars().fold(String::new(), |mut out, c| {
        if plain(c) {
            out.push(c)
        } else {
            out.extend(c.escape_unicode())
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_cannot_steer_a_terminal() {
        assert_eq!(printable("Müller 5%\u{1b}[31m\u{202e}\n"), "Müller 5%\\u{1b}[31m\\u{202e}\\u{a}");
        let mut text = String::new();
        lines(&mut text, "", &serde_json::json!({ "a": { "b\u{7}": "x\ny" }, "c": [1, "\u{9b}"] }));
        assert_eq!(text, "  a.b\\u{7}: x\\u{a}y\n  c: [1,\"\\u{9b}\"]\n");
    }
}
