//! Rows for tests, as short as the schema allows.

pub mod crowd;

use std::sync::Arc;

use hpl_spec::JobState;
use hpl_spec::id::{AttemptId, JobId};
use hpl_spec::job::JobEvent;

use super::{Tx, explain};
use crate::error::{Error, Result};
use crate::hub::{Rendered, Told, Wake};

/// A user; says its row.
pub async fn user(tx: &mut Tx, name: &str) -> Result<i64> {
    sqlx::query_scalar("INSERT INTO users (name, password, created_at) VALUES (?, '', ?) RETURNING key")
        .bind(name.to_owned())
        .bind(tx.now)
        .fetch_one(&mut tx.conn)
        .await
        .map_err(explain)
}

/// A session of a user, an hour long.
pub async fn session(tx: &mut Tx, user: i64, public_id: &str) -> Result<()> {
    sqlx::query(
        "INSERT INTO sessions (hash, public_id, user, data, created_at, seen_at, expires_at, ends_at)
         VALUES (CAST(?1 AS BLOB), ?1, ?2, '', ?3, ?3, ?3 + 3600000, ?3 + 3600000)",
    )
    .bind(public_id.to_owned())
    .bind(user)
    .bind(tx.now)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// A queued job without events; says its row.
pub async fn job(tx: &mut Tx, id: &JobId, owner: i64, public: bool) -> Result<i64> {
    sqlx::query_scalar(
        "INSERT INTO jobs (id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks,
                           bytes_per_rank, bytes, express, walltime_s, visibility, state, due_at, created_at, state_at)
         VALUES (?, ?, 'hpl', '{}', '', '', '', 1, 1, 1, 1, 1, 1, 60, ?, 'queued', 1, ?4, ?4) RETURNING key",
    )
    .bind(id.as_str().to_owned())
    .bind(owner)
    .bind(if public { "public" } else { "private" })
    .bind(tx.now)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)
}

/// An event of a job and the state it leaves the job in, told once it is committed.
pub async fn event(tx: &mut Tx, job_key: i64, event: &JobEvent, state: JobState) -> Result<i64> {
    let data = serde_json::to_string(event).map_err(Error::internal)?;
    let (job, seq, public): (String, i64, bool) = sqlx::query_as(
        "UPDATE jobs SET last_event = last_event + 1, state = ?2, due_at = CASE WHEN ?3 THEN NULL ELSE 1 END
          WHERE key = ?1 RETURNING id, last_event, visibility = 'public'",
    )
    .bind(job_key)
    .bind(state.name())
    .bind(state.is_final())
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    let key = sqlx::query_scalar(
        "INSERT INTO events (job, seq, at, kind, state, data) VALUES (?, ?, ?, ?, ?, ?) RETURNING key",
    )
    .bind(job_key)
    .bind(seq)
    .bind(tx.now)
    .bind(event.kind())
    .bind(state.name())
    .bind(data.clone())
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    let (kind, state) = (event.kind().to_owned(), state.name().to_owned());
    let rendered = Rendered::default();
    tx.wake(Wake::Event(Arc::new(Told { key, job_key, job, seq, at: tx.now, kind, data, state, public, rendered })));
    Ok(seq)
}

/// An attempt at a job on a node of its own, `live` or `ended`.
pub async fn attempt(tx: &mut Tx, job_key: i64, id: &AttemptId, fence: i64, state: &str) -> Result<()> {
    let node: i64 = sqlx::query_scalar(
        "INSERT INTO nodes (id, name, token, machine_id, joined_at, seen_at)
         VALUES (?1, 'n', CAST(?1 AS BLOB), '', 0, 0) RETURNING key",
    )
    .bind(id.as_str().to_owned())
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    sqlx::query(
        "INSERT INTO attempts (id, job, fence, node, token, boot_id, state, lease_until, beat_at, claimed_at,
            walltime_s)
         VALUES (?, ?, ?, ?, x'00', '', ?, 0, 0, 0, 60)",
    )
    .bind(id.as_str().to_owned())
    .bind(job_key)
    .bind(fence)
    .bind(node)
    .bind(state.to_owned())
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// From now on there is room in the database for everything but a session.
pub async fn no_room_for_sessions(tx: &mut Tx) -> Result<()> {
    for statement in [
        "PRAGMA max_page_count = 4000",
        "CREATE TABLE ballast (bytes BLOB)",
        "CREATE TRIGGER sessions_are_heavy BEFORE INSERT ON sessions
         BEGIN INSERT INTO ballast VALUES (zeroblob(64000000)); END",
    ] {
        execute(tx, statement).await?;
    }
    Ok(())
}

/// Runs one statement as it stands.
pub async fn execute(tx: &mut Tx, statement: &'static str) -> Result<()> {
    sqlx::query(statement).execute(&mut tx.conn).await.map(|_| ()).map_err(explain)
}
