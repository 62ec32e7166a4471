//! The agent routes: what nodes say, see [`hpl_spec::api::agent`]. A node proves itself with its node token, an
//! attempt with the token of its assignment; both only in the `Authorization` header.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use hpl_spec::id::AttemptId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Shared};
use crate::db::attempts::Writer;
use crate::db::nodes::{self, NodeRow};
use crate::error::{Code, Error, Result};
use crate::http::auth;
use crate::http::layers::take_up_to;
use crate::limits::{Key, Limit};
use crate::secret::{self, TokenHash, TokenKind};

mod attempt;
mod claim;
mod files;
mod join;
mod orphan;

/// Bytes of one call that sends a part of a log or an artifact.
pub const CHUNK: usize = 256 << 10;
/// Bytes of one call that delivers a result.
const FINISH: usize = 4 << 20;
/// Events of one call.
const EVENTS_PER_CALL: usize = 1000;
/// Samples of metrics of one call.
const SAMPLES_PER_CALL: usize = 120;
/// How often a node samples its metrics, in seconds.
const SAMPLE_S: u32 = 5;
/// How long a call may wait, in seconds.
const WAIT_S: u32 = 55;

/// All agent routes.
pub fn routes() -> OpenApiRouter<Shared> {
    let small = OpenApiRouter::new()
        .routes(routes!(join::join))
        .routes(routes!(join::hello))
        .routes(routes!(claim::claim))
        .routes(routes!(attempt::beat))
        .routes(routes!(attempt::wait))
        .routes(routes!(attempt::events));
    let large =
        OpenApiRouter::new().routes(routes!(files::log)).routes(routes!(files::artifact)).layer(take_up_to(CHUNK));
    let ends =
        OpenApiRouter::new().routes(routes!(attempt::finish)).routes(routes!(orphan::orphan)).layer(take_up_to(FINISH));
    small.merge(large).merge(ends)
}

/// The token that a request carries.
struct Bearer(String);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let none = || Error::new(Code::Unauthenticated, "send the token as `Authorization: Bearer hpl_…`");
        let token = auth::bearer(&parts.headers).ok_or_else(none)?;
        token.map(|token| Bearer(token.to_owned()))
    }
}

impl Bearer {
    fn hash(&self, kind: TokenKind) -> Result<TokenHash> {
        secret::parse(kind, &self.0).map_err(|why| Error::new(Code::Unauthenticated, why.to_string()))
    }

    /// The node whose token this is.
    async fn node(&self, app: &App) -> Result<NodeRow> {
        let hash = self.hash(TokenKind::Node)?;
        let node = nodes::by_token(&mut *app.db.read().await?, &hash).await?;
        let Some(node) = node else {
            return Err(Error::new(Code::Unauthenticated, "this node token is not known here; join again"));
        };
        if node.revoked {
            return Err(Error::new(Code::TokenExpired, "this node token was revoked; join again"));
        }
        app.limits.check(Limit::Agent, &Key::name(&node.id))?;
        Ok(node)
    }

    /// The attempt whose token this claims to be, to be proven inside the unit that writes.
    fn writer(&self, app: &App, attempt: &AttemptId, fence: i64) -> Result<Writer> {
        let token = self.hash(TokenKind::Attempt)?;
        app.limits.check(Limit::Agent, &Key::name(attempt.as_str()))?;
        Ok(Writer { attempt: attempt.as_str().to_owned(), token, fence })
    }
}

/// A text of a node: its length in characters, and no control characters.
fn check_text(field: &str, text: &str, most: usize) -> Result<()> {
    let length = text.chars().count();
    if (1..=most).contains(&length) && !text.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(Error::field(
            field,
            format!("found {length} characters; expected 1 to {most}, none of them control characters"),
        ))
    }
}

/// The protocol that both sides must speak.
fn check_protocol(protocol: u32) -> Result<()> {
    let ours = hpl_spec::api::PROTOCOL;
    if protocol == ours {
        return Ok(());
    }
    let newer = if protocol < ours { "the daemon" } else { "the service" };
    let detail =
        format!("the daemon speaks protocol {protocol}, the service {ours}; install a newer version of {newer}");
    Err(Error::new(Code::UpgradeRequired, detail).with("protocol", ours))
}
