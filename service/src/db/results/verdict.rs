//! Results change: they are judged once, and may be hidden, flagged and brought back.

use hpl_spec::api::results::ResultTier;
use hpl_spec::benchmark::Finding;
use hpl_spec::evidence::Evidence;
use hpl_spec::{AttemptId, JobEvent, JobState, NodeInfo};
use serde_json::Value;

use super::json;
use crate::db::{Conn, Tx, explain, jobs};
use crate::error::{Code, Error, Result};

pub(super) const PENDING: &str =
    "SELECT r.key, r.id, r.benchmark, j.parameters, r.report, r.evidence, a.boot_id, a.claimed_at, a.started_at,
                a.finishing_at, coalesce(a.ended_at, r.created_at) AS ended_at, n.info, n.kind, n.cores, n.trusted
           FROM results r CROSS JOIN jobs j ON j.key = r.job CROSS JOIN attempts a ON a.id = r.id
           CROSS JOIN nodes n ON n.key = a.node
          WHERE r.job = ? AND r.tier = 'pending'";
pub(super) const PROGRESS: &str =
    "SELECT at, data FROM events WHERE job = ? AND kind IN ('claimed', 'progress') ORDER BY seq";
pub(super) const SETTLED: &str =
    "SELECT j.key, j.state, EXISTS (SELECT 1 FROM results o WHERE o.job = j.key AND o.accepted = 1)
           FROM results r CROSS JOIN jobs j ON j.key = r.job WHERE r.key = ? AND r.tier = 'pending'";
pub(super) const WRITE: &str =
    "UPDATE results SET tier = ?2, assessed = ?2, accepted = ?3, passed = ?4, check_text = ?5, score = ?6,
                seconds = ?7, size = ?8, percent = ?9, label = ?10, findings = ?11, rankable = ?12, flag_why = ?13,
                kind = ?14, cores = ?15, per_watt = ?16,
                public = coalesce((SELECT j.visibility = 'public' FROM jobs j WHERE j.key = job), public),
                spec_hash = coalesce((SELECT j.spec_hash FROM jobs j WHERE j.key = job), spec_hash)
          WHERE key = ?1";
pub(super) const RANK: &str = "UPDATE results SET ranked = 1
          WHERE key = ? AND ranked = 0 AND accepted = 1 AND public = 1 AND rankable = 1 AND owner IS NOT NULL
            AND tier IN ('verified', 'reported')";
pub(super) const HIDE: &str = "UPDATE results SET public = 0, ranked = 0 WHERE job = ? AND public = 1";
pub(super) const SHOW: &str = "UPDATE results SET public = 1 WHERE job = ? AND public = 0 RETURNING key";
pub(super) const NODE_INFO: &str = "SELECT n.info FROM results r CROSS JOIN nodes n ON n.key = r.node WHERE r.key = ?";

/// A result that waits to be judged, and all that the service knows of how it came about.
#[derive(Debug, Clone)]
pub struct Pending {
    /// Its row.
    pub key: i64,
    /// Its attempt.
    pub attempt: AttemptId,
    /// A row of the registry.
    pub benchmark: String,
    /// What was asked for.
    pub parameters: Value,
    /// What the program said.
    pub report: Value,
    /// What the daemon said.
    pub evidence: Option<Evidence>,
    /// The node's boot id at the claim.
    pub boot_id: String,
    /// When the node got the job.
    pub claimed_at: i64,
    /// When the word came that the program runs.
    pub started_at: Option<i64>,
    /// When the word came that it had ended.
    pub finishing_at: Option<i64>,
    /// When the result came.
    pub ended_at: i64,
    /// What the node said it is; None if it never did.
    pub info: Option<NodeInfo>,
    /// The node's CPU model.
    pub kind: String,
    /// The node's physical cores.
    pub cores: u32,
    /// Whether the node is ours.
    pub trusted: bool,
}

#[derive(sqlx::FromRow)]
struct PendingRow {
    key: i64,
    id: String,
    benchmark: String,
    parameters: String,
    report: String,
    evidence: String,
    boot_id: String,
    claimed_at: i64,
    started_at: Option<i64>,
    finishing_at: Option<i64>,
    ended_at: i64,
    info: String,
    kind: String,
    cores: u32,
    trusted: bool,
}

