//! Who calls: a bearer token from the `Authorization` header and from nowhere else, or the session of the cookie.
//! Nodes have their own door, `/agent/v1`, which these layers do not stand before.

use std::net::{IpAddr, Ipv4Addr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tower_sessions::Session;

use super::caller::{Caller, Known, Proof};
use super::{csrf, session};
use crate::app::{App, Shared};
use crate::client_ip::client_ip;
use crate::db::{sessions, tokens};
use crate::error::{Code, Error, Result};
use crate::limits::{Key, Limit};
use crate::ops::accounts::scopes_of;
use crate::secret::{self, TokenKind};
use crate::serve::Peer;

/// Puts the layers of this module and of [`csrf`] around all routes of people: afterwards every handler may take
/// [`Caller`], [`Session`] and [`csrf::Guard`] as arguments.
pub fn protect<S: Clone + Send + Sync + 'static>(router: Router<S>, app: &Shared) -> Router<S> {
    router
        .layer(from_fn_with_state(app.clone(), csrf::guard))
        .layer(from_fn_with_state(app.clone(), identify))
        .layer(session::layer(app))
        .layer(map_response(mend))
}

/// Finds out who calls, counts the call, and leaves a [`Caller`] for the handlers.
async fn identify(State(app): State<Shared>, session: Session, mut request: Request, next: Next) -> Result<Response> {
    let address = address(&app, &request);
    let user = match bearer(request.headers()) {
        None => by_session(&app, &session).await?,
        Some(presented) => match by_token(&app, presented).await {
            Ok(user) => Some(user),
            Err(why) => {
                // Guesses are counted by address, as nobody else can be counted.
                app.limits.check(Limit::Anonymous, &Key::address(address))?;
                return Err(why);
            }
        },
    };
    let caller = Caller { user, address };
    count(&app, &caller)?;
    request.extensions_mut().insert(caller.clone());
    let mut response = next.run(request).await;
    // For the log line.
    response.extensions_mut().insert(caller);
    Ok(response)
}

/// Counts a call against the rate of whoever makes it.
///
/// # Errors
/// The rate is used up.
pub(super) fn count(app: &App, caller: &Caller) -> Result<()> {
    match &caller.user {
        None => app.limits.check(Limit::Anonymous, &Key::address(caller.address))?,
        Some(Known { proof: Proof::Token { key, .. }, .. }) => {
            app.limits.check(Limit::Api, &Key::name(&format!("token {key}")))?;
        }
        Some(user) => app.limits.check(Limit::Api, &Key::name(&format!("user {}", user.key)))?,
    }
    Ok(())
}

/// Where the request came from.
pub(super) fn address(app: &App, request: &Request) -> IpAddr {
    let peer = request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.addr.ip());
    client_ip(peer, request.headers(), &app.config.trusted_proxies)
}

/// The token in the `Authorization` header, if there is that header; Err if it holds something else.
pub(super) fn bearer(headers: &HeaderMap) -> Option<Result<&str>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let first = values.next()?;
    let token = first.to_str().ok().filter(|_| values.next().is_none()).and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    let wrong = || Error::new(Code::Unauthenticated, "expected one header `Authorization: Bearer hpl_…`");
    Some(token.ok_or_else(wrong))
}

async fn by_token(app: &App, presented: Result<&str>) -> Result<Known> {
    let refused = |detail: String| Error::new(Code::Unauthenticated, detail);
    let hash = secret::parse(TokenKind::User, presented?).map_err(|why| refused(why.to_string()))?;
    let found = tokens::find(&mut *app.db.read().await?, &hash).await?;
    let held = found.ok_or_else(|| refused("this token is not known here; make one under your account".into()))?;
    let now = app.clock.now();
    if held.revoked_at.is_some() || held.expires_at <= now {
        let why = if held.revoked_at.is_some() { "was revoked" } else { "has expired" };
        return Err(Error::new(Code::TokenExpired, format!("this token {why}; make another one under your account")));
    }
    if now - held.last_used_at.unwrap_or(0) >= tokens::NOTED_EVERY {
        let key = held.key;
        let noted = app.db.write(move |tx| Box::pin(async move { tokens::note(tx, key).await })).await;
        passed_over(noted);
    }
    let proof = Proof::Token { key: held.key, scopes: scopes_of(&held.scopes) };
    Ok(Known { key: held.user, name: held.name, admin: held.admin, proof })
}

async fn by_session(app: &App, session: &Session) -> Result<Option<Known>> {
    let Some(id) = session.id() else { return Ok(None) };
    let (hash, now) = (session::hash(&id), app.clock.now());
    let Some(holder) = sessions::holder(&mut *app.db.read().await?, &hash, now).await? else {
        // A session that is gone: asking for its data lets the library see that, and take the cookie away.
        let _ = session.get_value("").await;
        return Ok(None);
    };
    if now - holder.seen_at >= sessions::NOTED_EVERY {
        passed_over(app.db.write(move |tx| Box::pin(async move { sessions::note(tx, &hash).await })).await);
    }
    let proof = Proof::Session(holder.public_id);
    Ok(Some(Known { key: holder.user, name: holder.name, admin: holder.admin, proof }))
}

/// That something is in use could not be noted, on a full disk for instance: no reason not to answer.
fn passed_over(noted: Result<()>) {
    if let Err(why) = noted {
        tracing::warn!(%why, "last use was not noted");
    }
}

/// Mends two answers of the session library: a cookie with the prefix `__Host-` is only taken away by a header that
/// is `Secure` itself; and a session that could not be saved is answered with an empty body.
async fn mend(mut response: Response) -> Response {
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR && !response.headers().contains_key(CONTENT_TYPE) {
        return Error::internal("the session could not be saved").into_response();
    }
    if let axum::http::header::Entry::Occupied(mut cookies) = response.headers_mut().entry(SET_COOKIE) {
        for cookie in cookies.iter_mut() {
            let Ok(text) = cookie.to_str() else { continue };
            if text.starts_with("__Host-")
                && !text.contains("; Secure")
                && let Ok(mended) = HeaderValue::from_str(&format!("{text}; Secure; HttpOnly; SameSite=Lax"))
            {
                *cookie = mended;
            }
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bearer_token_comes_in_one_header_of_one_form() {
        let with = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            bearer(&headers).map(|found| found.map(str::to_owned).map_err(|why| why.code))
        };
        assert_eq!(with(&[]), None);
        assert_eq!(with(&["Bearer x"]), Some(Ok("x".into())));
        assert_eq!(with(&["bearer  x "]), Some(Ok("x".into())));
        for wrong in [&["Basic eDp5"][..], &["x"], &["Bearer x", "Bearer y"], &[""]] {
            assert_eq!(with(wrong), Some(Err(Code::Unauthenticated)), "{wrong:?}");
        }
    }
}
