//! Attempts: what a node may still write, and what becomes of a job when its node is silent.
//!
//! Every write names its fence. An attempt is `live`; `lost` while nobody knows whether it still runs; `ended` once
//! its end was accepted; `stale` once it may write no longer. Only the first two may write, and a lost one becomes
//! live by writing.

use hpl_spec::api::agent::AttemptStanding;
use hpl_spec::id::AttemptId;
use hpl_spec::job::JobEvent;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::jobs::step;
use super::{Conn, Tx, explain, late, nodes};
use crate::error::{Code, Error, Result};
use crate::secret::TokenHash;

mod end;
mod finish;
mod say;

pub use end::Lost;
pub(super) use end::{cancelled, cut_off, fail, lost};
pub use finish::{Finish, finish};
pub use say::{Beaten, Speaker, beat, check_dropped, check_progress, commands, events};

/// After its walltime a run that still speaks gets so many milliseconds to end.
pub const GRACE: i64 = 60_000;
/// A run that is silent may deliver so many milliseconds after its walltime.
pub const LOST_GRACE: i64 = 24 * 3600 * 1000;
/// What ended, or came back, gets so many milliseconds to deliver.
pub const DELIVERY: i64 = 15 * 60 * 1000;
/// A node may take so many milliseconds from the claim to the start.
pub const START: i64 = 15 * 60 * 1000;
/// Events of one attempt.
pub const EVENTS: u32 = 20_000;

/// An attempt.
#[derive(Debug, Clone)]
pub struct AttemptRow {
    /// Its key.
    pub key: i64,
    /// Its id.
    pub id: String,
    /// The job's key.
    pub job: i64,
    /// Its fence.
    pub fence: i64,
    /// The node's key.
    pub node: i64,
    /// The boot it began in.
    pub boot_id: String,
    /// `live`, `lost`, `ended` or `stale`.
    pub state: String,
    /// It is safe until then.
    pub lease_until: i64,
    /// It must have come so far at the latest then: to its start; to the end of its program, walltime and grace after
    /// it started; to its delivery.
    pub deadline: Option<i64>,
    /// The last beat.
    pub beat_seq: i64,
    /// The last event.
    pub event_seq: i64,
    /// When it was claimed.
    pub claimed_at: i64,
    /// When its program began.
    pub started_at: Option<i64>,
    /// When its program ended.
    pub finishing_at: Option<i64>,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// The hash of the end that was accepted.
    pub finish_hash: Option<Vec<u8>>,
    /// The hash of its token.
    token: Vec<u8>,
}

const COLUMNS: &str = "SELECT key, id, job, fence, node, boot_id, state, lease_until, deadline, beat_seq, event_seq,
    claimed_at, started_at, finishing_at, ended_at, finish_hash, token FROM attempts ";

/// The statements that are put together here, for the test that looks at their plans.
#[cfg(test)]
pub(super) fn statements() -> impl Iterator<Item = String> {
    let live = "state IN ('live', 'lost')";
    ["id = ?".to_owned(), format!("node = ? AND {live}"), format!("job = ? AND {live}")]
        .into_iter()
        .map(|which| format!("{COLUMNS} WHERE {which}"))
}

fn read(row: &SqliteRow) -> AttemptRow {
    AttemptRow {
        key: row.get("key"),
        id: row.get("id"),
        job: row.get("job"),
        fence: row.get("fence"),
        node: row.get("node"),
        boot_id: row.get("boot_id"),
        state: row.get("state"),
        lease_until: row.get("lease_until"),
        deadline: row.get("deadline"),
        beat_seq: row.get("beat_seq"),
        event_seq: row.get("event_seq"),
        claimed_at: row.get("claimed_at"),
        started_at: row.get("started_at"),
        finishing_at: row.get("finishing_at"),
        ended_at: row.get("ended_at"),
        finish_hash: row.get("finish_hash"),
        token: row.get("token"),
    }
}

/// The attempt of that id.
///
/// # Errors
/// Of the database.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<AttemptRow>> {
    let statement = format!("{COLUMNS} WHERE id = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(id).fetch_optional(conn).await.map_err(explain)?;
    Ok(row.as_ref().map(read))
}

/// The attempt of a node that may still write.
pub(super) async fn of_node(conn: &mut Conn, node: i64) -> Result<Option<AttemptRow>> {
    let statement = format!("{COLUMNS} WHERE node = ? AND state IN ('live', 'lost')");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(node).fetch_optional(conn).await.map_err(explain)?;
    Ok(row.as_ref().map(read))
}

/// The attempt of a job that may still write.
pub(super) async fn of_job(conn: &mut Conn, job: i64) -> Result<Option<AttemptRow>> {
    let statement = format!("{COLUMNS} WHERE job = ? AND state IN ('live', 'lost')");
    let row = sqlx::query(sqlx::AssertSqlSafe(statement)).bind(job).fetch_optional(conn).await.map_err(explain)?;
    Ok(row.as_ref().map(read))
}

/// Who writes: an attempt, its token and its fence.
#[derive(Debug, Clone)]
pub struct Writer {
    /// The attempt's id.
    pub attempt: String,
    /// The hash of its token.
    pub token: TokenHash,
    /// The fence that the write names.
    pub fence: i64,
}

/// Whether the token is that of the attempt that `writer` names, whatever its state and whatever fence is named.
///
/// # Errors
/// It is not known; the token is another's.
pub async fn prove(conn: &mut Conn, writer: &Writer) -> Result<()> {
    match identify(conn, writer).await {
        Err(why) if why.code == Code::UnknownAttempt && late::is_known(conn, writer).await? => Ok(()),
        other => other.map(|_| ()),
    }
}

