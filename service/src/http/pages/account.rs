//! One's own account: quota, sessions, API tokens, password.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::accounts::{
    PasswordRequest, RecoveryCodesRequest, SessionInfo, TokenInfo, TokenRequest, TokenScope,
};
use hpl_spec::benchmark::figure;
use tower_sessions::Session;

use super::entry::{CodesPage, Occasion};
use super::forms::{Fields, Wrong, on_to};
use super::visitor::{Frame, Visitor};
use super::words::{When, duration};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::http::accounts::by_session;
use crate::http::caller::Scope;
use crate::http::extract::Path;
use crate::http::session;
use crate::ops::accounts::{self as ops, By, LoggedIn};
use crate::ops::jobs;
use crate::ops::operator::log_in_line;

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    csrf: String,
    username: String,
    admin: bool,
    since: When,
    /// Runs at the same time: now, of how many.
    running: String,
    /// Waiting jobs and sweeps: now, of how many.
    queued: String,
    walltime_max: String,
    /// Node hours used lately.
    node_hours: String,
    /// A course or team, or nothing.
    cohort: String,
    codes_left: u32,
    /// The line that logs in from a terminal; nothing while the service does not know yet where it is reached.
    log_in: String,
    sessions: Vec<SessionLine>,
    tokens: Vec<TokenLine>,
    scopes: Vec<ScopeChoice>,
    token_name: String,
    token_days: String,
    wrong_token: Wrong,
    wrong_password: Wrong,
    wrong_codes: Wrong,
}

struct SessionLine {
    id: String,
    current: bool,
    agent: String,
    address: String,
    began: When,
    seen: When,
}

struct TokenLine {
    id: i64,
    name: String,
    scopes: String,
    made: When,
    ends: When,
    used: Option<When>,
    state: &'static str,
    usable: bool,
}

struct ScopeChoice {
    name: &'static str,
    about: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage {
    frame: Frame,
    name: String,
    token: String,
    ends: When,
}

/// What was typed, and what is wrong with it.
#[derive(Default)]
struct Typed {
    token: Fields,
    wrong_token: Option<Error>,
    wrong_password: Option<Error>,
    wrong_codes: Option<Error>,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/account", get(look))
        .route("/account/password", post(change_password))
        .route("/account/recovery-codes", post(renew_codes))
        .route("/account/sessions/others/end", post(end_others))
        .route("/account/sessions/{id}/end", post(end_session))
        .route("/account/tokens", post(create_token))
        .route("/account/tokens/{id}/revoke", post(revoke_token))
}

async fn look(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    account(&app, &visitor, Typed::default()).await
}

async fn account(app: &App, visitor: &Visitor, typed: Typed) -> Result<Response> {
    let (user, session) = by_session(&visitor.caller)?;
    let me = ops::me(app, user.key, None).await?;
    let now = app.clock.now();
    let wrong = |error: Option<&Error>| error.map(|error| Wrong::of(error, str::to_owned)).unwrap_or_default();
    let error = typed.wrong_token.as_ref().or(typed.wrong_password.as_ref()).or(typed.wrong_codes.as_ref());
    let status = error.map_or(StatusCode::OK, super::status);
    let frame = ["/api/v1/me", "/api/v1/me/sessions", "/api/v1/me/tokens"]
        .into_iter()
        .fold(visitor.frame("Your account", "/account"), |frame, path| frame.with_call("GET", path));
    let used = jobs::quota(app, &visitor.caller).await?;
    let log_in = app.reach.get().map(|reach| log_in_line(&me.user.username, reach)).unwrap_or_default();
    let page = AccountPage {
        frame,
        csrf: visitor.token(),
        username: me.user.username,
        admin: me.user.admin,
        since: When::new(me.user.created_at, now),
        running: format!("{} of {} now", used.running, used.running_max),
        queued: format!("{} of {} now", used.queued, used.queued_max),
        walltime_max: duration(used.walltime_max_s.into()),
        node_hours: figure((used.recent_node_hours * 1000.0).round() / 1000.0),
        cohort: me.user.cohort,
        codes_left: me.recovery_codes_left,
        log_in,
        sessions: session_lines(ops::list_sessions(app, user.key, session).await?, now),
        tokens: token_lines(ops::list_tokens(app, user.key).await?, now),
        scopes: scope_choices(user.admin, &typed.token),
        token_name: typed.token.get("name").to_owned(),
        token_days: typed.token.filled("expires_in_days").unwrap_or("90").to_owned(),
        wrong_token: wrong(typed.wrong_token.as_ref()),
        wrong_password: wrong(typed.wrong_password.as_ref()),
        wrong_codes: wrong(typed.wrong_codes.as_ref()),
    };
    super::show(status, &page)
}

fn session_lines(sessions: Vec<SessionInfo>, now: i64) -> Vec<SessionLine> {
    let line = |info: SessionInfo| SessionLine {
        id: info.id,
        current: info.current,
        agent: if info.agent.is_empty() { "a browser that gives no name".into() } else { info.agent },
        address: info.address,
        began: When::new(info.created_at, now),
        seen: When::new(info.seen_at, now),
    };
    sessions.into_iter().map(line).collect()
}

fn token_lines(tokens: Vec<TokenInfo>, now: i64) -> Vec<TokenLine> {
    let line = |info: TokenInfo| {
        let ended = info.expires_at <= now;
        TokenLine {
            id: info.id,
            scopes: ops::scopes_text(&info.scopes),
            made: When::new(info.created_at, now),
            ends: When::new(info.expires_at, now),
            used: info.last_used_at.map(|at| When::new(at, now)),
            state: if info.revoked_at.is_some() {
                "revoked"
            } else if ended {
                "ended"
            } else {
                "in force"
            },
            usable: info.revoked_at.is_none() && !ended,
            name: info.name,
        }
    };
    tokens.into_iter().map(line).collect()
}

fn scope_choices(admin: bool, typed: &Fields) -> Vec<ScopeChoice> {
    let about = |scope: Scope| match scope {
        Scope::Read => "see what you see",
        Scope::Submit => "submit, cancel, repeat and delete your jobs",
        Scope::Admin => "do what administrators do",
        Scope::Metrics => "read the figures of the service",
    };
    let for_all = |scope: &Scope| admin || matches!(scope, Scope::Read | Scope::Submit);
    let chosen = |name: &str| typed.all("scope").any(|value| value == name);
    let choice = |scope: Scope| ScopeChoice { name: scope.name(), about: about(scope), chosen: chosen(scope.name()) };
    Scope::ALL.into_iter().filter(for_all).map(choice).collect()
}

async fn change_password(
    State(app): State<Shared>,
    visitor: Visitor,
    session: Session,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, id) = by_session(&visitor.caller)?;
    let user = LoggedIn { key: user.key, name: user.name.clone() };
    let request = PasswordRequest {
        password: sent.get("password").to_owned(),
        new_password: sent.get("new_password").to_owned(),
    };
    match ops::change_password(&app, visitor.caller.address, &user, id, request).await {
        Ok(_) => {
            session::renew(&session).await?;
            Ok(on_to("/account", "password"))
        }
        Err(error) => account(&app, &visitor, Typed { wrong_password: Some(error), ..Typed::default() }).await,
    }
}

