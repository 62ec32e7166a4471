//! The last two steps of the lesson: the reader's run, and what came of it.

use askama::Template;
use axum::response::Response;
use hpl_spec::advice::squarest_grid;
use hpl_spec::api::jobs::{Job, Visibility};
use hpl_spec::api::results::{BoardEntry, ResultDetail, Standing};
use hpl_spec::job::JobState;

use super::super::numbers::Numbers;
use super::super::shown::{Table, Try, row, submit};
use super::super::topic::numbers_of;
use super::super::{BENCHMARK, draw, seen};
use super::{Known, Lesson, fits, latest_result};
use crate::app::App;
use crate::diagnose::HEALTHY;
use crate::error::Result;
use crate::http::pages::visitor::{Frame, Visitor};
use crate::http::pages::words::{self, duration};
use crate::ops::jobs::{self, ListQuery};
use crate::ops::nodes::Largest;
use crate::ops::results::{self, BoardQuery};
use crate::picture::text;

/// The first entries of the board.
const TOP: u32 = 5;

#[derive(Template)]
#[template(path = "learn/lesson5.html")]
struct Step5 {
    frame: Frame,
    lesson: Lesson,
    job: Option<JobView>,
    /// Somebody's run to look at, where there is none of one's own.
    example: String,
}

struct JobView {
    id: String,
    name: String,
    state: &'static str,
    class: &'static str,
    about: &'static str,
    why: String,
    percent: Option<u32>,
    progress: String,
    over: bool,
    done: bool,
}

#[derive(Template)]
#[template(path = "learn/lesson6.html")]
struct Step6 {
    frame: Frame,
    lesson: Lesson,
    result: Option<Outcome>,
    board: Option<Table>,
    /// Where the reader stands, in a sentence; empty without an entry.
    standing: String,
    tries: Vec<Try>,
}

/// A result in plain words.
struct Outcome {
    /// Whether it is the reader's.
    own: bool,
    id: String,
    job: String,
    owner: String,
    /// How many, in words.
    equations: String,
    label: String,
    node: String,
    score: String,
    took: String,
    percent: String,
    percent_words: &'static str,
    residual: String,
    passed: bool,
    tier: &'static str,
    tier_class: &'static str,
    about_tier: &'static str,
    ranked: bool,
    private: bool,
}

/// Step 5: the reader's latest run.
///
/// # Errors
/// The database fails.
pub(super) async fn watch(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    lesson: Lesson,
    known: &Known,
) -> Result<Response> {
    let mut frame = frame;
    let mut example = String::new();
    let job = match known.jobs.first() {
        Some(job) => {
            frame = frame.with_call("GET", format!("/api/v1/jobs/{}", job.id));
            Some(job_view(jobs::get(app, &visitor.caller, job.id.as_str()).await?))
        }
        None => {
            let query = ListQuery { state: Some(JobState::Done), limit: Some(1), ..ListQuery::default() };
            let done = jobs::list(app, &visitor.caller, &query).await?.jobs;
            example = done.first().map(|job| format!("/jobs/{}", job.id)).unwrap_or_default();
            None
        }
    };
    crate::http::pages::page(&Step5 { frame, lesson, job, example })
}

fn job_view(job: Job) -> JobView {
    let over = job.state.is_final();
    let progress = job.progress.filter(|_| !over);
    JobView {
        id: job.id.to_string(),
        name: if job.title.is_empty() { job.label } else { job.title },
        state: words::state(job.state),
        class: words::state_class(job.state),
        about: words::about_state(job.state),
        why: job.waits.map(|waits| waits.why).unwrap_or_default(),
        percent: progress.map(|p| words::hundredths(p.fraction)),
        progress: progress.map_or_else(String::new, |p| {
            format!("{} so far, at {} on average", duration(p.seconds), words::score(BENCHMARK, p.score))
        }),
        over,
        done: job.state == JobState::Done,
    }
}

/// Step 6: what came of it, and where it stands.
///
/// # Errors
/// The database fails.
pub(super) async fn result(
    app: &App,
    visitor: &Visitor,
    frame: Frame,
    lesson: Lesson,
    known: Known,
    largest: &Largest,
) -> Result<Response> {
    let own = known.result.is_some();
    let found = match known.result {
        Some(found) => Some(found),
        None => latest_result(app, visitor, None).await?,
    };
    let (mut frame, mut tries, mut outcome_of) = (frame, vec![], None);
    if let Some(row) = found {
        let detail = seen::detail(app, &visitor.caller, &row.id).await?;
        frame = frame.with_call("GET", format!("/api/v1/results/{}", row.id));
        let ran = Numbers::of_label(&row.label).or_else(|| known.jobs.first().and_then(numbers_of));
        tries = ran.map(|ran| to_try(ran, largest)).unwrap_or_default();
        outcome_of = Some(outcome(detail, own));
    }
    let query = BoardQuery { limit: Some(TOP), ..BoardQuery::default() };
    let top = results::leaderboard(app, &visitor.caller, BENCHMARK, &query).await?.entries;
    let standing = known.standing;
    let words = standing.as_ref().map(standing_words).unwrap_or_default();
    let board = board(top, standing.and_then(|standing| standing.entry), visitor.name());
    frame = frame.with_call("GET", "/api/v1/leaderboards/hpl/standing");
    crate::http::pages::page(&Step6 { frame, lesson, result: outcome_of, board, standing: words, tries })
}

