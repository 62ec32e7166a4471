//! What becomes of an attempt, and of its job, when it is over.

use hpl_spec::job::{FailClass, JobEvent, JobState};
use sqlx::Row;

use super::AttemptRow;
use crate::db::jobs::step;
use crate::db::{Tx, explain};
use crate::error::Result;
use crate::hub::Wake;
use crate::schedule::share_after;

/// So many tries may be lost to the infrastructure, beyond the first.
pub const INFRA_RETRIES: i64 = 2;
/// The first retry waits so many milliseconds, the next twice as long.
const RETRY_DELAY: i64 = 15_000;

/// Closes an attempt: it may write no longer, the time it took is put to its owner's share, its node is free.
pub(in crate::db) async fn close(
    tx: &mut Tx,
    row: &AttemptRow,
    state: &'static str,
    finish: Option<&[u8]>,
) -> Result<()> {
    sqlx::query("UPDATE attempts SET state = ?, ended_at = ?, finish_hash = ? WHERE key = ?")
        .bind(state)
        .bind(tx.now)
        .bind(finish)
        .bind(row.key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    if finish.is_some() {
        // It was the node that said so. The number of the claim that it came by is used up: a copy of that claim that is
        // still under way, or waits here for an answer that nobody will read, gets no second job.
        let seen = sqlx::query("UPDATE nodes SET seen_at = ?, claim_seq = min(claim_seq, ? - 1) + 1 WHERE key = ?");
        seen.bind(tx.now).bind(i64::MAX).bind(row.node).execute(&mut tx.conn).await.map_err(explain)?;
    }
    let used = sqlx::query("SELECT l.owner, l.share FROM jobs j JOIN lines l ON l.owner = j.owner WHERE j.key = ?")
        .bind(row.job)
        .fetch_one(&mut tx.conn)
        .await
        .map_err(explain)?;
    let share = share_after(used.get(1), tx.now - row.claimed_at, tx.now);
    sqlx::query("UPDATE lines SET share = ? WHERE owner = ?")
        .bind(share)
        .bind(used.get::<i64, _>(0))
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    if let Ok(id) = row.id.parse() {
        tx.wake(Wake::Attempt(id));
    }
    Ok(())
}

/// Closes an attempt that did not say so itself: its fence is dead from now on.
pub(in crate::db) async fn cut_off(tx: &mut Tx, row: &AttemptRow) -> Result<()> {
    sqlx::query("UPDATE jobs SET fence = fence + 1 WHERE key = ?")
        .bind(row.job)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    close(tx, row, "stale", None).await
}

/// Why the infrastructure lost a try.
#[derive(Debug, Clone)]
pub struct Lost {
    code: String,
    detail: String,
}

impl Lost {
    /// For a stated reason.
    #[must_use]
    pub fn infra(code: &str, detail: &str) -> Lost {
        Lost { code: code.into(), detail: detail.into() }
    }

    /// The node asks for a job as if it had none.
    #[must_use]
    pub fn forgotten() -> Lost {
        Lost::infra("node_forgot", "the node no longer knows of this attempt")
    }

    /// The node is no longer trusted with anything.
    #[must_use]
    pub fn revoked() -> Lost {
        Lost::infra("node_revoked", "an administrator revoked the node while the attempt was on it")
    }

    /// The node was started anew.
    #[must_use]
    pub fn reboot() -> Lost {
        Lost::infra("node_reboot", "the node was restarted while the attempt was on it")
    }
}

/// The node itself shows that an attempt is gone.
pub(in crate::db) async fn lost(tx: &mut Tx, row: &AttemptRow, why: &Lost) -> Result<JobState> {
    cut_off(tx, row).await?;
    retry_or_fail(tx, row, why).await
}

/// Another try after a pause, elsewhere if possible; or none, if there were enough or nobody wants the job any more.
pub(in crate::db) async fn retry_or_fail(tx: &mut Tx, row: &AttemptRow, why: &Lost) -> Result<JobState> {
    let job = sqlx::query(
        "SELECT j.infra_retries, j.cancel_requested, n.id FROM jobs j, nodes n WHERE j.key = ? AND n.key = ?",
    )
    .bind(row.job)
    .bind(row.node)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    let (retries, cancel, node): (i64, bool, String) = (job.get(0), job.get(1), job.get(2));
    if cancel {
        return as_asked(tx, row.job).await;
    }
    if retries >= INFRA_RETRIES {
        let detail = format!("{} (try {} of {})", why.detail, retries + 1, INFRA_RETRIES + 1);
        return fail(tx, row.job, FailClass::Infra, &why.code, &detail).await;
    }
    let pause = tx.now + (RETRY_DELAY << retries);
    sqlx::query("UPDATE jobs SET infra_retries = ?, not_before = ?, avoid_node = ? WHERE key = ?")
        .bind(retries + 1)
        .bind(pause)
        .bind(node)
        .bind(row.job)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    let state = step(tx, row.job, &JobEvent::Requeued { why: format!("{}: {}", why.code, why.detail) }).await?;
    // Its timer rings a node once the pause is over.
    let rings = sqlx::query("UPDATE jobs SET due_at = ? WHERE key = ?").bind(pause).bind(row.job);
    rings.execute(&mut tx.conn).await.map_err(explain)?;
    tx.wake(Wake::Reaper);
    Ok(state)
}

/// The job failed.
pub(in crate::db) async fn fail(tx: &mut Tx, job: i64, class: FailClass, code: &str, detail: &str) -> Result<JobState> {
    sqlx::query("UPDATE jobs SET fail_class = ?, fail_code = ?, fail_detail = ? WHERE key = ?")
        .bind(class.name())
        .bind(code)
        .bind(detail)
        .bind(job)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    let event = JobEvent::Failed { class, code: code.into(), detail: detail.into() };
    step(tx, job, &event).await
}

/// The job was cancelled by whoever asked for it.
pub(in crate::db) async fn as_asked(tx: &mut Tx, job: i64) -> Result<JobState> {
    let asked: Option<String> = sqlx::query_scalar(
        "SELECT data FROM events WHERE job = ? AND kind = 'cancel_requested' ORDER BY seq DESC LIMIT 1",
    )
    .bind(job)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    match asked.and_then(|data| serde_json::from_str(&data).ok()) {
        Some(JobEvent::CancelRequested { by }) => cancelled(tx, job, &by).await,
        _ => cancelled(tx, job, "its owner or an administrator").await,
    }
}

/// The job was cancelled.
pub(in crate::db) async fn cancelled(tx: &mut Tx, job: i64, by: &str) -> Result<JobState> {
    step(tx, job, &JobEvent::Cancelled { by: by.into() }).await
}