async fn renew_codes(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, _) = by_session(&visitor.caller)?;
    let user = LoggedIn { key: user.key, name: user.name.clone() };
    let request = RecoveryCodesRequest { password: sent.get("password").to_owned() };
    match ops::renew_recovery_codes(&app, visitor.caller.address, &user, request).await {
        Ok(made) => {
            let frame = visitor.frame("Your recovery codes", "/account");
            let page = CodesPage { frame, codes: made.recovery_codes, occasion: Occasion::Renewed };
            super::show_secret(&page)
        }
        Err(error) => account(&app, &visitor, Typed { wrong_codes: Some(error), ..Typed::default() }).await,
    }
}

async fn end_session(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, _) = by_session(&visitor.caller)?;
    ops::revoke_session(&app, By::user(&user.name, visitor.caller.address), user.key, &id).await?;
    Ok(on_to("/account", "session"))
}

async fn end_others(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, id) = by_session(&visitor.caller)?;
    ops::revoke_other_sessions(&app, By::user(&user.name, visitor.caller.address), user.key, id).await?;
    Ok(on_to("/account", "sessions"))
}

fn token_request(sent: &Fields) -> Result<TokenRequest> {
    let mut problems = vec![];
    let scope = |name: &str| {
        let known = Scope::from_name(name).map(ops::wire);
        known.ok_or_else(|| Error::field("scopes", "expected the scopes that are offered"))
    };
    let scopes: Vec<TokenScope> = sent.all("scope").map(scope).collect::<Result<_>>()?;
    let expires_in_days = sent.number("expires_in_days", &mut problems);
    if problems.is_empty() {
        Ok(TokenRequest { name: sent.get("name").to_owned(), scopes, expires_in_days })
    } else {
        Err(Error::invalid(problems))
    }
}

async fn create_token(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, _) = by_session(&visitor.caller)?;
    let made = async {
        let by = By::user(&user.name, visitor.caller.address);
        ops::create_token(&app, by, user.key, user.admin, token_request(&sent)?).await
    };
    match made.await {
        Ok(made) => {
            let page = TokenPage {
                frame: visitor.frame("Your new token", "/account"),
                name: made.info.name,
                token: made.token,
                ends: When::new(made.info.expires_at, app.clock.now()),
            };
            super::show_secret(&page)
        }
        Err(error) => {
            account(&app, &visitor, Typed { token: sent, wrong_token: Some(error), ..Typed::default() }).await
        }
    }
}

async fn revoke_token(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<i64>,
    sent: Fields,
) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, _) = by_session(&visitor.caller)?;
    ops::revoke_token(&app, By::user(&user.name, visitor.caller.address), user.key, id).await?;
    Ok(on_to("/account", "token"))
}
