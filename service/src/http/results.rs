//! Results, certificates and leaderboards.

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use hpl_spec::api::Problem;
use hpl_spec::api::jobs::Visibility;
use hpl_spec::api::results::{
    BoardEntry, Category, CertificateKey, FlagRequest, Leaderboard, RecordHistory, ResultDetail, ResultPage, ResultRow,
    Standing,
};
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::Shared;
use crate::csv::{self, Cell};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path, Query};
use crate::ops::results::{self as ops, BoardQuery, ResultQuery};

/// Results that are read at a time for a table.
const PIECE: u32 = 200;

/// The routes of this file.
pub fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(table))
        .routes(routes!(result))
        .routes(routes!(of_job))
        .routes(routes!(certificate))
        .routes(routes!(key))
        .routes(routes!(leaderboards))
        .routes(routes!(leaderboard))
        .routes(routes!(standing))
        .routes(routes!(record))
        .routes(routes!(flag))
        .routes(routes!(unflag))
}

/// Results, latest first.
#[utoipa::path(get, operation_id = "list_results", path = "/api/v1/results", tag = "results", params(ResultQuery),
    responses((status = 200, body = ResultPage), (status = "default", body = Problem)))]
async fn list(State(app): State<Shared>, caller: Caller, Query(query): Query<ResultQuery>) -> Result<Json<ResultPage>> {
    ops::list(&app, &caller, &query).await.map(Json)
}

/// Results as a table, latest first, all pages in one.
#[utoipa::path(get, operation_id = "list_results_as_csv", path = "/api/v1/results.csv", tag = "results", params(ResultQuery),
    responses((status = 200, body = String, content_type = "text/csv"), (status = "default", body = Problem)))]
async fn table(State(app): State<Shared>, caller: Caller, Query(mut query): Query<ResultQuery>) -> Result<Response> {
    query.limit = Some(PIECE);
    // The first page is read before the answer begins, so that what is wrong is told as a problem.
    let first = ops::list(&app, &caller, &query).await?;
    let mut head = String::new();
    csv::line(&mut head, &RESULT_COLUMNS.map(Cell::Text));
    head.push_str(&result_lines(&first));
    let next = first.next;
    let rest = stream::try_unfold((app, caller, query, next), |(app, caller, mut query, next)| async move {
        let Some(before) = next else { return Ok::<_, std::io::Error>(None) };
        query.before = Some(before);
        let page = ops::list(&app, &caller, &query).await.map_err(|error| std::io::Error::other(error.detail))?;
        let lines = Bytes::from(result_lines(&page));
        Ok(Some((lines, (app, caller, query, page.next))))
    });
    let head = stream::once(async move { Ok(Bytes::from(head)) });
    Ok(as_table("results.csv", Body::from_stream(futures_util::StreamExt::chain(head, rest))))
}

/// A result with all that speaks for it.
#[utoipa::path(get, operation_id = "get_result", path = "/api/v1/results/{id}", tag = "results", params(("id" = String, Path, description = "The result")),
    responses((status = 200, body = ResultDetail), (status = "default", body = Problem)))]
async fn result(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<Json<ResultDetail>> {
    ops::detail(&app, &caller, &read_id(&id)?).await.map(Json)
}

/// The result of a job: the accepted one, else the latest.
#[utoipa::path(get, operation_id = "get_job_result", path = "/api/v1/jobs/{id}/result", tag = "results", params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = ResultDetail), (status = "default", body = Problem)))]
async fn of_job(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<Json<ResultDetail>> {
    ops::of_job(&app, &caller, &id).await.map(Json)
}

/// The certificate of a job's accepted result: a signed zip file that `hpl-service verify` checks offline.
#[utoipa::path(get, operation_id = "get_certificate", path = "/api/v1/jobs/{id}/certificate", tag = "results", params(("id" = String, Path, description = "The job")),
    responses((status = 200, body = Vec<u8>, content_type = "application/zip"), (status = "default", body = Problem)))]
async fn certificate(State(app): State<Shared>, caller: Caller, Path(id): Path<String>) -> Result<Response> {
    let (name, bundle) = ops::certificate(&app, &caller, &id).await?;
    Ok(attachment("application/zip", &name, Body::from(bundle)))
}

/// The public key that certificates are signed with.
#[utoipa::path(get, operation_id = "get_certificate_key", path = "/api/v1/key", tag = "results", responses((status = 200, body = CertificateKey)))]
async fn key(State(app): State<Shared>) -> Json<CertificateKey> {
    Json(ops::certificate_key(&app))
}

/// The leaderboards that have entries.
#[utoipa::path(get, operation_id = "list_leaderboards", path = "/api/v1/leaderboards", tag = "leaderboards",
    responses((status = 200, body = Vec<Category>), (status = "default", body = Problem)))]
async fn leaderboards(State(app): State<Shared>) -> Result<Json<Vec<Category>>> {
    ops::leaderboards(&app).await.map(Json)
}

/// A leaderboard, the best first: of each user the best result. With `.csv` after the benchmark's name: as a table.
#[utoipa::path(get, operation_id = "get_leaderboard", path = "/api/v1/leaderboards/{benchmark}", tag = "leaderboards",
    params(("benchmark" = String, Path, description = "A row of the registry, with .csv after it for a table"), BoardQuery),
    responses(
        (status = 200, content((Leaderboard = "application/json"), (String = "text/csv"))),
        (status = "default", body = Problem)))]
