//! What an attempt says: beats, events, its end; and what it waits for.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use hpl_spec::api::agent::{
    BeatReply, BeatRequest, Command, EventsReply, EventsRequest, FileDigest, FinishReply, FinishRequest, Sample,
};
use hpl_spec::id::AttemptId;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::proof::Proven;
use super::{EVENTS_PER_CALL, SAMPLES_PER_CALL, WAIT_S, check_text};
use crate::app::{App, Shared};
use crate::db::attempts::{self, Finish, Writer};
use crate::error::{Error, Result};
use crate::http::extract::{Json, Query};
use crate::store::FileName;

/// A sign of life. What the service wants rides on the answer.
#[utoipa::path(post, operation_id = "agent_beat", path = "/agent/v1/attempts/{attempt}/beat", tag = "agent", request_body = BeatRequest,
    params(("attempt" = String, Path, description = "the attempt's id")), security(("token" = [])),
    responses((status = 200, body = BeatReply), (status = "4XX", body = Problem)))]
pub async fn beat(
    State(app): State<Shared>,
    proven: Proven,
    Json(request): Json<BeatRequest>,
) -> Result<axum::Json<BeatReply>> {
    let writer = proven.writer(request.fence);
    check_samples(&request.samples)?;
    attempts::check_dropped(&request.dropped)?;
    if let Some(progress) = &request.progress {
        attempts::check_progress(progress)?;
    }
    let (lease_ms, daemon) = (app.lease_ms(), app.config.daemon_version.clone());
    let (said, request) = app
        .db
        .write(move |tx| {
            Box::pin(
                async move { Ok((attempts::beat(tx, &writer, &request, lease_ms, daemon.as_deref()).await?, request)) },
            )
        })
        .await?;
    if !said.dup {
        app.take_samples(&proven.attempt, &said.node, request.samples).await;
    }
    Ok(axum::Json(BeatReply { dup: said.dup, lease_s: app.config.lease_s, commands: said.commands }))
}

fn check_samples(samples: &[Sample]) -> Result<()> {
    if samples.len() > SAMPLES_PER_CALL {
        let found = samples.len();
        return Err(Error::field("samples", format!("found {found} samples; expected at most {SAMPLES_PER_CALL}")));
    }
    let name = |name: &str| {
        (1..=48).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    for sample in samples {
        let names_fit = sample.values.keys().chain(sample.per_core.keys()).all(|n| name(n));
        let cores_fit = sample.per_core.len() <= 8 && sample.per_core.values().all(|v| v.len() <= 1024);
        if !names_fit || !cores_fit || sample.values.len() > 64 {
            return Err(Error::field(
                "samples",
                "expected at most 64 values and 8 lists of at most 1024 cores, their names of at most 48 lower-case \
                 letters, digits and underscores, a letter first",
            ));
        }
    }
    Ok(())
}

/// Which attempt waits, and how long.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The attempt's fence.
    fence: i64,
    /// Seconds to wait for a command, at most 55.
    #[serde(default)]
    #[param(maximum = 55)]
    wait: u32,
}

/// Waits for a command, so that a cancel is heard at once. 204: none came.
#[utoipa::path(get, operation_id = "agent_wait", path = "/agent/v1/attempts/{attempt}/wait", tag = "agent",
    params(("attempt" = String, Path, description = "the attempt's id"), Waiting), security(("token" = [])),
    responses((status = 200, body = BeatReply), (status = 204, description = "nothing is wanted"),
              (status = "4XX", body = Problem)))]
pub async fn wait(State(app): State<Shared>, proven: Proven, Query(waiting): Query<Waiting>) -> Result<Response> {
    let writer = proven.writer(waiting.fence);
    let until = Instant::now() + Duration::from_secs(waiting.wait.min(WAIT_S).into());
    loop {
        let bell = app.hub.attempt_bell(&proven.attempt);
        let rung = bell.notified();
        tokio::pin!(rung);
        // Listening begins before the look, or what comes in between would be missed.
        rung.as_mut().enable();
        let commands = wanted(&app, &writer).await?;
        // What can wait for the next beat does not end the waiting.
        if commands.iter().any(|c| matches!(c, Command::Cancel { .. })) {
            let reply = BeatReply { dup: false, lease_s: app.config.lease_s, commands };
            return Ok(axum::Json(reply).into_response());
        }
        let left = until.saturating_duration_since(Instant::now());
        tokio::select! {
            () = rung => (),
            () = tokio::time::sleep(left) => return Ok(StatusCode::NO_CONTENT.into_response()),
            () = app.stop.cancelled() => return Ok(StatusCode::NO_CONTENT.into_response()),
        }
    }
}

