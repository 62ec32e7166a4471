//! Errors as pages: the same status and the same words as the problem document.

use askama::Template;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use hpl_spec::api::PROBLEM_JSON;

use super::visitor::{Frame, Visitor};
use super::words::sentence;
use super::{forms, show};
use crate::error::{Code, Error};
use crate::http::layers::RequestId;

/// Headers of a problem that its page keeps.
const KEPT: [header::HeaderName; 3] = [header::RETRY_AFTER, header::ALLOW, header::SET_COOKIE];

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    detail: String,
    fields: Vec<(String, String)>,
    /// Where to log in, if that helps.
    log_in: String,
    retry_after: Option<u32>,
    request_id: String,
}

/// Every error that comes from inside is a page.
pub(super) async fn as_pages(request: Request, next: Next) -> Response {
    answer(request, next).await
}

/// Errors are pages for those who ask for pages: browsers, at addresses that are not for programs.
pub async fn for_browsers(request: Request, next: Next) -> Response {
    let accepts = request.headers().get_all(header::ACCEPT).iter();
    let asks = accepts.filter_map(|value| value.to_str().ok()).any(|value| value.contains("text/html"));
    let path = request.uri().path();
    let for_programs = path.starts_with("/api/") || path.starts_with(hpl_spec::api::agent::ROOT);
    if asks && !for_programs { answer(request, next).await } else { next.run(request).await }
}

async fn answer(mut request: Request, next: Next) -> Response {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let looks = request.method() == Method::GET;
    let id = request.extensions().get::<RequestId>().map(|id| id.0.to_string()).unwrap_or_default();
    let (mut parts, body) = request.into_parts();
    let visitor = match parts.extensions.get::<crate::http::caller::Caller>() {
        Some(_) => <Visitor as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &()).await.ok(),
        None => None,
    };
    request = Request::from_parts(parts, body);
    let response = next.run(request).await;
    let problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|value| value == PROBLEM_JSON);
    match response.extensions().get::<Error>() {
        Some(error) if problem => {
            let next = if looks { path.as_str() } else { "/" };
            render(error, visitor.as_ref(), next, id, response.headers()).unwrap_or(response)
        }
        _ => response,
    }
}

/// The page of an error; None if it cannot be rendered, and then the problem document goes out.
fn render(
    error: &Error,
    visitor: Option<&Visitor>,
    next: &str,
    request_id: String,
    from: &HeaderMap,
) -> Option<Response> {
    let (_, status, title) = error.code.row();
    let title = if error.code == Code::Unauthenticated { "You are not logged in" } else { title };
    let frame = match visitor {
        Some(visitor) => visitor.frame(title, ""),
        None => Frame::new(title, ""),
    };
    let log_in = match error.code {
        Code::Unauthenticated => format!("/login{}", forms::query(&[("next", next)])),
        _ => String::new(),
    };
    let page = ErrorPage {
        frame,
        status,
        detail: format!("{}.", sentence(error.detail.trim_end_matches('.'))),
        fields: error.errors.iter().map(|p| (p.field.clone(), p.message.clone())).collect(),
        log_in,
        retry_after: error.retry_after,
        request_id,
    };
    let mut response = show(super::status(error), &page).ok()?;
    for name in KEPT {
        for value in from.get_all(&name) {
            response.headers_mut().append(&name, value.clone());
        }
    }
    response.extensions_mut().insert(error.clone());
    Some(response)
}
