//! Logs and artifacts, in pieces by offset. The service's own length is the truth: where the two sides differ, the
//! answer says from where to go on.

use axum::extract::State;
use bytes::Bytes;
use data_encoding::HEXLOWER;
use hpl_spec::api::Problem;
use hpl_spec::api::agent::Stored;
use hpl_spec::id::AttemptId;
use serde::Deserialize;

use super::proof::Proven;
use crate::app::{App, Shared};
use crate::db::attempts;
use crate::disk::Load;
use crate::error::{Code, Error, Result};
use crate::http::extract::{Body, Path, Query};
use crate::store::{AppendError, ArtifactName, Chunk, FileName, SealError, Stream};

/// Where a piece belongs, and what the whole file is, once that is known.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Piece {
    /// The attempt's fence.
    fence: i64,
    /// The first byte of the piece.
    offset: u64,
    /// With the last piece: the length of the whole file.
    length: Option<u64>,
    /// With the last piece: the SHA-256 of the whole file, 64 lower-case hexadecimal digits.
    sha256: Option<String>,
}

/// A piece of a log: at most 256 KiB. 416 says which `offset` the service has.
#[utoipa::path(put, operation_id = "agent_log", path = "/agent/v1/attempts/{attempt}/log/{stream}", tag = "agent",
    params(("attempt" = String, Path, description = "the attempt's id"),
           ("stream" = String, Path, description = "`out` or `err`"), Piece),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("token" = [])),
    responses((status = 200, body = Stored), (status = "4XX", body = Problem)))]
pub async fn log(
    State(app): State<Shared>,
    proven: Proven,
    Path((_, stream)): Path<(AttemptId, String)>,
    Query(piece): Query<Piece>,
    Body(bytes): Body,
) -> Result<axum::Json<Stored>> {
    let stream: Stream = stream.parse().map_err(|why| Error::field("stream", format!("{why}")))?;
    put(&app, &proven, &stream.into(), piece, bytes, Load::Bulk).await
}

/// A piece of an artifact: at most 256 KiB. The file that the benchmark's result rests on is taken as long as
/// anything fits on the disk.
#[utoipa::path(put, operation_id = "agent_artifact", path = "/agent/v1/attempts/{attempt}/artifacts/{name}", tag = "agent",
    params(("attempt" = String, Path, description = "the attempt's id"),
           ("name" = String, Path, description = "the name of the file"), Piece),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), security(("token" = [])),
    responses((status = 200, body = Stored), (status = "4XX", body = Problem)))]
pub async fn artifact(
    State(app): State<Shared>,
    proven: Proven,
    Path((_, name)): Path<(AttemptId, String)>,
    Query(piece): Query<Piece>,
    Body(bytes): Body,
) -> Result<axum::Json<Stored>> {
    let is_output = hpl_spec::benchmark::BENCHMARKS.iter().any(|b| b.output == name);
    let name: ArtifactName = name.parse().map_err(|why| Error::field("name", format!("{why}")))?;
    let load = if is_output { Load::Result } else { Load::Bulk };
    put(&app, &proven, &name.into(), piece, bytes, load).await
}

async fn put(
    app: &App,
    proven: &Proven,
    file: &FileName,
    piece: Piece,
    bytes: Bytes,
    load: Load,
) -> Result<axum::Json<Stored>> {
    let attempt = &proven.attempt;
    attempts::admit_files(&mut *app.db.read().await?, &proven.writer(piece.fence), app.clock.now()).await?;
    let whole = whole(&piece)?;
    let length = bytes.len() as u64;
    let chunk = Chunk { offset: piece.offset, bytes, load };
    let appended = app.store.append(attempt, file, chunk, app.quota).await.map_err(refused)?;
    fail::fail_point!("file_appended");
    if !appended.dup && matches!(file, FileName::Log(_)) {
        app.metrics.log_bytes.inc_by(length);
    }
    let mut complete = false;
    if let Some((length, sha256)) = whole {
        if let Err(why) = app.store.seal(attempt, file, length, sha256).await {
            return Err(not_sealed(app, attempt, file, why).await);
        }
        complete = true;
        fail::fail_point!("file_sealed");
    }
    Ok(axum::Json(Stored { length: appended.length, dup: appended.dup, complete }))
}

/// Length and hash of the whole file, where they are named.
fn whole(piece: &Piece) -> Result<Option<(u64, [u8; 32])>> {
    match (piece.length, &piece.sha256) {
        (None, None) => Ok(None),
        (Some(length), Some(hex)) => {
            let bytes = HEXLOWER.decode(hex.as_bytes()).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
            let wrong = || Error::field("sha256", "expected 64 lower-case hexadecimal digits");
            Ok(Some((length, bytes.ok_or_else(wrong)?)))
        }
        _ => Err(Error::field("length", "the last piece names both `length` and `sha256`, the others neither")),
    }
}

fn refused(why: AppendError) -> Error {
    let text = why.to_string();
    match why {
        AppendError::Mismatch { have, differs } => {
            Error::new(Code::OffsetMismatch, text).with("offset", have).with("differs", differs)
        }
        AppendError::TooLong { limit, have } => {
            Error::new(Code::TooLong, text).with("limit", limit).with("offset", have)
        }
        AppendError::TooMany { limit } => Error::new(Code::TooLong, text).with("limit", limit as u64),
        AppendError::Sealed { have } => Error::new(Code::Conflict, text).with("offset", have),
        AppendError::DiskLow | AppendError::DiskFull => Error::new(Code::DiskFull, text).retry_after(60),
        AppendError::Io(cause) => Error::internal(cause),
    }
}

/// Why a file could not be sealed, and what the node is to do. One whose hash is wrong is emptied first.
async fn not_sealed(app: &App, attempt: &AttemptId, file: &FileName, why: SealError) -> Error {
    let text = why.to_string();
    match why {
        SealError::Absent => Error::new(Code::OffsetMismatch, text).with("offset", 0),
        SealError::Length { have, .. } => Error::new(Code::OffsetMismatch, text).with("offset", have),
        SealError::Hash { .. } => match app.store.reset(attempt, file).await {
            Ok(true) => Error::new(Code::HashMismatch, text).with("offset", 0),
            // Sent again from 0 it would be no other.
            Ok(false) => Error::new(Code::Conflict, "the file was sealed with another SHA-256 and stays as it is"),
            Err(cause) => Error::internal(cause),
        },
        SealError::DiskFull => Error::new(Code::DiskFull, text).retry_after(60),
        SealError::Io(cause) => Error::internal(cause),
    }
}
