//! `/metrics`, for those beside the service and those with a token for it.

use axum::extract::{Extension, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::{App, Shared};
use crate::client_ip::is_trusted;
use crate::db::events;
use crate::error::{Code, Error, Result};
use crate::http::caller::{Caller, Scope};
use crate::metrics::{CONTENT_TYPE, Now};
use crate::serve::Peer;

/// Headers by which a proxy gives itself away.
const PROXIED: [&str; 5] = ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-host"];

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(metrics))
}

/// The figures of the service and of the nodes
///
/// In the OpenMetrics form, which Prometheus reads. Open to callers on the same machine that came without a proxy,
/// to administrators, and to their tokens of the scope `metrics`.
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "The figures", content_type = "application/openmetrics-text", body = String),
              (status = 401, body = Problem, content_type = "application/problem+json"),
              (status = 403, body = Problem, content_type = "application/problem+json")))]
async fn metrics(
    State(app): State<Shared>,
    caller: Caller,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Result<Response> {
    if !peer.is_some_and(|Extension(peer)| is_beside(&app, peer, &headers)) {
        may_read(&caller)?;
    }
    let jobs = events::jobs_by_state(&mut *app.db.read().await?).await?;
    let now = Now { jobs, nodes_waiting: app.hub.nodes_waiting(), streams: app.streams.open(), at: app.clock.now() };
    let text = app.metrics.text(&now);
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response())
}

/// Whether the caller is on this machine, with no proxy between. A proxy that the operator named is one even where it
/// says nothing of whom it speaks for.
fn is_beside(app: &App, peer: Peer, headers: &HeaderMap) -> bool {
    let ip = peer.addr.ip().to_canonical();
    ip.is_loopback()
        && !is_trusted(ip, &app.config.trusted_proxies)
        && !PROXIED.iter().any(|name| headers.contains_key(*name))
}

fn may_read(caller: &Caller) -> Result<()> {
    if caller.user(Scope::Metrics)?.admin {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, "the figures are for administrators and their tokens of the scope `metrics`"))
}