/// The result of a job that waits to be judged.
///
/// # Errors
/// The database fails.
pub async fn pending(conn: &mut Conn, job: i64) -> Result<Option<Pending>> {
    let row: Option<PendingRow> = sqlx::query_as(PENDING).bind(job).fetch_optional(conn).await.map_err(explain)?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Pending {
        key: row.key,
        attempt: row.id.parse().map_err(Error::internal)?,
        benchmark: row.benchmark,
        parameters: json(&row.parameters)?,
        report: json(&row.report)?,
        // A daemon of another version may have said more than we can read; that is as good as nothing.
        evidence: serde_json::from_str(&row.evidence).unwrap_or(None),
        boot_id: row.boot_id,
        claimed_at: row.claimed_at,
        started_at: row.started_at,
        finishing_at: row.finishing_at,
        ended_at: row.ended_at,
        info: serde_json::from_str(&row.info).ok(),
        kind: row.kind,
        cores: row.cores,
        trusted: row.trusted,
    }))
}

/// When progress of an attempt came, and what it said, in the order in which the node told it.
///
/// # Errors
/// The database fails.
pub async fn progress(conn: &mut Conn, job: i64, attempt: &AttemptId) -> Result<Vec<(i64, hpl_spec::Progress)>> {
    let events: Vec<(i64, String)> = sqlx::query_as(PROGRESS).bind(job).fetch_all(conn).await.map_err(explain)?;
    let mut told = Vec::new();
    let mut of_attempt = false;
    for (at, data) in events {
        let mut data: Value = json(&data)?;
        // The node's own time stands beside the event; only ours counts here.
        data.as_object_mut().map(|fields| fields.remove("node_ms"));
        match serde_json::from_value(data).map_err(Error::internal)? {
            JobEvent::Claimed { attempt: claimed, .. } => of_attempt = claimed == *attempt,
            JobEvent::Progress(progress) if of_attempt => told.push((at, progress)),
            _ => {}
        }
    }
    Ok(told)
}

/// What a result is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// Where it stands.
    pub tier: ResultTier,
    /// Whether the benchmark's check passed.
    pub passed: bool,
    /// That check, in words.
    pub check: String,
    /// The score.
    pub score: f64,
    /// Wall time in seconds of what was measured.
    pub seconds: f64,
    /// How large the problem was.
    pub size: f64,
    /// The score in per cent of the node's peak; 0 where it has none.
    pub percent: f64,
    /// The score over the mean power of the run; 0 where that is not known.
    pub per_watt: f64,
    /// A few words that tell the run from others.
    pub label: String,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
    /// Whether it was run as rankings ask.
    pub rankable: bool,
    /// Why it is flagged; empty if it is not.
    pub flag_why: String,
    /// The category: the node's CPU model.
    pub kind: String,
    /// The category: its physical cores.
    pub cores: u32,
}

/// Writes the verdict on a pending result, and moves its job. A verdict on what was judged before changes nothing.
/// Where the job ended otherwise meanwhile, the result is kept as an orphan. Returns whether it was written.
///
/// # Errors
/// The database fails.
pub async fn settle(tx: &mut Tx, result: i64, verdict: &Verdict) -> Result<bool> {
    let found: Option<(i64, String, bool)> =
        sqlx::query_as(SETTLED).bind(result).fetch_optional(&mut tx.conn).await.map_err(explain)?;
    let Some((job, state, taken)) = found else { return Ok(false) };
    let in_time = state == JobState::Verifying.name() && !taken;
    let tier = if in_time { verdict.tier } else { ResultTier::Orphan };
    write(tx, result, verdict, tier, in_time && verdict.passed).await?;
    rank(tx, result).await?;
    if state == JobState::Verifying.name() {
        let event = JobEvent::Verified { passed: verdict.passed, check: verdict.check.clone() };
        jobs::step(tx, job, &event).await?;
    }
    Ok(true)
}

