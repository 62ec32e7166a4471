//! Jobs: written down, moved, found. A job moves by [`step`] alone.

use std::sync::Arc;

use hpl_spec::api::jobs::{Stopped, Visibility};
use hpl_spec::job::{JobEvent, JobState};
use serde_json::Value;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Conn, Tx, explain, sweeps};
use crate::error::{Error, Result};
use crate::hub::{Rendered, Told, Wake};
use crate::schedule::Needs;

const SECOND: i64 = 1000;
const DAY: i64 = 24 * 3600 * SECOND;

/// A job to be written down; what was checked and computed from it before.
#[derive(Debug, Clone)]
pub struct NewJob {
    /// Its id.
    pub id: String,
    /// The row of its owner.
    pub owner: i64,
    /// A row of the registry.
    pub benchmark: &'static str,
    /// Every parameter.
    pub parameters: Value,
    /// SHA-256 of benchmark and parameters, in hexadecimal digits.
    pub spec_hash: String,
    /// A few words that tell this run from others.
    pub label: String,
    /// A few words of its owner's.
    pub title: String,
    /// How large the problem is.
    pub size: f64,
    /// The work, score times seconds.
    pub work: f64,
    /// MPI ranks.
    pub ranks: u32,
    /// Bytes of the rank that needs most.
    pub bytes_per_rank: u64,
    /// What the node must have.
    pub needs: Needs,
    /// Whether it may go ahead of long runs.
    pub express: bool,
    /// Seconds after which the run is ended.
    pub walltime_s: u32,
    /// The predicted seconds.
    pub estimate_s: Option<f64>,
    /// Who may see it.
    pub visibility: Visibility,
    /// The sweep it belongs to.
    pub sweep: Option<String>,
    /// The state it begins in: draft, held or queued.
    pub state: JobState,
    /// Why it is held, if it is.
    pub hold: &'static str,
}

/// The word of a visibility in the database.
#[must_use]
pub fn visibility_name(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
    }
}

