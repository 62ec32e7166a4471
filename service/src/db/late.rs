//! What is remembered of attempts after their end, see the migration.

use super::{Conn, Tx, explain};
use crate::error::Result;
use crate::secret::TokenHash;

/// New bytes of an attempt's logs and artifacts are taken until then.
///
/// # Errors
/// Of the database.
pub(super) async fn open_files(tx: &mut Tx, attempt: &str, token: &[u8], until: i64) -> Result<()> {
    sqlx::query(
        "INSERT INTO open_files (attempt, token, until) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET until = max(until, ?3)",
    )
    .bind(attempt)
    .bind(token)
    .bind(until)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// Whether new bytes of the attempt whose token this is are taken after its end.
///
/// # Errors
/// Of the database.
pub(super) async fn takes_files(conn: &mut Conn, attempt: &str, token: &TokenHash, now: i64) -> Result<bool> {
    sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM open_files WHERE attempt = ? AND token = ? AND until > ?)")
        .bind(attempt)
        .bind(token.as_bytes().as_slice())
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

/// Removes what is over. Returns how much.
///
/// # Errors
/// Of the database.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let gone = sqlx::query("DELETE FROM open_files WHERE until <= ?").bind(tx.now);
    Ok(gone.execute(&mut tx.conn).await.map_err(explain)?.rows_affected())
}
