//! What administrators do to nodes: join tokens, draining, revoking.

use hpl_spec::job::JobState;

use super::attempts::{self, Lost};
use super::{Conn, Tx, explain};
use crate::error::{Code, Error, Result};
use crate::secret::TokenHash;

/// A join token to be written down.
#[derive(Debug, Clone)]
pub struct NewJoinToken {
    /// What is kept of it.
    pub hash: TokenHash,
    /// Labels of the nodes that join by it.
    pub labels: Vec<String>,
    /// Whether results of those nodes can be Verified.
    pub trusted: bool,
    /// How many nodes may join by it.
    pub uses: u32,
    /// Who made it: a username or `console`.
    pub created_by: String,
    /// When it ends, in milliseconds since the epoch.
    pub expires_at: i64,
}

/// A join token in a list.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct JoinToken {
    /// Its row, by which it can be revoked.
    pub key: i64,
    /// JSON array of words.
    pub labels: String,
    /// Whether results of its nodes can be Verified.
    pub trusted: bool,
    /// How many nodes may still join by it.
    pub uses_left: u32,
    /// Who made it.
    pub created_by: String,
    /// When it ends.
    pub expires_at: i64,
}

/// A node in a list.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct NodeLine {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// JSON array of words.
    pub labels: String,
    /// Whether its results can be Verified.
    pub trusted: bool,
    /// The CPU model.
    pub kind: String,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory.
    pub memory: i64,
    /// The version of its daemon.
    pub version: String,
    /// Whether it gets no new jobs.
    pub draining: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// Its own reasons not to get a job: JSON array of texts.
    pub unhealthy: String,
    /// When it was last heard of.
    pub seen_at: i64,
    /// When it was revoked, if it was.
    pub revoked_at: Option<i64>,
}

/// Writes a join token down; its key.
///
/// # Errors
/// The database cannot write.
pub async fn create_join_token(tx: &mut Tx, new: &NewJoinToken) -> Result<i64> {
    let now = tx.now;
    let labels = serde_json::to_string(&new.labels).map_err(Error::internal)?;
    sqlx::query_scalar(
        "INSERT INTO join_tokens (hash, labels, trusted, uses_left, created_by, created_at, expires_at)
         VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING key",
    )
    .bind(new.hash.as_bytes().as_slice())
    .bind(labels)
    .bind(new.trusted)
    .bind(new.uses)
    .bind(&new.created_by)
    .bind(now)
    .bind(new.expires_at)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)
}

/// The join tokens that can be used, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn join_tokens(conn: &mut Conn, now: i64) -> Result<Vec<JoinToken>> {
    sqlx::query_as(
        "SELECT key, labels, trusted, uses_left, created_by, expires_at FROM join_tokens
          WHERE uses_left > 0 AND expires_at > ? AND revoked_at IS NULL ORDER BY key DESC",
    )
    .bind(now)
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Revokes a join token. Whether there was one to revoke.
///
/// # Errors
/// The database cannot write.
pub async fn revoke_join_token(tx: &mut Tx, key: i64) -> Result<bool> {
    super::revoke(tx, "UPDATE join_tokens SET revoked_at = ? WHERE key = ? AND revoked_at IS NULL", key).await
}

/// All nodes by name.
///
/// # Errors
/// The database cannot read.
pub async fn nodes(conn: &mut Conn) -> Result<Vec<NodeLine>> {
    sqlx::query_as(
        "SELECT id, name, labels, trusted, kind, cores, memory, version, draining, unhealthy, seen_at, revoked_at,
                EXISTS (SELECT 1 FROM attempts a WHERE a.node = nodes.key AND a.state IN ('live', 'lost')) AS busy
           FROM nodes ORDER BY revoked_at IS NOT NULL, name, key",
    )
    .fetch_all(conn)
    .await
    .map_err(explain)
}

/// Key and name of the node that somebody means by an id or a name.
///
/// # Errors
/// There is none that is not revoked, or several have that name.
pub async fn node_meant(conn: &mut Conn, id_or_name: &str) -> Result<(i64, String)> {
    let mut found: Vec<(i64, String)> =
        sqlx::query_as("SELECT key, name FROM nodes WHERE (id = ?1 OR name = ?1) AND revoked_at IS NULL LIMIT 2")
            .bind(id_or_name)
            .fetch_all(conn)
            .await
            .map_err(explain)?;
    match (found.pop(), found.pop()) {
        (Some(node), None) => Ok(node),
        (None, _) => Err(Error::new(Code::NotFound, format!("no node `{id_or_name}`, or it is revoked already"))),
        (Some(_), Some(_)) => {
            Err(Error::new(Code::Conflict, format!("several nodes are called `{id_or_name}`; name one by its id")))
        }
    }
}

/// Revokes a node: its token is good for nothing from now on, and what it runs is cut off, so that every call of that
/// attempt is told to end the run. Returns where the job that it ran stands now.
///
/// # Errors
/// The database cannot write.
pub async fn revoke_node(tx: &mut Tx, key: i64) -> Result<Option<JobState>> {
    let now = tx.now;
    sqlx::query("UPDATE nodes SET revoked_at = ? WHERE key = ?")
        .bind(now)
        .bind(key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    match attempts::of_node(&mut tx.conn, key).await? {
        Some(row) => attempts::lost(tx, &row, &Lost::revoked()).await.map(Some),
        None => Ok(None),
    }
}

/// Lets a node get no new jobs, or lets it get them again. What it runs goes on.
///
/// # Errors
/// The database cannot write.
pub async fn set_draining(tx: &mut Tx, key: i64, draining: bool) -> Result<()> {
    sqlx::query("UPDATE nodes SET draining = ? WHERE key = ?")
        .bind(draining)
        .bind(key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}
