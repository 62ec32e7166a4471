//! Requests that change something and that a browser may have been tricked into.
//!
//! A cookie is sent whoever made the browser send it. So a method that is not safe needs, unless a token proves who
//! calls, the browser's own word that the page it came from is ours: `Sec-Fetch-Site: same-origin`, or an `Origin`
//! that is this host. A caller without a cookie and without these headers is no browser and has no authority that
//! could be misused; it may log in. Forms carry a token besides ([`Guard`]): bound to the session, or, before
//! there is one, to a cookie that lives as long as the browser's window.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::{FromRequestParts, Request, State};
use axum::http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::middleware::Next;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use tower_sessions::cookie::Cookie;

use super::caller::{Caller, Proof};
use super::session::secure;
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::secret::TokenHash;

/// The cookie of forms before there is a session, over TLS.
const FORM_COOKIE: &str = "__Host-hpl-form";
/// The same over plain HTTP.
const PLAIN_FORM_COOKIE: &str = "hpl-form";
/// Characters of its value: 128 random bits.
const SEED_CHARS: usize = 22;

/// Bytes of what a token hides, and of the mask that it is hidden under.
const BYTES: usize = 32;

/// The token that forms of this request's answer carry in the field `csrf`, and that forms sent by this request
/// must have carried. Handlers take it as an argument.
///
/// What a token hides is the same as long as the session lasts, but no two tokens look alike: each is written under a
/// mask of its own, drawn anew, with the mask before it. Pages are compressed, and hold what a stranger can put into
/// their address; if the token stood there unchanged, the length of the page would tell how much of it was guessed
/// (the BREACH attack, 2013; the mask is the remedy that its authors name).
#[derive(Debug, Clone)]
pub struct Guard {
    hidden: [u8; BYTES],
    shown: Arc<AtomicBool>,
}

impl Guard {
    /// A token for a form of the page to be shown.
    #[must_use]
    pub fn token(&self) -> String {
        self.shown.store(true, Ordering::Relaxed);
        let mask = rand::random::<[u8; BYTES]>();
        let mut token = mask.to_vec();
        token.extend(mask.iter().zip(&self.hidden).map(|(mask, hidden)| mask ^ hidden));
        BASE64URL_NOPAD.encode(&token)
    }

    /// Whether the field `csrf` of a form that was sent is the right one; compared in constant time.
    ///
    /// # Errors
    /// [`Code::CrossOrigin`]: it is another one.
    pub fn check(&self, field: &str) -> Result<()> {
        let token = BASE64URL_NOPAD.decode(field.as_bytes()).ok().filter(|token| token.len() == 2 * BYTES);
        let found = token.map(|token| {
            let (mask, masked) = token.split_at(BYTES);
            mask.iter().zip(masked).map(|(mask, masked)| mask ^ masked).collect::<Vec<u8>>()
        });
        if found.is_some_and(|found| bool::from(found.ct_eq(&self.hidden))) {
            Ok(())
        } else {
            let detail = "this form belongs to another session, or cookies are switched off; load the page again";
            Err(Error::new(Code::CrossOrigin, detail))
        }
    }

    fn new(seed: &str) -> Guard {
        Guard { hidden: *TokenHash::of(&format!("form {seed}")).as_bytes(), shown: Arc::default() }
    }
}

impl<S: Sync> FromRequestParts<S> for Guard {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Guard>().cloned().ok_or_else(|| Error::internal("no layer guards this form"))
    }
}

/// Refuses what another site made a browser send, and leaves a [`Guard`] for the handlers.
pub(super) async fn guard(
    State(app): State<Shared>,
    session: Session,
    caller: Caller,
    mut request: Request,
    next: Next,
) -> Result<Response> {
    let secure = secure(&app);
    let proof = caller.user.as_ref().map(|user| &user.proof);
    if !is_safe(request.method()) && !matches!(proof, Some(Proof::Token { .. })) {
        let same = same_origin(request.headers(), request.uri(), secure, app.config.public_name.as_deref());
        if !same.unwrap_or(proof.is_none()) {
            let detail = "this changes something and must come from a page of this service, with `Origin` or \
                          `Sec-Fetch-Site: same-origin`; programs send `Authorization: Bearer hpl_u_…` instead";
            return Err(Error::new(Code::CrossOrigin, detail));
        }
    }
    let name = if secure { FORM_COOKIE } else { PLAIN_FORM_COOKIE };
    let (guard, new_seed) = match (proof, session.id()) {
        (Some(Proof::Session(_)), Some(id)) => (Guard::new(&id.to_string()), None),
        _ => match seed(request.headers(), name) {
            Some(seed) => (Guard::new(&seed), None),
            None => {
                let seed = BASE64URL_NOPAD.encode(&rand::random::<[u8; 16]>());
                (Guard::new(&seed), Some(seed))
            }
        },
    };
    request.extensions_mut().insert(guard.clone());
    let mut response = next.run(request).await;
    if let Some(seed) = new_seed.filter(|_| guard.shown.load(Ordering::Relaxed)) {
        let only_tls = if secure { "; Secure" } else { "" };
        let cookie = format!("{name}={seed}; Path=/; HttpOnly; SameSite=Lax{only_tls}");
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_str(&cookie).map_err(Error::internal)?);
    }
    Ok(response)
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE)
}

