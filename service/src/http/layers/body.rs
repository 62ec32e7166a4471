//! Bodies of requests: decompressed, then limited, so that a small body cannot unfold into a large one.

use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::Route;
use hpl_spec::api::PROBLEM_JSON;
use tower::util::{MapRequest, MapResponse};
use tower::{Layer, Service};
use tower_http::decompression::{DecompressionBody, RequestDecompression};

use crate::error::{Code, Error};

/// Lets bodies be of gzip or zstd. Those of another encoding get 415.
pub(super) fn decompression() -> impl Layer<
    Route,
    Service = impl Service<Request, Response = impl IntoResponse, Error = std::convert::Infallible, Future: Send>
              + Clone
              + Send
              + Sync,
> + Clone
+ Send
+ Sync {
    tower::layer::layer_fn(|route: Route| {
        let unify = |request: axum::http::Request<DecompressionBody<Body>>| request.map(Body::new);
        RequestDecompression::new(MapRequest::new(route, unify))
    })
}

/// Lets a route take bodies of so many bytes; larger ones get 413, which says so. The innermost limit counts.
pub fn take_up_to(
    bytes: usize,
) -> impl Layer<
    Route,
    Service = impl Service<Request, Response = Response, Error = std::convert::Infallible, Future: Send>
              + Clone
              + Send
              + Sync,
> + Clone
+ Send
+ Sync {
    tower::layer::layer_fn(move |route: Route| {
        let name_the_limit = move |response: Response| {
            let named = response.extensions().get::<Error>();
            let named = named.is_some_and(|error| error.code != Code::TooLarge || error.more.contains_key("limit"));
            if response.status() != StatusCode::PAYLOAD_TOO_LARGE || named {
                return response;
            }
            let detail = format!("the body is longer than the {bytes} bytes that are taken here");
            Error::new(Code::TooLarge, detail).with("limit", bytes).into_response()
        };
        MapResponse::new(DefaultBodyLimit::max(bytes).layer(route), name_the_limit)
    })
}

/// Whether an answer is a problem already.
pub(super) fn is_problem(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON)
}
