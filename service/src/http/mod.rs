//! The routes: extract, call, answer.

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;

use crate::app::Shared;
use crate::error::Result;
use crate::limits::{Key, Limit};

pub mod accounts;
pub mod agent;
mod api;
pub mod auth;
pub mod caller;
pub mod csrf;
pub mod extract;
pub mod files;
pub mod health;
pub mod insight;
pub mod jobs;
pub mod layers;
pub mod metrics;
pub mod operator;
pub mod pages;
pub mod results;
pub mod session;
pub mod watch;

/// The routes of people that the OpenAPI document knows.
fn people() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .nest("/api/v1", accounts::routes())
        .merge(jobs::routes())
        .merge(results::routes())
        .merge(insight::routes())
        .merge(watch::routes())
        .merge(files::routes())
        .merge(metrics::routes())
        .merge(operator::routes())
}

/// The OpenAPI document, as JSON.
#[must_use]
pub fn openapi() -> String {
    let mut document = api::document();
    let (_, people) = people().split_for_parts();
    let (_, nodes) = agent::routes().split_for_parts();
    let (_, health) = health::routes().split_for_parts();
    for part in [people, nodes, health] {
        document.merge(part);
    }
    api::complete(&mut document);
    document.to_pretty_json().unwrap_or_default()
}

/// All routes, with what lies around them.
pub fn router(app: &Shared) -> Router {
    let (people, _) = people().split_for_parts();
    let (nodes, _) = agent::routes().split_for_parts();
    // Nodes have a door of their own: no cookies, no sessions, tokens of another kind.
    let nodes = nodes.layer(from_fn_with_state(app.clone(), agent::door));
    let (health, _) = health::routes().split_for_parts();
    let health = health.layer(from_fn_with_state(app.clone(), counted));
    let all = auth::protect(people.merge(pages::routes()), app).merge(nodes).merge(health).with_state(app.clone());
    layers::outer(all, app)
}

/// Counts who asks how the service is, by address: nobody else is known of them.
async fn counted(State(app): State<Shared>, request: Request, next: Next) -> Result<Response> {
    app.limits.check(Limit::Anonymous, &Key::address(auth::address(&app, &request)))?;
    Ok(next.run(request).await)
}
