//! The database: SQLite in WAL mode. The only folder that speaks SQL.
//!
//! One writer, many readers. All writes go through [`Db::write`]: a task that owns the one writing connection
//! takes what is there, runs each unit in its own savepoint inside one `BEGIN IMMEDIATE` transaction, commits
//! with `synchronous=FULL`, and only then answers and wakes. So a unit is all or nothing, what was answered is on
//! the disk, and many units share one fsync. Nothing waits for a lock, so nothing can fail with "busy".

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Sqlite, Transaction};

use crate::clock::Clock;
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::metrics::WriterMetrics;
use crate::private_file;

pub mod attempts;
pub mod audit;
pub mod board;
pub mod check;
pub mod due;
pub mod events;
pub mod forecast;
pub mod idempotency;
pub mod insight;
pub mod invites;
pub mod job_list;
pub mod jobs;
pub mod late;
pub mod nodes;
pub mod nodes_admin;
pub mod orders;
pub mod orphans;
#[cfg(test)]
mod plans;
pub mod queue;
pub mod quotas;
pub mod results;
pub mod sessions;
pub mod sweeps;
#[doc(hidden)]
pub mod testing;
pub mod tokens;
#[cfg(test)]
mod upgrade;
pub mod users;
mod writer;

pub use writer::Tx;

/// A connection; what functions of this folder take, to read or inside a unit of writing.
pub type Conn = sqlx::SqliteConnection;

/// The name of the database inside the data folder.
pub const FILE: &str = "hpl.db";

/// The schema, built into the program.
static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// How many connections read.
const READERS: u32 = 4;

/// The database.
#[derive(Clone)]
pub struct Db {
    readers: SqlitePool,
    writer: writer::Writer,
}

/// A connection to read with, given back when dropped.
pub struct Reader(PoolConnection<Sqlite>);

impl Deref for Reader {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.0
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.0
    }
}

/// How a connection to `file` behaves.
fn options(file: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(file)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .statement_cache_capacity(256)
        .pragma("cache_size", "-4096")
        .pragma("temp_store", "memory")
        .disable_statement_logging()
}

impl Db {
    /// Opens the database in the folder `data`, making it if need be, and brings its schema up to date.
    ///
    /// # Errors
    /// The file cannot be opened, or was written by a newer version.
    pub async fn open(data: &Path, clock: Clock, hub: Arc<Hub>) -> Result<Db> {
        let file = data.join(FILE);
        keep_private(&file).map_err(|why| Error::internal(format!("{}: {why}", file.display())))?;
        let writer = options(&file).pragma("cache_size", "-16384");
        let mut connection = writer.create_if_missing(true).connect().await.map_err(explain)?;
        MIGRATIONS.run(&mut connection).await.map_err(|cause| {
            Error::internal(format!("the database {} could not be brought up to date: {cause}", file.display()))
        })?;
        fail::fail_point!("migrated");
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .connect_with(options(&file).pragma("query_only", "on"))
            .await
            .map_err(explain)?;
        Ok(Db { readers, writer: writer::Writer::start(connection, clock, hub) })
    }

    /// What its writer counts.
    #[must_use]
    pub fn counted(&self) -> WriterMetrics {
        self.writer.counted.clone()
    }

    /// A connection to read with. Each statement sees what was committed when it began.
    ///
    /// # Errors
    /// None was free for ten seconds.
    pub async fn read(&self) -> Result<Reader> {
        self.readers.acquire().await.map(Reader).map_err(no_reader)
    }

    /// The same for statements that must agree with each other: all see what was committed when the first of them began.
    /// Hold it briefly: the write-ahead log grows meanwhile.
    ///
    /// # Errors
    /// None was free for ten seconds.
    pub async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>> {
        self.readers.begin().await.map_err(no_reader)
    }

