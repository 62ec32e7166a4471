//! What can be learned from results: diagnoses, differences, comparisons, points, metrics.

use axum::extract::State;
use hpl_spec::api::Problem;
use hpl_spec::api::insight::{Comparison, Diagnosis, Exploration, MetricsPage, Previous};
use hpl_spec::id::AttemptId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path, Query};
use crate::ops::insight::{self as ops, CompareQuery, ExploreQuery, MetricsQuery};

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(diagnosis))
        .routes(routes!(previous))
        .routes(routes!(metrics))
        .routes(routes!(compare))
        .routes(routes!(explore))
}

/// Why a run was as slow as it was: what stands out, what it cost, what to try next; and every rule with its threshold.
#[utoipa::path(get, operation_id = "diagnose_result", path = "/api/v1/results/{id}/diagnosis", tag = "results", params(("id" = String, Path, description = "The result")),
    responses((status = 200, body = Diagnosis), (status = "default", body = Problem)))]
async fn diagnosis(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<Json<Diagnosis>> {
    ops::diagnosis(&app, &caller, &read_id(&id)?).await.map(Json)
}

/// What changed since the same user's run before, on the same kind of node.
#[utoipa::path(get, operation_id = "get_previous_result", path = "/api/v1/results/{id}/previous", tag = "results", params(("id" = String, Path, description = "The result")),
    responses((status = 200, body = Previous), (status = "default", body = Problem)))]
async fn previous(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<Json<Previous>> {
    ops::previous(&app, &caller, &read_id(&id)?).await.map(Json)
}

/// Figures of the node while a job ran, in its latest attempt: page by page as they came, or thinned out for a chart.
#[utoipa::path(get, operation_id = "get_job_metrics", path = "/api/v1/jobs/{id}/metrics", tag = "watch", params(("id" = String, Path, description = "The job"), MetricsQuery),
    responses((status = 200, body = MetricsPage), (status = "default", body = Problem)))]
async fn metrics(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<MetricsQuery>,
) -> Result<Json<MetricsPage>> {
    ops::metrics(&app, &caller, &id, &query).await.map(Json)
}

/// Groups of equal runs side by side, and what can be said of each two. At most the latest 1000 runs of a group.
#[utoipa::path(get, operation_id = "compare_results", path = "/api/v1/compare", tag = "results", params(CompareQuery),
    responses((status = 200, body = Comparison), (status = "default", body = Problem)))]
async fn compare(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<CompareQuery>,
) -> Result<Json<Comparison>> {
    ops::compare(&app, &caller, &query).await.map(Json)
}

/// The latest results that match, as points with their parameters.
#[utoipa::path(get, operation_id = "explore_results", path = "/api/v1/explore", tag = "results", params(ExploreQuery),
    responses((status = 200, body = Exploration), (status = "default", body = Problem)))]
async fn explore(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ExploreQuery>,
) -> Result<Json<Exploration>> {
    ops::explore(&app, &caller, &query).await.map(Json)
}

/// What is no id names nothing.
fn read_id(text: &str) -> Result<AttemptId> {
    text.parse().map_err(|_| Error::not_found("result"))
}
