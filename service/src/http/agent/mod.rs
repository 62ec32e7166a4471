//! The agent routes: what nodes say, see [`hpl_spec::api::agent`]. A node proves itself with its node token, an
//! attempt with the token of its assignment; both only in the `Authorization` header.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::layers::take_up_to;

mod attempt;
mod claim;
mod files;
mod join;
mod orphan;
mod proof;

pub use proof::door;

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
