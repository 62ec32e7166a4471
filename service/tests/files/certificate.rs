//! No part of a certificate can be changed unnoticed.

use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::process::Command;
use std::sync::LazyLock;

use proptest::prelude::*;
use service::certificate::{Contents, PublicKey, SigningKey, Verified, VerifyError, build, verify};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

type Files = BTreeMap<String, Vec<u8>>;

fn new_key() -> SigningKey {
    let folder = tempfile::tempdir().unwrap();
    SigningKey::load_or_create(&folder.path().join("signing.key")).unwrap()
}

fn contents() -> Contents {
    let certificate = serde_json::json!({
        "benchmark": "hpl",
        "parameters": { "n": 1000, "nb": 64, "p": 1, "q": 1 },
        "score": 12.625,
        "unit": "Gflop/s",
        "user": "ada",
    });
    let report: String = (0..200).map(|i| format!("WR11C2R4 {i:6} 64 1 1 0.05 1.2345e+01\n")).collect();
    let files =
        vec![("HPL.dat".to_owned(), b"1 # of problems sizes (N)\n".to_vec()), ("HPL.out".to_owned(), report.into())];
    Contents { certificate, files }
}

/// A key, a bundle it signed, and what is to be found in it.
static SIGNED: LazyLock<(PublicKey, Vec<u8>, Verified)> = LazyLock::new(|| {
    let key = new_key();
    let bundle = build(&key, contents()).unwrap();
    let verified = verify(&bundle, Some(&key.public_key())).unwrap();
    (key.public_key(), bundle, verified)
});

fn unpack(bundle: &[u8]) -> Files {
    let mut zip = ZipArchive::new(Cursor::new(bundle)).unwrap();
    let mut files = Files::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut content = Vec::new();
        file.read_to_end(&mut content).unwrap();
        files.insert(file.name().unwrap().into_owned(), content);
    }
    files
}

fn pack(files: &Files) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The bundle with some of its files changed.
fn changed(change: impl FnOnce(&mut Files)) -> Result<Verified, VerifyError> {
    let (key, bundle, _) = &*SIGNED;
    let mut files = unpack(bundle);
    change(&mut files);
    verify(&pack(&files), Some(key))
}

#[test]
fn a_bundle_tells_what_was_put_in() {
    let (key, _, verified) = &*SIGNED;
    let put = contents();
    assert_eq!(verified.certificate, put.certificate);
    assert_eq!(verified.public_key, *key);
    for (name, content) in put.files {
        assert_eq!(verified.files[&name], content);
    }
    let text = verified.to_text();
    for line in ["parameters.n: 1000", "user: ada", "score: 12.625", "HPL.out", &key.to_string(), "the key you named"] {
        assert!(text.contains(line), "{line} in {text}");
    }
    // Packed anew by another program it is still the same.
    assert_eq!(changed(|_| ()).unwrap(), *verified);
}

/// The commands of README.txt, with the programs it names where they are installed.
#[test]
fn people_can_check_it_by_hand() {
    let installed = Command::new("sh").args(["-c", "command -v jq xxd sha256sum openssl"]).output().unwrap();
    if !installed.status.success() {
        println!("skipped: jq, xxd, sha256sum or openssl is not installed here");
        return;
    }
    let check = |files: &Files| {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(folder.path().join(name), content).unwrap();
        }
        let readme = String::from_utf8(files["README.txt"].clone()).unwrap();
        let (_, by_hand) = readme.split_once("By hand").unwrap();
        let commands: Vec<&str> = by_hand.lines().filter_map(|line| line.strip_prefix("    ")).collect();
        assert_eq!(commands.len(), 5);
        let output =
            Command::new("sh").args(["-ec", &commands.join("\n")]).current_dir(folder.path()).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let mut files = unpack(&SIGNED.1);
    let (good, said) = check(&files);
    assert!(good, "{said}");
    let manifest = String::from_utf8(files["manifest.json"].clone()).unwrap();
    files.insert("manifest.json".to_owned(), manifest.replace("hpl-certificate-1", "hpl-certificate-2").into());
    assert!(!check(&files).0, "a forged manifest");
}

#[test]
fn another_key_is_seen() {
    let (key, bundle, _) = &*SIGNED;
    let forged = build(&new_key(), contents()).unwrap();
    assert!(matches!(verify(&forged, Some(key)), Err(VerifyError::OtherKey { expected, .. }) if expected == *key));
    let unknown = verify(&forged, None).unwrap();
    assert!(!unknown.expected && unknown.public_key != *key);
    assert!(unknown.to_text().contains("Anybody can sign"));

    // The signature of one key under the name of another.
    let (theirs, ours) = (unpack(&forged), unpack(bundle));
    let other_half = theirs["signature.json"].clone();
    let said = changed(|files| drop(files.insert("signature.json".to_owned(), other_half)));
    assert!(matches!(said, Err(VerifyError::OtherKey { .. })), "{said:?}");
    let mut signature: serde_json::Value = serde_json::from_slice(&theirs["signature.json"]).unwrap();
    let named: serde_json::Value = serde_json::from_slice(&ours["signature.json"]).unwrap();
    signature["public_key"] = named["public_key"].clone();
    signature["key_id"] = named["key_id"].clone();
    let mut text = serde_json::to_vec_pretty(&signature).unwrap();
    text.push(b'\n');
    let said = changed(|files| drop(files.insert("signature.json".to_owned(), text)));
    assert!(matches!(said, Err(VerifyError::Signature)), "{said:?}");
}

