//! Sweeps: jobs that were submitted together, and the runs of them that can no longer be the best.

use hpl_spec::api::jobs::Stopped;
use hpl_spec::benchmark::{self, figure};
use hpl_spec::job::Progress;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::{Conn, Tx, explain, jobs, orders};
use crate::error::{Error, Result};

// These two were chosen by reasoning. Later steps of a run are smaller and slower, so that a score so far falls towards
// the end and never comes back: a bound of the score that is to come. In the first steps it still jumps, and the same
// run again differs by a few per cent.
/// From this part of the work on a run may be found hopeless...
pub const LOOK_FROM: f64 = 0.25;
/// ...if its score so far is below this part of the best.
pub const HOPELESS: f64 = 0.9;

/// A sweep to be written down.
#[derive(Debug, Clone)]
pub struct NewSweep {
    /// Its id.
    pub id: String,
    /// The row of its owner.
    pub owner: i64,
    /// A row of the registry.
    pub benchmark: &'static str,
    /// The input file.
    pub input: String,
    /// What the order of its runs was drawn with.
    pub seed: u32,
    /// How often each point is run.
    pub repeats: u32,
    /// Whether runs that can no longer be the best are ended.
    pub stop_hopeless: bool,
}

/// A sweep.
#[derive(Debug, Clone)]
pub struct SweepRow {
    /// When it was written down.
    pub created_at: i64,
    /// See [`NewSweep`]; None for one from before there were seeds.
    pub seed: Option<u32>,
    /// See [`NewSweep`].
    pub repeats: u32,
    /// See [`NewSweep`].
    pub stop_hopeless: bool,
}

/// Writes a sweep down.
///
/// # Errors
/// Of the database.
pub async fn create(tx: &mut Tx, new: &NewSweep) -> Result<()> {
    sqlx::query(
        "INSERT INTO sweeps (id, owner, benchmark, input, created_at, seed, repeats, stop_hopeless)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(&new.id)
    .bind(new.owner)
    .bind(new.benchmark)
    .bind(&new.input)
    .bind(tx.now)
    .bind(new.seed)
    .bind(new.repeats)
    .bind(new.stop_hopeless)
    .execute(&mut tx.conn)
    .await
    .map(|_| ())
    .map_err(explain)
}

/// The sweep of that id.
///
/// # Errors
/// Of the database.
pub async fn find(conn: &mut Conn, id: &str) -> Result<Option<SweepRow>> {
    let row = sqlx::query("SELECT created_at, seed, repeats, stop_hopeless FROM sweeps WHERE id = ?").bind(id);
    let row = row.fetch_optional(conn).await.map_err(explain)?;
    Ok(row.map(|row| SweepRow {
        created_at: row.get("created_at"),
        seed: row.get("seed"),
        repeats: row.get("repeats"),
        stop_hopeless: row.get("stop_hopeless"),
    }))
}

/// The drafts of an owner's sweep, in their order.
///
/// # Errors
/// Of the database.
pub async fn drafts(tx: &mut Tx, sweep: &str, owner: i64) -> Result<Vec<i64>> {
    sqlx::query_scalar("SELECT key FROM jobs WHERE sweep = ? AND owner = ? AND state = 'draft' ORDER BY key")
        .bind(sweep)
        .bind(owner)
        .fetch_all(&mut tx.conn)
        .await
        .map_err(explain)
}

/// The jobs of a sweep that can be cancelled: what waits for its turn first, so that none of it has its turn because
/// another one was cancelled.
///
/// # Errors
/// Of the database.
pub async fn to_cancel(tx: &mut Tx, sweep: &str) -> Result<Vec<i64>> {
    sqlx::query_scalar(
        "SELECT key FROM jobs WHERE sweep = ? AND state IN
             ('draft', 'held', 'queued', 'claimed', 'preparing', 'running', 'finishing', 'lost')
          ORDER BY state IN ('draft', 'held') DESC, key",
    )
    .bind(sweep)
    .fetch_all(&mut tx.conn)
    .await
    .map_err(explain)
}

/// Ends a run of a sweep that has come so far, if it can no longer be the best and its sweep wants that: as if somebody
/// cancelled it, in the unit that takes its progress. Never without a run of the sweep that has come to its end, and
/// never twice.
///
/// # Errors
/// Of the database.
pub(super) async fn stop_if_hopeless(tx: &mut Tx, job: i64, progress: &Progress) -> Result<()> {
    if progress.score <= 0.0 || !(LOOK_FROM..1.0).contains(&progress.fraction) {
        return Ok(());
    }
    let sweep: Option<String> = sqlx::query_scalar(
        "SELECT s.id FROM jobs j JOIN sweeps s ON s.id = j.sweep AND s.stop_hopeless = 1
          WHERE j.key = ? AND j.state = 'running' AND j.cancel_requested = 0",
    )
    .bind(job)
    .fetch_optional(&mut tx.conn)
    .await
    .map_err(explain)?;
    let Some(sweep) = sweep else { return Ok(()) };
    let best: Option<f64> = sqlx::query_scalar(
        "SELECT max(r.score) FROM jobs j JOIN results r ON r.job = j.key AND r.accepted = 1
          WHERE j.sweep = ? AND j.state = 'done' AND r.tier IN ('verified', 'reported')",
    )
    .bind(sweep)
    .fetch_one(&mut tx.conn)
    .await
    .map_err(explain)?;
    let Some(best) = best.filter(|best| progress.score < HOPELESS * best) else { return Ok(()) };
    sqlx::query("INSERT OR REPLACE INTO stopped (job, fraction, score, best, at) VALUES (?, ?, ?, ?, ?)")
        .bind(job)
        .bind(progress.fraction)
        .bind(progress.score)
        .bind(best)
        .bind(tx.now)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    let row = jobs::get(&mut tx.conn, job).await?.ok_or_else(|| Error::not_found("job"))?;
    let unit = benchmark::find(&row.benchmark).map_or("", |row| row.unit);
    let by = format!(
        "the sweep (at {:.0} % of its work it made {} of the best {} {unit})",
        100.0 * progress.fraction,
        figure(progress.score),
        figure(best)
    );
    orders::cancel(tx, &row, &by).await.map(|_| ())
}

/// Why the sweep of a job ended it, out of a row of the jobs; see [`jobs::COLUMNS`].
pub(super) fn stopped(row: &SqliteRow) -> Option<Stopped> {
    Some(Stopped {
        fraction: row.get::<Option<f64>, _>("stopped_fraction")?,
        score: row.get("stopped_score"),
        best: row.get("stopped_best"),
        at: row.get("stopped_at"),
    })
}