async fn write(tx: &mut Tx, result: i64, verdict: &Verdict, tier: ResultTier, accepted: bool) -> Result<()> {
    let findings = serde_json::to_string(&verdict.findings).map_err(Error::internal)?;
    sqlx::query(WRITE)
        .bind(result)
        .bind(tier.name())
        .bind(accepted)
        .bind(verdict.passed)
        .bind(&verdict.check)
        .bind(verdict.score)
        .bind(verdict.seconds)
        .bind(verdict.size)
        .bind(verdict.percent)
        .bind(&verdict.label)
        .bind(findings)
        .bind(verdict.rankable)
        .bind(&verdict.flag_why)
        .bind(&verdict.kind)
        .bind(verdict.cores)
        .bind(verdict.per_watt)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// Puts a result into the rankings if it belongs there. The table's own check says the same once more.
async fn rank(tx: &mut Tx, result: i64) -> Result<()> {
    sqlx::query(RANK).bind(result).execute(&mut tx.conn).await.map_err(explain)?;
    Ok(())
}

/// Shows all results of a job to everybody, or hides them; what is hidden leaves the rankings. The job itself is
/// changed by the caller, in the same unit.
///
/// # Errors
/// The database fails.
pub async fn set_visibility(tx: &mut Tx, job: i64, public: bool) -> Result<()> {
    if !public {
        let hide = sqlx::query(HIDE).bind(job);
        hide.execute(&mut tx.conn).await.map_err(explain)?;
        return Ok(());
    }
    let show = sqlx::query_scalar(SHOW);
    let shown: Vec<i64> = show.bind(job).fetch_all(&mut tx.conn).await.map_err(explain)?;
    for result in shown {
        rank(tx, result).await?;
    }
    Ok(())
}

/// A result before and after somebody changed its tier, for the audit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The tier it had.
    pub before: String,
    /// The tier it has.
    pub after: String,
}

/// An administrator takes an accepted result out of the rankings. It stays in the history, with the reason.
///
/// # Errors
/// It is not accepted, or flagged already.
pub async fn flag(tx: &mut Tx, result: i64, why: &str) -> Result<Change> {
    let before = tier_of(tx, result).await?;
    if !matches!(before, ResultTier::Verified | ResultTier::Reported) {
        let detail = format!("the result is {before}; only one that is verified or reported can be flagged");
        return Err(Error::new(Code::Conflict, detail).with("tier", before.name()));
    }
    sqlx::query("UPDATE results SET tier = 'flagged', flag_why = ?2, ranked = 0 WHERE key = ?1")
        .bind(result)
        .bind(why)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(Change { before: before.name().into(), after: ResultTier::Flagged.name().into() })
}

/// An administrator takes a flag off. The result has the tier again that its evidence gave it; if that was flagged,
/// it is Reported from now on, since somebody vouches for it.
///
/// # Errors
/// It is not flagged.
pub async fn unflag(tx: &mut Tx, result: i64) -> Result<Change> {
    let before = tier_of(tx, result).await?;
    if before != ResultTier::Flagged {
        let detail = format!("the result is {before}, not flagged");
        return Err(Error::new(Code::Conflict, detail).with("tier", before.name()));
    }
    let after: String = sqlx::query_scalar(
        "UPDATE results SET tier = CASE assessed WHEN 'verified' THEN 'verified' ELSE 'reported' END, flag_why = ''
          WHERE key = ? RETURNING tier",
    )
    .bind(result)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    rank(tx, result).await?;
    Ok(Change { before: before.name().into(), after })
}

async fn tier_of(tx: &mut Tx, result: i64) -> Result<ResultTier> {
    let found = sqlx::query_scalar("SELECT tier FROM results WHERE key = ?").bind(result);
    let tier: Option<String> = found.fetch_optional(&mut tx.conn).await.map_err(explain)?;
    let tier = tier.ok_or_else(|| Error::not_found("result"))?;
    ResultTier::from_name(&tier).ok_or_else(|| Error::internal(format!("a result of tier {tier}")))
}

/// What the node of a result said it is; None if it is not known, or never said.
///
/// # Errors
/// The database fails.
pub async fn node_info(conn: &mut Conn, result: i64) -> Result<Option<NodeInfo>> {
    let found = sqlx::query_scalar(NODE_INFO);
    let info: Option<String> = found.bind(result).fetch_optional(conn).await.map_err(explain)?;
    Ok(info.and_then(|info| serde_json::from_str(&info).ok()))
}
