//! What people order: submit a draft, hold, release, cancel, give up, delete.

use hpl_spec::api::jobs::Visibility;
use hpl_spec::job::{JobEvent, JobState};

use super::attempts;
use super::jobs::{JobRow, step, visibility_name};
use super::results::verdict;
use super::{Conn, Tx, explain, late};
use crate::error::{Code, Error, Result};
use crate::hub::Wake;

/// A draft is submitted. A job of a sweep waits for its turn if another one of the sweep has it.
///
/// # Errors
/// It is no draft.
pub async fn submit(tx: &mut Tx, job: &JobRow, its_turn: bool) -> Result<JobState> {
    if its_turn {
        return step(tx, job.key, &JobEvent::Submitted).await;
    }
    let held = sqlx::query("UPDATE jobs SET hold = 'sweep' WHERE key = ?").bind(job.key);
    held.execute(&mut tx.conn).await.map_err(explain)?;
    step(tx, job.key, &JobEvent::Held { why: "its turn in the sweep".into() }).await
}

/// An administrator holds a queued job.
///
/// # Errors
/// It is not queued.
pub async fn hold(tx: &mut Tx, job: &JobRow, why: &str) -> Result<JobState> {
    let held = sqlx::query("UPDATE jobs SET hold = ? WHERE key = ?").bind(why).bind(job.key);
    held.execute(&mut tx.conn).await.map_err(explain)?;
    step(tx, job.key, &JobEvent::Held { why: why.into() }).await
}

/// A held job waits for a node again; one of a sweep, of which another job is under way, for its turn.
///
/// # Errors
/// It is not held, or waits for its turn already.
pub async fn release(tx: &mut Tx, job: &JobRow) -> Result<JobState> {
    if job.state == JobState::Held && job.hold == "sweep" {
        let detail = "it waits for its turn in the sweep, whose jobs run one by one; it is released when the one before \
                      it has ended";
        return Err(Error::new(Code::Conflict, detail).with("state", job.state.name()));
    }
    if job.state == JobState::Held && turn_is_taken(tx, job).await? {
        let waits = sqlx::query("UPDATE jobs SET hold = 'sweep' WHERE key = ?").bind(job.key);
        waits.execute(&mut tx.conn).await.map_err(explain)?;
        return Ok(JobState::Held);
    }
    step(tx, job.key, &JobEvent::Released).await
}

/// Whether another job of a sweep is under way.
pub(super) const TURN: &str = "SELECT EXISTS (SELECT 1 FROM jobs WHERE sweep = ? AND key <> ? AND state IN
            ('queued', 'claimed', 'preparing', 'running', 'finishing', 'verifying', 'lost'))";

async fn turn_is_taken(tx: &mut Tx, job: &JobRow) -> Result<bool> {
    sqlx::query_scalar(TURN).bind(&job.sweep).bind(job.key).fetch_one(&mut tx.conn).await.map_err(explain)
}

/// A job is to end. Where a node has it, the node is told, and its answer ends it; where nobody knows whether it still
/// runs, it ends here.
///
/// # Errors
/// It has ended, or its result is being judged.
pub async fn cancel(tx: &mut Tx, job: &JobRow, by: &str) -> Result<JobState> {
    match job.state {
        JobState::Claimed | JobState::Preparing | JobState::Running | JobState::Finishing => {
            if job.cancel_requested {
                return Ok(job.state);
            }
            let flag = sqlx::query("UPDATE jobs SET cancel_requested = 1 WHERE key = ?").bind(job.key);
            flag.execute(&mut tx.conn).await.map_err(explain)?;
            if let Some(attempt) = job.latest.as_ref().and_then(|a| a.attempt.parse().ok()) {
                tx.wake(Wake::Attempt(attempt));
            }
            step(tx, job.key, &JobEvent::CancelRequested { by: by.into() }).await
        }
        JobState::Lost => {
            cut_off(tx, job).await?;
            attempts::cancelled(tx, job.key, by).await
        }
        JobState::Cancelled => Ok(JobState::Cancelled),
        _ => attempts::cancelled(tx, job.key, by).await,
    }
}

