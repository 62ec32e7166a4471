//! API tokens. Their text is never here, only its SHA-256.

use super::{Conn, Tx, explain};
use crate::error::Result;
use crate::secret::TokenHash;

/// That a token is in use is written down no more often than this, in milliseconds.
pub const NOTED_EVERY: i64 = 60_000;

/// A token that somebody came with, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Held {
    /// Its row.
    pub key: i64,
    /// What is kept of it.
    pub hash: Vec<u8>,
    /// The user's key.
    pub user: i64,
    /// The username.
    pub name: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// Words with blanks between.
    pub scopes: String,
    /// When it ends.
    pub expires_at: i64,
    /// When it was last noted to be in use.
    pub last_used_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// A token in the list of its user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// Its row.
    pub key: i64,
    /// What its user calls it.
    pub name: String,
    /// Words with blanks between.
    pub scopes: String,
    /// When it was made.
    pub created_at: i64,
    /// When it ends.
    pub expires_at: i64,
    /// When it was last noted to be in use.
    pub last_used_at: Option<i64>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// A token to be written down.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// Whose it is.
    pub user: i64,
    /// What its user calls it.
    pub name: String,
    /// What is kept of it.
    pub hash: TokenHash,
    /// Words with blanks between.
    pub scopes: String,
    /// When it ends.
    pub expires_at: i64,
}

/// Writes a token down.
///
/// # Errors
/// The database cannot write.
pub async fn create(tx: &mut Tx, new: &NewToken) -> Result<Listed> {
    let now = tx.now;
    sqlx::query_as(
        "INSERT INTO api_tokens (user, name, hash, scopes, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)
         RETURNING key, name, scopes, created_at, expires_at, last_used_at, revoked_at",
    )
    .bind(new.user)
    .bind(&new.name)
    .bind(new.hash.as_bytes().as_slice())
    .bind(&new.scopes)
    .bind(now)
    .bind(new.expires_at)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)
}

/// The token with that hash, if its user is not disabled. It may have ended.
///
/// # Errors
/// The database cannot read.
pub async fn find(conn: &mut Conn, hash: &TokenHash) -> Result<Option<Held>> {
    let found: Option<Held> = sqlx::query_as(
        "SELECT t.key, t.hash, t.user, u.name, u.role = 'admin' AS admin, t.scopes, t.expires_at, t.last_used_at,
                t.revoked_at
           FROM api_tokens t JOIN users u ON u.key = t.user WHERE t.hash = ? AND u.disabled_at IS NULL",
    )
    .bind(hash.as_bytes().as_slice())
    .fetch_optional(conn)
    .await
    .map_err(explain)?;
    // The index compares byte by byte; what decides is the comparison in constant time.
    Ok(found.filter(|held| TokenHash::from_slice(&held.hash).is_some_and(|kept| kept == *hash)))
}

/// Notes that a token is in use.
///
/// # Errors
/// The database cannot write.
pub async fn note(tx: &mut Tx, key: i64) -> Result<()> {
    let now = tx.now;
    sqlx::query("UPDATE api_tokens SET last_used_at = ?1 WHERE key = ?2 AND coalesce(last_used_at, 0) < ?1")
        .bind(now)
        .bind(key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// The tokens of a user, the latest first: those that can be used, and those that ended within the last 30 days.
///
/// # Errors
/// The database cannot read.
pub async fn list(conn: &mut Conn, user: i64, now: i64) -> Result<Vec<Listed>> {
    sqlx::query_as(
        "SELECT key, name, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_tokens
          WHERE user = ? AND min(expires_at, coalesce(revoked_at, expires_at)) > ? ORDER BY key DESC",
    )
    .bind(user)
    .bind(now - 30 * 86_400_000)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// A token of a user that can be used.
///
/// # Errors
/// The database cannot read.
pub async fn usable(conn: &mut Conn, user: i64, key: i64, now: i64) -> Result<Option<Listed>> {
    sqlx::query_as(
        "SELECT key, name, scopes, created_at, expires_at, last_used_at, revoked_at FROM api_tokens
          WHERE key = ? AND user = ? AND expires_at > ? AND revoked_at IS NULL",
    )
    .bind(key)
    .bind(user)
    .bind(now)
    .fetch_optional(conn)
    .await
    .map_err(explain)
}

/// How many tokens of a user can be used.
///
/// # Errors
/// The database cannot read.
pub async fn count_usable(conn: &mut Conn, user: i64, now: i64) -> Result<u32> {
    sqlx::query_scalar("SELECT count(*) FROM api_tokens WHERE user = ? AND expires_at > ? AND revoked_at IS NULL")
        .bind(user)
        .bind(now)
        .fetch_one(conn)
        .await
        .map_err(explain)
}

/// Ends a token of a user at `at` at the latest.
///
/// # Errors
/// The database cannot write.
pub async fn end_by(tx: &mut Tx, key: i64, at: i64) -> Result<()> {
    sqlx::query("UPDATE api_tokens SET expires_at = min(expires_at, ?) WHERE key = ?")
        .bind(at)
        .bind(key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// Revokes a token of a user; its name. None if there is none that could be revoked.
///
/// # Errors
/// The database cannot write.
pub async fn revoke(tx: &mut Tx, user: i64, key: i64) -> Result<Option<String>> {
    let now = tx.now;
    sqlx::query_scalar(
        "UPDATE api_tokens SET revoked_at = ? WHERE key = ? AND user = ? AND revoked_at IS NULL RETURNING name",
    )
    .bind(now)
    .bind(key)
    .bind(user)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)
}
