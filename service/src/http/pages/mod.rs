//! The pages: rendered here, readable and usable without a script. They call [`crate::ops`] and show what it says.
//!
//! ```text
//!   request ──► Visitor (who, form token, note of the last action) ──► ops ──► template ──► page
//!                       a form that was sent ──► ops ──► 303 to a page, or the form again with all that was typed
//! ```
//! What is shown only once, recovery codes and tokens, is the answer to the form itself and is kept nowhere.

mod about;
mod account;
mod assets;
mod boards;
mod compare;
mod entry;
mod errors;
mod explore;
mod forms;
mod home;
mod job;
mod jobs;
mod learn;
mod nodes;
mod operator;
mod plain;
mod queue;
mod result;
mod results;
mod submit;
mod sweep;
mod visitor;
mod words;

pub use self::assets::missing;

use askama::Template;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};

pub use self::errors::for_browsers;
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::layers::Secret;

/// Rows of a list on a page: so many are drawn within an eye blink, and more are a link away.
const ROWS: u32 = 20;
/// A table that says again what a picture shows stands open with so many rows, and else opens when asked: what is closed
/// is not laid out, and one comes sooner to what follows.
const FEW: usize = 12;

/// The addresses of the first part of a list that is shown by offset, and of the next part; empty where one is there.
fn around(path: &str, offset: u32, more: bool) -> [String; 2] {
    let first = if offset > 0 { path.to_owned() } else { String::new() };
    [first, if more { format!("{path}?offset={}", offset.saturating_add(ROWS)) } else { String::new() }]
}

/// All pages. They need [`crate::http::auth::protect`] around them; and [`for_browsers`] further out, so that errors
/// from outside of them, unknown addresses for one, are pages too.
pub fn routes() -> Router<Shared> {
    Router::new()
        .merge(home::routes())
        .merge(learn::routes())
        .merge(entry::routes())
        .merge(account::routes())
        .merge(submit::routes())
        .merge(jobs::routes())
        .merge(queue::routes())
        .merge(job::routes())
        .merge(sweep::routes())
        .merge(boards::routes())
        .merge(results::routes())
        .merge(result::routes())
        .merge(explore::routes())
        .merge(compare::routes())
        .merge(nodes::routes())
        .merge(about::routes())
        .merge(operator::routes())
        .layer(from_fn(errors::as_pages))
        .merge(assets::routes())
}

/// A template as an answer.
fn show(status: StatusCode, page: &impl Template) -> Result<Response> {
    let text = page.render().map_err(Error::internal)?;
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    Ok((status, [(header::CONTENT_TYPE, html)], text).into_response())
}

/// A template that holds a secret, which is shown this once.
fn show_secret(page: &impl Template) -> Result<Response> {
    let mut response = show(StatusCode::CREATED, page)?;
    response.extensions_mut().insert(Secret);
    Ok(response)
}

/// A template as the answer to a look.
fn page(page: &impl Template) -> Result<Response> {
    show(StatusCode::OK, page)
}

/// The status of an error.
fn status(error: &Error) -> StatusCode {
    StatusCode::from_u16(error.code.row().1).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
