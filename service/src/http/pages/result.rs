//! One result: what it is worth and what came with it. For one that a job is known by, that stands on the page of the
//! job, too; one that came too late, perhaps of a job that nobody knows any more, has no other page.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::{ResultDetail, ResultTier};
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;

use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::Result;
use crate::http::extract::Path;
use crate::ops::{jobs, record, results};

/// A result in words, as a part of pages.
#[derive(Template)]
#[template(path = "result_card.html")]
pub(super) struct ResultView {
    id: String,
    job: String,
    score: String,
    percent: String,
    took: String,
    check: String,
    passed: bool,
    tier: &'static str,
    tier_class: &'static str,
    about_tier: &'static str,
    flag_why: String,
    reproduced: u32,
    findings: Vec<FindingLine>,
    accepted: bool,
    /// It came too late.
    late: bool,
}

struct FindingLine {
    name: String,
    word: &'static str,
    class: &'static str,
    text: String,
}

impl ResultView {
    pub(super) fn new(result: ResultDetail) -> ResultView {
        let row = &result.row;
        ResultView {
            id: row.id.to_string(),
            job: row.job.to_string(),
            score: words::score(&row.benchmark, row.score),
            percent: words::percent(row.percent),
            took: words::duration(row.seconds),
            check: result.check,
            passed: result.passed,
            tier: words::tier(row.tier),
            tier_class: words::tier_class(row.tier),
            about_tier: words::about_tier(row.tier),
            flag_why: row.flag_why.clone(),
            reproduced: result.reproduced,
            accepted: row.accepted,
            late: row.tier == ResultTier::Orphan,
            findings: result
                .findings
                .into_iter()
                .map(|finding| {
                    let (word, class) = words::colour(finding.colour);
                    FindingLine { name: finding.name.replace('_', " "), word, class, text: finding.text }
                })
                .collect(),
        }
    }
}

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage {
    frame: Frame,
    name: String,
    benchmark: String,
    owner: String,
    node: String,
    kind: String,
    cores: u32,
    came: When,
    job: String,
    job_known: bool,
    result: ResultView,
    id: AttemptId,
    /// Path and size.
    files: Vec<(String, String)>,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/results/{id}", get(look))
}

async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<AttemptId>) -> Result<Response> {
    let result = results::detail(&app, &visitor.caller, &id).await?;
    let files = record::files(&app, &id).await?;
    let row = &result.row;
    let job_known = jobs::get(&app, &visitor.caller, row.job.as_str()).await.is_ok();
    super::page(&ResultPage {
        frame: visitor.frame(format!("Result: {}", row.label), "/results"),
        name: row.label.clone(),
        benchmark: benchmark::find(&row.benchmark).map_or(row.benchmark.clone(), |row| row.title.to_owned()),
        owner: row.owner.clone().unwrap_or_default(),
        node: row.node.as_ref().map(|node| node.name.clone()).unwrap_or_default(),
        kind: row.kind.clone(),
        cores: row.cores,
        came: When::new(row.created_at, app.clock.now()),
        job: row.job.to_string(),
        job_known,
        files: files.into_iter().map(|file| (file.name.path(), words::bytes(file.length))).collect(),
        // This is where its files are.
        result: ResultView { late: false, ..ResultView::new(result) },
        id,
    })
}