/// The value of the form cookie, if the browser has one that we can have made.
fn seed(headers: &HeaderMap, name: &str) -> Option<String> {
    let cookies = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut ours =
        cookies.flat_map(Cookie::split_parse).filter_map(std::result::Result::ok).filter(|c| c.name() == name);
    ours.next().map(|cookie| cookie.value().to_owned()).filter(|seed| seed.len() == SEED_CHARS && seed.is_ascii())
}

/// Whether the page that the request came from is of this service; None if nothing is said about it.
fn same_origin(headers: &HeaderMap, uri: &Uri, secure: bool, public_name: Option<&str>) -> Option<bool> {
    if let Some(site) = headers.get("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let origin = origins.next()?;
    if origins.next().is_some() {
        return Some(false);
    }
    let (scheme, port) = if secure { ("https://", ":443") } else { ("http://", ":80") };
    let bare = |authority: &str| {
        let authority = authority.to_ascii_lowercase();
        authority.strip_suffix(port).map_or(authority.clone(), str::to_owned)
    };
    let Some(from) = origin.to_str().ok().and_then(|text| text.strip_prefix(scheme)).map(bare) else {
        return Some(false);
    };
    // HTTP/2 says the host in the address, HTTP/1.1 in the header.
    let host = uri.authority().map(|a| a.as_str()).or_else(|| headers.get(HOST).and_then(|h| h.to_str().ok()));
    Some([host, public_name].into_iter().flatten().any(|ours| bare(ours) == from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(lines: &[(&'static str, &str)], secure: bool) -> Option<bool> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        same_origin(&headers, &Uri::from_static("/x"), secure, Some("hpl.example.org:8443"))
    }

    #[test]
    fn a_page_of_ours_is_told_from_any_other() {
        let host = ("host", "here.example:8080");
        for (lines, secure, expected) in [
            (&[host][..], true, None),
            (&[host, ("origin", "https://here.example:8080")], true, Some(true)),
            (&[host, ("origin", "https://HERE.example:8080")], true, Some(true)),
            (&[host, ("origin", "https://hpl.example.org:8443")], true, Some(true)),
            (&[host, ("origin", "http://here.example:8080")], true, Some(false)),
            (&[host, ("origin", "http://here.example:8080")], false, Some(true)),
            (&[host, ("origin", "https://here.example")], true, Some(false)),
            (&[host, ("origin", "https://evil.example")], true, Some(false)),
            (&[host, ("origin", "null")], true, Some(false)),
            (&[host, ("origin", "https://here.example:8080"), ("origin", "https://evil.example")], true, Some(false)),
            (&[("host", "a.example"), ("origin", "https://a.example:443")], true, Some(true)),
            (&[("host", "a.example:443"), ("origin", "https://a.example")], true, Some(true)),
            (&[("origin", "https://a.example")], true, Some(false)),
            (&[host, ("sec-fetch-site", "same-origin")], true, Some(true)),
            (&[host, ("sec-fetch-site", "same-site")], true, Some(false)),
            (&[host, ("sec-fetch-site", "cross-site"), ("origin", "https://here.example:8080")], true, Some(false)),
            (&[host, ("sec-fetch-site", "none")], true, Some(false)),
        ] {
            assert_eq!(judged(lines, secure), expected, "{lines:?} {secure}");
        }
    }

    #[test]
    fn a_form_token_is_good_for_its_session_only() {
        let (mine, other) = (Guard::new("a"), Guard::new("b"));
        let (one, two) = (mine.token(), mine.token());
        assert!(mine.check(&one).is_ok() && mine.check(&two).is_ok());
        let cut = one[1..].to_owned();
        let bare = BASE64URL_NOPAD.encode(&mine.hidden);
        let nothing = BASE64URL_NOPAD.encode(&[0; 2 * BYTES]);
        for wrong in [other.token(), String::new(), "a".into(), cut, bare, nothing, "é".into()] {
            assert_eq!(mine.check(&wrong).unwrap_err().code, Code::CrossOrigin);
        }
    }

    #[test]
    fn no_two_tokens_look_alike() {
        let guard = Guard::new("a");
        let tokens: Vec<String> = (0..50).map(|_| guard.token()).collect();
        for (i, one) in tokens.iter().enumerate() {
            for other in &tokens[..i] {
                let same = one.bytes().zip(other.bytes()).filter(|(a, b)| a == b).count();
                assert!(same < one.len() / 3, "{one} {other}");
            }
        }
    }
}