/// Where somebody stands, in a sentence.
pub fn standing_words(standing: &Standing) -> String {
    let Some(entry) = &standing.entry else { return String::new() };
    let of = words::count(standing.category.entries, "person", "people");
    match standing.percentile {
        Some(percentile) if standing.category.entries > 1 => {
            format!("number {} of {of}, as good as or better than {percentile:.0} % of all", entry.rank)
        }
        _ => format!("number {}, and so far the only one", entry.rank),
    }
}

/// The first of the board, and the reader's own entry if it is not among them.
fn board(top: Vec<BoardEntry>, own: Option<BoardEntry>, me: Option<&str>) -> Option<Table> {
    let mut entries = top;
    if let Some(own) = own.filter(|own| entries.iter().all(|entry| entry.result.id != own.result.id)) {
        entries.push(own);
    }
    let line = |entry: &BoardEntry| {
        let result = &entry.result;
        let owner = result.owner.clone().unwrap_or_default();
        let mine = me == Some(owner.as_str());
        let score = words::score(BENCHMARK, result.score);
        row(mine, [entry.rank.to_string(), owner, score, words::percent(result.percent), result.label.clone()])
    };
    (!entries.is_empty()).then(|| Table {
        mark: "yours",
        caption: "The leaderboard: each person’s best result".to_owned(),
        head: vec!["Place", "Who", "Score", "Of peak", "Run"],
        rows: entries.iter().map(line).collect(),
    })
}

fn outcome(detail: ResultDetail, own: bool) -> Outcome {
    let residual = seen::residual(&detail.report);
    let row = detail.row;
    Outcome {
        own,
        id: row.id.to_string(),
        job: row.job.to_string(),
        owner: row.owner.unwrap_or_default(),
        equations: format!("{} equations", text::count(row.size as u64)),
        label: row.label,
        node: row.node.map(|node| node.name).unwrap_or_default(),
        score: words::score(BENCHMARK, row.score),
        took: duration(row.seconds),
        percent: words::percent(row.percent),
        percent_words: percent_words(row.percent),
        residual: residual.map_or_else(|| detail.check.clone(), seen::residual_words),
        passed: detail.passed,
        tier: words::tier(row.tier),
        tier_class: words::tier_class(row.tier),
        about_tier: words::about_tier(row.tier),
        ranked: row.ranked,
        private: row.visibility == Visibility::Private,
    }
}

/// What a part of the peak says.
fn percent_words(percent: Option<f64>) -> &'static str {
    match percent {
        None => "The peak of that node was not measured.",
        Some(percent) if percent >= HEALTHY.0 => {
            "That is healthy: most of what the cores can do went into your equations."
        }
        Some(percent) if percent >= HEALTHY.0 / 2.0 => "There is room. A larger N, or another NB, often helps.",
        Some(_) => {
            "Something is in the way. Most often N is too small, so that moving data takes longer than computing."
        }
    }
}

/// What to run next.
fn to_try(ran: Numbers, largest: &Largest) -> Vec<Try> {
    let mut tries = vec![];
    let mut add = |numbers: Numbers, words: String| tries.push(Try { words, address: submit(numbers, &[]) });
    let most = largest.roomiest.as_ref().map_or(ran.n * 2, |(_, memory)| fits(*memory) as u64);
    let larger = Numbers { n: (ran.n * 3 / 2).min(most), ..ran }.in_blocks().n;
    if larger > ran.n {
        let times = draw::gflop(&Numbers { n: larger, ..ran }) / draw::gflop(&ran);
        let words = format!(
            "A larger matrix, N = {}: {} times the work, usually a better score",
            text::count(larger),
            text::figure((times * 10.0).round() / 10.0)
        );
        add(Numbers { n: larger, ..ran }, words);
    }
    let nb = if ran.nb >= 192 { 128 } else { 192 };
    add(Numbers { nb, ..ran }, format!("Other blocks, NB = {nb}, all else the same"));
    let (p, q) = squarest_grid(usize::try_from(ran.ranks()).unwrap_or(1));
    if (p as u64, q as u64) != (ran.p, ran.q) {
        add(Numbers { p: p as u64, q: q as u64, ..ran }, format!("The squarest grid of as many ranks, {p} × {q}"));
    } else if ran.ranks() > 1 {
        add(Numbers { p: 1, q: 1, ..ran }, "One rank alone, whose threads use all cores".to_owned());
    }
    tries
}
