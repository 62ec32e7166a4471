//! Nodes: they join, say hello, are found by their token.

use futures_util::TryStreamExt;
use hpl_spec::api::agent::{HelloRequest, JoinRequest};
use hpl_spec::benchmark::Benchmark;
use hpl_spec::node::NodeInfo;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::jobs::{as_i64, labels_json};
use super::{Conn, Tx, audit, explain};
use crate::attempt_key::AttemptKey;
use crate::error::{Code, Error, Result};
use crate::schedule::{self, Offer};
use crate::secret::{Secret, TokenHash};

/// A second machine that speaks as a node is believed once the first was silent for so long, in milliseconds. A
/// restart of a machine takes longer, or is tried again.
const SILENCE: i64 = 30_000;

/// A machine may join anew by the same token so often.
const JOINS: u32 = 100;

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
    /// Its own reasons not to get a job, when it last asked for one.
    pub unhealthy: Vec<String>,
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
    memory_available, draining, unhealthy, express_streak, claim_seq, seen_at, revoked_at FROM nodes ";

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
        unhealthy: serde_json::from_str(row.get("unhealthy")).map_err(Error::internal)?,
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

/// Whether two nodes are one machine: the same, or one that joined anew.
///
/// # Errors
/// Of the database.
pub(super) async fn one_machine(conn: &mut Conn, one: i64, other: i64) -> Result<bool> {
    sqlx::query_scalar("SELECT count(DISTINCT machine_id) = 1 FROM nodes WHERE key IN (?, ?)")
        .bind(one)
        .bind(other)
        .fetch_one(conn)
        .await
        .map_err(explain)
}

/// The nodes that were not revoked, the one heard of last first: at most `limit` after the first `offset`.
///
/// # Errors
/// Of the database.
pub async fn list(conn: &mut Conn, limit: u32, offset: u32) -> Result<Vec<NodeRow>> {
    let statement = format!("{COLUMNS} WHERE revoked_at IS NULL ORDER BY seen_at DESC, key DESC LIMIT ? OFFSET ?");
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit).bind(offset);
    let rows = rows.fetch_all(conn).await.map_err(explain)?;
    rows.iter().map(read).collect()
}

/// The node with the most memory of those that were not revoked: its name, and bytes.
///
/// # Errors
/// Of the database.
pub async fn roomiest(conn: &mut Conn) -> Result<Option<(String, u64)>> {
    let row: Option<(String, i64)> = sqlx::query_as(
        "SELECT name, memory FROM nodes WHERE revoked_at IS NULL AND memory > 0 ORDER BY memory DESC, key DESC LIMIT 1",
    )
    .fetch_optional(conn)
    .await
    .map_err(explain)?;
    Ok(row.map(|(name, memory)| (name, memory.max(0) as u64)))
}

/// The most physical cores of a node that was not revoked; 0 without nodes.
///
/// # Errors
/// Of the database.
pub async fn most_cores(conn: &mut Conn) -> Result<u32> {
    let most = sqlx::query_scalar("SELECT coalesce(max(cores), 0) FROM nodes WHERE revoked_at IS NULL");
    most.fetch_one(conn).await.map_err(explain)
}

