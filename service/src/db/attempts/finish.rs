//! The end of an attempt, as its node tells it.

use hpl_spec::api::agent::AttemptOutcome;
use hpl_spec::job::{FailClass, JobEvent, JobState};

use super::end::{Lost, as_asked, close, fail, retry_or_fail};
use super::say::missing_events;
use super::{AttemptRow, DELIVERY, Writer, admit, identify, revive};
use crate::db::jobs::{state_of, step};
use crate::db::{Tx, explain, late};
use crate::error::Result;

/// A job came to its end on a node.
#[derive(Debug, Clone)]
pub struct Finish {
    /// Who says so.
    pub writer: Writer,
    /// How many events there were.
    pub events: u64,
    /// How it ended.
    pub outcome: AttemptOutcome,
    /// What was measured, as JSON.
    pub evidence: String,
    /// The files that were announced, as JSON.
    pub files: String,
    /// SHA-256 of all of it, to know copies.
    pub hash: Vec<u8>,
    /// See [`crate::schedule`].
    pub lease_ms: i64,
}

/// The end of an attempt. Returns where the job stands and whether this end was known already.
///
/// # Errors
/// As [`admit`]; events are missing; the job cannot end so.
pub async fn finish(tx: &mut Tx, finish: &Finish) -> Result<(JobState, bool)> {
    let known = identify(&mut tx.conn, &finish.writer).await?;
    if known.fence == finish.writer.fence && known.finish_hash.as_ref() == Some(&finish.hash) {
        let state: String = sqlx::query_scalar("SELECT state FROM jobs WHERE key = ?")
            .bind(known.job)
            .fetch_one(&mut tx.conn)
            .await
            .map_err(explain)?;
        return Ok((state_of(&state)?, true));
    }
    let mut row = admit(&mut tx.conn, &finish.writer).await?;
    let events = i64::try_from(finish.events).unwrap_or(i64::MAX);
    if row.event_seq < events {
        return Err(missing_events(row.event_seq + 1));
    }
    revive(tx, &mut row, finish.lease_ms).await?;
    close(tx, &row, "ended", Some(&finish.hash)).await?;
    late::open_files(tx, &finish.writer, tx.now + DELIVERY).await?;
    let cancel: bool = sqlx::query_scalar("SELECT cancel_requested FROM jobs WHERE key = ?")
        .bind(row.job)
        .fetch_one(&mut tx.conn)
        .await
        .map_err(explain)?;
    let state = match &finish.outcome {
        AttemptOutcome::Completed { result } => {
            keep_result(tx, &row, result, finish).await?;
            step(tx, row.job, &JobEvent::ResultReceived).await?
        }
        AttemptOutcome::Cancelled | AttemptOutcome::Failed { .. } if cancel => as_asked(tx, row.job).await?,
        AttemptOutcome::Cancelled => {
            let why = Lost::infra("node_cancelled", "the node ended the run, though nobody had asked for it");
            retry_or_fail(tx, &row, &why).await?
        }
        AttemptOutcome::Failed { class: FailClass::Infra, code, detail } => {
            retry_or_fail(tx, &row, &Lost::infra(code, detail)).await?
        }
        AttemptOutcome::Failed { class, code, detail } => fail(tx, row.job, *class, code, detail).await?,
    };
    Ok((state, false))
}

/// Keeps what a node delivered, to be judged.
async fn keep_result(tx: &mut Tx, row: &AttemptRow, result: &serde_json::Value, finish: &Finish) -> Result<()> {
    sqlx::query(
        "INSERT INTO results (id, job, job_id, owner, benchmark, tier, size, node, kind, cores, label, parameters,
            spec_hash, report, evidence, files, created_at)
         SELECT ?1, j.key, j.id, j.owner, j.benchmark, 'pending', j.size, n.key, n.kind, n.cores, j.label, j.parameters,
            j.spec_hash, ?2, ?3, ?4, ?5
           FROM jobs j, nodes n WHERE j.key = ?6 AND n.key = ?7",
    )
    .bind(&row.id)
    .bind(result.to_string())
    .bind(&finish.evidence)
    .bind(&finish.files)
    .bind(tx.now)
    .bind(row.job)
    .bind(row.node)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}