async fn wanted(app: &App, writer: &Writer) -> Result<Vec<Command>> {
    let mut reader = app.db.read().await?;
    attempts::admit(&mut reader, writer).await?;
    Ok(attempts::commands(&mut reader, &writer.attempt, app.config.daemon_version.as_deref()).await?.0)
}

/// Events in order; what is known already is passed over, a gap is refused.
#[utoipa::path(post, operation_id = "agent_events", path = "/agent/v1/attempts/{attempt}/events", tag = "agent", request_body = EventsRequest,
    params(("attempt" = String, Path, description = "the attempt's id")), security(("token" = [])),
    responses((status = 200, body = EventsReply), (status = "4XX", body = Problem)))]
pub async fn events(
    State(app): State<Shared>,
    proven: Proven,
    Json(request): Json<EventsRequest>,
) -> Result<axum::Json<EventsReply>> {
    let writer = proven.writer(request.fence);
    if request.events.len() > EVENTS_PER_CALL {
        let found = request.events.len();
        return Err(Error::field("events", format!("found {found} events; expected at most {EVENTS_PER_CALL}")));
    }
    let lease_ms = app.lease_ms();
    let (seq, dup) = app
        .db
        .write(move |tx| Box::pin(async move { attempts::events(tx, &writer, &request.events, lease_ms).await }))
        .await?;
    Ok(axum::Json(EventsReply { seq, dup }))
}

/// The end of an attempt. May be sent again and again; the answer stays the same.
#[utoipa::path(post, operation_id = "agent_finish", path = "/agent/v1/attempts/{attempt}/finish", tag = "agent", request_body = FinishRequest,
    params(("attempt" = String, Path, description = "the attempt's id")), security(("token" = [])),
    responses((status = 200, body = FinishReply), (status = "4XX", body = Problem)))]
pub async fn finish(
    State(app): State<Shared>,
    proven: Proven,
    Json(request): Json<FinishRequest>,
) -> Result<axum::Json<FinishReply>> {
    let writer = proven.writer(request.fence);
    check_finish(&request)?;
    let incomplete = incomplete(&app, &proven.attempt, &request.files).await?;
    let finish = Finish {
        writer,
        events: request.events,
        hash: Sha256::digest(serde_json::to_vec(&request).map_err(Error::internal)?).to_vec(),
        evidence: serde_json::to_string(&request.evidence).map_err(Error::internal)?,
        files: serde_json::to_string(&request.files).map_err(Error::internal)?,
        outcome: request.outcome,
        lease_ms: app.lease_ms(),
    };
    let (state, dup) = app.db.write(move |tx| Box::pin(async move { attempts::finish(tx, &finish).await })).await?;
    Ok(axum::Json(FinishReply { state, dup, incomplete }))
}

/// The parts of an end that the registry does not look at.
pub(super) fn check_finish(request: &FinishRequest) -> Result<()> {
    use hpl_spec::api::agent::AttemptOutcome;
    match &request.outcome {
        AttemptOutcome::Failed { code, detail, .. } => {
            check_text("outcome.code", code, 48)?;
            if !code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
                return Err(Error::field("outcome.code", "expected lower-case letters, digits and underscores"));
            }
            if detail.len() > 4096 {
                return Err(Error::field("outcome.detail", "expected at most 4096 bytes"));
            }
        }
        AttemptOutcome::Completed { .. } if request.evidence.is_none() => {
            return Err(Error::field("evidence", "a result without evidence cannot be judged; expected the evidence"));
        }
        AttemptOutcome::Completed { .. } | AttemptOutcome::Cancelled => (),
    }
    if request.files.len() > 32 {
        return Err(Error::field("files", "expected at most 32 files"));
    }
    for file in &request.files {
        if file.path.parse::<FileName>().is_err() {
            return Err(Error::field("files", "expected paths like log/out, log/err or artifacts/NAME"));
        }
        if file.sha256.len() != 64 || !file.sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(Error::field("files", "expected a SHA-256 as 64 lower-case hexadecimal digits"));
        }
    }
    Ok(())
}

/// The announced files that are not here whole.
pub(super) async fn incomplete(app: &App, attempt: &AttemptId, files: &[FileDigest]) -> Result<Vec<String>> {
    let there = app.store.list(attempt).await.map_err(Error::internal)?;
    let whole = |file: &&FileDigest| {
        let name = file.path.parse::<FileName>().ok();
        there.iter().any(|l| Some(&l.name) == name.as_ref() && l.sealed && l.length == file.length)
    };
    Ok(files.iter().filter(|f| !whole(f)).map(|f| f.path.clone()).collect())
}
