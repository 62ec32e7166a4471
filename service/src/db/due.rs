//! What is due: every state that is not final has a timer, and this is what happens when it rings. One job is one
//! unit.

use hpl_spec::job::{FailClass, JobEvent, JobState};

use super::attempts::{self, AttemptRow, DELIVERY, LOST_GRACE, Lost};
use super::jobs::{ring, state_of, step};
use super::queue::AVOID;
use super::{Conn, Tx, explain, late};
use crate::error::{Error, Result};

/// What did not come through is tried again after so many milliseconds...
const AGAIN: i64 = 10_000;
/// ...and a verification given up after so many.
const VERIFY_FOR: i64 = 15 * 60 * 1000;

/// Who cancels a job that was to end and whose node fell silent.
const BY_SILENCE: &str = "its owner or an administrator; the node fell silent before it confirmed";

/// The jobs whose timers have rung, those that rang first at the front.
///
/// # Errors
/// Of the database.
pub async fn due(conn: &mut Conn, now: i64, limit: u32) -> Result<Vec<i64>> {
    sqlx::query_scalar("SELECT key FROM jobs WHERE due_at <= ? ORDER BY due_at LIMIT ?")
        .bind(now)
        .bind(limit)
        .fetch_all(conn)
        .await
        .map_err(explain)
}

/// When the next timer rings.
///
/// # Errors
/// Of the database.
pub async fn next(conn: &mut Conn) -> Result<Option<i64>> {
    sqlx::query_scalar("SELECT due_at FROM jobs WHERE due_at IS NOT NULL ORDER BY due_at LIMIT 1")
        .fetch_optional(conn)
        .await
        .map_err(explain)
}

/// Looks at a job whose timer rang. True if its result is to be judged now, which takes more than a unit.
///
/// # Errors
/// Of the database.
pub async fn look(tx: &mut Tx, job: i64) -> Result<bool> {
    let row: Option<(String, Option<i64>)> = sqlx::query_as("SELECT state, due_at FROM jobs WHERE key = ?")
        .bind(job)
        .fetch_optional(&mut tx.conn)
        .await
        .map_err(explain)?;
    let Some((state, Some(due_at))) = row else { return Ok(false) };
    if due_at > tx.now {
        return Ok(false);
    }
    match state_of(&state)? {
        JobState::Draft => expire(tx, job, "it was not submitted within a day").await,
        JobState::Held => expire(tx, job, "it was held for thirty days").await,
        JobState::Queued => waits(tx, job).await,
        JobState::Claimed | JobState::Preparing | JobState::Running | JobState::Finishing => alive(tx, job).await,
        JobState::Lost => silent(tx, job).await,
        JobState::Verifying => due_at_is(tx, job, tx.now + AGAIN).await.map(|()| true),
        JobState::Done | JobState::Failed | JobState::Cancelled | JobState::Expired => Ok(false),
    }
}

/// A result could not be judged this time; one for which that has gone on for long is given up. Only ever after a try:
/// the service may have been away all the while.
///
/// # Errors
/// Of the database.
pub async fn not_judged(tx: &mut Tx, job: i64) -> Result<()> {
    let state_at: Option<i64> = sqlx::query_scalar("SELECT state_at FROM jobs WHERE key = ? AND state = 'verifying'")
        .bind(job)
        .fetch_optional(&mut tx.conn)
        .await
        .map_err(explain)?;
    if state_at.is_some_and(|at| tx.now > at + VERIFY_FOR) {
        let detail = "the service could not judge the result; what the node delivered is kept";
        attempts::fail(tx, job, FailClass::Infra, "not_verified", detail).await?;
    }
    Ok(())
}

/// A timer that could not be served rings again later, so that it neither rings without end nor stands before others.
///
/// # Errors
/// Of the database.
pub async fn put_off(tx: &mut Tx, job: i64) -> Result<()> {
    let update = sqlx::query("UPDATE jobs SET due_at = ? WHERE key = ? AND due_at <= ?");
    let update = update.bind(tx.now + AGAIN).bind(job).bind(tx.now);
    update.execute(&mut tx.conn).await.map(|_| ()).map_err(explain)
}

async fn expire(tx: &mut Tx, job: i64, why: &str) -> Result<bool> {
    step(tx, job, &JobEvent::Expired { why: why.into() }).await.map(|_| false)
}

/// A job waits for a node: the pause before another try is over, or the time in which the try avoids a node, or its
/// week. What is over is forgotten, so that the next ring is for what comes after it.
async fn waits(tx: &mut Tx, job: i64) -> Result<bool> {
    let (pauses, avoids, since): (bool, bool, i64) =
        sqlx::query_as("SELECT not_before > 0, avoid_node IS NOT NULL, state_at FROM jobs WHERE key = ?")
            .bind(job)
            .fetch_one(&mut tx.conn)
            .await
            .map_err(explain)?;
    let week = tx.now + 7 * 24 * 3600 * 1000;
    let (over, next) = match (pauses, avoids) {
        (true, true) => ("UPDATE jobs SET not_before = 0, due_at = ? WHERE key = ?", (since + AVOID).max(tx.now + 1)),
        (true, false) => ("UPDATE jobs SET not_before = 0, due_at = ? WHERE key = ?", week),
        (false, true) => ("UPDATE jobs SET avoid_node = NULL, due_at = ? WHERE key = ?", week),
        (false, false) => return expire(tx, job, "no node took it within a week").await,
    };
    sqlx::query(over).bind(next).bind(job).execute(&mut tx.conn).await.map_err(explain)?;
    ring(tx, job).await.map(|()| false)
}