async fn leaderboard(
    State(app): State<Shared>,
    caller: Caller,
    Path(benchmark): Path<String>,
    Query(query): Query<BoardQuery>,
) -> Result<Response> {
    match benchmark.strip_suffix(".csv") {
        None => Ok(Json(ops::leaderboard(&app, &caller, &benchmark, &query).await?).into_response()),
        Some(benchmark) => {
            let name = format!("{benchmark}.csv");
            let board = ops::leaderboard(&app, &caller, benchmark, &query).await?;
            Ok(as_table(&name, Body::from(board_table(&board))))
        }
    }
}

/// Where the caller stands in a leaderboard.
#[utoipa::path(get, operation_id = "get_standing", path = "/api/v1/leaderboards/{benchmark}/standing", tag = "leaderboards",
    params(("benchmark" = String, Path, description = "A row of the registry"), BoardQuery),
    responses((status = 200, body = Standing), (status = "default", body = Problem)))]
async fn standing(
    State(app): State<Shared>,
    caller: Caller,
    Path(benchmark): Path<String>,
    Query(query): Query<BoardQuery>,
) -> Result<Json<Standing>> {
    ops::standing(&app, &caller, &benchmark, &query).await.map(Json)
}

/// How the best of a category grew.
#[utoipa::path(get, operation_id = "get_record", path = "/api/v1/leaderboards/{benchmark}/record", tag = "leaderboards",
    params(("benchmark" = String, Path, description = "A row of the registry"), BoardQuery),
    responses((status = 200, body = RecordHistory), (status = "default", body = Problem)))]
async fn record(
    State(app): State<Shared>,
    Path(benchmark): Path<String>,
    Query(query): Query<BoardQuery>,
) -> Result<Json<RecordHistory>> {
    ops::record(&app, &benchmark, &query).await.map(Json)
}

/// Takes a result out of the rankings; it stays in the history, with the reason. Administrators only.
#[utoipa::path(post, operation_id = "flag_result", path = "/api/v1/admin/results/{id}/flag", tag = "admin", params(("id" = String, Path, description = "The result")),
    request_body = FlagRequest,
    responses((status = 200, body = ResultDetail), (status = "default", body = Problem)))]
async fn flag(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<FlagRequest>,
) -> Result<Json<ResultDetail>> {
    ops::flag(&app, &caller, &read_id(&id)?, &body.why).await.map(Json)
}

/// Takes a flag off. Administrators only.
#[utoipa::path(post, operation_id = "unflag_result", path = "/api/v1/admin/results/{id}/unflag", tag = "admin", params(("id" = String, Path, description = "The result")),
    request_body = FlagRequest,
    responses((status = 200, body = ResultDetail), (status = "default", body = Problem)))]
async fn unflag(
    State(app): State<Shared>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<FlagRequest>,
) -> Result<Json<ResultDetail>> {
    ops::unflag(&app, &caller, &read_id(&id)?, &body.why).await.map(Json)
}

/// What is no id names nothing.
fn read_id(text: &str) -> Result<AttemptId> {
    text.parse().map_err(|_| Error::not_found("result"))
}

fn attachment(kind: &'static str, name: &str, body: Body) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    ([(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)], body).into_response()
}

fn as_table(name: &str, body: Body) -> Response {
    attachment("text/csv; charset=utf-8; header=present", name, body)
}

/// The columns of a result in a table. A new one is the last, so that who counts columns goes on.
const RESULT_COLUMNS: [&str; 20] = [
    "id",
    "job",
    "owner",
    "benchmark",
    "label",
    "tier",
    "accepted",
    "ranked",
    "visibility",
    "score",
    "unit",
    "seconds",
    "size",
    "percent",
    "node",
    "kind",
    "cores",
    "created_at",
    "flag_why",
    "per_watt",
];

fn cells<'a>(row: &'a ResultRow, unit: &'a str) -> [Cell<'a>; 20] {
    [
        Cell::Text(row.id.as_str()),
        Cell::Text(row.job.as_str()),
        row.owner.as_deref().map_or(Cell::Empty, Cell::Text),
        Cell::Text(&row.benchmark),
        Cell::Text(&row.label),
        Cell::Text(row.tier.name()),
        Cell::Flag(row.accepted),
        Cell::Flag(row.ranked),
        Cell::Text(if row.visibility == Visibility::Public { "public" } else { "private" }),
        Cell::Number(row.score),
        Cell::Text(unit),
        Cell::Number(row.seconds),
        Cell::Number(row.size),
        row.percent.map_or(Cell::Empty, Cell::Number),
        row.node.as_ref().map_or(Cell::Empty, |node| Cell::Text(&node.name)),
        Cell::Text(&row.kind),
        Cell::Whole(row.cores.into()),
        Cell::Whole(row.created_at),
        Cell::Text(&row.flag_why),
        row.per_watt.map_or(Cell::Empty, Cell::Number),
    ]
}

fn result_lines(page: &ResultPage) -> String {
    let mut lines = String::new();
    for row in &page.results {
        csv::line(&mut lines, &cells(row, benchmark::find(&row.benchmark).map_or("", |b| b.unit)));
    }
    lines
}

fn board_table(board: &Leaderboard) -> String {
    let mut table = String::new();
    let head = std::iter::once("rank").chain(RESULT_COLUMNS).map(Cell::Text);
    csv::line(&mut table, &head.collect::<Vec<_>>());
    for BoardEntry { rank, result } in &board.entries {
        let line = std::iter::once(Cell::Whole((*rank).into())).chain(cells(result, &board.unit));
        csv::line(&mut table, &line.collect::<Vec<_>>());
    }
    table
}
