//! The queue: a node claims a job. The jobs table is the queue; whose turn it is stands in `lines`, see the
//! migration.

use hpl_spec::job::{JobEvent, JobState};
use sqlx::Row;

use super::attempts::{self, AttemptRow, Lost};
use super::jobs::{self, JobRow};
use super::nodes::{self, NodeRow};
use super::{Conn, Tx, explain};
use crate::attempt_key::AttemptKey;
use crate::error::{Code, Error, Result};
use crate::schedule::{self, Offer};

/// A retry avoids the node of the last try for so long, in milliseconds; then that node is better than none.
pub const AVOID: i64 = 5 * 60 * 1000;

/// What a node asks for, see [`hpl_spec::api::agent::ClaimRequest`].
#[derive(Debug, Clone)]
pub struct Claim {
    /// The node.
    pub node: i64,
    /// The boot id of its last hello.
    pub boot_id: String,
    /// Grows from claim to claim within a boot.
    pub seq: i64,
    /// Bytes of memory that a job may take.
    pub memory_available: u64,
    /// Free bytes where work folders are.
    pub free_disk: u64,
    /// Why it should not get a job.
    pub unhealthy: Vec<String>,
    /// The attempts it holds.
    pub holding: Vec<String>,
    /// The id of the attempt, if there will be one.
    pub attempt: String,
    /// What its token is made with.
    pub key: AttemptKey,
    /// For how long the attempt is safe without a sign of life, in milliseconds.
    pub lease_ms: i64,
    /// Runs of one user at the same time, where nothing else is set.
    pub running_max: u32,
    /// Whether a look into the queue found a job for it. Without, the queue is not looked at: the one writer has
    /// better things to do than to pass over jobs that fit nowhere.
    pub found: bool,
}

/// A job that a node has got.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The job as it is now.
    pub job: JobRow,
    /// The attempt's id.
    pub attempt: String,
}

/// Claims a job for a node, if there is one for it now.
///
/// # Errors
/// The node was started anew or copied without a hello; it is not well; it holds an attempt; the claim is an old
/// copy.
pub async fn claim(tx: &mut Tx, claim: &Claim) -> Result<Option<Claimed>> {
    let node = nodes::get(&mut tx.conn, claim.node).await?;
    if node.revoked {
        return Err(Error::new(Code::TokenExpired, "this node's token was revoked; join again"));
    }
    if node.boot_id != claim.boot_id {
        let detail = "this node said hello from another boot since; say hello before claiming";
        return Err(Error::new(Code::IdentityInUse, detail));
    }
    if claim.seq < node.claim_seq {
        return Err(Error::new(Code::Conflict, "a later claim of this node has arrived already"));
    }
    if let Some(held) = attempts::of_node(&mut tx.conn, node.key).await?
        && let Some(again) = held_already(tx, &node, claim, &held).await?
    {
        return Ok(again);
    }
    let (memory, disk) = (claim.memory_available, claim.free_disk);
    nodes::seen(tx, node.key, claim.seq, memory, disk, &claim.unhealthy).await?;
    if !claim.unhealthy.is_empty() {
        // What was seen is to stay, so this is no error of the unit: the caller looks at `unhealthy` itself.
        return Ok(None);
    }
    if !claim.holding.is_empty() {
        let detail = "the node still holds an attempt: bring it to its end before claiming another";
        return Err(Error::new(Code::NodeBusy, detail));
    }
    if node.draining || !claim.found {
        return Ok(None);
    }
    let offer = Offer { memory, ..node.offer() };
    match pick(&mut tx.conn, &offer, node.express_streak, claim.running_max, tx.now).await? {
        Some(key) => take(tx, &node, claim, key).await.map(Some),
        None => Ok(None),
    }
}

/// Whether there is an attempt on this node that may write.
///
/// # Errors
/// Of the database.
pub async fn holds(conn: &mut Conn, node: i64) -> Result<bool> {
    Ok(attempts::of_node(conn, node).await?.is_some())
}

