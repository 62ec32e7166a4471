//! Jobs: estimate, submit, list, look at, end, and try again.

use hpl_spec::api::jobs::{Failure, Job, NodeRef, QuotaLeft, Visibility};
use hpl_spec::job::{FailClass, JobState};

use crate::app::App;
use crate::db::Conn;
use crate::db::jobs::{self, JobRow};
use crate::error::{Code, Error, Result};
use crate::http::caller::{Caller, Known, Scope};
use crate::schedule;

mod change;
mod eta;
mod eta_left;
#[cfg(test)]
mod eta_tests;
mod look;
mod prepare;
mod queue;
mod site;
mod submit;
mod sweep;
mod wait;
mod watch;

pub use change::{cancel, delete, extend, hold, release, requeue, set_visibility};
pub use eta_left::{Span, expected, left, rough, solve_left};
pub use look::{ListQuery, get, list};
pub use prepare::{MOST_INPUT, MOST_REPEATS, MOST_RUNS, estimate};
pub use queue::queue;
pub use site::{Site, node_called, site};
pub use submit::{submit, submit_draft, submit_sweep};
pub use sweep::{cancel_sweep, sweep};
pub use wait::Fleet;
pub use watch::{Watch, watch};

/// What is left of the caller's quota; the settings' own for somebody who is not known.
///
/// # Errors
/// Of the database.
pub async fn quota(app: &App, caller: &Caller) -> Result<QuotaLeft> {
    let conn = &mut *app.db.read().await?;
    Ok(prepare::quota_left(app, conn, caller).await?.1)
}

/// Whether `caller` may know of a job.
#[must_use]
pub fn visible(caller: &Caller, job: &JobRow) -> bool {
    job.public || caller.is_admin() || caller.user.as_ref().is_some_and(|u| u.key == job.owner && u.may(Scope::Read))
}

/// The job of that id, if `caller` may know of it.
///
/// # Errors
/// There is none, or it is not theirs to see: the same answer for both.
pub async fn find(conn: &mut Conn, caller: &Caller, id: &str) -> Result<JobRow> {
    match jobs::find(conn, id).await? {
        Some(job) if visible(caller, &job) => Ok(job),
        _ => Err(Error::not_found("job")),
    }
}

/// The job of that id, if `caller` may change it: its owner, or an administrator.
async fn find_own<'c>(conn: &mut Conn, caller: &'c Caller, id: &str) -> Result<(JobRow, &'c Known)> {
    let user = caller.user(Scope::Submit)?;
    let job = find(conn, caller, id).await?;
    if job.owner == user.key || caller.is_admin() {
        Ok((job, user))
    } else {
        Err(Error::new(Code::Forbidden, format!("this job is {}'s; only they may do this", job.owner_name)))
    }
}

/// A job as its readers see it; why it waits is left open.
///
/// # Errors
/// The database holds what is not of this version.
pub fn present(row: JobRow) -> Result<Job> {
    let latest = row.latest;
    let node = latest.as_ref().map(|l| -> Result<NodeRef> {
        Ok(NodeRef { id: l.node.parse().map_err(Error::internal)?, name: l.node_name.clone() })
    });
    let failure = row.failure.map(|(class, code, detail)| Failure {
        class: match class.as_str() {
            "benchmark" => FailClass::Benchmark,
            "policy" => FailClass::Policy,
            _ => FailClass::Infra,
        },
        code,
        detail,
    });
    let ends = row.cancel_requested && !row.state.is_final();
    Ok(Job {
        id: row.id.parse().map_err(Error::internal)?,
        owner: row.owner_name,
        benchmark: row.benchmark,
        parameters: serde_json::from_str(&row.parameters).map_err(Error::internal)?,
        label: row.label,
        title: row.title,
        state: row.state,
        cancel_requested: ends,
        visibility: if row.public { Visibility::Public } else { Visibility::Private },
        sweep: row.sweep.map(|s| s.parse()).transpose().map_err(Error::internal)?,
        needs: hpl_spec::api::jobs::Needs {
            node: row.needs.node.map(|n| n.parse()).transpose().map_err(Error::internal)?,
            cores: (row.needs.cores > 0).then_some(row.needs.cores),
            labels: row.needs.labels,
        },
        express: row.express,
        walltime_s: row.walltime_s,
        estimate_s: row.estimate_s,
        attempts: row.attempts,
        node: node.transpose()?,
        progress: latest.as_ref().and_then(|l| l.progress.as_deref()).and_then(|p| serde_json::from_str(p).ok()),
        dropped: latest.as_ref().and_then(|l| serde_json::from_str(&l.dropped).ok()).unwrap_or_default(),
        waits: None,
        failure,
        stopped: row.stopped.filter(|_| row.state == JobState::Cancelled || ends),
        score: row.score,
        created_at: row.created_at,
        state_at: row.state_at,
        started_at: latest.as_ref().and_then(|l| l.started_at),
        ended_at: latest.as_ref().and_then(|l| l.ended_at),
        last_event: row.last_event,
    })
}

/// Whether a walltime makes a job an express one.
fn is_express(walltime_s: u32) -> bool {
    walltime_s <= schedule::EXPRESS_S
}
