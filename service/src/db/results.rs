//! Results: reading them. [`list`] finds them by what they are, [`verdict`] changes them.

use hpl_spec::api::jobs::{NodeRef, Visibility};
use hpl_spec::api::results::{ResultDetail, ResultRow, ResultTier};
use serde::de::DeserializeOwned;

use super::{Conn, explain};
use crate::error::{Error, Result};

pub mod list;
#[cfg(test)]
mod tests;
pub mod verdict;

/// What a [`Row`] is read from; `r` is the result.
macro_rules! row {
    () => {
        "r.key, r.id, r.job_id, u.name AS owner, r.benchmark, r.label, r.tier, r.accepted, r.ranked, r.public, r.score, \
         r.seconds, r.size, r.percent, r.per_watt, n.id AS node_id, n.name AS node_name, r.kind, r.cores, r.flag_why, \
         r.created_at"
    };
}
/// The tables beside it.
macro_rules! beside {
    () => {
        "LEFT JOIN users u ON u.key = r.owner LEFT JOIN nodes n ON n.key = r.node"
    };
}
pub(in crate::db) use {beside, row};

const GET: &str = concat!(
    "SELECT ",
    row!(),
    ", r.owner AS owner_key, r.job, r.check_text, r.passed, r.parameters, r.files, r.findings, \
         r.evidence, r.report, r.spec_hash, r.node FROM results r ",
    beside!(),
    " WHERE r.id = ?"
);
const ID_OF_JOB: &str = "SELECT r.id FROM jobs j CROSS JOIN results r ON r.job = j.key WHERE j.id = ?
          ORDER BY r.accepted DESC, r.key DESC LIMIT 1";
const REPRODUCED: &str = "SELECT count(*) FROM (
             SELECT DISTINCT node, created_at / ?5 AS day FROM (
                 SELECT node, created_at FROM results INDEXED BY results_spec
                  WHERE spec_hash = ?1 AND score BETWEEN ?2 AND ?3 AND accepted = 1 AND public = 1
                    AND tier IN ('verified', 'reported') LIMIT 20000)
              WHERE node IS NOT ?4 OR created_at / ?5 <> ?6 / ?5 LIMIT 1000)";
const HISTORY: &str = "SELECT size, score FROM results INDEXED BY results_history
          WHERE node = ? AND benchmark = ? AND accepted = 1 AND passed = 1 AND tier IN ('verified', 'reported')
          ORDER BY key DESC LIMIT 200";

/// A result as lists show it, as it lies there.
#[derive(Debug, sqlx::FromRow)]
pub(in crate::db) struct Row {
    pub(in crate::db) key: i64,
    id: String,
    job_id: String,
    owner: Option<String>,
    benchmark: String,
    label: String,
    tier: String,
    accepted: bool,
    ranked: bool,
    public: bool,
    score: f64,
    seconds: f64,
    size: f64,
    percent: f64,
    per_watt: f64,
    node_id: Option<String>,
    node_name: Option<String>,
    kind: String,
    cores: u32,
    flag_why: String,
    created_at: i64,
}

impl Row {
    pub(in crate::db) fn into_wire(self) -> Result<ResultRow> {
        let node = match (self.node_id, self.node_name) {
            (Some(id), Some(name)) => Some(NodeRef { id: id.parse().map_err(Error::internal)?, name }),
            _ => None,
        };
        let tier = ResultTier::from_name(&self.tier);
        Ok(ResultRow {
            id: self.id.parse().map_err(Error::internal)?,
            job: self.job_id.parse().map_err(Error::internal)?,
            owner: self.owner,
            benchmark: self.benchmark,
            label: self.label,
            tier: tier.ok_or_else(|| Error::internal(format!("a result of tier {}", self.tier)))?,
            accepted: self.accepted,
            ranked: self.ranked,
            visibility: if self.public { Visibility::Public } else { Visibility::Private },
            score: self.score,
            seconds: self.seconds,
            size: self.size,
            percent: (self.percent > 0.0).then_some(self.percent),
            per_watt: (self.per_watt > 0.0).then_some(self.per_watt),
            node,
            kind: self.kind,
            cores: self.cores,
            flag_why: self.flag_why,
            created_at: self.created_at,
        })
    }
}

