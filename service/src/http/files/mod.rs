//! What runs leave behind: logs, whole, in part or as they grow, and artifacts. Bytes go out as they came in; nothing
//! here reads them, and the headers keep browsers from reading more into them than text.

mod follow;
mod of_result;
mod range;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use hpl_spec::api::agent::FileDigest;
use hpl_spec::id::AttemptId;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::follow::Follow;
use self::range::Wanted;
use super::layers::Flowing;
use super::watch::find;
use crate::app::Shared;
use crate::db::events::{self, AttemptHandle, JobHandle};
use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path, Query};
use crate::store::{FileName, ReadError, Store, Stream};

/// Bytes that are read from a file at once.
const PIECE: usize = 64 << 10;

/// Whether a log is whole: `yes` or `no`.
const LOG_COMPLETE: HeaderName = HeaderName::from_static("x-log-complete");
/// How many bytes of a log did not arrive, where the node said how many there were.
const LOG_MISSING: HeaderName = HeaderName::from_static("x-log-missing");
/// How many bytes of the log come before the answer.
const LOG_OFFSET: HeaderName = HeaderName::from_static("x-log-offset");

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(log))
        .routes(routes!(artifacts))
        .routes(routes!(artifact))
        .routes(routes!(of_result::file))
}

/// Which part of a log.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct LogQuery {
    /// Of this attempt; left out: of the latest.
    attempt: Option<String>,
    /// The last so many bytes.
    tail: Option<u64>,
    /// From this byte on.
    offset: Option<u64>,
    /// Go on as the log grows, until the attempt has ended.
    #[serde(default)]
    follow: bool,
}

/// A file of an attempt that the caller may see, open, with what is known of it.
struct Found {
    name: FileName,
    attempt: AttemptHandle,
    /// None where nothing of it has come.
    file: Option<(tokio::fs::File, u64)>,
    /// Whether all of it has come.
    sealed: bool,
}

impl Found {
    async fn look(store: &Store, attempt: AttemptHandle, name: FileName) -> Result<Found> {
        // Sealed first: a file that is sealed has its final length.
        let sealed = match store.read(&attempt.id, &name, 0, 0).await {
            Ok(part) => part.sealed,
            Err(ReadError::Absent) => return Ok(Found { name, attempt, file: None, sealed: false }),
            Err(ReadError::Io(cause)) => return Err(Error::internal(cause)),
        };
        let file = match store.open_file(&attempt.id, &name).await {
            Ok(file) => Some(file),
            Err(ReadError::Absent) => None,
            Err(ReadError::Io(cause)) => return Err(Error::internal(cause)),
        };
        Ok(Found { name, attempt, file, sealed })
    }

    fn length(&self) -> u64 {
        self.file.as_ref().map_or(0, |(_, length)| *length)
    }

    /// What the node said of the file when it finished.
    fn announced(&self) -> Option<&FileDigest> {
        announced(&self.attempt, &self.name)
    }

    fn complete(&self) -> bool {
        self.sealed || self.attempt.ended && self.announced().is_some_and(|file| file.length == self.length())
    }
}

fn announced<'a>(attempt: &'a AttemptHandle, name: &FileName) -> Option<&'a FileDigest> {
    let path = name.path();
    attempt.files.iter().find(|file| file.path == path)
}

/// The attempt of that id at the job, or the latest.
async fn attempt_of(app: &Shared, job: &JobHandle, id: Option<&str>) -> Result<Option<AttemptHandle>> {
    let id: Option<AttemptId> = match id {
        Some(id) => Some(id.parse().map_err(|_| Error::not_found("attempt"))?),
        None => None,
    };
    let found = events::attempt(&mut *app.db.read().await?, job.key, id.as_ref()).await?;
    if found.is_none() && id.is_some() { Err(Error::not_found("attempt")) } else { Ok(found) }
}

