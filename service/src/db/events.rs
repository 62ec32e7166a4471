//! The record of events as its readers want it. It is written where jobs move, in the transaction that moves them.
//!
//! A job's events count from 1 without a gap; the events of all jobs are ordered by their key. Both orders are those
//! of the commits, as there is one writer: who has read up to a number has missed nothing below it.

use std::sync::Arc;

use hpl_spec::JobState;
use hpl_spec::api::agent::FileDigest;
use hpl_spec::id::{AttemptId, JobId};
use sqlx::FromRow;

use super::{Conn, explain};
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Proof, Scope};
use crate::hub::{Rendered, Told};

/// A job that somebody may watch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobHandle {
    /// Its row.
    pub key: i64,
    /// Its id.
    pub id: JobId,
    /// Its owner's row.
    pub owner: i64,
    /// Whether everybody may see it.
    pub public: bool,
    /// Where it stands.
    pub state: JobState,
    /// The number of its latest event.
    pub last_event: i64,
}

/// The job of that id if the caller may see it: it is public, the caller's own, or the caller is an administrator.
/// One that the caller may not see is answered as one that does not exist.
///
/// # Errors
/// The database does not answer.
pub async fn visible_job(conn: &mut Conn, id: &JobId, caller: &Caller) -> Result<Option<JobHandle>> {
    type Row = (i64, i64, String, String, i64);
    let statement = "SELECT key, owner, visibility, state, last_event FROM jobs WHERE id = ?";
    let row: Option<Row> = sqlx::query_as(statement).bind(id.as_str()).fetch_optional(conn).await.map_err(explain)?;
    let Some((key, owner, visibility, state, last_event)) = row else { return Ok(None) };
    let public = visibility == "public";
    let own = caller.user.as_ref().is_some_and(|user| user.key == owner && user.may(Scope::Read));
    if !(public || own || caller.is_admin()) {
        return Ok(None);
    }
    let state = parse_state(&state)?;
    Ok(Some(JobHandle { key, id: id.clone(), owner, public, state, last_event }))
}

fn parse_state(name: &str) -> Result<JobState> {
    JobState::from_name(name).ok_or_else(|| Error::internal(format!("a job has the unknown state `{name}`")))
}

/// The caller as the proof that was shown stands now: nobody, if the session or the token has ended or the user was
/// disabled; no administrator, if the user is none any more.
///
/// # Errors
/// The database does not answer.
pub async fn still(conn: &mut Conn, caller: &Caller, now: i64) -> Result<Caller> {
    let Some(known) = &caller.user else { return Ok(caller.clone()) };
    let query = match &known.proof {
        Proof::Session(id) => sqlx::query_scalar(
            "SELECT u.role FROM users u JOIN sessions s ON s.user = u.key
              WHERE u.key = ? AND u.disabled_at IS NULL AND s.public_id = ? AND min(s.expires_at, s.ends_at) > ?",
        )
        .bind(known.key)
        .bind(id.clone()),
        Proof::Token { key, .. } => sqlx::query_scalar(
            "SELECT u.role FROM users u JOIN api_tokens t ON t.user = u.key
              WHERE u.key = ? AND u.disabled_at IS NULL AND t.key = ? AND t.revoked_at IS NULL AND t.expires_at > ?",
        )
        .bind(known.key)
        .bind(*key),
    };
    let role: Option<String> = query.bind(now).fetch_optional(conn).await.map_err(explain)?;
    let user = role.map(|role| {
        let mut user = known.clone();
        user.admin = role == "admin";
        user
    });
    Ok(Caller { user, address: caller.address })
}

#[derive(FromRow)]
struct Row {
    key: i64,
    job_key: i64,
    job: String,
    seq: i64,
    at: i64,
    kind: String,
    state: String,
    data: String,
    public: bool,
}

impl From<Row> for Told {
    fn from(row: Row) -> Told {
        let Row { key, job_key, job, seq, at, kind, state, data, public } = row;
        Told { key, job_key, job, seq, at, kind, data, state, public, rendered: Rendered::default() }
    }
}

/// At most `limit` events of a job that come after its event `seq`, in order.
///
/// # Errors
/// The database does not answer.
pub async fn after(conn: &mut Conn, job_key: i64, seq: i64, limit: u32) -> Result<Vec<Arc<Told>>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT e.key, e.job AS job_key, j.id AS job, e.seq, e.at, e.kind, e.state, e.data,
                j.visibility = 'public' AS public
           FROM events e JOIN jobs j ON j.key = e.job
          WHERE e.job = ? AND e.seq > ? ORDER BY e.seq LIMIT ?",
    )
    .bind(job_key)
    .bind(seq)
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    Ok(rows.into_iter().map(|row| Arc::new(row.into())).collect())
}

