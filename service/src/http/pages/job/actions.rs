//! What the owner of a job may do with it, as the states allow; and the forms that do it.

use axum::extract::State;
use axum::response::Response;
use hpl_spec::api::jobs::{Job, Visibility};
use hpl_spec::id::JobId;
use hpl_spec::job::{JobEvent, JobState};

use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::extract::Path;
use crate::http::pages::forms::{Fields, on_to};
use crate::http::pages::visitor::Visitor;
use crate::ops::jobs;

/// What the owner may do now.
pub(super) struct May {
    pub(super) submit: bool,
    pub(super) cancel: bool,
    pub(super) give_up: bool,
    pub(super) again: bool,
    pub(super) delete: bool,
}

impl May {
    /// What can be done is what the states allow.
    pub(super) fn with(job: &Job) -> May {
        let state = job.state;
        let over = state.is_final();
        let ends = state.after(&JobEvent::Cancelled { by: String::new() }).is_ok();
        May {
            submit: job.sweep.is_none() && state.after(&JobEvent::Submitted).is_ok(),
            cancel: ends && !job.cancel_requested && state != JobState::Draft,
            give_up: state == JobState::Lost,
            again: over,
            delete: over || state == JobState::Draft,
        }
    }
}

pub(super) async fn submit(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::submit_draft(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to(&format!("/jobs/{id}"), "submitted"))
}

pub(super) async fn cancel(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::cancel(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to(&format!("/jobs/{id}"), "cancelled"))
}

pub(super) async fn requeue(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let job = jobs::requeue(&app, &visitor.caller, id.as_str()).await?;
    let note = if job.id == id { "submitted" } else { "again" };
    Ok(on_to(&format!("/jobs/{}", job.id), note))
}

pub(super) async fn delete(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    jobs::delete(&app, &visitor.caller, id.as_str()).await?;
    Ok(on_to("/jobs?owner=me", "deleted"))
}

pub(super) async fn set_visibility(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<JobId>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let visibility = match sent.get("visibility") {
        "public" => Visibility::Public,
        "private" => Visibility::Private,
        _ => return Err(Error::field("visibility", "expected `public` or `private`")),
    };
    jobs::set_visibility(&app, &visitor.caller, id.as_str(), visibility).await?;
    Ok(on_to(&format!("/jobs/{id}"), "visibility"))
}