/// What becomes of a claim while the service knows of an attempt on this node: the same answer again (also that
/// there is no job), or None if the node has forgotten the attempt and may have another one.
async fn held_already(
    tx: &mut Tx,
    node: &NodeRow,
    claim: &Claim,
    held: &AttemptRow,
) -> Result<Option<Option<Claimed>>> {
    let job = jobs::get(&mut tx.conn, held.job).await?.ok_or_else(|| Error::not_found("job"))?;
    if claim.seq == node.claim_seq {
        // A copy of the claim that made this attempt. Once the node has begun with it, it has the answer.
        let again = job.state == JobState::Claimed && job.fence == held.fence;
        return Ok(Some(again.then(|| Claimed { job, attempt: held.id.clone() })));
    }
    if claim.holding.contains(&held.id) {
        let detail = "the node holds an attempt; bring it to its end before claiming another";
        return Err(Error::new(Code::NodeBusy, detail).with("attempt", held.id.clone()));
    }
    attempts::lost(tx, held, &Lost::forgotten()).await?;
    Ok(None)
}

/// The job that a node should run next: express or other by [`schedule::express_first`], owners by fair share,
/// an owner's jobs by age.
///
/// # Errors
/// Of the database.
pub async fn pick(conn: &mut Conn, offer: &Offer, streak: i64, running_max: u32, now: i64) -> Result<Option<i64>> {
    let first = schedule::express_first(streak);
    for express in [first, !first] {
        let job = pick_of(conn, offer, express, running_max, now).await?;
        if job.is_some() {
            return Ok(job);
        }
    }
    Ok(None)
}

/// The conditions are those of [`Offer::fits`]; a property test keeps the two the same.
///
/// Owners are walked in the order of their turn and each one's jobs by age, by indexes that are in that order: the
/// first that fits is the answer, and nothing is sorted. `CROSS JOIN` forbids the planner another order.
pub(super) fn pick_statement(express: bool) -> String {
    let (line, index) =
        if express { ("l.express > 0", "lines_express") } else { ("l.queued > l.express", "lines_other") };
    format!(
        "SELECT j.key FROM lines l INDEXED BY {index}
           CROSS JOIN users u ON u.key = l.owner AND u.disabled_at IS NULL
           LEFT JOIN quotas qu ON qu.subject = 'user:' || u.name
           LEFT JOIN quotas qc ON u.cohort <> '' AND qc.subject = 'cohort:' || u.cohort
           CROSS JOIN jobs j INDEXED BY jobs_line ON j.owner = l.owner AND j.state = 'queued' AND j.express = ?1
          WHERE {line} AND l.running < coalesce(qu.running_max, qc.running_max, ?2)
            AND j.not_before <= ?3 AND j.need_cores <= ?4 AND j.bytes <= ?5
            AND (j.need_node IS NULL OR j.need_node = ?6)
            AND (j.avoid_node IS NULL OR j.avoid_node <> ?6 OR j.need_node = ?6 OR j.state_at <= ?3 - ?7)
            AND NOT EXISTS (SELECT 1 FROM json_each(j.need_labels) need
                             WHERE need.value NOT IN (SELECT value FROM json_each(?8)))
          ORDER BY l.share, l.owner, j.key LIMIT 1"
    )
}

async fn pick_of(conn: &mut Conn, offer: &Offer, express: bool, running_max: u32, now: i64) -> Result<Option<i64>> {
    sqlx::query_scalar(sqlx::AssertSqlSafe(pick_statement(express)))
        .bind(express)
        .bind(running_max)
        .bind(now)
        .bind(offer.cores)
        .bind(jobs::as_i64(offer.memory))
        .bind(&offer.node)
        .bind(AVOID)
        .bind(jobs::labels_json(&offer.labels))
        .fetch_optional(conn)
        .await
        .map_err(explain)
}