    /// Runs `work` as one unit: all of it is on the disk when this returns `Ok`, or none of it.
    ///
    /// ```ignore
    /// let key = db.write(move |tx| Box::pin(async move { users::create(tx, &name).await })).await?;
    /// ```
    ///
    /// # Errors
    /// What `work` says, and then nothing was changed; or the disk is full or broken; or the service is so busy
    /// that the unit could not be taken within seconds.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'c> FnOnce(&'c mut Tx) -> writer::Running<'c, T> + Send + 'static,
    {
        self.writer.write(work).await
    }

    /// Ends the writer after what it has, and closes all connections; the write-ahead log is folded into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// What is said where no connection to read with could be had.
fn no_reader(cause: sqlx::Error) -> Error {
    match cause {
        sqlx::Error::PoolTimedOut => {
            Error::new(Code::Unavailable, "too many people read at once; come again").retry_after(1)
        }
        cause => explain(cause),
    }
}

/// Hashes and addresses are in the database: only its owner may read it, whatever the rights of the folder. The files
/// beside it get the rights that it has when SQLite makes them.
fn keep_private(file: &Path) -> std::io::Result<()> {
    private_file::make(file)?;
    for behind in ["-wal", "-shm"] {
        let mut beside = file.as_os_str().to_owned();
        beside.push(behind);
        private_file::tighten(Path::new(&beside))?;
    }
    Ok(())
}

/// Writes a consistent copy of the database in the folder `data` to `file`, while others go on. Nobody else may read it.
///
/// # Errors
/// `file` exists and is not empty, or cannot be written.
pub async fn copy(data: &Path, file: &Path) -> Result<()> {
    if file.metadata().is_ok_and(|meta| meta.len() > 0) {
        return Err(Error::new(Code::Conflict, format!("{} exists; name another file", file.display())));
    }
    private_file::make(file).map_err(|why| Error::internal(format!("{}: {why}", file.display())))?;
    let mut connection = options(&data.join(FILE)).connect().await.map_err(explain)?;
    let name = file.to_string_lossy().into_owned();
    let copied = sqlx::query("VACUUM INTO ?").bind(name).execute(&mut connection).await.map_err(explain);
    connection.close().await.map_err(explain)?;
    copied.map(|_| ())
}

/// What the outside is told of a failure of the database.
pub fn explain(cause: sqlx::Error) -> Error {
    if let sqlx::Error::Database(inner) = &cause {
        // SQLITE_FULL; SQLITE_IOERR_WRITE where the disk says so first; SQLITE_IOERR_SHMSIZE for the index of the
        // write-ahead log.
        if matches!(inner.code().as_deref(), Some("13" | "778" | "4874")) {
            tracing::error!(%cause, "the disk is full");
            let detail = "the service has no room left to write this down; it was not accepted, come again later";
            return Error::new(Code::DiskFull, detail).retry_after(60);
        }
    }
    Error::internal(cause)
}

/// Runs a statement that revokes the row of a key; its parameters are the time and the key. Whether there was one to
/// revoke.
async fn revoke(tx: &mut Tx, statement: &'static str, key: i64) -> Result<bool> {
    let done = sqlx::query(statement).bind(tx.now).bind(key).execute(&mut tx.conn).await.map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// Whether `cause` is a violated uniqueness, which callers turn into their own words.
pub(crate) fn is_unique_violation(cause: &sqlx::Error) -> bool {
    cause.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_snapshot_reads_agrees() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
        let join = async |name: &'static str| {
            db.write(move |tx| Box::pin(async move { testing::user(tx, name).await })).await.unwrap();
        };
        let (mut reader, mut snapshot) = (db.read().await.unwrap(), db.snapshot().await.unwrap());
        assert!(users::by_name(&mut snapshot, "ada").await.unwrap().is_none());
        join("ada").await;
        assert!(users::by_name(&mut reader, "ada").await.unwrap().is_some());
        assert!(users::by_name(&mut snapshot, "ada").await.unwrap().is_none());
        // Given back, its connection sees what there is.
        drop((reader, snapshot));
        let mut all = vec![];
        for _ in 0..READERS {
            all.push(db.read().await.unwrap());
        }
        for reader in &mut all {
            assert!(users::by_name(reader, "ada").await.unwrap().is_some());
        }
    }
}