/// The nodes with the highest measured peaks, at most `limit`, the highest first.
///
/// # Errors
/// Of the database.
pub async fn fastest(conn: &mut Conn, limit: u32) -> Result<Vec<NodeRow>> {
    let statement = format!(
        "{COLUMNS} WHERE revoked_at IS NULL AND json_extract(info, '$.peak.gflops') > 0
          ORDER BY json_extract(info, '$.peak.gflops') DESC, key DESC LIMIT ?"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit);
    rows.fetch_all(conn).await.map_err(explain)?.iter().map(read).collect()
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
    /// Whether it has reasons of its own not to get a job.
    pub unwell: bool,
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
    let mut rows = sqlx::query(
        "SELECT n.key, n.id, n.name, n.labels, n.cores, n.memory, n.memory_available, n.draining, n.seen_at,
                n.unhealthy <> '[]' AS unwell,
                a.key IS NOT NULL AS busy
           FROM nodes n LEFT JOIN attempts a ON a.node = n.key AND a.state IN ('live', 'lost')
          WHERE n.revoked_at IS NULL AND n.boot_id <> ''",
    )
    .fetch(conn);
    // One by one: as rows they take ten times the memory.
    let mut nodes = vec![];
    while let Some(row) = rows.try_next().await.map_err(explain)? {
        nodes.push(seen_row(&row)?);
    }
    Ok(nodes)
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
        unwell: row.get("unwell"),
        busy: row.get("busy"),
        seen_at: row.get("seen_at"),
    })
}

/// A machine that wants to join.
#[derive(Debug, Clone)]
pub struct Join {
    /// The hash of its join token.
    pub token: TokenHash,
    /// What its own token is made with.
    pub key: AttemptKey,
    /// The id it gets, if it is new.
    pub id: String,
    /// What it says.
    pub request: JoinRequest,
    /// From where.
    pub address: String,
}

/// A machine joins: one use of the join token is used up. The same machine that comes again by the same token, before it
/// has said hello, has not heard the answer: it gets it once more, and nothing is used up. Returns the node's id and its
/// token.
///
/// # Errors
/// The join token is not known, used up, revoked or too old.
pub async fn join(tx: &mut Tx, join: &Join) -> Result<(String, Secret)> {
    let row = sqlx::query(
        "SELECT key, labels, trusted, uses_left FROM join_tokens
          WHERE hash = ? AND revoked_at IS NULL AND expires_at > ?",
    )
    .bind(join.token.as_bytes().as_slice())
    .bind(tx.now)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    let refused = || {
        let detail = "this join token is not known, used up, revoked or too old; ask an administrator for a new one";
        Error::new(Code::TokenExpired, detail)
    };
    let row = row.ok_or_else(refused)?;
    let (known, token) = next_token(tx, join).await?;
    if let Some(id) = known {
        return Ok((id, token));
    }
    if row.get::<i64, _>("uses_left") == 0 {
        return Err(refused());
    }
    let (key, trusted, labels): (i64, bool, String) = (row.get("key"), row.get("trusted"), row.get("labels"));
    let used = sqlx::query("UPDATE join_tokens SET uses_left = uses_left - 1 WHERE key = ?").bind(key);
    used.execute(&mut tx.conn).await.map_err(explain)?;
    let name = &join.request.name;
    sqlx::query(
        "INSERT INTO nodes (id, name, token, labels, trusted, machine_id, joined_at, seen_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&join.id)
    .bind(name)
    .bind(token.hash().as_bytes().as_slice())
    .bind(&labels)
    .bind(trusted)
    .bind(&join.request.machine_id)
    .bind(tx.now)
    .bind(tx.now)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    let after = serde_json::json!({ "name": name, "labels": labels, "trusted": trusted, "join": key }).to_string();
    audit::write(tx, &format!("node:{name}"), "node.join", &join.id, &join.address, None, Some(&after)).await?;
    Ok((join.id.clone(), token))
}

/// The token that the machine gets by this join token, and the id of the node that was made for it but never heard of it.
async fn next_token(tx: &mut Tx, join: &Join) -> Result<(Option<String>, Secret)> {
    for number in 0..JOINS {
        let token = join.key.node_token(&join.token, &join.request.machine_id, number);
        match by_token(&mut tx.conn, &token.hash()).await? {
            None => return Ok((None, token)),
            Some(node) if node.boot_id.is_empty() && !node.revoked => return Ok((Some(node.id), token)),
            Some(_) => (),
        }
    }
    let detail = format!("this machine has joined {JOINS} times by this token; ask an administrator for a new one");
    Err(Error::new(Code::TokenExpired, detail))
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
