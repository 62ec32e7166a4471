//! What operators do about nodes, join strings, quotas and invitations, as JSON.

use axum::extract::State;
use axum::http::StatusCode;
use hpl_spec::api::Problem;
use hpl_spec::api::operator::{InviteInfo, JoinTokenInfo, JoinTokenRequest, NewJoinToken, OperatorNode, QuotaSet};
use hpl_spec::id::NodeId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::http::accounts::by;
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path};
use crate::ops::accounts::revoke_invite as end_invite;
use crate::ops::operator::{self as ops, Reach};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list_nodes))
        .routes(routes!(drain_node))
        .routes(routes!(undrain_node))
        .routes(routes!(revoke_node))
        .routes(routes!(list_join_tokens, create_join_token))
        .routes(routes!(revoke_join_token))
        .routes(routes!(list_quotas))
        .routes(routes!(list_invites))
        .routes(routes!(revoke_invite))
}

/// Where nodes reach the service.
///
/// # Errors
/// It does not serve yet.
pub fn reach(app: &App) -> Result<&Reach> {
    app.reach.get().ok_or_else(|| Error::internal("the service does not know yet where it is reached"))
}

/// The number of a row. Read after it is known who calls, so that strangers are told nothing else.
fn number(id: &str, what: &str) -> Result<i64> {
    id.parse().map_err(|_| Error::not_found(what))
}

/// All nodes as their operator sees them, by name.
#[utoipa::path(get, operation_id = "list_operator_nodes", path = "/api/v1/admin/nodes", tag = "admin",
    responses((status = 200, body = Vec<OperatorNode>),
              (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn list_nodes(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<OperatorNode>>> {
    caller.admin()?;
    Ok(Json(ops::nodes(&app.db).await?))
}

async fn drain(app: &App, caller: &Caller, id: &str, draining: bool) -> Result<StatusCode> {
    let admin = caller.admin()?;
    let id: NodeId = id.parse().map_err(|_| Error::not_found("node"))?;
    ops::set_draining(&app.db, by(admin, caller), id.to_string(), draining).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Give a node no new jobs; what it runs goes on.
#[utoipa::path(post, operation_id = "drain_node", path = "/api/v1/admin/nodes/{id}/drain", tag = "admin",
    params(("id" = String, Path, description = "The node")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn drain_node(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    drain(&app, &caller, &id, true).await
}

/// Give a node jobs again.
#[utoipa::path(post, operation_id = "undrain_node", path = "/api/v1/admin/nodes/{id}/undrain", tag = "admin",
    params(("id" = String, Path, description = "The node")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn undrain_node(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    drain(&app, &caller, &id, false).await
}

/// Revoke a node: its token opens nothing any more, and what it runs is cut off.
#[utoipa::path(post, operation_id = "revoke_node", path = "/api/v1/admin/nodes/{id}/revoke", tag = "admin",
    params(("id" = String, Path, description = "The node")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn revoke_node(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    let admin = caller.admin()?;
    let id: NodeId = id.parse().map_err(|_| Error::not_found("node"))?;
    ops::revoke_node(&app.db, by(admin, &caller), id.to_string()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The join tokens that can be used, the latest first.
#[utoipa::path(get, operation_id = "list_join_tokens", path = "/api/v1/admin/join-tokens", tag = "admin",
    responses((status = 200, body = Vec<JoinTokenInfo>),
              (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn list_join_tokens(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<JoinTokenInfo>>> {
    caller.admin()?;
    Ok(Json(ops::join_tokens(&app.db, app.clock.now()).await?))
}

/// Make a text by which nodes join. The answer holds it, this once.
#[utoipa::path(post, operation_id = "create_join_token", path = "/api/v1/admin/join-tokens", tag = "admin",
    request_body = JoinTokenRequest,
    responses((status = 201, body = NewJoinToken),
              (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn create_join_token(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<JoinTokenRequest>,
) -> Result<(StatusCode, Json<NewJoinToken>)> {
    let admin = caller.admin()?;
    let made = ops::create_join_token(&app.db, by(admin, &caller), request, reach(&app)?).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Revoke a join token; nodes that have joined stay.
#[utoipa::path(delete, operation_id = "revoke_join_token", path = "/api/v1/admin/join-tokens/{id}", tag = "admin",
    params(("id" = i64, Path, description = "Its number")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn revoke_join_token(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    let admin = caller.admin()?;
    ops::revoke_join_token(&app.db, by(admin, &caller), number(&id, "join token")?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What is set for users and cohorts, by subject; at most 1000.
#[utoipa::path(get, operation_id = "list_quotas", path = "/api/v1/admin/quotas", tag = "admin",
    responses((status = 200, body = Vec<QuotaSet>),
              (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn list_quotas(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<QuotaSet>>> {
    caller.admin()?;
    Ok(Json(ops::quotas(&app.db).await?))
}

/// The invitations that can be used, the latest first.
#[utoipa::path(get, operation_id = "list_invites", path = "/api/v1/admin/invites", tag = "admin",
    responses((status = 200, body = Vec<InviteInfo>),
              (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn list_invites(State(app): State<Shared>, caller: Caller) -> Result<Json<Vec<InviteInfo>>> {
    caller.admin()?;
    Ok(Json(ops::invites(&app.db, app.clock.now()).await?))
}

/// Revoke an invitation; accounts that were made by it stay.
#[utoipa::path(delete, operation_id = "revoke_invite", path = "/api/v1/admin/invites/{id}", tag = "admin",
    params(("id" = i64, Path, description = "Its number")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
async fn revoke_invite(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    let admin = caller.admin()?;
    end_invite(&app.db, by(admin, &caller), number(&id, "invitation")?).await?;
    Ok(StatusCode::NO_CONTENT)
}
