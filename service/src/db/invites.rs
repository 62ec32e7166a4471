//! Invitations to sign up.

use super::{Conn, Tx, explain};
use crate::error::Result;
use crate::secret::TokenHash;

/// An invitation to be written down.
#[derive(Debug, Clone)]
pub struct NewInvite {
    /// What is kept of its token.
    pub hash: TokenHash,
    /// Who made it: a username or `console`.
    pub created_by: String,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: i64,
    /// How many accounts it is good for.
    pub uses: u32,
    /// The cohort of those accounts, or nothing.
    pub cohort: String,
}

/// Writes an invitation down; its key.
///
/// # Errors
/// The database cannot write.
pub async fn create(tx: &mut Tx, new: &NewInvite) -> Result<i64> {
    let now = tx.now;
    sqlx::query_scalar(
        "INSERT INTO invites (hash, created_by, created_at, expires_at, uses_left, cohort) VALUES (?, ?, ?, ?, ?, ?)
         RETURNING key",
    )
    .bind(new.hash.as_bytes().as_slice())
    .bind(&new.created_by)
    .bind(now)
    .bind(new.expires_at)
    .bind(new.uses)
    .bind(&new.cohort)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)
}

/// An invitation as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Invite {
    /// Its row.
    pub key: i64,
    /// How many accounts it is still good for.
    pub uses_left: u32,
    /// The cohort of those accounts, or nothing.
    pub cohort: String,
    /// Who made it.
    pub created_by: String,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: i64,
}

/// The invitations that can be used, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn list(conn: &mut Conn, now: i64) -> Result<Vec<Invite>> {
    sqlx::query_as(
        "SELECT key, uses_left, cohort, created_by, expires_at FROM invites
          WHERE uses_left > 0 AND expires_at > ? AND revoked_at IS NULL ORDER BY key DESC",
    )
    .bind(now)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Revokes an invitation. Whether there was one to revoke.
///
/// # Errors
/// The database cannot write.
pub async fn revoke(tx: &mut Tx, key: i64) -> Result<bool> {
    super::revoke(tx, "UPDATE invites SET revoked_at = ? WHERE key = ? AND revoked_at IS NULL", key).await
}

/// Uses an invitation once. Its cohort, if it was good.
///
/// # Errors
/// The database cannot write.
pub async fn redeem(tx: &mut Tx, hash: &TokenHash) -> Result<Option<String>> {
    let now = tx.now;
    sqlx::query_scalar(
        "UPDATE invites SET uses_left = uses_left - 1
          WHERE hash = ? AND uses_left > 0 AND expires_at > ? AND revoked_at IS NULL RETURNING cohort",
    )
    .bind(hash.as_bytes().as_slice())
    .bind(now)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)
}