async fn due_at_is(tx: &mut Tx, job: i64, at: i64) -> Result<()> {
    let update = sqlx::query("UPDATE jobs SET due_at = ? WHERE key = ?").bind(at).bind(job);
    update.execute(&mut tx.conn).await.map(|_| ()).map_err(explain)
}

async fn cancel_requested(tx: &mut Tx, job: i64) -> Result<bool> {
    let cancel = sqlx::query_scalar("SELECT cancel_requested FROM jobs WHERE key = ?").bind(job);
    cancel.fetch_one(&mut tx.conn).await.map_err(explain)
}

/// The attempt of a job whose state says that it has one.
async fn attempt(tx: &mut Tx, job: i64) -> Result<AttemptRow> {
    let row = attempts::of_job(&mut tx.conn, job).await?;
    row.ok_or_else(|| Error::internal(format!("job {job} has no attempt though its state says so")))
}

/// A job on a node: is the node silent, or the run too long?
async fn alive(tx: &mut Tx, job: i64) -> Result<bool> {
    let row = attempt(tx, job).await?;
    let over = row.deadline.unwrap_or(tx.now);
    if tx.now >= row.lease_until {
        return silence_begins(tx, &row).await.map(|()| false);
    }
    if tx.now < over {
        return due_at_is(tx, job, over.min(row.lease_until)).await.map(|()| false);
    }
    if row.started_at.is_none() {
        let why = Lost::infra("not_started", "the node did not start the run within a quarter of an hour");
        return attempts::lost(tx, &row, &why).await.map(|_| false);
    }
    attempts::cut_off(tx, &row).await?;
    if cancel_requested(tx, job).await? {
        attempts::cancelled(tx, job, BY_SILENCE).await?;
    } else if row.finishing_at.is_some() {
        let detail = format!("the program ended, but the node did not deliver within {} min", DELIVERY / 60_000);
        attempts::fail(tx, job, FailClass::Infra, "not_delivered", &detail).await?;
    } else {
        let detail = "the run took longer than its walltime; ask for more, or for a smaller problem";
        attempts::fail(tx, job, FailClass::Policy, "walltime", detail).await?;
    }
    Ok(false)
}

/// The lease has run out.
async fn silence_begins(tx: &mut Tx, row: &AttemptRow) -> Result<()> {
    if cancel_requested(tx, row.job).await? {
        attempts::cut_off(tx, row).await?;
        return attempts::cancelled(tx, row.job, BY_SILENCE).await.map(|_| ());
    }
    if row.started_at.is_none() {
        // Nothing was measured, so nothing can be measured twice.
        let why = Lost::infra("node_lost", "the node fell silent before the run started");
        return attempts::lost(tx, row, &why).await.map(|_| ());
    }
    let lost = sqlx::query("UPDATE attempts SET state = 'lost' WHERE key = ?").bind(row.key);
    lost.execute(&mut tx.conn).await.map_err(explain)?;
    step(tx, row.job, &JobEvent::LeaseLost).await?;
    due_at_is(tx, row.job, given_up_at(tx, row)).await
}

/// When a silent attempt is waited for no longer. The deadline itself stays what it was: it counts again when the node
/// speaks again.
fn given_up_at(tx: &Tx, row: &AttemptRow) -> i64 {
    row.deadline.unwrap_or(tx.now) + LOST_GRACE
}

/// A lost job: still time?
async fn silent(tx: &mut Tx, job: i64) -> Result<bool> {
    let row = attempt(tx, job).await?;
    let until = given_up_at(tx, &row);
    if tx.now < until {
        return due_at_is(tx, job, until).await.map(|()| false);
    }
    attempts::cut_off(tx, &row).await?;
    expire(tx, job, "its node was not heard of for a day after its walltime").await
}

/// The service was away for `away` milliseconds: nobody's lease, deadline or timer runs out because of that.
///
/// # Errors
/// Of the database.
pub async fn was_away(tx: &mut Tx, away: i64, lease_ms: i64) -> Result<()> {
    let away = away.max(0);
    late::was_away(tx, away).await?;
    sqlx::query(
        "UPDATE attempts SET lease_until = lease_until + ?1 + ?2, deadline = deadline + ?1 + ?2
          WHERE state IN ('live', 'lost')",
    )
    .bind(away)
    .bind(lease_ms)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    sqlx::query("UPDATE jobs SET due_at = due_at + ? WHERE due_at IS NOT NULL AND state <> 'verifying'")
        .bind(away)
        .execute(&mut tx.conn)
        .await
        .map(|_| ())
        .map_err(explain)
}

/// When the service was last alive; None at its first start.
///
/// # Errors
/// Of the database.
pub async fn last_alive(conn: &mut Conn) -> Result<Option<i64>> {
    sqlx::query_scalar("SELECT value FROM memory WHERE name = 'alive_at'").fetch_optional(conn).await.map_err(explain)
}

/// The service is alive now.
///
/// # Errors
/// Of the database.
pub async fn alive_now(tx: &mut Tx) -> Result<()> {
    sqlx::query("INSERT INTO memory (name, value) VALUES ('alive_at', ?1) ON CONFLICT DO UPDATE SET value = ?1")
        .bind(tx.now)
        .execute(&mut tx.conn)
        .await
        .map(|_| ())
        .map_err(explain)
}
