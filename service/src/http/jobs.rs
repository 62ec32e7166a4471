//! The routes of jobs, sweeps, benchmarks and nodes.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use hpl_spec::api::jobs::{Estimate, Job, JobPage, SubmitRequest, Submitted, Visibility};
use hpl_spec::api::queue::Queue;
use hpl_spec::api::sweeps::SweepView;
use hpl_spec::benchmark::{self, BENCHMARKS};
use hpl_spec::id::{JobId, SweepId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path, Query};
use crate::http::layers::take_up_to;
use crate::ops::jobs::{self, ListQuery};
use crate::ops::nodes::{self, NodeQuery, NodeView};

/// Bytes of a submission; a pasted input file is the most of it.
const SUBMISSION: usize = 256 << 10;

/// All routes of jobs.
pub fn routes() -> OpenApiRouter<Shared> {
    let submissions =
        OpenApiRouter::new().routes(routes!(list, submit)).routes(routes!(estimate)).layer(take_up_to(SUBMISSION));
    OpenApiRouter::new()
        .routes(routes!(get, delete))
        .routes(routes!(cancel))
        .routes(routes!(requeue))
        .routes(routes!(submit_draft))
        .routes(routes!(set_visibility))
        .routes(routes!(hold))
        .routes(routes!(release))
        .routes(routes!(extend))
        .routes(routes!(get_sweep))
        .routes(routes!(submit_sweep))
        .routes(routes!(cancel_sweep))
        .routes(routes!(benchmarks))
        .routes(routes!(benchmark))
        .routes(routes!(list_nodes))
        .routes(routes!(queue))
        .merge(submissions)
}

/// Submits a job; with `input` writes down a sweep of drafts. The header `Idempotency-Key` makes a repeated request
/// give the same answer.
#[utoipa::path(post, operation_id = "submit_job", path = "/api/v1/jobs", tag = "jobs", request_body = SubmitRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 128 visible ASCII characters of your own")),
    security(("token" = []), ("session" = [])),
    responses((status = 201, body = Submitted), (status = "4XX", body = Problem), (status = 507, body = Problem)))]
pub async fn submit(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    Json(request): Json<SubmitRequest>,
) -> Result<Response> {
    let key = match headers.get("idempotency-key") {
        None => None,
        Some(key) => {
            let wrong = |_| Error::field("Idempotency-Key", "expected visible ASCII characters");
            Some(key.to_str().map_err(wrong)?.to_owned())
        }
    };
    let body = jobs::submit(&app, &caller, &request, key).await?;
    Ok((StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// What would happen to a submission now. Changes nothing.
#[utoipa::path(post, path = "/api/v1/estimate", tag = "jobs", request_body = SubmitRequest,
    responses((status = 200, body = Estimate), (status = "4XX", body = Problem)))]
pub async fn estimate(
    State(app): State<Shared>,
    caller: Caller,
    Json(request): Json<SubmitRequest>,
) -> Result<axum::Json<Estimate>> {
    jobs::estimate(&app, &caller, &request).await.map(axum::Json)
}

/// A page of jobs, the latest first: everybody's public ones and one's own.
#[utoipa::path(get, operation_id = "list_jobs", path = "/api/v1/jobs", tag = "jobs", params(ListQuery),
    responses((status = 200, body = JobPage), (status = "4XX", body = Problem)))]
pub async fn list(
    State(app): State<Shared>,
    caller: Caller,
    Query(query): Query<ListQuery>,
) -> Result<axum::Json<JobPage>> {
    jobs::list(&app, &caller, &query).await.map(axum::Json)
}

