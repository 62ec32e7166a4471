//! The one stylesheet, built into the program and named by its hash, so that browsers may keep it for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::extract::Path;

/// All styles, in the order in which they may overrule each other.
const STYLE: &str = concat!(
    include_str!("../../../styles/tokens.css"),
    include_str!("../../../styles/base.css"),
    include_str!("../../../styles/parts.css"),
    include_str!("../../../styles/forms.css"),
    include_str!("../../../styles/picture.css"),
    include_str!("../../../styles/submit.css"),
    include_str!("../../../styles/live.css"),
    include_str!("../../../styles/result.css"),
    include_str!("../../../styles/learn.css"),
    include_str!("../../../styles/explore.css"),
    include_str!("../../../styles/board.css"),
    include_str!("../../../styles/operator.css"),
);
/// Characters of the hash: enough that two versions never share a name.
const HASH_CHARS: usize = 12;

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(STYLE));
    format!("style-{}.css", &hash[..HASH_CHARS])
});

/// A script of the pages, as the program was built with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// Its address.
    pub(super) src: String,
    /// What it needs besides.
    pub(super) preload: Vec<String>,
    /// Styles that belong to it.
    pub(super) styles: Vec<String>,
}

/// The script of that name; None where the program was built without.
pub(super) fn script(_: &str) -> Option<Script> {
    None
}

/// The address of the stylesheet.
pub(super) fn style() -> String {
    format!("/static/{}", *STYLE_NAME)
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/static/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Result<Response> {
    if name != *STYLE_NAME {
        return Err(Error::not_found("file"));
    }
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    Ok((headers, STYLE).into_response())
}