/// The owner gives a lost attempt up: it may write no longer, and the job waits for a node again.
///
/// # Errors
/// It is not lost.
pub async fn give_up(tx: &mut Tx, job: &JobRow, by: &str) -> Result<JobState> {
    if job.state != JobState::Lost {
        let detail = format!("the job is {}, not lost; only a lost attempt can be given up", job.state);
        return Err(Error::new(Code::Conflict, detail).with("state", job.state.name()));
    }
    cut_off(tx, job).await?;
    step(tx, job.key, &JobEvent::Requeued { why: format!("given up by {by}") }).await
}

async fn cut_off(tx: &mut Tx, job: &JobRow) -> Result<()> {
    match attempts::of_job(&mut tx.conn, job.key).await? {
        Some(row) => attempts::cut_off(tx, &row).await,
        None => Ok(()),
    }
}

/// Gives a job more time, also one that runs: its node hears of it with the next beat.
///
/// # Errors
/// It has ended; the time is not longer than what it has.
pub async fn extend(tx: &mut Tx, job: &JobRow, walltime_s: u32) -> Result<()> {
    if job.state.is_final() {
        return Err(Error::new(Code::Conflict, format!("the job is {}", job.state)).with("state", job.state.name()));
    }
    if walltime_s <= job.walltime_s {
        let message = format!("found {walltime_s} s; the job has {} s already", job.walltime_s);
        return Err(Error::field("walltime_s", message));
    }
    let more = i64::from(walltime_s - job.walltime_s) * 1000;
    let update = sqlx::query("UPDATE jobs SET walltime_s = ? WHERE key = ?").bind(walltime_s).bind(job.key);
    update.execute(&mut tx.conn).await.map_err(explain)?;
    // Before the program has started, and after it has ended, the deadline is not that of its walltime.
    let later = sqlx::query(
        "UPDATE attempts SET deadline = deadline + ? WHERE job = ? AND state IN ('live', 'lost')
            AND started_at IS NOT NULL AND finishing_at IS NULL",
    );
    later.bind(more).bind(job.key).execute(&mut tx.conn).await.map(|_| ()).map_err(explain)
}

/// Deletes a job that has ended, or a draft, with all that belongs to it, and its sweep if it was the last of it. Returns
/// the ids of its attempts and orphans, whose files are to be deleted too. Their nodes still hear how they stand.
///
/// # Errors
/// It has not ended.
pub async fn delete(tx: &mut Tx, job: &JobRow) -> Result<Vec<String>> {
    if !job.state.is_final() && job.state != JobState::Draft {
        let detail = format!("the job is {}; cancel it first", job.state);
        return Err(Error::new(Code::Conflict, detail).with("state", job.state.name()));
    }
    let attempts = late::forget(tx, job.key).await?;
    let gone = sqlx::query("DELETE FROM jobs WHERE key = ?").bind(job.key);
    gone.execute(&mut tx.conn).await.map_err(explain)?;
    if let Some(sweep) = &job.sweep {
        let empty = "DELETE FROM sweeps WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM jobs WHERE sweep = ?1)";
        sqlx::query(empty).bind(sweep).execute(&mut tx.conn).await.map_err(explain)?;
    }
    Ok(attempts)
}

/// Changes who may see a job, and with it its results.
///
/// # Errors
/// Of the database.
pub async fn set_visibility(tx: &mut Tx, job: &JobRow, visibility: Visibility) -> Result<()> {
    let update = sqlx::query("UPDATE jobs SET visibility = ? WHERE key = ?");
    let update = update.bind(visibility_name(visibility)).bind(job.key);
    update.execute(&mut tx.conn).await.map_err(explain)?;
    verdict::set_visibility(tx, job.key, visibility == Visibility::Public).await
}

/// The jobs of a user that can be cancelled, but for drafts: what waits for its turn in a sweep first, so that none of
/// it has its turn because another one was cancelled.
///
/// # Errors
/// Of the database.
pub async fn to_cancel(conn: &mut Conn, owner: i64) -> Result<Vec<i64>> {
    sqlx::query_scalar(
        "SELECT key FROM jobs WHERE owner = ? AND state IN
             ('held', 'queued', 'claimed', 'preparing', 'running', 'finishing', 'lost')
          ORDER BY state = 'held' DESC, key",
    )
    .bind(owner)
    .fetch_all(conn)
    .await
    .map_err(explain)
}
