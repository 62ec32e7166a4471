//! Sessions. The id in the cookie is never here, only its SHA-256.

use super::{Conn, Tx, explain};
use crate::error::Result;
use crate::secret::TokenHash;

/// A session ends when it was not used for so long, in milliseconds: 7 days.
pub const IDLE: i64 = 7 * 86_400_000;
/// A session ends so long after it began, whatever happens, in milliseconds: 30 days.
pub const ABSOLUTE: i64 = 30 * 86_400_000;
/// That a session is in use is written down no more often than this, in milliseconds.
pub const NOTED_EVERY: i64 = 60_000;
/// Sessions of one user; the one that was idle longest makes room.
const MOST: u32 = 50;

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Holder {
    /// The name of the session in lists.
    pub public_id: String,
    /// The user's key.
    pub user: i64,
    /// The username.
    pub name: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// When the session was last noted to be in use.
    pub seen_at: i64,
}

/// A session in the list of its user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Its name.
    pub public_id: String,
    /// When it began.
    pub created_at: i64,
    /// When it was last noted to be in use.
    pub seen_at: i64,
    /// When it ends if it is not used.
    pub expires_at: i64,
    /// Where it began.
    pub address: String,
    /// What the browser called itself.
    pub agent: String,
}

/// A session to be written down.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// What is kept of the id.
    pub hash: TokenHash,
    /// Its name in lists.
    pub public_id: String,
    /// Whose it is.
    pub user: i64,
    /// What the session library keeps in it, as JSON.
    pub data: String,
    /// Where it began.
    pub address: String,
    /// What the browser called itself.
    pub agent: String,
}

/// Whose session that is, if it has not ended and its user is not disabled.
///
/// # Errors
/// The database cannot read.
pub async fn holder(conn: &mut Conn, hash: &TokenHash, now: i64) -> Result<Option<Holder>> {
    sqlx::query_as(
        "SELECT s.public_id, u.key AS user, u.name, u.role = 'admin' AS admin, s.seen_at
           FROM sessions s JOIN users u ON u.key = s.user
          WHERE s.hash = ? AND s.expires_at > ? AND u.disabled_at IS NULL",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now)
    .fetch_optional(conn)
    .await
    .map_err(explain)
}

/// What the session library kept in a session that has not ended, and when it ends.
///
/// # Errors
/// The database cannot read.
pub async fn load(conn: &mut Conn, hash: &TokenHash, now: i64) -> Result<Option<(String, i64)>> {
    sqlx::query_as("SELECT data, expires_at FROM sessions WHERE hash = ? AND expires_at > ?")
        .bind(hash.as_bytes().as_slice())
        .bind(now)
        .fetch_optional(conn)
        .await
        .map_err(explain)
}

/// Writes a session down. If its user has too many, the one idle longest is ended.
///
/// # Errors
/// The database cannot write.
pub async fn create(tx: &mut Tx, new: &NewSession) -> Result<()> {
    let now = tx.now;
    sqlx::query(
        "INSERT INTO sessions (hash, public_id, user, data, created_at, seen_at, expires_at, ends_at, address, agent)
         VALUES (?, ?, ?, ?, ?5, ?5, ?6, ?7, ?8, ?9)",
    )
    .bind(new.hash.as_bytes().as_slice())
    .bind(&new.public_id)
    .bind(new.user)
    .bind(&new.data)
    .bind(now)
    .bind(now + IDLE)
    .bind(now + ABSOLUTE)
    .bind(&new.address)
    .bind(&new.agent)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    sqlx::query(
        "DELETE FROM sessions WHERE hash IN
           (SELECT hash FROM sessions WHERE user = ? ORDER BY seen_at DESC, public_id DESC LIMIT -1 OFFSET ?)",
    )
    .bind(new.user)
    .bind(MOST)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    Ok(())
}

/// Replaces what the session library keeps. It never brings a session back that is gone.
///
/// # Errors
/// The database cannot write.
pub async fn save(tx: &mut Tx, hash: &TokenHash, data: &str) -> Result<()> {
    sqlx::query("UPDATE sessions SET data = ? WHERE hash = ?")
        .bind(data)
        .bind(hash.as_bytes().as_slice())
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// Notes that a session is in use, which puts the end of its idleness off.
///
/// # Errors
/// The database cannot write.
pub async fn note(tx: &mut Tx, hash: &TokenHash) -> Result<()> {
    let now = tx.now;
    sqlx::query(
        "UPDATE sessions SET seen_at = ?1, expires_at = min(?1 + ?2, ends_at) WHERE hash = ?3 AND seen_at < ?1",
    )
    .bind(now)
    .bind(IDLE)
    .bind(hash.as_bytes().as_slice())
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    Ok(())
}

/// The sessions of a user, the one used last first.
///
/// # Errors
/// The database cannot read.
pub async fn list(conn: &mut Conn, user: i64, now: i64) -> Result<Vec<Listed>> {
    sqlx::query_as(
        "SELECT public_id, created_at, seen_at, expires_at, address, agent FROM sessions
          WHERE user = ? AND expires_at > ? ORDER BY seen_at DESC, public_id DESC",
    )
    .bind(user)
    .bind(now)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Ends the session with that hash.
///
/// # Errors
/// The database cannot write.
pub async fn end(tx: &mut Tx, hash: &TokenHash) -> Result<()> {
    sqlx::query("DELETE FROM sessions WHERE hash = ?")
        .bind(hash.as_bytes().as_slice())
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// Ends one session of a user by its name. Whether there was one.
///
/// # Errors
/// The database cannot write.
pub async fn end_one(tx: &mut Tx, user: i64, public_id: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM sessions WHERE user = ? AND public_id = ?")
        .bind(user)
        .bind(public_id)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// Ends all sessions of a user but `kept`. How many.
///
/// # Errors
/// The database cannot write.
pub async fn end_all(tx: &mut Tx, user: i64, kept: Option<&str>) -> Result<u64> {
    let done = sqlx::query("DELETE FROM sessions WHERE user = ? AND public_id <> ?")
        .bind(user)
        .bind(kept.unwrap_or_default())
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected())
}

/// Removes the sessions that have ended. How many.
///
/// # Errors
/// The database cannot write.
pub async fn sweep(tx: &mut Tx) -> Result<u64> {
    let now = tx.now;
    let done = sqlx::query("DELETE FROM sessions WHERE expires_at <= ?")
        .bind(now)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected())
}
