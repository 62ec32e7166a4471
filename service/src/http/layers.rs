//! The outer layers: what is the same for every request.
//!
//! ```text
//!   request ──► compression ──► id, log, figures, headers, form of errors ──► panics ──► patience
//!                                                              ──► decompression ──► limit of bodies ──► routes
//! ```

mod answer;
mod body;

use std::any::Any;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Extensions, HeaderMap, StatusCode, Version};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tracing::Instrument;
use uuid::Uuid;

pub use self::body::take_up_to;
use crate::app::Shared;
use crate::client_ip::{client_ip, is_encrypted};
use crate::error::{Code, Error};
use crate::http::caller::Caller;
use crate::serve::Peer;

/// Bytes of a request's body where the route does not say otherwise, after decompression.
pub const BODY: usize = 1 << 20;
/// How long a request may take until its answer begins.
const PATIENCE: Duration = Duration::from_secs(30);
/// The routes that wait for something to happen, and how long they may take.
const LONG_POLLS: [&str; 2] = ["/agent/v1/claim", "/agent/v1/attempts/{attempt}/wait"];
const LONG_PATIENCE: Duration = Duration::from_secs(90);
/// Answers below this are not worth compressing.
const COMPRESS_FROM: u64 = 1024;
/// The media types that are compressed. The token in the forms of a page looks different each time, so that the length of
/// a page tells nothing of it: see [`super::csrf::Guard`]. Pages that show a secret are marked [`Secret`].
const COMPRESSED: [&str; 9] = [
    "application/json",
    "application/jsonl",
    "application/openmetrics-text",
    "text/csv",
    "text/html",
    "image/svg+xml",
    "text/plain",
    "text/css",
    "text/javascript",
];

/// The id of a request: in its answer, its log line and its problem. An extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub Uuid);

/// An extension of answers that come bit by bit: they are not compressed, as that would hold them up.
#[derive(Debug, Clone, Copy)]
pub struct Flowing;

/// An extension of answers that hold a secret: they are not compressed, as their length would tell of it.
#[derive(Debug, Clone, Copy)]
pub struct Secret;

/// An extension of answers with a status of an error and a text that is meant as it is.
#[derive(Debug, Clone, Copy)]
pub struct OwnWords;

/// Puts the outer layers around all routes.
pub fn outer(router: Router, app: &Shared) -> Router {
    let compression =
        CompressionLayer::new().gzip(true).compress_when(SizeAbove::new(COMPRESS_FROM).and(is_worth_compressing));
    router
        .fallback(|| async { Error::new(Code::NotFound, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            Error::new(Code::MethodNotAllowed, "see the `Allow` header for the methods this address takes")
        })
        .layer(take_up_to(BODY))
        .layer(body::decompression())
        .layer(from_fn(patience))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(super::pages::for_browsers))
        .layer(from_fn_with_state(app.clone(), around))
        .layer(compression)
}

fn is_worth_compressing(_: StatusCode, _: Version, headers: &HeaderMap, extensions: &Extensions) -> bool {
    let media = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    extensions.get::<Flowing>().is_none() && extensions.get::<Secret>().is_none() && COMPRESSED.contains(&media)
}

/// The route's pattern; empty if there is none.
fn route_of(request: &Request) -> MatchedRoute {
    MatchedRoute(request.extensions().get::<MatchedPath>().cloned())
}

/// The pattern of a route: unlike a path, one of few, and without anything private.
struct MatchedRoute(Option<MatchedPath>);

impl MatchedRoute {
    fn as_str(&self) -> &str {
        self.0.as_ref().map_or("none", MatchedPath::as_str)
    }
}

/// Ends requests that take too long to answer.
async fn patience(request: Request, next: Next) -> Response {
    let route = route_of(&request);
    let patience = if LONG_POLLS.contains(&route.as_str()) { LONG_PATIENCE } else { PATIENCE };
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("the request took longer than {} s and was given up", patience.as_secs());
            Error::new(Code::Unavailable, detail).retry_after(5).into_response()
        }
    }
}

fn panicked(panic: Box<dyn Any + Send>) -> axum::http::Response<Body> {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("without words");
    Error::internal(format!("a handler panicked: {text}")).into_response()
}

/// Gives the request its id, and the answer everything that all answers have; logs and counts it.
async fn around(State(app): State<Shared>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = RequestId(Uuid::now_v7());
    request.extensions_mut().insert(id);
    let method = answer::method_name(request.method());
    let route = route_of(&request);
    let peer = request.extensions().get::<Peer>().copied();
    let address = peer.map(|peer| client_ip(peer.addr.ip(), request.headers(), &app.config.trusted_proxies));
    let tls = peer.is_some_and(|peer| is_encrypted(peer, request.headers(), &app.config.trusted_proxies));
    let span = tracing::info_span!("request", id = %id.0);
    let mut response = next.run(request).instrument(span.clone()).await;
    let problem = answer::finish(&mut response, id, tls);
    let status = response.status();
    app.metrics.request(method, route.as_str(), status, began.elapsed(), problem);

    let caller = response.extensions().get::<Caller>();
    let user = caller.and_then(|caller| caller.user.as_ref()).map_or("", |user| user.name.as_str());
    let address = caller.map(|caller| caller.address).or(address).map(tracing::field::display);
    let (route, status, ms) = (route.as_str(), status.as_u16(), began.elapsed().as_millis() as u64);
    let problem = problem.map(|code| code.row().0);
    span.in_scope(|| {
        if status >= 500 {
            tracing::warn!(method, route, status, ms, user, address, problem, "answered");
        } else if is_clockwork(route, status) {
            tracing::debug!(method, route, status, ms, user, address, "answered");
        } else {
            tracing::info!(method, route, status, ms, user, address, problem, "answered");
        }
    });
    response
}

/// Calls that machines repeat all day, and that went well.
fn is_clockwork(route: &str, status: u16) -> bool {
    status < 400
        && (route.starts_with(hpl_spec::api::agent::ROOT) || matches!(route, "/healthz" | "/readyz" | "/metrics"))
}
