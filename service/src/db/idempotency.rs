//! Answers that were given to requests with an idempotency key, so that the same request gets the same answer.

use super::{Conn, Tx, explain};
use crate::error::{Code, Error, Result};
use crate::secret::TokenHash;

/// Answers are kept for so long, in milliseconds: 24 hours.
pub const KEPT: i64 = 86_400_000;
/// Most characters of a key.
pub const KEY_CHARS: usize = 128;

/// An answer that was given before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body, as JSON.
    pub body: String,
}

/// The answer to an earlier request of that user with that key; `request` is the hash of what is asked now.
///
/// # Errors
/// [`Code::IdempotencyMismatch`] if the key belongs to another request.
pub async fn find(conn: &mut Conn, user: i64, idem_key: &str, request: &TokenHash, now: i64) -> Result<Option<Answer>> {
    let found: Option<(Vec<u8>, u16, String)> = sqlx::query_as(
        "SELECT request, status, answer FROM idempotency WHERE user = ? AND idem_key = ? AND created_at > ?",
    )
    .bind(user)
    .bind(idem_key)
    .bind(now - KEPT)
    .fetch_optional(conn)
    .await
    .map_err(explain)?;
    match found {
        Some((kept, _, _)) if kept != request.as_bytes() => Err(Error::new(
            Code::IdempotencyMismatch,
            "this Idempotency-Key came with another request before; take a new key for a new request",
        )),
        found => Ok(found.map(|(_, status, body)| Answer { status, body })),
    }
}

/// Keeps an answer, in the unit that does what it tells of.
///
/// # Errors
/// The database cannot write.
pub async fn keep(tx: &mut Tx, user: i64, idem_key: &str, request: &TokenHash, answer: &Answer) -> Result<()> {
    let now = tx.now;
    // What is here already has run out, or `find` in this same unit would have found it.
    sqlx::query(
        "INSERT OR REPLACE INTO idempotency (user, idem_key, request, status, answer, created_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(user)
    .bind(idem_key)
    .bind(request.as_bytes().as_slice())
    .bind(answer.status)
    .bind(&answer.body)
    .bind(now)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    Ok(())
}

/// Removes the answers that have run out. How many.
///
/// # Errors
/// The database cannot write.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let before = tx.now - KEPT;
    let done = sqlx::query("DELETE FROM idempotency WHERE created_at <= ?")
        .bind(before)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected())
}
