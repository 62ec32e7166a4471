//! Ending jobs, trying again, deleting them; and what administrators do with them.

use hpl_spec::api::jobs::{Job, SubmitRequest, Submitted, Visibility};
use hpl_spec::id::AttemptId;
use hpl_spec::job::JobState;

use super::{find_own, get, submit};
use crate::app::App;
use crate::db::jobs::JobRow;
use crate::db::{Tx, audit, jobs, orders};
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Known};

/// Who changes a job, and from where.
struct By {
    name: String,
    address: String,
    other: bool,
}

async fn mine(app: &App, caller: &Caller, id: &str) -> Result<(JobRow, By)> {
    let conn = &mut *app.db.read().await?;
    let (job, user) = find_own(conn, caller, id).await?;
    let by = by(caller, user, &job);
    Ok((job, by))
}

fn by(caller: &Caller, user: &Known, job: &JobRow) -> By {
    By { name: user.name.clone(), address: caller.address.to_string(), other: user.key != job.owner }
}

/// What an administrator does to others' jobs is written down.
async fn note(tx: &mut Tx, by: &By, action: &str, job: &JobRow, after: &str) -> Result<()> {
    if !by.other {
        return Ok(());
    }
    audit::write(tx, &by.name, action, &job.id, &by.address, Some(job.state.name()), Some(after)).await
}

/// The job as it stands inside this unit; what was read before may be older.
async fn fresh(tx: &mut Tx, key: i64) -> Result<JobRow> {
    jobs::get(&mut tx.conn, key).await?.ok_or_else(|| Error::not_found("job"))
}

/// A job is to end.
///
/// # Errors
/// It is not the caller's, or has ended.
pub async fn cancel(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    let (job, by) = mine(app, caller, id).await?;
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                let state = orders::cancel(tx, &job, &by.name).await?;
                note(tx, &by, "job.cancel", &job, state.name()).await
            })
        })
        .await?;
    get(app, caller, id).await
}

/// Tries a job again: one that is lost is given up and waits for a node once more; one that has ended is submitted anew
/// as another job. Returns the job that waits now.
///
/// # Errors
/// It is not the caller's; it has neither ended nor is it lost; what [`submit`] says.
pub async fn requeue(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    let (job, by) = mine(app, caller, id).await?;
    if job.state.is_final() {
        let request = SubmitRequest {
            benchmark: job.benchmark.clone(),
            parameters: Some(serde_json::from_str(&job.parameters).map_err(Error::internal)?),
            input: None,
            draft: false,
            visibility: if job.public { Visibility::Public } else { Visibility::Private },
            needs: hpl_spec::api::jobs::Needs {
                node: job.needs.node.as_ref().and_then(|n| n.parse().ok()),
                cores: (job.needs.cores > 0).then_some(job.needs.cores),
                labels: job.needs.labels.clone(),
            },
            walltime_s: Some(job.walltime_s),
            title: job.title.clone(),
            stop_hopeless: false,
            repeats: 1,
        };
        let body = submit(app, caller, &request, None).await?;
        let made: Submitted = serde_json::from_str(&body).map_err(Error::internal)?;
        return made.jobs.into_iter().next().ok_or_else(|| Error::internal("nothing was submitted"));
    }
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                orders::give_up(tx, &job, &by.name).await?;
                note(tx, &by, "job.give_up", &job, JobState::Queued.name()).await
            })
        })
        .await?;
    get(app, caller, id).await
}

/// Deletes a job that has ended, or a draft, with its events, results and files.
///
/// # Errors
/// It is not the caller's, or has not ended.
pub async fn delete(app: &App, caller: &Caller, id: &str) -> Result<()> {
    let (job, by) = mine(app, caller, id).await?;
    let attempts = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                note(tx, &by, "job.delete", &job, "deleted").await?;
                orders::delete(tx, &job).await
            })
        })
        .await?;
    for attempt in attempts.iter().filter_map(|a| a.parse::<AttemptId>().ok()) {
        if let Err(why) = app.store.delete(&attempt).await {
            tracing::warn!(%attempt, %why, "the files of a deleted job could not be deleted");
        }
    }
    Ok(())
}

/// Changes who may see a job and its result.
///
/// # Errors
/// It is not the caller's.
pub async fn set_visibility(app: &App, caller: &Caller, id: &str, visibility: Visibility) -> Result<Job> {
    let (job, by) = mine(app, caller, id).await?;
    app.db
        .write(move |tx| {
            Box::pin(async move {
                orders::set_visibility(tx, &job, visibility).await?;
                note(tx, &by, "job.visibility", &job, jobs::visibility_name(visibility)).await
            })
        })
        .await?;
    get(app, caller, id).await
}

/// An administrator holds a queued job.
///
/// # Errors
/// The caller is no administrator; the job is not queued.
pub async fn hold(app: &App, caller: &Caller, id: &str, why: String) -> Result<Job> {
    caller.admin()?;
    let (job, by) = mine(app, caller, id).await?;
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                orders::hold(tx, &job, &format!("administrator: {why}")).await?;
                note(tx, &by, "job.hold", &job, &why).await
            })
        })
        .await?;
    get(app, caller, id).await
}

/// An administrator lets a held job wait for a node again.
///
/// # Errors
/// The caller is no administrator; the job is not held, or waits for its turn in a sweep.
pub async fn release(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    caller.admin()?;
    let (job, by) = mine(app, caller, id).await?;
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                let state = orders::release(tx, &job).await?;
                note(tx, &by, "job.release", &job, state.name()).await
            })
        })
        .await?;
    get(app, caller, id).await
}

/// An administrator gives a job more time.
///
/// # Errors
/// The caller is no administrator; the job has ended; the time is not longer.
pub async fn extend(app: &App, caller: &Caller, id: &str, walltime_s: u32) -> Result<Job> {
    caller.admin()?;
    let (job, by) = mine(app, caller, id).await?;
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let job = fresh(tx, job.key).await?;
                orders::extend(tx, &job, walltime_s).await?;
                let (before, after) = (job.walltime_s.to_string(), walltime_s.to_string());
                audit::write(tx, &by.name, "job.extend", &job.id, &by.address, Some(&before), Some(&after)).await
            })
        })
        .await?;
    get(app, caller, id).await
}
