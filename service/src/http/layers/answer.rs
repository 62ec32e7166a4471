//! What all answers have: an id, the headers that keep browsers safe, and one form of errors.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    SET_COOKIE, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use super::body::is_problem;
use super::{OwnWords, RequestId};
use crate::error::{Code, Error};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Scripts and styles come from files of the service alone; nobody frames its pages; forms go nowhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; font-src 'self'; manifest-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Headers of every answer that does not bring its own.
const HEADERS: [(HeaderName, &str); 7] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (CACHE_CONTROL, "no-store"),
];
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Completes an answer; says which problem it is, if it is one.
pub(super) fn finish(response: &mut Response, id: RequestId, tls: bool) -> Option<Code> {
    if (response.status().is_client_error() || response.status().is_server_error()) && is_bare(response) {
        let allow = response.headers_mut().remove(axum::http::header::ALLOW);
        *response = explain(response.status()).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(axum::http::header::ALLOW, allow);
        }
    }
    let problem = sign(response, id);
    let attachment = response.headers().contains_key(CONTENT_DISPOSITION);
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if tls {
        headers.entry(STRICT_TRANSPORT_SECURITY).or_insert(HSTS);
    }
    if attachment {
        headers.remove(SET_COOKIE);
    }
    if let Ok(value) = HeaderValue::try_from(id.0.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    problem
}

/// Whether an error has no form of its own: a library's words, or none at all.
fn is_bare(response: &Response) -> bool {
    let media = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    !is_problem(response)
        && response.extensions().get::<Error>().is_none()
        && media.is_none_or(|media| media.starts_with("text/plain"))
        && response.extensions().get::<OwnWords>().is_none()
}

/// The problem behind the status that a library answered with.
fn explain(status: StatusCode) -> Error {
    let (code, detail) = match status {
        StatusCode::NOT_FOUND => (Code::NotFound, "there is nothing at this address"),
        StatusCode::METHOD_NOT_ALLOWED => {
            (Code::MethodNotAllowed, "see the `Allow` header for the methods this address takes")
        }
        StatusCode::PAYLOAD_TOO_LARGE => (Code::TooLarge, "the body is longer than what is taken here"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            Code::UnsupportedMediaType,
            "the body's Content-Type or Content-Encoding is not taken here; bodies may be of gzip or zstd",
        ),
        StatusCode::UNPROCESSABLE_ENTITY => (Code::Invalid, "the body or the query has a field of a wrong type"),
        StatusCode::TOO_MANY_REQUESTS => (Code::RateLimited, "too many requests; come again later"),
        StatusCode::SERVICE_UNAVAILABLE => (Code::Unavailable, "the service is busy; come again later"),
        status if status.is_client_error() => {
            (Code::BadRequest, "the path, the query, a header or the body cannot be read")
        }
        _ => (Code::Internal, "the cause is in the service's log, under this request's id"),
    };
    let error = Error::new(code, detail);
    if matches!(code, Code::RateLimited | Code::Unavailable) { error.retry_after(5) } else { error }
}

/// Writes the request's id into the problem.
fn sign(response: &mut Response, id: RequestId) -> Option<Code> {
    let error = response.extensions().get::<Error>()?;
    let code = error.code;
    if is_problem(response) {
        let mut problem = error.to_problem();
        problem.request_id = id.0.to_string();
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        response.headers_mut().remove(CONTENT_LENGTH);
        *response.body_mut() = Body::from(body);
    }
    Some(code)
}

/// The method as a label: methods that nobody knows are one.
pub(super) fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
