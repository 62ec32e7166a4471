//! Nodes: they join, say hello, are found by their token.

use hpl_spec::api::agent::{HelloRequest, JoinRequest};
use hpl_spec::benchmark::Benchmark;
use hpl_spec::node::NodeInfo;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::jobs::{as_i64, labels_json};
use super::{Conn, Tx, audit, explain};
use crate::error::{Code, Error, Result};
use crate::schedule::{self, Offer};
use crate::secret::TokenHash;

/// A second machine that speaks as a node is believed once the first was silent for so long, in milliseconds. A
/// restart of a machine takes longer, or is tried again.
const SILENCE: i64 = 30_000;

/// A node.
#[derive(Debug, Clone)]
pub struct NodeRow {
    /// Its key.
    pub key: i64,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its labels, set here.
    pub labels: Vec<String>,
    /// Whether its results can be Verified.
    pub trusted: bool,
    /// What tells the machine from others.
    pub machine_id: String,
    /// What tells this boot from others.
    pub boot_id: String,
    /// What it said of itself.
    pub info: Option<NodeInfo>,
    /// Physical cores.
    pub cores: u32,
    /// Bytes of memory in all.
    pub memory: u64,
    /// Bytes of memory that a job may take.
    pub memory_available: u64,
    /// Whether it is to take nothing more.
    pub draining: bool,
    /// Express jobs since the last other one.
    pub express_streak: i64,
    /// The last claim of this boot.
    pub claim_seq: i64,
    /// When it last spoke.
    pub seen_at: i64,
    /// Whether its token is dead.
    pub revoked: bool,
}

impl NodeRow {
    /// What it has for a job.
    #[must_use]
    pub fn offer(&self) -> Offer {
        Offer { node: self.id.clone(), cores: self.cores, memory: self.memory_available, labels: self.labels.clone() }
    }

    /// Its limit for a benchmark, in the unit of the score.
    #[must_use]
    pub fn peak(&self, benchmark: &Benchmark) -> Option<f64> {
        self.info.as_ref().and_then(benchmark.peak)
    }
}

const COLUMNS: &str = "SELECT key, id, name, labels, trusted, machine_id, boot_id, info, cores, memory,
    memory_available, draining, express_streak, claim_seq, seen_at, revoked_at FROM nodes ";

fn read(row: &SqliteRow) -> Result<NodeRow> {
    Ok(NodeRow {
        key: row.get("key"),
        id: row.get("id"),
        name: row.get("name"),
        labels: serde_json::from_str(row.get("labels")).map_err(Error::internal)?,
        trusted: row.get("trusted"),
        machine_id: row.get("machine_id"),
        boot_id: row.get("boot_id"),
        // `{}` until its first hello.
        info: serde_json::from_str(row.get("info")).ok(),
        cores: row.get("cores"),
        memory: row.get::<i64, _>("memory").max(0) as u64,
        memory_available: row.get::<i64, _>("memory_available").max(0) as u64,
        draining: row.get("draining"),
        express_streak: row.get("express_streak"),
        claim_seq: row.get("claim_seq"),
        seen_at: row.get("seen_at"),
        revoked: row.get::<Option<i64>, _>("revoked_at").is_some(),
    })
}

/// The node of that token, also a revoked one.
///
/// # Errors
/// Of the database.
pub async fn by_token(conn: &mut Conn, token: &TokenHash) -> Result<Option<NodeRow>> {
    let statement = format!("{COLUMNS} WHERE token = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(token.as_bytes().as_slice());
    row.fetch_optional(conn).await.map_err(explain)?.as_ref().map(read).transpose()
}

/// The node of that id.
///
/// # Errors
/// Of the database.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<NodeRow>> {
    let statement = format!("{COLUMNS} WHERE id = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id);
    row.fetch_optional(conn).await.map_err(explain)?.as_ref().map(read).transpose()
}

/// The node of that key.
///
/// # Errors
/// Of the database; there is none.
pub async fn get(conn: &mut Conn, key: i64) -> Result<NodeRow> {
    let statement = format!("{COLUMNS} WHERE key = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key);
    let row = row.fetch_optional(conn).await.map_err(explain)?;
    read(&row.ok_or_else(|| Error::not_found("node"))?)
}

/// All nodes that were not revoked, the one heard of last first; at most `limit`.
///
/// # Errors
/// Of the database.
pub async fn list(conn: &mut Conn, limit: u32) -> Result<Vec<NodeRow>> {
    let statement = format!("{COLUMNS} WHERE revoked_at IS NULL ORDER BY seen_at DESC LIMIT ?");
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit).fetch_all(conn).await.map_err(explain)?;
    rows.iter().map(read).collect()
}

/// What predictions and explanations need of a node.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its key.
    pub key: i64,
    /// Its name.
    pub name: String,
    /// What it has for a job when it has nothing else to do.
    pub offer: Offer,
    /// Bytes of memory in all.
    pub memory: u64,
    /// Bytes of memory that a job could take when it was last free.
    pub memory_available: u64,
    /// Whether it is to take nothing more.
    pub draining: bool,
    /// Whether it has a job.
    pub busy: bool,
    /// When it was last heard of between jobs.
    pub seen_at: i64,
}