/// A result with all that speaks for it, and who may see it.
#[derive(Debug, Clone, PartialEq)]
pub struct Full {
    /// The row.
    pub key: i64,
    /// Whose it is.
    pub owner: Option<i64>,
    /// The job's row, if the job is known.
    pub job: Option<i64>,
    /// What is told of it.
    pub detail: ResultDetail,
}

#[derive(sqlx::FromRow)]
struct FullRow {
    #[sqlx(flatten)]
    row: Row,
    owner_key: Option<i64>,
    job: Option<i64>,
    check_text: String,
    passed: bool,
    parameters: String,
    files: String,
    findings: String,
    evidence: String,
    report: String,
    spec_hash: String,
    node: Option<i64>,
}

/// The result of that id.
///
/// # Errors
/// The database fails.
pub async fn get(conn: &mut Conn, id: &str) -> Result<Option<Full>> {
    let found = sqlx::query_as(GET);
    let found: Option<FullRow> = found.bind(id).fetch_optional(&mut *conn).await.map_err(explain)?;
    let Some(full) = found else { return Ok(None) };
    let reproduced = reproduced(conn, &full).await?;
    full.into_full(reproduced).map(Some)
}

impl FullRow {
    fn into_full(self, reproduced: u32) -> Result<Full> {
        let key = self.row.key;
        let detail = ResultDetail {
            row: self.row.into_wire()?,
            check: self.check_text,
            passed: self.passed,
            findings: json(&self.findings)?,
            reproduced,
            parameters: json(&self.parameters)?,
            report: json(&self.report)?,
            // As for the verdict: what cannot be read is as good as nothing.
            evidence: serde_json::from_str(&self.evidence).unwrap_or(None),
            files: json(&self.files)?,
        };
        Ok(Full { key, owner: self.owner_key, job: self.job, detail })
    }
}

/// JSON that we wrote ourselves.
fn json<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|cause| Error::internal(format!("JSON in the database: {cause}")))
}

/// The id of the result that a job is known by: the accepted one, else the latest.
///
/// # Errors
/// The database fails.
pub async fn id_of_job(conn: &mut Conn, job_id: &str) -> Result<Option<String>> {
    sqlx::query_scalar(ID_OF_JOB).bind(job_id).fetch_optional(conn).await.map_err(explain)
}

/// On how many other nodes, or other days of the same node, the same run came within 5 % of the score of this one:
/// among public results that nothing contradicts. A node counts once a day, however often it repeats a run.
async fn reproduced(conn: &mut Conn, result: &FullRow) -> Result<u32> {
    const DAY: i64 = 86_400_000;
    let score = result.row.score;
    if result.spec_hash.is_empty() || score <= 0.0 {
        return Ok(0);
    }
    sqlx::query_scalar(REPRODUCED)
        .bind(&result.spec_hash)
        .bind(score * 0.95)
        .bind(score * 1.05)
        .bind(result.node)
        .bind(DAY)
        .bind(result.row.created_at)
        .fetch_one(conn)
        .await
        .map_err(explain)
}

/// What score a run of this size can be expected to reach on a node: the weighted median over the node's latest
/// accepted results (at most 20 of the latest 200) whose size is within a factor of four of this one. A result of
/// the same size weighs 1, of half or twice the size a half, and so on: rates grow with size, so that what lies near
/// says most. None without such a result.
///
/// # Errors
/// The database fails.
pub async fn recent_rate(conn: &mut Conn, node: i64, benchmark: &str, size: f64) -> Result<Option<f64>> {
    let latest: Vec<(f64, f64)> =
        sqlx::query_as(HISTORY).bind(node).bind(benchmark).fetch_all(conn).await.map_err(explain)?;
    Ok(near_median(&latest, size))
}

/// The weighted median of [`recent_rate`] over pairs of size and score, the latest first.
fn near_median(latest: &[(f64, f64)], size: f64) -> Option<f64> {
    let octaves = |other: f64| if other == size { 0.0 } else { (other / size).log2().abs() };
    let near = latest.iter().filter(|(other, _)| octaves(*other) <= 2.0).take(20);
    let mut weighed: Vec<(f64, f64)> = near.map(|&(other, score)| (score, (-octaves(other)).exp2())).collect();
    weighed.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = weighed.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut sum = 0.0;
    weighed.into_iter().find_map(|(score, weight)| {
        sum += weight;
        (sum >= half).then_some(score)
    })
}
