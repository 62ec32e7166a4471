//! The store's promises beyond the transfer: limits, tricks with paths, a full disk.

use std::future::Future;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use hpl_spec::id::AttemptId;
use service::disk::{Disk, Load, Watermarks};
use service::store::{
    AppendError, Appended, Chunk, FileName, MetricsError, Quota, ReadError, SealError, Store, Stream,
};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::small_disk::on_a_small_disk;

/// An attempt in folder `ab`.
pub fn attempt(number: u8) -> AttemptId {
    format!("0190f5fe-7c00-7a3b-8b1e-ab23456789{number:02x}").parse().unwrap()
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

fn open_at(data: &Path, low: u64) -> Store {
    let disk = Disk::open(data, Watermarks::new(low, 0).unwrap()).unwrap();
    Store::open(data, Arc::new(disk)).unwrap()
}

pub fn open() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(folder.path(), 0);
    (folder, store)
}

fn chunk(offset: u64, bytes: impl Into<Vec<u8>>) -> Chunk {
    Chunk { offset, bytes: bytes.into().into(), load: Load::Bulk }
}

fn artifact(name: &str) -> FileName {
    FileName::Artifact(name.parse().unwrap())
}

const OUT: FileName = FileName::Log(Stream::Out);
const ERR: FileName = FileName::Log(Stream::Err);

#[test]
fn files_lie_where_they_should_and_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = open();
    block_on(async {
        store.append(&attempt(1), &OUT, chunk(0, "log"), Quota::default()).await.unwrap();
        store.append(&attempt(1), &artifact("HPL.out"), chunk(0, "report"), Quota::default()).await.unwrap();
        store.append_metrics(&attempt(1), "{}".into(), Quota::default()).await.unwrap();
    });
    for (path, content) in [
        (format!("logs/ab/{}/out.log", attempt(1)), "log"),
        (format!("artifacts/ab/{}/HPL.out", attempt(1)), "report"),
        (format!("metrics/ab/{}.jsonl", attempt(1)), "{}\n"),
    ] {
        let path = folder.path().join(path);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(path.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}

#[test]
fn a_mismatch_says_what_is_there() {
    let (_folder, store) = open();
    block_on(async {
        let send = async |offset, bytes: &'static str| {
            store.append(&attempt(1), &OUT, chunk(offset, bytes), Quota::default()).await
        };
        assert!(matches!(send(1, "x").await, Err(AppendError::Mismatch { have: 0, differs: false })));
        assert!(matches!(send(u64::MAX, "x").await, Err(AppendError::Mismatch { have: 0, differs: false })));
        assert_eq!(send(0, "hello").await.unwrap(), Appended { length: 5, dup: false });
        assert_eq!(send(0, "hello").await.unwrap(), Appended { length: 5, dup: true });
        assert_eq!(send(1, "ell").await.unwrap(), Appended { length: 5, dup: true });
        assert_eq!(send(5, "").await.unwrap(), Appended { length: 5, dup: true });
        assert_eq!(send(3, "lo wor").await.unwrap(), Appended { length: 9, dup: false });
        assert!(matches!(send(3, "LO wor").await, Err(AppendError::Mismatch { have: 9, differs: true })));
        assert!(matches!(send(8, "Rld").await, Err(AppendError::Mismatch { have: 9, differs: true })));
        assert!(matches!(send(10, "d").await, Err(AppendError::Mismatch { have: 9, differs: false })));
        assert_eq!(&store.read(&attempt(1), &OUT, 0, 99).await.unwrap().bytes[..], b"hello wor");
    });
}

#[test]
fn quotas_hold_over_all_files_of_a_kind() {
    let (_folder, store) = open();
    let quota = Quota { logs: 10, artifacts: 10, artifact_count: 2, metrics: 10 };
    block_on(async {
        let send = async |file: FileName, offset, bytes: &'static str| {
            store.append(&attempt(1), &file, chunk(offset, bytes), quota).await
        };
        send(OUT, 0, "123456").await.unwrap();
        assert!(matches!(send(ERR, 0, "12345").await, Err(AppendError::TooLong { limit: 10, have: 0 })));
        send(ERR, 0, "1234").await.unwrap();
        assert!(matches!(send(OUT, 6, "7").await, Err(AppendError::TooLong { limit: 10, have: 6 })));
        assert!(send(OUT, 4, "56").await.unwrap().dup, "what is there is no question of room");

        send(artifact("a.out"), 0, "12345").await.unwrap();
        send(artifact("b.out"), 0, "").await.unwrap();
        assert!(matches!(send(artifact("c.out"), 0, "").await, Err(AppendError::TooMany { limit: 2 })));
        assert!(matches!(send(artifact("b.out"), 0, "123456").await, Err(AppendError::TooLong { limit: 10, have: 0 })));
        send(artifact("b.out"), 0, "12345").await.unwrap();

        assert_eq!(store.append_metrics(&attempt(1), "12345678".into(), quota).await.unwrap(), 9);
        let more = store.append_metrics(&attempt(1), "1".into(), quota).await;
        assert!(matches!(more, Err(MetricsError::TooLong { limit: 10 })));
    });
}