/// At most `limit` events after `key` that are more than progress, in order; also those of private jobs, which
/// `public` tells apart, so that the last key says how far was read.
///
/// # Errors
/// The database does not answer.
pub async fn moves_after(conn: &mut Conn, key: i64, limit: u32) -> Result<Vec<Arc<Told>>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT e.key, e.job AS job_key, j.id AS job, e.seq, e.at, e.kind, e.state, e.data,
                j.visibility = 'public' AS public
           FROM events e INDEXED BY events_moves CROSS JOIN jobs j ON j.key = e.job
          WHERE e.kind <> 'progress' AND e.key > ? ORDER BY e.key LIMIT ?",
    )
    .bind(key)
    .bind(limit)
    .fetch_all(conn)
    .await
    .map_err(explain)?;
    Ok(rows.into_iter().map(|row| Arc::new(row.into())).collect())
}

/// How many events that are more than progress come after `key`, counted up to `most`.
///
/// # Errors
/// The database does not answer.
pub async fn moves_behind(conn: &mut Conn, key: i64, most: u32) -> Result<u32> {
    sqlx::query_scalar(
        "SELECT count(*) FROM (SELECT 1 FROM events INDEXED BY events_moves
                                WHERE kind <> 'progress' AND key > ? LIMIT ?)",
    )
    .bind(key)
    .bind(most)
    .fetch_one(conn)
    .await
    .map_err(explain)
}

/// The key of the latest event of all; 0 before the first.
///
/// # Errors
/// The database does not answer.
pub async fn last_key(conn: &mut Conn) -> Result<i64> {
    let last: Option<i64> = sqlx::query_scalar("SELECT max(key) FROM events").fetch_one(conn).await.map_err(explain)?;
    Ok(last.unwrap_or(0))
}

/// Jobs in each state that is not final, counted with the index of those.
///
/// # Errors
/// The database does not answer.
pub async fn jobs_by_state(conn: &mut Conn) -> Result<Vec<(JobState, i64)>> {
    let statement = "SELECT state, count(*) FROM jobs INDEXED BY jobs_active WHERE due_at IS NOT NULL GROUP BY state";
    let rows: Vec<(String, i64)> = sqlx::query_as(statement).fetch_all(conn).await.map_err(explain)?;
    rows.into_iter().map(|(state, count)| Ok((parse_state(&state)?, count))).collect()
}

/// A try at a job, as the readers of its files want it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptHandle {
    /// Its id.
    pub id: AttemptId,
    /// Whether it will write nothing more, but for what is still on its way.
    pub ended: bool,
    /// The files it announced when it finished.
    pub files: Vec<FileDigest>,
}

/// The attempt of that id at the job, or the latest one; None where there is none. One that is known by its orphan alone
/// has its id only.
///
/// # Errors
/// The database does not answer.
pub async fn attempt(conn: &mut Conn, job_key: i64, id: Option<&AttemptId>) -> Result<Option<AttemptHandle>> {
    // The join is on the attempt's id, which is that of what it delivered.
    let query = match id {
        Some(id) => sqlx::query_as(
            "SELECT a.id, a.state, r.files FROM attempts a LEFT JOIN results r ON r.id = a.id
              WHERE a.job = ?1 AND a.id = ?2
             UNION ALL
             SELECT r.id, 'ended', r.files FROM results r
              WHERE r.job = ?1 AND r.id = ?2 AND NOT EXISTS (SELECT 1 FROM attempts WHERE id = ?2)",
        )
        .bind(job_key)
        .bind(id.as_str().to_owned()),
        None => sqlx::query_as(
            "SELECT a.id, a.state, r.files FROM attempts a LEFT JOIN results r ON r.id = a.id
              WHERE a.job = ? ORDER BY a.fence DESC LIMIT 1",
        )
        .bind(job_key),
    };
    let row: Option<(String, String, Option<String>)> = query.fetch_optional(conn).await.map_err(explain)?;
    let Some((id, state, files)) = row else { return Ok(None) };
    let files = match files {
        Some(json) => serde_json::from_str(&json).map_err(Error::internal)?,
        None => vec![],
    };
    let ended = !matches!(state.as_str(), "live" | "lost");
    Ok(Some(AttemptHandle { id: id.parse().map_err(Error::internal)?, ended, files }))
}

/// Whether the database answers a question.
///
/// # Errors
/// It does not.
pub async fn answers(conn: &mut Conn) -> Result<()> {
    sqlx::query("SELECT key FROM jobs LIMIT 1").execute(conn).await.map(|_| ()).map_err(explain)
}