/// A log of a job
///
/// The bytes that the program wrote, as they are. `X-Log-Complete` says whether all of them are there,
/// `X-Log-Missing` how many are not, where that is known. Takes `Range`, or one of `tail` and `offset`. With `follow`
/// the answer goes on as the log grows and ends after the attempt; a log that is silent for minutes may cut it, then
/// come again with `offset`.
#[utoipa::path(get, operation_id = "get_log", path = "/api/v1/jobs/{id}/log/{stream}", tag = "watch",
    params(("id" = String, Path, description = "The job"),
           ("stream" = String, Path, description = "`out` or `err`"), LogQuery),
    responses((status = 200, description = "The log, or its part", content_type = "text/plain", body = String),
              (status = 206, description = "The range", content_type = "text/plain", body = String),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 416, body = Problem, content_type = "application/problem+json"),
              (status = 422, body = Problem, content_type = "application/problem+json"),
              (status = 429, body = Problem, content_type = "application/problem+json")))]
async fn log(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, stream)): Path<(String, String)>,
    Query(query): Query<LogQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    if query.tail.is_some() && query.offset.is_some() {
        return Err(Error::field("tail", "name either `tail` or `offset`, not both"));
    }
    let job = find(&app, &id, &caller).await?;
    let stream: Stream = stream.parse().map_err(|_| Error::not_found("log"))?;
    // To be subscribed to before the attempt is looked at, so that its end is not missed.
    let news = query.follow.then(|| app.hub.watch_job(job.key));
    let Some(attempt) = attempt_of(&app, &job, query.attempt.as_deref()).await? else {
        return Err(Error::new(Code::NotFound, "no node has begun with this job, so it has no log yet"));
    };
    let found = Found::look(&app.store, attempt, FileName::Log(stream)).await?;
    let marks = log_headers(&found);
    let length = found.length();
    let from = match (query.tail, query.offset) {
        (Some(tail), _) => Some(length.saturating_sub(tail)),
        (None, offset) => offset,
    };
    let mut response = if let Some(news) = news {
        let place = app.streams.take(&caller, !app.config.no_rate_limits)?;
        let from = from.unwrap_or(0);
        let follow = Follow::new(app, (job.id, caller), place, (found.attempt, stream), news, from);
        let mut response = follow.into_body().into_response();
        response.extensions_mut().insert(Flowing);
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, text);
        response.headers_mut().insert(LOG_OFFSET, from.into());
        response
    } else {
        let wanted = match from {
            Some(from) => Wanted::All { from: from.min(length) },
            None => range::wanted(&headers, length),
        };
        send(found, wanted).await?
    };
    response.headers_mut().extend(marks);
    Ok(response)
}

fn log_headers(found: &Found) -> Vec<(HeaderName, HeaderValue)> {
    let yes_or_no = if found.complete() { "yes" } else { "no" };
    let mut marks = vec![(LOG_COMPLETE, HeaderValue::from_static(yes_or_no))];
    if let Some(missing) = found.announced().map(|file| file.length.saturating_sub(found.length())) {
        marks.push((LOG_MISSING, missing.into()));
    }
    marks
}

/// The file, or what is wanted of it.
async fn send(found: Found, wanted: Wanted) -> Result<Response> {
    let content_type = HeaderValue::from_static(found.name.content_type());
    let total = found.length();
    let (status, from, length) = match wanted {
        Wanted::All { from } => (StatusCode::OK, from, total - from),
        Wanted::Range { from, to } => (StatusCode::PARTIAL_CONTENT, from, to + 1 - from),
        Wanted::Beyond => return Ok(range::beyond(total)),
    };
    let body = match found.file {
        Some((mut file, _)) if length > 0 => {
            file.seek(std::io::SeekFrom::Start(from)).await.map_err(Error::internal)?;
            Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE))
        }
        _ => Body::empty(),
    };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(header::CONTENT_LENGTH, length.into());
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    if let Wanted::Range { from, to } = wanted {
        headers.insert(header::CONTENT_RANGE, range::content_range(Some((from, to)), total));
    }
    if matches!(found.name, FileName::Log(_)) {
        headers.insert(LOG_OFFSET, from.into());
    }
    Ok(response)
}

