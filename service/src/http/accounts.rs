//! Accounts as JSON, relative to `/api/v1`. What concerns sessions, the password and new tokens needs a session: a
//! token that leaked must not be able to make itself at home.

use axum::extract::State;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use hpl_spec::api::Problem;
use hpl_spec::api::accounts::{
    LogInRequest, Me, NewToken, PasswordRequest, RecoverReply, RecoverRequest, RecoveryCodes, RecoveryCodesRequest,
    SessionList, SessionsEnded, SignUpReply, SignUpRequest, TokenList, TokenRequest,
};
use tower_sessions::Session;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::caller::{Caller, Known, Proof, Scope};
use super::extract::{Json, Path};
use super::session;
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::ops::accounts::{self as ops, By, LoggedIn};

mod manage;

/// The routes of accounts, and of administrators.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(log_in))
        .routes(routes!(log_out))
        .routes(routes!(recover))
        .routes(routes!(me))
        .routes(routes!(change_password))
        .routes(routes!(renew_recovery_codes))
        .routes(routes!(list_sessions, revoke_other_sessions))
        .routes(routes!(revoke_session))
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(rotate_token))
        .routes(routes!(revoke_token))
        .merge(manage::routes())
}

/// What the browser calls itself.
#[must_use]
pub fn user_agent(headers: &HeaderMap) -> &str {
    headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The user and the name of the session by which they come.
///
/// # Errors
/// Nobody is logged in; a token proves who it is, which is not enough here.
pub fn by_session(caller: &Caller) -> Result<(&Known, &str)> {
    let user = caller.user(Scope::Read)?;
    match &user.proof {
        Proof::Session(id) => Ok((user, id)),
        Proof::Token { .. } => Err(Error::new(Code::Forbidden, "a token may not do this; log in with the password")),
    }
}

/// In whose name the caller does something.
pub fn by(user: &Known, caller: &Caller) -> By {
    By::user(&user.name, caller.address)
}

/// Sign up. The answer holds the recovery codes, which are shown this once; its cookie is a session. Where no session
/// could be begun, the account is there all the same and the answer has no cookie: log in.
#[utoipa::path(
    post, path = "/signup", tag = "accounts", request_body = SignUpRequest,
    responses(
        (status = 201, body = SignUpReply),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn sign_up(
    State(app): State<Shared>,
    caller: Caller,
    session: Session,
    headers: HeaderMap,
    Json(request): Json<SignUpRequest>,
) -> Result<(StatusCode, Json<SignUpReply>)> {
    let (user, reply) = ops::sign_up(&app, caller.address, request).await?;
    session::begin_if_possible(&session, &user, caller.address, user_agent(&headers)).await;
    Ok((StatusCode::CREATED, Json(reply)))
}

/// Log in. The answer's cookie is a session.
#[utoipa::path(
    post, path = "/login", tag = "accounts", request_body = LogInRequest,
    responses(
        (status = 200, body = Me),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn log_in(
    State(app): State<Shared>,
    caller: Caller,
    session: Session,
    headers: HeaderMap,
    Json(request): Json<LogInRequest>,
) -> Result<Json<Me>> {
    let user = ops::log_in(&app, caller.address, request).await?;
    session::begin(&session, &user, caller.address, user_agent(&headers)).await?;
    Ok(Json(ops::me(&app, user.key, None).await?))
}

/// Log out: ends the session that asks.
#[utoipa::path(
    post, path = "/logout", tag = "accounts",
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn log_out(State(app): State<Shared>, caller: Caller, session: Session) -> Result<StatusCode> {
    let (user, id) = by_session(&caller)?;
    ops::log_out(&app, by(user, &caller), user.key, id).await?;
    session::end(&session).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Set a new password by a recovery code. Ends every session; tokens stay.
#[utoipa::path(
    post, path = "/recover", tag = "accounts", request_body = RecoverRequest,
    responses(
        (status = 200, body = RecoverReply),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn recover(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<RecoverRequest>,
) -> Result<Json<RecoverReply>> {
    Ok(Json(ops::recover(&app, caller.address, request).await?))
}

/// Who is logged in, and what is allowed to them.
#[utoipa::path(
    get, path = "/me", tag = "accounts",
    responses(
        (status = 200, body = Me),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn me(State(app): State<Shared>, caller: Caller) -> Result<Json<Me>> {
    let user = caller.user(Scope::Read)?;
    let scopes = match &user.proof {
        Proof::Session(_) => None,
        Proof::Token { scopes, .. } => Some(scopes.iter().copied().map(ops::wire).collect()),
    };
    Ok(Json(ops::me(&app, user.key, scopes).await?))
}

/// Change the password. Ends all other sessions; tokens stay.
#[utoipa::path(
    post, path = "/me/password", tag = "accounts", request_body = PasswordRequest,
    responses(
        (status = 200, body = SessionsEnded),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn change_password(
    State(app): State<Shared>,
    caller: Caller,
    session: Session,
    Json(request): Json<PasswordRequest>,
) -> Result<Json<SessionsEnded>> {
    let (user, id) = by_session(&caller)?;
    let logged_in = LoggedIn { key: user.key, name: user.name.clone() };
    let ended = ops::change_password(&app, caller.address, &logged_in, id, request).await?;
    session::renew(&session).await?;
    Ok(Json(SessionsEnded { ended }))
}

/// Make new recovery codes in the place of all there were. The answer holds them, this once.
#[utoipa::path(
    post, path = "/me/recovery-codes", tag = "accounts", request_body = RecoveryCodesRequest,
    responses(
        (status = 201, body = RecoveryCodes),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn renew_recovery_codes(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<RecoveryCodesRequest>,
) -> Result<(StatusCode, Json<RecoveryCodes>)> {
    let (user, _) = by_session(&caller)?;
    let logged_in = LoggedIn { key: user.key, name: user.name.clone() };
    let codes = ops::renew_recovery_codes(&app, caller.address, &logged_in, request).await?;
    Ok((StatusCode::CREATED, Json(codes)))
}

/// The sessions of who asks.
#[utoipa::path(
    get, path = "/me/sessions", tag = "accounts",
    responses(
        (status = 200, body = SessionList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list_sessions(State(app): State<Shared>, caller: Caller) -> Result<Json<SessionList>> {
    let (user, id) = by_session(&caller)?;
    Ok(Json(SessionList { sessions: ops::list_sessions(&app, user.key, id).await? }))
}

/// End all sessions but the one that asks.
#[utoipa::path(
    delete, path = "/me/sessions", tag = "accounts",
    responses(
        (status = 200, body = SessionsEnded),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn revoke_other_sessions(State(app): State<Shared>, caller: Caller) -> Result<Json<SessionsEnded>> {
    let (user, id) = by_session(&caller)?;
    let ended = ops::revoke_other_sessions(&app, by(user, &caller), user.key, id).await?;
    Ok(Json(SessionsEnded { ended }))
}

/// End a session.
#[utoipa::path(
    delete, path = "/me/sessions/{id}", tag = "accounts",
    params(("id" = String, Path, description = "The name of the session in the list")),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn revoke_session(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<StatusCode> {
    let (user, _) = by_session(&caller)?;
    ops::revoke_session(&app, by(user, &caller), user.key, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The API tokens of who asks.
#[utoipa::path(
    get, path = "/me/tokens", tag = "accounts",
    responses(
        (status = 200, body = TokenList),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn list_tokens(State(app): State<Shared>, caller: Caller) -> Result<Json<TokenList>> {
    let (user, _) = by_session(&caller)?;
    Ok(Json(TokenList { tokens: ops::list_tokens(&app, user.key).await? }))
}

/// Make an API token. The answer holds it, this once.
#[utoipa::path(
    post, path = "/me/tokens", tag = "accounts", request_body = TokenRequest,
    responses(
        (status = 201, body = NewToken),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn create_token(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<TokenRequest>,
) -> Result<(StatusCode, Json<NewToken>)> {
    let (user, _) = by_session(&caller)?;
    let token = ops::create_token(&app, by(user, &caller), user.key, user.admin, request).await?;
    Ok((StatusCode::CREATED, Json(token)))
}

/// The user, if they come by a session or by the very token that it is about.
fn by_session_or_token(caller: &Caller, id: i64) -> Result<&Known> {
    match &caller.user {
        Some(user) if matches!(user.proof, Proof::Token { key, .. } if key == id) => Ok(user),
        _ => by_session(caller).map(|(user, _)| user),
    }
}

/// Replace an API token by a new one with the same name, scopes and lifetime. The old one can be used for 24 hours
/// more. A token may do this for itself.
#[utoipa::path(
    post, path = "/me/tokens/{id}/rotate", tag = "accounts",
    params(("id" = i64, Path, description = "The number of the token in the list")),
    responses(
        (status = 201, body = NewToken),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn rotate_token(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<i64>,
) -> Result<(StatusCode, Json<NewToken>)> {
    let user = by_session_or_token(&caller, id)?;
    let token = ops::rotate_token(&app, by(user, &caller), user.key, id).await?;
    Ok((StatusCode::CREATED, Json(token)))
}

/// Revoke an API token at once. A token may do this for itself.
#[utoipa::path(
    delete, path = "/me/tokens/{id}", tag = "accounts",
    params(("id" = i64, Path, description = "The number of the token in the list")),
    responses(
        (status = 204),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
    ),
)]
async fn revoke_token(State(app): State<Shared>, caller: Caller, Path(id): Path<i64>) -> Result<StatusCode> {
    let user = by_session_or_token(&caller, id)?;
    ops::revoke_token(&app, by(user, &caller), user.key, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
