//! The one background task: looks at every job whose timer rang, judges what was delivered, and remembers that the
//! service is alive.

use std::time::Duration;

use crate::app::{App, Shared};
use crate::db::{due, idempotency, sessions};
use crate::error::Result;

/// How often the service remembers that it is alive, at least; also the longest sleep.
const BREATH: Duration = Duration::from_secs(5);
/// Jobs looked at between two breaths.
const AT_ONCE: u32 = 200;
/// Things that grow old are swept so often, in breaths.
const SWEEP_EVERY: u32 = 60;

/// Runs until the service stops.
pub async fn run(app: Shared) {
    let mut breaths = 0;
    loop {
        if let Err(why) = breathe(&app, breaths % SWEEP_EVERY == 0).await {
            tracing::error!(%why, "the reaper could not work; it tries again");
        }
        breaths += 1;
        let sleep = match next_sleep(&app).await {
            Ok(sleep) => sleep,
            Err(why) => {
                tracing::error!(%why, "the reaper could not look ahead");
                BREATH
            }
        };
        tokio::select! {
            () = app.hub.reaper.notified() => (),
            () = tokio::time::sleep(sleep) => (),
            () = app.stop.cancelled() => return,
        }
    }
}

async fn breathe(app: &App, sweep: bool) -> Result<()> {
    app.db.write(|tx| Box::pin(due::alive_now(tx))).await?;
    tick(app).await?;
    if sweep {
        app.limits.sweep();
        let swept =
            app.db.write(|tx| Box::pin(async move { Ok((sessions::sweep(tx).await?, idempotency::sweep(tx).await?)) }));
        let (sessions, answers) = swept.await?;
        tracing::debug!(sessions, answers, "what has run out was removed");
    }
    Ok(())
}

async fn next_sleep(app: &App) -> Result<Duration> {
    let next = due::next(&mut *app.db.read().await?).await?;
    let left = next.map_or(i64::MAX, |at| at - app.clock.now()).max(20);
    Ok(Duration::from_millis(left.unsigned_abs()).min(BREATH))
}

/// Looks at what is due now; at most a few hundred jobs. Returns how many there were.
///
/// # Errors
/// Of the database. A job that cannot be dealt with does not keep the others from their turn.
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
            Err(why) => tracing::error!(job, %why, "a timer could not be served"),
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