/// The artifacts of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifacts {
    /// Which attempt; None where no node has begun with the job.
    pub attempt: Option<AttemptId>,
    /// The files, by name.
    pub artifacts: Vec<Artifact>,
}

/// A file that a run left behind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Artifact {
    /// Its name.
    pub name: String,
    /// Bytes that have come.
    pub length: u64,
    /// Whether all of it has come, with the right hash.
    pub complete: bool,
    /// Its SHA-256, where the node has named it.
    pub sha256: Option<String>,
}

/// Which attempt.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AttemptQuery {
    /// Of this attempt; left out: of the latest.
    attempt: Option<String>,
}

/// What a run left behind
#[utoipa::path(get, operation_id = "list_artifacts", path = "/api/v1/jobs/{id}/artifacts", tag = "watch",
    params(("id" = String, Path, description = "The job"), AttemptQuery),
    responses((status = 200, description = "The artifacts", body = Artifacts),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 404, body = Problem, content_type = "application/problem+json")))]
async fn artifacts(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<AttemptQuery>,
) -> Result<Json<Artifacts>> {
    let job = find(&app, &id, &caller).await?;
    let Some(attempt) = attempt_of(&app, &job, query.attempt.as_deref()).await? else {
        return Ok(Json(Artifacts { attempt: None, artifacts: vec![] }));
    };
    let listed = app.store.list(&attempt.id).await.map_err(Error::internal)?;
    let artifacts = listed.into_iter().filter_map(|file| match &file.name {
        FileName::Log(_) => None,
        FileName::Artifact(name) => Some(Artifact {
            name: name.to_string(),
            length: file.length,
            complete: file.sealed,
            sha256: announced(&attempt, &file.name).map(|known| known.sha256.clone()),
        }),
    });
    let artifacts = artifacts.collect();
    Ok(Json(Artifacts { attempt: Some(attempt.id), artifacts }))
}

/// A file that a run left behind
///
/// Always as an attachment, to be saved and not shown. Takes `Range`.
#[utoipa::path(get, operation_id = "get_artifact", path = "/api/v1/jobs/{id}/artifacts/{name}", tag = "watch",
    params(("id" = String, Path, description = "The job"),
           ("name" = String, Path, description = "The file's name"), AttemptQuery),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 206, description = "The range", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 400, body = Problem, content_type = "application/problem+json"),
              (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 416, body = Problem, content_type = "application/problem+json")))]
async fn artifact(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, name)): Path<(String, String)>,
    Query(query): Query<AttemptQuery>,
    headers: HeaderMap,
) -> Result<Response> {
    let missing = || Error::not_found("artifact");
    let job = find(&app, &id, &caller).await?;
    let name: FileName = name.parse().map(FileName::Artifact).map_err(|_| missing())?;
    let attempt = attempt_of(&app, &job, query.attempt.as_deref()).await?.ok_or_else(missing)?;
    let found = Found::look(&app.store, attempt, name).await?;
    if found.file.is_none() {
        return Err(missing());
    }
    attached(found, &headers).await
}

/// A file, or the range of it that is wanted, to be saved and not shown.
async fn attached(found: Found, headers: &HeaderMap) -> Result<Response> {
    // The name holds nothing that would have to be quoted: see `ArtifactName`.
    let disposition = match &found.name {
        FileName::Artifact(name) => format!("attachment; filename=\"{name}\""),
        FileName::Log(stream) => format!("attachment; filename=\"{stream}.log\""),
    };
    let wanted = range::wanted(headers, found.length());
    let mut response = send(found, wanted).await?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::try_from(disposition).map_err(Error::internal)?);
    let sandbox = HeaderValue::from_static("sandbox; default-src 'none'; frame-ancestors 'none'");
    headers.insert(header::CONTENT_SECURITY_POLICY, sandbox);
    Ok(response)
}
