//! A backup is whole, private, and there or not there.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use service::backup::{BackupError, Source, write_tar};
use tempfile::TempDir;

const INCLUDE: [&str; 5] = ["tls", "signing.key", "logs", "artifacts", "metrics"];

/// A data folder with a little of everything, and a copy of its database beside it.
fn data() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in [
        ("copy.db", "database"),
        ("data/signing.key", "key"),
        ("data/tls/cert.pem", "certificate"),
        ("data/logs/ab/x/out.log", "log"),
        ("data/artifacts/ab/x/HPL.out", "report"),
        ("data/scratch/not-asked-for", "?"),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    folder
}

fn back_up(folder: &Path, out: &Path) -> Result<u64, BackupError> {
    back_up_while(folder, out, &mut || ())
}

/// Backs up, and lets something happen whenever progress is told.
fn back_up_while(folder: &Path, out: &Path, meanwhile: &mut dyn FnMut()) -> Result<u64, BackupError> {
    let source = Source {
        database_copy: &folder.join("copy.db"),
        database_name: "hpl.db",
        data: &folder.join("data"),
        include: &INCLUDE,
    };
    let mut told = 0;
    let length = write_tar(out, source, &mut |bytes| {
        assert!(bytes >= told);
        told = bytes;
        meanwhile();
    })?;
    assert_eq!(told, length);
    Ok(length)
}

/// Name, mode and content of what is in a backup; folders have none.
fn unpack(out: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut tar = tar::Archive::new(fs::File::open(out).unwrap());
    let mut found = BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        let name = entry.path().unwrap().to_str().unwrap().to_owned();
        let before = found.insert(name.clone(), (entry.header().mode().unwrap(), content));
        assert!(before.is_none(), "{name} is in it twice");
    }
    found
}

#[test]
fn everything_asked_for_is_in_it_and_nothing_else() {
    let folder = data();
    let out = folder.path().join("backup.tar");
    let key = folder.path().join("data/signing.key");
    fs::set_permissions(key, fs::Permissions::from_mode(0o400)).unwrap();
    symlink("/etc/passwd", folder.path().join("data/logs/ab/x/err.log")).unwrap();
    let length = back_up(folder.path(), &out).unwrap();

    let meta = out.metadata().unwrap();
    assert_eq!((meta.len(), meta.mode() & 0o777), (length, 0o600));
    let found = unpack(&out);
    let files: Vec<_> = found.iter().filter(|(_, (mode, _))| mode & 0o100 == 0).collect();
    let content = |mode, text: &str| (mode, text.as_bytes().to_vec());
    assert_eq!(
        files,
        [
            (&"artifacts/ab/x/HPL.out".to_owned(), &content(0o600, "report")),
            (&"hpl.db".to_owned(), &content(0o600, "database")),
            (&"logs/ab/x/out.log".to_owned(), &content(0o600, "log")),
            (&"signing.key".to_owned(), &content(0o400, "key")),
            (&"tls/cert.pem".to_owned(), &content(0o600, "certificate")),
        ]
    );
    assert!(!folder.path().join("backup.tar.part").exists());
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i % 249) as u8).collect()
}

#[test]
fn a_file_may_grow_while_it_is_packed() {
    let folder = data();
    let log = folder.path().join("data/logs/ab/x/out.log");
    fs::write(&log, pattern(3 << 20)).unwrap();
    let mut grown = 3 << 20;
    let out = folder.path().join("backup.tar");
    back_up_while(folder.path(), &out, &mut || {
        let all = pattern(grown + 50_000);
        OpenOptions::new().append(true).open(&log).unwrap().write_all(&all[grown..]).unwrap();
        grown = all.len();
    })
    .unwrap();
    assert!(grown > (3 << 20) + 50_000, "it grew while it was packed");
    let found = unpack(&out);
    assert!(found["logs/ab/x/out.log"].1 == pattern(3 << 20));
    assert_eq!(found["tls/cert.pem"].1, b"certificate", "what comes behind it is whole");
}

