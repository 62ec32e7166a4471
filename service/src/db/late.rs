//! What is remembered of attempts after their end, see the migration.

use super::attempts::Writer;
use super::{Conn, Tx, explain};
use crate::error::Result;
use crate::secret::TokenHash;

/// What is gone is remembered for so many milliseconds: longer than any daemon keeps a run.
const GONE_FOR: i64 = 30 * 24 * 3600 * 1000;

/// Logs and artifacts that `writer` sends are taken until then.
///
/// # Errors
/// Of the database.
pub(super) async fn open_files(tx: &mut Tx, writer: &Writer, until: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO open_files (attempt, token, fence, until) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET until = max(until, ?4)",
    )
    .bind(&writer.attempt)
    .bind(writer.token.as_bytes().as_slice())
    .bind(writer.fence)
    .bind(until)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// Whether the token is that of an attempt whose files are still taken, or were until lately.
///
/// # Errors
/// Of the database.
pub(super) async fn is_known(conn: &mut Conn, writer: &Writer) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM open_files WHERE attempt = ? AND token = ?)")
        .bind(&writer.attempt)
        .bind(writer.token.as_bytes().as_slice())
        .fetch_one(conn)
        .await
        .map_err(explain)
}

/// Whether files that `writer` sends are taken though its attempt may write no longer.
///
/// # Errors
/// Of the database.
pub(super) async fn takes_files(conn: &mut Conn, writer: &Writer, now: i64) -> Result<bool> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM open_files WHERE attempt = ? AND token = ? AND fence = ? AND until > ?)",
    )
    .bind(&writer.attempt)
    .bind(writer.token.as_bytes().as_slice())
    .bind(writer.fence)
    .bind(now)
    .fetch_one(conn)
    .await
    .map_err(explain)
}

/// The service was away for `away` milliseconds: what had not run out before has that much more time.
///
/// # Errors
/// Of the database.
pub(super) async fn was_away(tx: &mut Tx, away: i64) -> Result<()> {
    sqlx::query("UPDATE open_files SET until = until + ?1 WHERE until > ?2 - ?1")
        .bind(away)
        .bind(tx.now)
        .execute(&mut tx.conn)
        .await
        .map(|_| ())
        .map_err(explain)
}

/// An attempt whose job was deleted.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Gone {
    token: Vec<u8>,
    /// Its fence.
    pub(super) fence: i64,
    /// Whether it was cut off; otherwise it came to its end.
    pub(super) stale: bool,
    /// Where the job stood.
    pub(super) state: String,
}

impl Gone {
    /// Whether this is its token.
    pub(super) fn has_token(&self, token: &TokenHash) -> bool {
        TokenHash::from_slice(&self.token) == Some(*token)
    }
}

/// What is remembered of an attempt whose job was deleted.
///
/// # Errors
/// Of the database.
pub(super) async fn gone(conn: &mut Conn, attempt: &str) -> Result<Option<Gone>> {
    let row = sqlx::query_as("SELECT token, fence, stale, state FROM gone WHERE attempt = ?").bind(attempt);
    row.fetch_optional(conn).await.map_err(explain)
}

/// Remembers the attempts of a job, and its orphans. One whose attempt is not known has no token here: nobody is to write
/// to it.
pub(super) const FORGET: &str = "INSERT INTO gone (attempt, token, fence, stale, state, at)
    SELECT a.id, a.token, a.fence, a.state = 'stale', j.state, ?2 FROM attempts a JOIN jobs j ON j.key = a.job
     WHERE a.job = ?1
    UNION ALL
    SELECT r.id, x'', 0, 0, j.state, ?2 FROM results r JOIN jobs j ON j.key = r.job
     WHERE r.job = ?1 AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.id = r.id)
    RETURNING attempt";

/// A job is deleted, in this unit: remembers its attempts and orphans. Returns their ids.
///
/// # Errors
/// Of the database.
pub(super) async fn forget(tx: &mut Tx, job: i64) -> Result<Vec<String>> {
    let ids: Vec<String> =
        sqlx::query_scalar(FORGET).bind(job).bind(tx.now).fetch_all(&mut tx.conn).await.map_err(explain)?;
    for id in &ids {
        let closed = sqlx::query("DELETE FROM open_files WHERE attempt = ?").bind(id);
        closed.execute(&mut tx.conn).await.map_err(explain)?;
    }
    Ok(ids)
}

/// Removes what is over. Returns how much.
///
/// # Errors
/// Of the database.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let closed = sqlx::query("DELETE FROM open_files WHERE until <= ?").bind(tx.now);
    let closed = closed.execute(&mut tx.conn).await.map_err(explain)?.rows_affected();
    let gone = sqlx::query("DELETE FROM gone WHERE at <= ?").bind(tx.now - GONE_FOR);
    Ok(closed + gone.execute(&mut tx.conn).await.map_err(explain)?.rows_affected())
}
