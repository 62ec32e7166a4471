//! What an attempt says while it lives: beats and events.

use std::collections::BTreeMap;

use hpl_spec::api::agent::{AgentEvent, BeatRequest, Command, NumberedEvent};
use hpl_spec::job::{JobEvent, Progress};
use sqlx::Row;

use super::{AttemptRow, DELIVERY, EVENTS, GRACE, Writer, admit, revive};
use crate::db::jobs::step_with;
use crate::db::{Conn, Tx, explain, sweeps};
use crate::error::{Code, Error, Result};

/// What a beat changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Beaten {
    /// Whether this beat, or a newer one, was there before.
    pub dup: bool,
    /// What the service wants.
    pub commands: Vec<Command>,
    /// The node.
    pub node: Speaker,
}

/// The node that an attempt is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// Its id.
    pub id: String,
    /// Its name, which others may have too.
    pub name: String,
}

/// A sign of life.
///
/// # Errors
/// As [`admit`].
pub async fn beat(
    tx: &mut Tx,
    writer: &Writer,
    beat: &BeatRequest,
    lease_ms: i64,
    daemon: Option<&str>,
) -> Result<Beaten> {
    let seq = i64::try_from(beat.seq).unwrap_or(i64::MAX);
    let dropped = serde_json::to_string(&beat.dropped).map_err(Error::internal)?;
    // The common case in one statement: alive, and newer than the last.
    let row = sqlx::query(
        "UPDATE attempts SET lease_until = ?1, beat_at = ?2, beat_seq = ?3, progress = coalesce(?4, progress),
            dropped = ?5
          WHERE id = ?6 AND token = ?7 AND fence = ?8 AND state = 'live' AND beat_seq < ?3 RETURNING job",
    )
    .bind(tx.now + lease_ms)
    .bind(tx.now)
    .bind(seq)
    .bind(beat.progress.map(|p| progress_json(&p)))
    .bind(&dropped)
    .bind(&writer.attempt)
    .bind(writer.token.as_bytes().as_slice())
    .bind(writer.fence)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    let mut dup = false;
    let mut job = row.map(|row| row.get(0));
    if job.is_none() {
        let mut row = admit(&mut tx.conn, writer).await?;
        dup = seq <= row.beat_seq;
        if !dup {
            revive(tx, &mut row, lease_ms).await?;
            sqlx::query(
                "UPDATE attempts SET beat_seq = ?, beat_at = ?, progress = coalesce(?, progress), dropped = ?
                  WHERE key = ?",
            )
            .bind(seq)
            .bind(tx.now)
            .bind(beat.progress.map(|p| progress_json(&p)))
            .bind(&dropped)
            .bind(row.key)
            .execute(&mut tx.conn)
            .await
            .map_err(explain)?;
            job = Some(row.job);
        }
    }
    if let (Some(job), Some(progress)) = (job, &beat.progress) {
        sweeps::stop_if_hopeless(tx, job, progress).await?;
    }
    let (commands, node) = commands(&mut tx.conn, &writer.attempt, daemon).await?;
    Ok(Beaten { dup, commands, node })
}

fn progress_json(progress: &Progress) -> String {
    serde_json::to_string(progress).unwrap_or_default()
}

/// What the service wants of the node of an attempt now, and which node that is. `daemon` is the version that daemons
/// should have, if one was named.
///
/// # Errors
/// Of the database.
pub async fn commands(conn: &mut Conn, attempt: &str, daemon: Option<&str>) -> Result<(Vec<Command>, Speaker)> {
    let row = sqlx::query(
        "SELECT j.cancel_requested, n.draining, n.id, n.name, j.walltime_s, a.walltime_s AS told, n.version,
                EXISTS (SELECT 1 FROM stopped WHERE job = j.key) AS hopeless
           FROM attempts a JOIN jobs j ON j.key = a.job JOIN nodes n ON n.key = a.node WHERE a.id = ?",
    )
    .bind(attempt)
    .fetch_one(conn)
    .await
    .map_err(explain)?;
    let mut commands = vec![];
    if row.get("cancel_requested") {
        let why = match row.get("hopeless") {
            true => "its sweep has a better run, which this one could no longer reach",
            false => "its owner or an administrator cancelled the job",
        };
        commands.push(Command::Cancel { why: why.into() });
    }
    let (walltime_s, told): (u32, u32) = (row.get("walltime_s"), row.get("told"));
    if walltime_s != told {
        commands.push(Command::Extend { walltime_s });
    }
    if row.get("draining") {
        commands.push(Command::Drain);
    }
    if let Some(version) = daemon.filter(|v| *v != row.get::<&str, _>("version")) {
        commands.push(Command::Update { version: version.into() });
    }
    Ok((commands, Speaker { id: row.get("id"), name: row.get("name") }))
}

