//! What the queue's page and the page of a job that runs look at: who runs, who waits and in which order, how a run went
//! so far.

use std::collections::BTreeMap;

use hpl_spec::job::{JobEvent, JobState, Progress};
use sqlx::Row;

use super::jobs::{COLUMNS, JobRow, const_format, read, state_of};
use super::{Conn, explain};
use crate::error::{Error, Result};

/// The jobs of those whose turn comes first, some of the last one's perhaps left out.
pub(super) const WAITING: &str = "WHERE j.key IN (
        SELECT q.key FROM lines l INDEXED BY lines_next
          CROSS JOIN users o ON o.key = l.owner AND o.disabled_at IS NULL
          CROSS JOIN jobs q INDEXED BY jobs_line ON q.owner = l.owner AND q.state = 'queued'
         WHERE l.queued > 0 ORDER BY l.share, l.owner LIMIT ?1) ORDER BY j.key";
/// The jobs that nodes have.
pub(super) const RUNNING: &str = "WHERE j.key IN (
        SELECT job FROM attempts INDEXED BY one_live_attempt WHERE state IN ('live', 'lost') LIMIT ?1) ORDER BY j.key";
/// The jobs that wait for something other than a node: of each sweep the one whose turn is next.
pub(super) const HELD: &str = "WHERE j.key IN (
        SELECT min(key) FROM jobs INDEXED BY jobs_active WHERE state = 'held' AND due_at IS NOT NULL
         GROUP BY coalesce(sweep, key) ORDER BY 1 LIMIT ?1) ORDER BY j.key";

/// The statements that are put together here, for the test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = String> {
    [WAITING, RUNNING, HELD].into_iter().map(|which| const_format(COLUMNS, which))
}

/// Which jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that wait for a node.
    Waiting,
    /// Those that nodes have.
    Running,
    /// Those that wait for something else.
    Held,
}

/// At most `limit` of these jobs, the oldest first.
///
/// # Errors
/// Of the database.
pub async fn jobs(conn: &mut Conn, which: Which, limit: u32) -> Result<Vec<JobRow>> {
    let condition = match which {
        Which::Waiting => WAITING,
        Which::Running => RUNNING,
        Which::Held => HELD,
    };
    let statement = const_format(COLUMNS, condition);
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(limit).fetch_all(conn).await.map_err(explain)?;
    rows.iter().map(read).collect()
}

/// The line of an owner.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// Use of the nodes.
    pub share: f64,
    /// Runs under way.
    pub running: u32,
    /// Runs that may be under way at once.
    pub running_max: u32,
}

/// The lines of these owners; `running_max` where nothing else is set.
///
/// # Errors
/// Of the database.
pub async fn lines(conn: &mut Conn, owners: &[i64], running_max: u32) -> Result<BTreeMap<i64, Line>> {
    let rows = sqlx::query(
        "SELECT l.owner, l.share, l.running, coalesce(qu.running_max, qc.running_max, ?1) AS running_max
           FROM json_each(?2) wanted CROSS JOIN lines l ON l.owner = wanted.value
           CROSS JOIN users u ON u.key = l.owner
           LEFT JOIN quotas qu ON qu.subject = 'user:' || u.name
           LEFT JOIN quotas qc ON u.cohort <> '' AND qc.subject = 'cohort:' || u.cohort",
    )
    .bind(running_max)
    .bind(serde_json::Value::from(owners.to_vec()).to_string())
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    let line = |row: &sqlx::sqlite::SqliteRow| {
        let line = Line { share: row.get("share"), running: row.get("running"), running_max: row.get("running_max") };
        (row.get("owner"), line)
    };
    Ok(rows.iter().map(line).collect())
}

/// How many runs of a sweep wait for their turn.
///
/// # Errors
/// Of the database.
pub async fn held_of_sweep(conn: &mut Conn, sweep: &str) -> Result<u32> {
    sqlx::query_scalar("SELECT count(*) FROM jobs INDEXED BY jobs_sweep WHERE sweep = ? AND state = 'held'")
        .bind(sweep)
        .fetch_one(conn)
        .await
        .map_err(explain)
}

/// Something that happened to a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The number of the event.
    pub seq: i64,
    /// When, milliseconds since the epoch.
    pub at: i64,
    /// Where the job stood after it.
    pub state: JobState,
    /// What.
    pub event: JobEvent,
}

/// The first `limit` things that happened to a job, without its progress.
///
/// # Errors
/// Of the database.
pub async fn story(conn: &mut Conn, job: i64, limit: u32) -> Result<Vec<Step>> {
    let rows = sqlx::query(
        "SELECT seq, at, state, data FROM events INDEXED BY events_story
          WHERE job = ? AND kind <> 'progress' ORDER BY seq LIMIT ?",
    )
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    let step = |row: &sqlx::sqlite::SqliteRow| {
        Ok(Step {
            seq: row.get("seq"),
            at: row.get("at"),
            state: state_of(row.get("state"))?,
            event: serde_json::from_str(row.get("data")).map_err(Error::internal)?,
        })
    };
    rows.iter().map(step).collect()
}

/// The progress that these events of a job tell, in their order; events of other kinds are passed over.
///
/// # Errors
/// Of the database.
pub async fn progress(conn: &mut Conn, job: i64, numbers: &[i64]) -> Result<Vec<Progress>> {
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT e.data FROM json_each(?2) wanted CROSS JOIN events e ON e.job = ?1 AND e.seq = wanted.value
          WHERE e.kind = 'progress'",
    )
    .bind(job)
    .bind(serde_json::Value::from(numbers.to_vec()).to_string())
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    let read = |data: &String| match serde_json::from_str(data) {
        Ok(JobEvent::Progress(progress)) => Some(progress),
        _ => None,
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The best score of an owner's that was ranked, on nodes of the kind that has a job now.
///
/// # Errors
/// Of the database.
pub async fn best_beside(conn: &mut Conn, job: &JobRow) -> Result<Option<f64>> {
    let Some(latest) = &job.latest else { return Ok(None) };
    sqlx::query_scalar(
        "SELECT max(r.score) FROM nodes n CROSS JOIN results r INDEXED BY results_best
             ON r.benchmark = ?2 AND r.owner = ?3 AND r.kind = json_extract(n.info, '$.cpu_model') AND r.cores = n.cores
            AND r.ranked = 1
          WHERE n.id = ?1",
    )
    .bind(&latest.node)
    .bind(&job.benchmark)
    .bind(job.owner)
    .fetch_one(conn)
    .await
    .map_err(explain)
}
