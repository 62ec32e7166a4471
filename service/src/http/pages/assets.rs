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

const STYLE: &str = include_str!("../../../static/style.css");
/// Characters of the hash: enough that two versions never share a name.
const HASH_CHARS: usize = 12;

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(STYLE));
    format!("style-{}.css", &hash[..HASH_CHARS])
});

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