#[test]
fn a_file_may_shrink_or_go_while_it_is_packed() {
    let folder = data();
    let (log, tls) = (folder.path().join("data/logs/ab/x/out.log"), folder.path().join("data/tls/cert.pem"));
    fs::write(&log, pattern(3 << 20)).unwrap();
    let out = folder.path().join("backup.tar");
    back_up_while(folder.path(), &out, &mut || {
        fs::write(&log, "").unwrap();
        let _ = fs::remove_file(&tls);
    })
    .unwrap();
    let found = unpack(&out);
    let packed = &found["logs/ab/x/out.log"].1;
    let kept = packed.iter().rposition(|b| *b != 0).unwrap() + 1;
    assert_eq!(packed.len(), 3 << 20);
    assert!(packed[..kept] == pattern(packed.len())[..kept] && kept < packed.len());
    assert!(!found.contains_key("tls/cert.pem"));
    assert_eq!(found["signing.key"].1, b"key");
}

#[test]
fn nothing_is_overwritten() {
    let folder = data();
    let out = folder.path().join("backup.tar");
    fs::write(&out, "older").unwrap();
    assert!(matches!(back_up(folder.path(), &out), Err(BackupError::Exists(path)) if path == out));
    assert_eq!(fs::read_to_string(&out).unwrap(), "older");
    assert!(!folder.path().join("backup.tar.part").exists());

    // Not even what a link that leads nowhere stands for.
    let link = folder.path().join("link.tar");
    symlink(folder.path().join("nowhere"), &link).unwrap();
    assert!(matches!(back_up(folder.path(), &link), Err(BackupError::Exists(_))));
}

#[test]
fn the_rest_of_an_interrupted_backup_is_in_nobodys_way() {
    let folder = data();
    let (out, part) = (folder.path().join("backup.tar"), folder.path().join("backup.tar.part"));
    fs::write(&part, vec![7; 100_000]).unwrap();
    let running = OpenOptions::new().write(true).open(&part).unwrap();
    rustix::fs::flock(&running, rustix::fs::FlockOperation::LockExclusive).unwrap();
    assert!(matches!(back_up(folder.path(), &out), Err(BackupError::Running(_))));
    assert_eq!(part.metadata().unwrap().len(), 100_000, "the other one's file is left alone");
    drop(running);
    let length = back_up(folder.path(), &out).unwrap();
    assert_eq!((out.metadata().unwrap().len(), out.metadata().unwrap().mode() & 0o777), (length, 0o600));
    assert_eq!(unpack(&out)["hpl.db"].1, b"database");

    let other = folder.path().join("other.tar");
    symlink(folder.path().join("copy.db"), folder.path().join("other.tar.part")).unwrap();
    assert!(matches!(back_up(folder.path(), &other), Err(BackupError::Io { .. })));
    assert_eq!(
        fs::read_to_string(folder.path().join("copy.db")).unwrap(),
        "database",
        "a planted link is not followed"
    );
}

#[test]
fn a_failed_backup_leaves_nothing() {
    let folder = data();
    fs::remove_file(folder.path().join("copy.db")).unwrap();
    let out = folder.path().join("backup.tar");
    let error = back_up(folder.path(), &out).unwrap_err();
    assert!(error.to_string().contains("copy.db"), "{error}");
    assert!(!out.exists() && !folder.path().join("backup.tar.part").exists());
    let nowhere = back_up(folder.path(), &folder.path().join("none/backup.tar")).unwrap_err();
    assert!(nowhere.to_string().contains("none/backup.tar.part"), "{nowhere}");
}

#[test]
fn a_backup_into_the_data_folder_does_not_eat_itself() {
    let folder = data();
    let out = folder.path().join("data/logs/backup.tar");
    back_up(folder.path(), &out).unwrap();
    assert!(!unpack(&out).keys().any(|name| name.contains("backup.tar")));
}