/// Bytes as the database holds them.
#[must_use]
pub fn as_i64(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Labels as the database holds them.
pub(crate) fn labels_json(labels: &[String]) -> String {
    Value::from(labels.to_vec()).to_string()
}

/// Writes a job down, with its first event. Returns its key.
///
/// # Errors
/// Of the database.
pub async fn create(tx: &mut Tx, job: &NewJob) -> Result<i64> {
    let now = tx.now;
    let key = sqlx::query(
        "INSERT INTO jobs (id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks, bytes_per_rank,
            bytes, need_node, need_cores, need_labels, express, walltime_s, estimate_s, visibility, sweep, state, hold,
            due_at, created_at, state_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&job.id)
    .bind(job.owner)
    .bind(job.benchmark)
    .bind(job.parameters.to_string())
    .bind(&job.spec_hash)
    .bind(&job.label)
    .bind(&job.title)
    .bind(job.size)
    .bind(job.work)
    .bind(job.ranks)
    .bind(as_i64(job.bytes_per_rank))
    .bind(as_i64(job.needs.memory))
    .bind(&job.needs.node)
    .bind(job.needs.cores)
    .bind(labels_json(&job.needs.labels))
    .bind(job.express)
    .bind(job.walltime_s)
    .bind(job.estimate_s)
    .bind(visibility_name(job.visibility))
    .bind(&job.sweep)
    .bind(job.state.name())
    .bind(job.hold)
    .bind(first_look(job.state, now))
    .bind(now)
    .bind(now)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?
    .last_insert_rowid();
    let standing = Standing {
        id: job.id.clone(),
        state: job.state,
        last_event: 0,
        public: job.visibility == Visibility::Public,
        sweep: None,
    };
    record(tx, key, &standing, job.state, &JobEvent::Created { state: job.state }, None).await?;
    if job.state == JobState::Queued {
        tx.wake(Wake::Queued(job.needs.clone()));
    }
    Ok(key)
}

/// What a move needs to know of a job.
struct Standing {
    id: String,
    state: JobState,
    last_event: i64,
    public: bool,
    sweep: Option<String>,
}

/// When the reaper is to look at a job that has just come into `state`; None for the final ones. Where there is an
/// attempt, the reaper itself finds out how long it may wait.
fn first_look(state: JobState, now: i64) -> Option<i64> {
    match state {
        JobState::Draft => Some(now + DAY),
        JobState::Held => Some(now + 30 * DAY),
        JobState::Queued => Some(now + 7 * DAY),
        JobState::Claimed | JobState::Preparing | JobState::Running | JobState::Finishing => Some(now + 30 * SECOND),
        JobState::Verifying | JobState::Lost => Some(now),
        JobState::Done | JobState::Failed | JobState::Cancelled | JobState::Expired => None,
    }
}

/// Moves a job: appends the event and changes the state, in this unit. Returns the new state.
///
/// When a job of a sweep comes to its end, the next one that is held for its turn is released.
///
/// # Errors
/// The event cannot happen in the state the job is in; there is no such job.
pub async fn step(tx: &mut Tx, job: i64, event: &JobEvent) -> Result<JobState> {
    step_with(tx, job, event, None).await
}

/// [`step`] with a word of the node's: milliseconds since the attempt began, by its own clock.
pub(super) async fn step_with(tx: &mut Tx, job: i64, event: &JobEvent, node_ms: Option<u64>) -> Result<JobState> {
    let row = sqlx::query("SELECT id, state, last_event, visibility, sweep, owner FROM jobs WHERE key = ?")
        .bind(job)
        .fetch_optional(&mut tx.conn)
        .await
        .map_err(explain)?
        .ok_or_else(|| Error::not_found("job"))?;
    let standing = Standing {
        id: row.get(0),
        state: state_of(row.get(1))?,
        last_event: row.get(2),
        public: row.get::<&str, _>(3) == "public",
        sweep: row.get(4),
    };
    let next = standing.state.after(event)?;
    record(tx, job, &standing, next, event, node_ms).await?;
    if let Some(sweep) = standing.sweep.as_ref().filter(|_| next.is_final()) {
        release_next(tx, sweep).await?;
    }
    if standing.state.has_attempt() && !next.has_attempt() {
        // One run less under way: another job of its owner's may be next.
        ring_for(tx, RUNG[0], row.get(5)).await?;
    }
    if next == JobState::Queued && next != standing.state {
        ring(tx, job).await?;
    }
    if matches!(next, JobState::Verifying | JobState::Lost) {
        tx.wake(Wake::Reaper);
    }
    Ok(next)
}

/// For which jobs nodes are rung: the next one of an owner's, and one by its key.
const RUNG: [&str; 2] = ["owner = ? AND state = 'queued' ORDER BY express DESC, key LIMIT 1", "key = ?"];

/// Rings a node that suits a job.
pub(super) async fn ring(tx: &mut Tx, job: i64) -> Result<()> {
    ring_for(tx, RUNG[1], job).await
}

/// Rings a node that suits the job that `which` finds, if there is one.
async fn ring_for(tx: &mut Tx, which: &'static str, key: i64) -> Result<()> {
    let statement = format!("SELECT {NEEDS} FROM jobs j WHERE {which}");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key);
    if let Some(row) = row.fetch_optional(&mut tx.conn).await.map_err(explain)? {
        tx.wake(Wake::Queued(needs(&row)?));
    }
    Ok(())
}

