//! What is in force and how things are computed: limits, scores, tiers.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::ResultTier;
use hpl_spec::benchmark::{Problem, figure};

use super::forms::{Fields, Wrong};
use super::learn::numbers::number;
use super::learn::{BENCHMARK, seen};
use super::visitor::{Frame, Visitor};
use super::words::{self, bytes, duration};
use crate::app::{App, Shared};
use crate::db::sessions;
use crate::error::{Error, Result};
use crate::http::caller::Scope;
use crate::ops::accounts;
use crate::ops::jobs::{MOST_INPUT, MOST_RUNS};
use crate::ops::results::{self, ResultQuery};
use crate::password::{MAX_CHARS, MIN_CHARS};
use crate::picture::text::count;
use crate::schedule::EXPRESS_S;

/// The largest N of an example.
const MOST_N: u64 = 50_000_000;
/// Results that are looked through for a ranked one.
const LOOKED: u32 = 20;

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsPage {
    frame: Frame,
    /// Whether the first group is about who is logged in.
    own: bool,
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    lines: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "about_score.html")]
struct ScorePage {
    frame: Frame,
    tiers: Vec<(&'static str, &'static str, &'static str)>,
    example: Option<Example>,
    n: String,
    seconds: String,
    wrong: Wrong,
}

/// A score, worked out.
struct Example {
    /// Whose it is; empty for numbers of the reader's own.
    owner: String,
    id: String,
    label: String,
    node: String,
    n: String,
    seconds: String,
    /// ⅔·N³, 3⁄2·N² and both.
    cube: String,
    square: String,
    work: String,
    score: String,
    peak: String,
    percent: String,
    /// Empty where it is not known.
    per_watt: String,
    residual: String,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/limits", get(limits)).route("/about-score", get(score))
}

/// An amount of work, without an exponent where that can be read.
fn plain(gflop: f64) -> String {
    if gflop < 1e-3 { words::rate(gflop) } else { figure(gflop) }
}

fn rate(number: u32, per: &str) -> String {
    if number == 0 { "no limit".to_owned() } else { format!("{number} {per}") }
}

async fn limits(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let config = &app.config;
    let (running, queued, walltime) = match visitor.caller.user(Scope::Read) {
        Ok(user) => {
            let quota = accounts::me(&app, user.key, None).await?.quota;
            (quota.running_max, quota.queued_max, quota.walltime_max_s)
        }
        Err(_) => (config.running_max, config.queued_max, config.walltime_max_s),
    };
    let jobs = vec![
        ("Runs at the same time", running.to_string()),
        ("Jobs and sweeps that wait", queued.to_string()),
        ("Longest time of a run", duration(walltime.into())),
        ("Runs of a sweep", MOST_RUNS.to_string()),
        ("A pasted HPL.dat", bytes(MOST_INPUT as u64)),
        ("Express lane: runs of at most", duration(EXPRESS_S.into())),
        ("Logs of a run", bytes(app.quota.logs)),
        ("Files of a run", format!("{} in at most {} files", bytes(app.quota.artifacts), app.quota.artifact_count)),
    ];
    let rates = app.rates;
    let often = vec![
        ("Signing up", rate(rates.sign_up_per_hour, "an hour from one address")),
        ("Logging in", rate(rates.log_in_per_minute, "a minute from one address")),
        ("Submitting jobs", rate(rates.submit_per_hour, "an hour")),
        ("Pages and calls while logged in", rate(rates.api_per_hour, "an hour")),
        ("Calls of a node", rate(rates.agent_per_minute, "a minute, and as many of its run")),
        ("Pages and calls of strangers", rate(rates.anonymous_per_minute, "a minute from one address")),
    ];
    let accounts = vec![
        ("Password", format!("{MIN_CHARS} to {MAX_CHARS} characters")),
        ("A log-in ends when it was not used for", duration(sessions::IDLE as f64 / 1000.0)),
        ("A log-in ends at the latest after", duration(sessions::ABSOLUTE as f64 / 1000.0)),
        ("A node counts as lost when silent for", duration(config.lease_s.into())),
    ];
    let groups = vec![
        Group { title: "Jobs", lines: jobs },
        Group { title: "How often you may ask", lines: often },
        Group { title: "Accounts and nodes", lines: accounts },
    ];
    let own = visitor.name().is_some();
    let frame = visitor.frame("Limits", "/limits");
    let frame = if own { frame.with_call("GET", "/api/v1/me") } else { frame };
    super::page(&LimitsPage { own, frame, groups })
}

async fn score(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    let tiers = ResultTier::ALL.map(|tier| (words::tier(tier), words::tier_class(tier), words::about_tier(tier)));
    let mut problems = vec![];
    let n = number(&asked, "n", MOST_N, &mut problems);
    let seconds = asked.filled("seconds").map(str::parse::<f64>);
    let seconds = match seconds {
        Some(Ok(seconds)) if seconds.is_finite() && seconds > 0.0 => Some(seconds),
        Some(_) => {
            problems.push(Problem::new("seconds", "expected a number above 0, such as 12.5"));
            None
        }
        None => None,
    };
    let wrong = match problems.is_empty() {
        true => Wrong::default(),
        false => Wrong::of(&Error::invalid(problems), str::to_owned),
    };
    let mut frame = visitor.frame("How scores are made", "/about-score");
    let example = match (n, seconds) {
        (Some(n), Some(seconds)) => Some(worked(n as f64, seconds)),
        _ => latest(&app, &visitor).await?,
    };
    if let Some(example) = example.as_ref().filter(|example| !example.id.is_empty()) {
        frame = frame.with_call("GET", format!("/api/v1/results/{}", example.id));
    }
    let status = if wrong.summary.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = ScorePage {
        frame,
        tiers: tiers.to_vec(),
        example,
        n: asked.get("n").to_owned(),
        seconds: asked.get("seconds").to_owned(),
        wrong,
    };
    super::show(status, &page)
}

/// The score of N equations in so many seconds, step by step.
fn worked(n: f64, seconds: f64) -> Example {
    let (cube, square) = (2.0 / 3.0 * n.powi(3) / 1e9, 1.5 * n.powi(2) / 1e9);
    Example {
        owner: String::new(),
        id: String::new(),
        label: String::new(),
        node: String::new(),
        n: count(n as u64),
        seconds: figure(seconds),
        cube: plain(cube),
        square: plain(square),
        work: plain(cube + square),
        score: words::score(BENCHMARK, (cube + square) / seconds),
        peak: String::new(),
        percent: String::new(),
        per_watt: String::new(),
        residual: String::new(),
    }
}

/// The latest ranked result, worked out. Its score is the one that the service has.
async fn latest(app: &App, visitor: &Visitor) -> Result<Option<Example>> {
    let query = ResultQuery { benchmark: Some(BENCHMARK.to_owned()), limit: Some(LOOKED), ..ResultQuery::default() };
    let page = results::list(app, &visitor.caller, &query).await?;
    let Some(row) = page.results.into_iter().find(|row| row.ranked) else { return Ok(None) };
    let detail = results::detail(app, &visitor.caller, &row.id).await?;
    let peak = row.percent.filter(|percent| *percent > 0.0).map(|percent| row.score * 100.0 / percent);
    Ok(Some(Example {
        owner: row.owner.unwrap_or_default(),
        id: row.id.to_string(),
        label: row.label,
        node: row.node.map(|node| node.name).unwrap_or_default(),
        score: words::score(BENCHMARK, row.score),
        peak: peak.map(|peak| words::score(BENCHMARK, peak)).unwrap_or_default(),
        percent: words::percent(row.percent),
        per_watt: row.per_watt.map(|value| words::per_watt(BENCHMARK, value)).unwrap_or_default(),
        residual: seen::residual(&detail.report).map(seen::residual_words).unwrap_or(detail.check),
        ..worked(row.size, row.seconds)
    }))
}
