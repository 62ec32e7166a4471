//! Files by the result they belong to: the only way to those of an orphan whose job is not known any more.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use hpl_spec::api::Problem;
use hpl_spec::id::AttemptId;

use super::{Found, attached};
use crate::app::Shared;
use crate::db::events::AttemptHandle;
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::Path;
use crate::ops::results;
use crate::store::FileName;

/// A file of a result
///
/// One of the result's `files`, by its path. Always as an attachment, to be saved and not shown. Takes `Range`.
#[utoipa::path(get, operation_id = "get_file_of_result", path = "/api/v1/results/{id}/{kind}/{name}", tag = "results",
    params(("id" = String, Path, description = "The result"),
           ("kind" = String, Path, description = "`log` or `artifacts`"),
           ("name" = String, Path, description = "`out`, `err`, or the name of the artifact")),
    responses((status = 200, description = "The file", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 206, description = "The range", content_type = "application/octet-stream", body = Vec<u8>),
              (status = 404, body = Problem, content_type = "application/problem+json"),
              (status = 416, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn file(
    State(app): State<Shared>,
    caller: Caller,
    Path((id, kind, name)): Path<(AttemptId, String, String)>,
    headers: HeaderMap,
) -> Result<Response> {
    let name: FileName = format!("{kind}/{name}").parse().map_err(|_| Error::not_found("file"))?;
    let files = results::detail(&app, &caller, &id).await?.files;
    let found = Found::look(&app.store, AttemptHandle { id, ended: true, files }, name).await?;
    if found.file.is_none() {
        return Err(Error::not_found("file"));
    }
    attached(found, &headers).await
}
