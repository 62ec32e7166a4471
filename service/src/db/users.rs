//! Accounts and their recovery codes.

use super::{Conn, Tx, explain, is_unique_violation};
use crate::error::{Code, Error, Result};
use crate::secret::TokenHash;

/// An account, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct User {
    /// Its row.
    pub key: i64,
    /// The username.
    pub name: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// A course or team, or nothing.
    pub cohort: String,
    /// When it was made, in milliseconds since the epoch.
    pub created_at: i64,
    /// Since when it is disabled, if it is.
    pub disabled_at: Option<i64>,
}

/// An account to be made.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The username, which the rules have been applied to.
    pub name: String,
    /// The hash of the password, a PHC string.
    pub password: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// A course or team, or nothing.
    pub cohort: String,
}

/// Makes an account; its key.
///
/// # Errors
/// [`Code::UsernameTaken`].
pub async fn create(tx: &mut Tx, new: &NewUser) -> Result<i64> {
    let now = tx.now;
    sqlx::query_scalar(
        "INSERT INTO users (name, password, role, cohort, created_at) VALUES (?, ?, ?, ?, ?) RETURNING key",
    )
    .bind(&new.name)
    .bind(&new.password)
    .bind(if new.admin { "admin" } else { "user" })
    .bind(&new.cohort)
    .bind(now)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(|cause| {
        if is_unique_violation(&cause) {
            Error::new(Code::UsernameTaken, format!("the username `{}` is taken; choose another one", new.name))
        } else {
            explain(cause)
        }
    })
}

/// The account of that name.
///
/// # Errors
/// The database cannot read.
pub async fn by_name(conn: &mut Conn, name: &str) -> Result<Option<User>> {
    sqlx::query_as(
        "SELECT key, name, role = 'admin' AS admin, cohort, created_at, disabled_at FROM users WHERE name = ?",
    )
    .bind(name)
    .fetch_optional(conn)
    .await
    .map_err(explain)
}

/// The account with that key.
///
/// # Errors
/// The database cannot read.
pub async fn by_key(conn: &mut Conn, key: i64) -> Result<Option<User>> {
    sqlx::query_as(
        "SELECT key, name, role = 'admin' AS admin, cohort, created_at, disabled_at FROM users WHERE key = ?",
    )
    .bind(key)
    .fetch_optional(conn)
    .await
    .map_err(explain)
}

/// Accounts by name, those after `after`.
///
/// # Errors
/// The database cannot read.
pub async fn page(conn: &mut Conn, after: &str, limit: u32) -> Result<Vec<User>> {
    sqlx::query_as(
        "SELECT key, name, role = 'admin' AS admin, cohort, created_at, disabled_at FROM users
          WHERE name > ? ORDER BY name LIMIT ?",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Key and password hash of an account that may log in: one that is there and not disabled.
///
/// # Errors
/// The database cannot read.
pub async fn credentials(conn: &mut Conn, name: &str) -> Result<Option<(i64, String)>> {
    sqlx::query_as("SELECT key, password FROM users WHERE name = ? AND disabled_at IS NULL")
        .bind(name)
        .fetch_optional(conn)
        .await
        .map_err(explain)
}

/// Replaces the password hash, unless it is another one than `seen` by now. Whether it was replaced.
///
/// # Errors
/// The database cannot write.
pub async fn replace_password(tx: &mut Tx, key: i64, seen: &str, new: &str) -> Result<bool> {
    let done = sqlx::query("UPDATE users SET password = ? WHERE key = ? AND password = ?")
        .bind(new)
        .bind(key)
        .bind(seen)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// Sets the password hash.
///
/// # Errors
/// The database cannot write.
pub async fn set_password(tx: &mut Tx, key: i64, new: &str) -> Result<()> {
    sqlx::query("UPDATE users SET password = ? WHERE key = ?")
        .bind(new)
        .bind(key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// Disables or enables an account. Whether that changed anything.
///
/// # Errors
/// The database cannot write.
pub async fn set_disabled(tx: &mut Tx, key: i64, disabled: bool) -> Result<bool> {
    let at = disabled.then_some(tx.now);
    let done = sqlx::query("UPDATE users SET disabled_at = ? WHERE key = ? AND (disabled_at IS NULL) = ?")
        .bind(at)
        .bind(key)
        .bind(disabled)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// Replaces all recovery codes of an account by those with these hashes.
///
/// # Errors
/// The database cannot write.
pub async fn set_recovery_codes(tx: &mut Tx, user: i64, hashes: &[TokenHash]) -> Result<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE user = ?").bind(user).execute(&mut tx.conn).await.map_err(explain)?;
    for hash in hashes {
        sqlx::query("INSERT INTO recovery_codes (user, hash) VALUES (?, ?)")
            .bind(user)
            .bind(hash.as_bytes().as_slice())
            .execute(&mut tx.conn)
            .await
            .map_err(explain)?;
    }
    Ok(())
}

/// Whether this is an unused recovery code of that account.
///
/// # Errors
/// The database cannot read.
pub async fn has_recovery_code(conn: &mut Conn, user: i64, hash: &TokenHash) -> Result<bool> {
    let found: Option<i64> =
        sqlx::query_scalar("SELECT user FROM recovery_codes WHERE user = ? AND hash = ? AND used_at IS NULL")
            .bind(user)
            .bind(hash.as_bytes().as_slice())
            .fetch_optional(conn)
            .await
            .map_err(explain)?;
    Ok(found.is_some())
}

/// Uses a recovery code up. Whether it was still to be used.
///
/// # Errors
/// The database cannot write.
pub async fn use_recovery_code(tx: &mut Tx, user: i64, hash: &TokenHash) -> Result<bool> {
    let now = tx.now;
    let done = sqlx::query("UPDATE recovery_codes SET used_at = ? WHERE user = ? AND hash = ? AND used_at IS NULL")
        .bind(now)
        .bind(user)
        .bind(hash.as_bytes().as_slice())
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// How many recovery codes an account has left.
///
/// # Errors
/// The database cannot read.
pub async fn recovery_codes_left(conn: &mut Conn, user: i64) -> Result<u32> {
    sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE user = ? AND used_at IS NULL")
        .bind(user)
        .fetch_one(conn)
        .await
        .map_err(explain)
}