/// One job, with why it waits.
#[utoipa::path(get, operation_id = "get_job", path = "/api/v1/jobs/{id}", tag = "jobs",
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn get(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<axum::Json<Job>> {
    jobs::get(&app, &caller, id.as_str()).await.map(axum::Json)
}

/// Deletes a job of one's own that has ended, or a draft, with its events, results and files.
#[utoipa::path(delete, operation_id = "delete_job", path = "/api/v1/jobs/{id}", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 204, description = "it is gone"), (status = "4XX", body = Problem)))]
pub async fn delete(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<StatusCode> {
    jobs::delete(&app, &caller, id.as_str()).await.map(|()| StatusCode::NO_CONTENT)
}

/// Ends a job. Where a node has it, the answer may come before the end: see `cancel_requested`.
#[utoipa::path(post, operation_id = "cancel_job", path = "/api/v1/jobs/{id}/cancel", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn cancel(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<axum::Json<Job>> {
    jobs::cancel(&app, &caller, id.as_str()).await.map(axum::Json)
}

/// Gives a lost job up, so that it waits for a node again; or submits one that has ended anew, as another job.
#[utoipa::path(post, operation_id = "requeue_job", path = "/api/v1/jobs/{id}/requeue", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job, description = "the job that waits now"), (status = "4XX", body = Problem)))]
pub async fn requeue(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<axum::Json<Job>> {
    jobs::requeue(&app, &caller, id.as_str()).await.map(axum::Json)
}

/// Submits a draft.
#[utoipa::path(post, path = "/api/v1/jobs/{id}/submit", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn submit_draft(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<axum::Json<Job>> {
    jobs::submit_draft(&app, &caller, id.as_str()).await.map(axum::Json)
}

/// Who may see a job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VisibilityRequest {
    /// From now on.
    visibility: Visibility,
}

/// Changes who may see a job, its events, logs and result.
#[utoipa::path(put, operation_id = "set_job_visibility", path = "/api/v1/jobs/{id}/visibility", tag = "jobs", request_body = VisibilityRequest,
    security(("token" = []), ("session" = [])), params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn set_visibility(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<JobId>,
    Json(request): Json<VisibilityRequest>,
) -> Result<axum::Json<Job>> {
    jobs::set_visibility(&app, &caller, id.as_str(), request.visibility).await.map(axum::Json)
}

/// Why a job is held.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldRequest {
    /// In words, at most 200 characters; its owner reads it.
    #[schema(min_length = 1, max_length = 200)]
    why: String,
}

/// An administrator holds a queued job.
#[utoipa::path(post, operation_id = "hold_job", path = "/api/v1/jobs/{id}/hold", tag = "admin", request_body = HoldRequest,
    security(("token" = []), ("session" = [])), params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn hold(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<JobId>,
    Json(request): Json<HoldRequest>,
) -> Result<axum::Json<Job>> {
    if !(1..=200).contains(&request.why.chars().count()) {
        return Err(Error::field("why", "expected 1 to 200 characters"));
    }
    jobs::hold(&app, &caller, id.as_str(), request.why).await.map(axum::Json)
}

/// An administrator lets a held job wait for a node again.
#[utoipa::path(post, operation_id = "release_job", path = "/api/v1/jobs/{id}/release", tag = "admin", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn release(State(app): State<Shared>, caller: Caller, Path(id): Path<JobId>) -> Result<axum::Json<Job>> {
    jobs::release(&app, &caller, id.as_str()).await.map(axum::Json)
}

/// More time for a job.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtendRequest {
    /// Seconds after its start at which the run is to be ended, at most a week; longer than now.
    #[schema(minimum = 1, maximum = 604_800)]
    walltime_s: u32,
}

/// An administrator gives a job more time, also one that runs.
#[utoipa::path(post, operation_id = "extend_job", path = "/api/v1/jobs/{id}/extend", tag = "admin", request_body = ExtendRequest,
    security(("token" = []), ("session" = [])), params(("id" = String, Path, description = "the job's id")),
    responses((status = 200, body = Job), (status = "4XX", body = Problem)))]
pub async fn extend(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<JobId>,
    Json(request): Json<ExtendRequest>,
) -> Result<axum::Json<Job>> {
    const WEEK_S: u32 = 7 * 24 * 3600;
    if request.walltime_s > WEEK_S {
        return Err(Error::field("walltime_s", format!("found {}; expected at most {WEEK_S}", request.walltime_s)));
    }
    jobs::extend(&app, &caller, id.as_str(), request.walltime_s).await.map(axum::Json)
}

/// A sweep: its points with their runs, states and scores, and the best so far.
#[utoipa::path(get, path = "/api/v1/sweeps/{id}", tag = "jobs",
    params(("id" = String, Path, description = "the sweep's id")),
    responses((status = 200, body = SweepView), (status = "4XX", body = Problem)))]