/// Gives the job to the node: a new fence, a new attempt.
async fn take(tx: &mut Tx, node: &NodeRow, claim: &Claim, job: i64) -> Result<Claimed> {
    let row = sqlx::query(
        "UPDATE jobs SET fence = fence + 1, attempts = attempts + 1, cancel_requested = 0, fail_class = NULL,
            fail_code = NULL, fail_detail = NULL
          WHERE key = ? AND state = 'queued' RETURNING fence, express",
    )
    .bind(job)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    let (fence, express): (i64, bool) = (row.get(0), row.get(1));
    sqlx::query(
        "INSERT INTO attempts (id, job, fence, node, token, boot_id, state, lease_until, beat_at, claimed_at, deadline, walltime_s)
         SELECT ?, key, ?, ?, ?, ?, 'live', ?, ?, ?, ?, walltime_s FROM jobs WHERE key = ?",
    )
    .bind(&claim.attempt)
    .bind(fence)
    .bind(node.key)
    .bind(claim.key.token(&claim.attempt, fence).hash().as_bytes().as_slice())
    .bind(&claim.boot_id)
    .bind(tx.now + claim.lease_ms)
    .bind(tx.now)
    .bind(tx.now)
    .bind(tx.now + attempts::START)
    .bind(job)
    .execute(&mut tx.conn)
    .await
    .map_err(explain)?;
    sqlx::query("UPDATE nodes SET express_streak = CASE WHEN ? THEN express_streak + 1 ELSE 0 END WHERE key = ?")
        .bind(express)
        .bind(node.key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    let event = JobEvent::Claimed {
        attempt: claim.attempt.parse().map_err(Error::internal)?,
        node: node.id.parse().map_err(Error::internal)?,
        fence,
    };
    jobs::step(tx, job, &event).await?;
    let job = jobs::get(&mut tx.conn, job).await?.ok_or_else(|| Error::not_found("job"))?;
    Ok(Claimed { job, attempt: claim.attempt.clone() })
}

/// How many queued jobs come before one of an owner's that was written down as `key` (None: now), if nodes took them
/// in order.
///
/// # Errors
/// Of the database.
pub async fn position(conn: &mut Conn, owner: i64, key: Option<i64>) -> Result<u32> {
    sqlx::query_scalar(
        "SELECT (SELECT coalesce(sum(queued), 0) FROM lines INDEXED BY lines_next
                  WHERE queued > 0 AND (share, owner) <
                        (coalesce((SELECT share FROM lines WHERE owner = ?1), ?3), ?1))
              + (SELECT count(*) FROM jobs WHERE owner = ?1 AND state = 'queued' AND key < ?2)",
    )
    .bind(owner)
    .bind(key.unwrap_or(i64::MAX))
    .bind(schedule::NO_SHARE)
    .fetch_one(conn)
    .await
    .map_err(explain)
}

/// An owner's line: the share, and how many run.
///
/// # Errors
/// Of the database.
pub async fn line(conn: &mut Conn, owner: i64) -> Result<(f64, u32)> {
    let row = sqlx::query("SELECT share, running FROM lines WHERE owner = ?").bind(owner);
    let row = row.fetch_optional(conn).await.map_err(explain)?;
    Ok(row.map_or((schedule::NO_SHARE, 0), |row| (row.get(0), row.get(1))))
}

/// How much of the quota of waiting jobs is taken: jobs on their own, and sweeps as one each.
///
/// # Errors
/// Of the database.
pub async fn waiting(conn: &mut Conn, owner: i64) -> Result<u32> {
    sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM jobs WHERE owner = ?1 AND state IN ('queued', 'held') AND sweep IS NULL)
              + (SELECT count(DISTINCT sweep) FROM jobs WHERE owner = ?1 AND state IN ('queued', 'held')
                    AND sweep IS NOT NULL)",
    )
    .bind(owner)
    .fetch_one(conn)
    .await
    .map_err(explain)
}
