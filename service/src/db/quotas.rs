//! How much a user may do at once: the user's row over the cohort's row over the settings.

use super::{Conn, Tx, explain};
use crate::config::Config;
use crate::error::Result;

/// What is allowed to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Runs at the same time.
    pub running_max: u32,
    /// Waiting jobs and sweeps.
    pub queued_max: u32,
    /// The longest walltime of a job, in seconds.
    pub walltime_max_s: u32,
}

/// What an administrator has set for a user or a cohort; None leaves the next wider rule in force.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Override {
    /// Runs at the same time.
    pub running_max: Option<u32>,
    /// Waiting jobs and sweeps.
    pub queued_max: Option<u32>,
    /// The longest walltime of a job, in seconds; above 0.
    pub walltime_max_s: Option<u32>,
}

/// What is allowed to a user.
///
/// # Errors
/// The database cannot read.
pub async fn of(conn: &mut Conn, user: i64, config: &Config) -> Result<Quota> {
    let set: Option<Override> = sqlx::query_as(
        "SELECT coalesce(q.running_max, c.running_max) AS running_max,
                coalesce(q.queued_max, c.queued_max) AS queued_max,
                coalesce(q.walltime_max_s, c.walltime_max_s) AS walltime_max_s
           FROM users u
           LEFT JOIN quotas q ON q.subject = 'user:' || u.name
           LEFT JOIN quotas c ON c.subject = 'cohort:' || u.cohort AND u.cohort <> ''
          WHERE u.key = ?",
    )
    .bind(user)
    .fetch_optional(conn)
    .await
    .map_err(explain)?;
    let set = set.unwrap_or_default();
    Ok(Quota {
        running_max: set.running_max.unwrap_or(config.running_max),
        queued_max: set.queued_max.unwrap_or(config.queued_max),
        walltime_max_s: set.walltime_max_s.unwrap_or(config.walltime_max_s),
    })
}

/// What is set for a subject, `user:NAME` or `cohort:NAME`.
///
/// # Errors
/// The database cannot read.
pub async fn get(conn: &mut Conn, subject: &str) -> Result<Option<Override>> {
    sqlx::query_as("SELECT running_max, queued_max, walltime_max_s FROM quotas WHERE subject = ?")
        .bind(subject)
        .fetch_optional(conn)
        .await
        .map_err(explain)
}

/// What is set for a subject, in a list.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Set {
    /// `user:NAME` or `cohort:NAME`.
    pub subject: String,
    /// What is allowed to it.
    #[sqlx(flatten)]
    pub quota: Override,
    /// When it was set.
    pub changed_at: i64,
}

/// All that is set, by subject; at most `limit`.
///
/// # Errors
/// The database cannot read.
pub async fn list(conn: &mut Conn, limit: u32) -> Result<Vec<Set>> {
    sqlx::query_as(
        "SELECT subject, running_max, queued_max, walltime_max_s, changed_at FROM quotas ORDER BY subject LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Sets what is allowed to a subject, in place of what was set before.
///
/// # Errors
/// The database cannot write.
pub async fn set(tx: &mut Tx, subject: &str, quota: Override) -> Result<()> {
    let now = tx.now;
    sqlx::query(
        "INSERT INTO quotas (subject, running_max, queued_max, walltime_max_s, changed_at) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (subject) DO UPDATE SET running_max = excluded.running_max, queued_max = excluded.queued_max,
                walltime_max_s = excluded.walltime_max_s, changed_at = excluded.changed_at",
    )
    .bind(subject)
    .bind(quota.running_max)
    .bind(quota.queued_max)
    .bind(quota.walltime_max_s)
    .bind(now)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    Ok(())
}

/// Removes what was set for a subject. Whether there was anything.
///
/// # Errors
/// The database cannot write.
pub async fn clear(tx: &mut Tx, subject: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM quotas WHERE subject = ?")
        .bind(subject)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(done.rows_affected() == 1)
}

/// How many drafts a user has.
pub(super) const DRAFTS: &str = "SELECT count(*) FROM jobs WHERE owner = ? AND state = 'draft'";

/// How many drafts a user has.
///
/// # Errors
/// Of the database.
pub async fn drafts(conn: &mut Conn, owner: i64) -> Result<i64> {
    let count = sqlx::query_scalar(DRAFTS).bind(owner);
    count.fetch_one(conn).await.map_err(explain)
}
