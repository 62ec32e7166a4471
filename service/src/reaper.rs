//! The one background task: looks at every job whose timer rang, judges what was delivered, and remembers that the
//! service is alive.

use std::time::{Duration, Instant};

use crate::app::{App, Shared};
use crate::db::{due, idempotency, late, sessions};
use crate::error::Result;

/// How often the service remembers that it is alive; also the longest sleep.
const BREATH: Duration = Duration::from_secs(5);
/// How often what has run out is removed.
const SWEEP: Duration = Duration::from_secs(300);
/// Jobs looked at between two sleeps.
const AT_ONCE: u32 = 200;
/// After a failure of the database the next try waits, whoever rings.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// Runs until the service stops.
pub async fn run(app: Shared) {
    let (mut breath, mut sweep) = (None, None);
    loop {
        let (sleep, may_ring) = match work(&app, &mut breath, &mut sweep).await {
            Ok(sleep) => (sleep, true),
            Err(why) => {
                tracing::error!(%why, "the reaper could not work; it tries again");
                (AFTER_FAILURE, false)
            }
        };
        tokio::select! {
            () = app.hub.reaper.notified(), if may_ring => (),
            () = tokio::time::sleep(sleep) => (),
            () = app.stop.cancelled() => return,
        }
    }
}

/// Whether a period has passed since `last`, which then becomes now; the first time is at once.
fn is_time(last: &mut Option<Instant>, period: Duration) -> bool {
    let over = last.is_none_or(|at| at.elapsed() >= period);
    if over {
        *last = Some(Instant::now());
    }
    over
}

/// Does what is due; says how long there is nothing more to do.
async fn work(app: &App, breath: &mut Option<Instant>, sweep: &mut Option<Instant>) -> Result<Duration> {
    if is_time(breath, BREATH) {
        app.db.write(|tx| Box::pin(due::alive_now(tx))).await?;
    }
    tick(app).await?;
    if is_time(sweep, SWEEP) {
        app.limits.sweep();
        let swept = app.db.write(|tx| {
            Box::pin(
                async move { Ok((sessions::sweep(tx).await?, idempotency::sweep(tx).await?, late::sweep(tx).await?)) },
            )
        });
        let (sessions, answers, late) = swept.await?;
        tracing::debug!(sessions, answers, late, "what has run out was removed");
    }
    let next = due::next(&mut *app.db.read().await?).await?;
    let left = next.map_or(i64::MAX, |at| at - app.clock.now()).max(20);
    Ok(Duration::from_millis(left.unsigned_abs()).min(BREATH))
}

/// Looks at what is due now; at most a few hundred jobs. Returns how many there were.
///
/// # Errors
/// Of the database. A job that cannot be dealt with is put off and does not keep the others from their turn.
pub async fn tick(app: &App) -> Result<usize> {
    let jobs = due::due(&mut *app.db.read().await?, app.clock.now(), AT_ONCE).await?;
    for &job in &jobs {
        match app.db.write(move |tx| Box::pin(due::look(tx, job))).await {
            Ok(false) => (),
            Ok(true) => {
                if let Err(why) = crate::verify::verify(app, job).await {
                    tracing::error!(job, %why, "a result could not be judged; it is tried again");
                    if let Err(why) = app.db.write(move |tx| Box::pin(due::not_judged(tx, job))).await {
                        tracing::error!(job, %why, "that could not be written down");
                    }
                }
            }
            Err(why) => {
                tracing::error!(job, %why, "a timer could not be served; it rings again later");
                app.db.write(move |tx| Box::pin(due::put_off(tx, job))).await?;
            }
        }
    }
    Ok(jobs.len())
}

/// At start: nobody's lease runs out because the service was away.
///
/// # Errors
/// Of the database.
pub async fn reconcile(app: &App) -> Result<()> {
    fail::fail_point!("before_reconcile");
    let last = due::last_alive(&mut *app.db.read().await?).await?;
    let (now, lease_ms) = (app.clock.now(), app.lease_ms());
    let away = last.map_or(0, |last| now - last);
    app.db
        .write(move |tx| {
            Box::pin(async move {
                due::was_away(tx, away, lease_ms).await?;
                due::alive_now(tx).await
            })
        })
        .await?;
    fail::fail_point!("after_reconcile");
    tracing::info!(away_ms = away, "leases were extended by the time the service was away");
    Ok(())
}