#[test]
fn each_change_is_named() {
    let names: Vec<String> = unpack(&SIGNED.1).into_keys().collect();
    assert_eq!(names, ["HPL.dat", "HPL.out", "README.txt", "certificate.json", "manifest.json", "signature.json"]);
    for name in &names {
        let said = changed(|files| drop(files.remove(name)));
        assert!(matches!(&said, Err(VerifyError::Missing(missing)) if missing == name), "{name}: {said:?}");
    }
    for name in &names[..4] {
        let said = changed(|files| files.get_mut(name).unwrap().push(b' '));
        assert!(matches!(&said, Err(VerifyError::Changed(found)) if found == name), "{name}: {said:?}");
    }
    let said = changed(|files| files.get_mut("manifest.json").unwrap().push(b' '));
    assert!(matches!(said, Err(VerifyError::Signature)), "{said:?}");
    let said = changed(|files| files.get_mut("signature.json").unwrap().push(b' '));
    assert!(matches!(said, Err(VerifyError::Malformed("signature.json"))), "{said:?}");
    let said = changed(|files| drop(files.insert("more.txt".to_owned(), Vec::new())));
    assert!(matches!(&said, Err(VerifyError::Unlisted(name)) if name == "more.txt"), "{said:?}");
    for name in ["../up.txt", "/abs.txt", "a/b.txt", "a\\b.txt", ".hidden", "é.txt"] {
        let said = changed(|files| drop(files.insert(name.to_owned(), Vec::new())));
        assert!(matches!(&said, Err(VerifyError::Name(found)) if found == name), "{name}: {said:?}");
    }
}

#[test]
fn strange_zips_are_refused() {
    let (key, bundle, _) = &*SIGNED;
    for (what, bytes) in
        [("nothing", Vec::new()), ("text", b"hello".to_vec()), ("half", bundle[..bundle.len() / 2].to_vec())]
    {
        assert!(matches!(verify(&bytes, Some(key)), Err(VerifyError::NoZip(_))), "{what}");
    }
    let mut before = b"#!/bin/sh\n".to_vec();
    before.extend_from_slice(bundle);
    assert!(verify(&before, Some(key)).is_err());

    // Two files of one name: of equal length, so the second can be renamed in the finished zip.
    let mut files = unpack(bundle);
    files.insert("HPL.xut".to_owned(), b"another report".to_vec());
    let twice = replace(&pack(&files), b"HPL.xut", b"HPL.out");
    assert!(matches!(verify(&twice, Some(key)), Err(VerifyError::Odd(_))));

    let many: Files = (0..41).map(|i| (format!("f{i}"), Vec::new())).collect();
    assert!(matches!(verify(&pack(&many), Some(key)), Err(VerifyError::TooLong(_))));
    let half = || vec![0; 41 << 20];
    let bomb = pack(&Files::from([("a.out".to_owned(), half()), ("b.out".to_owned(), half())]));
    assert!(bomb.len() < 1 << 20);
    assert!(matches!(verify(&bomb, Some(key)), Err(VerifyError::TooLong(_))));
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    for at in 0..=out.len() - from.len() {
        if out[at..].starts_with(from) {
            out[at..at + to.len()].copy_from_slice(to);
        }
    }
    out
}

proptest! {
    /// In the zip itself there are bytes that nobody reads (times, versions), so what must hold is that a
    /// changed zip is refused or still says exactly what was signed.
    #[test]
    fn no_byte_of_the_zip_changes_what_is_believed(at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let (key, bundle, verified) = &*SIGNED;
        let mut bytes = bundle.clone();
        *at.get_mut(&mut bytes) ^= flip;
        if let Ok(found) = verify(&bytes, Some(key)) {
            prop_assert_eq!(&found, verified);
        }
    }

    #[test]
    fn no_byte_of_any_file_changes_unnoticed(file in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), flip in 1..=255_u8) {
        let said = changed(|files| {
            let name = file.get(&files.keys().cloned().collect::<Vec<_>>()).clone();
            *at.get_mut(files.get_mut(&name).unwrap()) ^= flip;
        });
        prop_assert!(said.is_err());
    }

    #[test]
    fn noise_and_torn_bundles_are_refused(cut in any::<prop::sample::Index>(), noise in prop::collection::vec(any::<u8>(), 0..300)) {
        let (key, bundle, _) = &*SIGNED;
        prop_assert!(verify(&bundle[..cut.index(bundle.len())], Some(key)).is_err());
        prop_assert!(verify(&noise, None).is_err());
    }
}