/// All nodes that were not revoked and have said what they are.
///
/// # Errors
/// Of the database.
pub async fn fleet(conn: &mut Conn) -> Result<Vec<Seen>> {
    let rows = sqlx::query(
        "SELECT n.key, n.id, n.name, n.labels, n.cores, n.memory, n.memory_available, n.draining, n.seen_at,
                a.key IS NOT NULL AS busy
           FROM nodes n LEFT JOIN attempts a ON a.node = n.key AND a.state IN ('live', 'lost')
          WHERE n.revoked_at IS NULL AND n.boot_id <> ''",
    )
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    rows.iter().map(seen_row).collect()
}

fn seen_row(row: &SqliteRow) -> Result<Seen> {
    let bytes = |column: &str| row.get::<i64, _>(column).max(0) as u64;
    Ok(Seen {
        key: row.get("key"),
        name: row.get("name"),
        offer: Offer {
            node: row.get("id"),
            cores: row.get("cores"),
            memory: schedule::capacity(bytes("memory")),
            labels: serde_json::from_str(row.get("labels")).map_err(Error::internal)?,
        },
        memory: bytes("memory"),
        memory_available: bytes("memory_available"),
        draining: row.get("draining"),
        busy: row.get("busy"),
        seen_at: row.get("seen_at"),
    })
}

/// A node joins: one use of the join token is used up.
///
/// # Errors
/// The join token is not known, used up, revoked or too old.
pub async fn join(
    tx: &mut Tx,
    join: &TokenHash,
    id: &str,
    token: &TokenHash,
    request: &JoinRequest,
    address: &str,
) -> Result<()> {
    let row = sqlx::query(
        "UPDATE join_tokens SET uses_left = uses_left - 1
          WHERE hash = ? AND uses_left > 0 AND revoked_at IS NULL AND expires_at > ? RETURNING labels, trusted, key",
    )
    .bind(join.as_bytes().as_slice())
    .bind(tx.now)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    let Some(row) = row else {
        let detail = "this join token is not known, used up, revoked or too old; ask an administrator for a new one";
        return Err(Error::new(Code::TokenExpired, detail));
    };
    let labels: String = row.get(0);
    let (trusted, join_key): (bool, i64) = (row.get(1), row.get(2));
    sqlx::query(
        "INSERT INTO nodes (id, name, token, labels, trusted, machine_id, joined_at, seen_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id)
    .bind(&request.name)
    .bind(token.as_bytes().as_slice())
    .bind(&labels)
    .bind(trusted)
    .bind(&request.machine_id)
    .bind(tx.now)
    .bind(tx.now)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    let after = serde_json::json!({ "name": request.name, "labels": labels, "trusted": trusted, "join": join_key });
    let actor = format!("node:{}", request.name);
    audit::write(tx, &actor, "node.join", id, address, None, Some(&after.to_string())).await
}

/// A node says what it is.
///
/// # Errors
/// Another machine speaks as this node: with another machine id, or with another boot id while the first boot was
/// heard of a moment ago.
pub async fn hello(tx: &mut Tx, node: i64, request: &HelloRequest) -> Result<()> {
    let before = get(&mut tx.conn, node).await?;
    if before.machine_id != request.machine_id {
        let detail = "another machine joined under this identity; this one has to join again with a new join string";
        return Err(Error::new(Code::IdentityInUse, detail));
    }
    if !before.boot_id.is_empty() && before.boot_id != request.boot_id {
        let beat: Option<i64> =
            sqlx::query_scalar("SELECT beat_at FROM attempts WHERE node = ? AND state IN ('live', 'lost')")
                .bind(node)
                .fetch_optional(&mut tx.conn)
                .await
                .map_err(explain)?;
        let heard = before.seen_at.max(beat.unwrap_or(0));
        if tx.now < heard + SILENCE {
            let detail = "this node was heard of from another boot a moment ago: if it was restarted, come again; if \
                          the machine was copied, the copy has to join on its own";
            return Err(Error::new(Code::IdentityInUse, detail).retry_after(SILENCE as u32 / 1000));
        }
    }
    let info = serde_json::to_string(&request.info).map_err(Error::internal)?;
    let abilities = serde_json::to_string(&request.abilities).map_err(Error::internal)?;
    sqlx::query(
        "UPDATE nodes SET claim_seq = CASE boot_id WHEN ?1 THEN claim_seq ELSE 0 END, boot_id = ?1, version = ?2,
            info = ?3, abilities = ?4, kind = ?5, cores = ?6, memory = ?7, memory_available = ?8, free_disk = ?9,
            seen_at = ?10 WHERE key = ?11",
    )
    .bind(&request.boot_id)
    .bind(&request.version)
    .bind(info)
    .bind(abilities)
    .bind(&request.info.cpu_model)
    .bind(as_i64(request.info.cores as u64))
    .bind(as_i64(request.info.memory_total))
    .bind(as_i64(request.info.memory_available))
    .bind(as_i64(request.free_disk))
    .bind(tx.now)
    .bind(node)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// A node asks for a job: what it has now.
///
/// # Errors
/// Of the database.
pub(super) async fn seen(tx: &mut Tx, node: i64, seq: i64, memory: u64, disk: u64, unhealthy: &[String]) -> Result<()> {
    sqlx::query(
        "UPDATE nodes SET seen_at = ?, claim_seq = ?, memory_available = ?, free_disk = ?, unhealthy = ? WHERE key = ?",
    )
    .bind(tx.now)
    .bind(seq)
    .bind(as_i64(memory))
    .bind(as_i64(disk))
    .bind(labels_json(unhealthy))
    .bind(node)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}
