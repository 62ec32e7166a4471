//! The database and its copies are for nobody else, whatever the folder is.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use service::clock::Clock;
use service::db::{self, Db, testing};
use service::hub::Hub;

fn mode(file: &Path) -> u32 {
    metadata(file).unwrap().permissions().mode() & 0o777
}

/// Opens the database and writes something, so that all its files are there.
async fn open(data: &Path) -> Db {
    let db = Db::open(data, Clock::System, Arc::new(Hub::default())).await.unwrap();
    db.write(|tx| Box::pin(async move { testing::execute(tx, "UPDATE users SET cohort = cohort").await }))
        .await
        .unwrap();
    db
}

#[tokio::test]
async fn the_database_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let files = ["hpl.db", "hpl.db-wal", "hpl.db-shm"].map(|name| folder.path().join(name));
    let db = open(folder.path()).await;
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);

    let copy = folder.path().join("copy.db");
    db::copy(folder.path(), &copy).await.unwrap();
    assert_eq!(mode(&copy), 0o600);
    assert!(db::copy(folder.path(), &copy).await.unwrap_err().detail.contains("exists"));

    // What an earlier version left is tightened, also beside one that runs.
    for file in &files {
        set_permissions(file, Permissions::from_mode(0o644)).unwrap();
    }
    let beside = open(folder.path()).await;
    assert_eq!(files.each_ref().map(|file| mode(file)), [0o600; 3]);
    beside.close().await;
    db.close().await;
}

/// The number of a process that has ended.
fn dead() -> u32 {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[tokio::test]
async fn the_next_backup_removes_what_a_killed_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    open(&data).await.close().await;
    let put = |name: String| {
        let file = data.join(name);
        std::fs::write(&file, "hashes").unwrap();
        file
    };
    let (first, second, own) = (dead(), dead(), std::process::id());
    let left = [put(format!("backup-{first}.db")), put(format!("backup-{first}.db-journal"))];
    let one_of_our_number = put(format!("backup-{own}.db"));
    // Of a process that is there; of one that cannot be seen but holds it; and what is none.
    let theirs = [put("backup-1.db".into()), put(format!("backup-{second}.db")), put("backup-monday.db".into())];
    let held = std::fs::File::open(&theirs[1]).unwrap();
    held.lock().unwrap();

    service::run::backup(&data, &folder.path().join("backup.tar")).await.unwrap();
    assert!(left.iter().all(|file| !file.exists()) && !one_of_our_number.exists());
    assert!(theirs.iter().all(|file| file.exists()));
    assert_eq!(mode(&folder.path().join("backup.tar")), 0o600);
}
