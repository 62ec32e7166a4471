//! Coming in and going out: sign up, log in, log out, a new password by recovery code.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use hpl_spec::api::accounts::{LogInRequest, RecoverRequest, SignUpRequest};
use tower_sessions::Session;

use super::forms::{Fields, Wrong, local, on_to};
use super::visitor::{Frame, Visitor};
use crate::app::{App, Shared};
use crate::config::Signup;
use crate::error::{Error, Result};
use crate::http::accounts::{by_session, user_agent};
use crate::http::session;
use crate::ops::accounts::{self as ops, By};

/// Where one goes after signing up, if one came from nowhere in particular.
const LESSON: &str = "/learn/first-linpack";

#[derive(Template)]
#[template(path = "signup.html")]
struct SignUpPage {
    frame: Frame,
    csrf: String,
    closed: bool,
    invited: bool,
    username: String,
    invite: String,
    next: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "codes.html")]
pub(super) struct CodesPage {
    pub(super) frame: Frame,
    pub(super) codes: Vec<String>,
    pub(super) occasion: Occasion,
}

/// Why recovery codes are shown, and so where one goes from there.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Occasion {
    /// The account is made and the session has begun: on to where one came from, or to the lesson.
    SignedUp {
        /// A place of this service.
        next: String,
    },
    /// The account is made, but no session could be begun: to the log-in.
    NotLoggedIn,
    /// They take the place of others: back to the account.
    Renewed,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LogInPage {
    frame: Frame,
    csrf: String,
    next: String,
    username: String,
    wrong: Wrong,
}

#[derive(Template)]
#[template(path = "recover.html")]
struct RecoverPage {
    frame: Frame,
    csrf: String,
    username: String,
    wrong: Wrong,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/signup", get(sign_up_form).post(sign_up))
        .route("/login", get(log_in_form).post(log_in))
        .route("/logout", post(log_out))
        .route("/recover", get(recover_form).post(recover))
}

/// The fields of these forms have the names that the errors use.
fn same(field: &str) -> String {
    field.to_owned()
}

fn sign_up_page(app: &App, visitor: &Visitor, sent: &Fields, error: Option<&Error>) -> Result<Response> {
    let page = SignUpPage {
        frame: visitor.frame("Sign up", "/signup").with_call("POST", "/api/v1/signup"),
        csrf: visitor.token(),
        closed: app.config.signup() == Signup::Closed,
        invited: app.config.signup() == Signup::Invite,
        username: sent.get("username").to_owned(),
        invite: sent.get("invite").to_owned(),
        next: if local(sent.get("next")) == "/" { String::new() } else { sent.get("next").to_owned() },
        wrong: error.map(|error| Wrong::of(error, same)).unwrap_or_default(),
    };
    super::show(error.map_or(StatusCode::OK, super::status), &page)
}

/// An invitation can come with the address, as administrators send it.
async fn sign_up_form(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    sign_up_page(&app, &visitor, &asked, None)
}

async fn sign_up(
    State(app): State<Shared>,
    visitor: Visitor,
    session: Session,
    headers: HeaderMap,
    sent: Fields,
) -> Result<Response> {
    let made = async {
        visitor.guard.check(sent.get("csrf"))?;
        let request = SignUpRequest {
            username: sent.get("username").trim().to_owned(),
            password: sent.get("password").to_owned(),
            invite: sent.filled("invite").map(str::to_owned),
        };
        let (user, reply) = ops::sign_up(&app, visitor.caller.address, request).await?;
        let agent = user_agent(&headers);
        let begun = session::begin_if_possible(&session, &user, visitor.caller.address, agent).await;
        let next = match local(sent.get("next")) {
            "/" => LESSON.to_owned(),
            next => next.to_owned(),
        };
        let occasion = if begun { Occasion::SignedUp { next } } else { Occasion::NotLoggedIn };
        Ok::<_, Error>((user, reply, occasion))
    };
    match made.await {
        Ok((user, reply, occasion)) => {
            // The session has just begun: what this page could put in a form belongs to the one before.
            let mut frame = Frame::new("Your recovery codes", "/signup");
            frame.user = matches!(occasion, Occasion::SignedUp { .. }).then_some(user.name);
            super::show_secret(&CodesPage { frame, codes: reply.recovery_codes, occasion })
        }
        Err(error) => sign_up_page(&app, &visitor, &sent, Some(&error)),
    }
}

fn log_in_page(visitor: &Visitor, sent: &Fields, error: Option<&Error>) -> Result<Response> {
    let page = LogInPage {
        frame: visitor.frame("Log in", "/login").with_call("POST", "/api/v1/login"),
        csrf: visitor.token(),
        next: local(sent.get("next")).to_owned(),
        username: sent.get("username").to_owned(),
        wrong: error.map(|error| Wrong::of(error, same)).unwrap_or_default(),
    };
    super::show(error.map_or(StatusCode::OK, super::status), &page)
}

async fn log_in_form(visitor: Visitor, asked: Fields) -> Result<Response> {
    log_in_page(&visitor, &asked, None)
}

async fn log_in(
    State(app): State<Shared>,
    visitor: Visitor,
    session: Session,
    headers: HeaderMap,
    sent: Fields,
) -> Result<Response> {
    let done = async {
        visitor.guard.check(sent.get("csrf"))?;
        let request =
            LogInRequest { username: sent.get("username").to_owned(), password: sent.get("password").to_owned() };
        let user = ops::log_in(&app, visitor.caller.address, request).await?;
        session::begin(&session, &user, visitor.caller.address, user_agent(&headers)).await
    };
    match done.await {
        Ok(()) => Ok(on_to(local(sent.get("next")), "welcome")),
        Err(error) => log_in_page(&visitor, &sent, Some(&error)),
    }
}

async fn log_out(State(app): State<Shared>, visitor: Visitor, session: Session, sent: Fields) -> Result<Response> {
    visitor.guard.check(sent.get("csrf"))?;
    let (user, id) = by_session(&visitor.caller)?;
    ops::log_out(&app, By::user(&user.name, visitor.caller.address), user.key, id).await?;
    session::end(&session).await?;
    Ok(on_to("/", "out"))
}

fn recover_page(visitor: &Visitor, sent: &Fields, error: Option<&Error>) -> Result<Response> {
    let page = RecoverPage {
        frame: visitor.frame("Forgotten password", "/login").with_call("POST", "/api/v1/recover"),
        csrf: visitor.token(),
        username: sent.get("username").to_owned(),
        wrong: error.map(|error| Wrong::of(error, same)).unwrap_or_default(),
    };
    super::show(error.map_or(StatusCode::OK, super::status), &page)
}

async fn recover_form(visitor: Visitor) -> Result<Response> {
    recover_page(&visitor, &Fields::default(), None)
}

async fn recover(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let done = async {
        visitor.guard.check(sent.get("csrf"))?;
        let request = RecoverRequest {
            username: sent.get("username").to_owned(),
            recovery_code: sent.get("recovery_code").to_owned(),
            new_password: sent.get("new_password").to_owned(),
        };
        ops::recover(&app, visitor.caller.address, request).await
    };
    match done.await {
        Ok(_) => Ok(on_to("/login", "recovered")),
        Err(error) => recover_page(&visitor, &sent, Some(&error)),
    }
}
