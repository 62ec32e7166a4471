//! Results that came too late, or from an attempt that is not known here.

use sqlx::Row;

use super::attempts::Writer;
use super::{Tx, explain, late, nodes};
use crate::error::{Code, Error, Result};

/// A result that belongs to no attempt that may write.
#[derive(Debug, Clone)]
pub struct Orphan {
    /// The node that held it.
    pub node: i64,
    /// The id of the job it was for.
    pub job: String,
    /// Who brings it: its attempt, proven.
    pub writer: Writer,
    /// The username of the job's owner.
    pub owner: String,
    /// A row of the registry.
    pub benchmark: &'static str,
    /// Every parameter, as JSON.
    pub parameters: String,
    /// A few words that tell the run from others.
    pub label: String,
    /// How large the problem was.
    pub size: f64,
    /// The score by our own account; 0 if the report cannot be read.
    pub score: f64,
    /// Wall time in seconds; 0 if the report cannot be read.
    pub seconds: f64,
    /// Whether it passed its check.
    pub passed: bool,
    /// That check in words.
    pub check: String,
    /// What the program said.
    pub report: String,
    /// What the daemon said.
    pub evidence: String,
    /// The files it announced.
    pub files: String,
}

/// How many other orphans of a job there are.
pub(super) const OTHERS: &str = "SELECT count(*) FROM results WHERE job_id = ? AND tier = 'orphan' AND id <> ?";
/// Orphans of a job that are kept.
const KEPT: i64 = 8;
/// Its files are taken for so many milliseconds after it was kept.
const FILES_FOR: i64 = 24 * 3600 * 1000;

/// Keeps an orphan, unranked. Returns whether its job is known here, and whether the orphan was kept before.
///
/// An orphan of a job that is known belongs to that job's owner, whatever the node says; that of an unknown one to the
/// user of the name it says, privately.
///
/// # Errors
/// The attempt may still write, so it should finish the proper way; its job was deleted; it was another machine's, or at
/// another job; there are enough of that job.
pub async fn keep(tx: &mut Tx, orphan: &Orphan) -> Result<(bool, bool)> {
    check_attempt(tx, orphan).await?;
    check_number(tx, orphan).await?;
    let job = sqlx::query("SELECT key, owner FROM jobs WHERE id = ?")
        .bind(&orphan.job)
        .fetch_optional(&mut tx.conn)
        .await
        .map_err(explain)?;
    let (job, owner) = match &job {
        Some(row) => (Some(row.get::<i64, _>(0)), Some(row.get::<i64, _>(1))),
        None => {
            let owner = sqlx::query_scalar("SELECT key FROM users WHERE name = ?").bind(&orphan.owner);
            (None, owner.fetch_optional(&mut tx.conn).await.map_err(explain)?)
        }
    };
    let kept = sqlx::query(
        "INSERT INTO results (id, job, job_id, owner, benchmark, tier, size, node, kind, cores, label, parameters, report,
            evidence, files, created_at, score, seconds, passed, check_text, public)
         SELECT ?1, ?2, ?3, ?4, ?5, 'orphan', ?6, n.key, n.kind, n.cores, ?7, ?8, ?9, ?10, ?11, ?12, ?14, ?15, ?16, ?17,
                coalesce((SELECT visibility = 'public' FROM jobs WHERE key = ?2), 0)
           FROM nodes n WHERE n.key = ?13
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(&orphan.writer.attempt)
    .bind(job)
    .bind(&orphan.job)
    .bind(owner)
    .bind(orphan.benchmark)
    .bind(orphan.size)
    .bind(&orphan.label)
    .bind(&orphan.parameters)
    .bind(&orphan.report)
    .bind(&orphan.evidence)
    .bind(&orphan.files)
    .bind(tx.now)
    .bind(orphan.node)
    .bind(orphan.score)
    .bind(orphan.seconds)
    .bind(orphan.passed)
    .bind(&orphan.check)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    let dup = kept.rows_affected() == 0;
    if !dup {
        late::open_files(tx, &orphan.writer, tx.now + FILES_FOR).await?;
    }
    Ok((job.is_some(), dup))
}

async fn check_attempt(tx: &mut Tx, orphan: &Orphan) -> Result<()> {
    if let Some(gone) = late::gone(&mut tx.conn, &orphan.writer.attempt).await? {
        return Err(Error::new(Code::Ended, "the job of this attempt was deleted").with("state", gone.state));
    }
    let attempt: Option<(String, i64, String)> =
        sqlx::query_as("SELECT a.state, a.node, j.id FROM attempts a JOIN jobs j ON j.key = a.job WHERE a.id = ?")
            .bind(&orphan.writer.attempt)
            .fetch_optional(&mut tx.conn)
            .await
            .map_err(explain)?;
    match attempt {
        Some((state, ..)) if state == "live" || state == "lost" => {
            Err(Error::new(Code::Conflict, "this attempt may still write: finish it instead"))
        }
        Some((_, node, _)) if !nodes::one_machine(&mut tx.conn, node, orphan.node).await? => {
            Err(Error::new(Code::Forbidden, "this attempt was another machine's"))
        }
        Some((_, _, job)) if job != orphan.job => Err(Error::new(Code::Forbidden, "this attempt was at another job")),
        _ => Ok(()),
    }
}

async fn check_number(tx: &mut Tx, orphan: &Orphan) -> Result<()> {
    let others: i64 = sqlx::query_scalar(OTHERS)
        .bind(&orphan.job)
        .bind(&orphan.writer.attempt)
        .fetch_one(&mut tx.conn)
        .await
        .map_err(explain)?;
    if others < KEPT {
        return Ok(());
    }
    let detail = format!("{others} orphans of this job are kept, no more are");
    Err(Error::new(Code::QuotaExceeded, detail).with("limit", KEPT).retry_after(24 * 3600))
}