/// The attempt that `writer` names, if the token is its own.
async fn identify(conn: &mut Conn, writer: &Writer) -> Result<AttemptRow> {
    let Some(row) = find(conn, &writer.attempt).await? else { return Err(absent(conn, writer).await?) };
    if TokenHash::from_slice(&row.token) == Some(writer.token) {
        Ok(row)
    } else {
        Err(Error::new(Code::Unauthenticated, "this token belongs to another attempt"))
    }
}

/// What an attempt hears that is not there.
async fn absent(conn: &mut Conn, writer: &Writer) -> Result<Error> {
    Ok(match late::gone(conn, &writer.attempt).await? {
        Some(gone) if !gone.has_token(&writer.token) => {
            Error::new(Code::Unauthenticated, "this token belongs to another attempt")
        }
        Some(gone) if gone.stale => stale(gone.fence),
        Some(gone) => Error::new(Code::Ended, "the job of this attempt was deleted").with("state", gone.state),
        None => {
            let detail = "the service does not know this attempt, perhaps because it was restored from a backup: let \
                          the run end, keep what it makes, and submit it as an orphan";
            Error::new(Code::UnknownAttempt, detail)
        }
    })
}

/// The attempt that `writer` names, if it may still write. However late the others come, they hear why not: a node may
/// have been cut off for days, and repeats its end until it is answered.
///
/// # Errors
/// As [`prove`]; its fence is dead, or it has ended.
pub async fn admit(conn: &mut Conn, writer: &Writer) -> Result<AttemptRow> {
    let row = identify(conn, writer).await?;
    match row.state.as_str() {
        _ if row.fence != writer.fence => Err(stale(row.fence)),
        "live" | "lost" => Ok(row),
        "stale" => Err(stale(row.fence)),
        _ => Err(ended(conn, row.job).await),
    }
}

/// Whether the attempt that `writer` names may still send logs and artifacts: also for a while after its end, and after
/// its orphan was kept.
///
/// # Errors
/// As [`admit`], once that while is over.
pub async fn admit_files(conn: &mut Conn, writer: &Writer, now: i64) -> Result<()> {
    let Err(why) = admit(conn, writer).await else { return Ok(()) };
    if late::takes_files(conn, writer, now).await? { Ok(()) } else { Err(why) }
}

/// After a node said hello from `boot`: an attempt of an earlier boot is gone, unless the node still holds it. What ran
/// has ended with that boot, but it may have ended before, and is to be delivered.
///
/// # Errors
/// Of the database.
pub async fn after_hello(tx: &mut Tx, node: i64, boot: &str, holding: &[AttemptId]) -> Result<()> {
    match of_node(&mut tx.conn, node).await? {
        Some(row) if row.boot_id != boot && holding.iter().all(|held| held.as_str() != row.id) => {
            lost(tx, &row, &Lost::reboot()).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// What a node is told of an attempt that it holds: the same as it would hear from the attempt's own routes.
///
/// # Errors
/// Of the database.
pub async fn standing(conn: &mut Conn, node: i64, attempt: &str) -> Result<AttemptStanding> {
    let Some(row) = find(conn, attempt).await? else {
        let gone = late::gone(conn, attempt).await?;
        return Ok(gone.map_or(AttemptStanding::Unknown, |gone| {
            if gone.stale { AttemptStanding::Stale } else { AttemptStanding::Ended }
        }));
    };
    Ok(match row.state.as_str() {
        _ if !nodes::one_machine(conn, row.node, node).await? => AttemptStanding::Unknown,
        "live" | "lost" => AttemptStanding::Live,
        "stale" => AttemptStanding::Stale,
        _ => AttemptStanding::Ended,
    })
}

fn stale(fence: i64) -> Error {
    let detail = "this attempt may write no longer: end the run, keep what it made, and submit it as an orphan";
    Error::new(Code::StaleFence, detail).with("fence", fence)
}

/// The attempt has ended: with where the job stands.
async fn ended(conn: &mut Conn, job: i64) -> Error {
    let state = sqlx::query_scalar::<_, String>("SELECT state FROM jobs WHERE key = ?").bind(job).fetch_one(conn).await;
    match state {
        Ok(state) => Error::new(Code::Ended, "the end of this attempt was accepted already").with("state", state),
        Err(cause) => explain(cause),
    }
}

/// A lost attempt speaks again. Its walltime counts as before; if that is over, or its program has ended, it gets time to
/// deliver, however late it is.
async fn revive(tx: &mut Tx, row: &mut AttemptRow, lease_ms: i64) -> Result<()> {
    if row.state != "lost" {
        return Ok(());
    }
    let lease_until = tx.now + lease_ms;
    let runs_on = row.deadline.filter(|at| *at > tx.now && row.finishing_at.is_none());
    let deadline = runs_on.unwrap_or(tx.now + DELIVERY);
    sqlx::query("UPDATE attempts SET state = 'live', beat_at = ?, lease_until = ?, deadline = ? WHERE key = ?")
        .bind(tx.now)
        .bind(lease_until)
        .bind(deadline)
        .bind(row.key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    row.state = "live".into();
    (row.lease_until, row.deadline) = (lease_until, Some(deadline));
    // Not what the daemon says of its phase, but what its events have told: they are still to come in order.
    step(tx, row.job, &JobEvent::Returned { finishing: row.finishing_at.is_some() }).await.map(|_| ())
}

/// The nodes that have an attempt which may still write.
///
/// # Errors
/// Of the database.
pub async fn busy_nodes(conn: &mut Conn) -> Result<std::collections::HashSet<i64>> {
    let nodes: Vec<i64> = sqlx::query_scalar("SELECT node FROM attempts WHERE state IN ('live', 'lost')")
        .fetch_all(conn)
        .await
        .map_err(explain)?;
    Ok(nodes.into_iter().collect())
}
