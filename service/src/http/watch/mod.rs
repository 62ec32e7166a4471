//! Watching jobs: their events as server-sent events, of one job or of the queue, and as a list for those who poll.
//!
//! ```text
//!   writer ──commit──► hub ──► one channel a job, one for the queue ──► flow (one a stream) ──► bytes
//!                                                    database ──pages──►   while it is behind
//! ```
//! A stream subscribes first and reads the record afterwards, so that nothing falls between the two; what arrives
//! twice is known by its number. An event is rendered once, whoever many watch it: see `frame`.

mod flow;
mod frame;
mod places;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use hpl_spec::id::JobId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::flow::{Flow, Of};
pub use self::frame::Event;
pub use self::places::{Place, Streams};
use super::layers::Flowing;
use crate::app::Shared;
use crate::db::events::{self, JobHandle};
use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Path, Query};

/// Events in one answer of the history, at most and by default.
const HISTORY: u32 = 1000;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(job_events)).routes(routes!(queue_events)).routes(routes!(history))
}

/// Where a stream goes on.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Resume {
    /// The number of the last event that is known; `Last-Event-ID` goes before it.
    #[param(minimum = 0)]
    after: Option<u64>,
}

/// The number after which to go on, if one is named.
fn resume(headers: &HeaderMap, query: &Resume) -> Result<Option<i64>> {
    let number = match headers.get("last-event-id") {
        Some(value) => value.to_str().ok().and_then(|text| text.trim().parse().ok()),
        None => match query.after {
            Some(after) => i64::try_from(after).ok(),
            None => return Ok(None),
        },
    };
    match number {
        Some(number) if number >= 0 => Ok(Some(number)),
        _ => Err(Error::new(Code::BadRequest, "Last-Event-ID and `after` are numbers of events: 0, 1, 2, …")),
    }
}

/// The job of that id, which must be visible.
///
/// # Errors
/// It is not there, or not to be seen by the caller, which are told in the same words.
pub(super) async fn find(app: &Shared, id: &str, caller: &Caller) -> Result<JobHandle> {
    let missing = || Error::not_found("job");
    let id: JobId = id.parse().map_err(|_| missing())?;
    let mut conn = app.db.read().await?;
    events::visible_job(&mut conn, &id, caller).await?.ok_or_else(missing)
}

/// What happens to a job, as it happens
///
/// Server-sent events: `id` is the number of the event within the job, `event` its kind, `data` the same as in the
/// job's history. Without `Last-Event-ID` and `after` it begins with the first event. After the last event comes
/// `end`; close the stream then. `reset` says that the number to go on from is unknown here: what follows are all
/// events of the job.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "watch",
    params(("id" = String, Path, description = "The job"), Resume,
           ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event that is known")),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = String),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 429, body = Problem, content_type = "application/problem+json")))]
async fn job_events(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response> {
    let after = resume(&headers, &query)?.unwrap_or(0);
    let job = find(&app, &id, &caller).await?;
    let place = app.streams.take(&caller, !app.config.no_rate_limits)?;
    let news = app.hub.watch_job(job.key);
    Ok(answer(Flow::new(app, Of::Job { id: job.id, key: job.key }, caller, place, news, after)))
}

/// What happens to all public jobs, as it happens
///
/// Server-sent events: `id` is the number of the event among those of all jobs, `event` its kind, `data` the same as
/// in the job's history. Progress is left out. Without `Last-Event-ID` and `after` it begins now. `reset` says that
/// the number to go on from is unknown here or too long ago: look at the list of jobs, then go on.
#[utoipa::path(get, path = "/api/v1/events", tag = "watch",
    params(Resume, ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event known")),
    responses((status = 200, description = "The events", content_type = "text/event-stream", body = String),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 429, body = Problem, content_type = "application/problem+json")))]
async fn queue_events(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response> {
    let after = resume(&headers, &query)?;
    let place = app.streams.take(&caller, !app.config.no_rate_limits)?;
    let news = app.hub.watch_queue();
    let after = match after {
        Some(after) => after,
        None => events::last_key(&mut *app.db.read().await?).await?,
    };
    Ok(answer(Flow::new(app, Of::Queue, caller, place, news, after)))
}

fn answer(flow: Flow) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies of the nginx family would collect the events otherwise.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    let mut response = (headers, flow.into_body()).into_response();
    response.extensions_mut().insert(Flowing);
    response
}

/// Which part of a history.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Part {
    /// Only events after this number.
    #[param(minimum = 0)]
    after: Option<u64>,
    /// At most so many events.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// What happened to a job
///
/// The events in order. To read on, give the last `seq` as `after`; an empty answer is the end for now.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/history", tag = "watch",
    params(("id" = String, Path, description = "The job"), Part),
    responses((status = 200, description = "The events", body = Vec<Event>),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 422, body = Problem, content_type = "application/problem+json")))]
async fn history(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Query(part): Query<Part>,
) -> Result<Response> {
    let limit = part.limit.unwrap_or(HISTORY);
    if !(1..=HISTORY).contains(&limit) {
        return Err(Error::field("limit", format!("{limit} was found; expected 1 to {HISTORY}")));
    }
    let Ok(after) = i64::try_from(part.after.unwrap_or(0)) else {
        return Err(Error::field("after", "expected the number of an event"));
    };
    let job = find(&app, &id, &caller).await?;
    let events = events::after(&mut *app.db.read().await?, job.key, after, limit).await?;
    let events: Vec<String> = events.iter().map(|told| frame::json(told)).collect();
    let body = format!("[{}]", events.join(","));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
