//! A bundle is written.

use std::collections::BTreeMap;
use std::io::{Cursor, Write};

use data_encoding::HEXLOWER;
use serde_json::Value;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use super::{
    ALGORITHM, CERTIFICATE, FORMAT, Fingerprint, LONGEST_JSON, LONGEST_SUM, MANIFEST, MOST_FILES, Manifest, README,
    RESERVED, SIGNATURE, Signature, SigningKey, is_plain_name, to_json,
};

/// What goes into a bundle.
#[derive(Debug, Clone)]
pub struct Contents {
    /// certificate.json, an object: job, attempt, user, benchmark, parameters, score and all else that
    /// describes the result.
    pub certificate: Value,
    /// Name and content of the files of the run: input, output.
    pub files: Vec<(String, Vec<u8>)>,
}

/// Why no bundle was made.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file's name is not allowed, taken twice, or one of the bundle's own.
    #[error("`{0}` cannot name a file of a certificate, or does so twice")]
    Name(String),
    /// More or longer files than a reader would accept.
    #[error("the files of the certificate are too many or too long")]
    TooLong,
    /// The certificate is no JSON object.
    #[error("the certificate is no JSON object")]
    NoObject,
    /// JSON could not be written.
    #[error("the certificate could not be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The zip could not be written.
    #[error("the certificate could not be packed")]
    Zip(#[from] zip::result::ZipError),
}

/// Packs and signs a bundle. The same contents and key give the same bytes. Compresses up to 80 MiB: not
/// for a thread that serves others.
///
/// # Errors
/// [`BuildError`].
pub fn build(key: &SigningKey, contents: Contents) -> Result<Vec<u8>, BuildError> {
    if !contents.certificate.is_object() {
        return Err(BuildError::NoObject);
    }
    let mut files = BTreeMap::from([
        (CERTIFICATE.to_owned(), to_json(&contents.certificate)?),
        (README.to_owned(), include_bytes!("README.txt").to_vec()),
    ]);
    if files[CERTIFICATE].len() as u64 > LONGEST_JSON {
        return Err(BuildError::TooLong);
    }
    for (name, content) in contents.files {
        if !is_plain_name(&name) || RESERVED.contains(&name.as_str()) || files.contains_key(&name) {
            return Err(BuildError::Name(name));
        }
        files.insert(name, content);
    }
    let sum: u64 = files.values().map(|content| content.len() as u64).sum();
    if files.len() + 2 > MOST_FILES || sum + 2 * LONGEST_JSON > LONGEST_SUM {
        return Err(BuildError::TooLong);
    }

    let fingerprints = files.iter().map(|(name, content)| (name.clone(), Fingerprint::of(content))).collect();
    let manifest = to_json(&Manifest { format: FORMAT.to_owned(), files: fingerprints })?;
    let public_key = key.public_key();
    let signature = to_json(&Signature {
        algorithm: ALGORITHM.to_owned(),
        key_id: public_key.id(),
        public_key,
        signature: HEXLOWER.encode(&key.sign(&manifest)),
    })?;
    files.insert(MANIFEST.to_owned(), manifest);
    files.insert(SIGNATURE.to_owned(), signature);
    pack(&files)
}

/// The zip of these files, in order of their names, all of the first of January 1980.
fn pack(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>, BuildError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, options)?;
        zip.write_all(content).map_err(zip::result::ZipError::from)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(files: &[(&str, &[u8])]) -> Contents {
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        Contents { certificate: serde_json::json!({ "score": 1.5 }), files }
    }

    #[test]
    fn the_same_content_gives_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        let one = build(&key, contents(&[("HPL.dat", b"a"), ("HPL.out", b"b")])).unwrap();
        let two = build(&key, contents(&[("HPL.out", b"b"), ("HPL.dat", b"a")])).unwrap();
        assert_eq!(one, two);
    }

    #[test]
    fn what_no_reader_would_accept_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let key = SigningKey::load_or_create(&folder.path().join("key")).unwrap();
        for name in ["../a", "a/b", "", "manifest.json", "README.txt", "certificate.json"] {
            assert!(matches!(build(&key, contents(&[(name, b"")])), Err(BuildError::Name(_))), "{name}");
        }
        assert!(matches!(build(&key, contents(&[("a", b""), ("a", b"")])), Err(BuildError::Name(_))));
        let many: Vec<_> = (0..MOST_FILES).map(|i| (format!("f{i}"), Vec::new())).collect();
        let many = Contents { certificate: serde_json::json!({}), files: many };
        assert!(matches!(build(&key, many), Err(BuildError::TooLong)));
        let no_object = Contents { certificate: Value::Null, files: Vec::new() };
        assert!(matches!(build(&key, no_object), Err(BuildError::NoObject)));
    }
}