/// Appends the event and brings the job to `next`.
async fn record(
    tx: &mut Tx,
    job: i64,
    standing: &Standing,
    next: JobState,
    event: &JobEvent,
    node_ms: Option<u64>,
) -> Result<()> {
    let (now, seq) = (tx.now, standing.last_event + 1);
    let data = serde_json::to_string(event).map_err(Error::internal)?;
    let key = sqlx::query("INSERT INTO events (job, seq, at, kind, state, data, node_ms) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(job)
        .bind(seq)
        .bind(now)
        .bind(event.kind())
        .bind(next.name())
        .bind(&data)
        .bind(node_ms.map(as_i64))
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?
        .last_insert_rowid();
    let update = if next == standing.state {
        sqlx::query("UPDATE jobs SET last_event = ? WHERE key = ?").bind(seq).bind(job)
    } else {
        sqlx::query("UPDATE jobs SET last_event = ?, state = ?, state_at = ?, due_at = ? WHERE key = ?")
            .bind(seq)
            .bind(next.name())
            .bind(now)
            .bind(first_look(next, now))
            .bind(job)
    };
    update.execute(&mut tx.conn).await.map_err(explain)?;
    tx.wake(Wake::Event(Arc::new(Told {
        key,
        job_key: job,
        job: standing.id.clone(),
        seq,
        at: now,
        kind: event.kind().into(),
        data,
        state: next.name().into(),
        public: standing.public,
        rendered: Rendered::default(),
    })));
    Ok(())
}

/// Releases the next job of a sweep that waits for its turn, unless another one of it has the turn.
async fn release_next(tx: &mut Tx, sweep: &str) -> Result<()> {
    let next: Option<i64> = sqlx::query_scalar(
        "SELECT key FROM jobs WHERE sweep = ?1 AND state = 'held' AND hold = 'sweep'
            AND NOT EXISTS (SELECT 1 FROM jobs WHERE sweep = ?1 AND state IN
                ('queued', 'claimed', 'preparing', 'running', 'finishing', 'verifying', 'lost'))
          ORDER BY key LIMIT 1",
    )
    .bind(sweep)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    match next {
        Some(key) => Box::pin(step(tx, key, &JobEvent::Released)).await.map(|_| ()),
        None => Ok(()),
    }
}

/// The state of that name; the database holds no other.
pub(super) fn state_of(name: &str) -> Result<JobState> {
    JobState::from_name(name).ok_or_else(|| Error::internal(format!("the database holds a state `{name}`")))
}

/// A job and what is needed to decide about it.
#[derive(Debug, Clone)]
pub struct JobRow {
    /// Its key.
    pub key: i64,
    /// Its id.
    pub id: String,
    /// The row of its owner.
    pub owner: i64,
    /// The owner's username.
    pub owner_name: String,
    /// A row of the registry.
    pub benchmark: String,
    /// Every parameter, as JSON.
    pub parameters: String,
    /// See [`NewJob`].
    pub spec_hash: String,
    /// See [`NewJob`].
    pub label: String,
    /// See [`NewJob`].
    pub title: String,
    /// See [`NewJob`].
    pub size: f64,
    /// See [`NewJob`].
    pub work: f64,
    /// See [`NewJob`].
    pub ranks: u32,
    /// See [`NewJob`].
    pub bytes_per_rank: i64,
    /// What the node must have.
    pub needs: Needs,
    /// See [`NewJob`].
    pub express: bool,
    /// See [`NewJob`].
    pub walltime_s: u32,
    /// See [`NewJob`].
    pub estimate_s: Option<f64>,
    /// Whether everybody may see it.
    pub public: bool,
    /// The sweep it belongs to.
    pub sweep: Option<String>,
    /// Where it stands.
    pub state: JobState,
    /// Why it is held.
    pub hold: String,
    /// Whether somebody wants it to end.
    pub cancel_requested: bool,
    /// A retry waits until then.
    pub not_before: i64,
    /// The fence of the latest attempt, or a later one.
    pub fence: i64,
    /// How many tries there were.
    pub attempts: u32,
    /// How many of them the infrastructure lost.
    pub infra_retries: u32,
    /// Class, code and words of its failure.
    pub failure: Option<(String, String, String)>,
    /// When it was written down.
    pub created_at: i64,
    /// When it came into its state.
    pub state_at: i64,
    /// The number of its latest event.
    pub last_event: i64,
    /// The score of its accepted result.
    pub score: Option<f64>,
    /// Why its sweep ended it early, the last time it did.
    pub stopped: Option<Stopped>,
    /// The latest attempt.
    pub latest: Option<Latest>,
}

/// The latest attempt at a job.
#[derive(Debug, Clone)]
pub struct Latest {
    /// Its id.
    pub attempt: String,
    /// The node's id.
    pub node: String,
    /// The node's name.
    pub node_name: String,
    /// The latest progress, as JSON.
    pub progress: Option<String>,
    /// What the node had to drop, by kind, as JSON.
    pub dropped: String,
    /// When the program began to run.
    pub started_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
}

/// What [`needs`] reads; `jobs` is `j`.
const NEEDS: &str = "j.need_node, j.avoid_node, j.need_cores, j.bytes, j.need_labels";

/// What a job needs of a node.
fn needs(row: &SqliteRow) -> Result<Needs> {
    Ok(Needs {
        node: row.get("need_node"),
        avoid: row.get("avoid_node"),
        cores: row.get("need_cores"),
        memory: row.get::<i64, _>("bytes").max(0) as u64,
        labels: serde_json::from_str(row.get("need_labels")).map_err(Error::internal)?,
    })
}

/// What [`JobRow`] is read from; `jobs` is `j`.
pub(super) const COLUMNS: &str = "j.key, j.id, j.owner, u.name AS owner_name, j.benchmark, j.parameters, j.spec_hash,
    j.label, j.title, j.size, j.work, j.ranks, j.bytes_per_rank, j.bytes, j.need_node, j.need_cores, j.need_labels,
    j.express, j.walltime_s, j.estimate_s, j.visibility, j.sweep, j.state, j.hold, j.cancel_requested, j.not_before,
    j.avoid_node, j.fence, j.attempts, j.infra_retries, j.fail_class, j.fail_code, j.fail_detail, j.created_at,
    j.state_at, j.last_event,
    (SELECT r.score FROM results r WHERE r.job = j.key AND r.accepted = 1) AS score,
    a.id AS attempt, a.progress, a.dropped, a.started_at, a.ended_at, n.id AS node, n.name AS node_name,
    st.fraction AS stopped_fraction, st.score AS stopped_score, st.best AS stopped_best, st.at AS stopped_at
  FROM jobs j JOIN users u ON u.key = j.owner
  LEFT JOIN attempts a ON a.key = (SELECT key FROM attempts WHERE job = j.key ORDER BY fence DESC LIMIT 1)
  LEFT JOIN nodes n ON n.key = a.node LEFT JOIN stopped st ON st.job = j.key ";

/// Reads a row of [`COLUMNS`].
pub(super) fn read(row: &SqliteRow) -> Result<JobRow> {
    let latest = row.get::<Option<String>, _>("attempt").map(|attempt| Latest {
        attempt,
        node: row.get("node"),
        node_name: row.get("node_name"),
        progress: row.get("progress"),
        dropped: row.get("dropped"),
        started_at: row.get("started_at"),
        ended_at: row.get("ended_at"),
    });
    let class: Option<String> = row.get("fail_class");
    Ok(JobRow {
        key: row.get("key"),
        id: row.get("id"),
        owner: row.get("owner"),
        owner_name: row.get("owner_name"),
        benchmark: row.get("benchmark"),
        parameters: row.get("parameters"),
        spec_hash: row.get("spec_hash"),
        label: row.get("label"),
        title: row.get("title"),
        size: row.get("size"),
        work: row.get("work"),
        ranks: row.get("ranks"),
        bytes_per_rank: row.get("bytes_per_rank"),
        needs: needs(row)?,
        express: row.get("express"),
        walltime_s: row.get("walltime_s"),
        estimate_s: row.get("estimate_s"),
        public: row.get::<&str, _>("visibility") == "public",
        sweep: row.get("sweep"),
        state: state_of(row.get("state"))?,
        hold: row.get("hold"),
        cancel_requested: row.get("cancel_requested"),
        not_before: row.get("not_before"),
        fence: row.get("fence"),
        attempts: row.get("attempts"),
        infra_retries: row.get("infra_retries"),
        failure: class.map(|class| (class, row.get("fail_code"), row.get("fail_detail"))),
        created_at: row.get("created_at"),
        state_at: row.get("state_at"),
        last_event: row.get("last_event"),
        score: row.get("score"),
        stopped: sweeps::stopped(row),
        latest,
    })
}

/// The job of that id.
///
/// # Errors
/// Of the database.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<JobRow>> {
    let statement = const_format(COLUMNS, "WHERE j.id = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).fetch_optional(conn).await.map_err(explain)?;
    row.as_ref().map(read).transpose()
}

/// The job of that key.
///
/// # Errors
/// Of the database.
pub async fn get(conn: &mut Conn, key: i64) -> Result<Option<JobRow>> {
    let statement = const_format(COLUMNS, "WHERE j.key = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(key).fetch_optional(conn).await.map_err(explain)?;
    row.as_ref().map(read).transpose()
}

/// The statements that are put together here, for the test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = String> {
    let rung = RUNG.map(|which| format!("SELECT {NEEDS} FROM jobs j WHERE {which}"));
    let found = ["WHERE j.id = ?", "WHERE j.key = ?"].map(|which| const_format(COLUMNS, which));
    rung.into_iter().chain(found)
}

/// A statement out of fixed parts.
pub(super) fn const_format(columns: &str, rest: &str) -> String {
    format!("SELECT {columns}{rest}")
}