pub async fn get_sweep(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<SweepId>,
) -> Result<axum::Json<SweepView>> {
    jobs::sweep(&app, &caller, &id).await.map(axum::Json)
}

/// Ends every run of a sweep that has not ended, its drafts too.
#[utoipa::path(post, path = "/api/v1/sweeps/{id}/cancel", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the sweep's id")),
    responses((status = 200, body = SweepSubmitted, description = "how many runs are to end"), (status = "4XX", body = Problem)))]
pub async fn cancel_sweep(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<SweepId>,
) -> Result<axum::Json<SweepSubmitted>> {
    let jobs = jobs::cancel_sweep(&app, &caller, &id).await?;
    Ok(axum::Json(SweepSubmitted { jobs }))
}

/// What became of a sweep.
#[derive(Debug, Serialize, ToSchema)]
pub struct SweepSubmitted {
    /// How many drafts were submitted, or runs are to end.
    jobs: u32,
}

/// Submits the drafts of a sweep: the first is queued, the others wait for their turn.
#[utoipa::path(post, path = "/api/v1/sweeps/{id}/submit", tag = "jobs", security(("token" = []), ("session" = [])),
    params(("id" = String, Path, description = "the sweep's id")),
    responses((status = 200, body = SweepSubmitted), (status = "4XX", body = Problem)))]
pub async fn submit_sweep(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<SweepId>,
) -> Result<axum::Json<SweepSubmitted>> {
    let jobs = jobs::submit_sweep(&app, &caller, &id).await?;
    Ok(axum::Json(SweepSubmitted { jobs }))
}

/// A row of the registry.
#[derive(Debug, Serialize, ToSchema)]
pub struct BenchmarkView {
    /// Its name on the wire.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it measures.
    about: &'static str,
    /// The unit of its score; higher is better.
    unit: &'static str,
    /// What the size of a problem is called.
    size_name: &'static str,
    /// The JSON Schema of its parameters.
    parameters: serde_json::Value,
}

fn view(row: &'static benchmark::Benchmark) -> BenchmarkView {
    BenchmarkView {
        name: row.name,
        title: row.title,
        about: row.about,
        unit: row.unit,
        size_name: row.size_name,
        parameters: (row.schema)(),
    }
}

/// The benchmarks that can be run.
#[utoipa::path(get, operation_id = "list_benchmarks", path = "/api/v1/benchmarks", tag = "jobs", responses((status = 200, body = Vec<BenchmarkView>)))]
pub async fn benchmarks() -> axum::Json<Vec<BenchmarkView>> {
    axum::Json(BENCHMARKS.iter().map(view).collect())
}

/// One benchmark, with the schema of its parameters.
#[utoipa::path(get, operation_id = "get_benchmark", path = "/api/v1/benchmarks/{name}", tag = "jobs",
    params(("name" = String, Path, description = "e.g. `hpl`")),
    responses((status = 200, body = BenchmarkView), (status = "4XX", body = Problem)))]
pub async fn benchmark(Path(name): Path<String>) -> Result<axum::Json<BenchmarkView>> {
    let row = benchmark::find(&name).ok_or_else(|| Error::new(Code::NotFound, "there is no such benchmark"))?;
    Ok(axum::Json(view(row)))
}

/// The nodes that have joined, the one heard of last first.
#[utoipa::path(get, path = "/api/v1/nodes", tag = "jobs", params(NodeQuery),
    responses((status = 200, body = Vec<NodeView>), (status = "4XX", body = Problem)))]
pub async fn list_nodes(
    State(app): State<Shared>,
    Query(which): Query<NodeQuery>,
) -> Result<axum::Json<Vec<NodeView>>> {
    nodes::list(&app, which).await.map(axum::Json)
}

/// What nodes have now and when they are free again; what waits, in the order in which it is expected to be given to
/// nodes, why, and when it starts. At most 200 of each.
#[utoipa::path(get, operation_id = "get_queue", path = "/api/v1/queue", tag = "jobs",
    responses((status = 200, body = Queue), (status = "4XX", body = Problem)))]
pub async fn queue(State(app): State<Shared>, caller: Caller) -> Result<axum::Json<Queue>> {
    jobs::queue(&app, &caller).await.map(axum::Json)
}