/// Events in order; what is known already is passed over. Returns the number of the last event and whether all were
/// known.
///
/// # Errors
/// As [`admit`]; there is a gap before them; one of them cannot happen now; there are too many.
pub async fn events(tx: &mut Tx, writer: &Writer, events: &[NumberedEvent], lease_ms: i64) -> Result<(u64, bool)> {
    let mut row = admit(&mut tx.conn, writer).await?;
    let known = row.event_seq;
    let new: Vec<_> = events.iter().filter(|e| number(e) > known).collect();
    if new.is_empty() {
        return Ok((known as u64, true));
    }
    for (event, expected) in new.iter().zip(known + 1..) {
        if number(event) != expected {
            return Err(missing_events(expected));
        }
    }
    if number(new[new.len() - 1]) > i64::from(EVENTS) {
        let detail = format!("an attempt may have {EVENTS} events; send progress less often");
        return Err(Error::new(Code::TooLong, detail).with("limit", EVENTS));
    }
    revive(tx, &mut row, lease_ms).await?;
    for event in &new {
        happen(tx, &row, event).await?;
    }
    let last = known + new.len() as i64;
    sqlx::query("UPDATE attempts SET event_seq = ?, beat_at = ?, lease_until = max(lease_until, ?) WHERE key = ?")
        .bind(last)
        .bind(tx.now)
        .bind(tx.now + lease_ms)
        .bind(row.key)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok((last as u64, false))
}

fn number(event: &NumberedEvent) -> i64 {
    i64::try_from(event.seq).unwrap_or(i64::MAX)
}

pub(super) fn missing_events(expected: i64) -> Error {
    let detail = format!("the next event is number {expected}; send from there on");
    Error::new(Code::MissingEvents, detail).with("expected_seq", expected)
}

/// One event of a node.
async fn happen(tx: &mut Tx, row: &AttemptRow, event: &NumberedEvent) -> Result<()> {
    let (moved, times) = match &event.event {
        AgentEvent::Preparing => (JobEvent::Preparing, None),
        AgentEvent::Started => (
            JobEvent::Started,
            Some(
                "UPDATE attempts SET started_at = ?1, deadline = ?1 + ?2
                    + 1000 * (SELECT walltime_s FROM jobs WHERE key = attempts.job) WHERE key = ?3",
            ),
        ),
        AgentEvent::Progress(progress) => {
            check_progress(progress)?;
            let update = sqlx::query("UPDATE attempts SET progress = ? WHERE key = ?");
            update.bind(progress_json(progress)).bind(row.key).execute(&mut tx.conn).await.map_err(explain)?;
            (JobEvent::Progress(*progress), None)
        }
        AgentEvent::Finishing => (
            JobEvent::Finishing,
            // Whatever its walltime was: now it has the time to deliver.
            Some("UPDATE attempts SET finishing_at = ?1, deadline = ?1 + ?2 WHERE key = ?3"),
        ),
    };
    if let Some(times) = times {
        let margin = if moved == JobEvent::Finishing { DELIVERY } else { GRACE };
        sqlx::query(times).bind(tx.now).bind(margin).bind(row.key).execute(&mut tx.conn).await.map_err(explain)?;
    }
    step_with(tx, row.job, &moved, Some(event.at_ms)).await?;
    match &event.event {
        AgentEvent::Progress(progress) => sweeps::stop_if_hopeless(tx, row.job, progress).await,
        _ => Ok(()),
    }
}

/// How far a run says it is, checked.
///
/// # Errors
/// A number that cannot be.
pub fn check_progress(progress: &Progress) -> Result<()> {
    let Progress { fraction, seconds, score, score_now } = *progress;
    if (0.0..=1.0).contains(&fraction) && [seconds, score, score_now].iter().all(|v| v.is_finite() && *v >= 0.0) {
        Ok(())
    } else {
        let found = progress_json(progress);
        Err(Error::field("progress", format!("found {found}; expected a fraction from 0 to 1 and no number below 0")))
    }
}

/// The figures a beat may bring, checked: names and numbers of them.
///
/// # Errors
/// The first that is wrong.
pub fn check_dropped(dropped: &BTreeMap<String, u64>) -> Result<()> {
    if dropped.len() > 16 || dropped.keys().any(|k| k.len() > 48) {
        return Err(Error::field("dropped", "expected at most 16 kinds with names of at most 48 characters"));
    }
    Ok(())
}
