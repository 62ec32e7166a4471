//! Looking at jobs.

use hpl_spec::api::jobs::{Job, JobPage, Visibility};
use hpl_spec::id::{JobId, SweepId};
use hpl_spec::job::JobState;
use serde::Deserialize;

use super::wait::why_it_waits;
use super::{find, present};
use crate::app::App;
use crate::db::job_list::{self, Filter};
use crate::db::users;
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Scope};

/// Most jobs of a page.
const MOST: u32 = 100;

/// Which jobs to list, the latest first.
#[derive(Debug, Clone, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// Only this user's; `me` for one's own.
    pub owner: Option<String>,
    /// Only in this state.
    #[param(inline)]
    pub state: Option<JobState>,
    /// Only of this benchmark.
    pub benchmark: Option<String>,
    /// Only of this sweep.
    #[param(value_type = Option<String>)]
    pub sweep: Option<SweepId>,
    /// Only before this job: the `next` of the page before.
    #[param(value_type = Option<String>)]
    pub before: Option<JobId>,
    /// At most so many, 1 to 100; 50 if left out.
    #[param(minimum = 1, maximum = 100)]
    pub limit: Option<u32>,
}

/// A page of the jobs that `caller` may see.
///
/// # Errors
/// There is no such user; the limit is out of range.
pub async fn list(app: &App, caller: &Caller, query: &ListQuery) -> Result<JobPage> {
    let limit = query.limit.unwrap_or(50);
    if !(1..=MOST).contains(&limit) {
        return Err(Error::field("limit", format!("found {limit}; expected 1 to {MOST}")));
    }
    let conn = &mut *app.db.read().await?;
    let owner = match query.owner.as_deref() {
        None => None,
        Some("me") => Some(caller.user(Scope::Read)?.key),
        Some(name) => Some(users::by_name(conn, name).await?.ok_or_else(|| Error::not_found("user"))?.key),
    };
    let own = owner.is_some() && owner == caller.key() && caller.user(Scope::Read).is_ok();
    let filter = Filter {
        owner,
        visibility: (!own && !caller.is_admin()).then_some(Visibility::Public),
        state: query.state,
        benchmark: query.benchmark.clone(),
        sweep: query.sweep.as_ref().map(ToString::to_string),
        before: query.before.as_ref().map(ToString::to_string),
        limit: limit + 1,
    };
    let known = caller.user(Scope::Read).ok().map(|user| user.key);
    let mut rows = job_list::list(conn, &filter, known).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let jobs = rows.into_iter().map(present).collect::<Result<Vec<Job>>>()?;
    let next = if more { jobs.last().map(|j| j.id.clone()) } else { None };
    Ok(JobPage { jobs, next })
}

/// One job, with why it waits.
///
/// # Errors
/// There is none that `caller` may see.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Job> {
    let conn = &mut *app.db.snapshot().await?;
    let row = find(conn, caller, id).await?;
    let waits = why_it_waits(app, conn, &row).await?;
    Ok(Job { waits, ..present(row)? })
}