#[test]
fn a_low_disk_takes_results_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_at(folder.path(), 0);
    block_on(store.append(&attempt(1), &OUT, chunk(0, "log"), Quota::default())).unwrap();
    let store = open_at(folder.path(), u64::MAX);
    block_on(async {
        let more = store.append(&attempt(1), &OUT, chunk(3, "more"), Quota::default()).await;
        assert!(matches!(more, Err(AppendError::DiskLow)));
        let known = store.append(&attempt(1), &OUT, chunk(0, "log"), Quota::default()).await;
        assert!(known.unwrap().dup, "a repetition needs no room");
        let metrics = store.append_metrics(&attempt(1), "{}".into(), Quota::default()).await;
        assert!(matches!(metrics, Err(MetricsError::DiskLow)));
        let result = Chunk { load: Load::Result, ..chunk(0, "report") };
        store.append(&attempt(1), &artifact("HPL.out"), result, Quota::default()).await.unwrap();
        store.seal(&attempt(1), &OUT, 3, Sha256::digest("log").into()).await.unwrap();
    });
}

#[test]
fn a_seal_holds() {
    let (_folder, store) = open();
    let (right, wrong) = (Sha256::digest("hello").into(), Sha256::digest("jello").into());
    block_on(async {
        assert!(matches!(store.seal(&attempt(1), &OUT, 0, right).await, Err(SealError::Absent)));
        store.append(&attempt(1), &OUT, chunk(0, "hello"), Quota::default()).await.unwrap();
        let short = store.seal(&attempt(1), &OUT, 6, right).await;
        assert!(matches!(short, Err(SealError::Length { have: 5, expected: 6 })));
        assert!(matches!(store.seal(&attempt(1), &OUT, 5, wrong).await, Err(SealError::Hash { .. })));
        assert!(!store.read(&attempt(1), &OUT, 0, 9).await.unwrap().sealed);
        for _ in 0..2 {
            store.seal(&attempt(1), &OUT, 5, right).await.unwrap();
        }
        let more = store.append(&attempt(1), &OUT, chunk(5, "!"), Quota::default()).await;
        assert!(matches!(more, Err(AppendError::Sealed { have: 5 })));
        assert!(store.append(&attempt(1), &OUT, chunk(0, "hello"), Quota::default()).await.unwrap().dup);
        assert!(!store.reset(&attempt(1), &OUT).await.unwrap());
        assert!(!store.reset(&attempt(1), &ERR).await.unwrap());
        assert_eq!(&store.read(&attempt(1), &OUT, 0, 9).await.unwrap().bytes[..], b"hello");
    });
}

#[test]
fn readers_get_ranges_ends_lists_and_streams() {
    let (_folder, store) = open();
    block_on(async {
        assert!(matches!(store.read(&attempt(1), &OUT, 0, 9).await, Err(ReadError::Absent)));
        assert!(store.list(&attempt(1)).await.unwrap().is_empty());
        store.append(&attempt(1), &artifact("b.out"), chunk(0, "xyz"), Quota::default()).await.unwrap();
        store.append(&attempt(1), &OUT, chunk(0, "0123456789"), Quota::default()).await.unwrap();

        let range = store.read(&attempt(1), &OUT, 4, 3).await.unwrap();
        assert_eq!((&range.bytes[..], range.offset, range.total), (&b"456"[..], 4, 10));
        let beyond = store.read(&attempt(1), &OUT, 40, 3).await.unwrap();
        assert_eq!((beyond.bytes.len(), beyond.total), (0, 10));
        let tail = store.tail(&attempt(1), &OUT, 4).await.unwrap();
        assert_eq!((&tail.bytes[..], tail.offset), (&b"6789"[..], 6));
        assert_eq!(store.tail(&attempt(1), &OUT, 99).await.unwrap().offset, 0);

        let listed = store.list(&attempt(1)).await.unwrap();
        let listed: Vec<_> = listed.into_iter().map(|file| (file.name, file.length, file.sealed)).collect();
        assert_eq!(listed, [(OUT, 10, false), (artifact("b.out"), 3, false)]);

        let (mut stream, length) = store.open_file(&attempt(1), &OUT).await.unwrap();
        store.append_metrics(&attempt(1), "{\"a\":1}\n".into(), Quota::default()).await.unwrap();
        store.delete(&attempt(1)).await.unwrap();
        store.delete(&attempt(1)).await.unwrap();
        let mut read = String::new();
        stream.read_to_string(&mut read).await.unwrap();
        assert_eq!((read.as_str(), length), ("0123456789", 10), "a reader keeps what it opened");
        assert!(store.list(&attempt(1)).await.unwrap().is_empty());
        assert!(matches!(store.read_metrics(&attempt(1), 0, 9).await, Err(ReadError::Absent)));
    });
}

