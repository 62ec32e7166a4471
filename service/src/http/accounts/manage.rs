//! What administrators do, as JSON.

use axum::extract::State;
use axum::http::StatusCode;
use hpl_spec::api::Problem;
use hpl_spec::api::accounts::{
    AuditPage, CreateUserRequest, InviteRequest, NewInvite, QuotaRequest, SignUpReply, User, UserPage,
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::by;
use crate::app::Shared;
use crate::error::Result;
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path, Query};
use crate::ops::accounts as ops;

pub(super) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_users, create_user))
        .routes(routes!(disable_user))
        .routes(routes!(enable_user))
        .routes(routes!(create_invite))
        .routes(routes!(set_quota, clear_quota))
        .routes(routes!(audit))
}

/// Where a list of accounts begins.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct UserQuery {
    /// Accounts after this name; left out: from the first on.
    #[serde(default)]
    after: String,
}

/// Accounts by name.
#[utoipa::path(
    get, path = "/admin/users", tag = "admin", params(UserQuery),
    responses(
        (status = 200, body = UserPage),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list_users(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<UserQuery>,
) -> Result<Json<UserPage>> {
    caller.admin()?;
    Ok(Json(ops::user_page(&app.db, &query.after).await?))
}

/// Make an account. The answer holds its recovery codes, this once.
#[utoipa::path(
    post, path = "/admin/users", tag = "admin", request_body = CreateUserRequest,
    responses(
        (status = 201, body = SignUpReply),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_user(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<CreateUserRequest>,
) -> Result<(StatusCode, Json<SignUpReply>)> {
    let admin = caller.admin()?;
    let reply = ops::create_user(&app.db, &app.passwords, by(admin, &caller), request).await?;
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Disable an account: its sessions end, its tokens open nothing, what it has waiting or running is cancelled.
#[utoipa::path(
    post, path = "/admin/users/{name}/disable", tag = "admin",
    params(("name" = String, Path, description = "The username")),
    responses(
        (status = 200, body = User),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn disable_user(State(app): State<Shared>, caller: Caller, Path(name): Path<String>) -> Result<Json<User>> {
    let admin = caller.admin()?;
    Ok(Json(ops::set_disabled(&app.db, by(admin, &caller), &name, true).await?))
}

/// Enable an account again. Its tokens open again what they opened.
#[utoipa::path(
    post, path = "/admin/users/{name}/enable", tag = "admin",
    params(("name" = String, Path, description = "The username")),
    responses(
        (status = 200, body = User),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn enable_user(State(app): State<Shared>, caller: Caller, Path(name): Path<String>) -> Result<Json<User>> {
    let admin = caller.admin()?;
    Ok(Json(ops::set_disabled(&app.db, by(admin, &caller), &name, false).await?))
}

/// Make an invitation to sign up. The answer holds it, this once.
#[utoipa::path(
    post, path = "/admin/invites", tag = "admin", request_body = InviteRequest,
    responses(
        (status = 201, body = NewInvite),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_invite(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<InviteRequest>,
) -> Result<(StatusCode, Json<NewInvite>)> {
    let admin = caller.admin()?;
    Ok((StatusCode::CREATED, Json(ops::create_invite(&app.db, by(admin, &caller), request).await?)))
}

/// Set what is allowed to a user or a cohort, in place of what was set before.
#[utoipa::path(
    put, path = "/admin/quotas/{subject}", tag = "admin", request_body = QuotaRequest,
    params(("subject" = String, Path, description = "`user:NAME` or `cohort:NAME`", pattern = "^(user|cohort):[a-z0-9_-]+$")),
    responses(
        (status = 200, body = QuotaRequest),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn set_quota(
    State(app): State<Shared>,
    caller: Caller,
    Path(subject): Path<String>,
    Json(request): Json<QuotaRequest>,
) -> Result<Json<QuotaRequest>> {
    let admin = caller.admin()?;
    Ok(Json(ops::set_quota(&app.db, by(admin, &caller), &subject, request).await?))
}

/// Remove what was set for a user or a cohort.
#[utoipa::path(
    delete, path = "/admin/quotas/{subject}", tag = "admin",
    params(("subject" = String, Path, description = "`user:NAME` or `cohort:NAME`", pattern = "^(user|cohort):[a-z0-9_-]+$")),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn clear_quota(State(app): State<Shared>, caller: Caller, Path(subject): Path<String>) -> Result<StatusCode> {
    let admin = caller.admin()?;
    ops::clear_quota(&app.db, by(admin, &caller), &subject).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which part of the audit log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AuditQuery {
    /// Rows before this one; left out: the latest.
    before: Option<i64>,
    /// Rows of this action only.
    action: Option<String>,
    /// How many rows, at most 500; left out: 100.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u32>,
}

/// The audit log, the latest first.
#[utoipa::path(
    get, path = "/admin/audit", tag = "admin", params(AuditQuery),
    responses(
        (status = 200, body = AuditPage),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn audit(State(app): State<Shared>, caller: Caller, Query(query): Query<AuditQuery>) -> Result<Json<AuditPage>> {
    caller.admin()?;
    let limit = query.limit.unwrap_or(100);
    Ok(Json(ops::audit_page(&app.db, query.action.as_deref(), query.before, limit).await?))
}