#[test]
fn half_a_line_of_metrics_does_not_spoil_the_next() {
    let (folder, store) = open();
    block_on(async {
        store.append_metrics(&attempt(1), "{\"a\":1}\n{\"a\":2}".into(), Quota::default()).await.unwrap();
        let path = folder.path().join(format!("metrics/ab/{}.jsonl", attempt(1)));
        let mut content = std::fs::read(&path).unwrap();
        content.truncate(content.len() - 3);
        std::fs::write(&path, content).unwrap();
        store.append_metrics(&attempt(1), "{\"a\":3}\n".into(), Quota::default()).await.unwrap();
        let part = store.read_metrics(&attempt(1), 0, 99).await.unwrap();
        assert_eq!(&part.bytes[..], b"{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
    });
}

#[test]
fn planted_links_and_pipes_lead_nowhere() {
    let (folder, store) = open();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.log");
    std::fs::write(&secret, "secret").unwrap();
    let logs = |number| folder.path().join(format!("logs/ab/{}", attempt(number)));
    // A link instead of the file, of the attempt's folder, a pipe instead of the file.
    std::fs::create_dir_all(logs(1)).unwrap();
    symlink(&secret, logs(1).join("out.log")).unwrap();
    std::fs::rename(&secret, outside.path().join("out.log")).unwrap();
    symlink(outside.path(), logs(2)).unwrap();
    std::fs::create_dir_all(logs(3)).unwrap();
    let pipe = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, logs(3).join("out.log"), rustix::fs::FileType::Fifo, pipe, 0).unwrap();
    block_on(async {
        for number in 1..=3 {
            let read = store.read(&attempt(number), &OUT, 0, 99).await;
            assert!(matches!(read, Err(ReadError::Io(_))), "{number}: {read:?}");
            let written = store.append(&attempt(number), &OUT, chunk(0, "x"), Quota::default()).await;
            assert!(matches!(written, Err(AppendError::Io(_))), "{number}: {written:?}");
        }
        let _ = store.delete(&attempt(2)).await;
    });
    assert_eq!(std::fs::read_to_string(outside.path().join("out.log")).unwrap(), "secret");

    let linked = tempfile::tempdir().unwrap();
    symlink(outside.path(), linked.path().join("logs")).unwrap();
    let disk = Arc::new(Disk::open(linked.path(), Watermarks::new(0, 0).unwrap()).unwrap());
    assert!(Store::open(linked.path(), disk).unwrap_err().to_string().contains("logs"));
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_half() {
    on_a_small_disk("store::a_full_disk_is_said_and_leaves_nothing_half", "256k", |disk| fill(&disk));
}

fn fill(disk: &Path) {
    let store = open_at(disk, 0);
    let quota = Quota::default();
    let step = 30_000_u64;
    let content = |from: u64| (from..from + step).map(|i| (i % 251) as u8).collect::<Vec<_>>();
    block_on(async {
        let mut length = 0;
        let full = loop {
            match store.append(&attempt(1), &OUT, chunk(length, content(length)), quota).await {
                Ok(appended) => length = appended.length,
                Err(error) => break error,
            }
            assert!(length < 300_000, "the disk has no end");
        };
        assert!(matches!(full, AppendError::DiskFull), "{full:?}");
        assert_eq!(store.read(&attempt(1), &OUT, 0, 0).await.unwrap().total, length, "cut back");

        // A file that does not fit is not there at all, and the next try finds the same.
        for _ in 0..2 {
            let error = store.append(&attempt(2), &artifact("HPL.out"), chunk(0, content(0)), quota).await.unwrap_err();
            assert!(matches!(error, AppendError::DiskFull), "{error:?}");
            assert!(store.list(&attempt(2)).await.unwrap().is_empty());
        }
        let lines = vec![b'x'; 40_000];
        let error = store.append_metrics(&attempt(3), lines.into(), quota).await.unwrap_err();
        assert!(matches!(error, MetricsError::DiskFull), "{error:?}");
        assert_eq!(store.read_metrics(&attempt(3), 0, 9).await.map_or(0, |part| part.total), 0);

        // What came before is whole; with room again, the same chunk goes in.
        let kept = store.read(&attempt(1), &OUT, 0, 300_000).await.unwrap();
        let expected: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
        assert!(kept.bytes[..] == expected[..]);
        store.delete(&attempt(1)).await.unwrap();
        store.append(&attempt(2), &artifact("HPL.out"), chunk(0, content(0)), quota).await.unwrap();
        store.seal(&attempt(2), &artifact("HPL.out"), step, Sha256::digest(content(0)).into()).await.unwrap();
    });
}
