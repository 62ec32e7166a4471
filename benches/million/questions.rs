//! What is asked: every list, with and without filters, from its beginning and from far in; boards; what pages show.

use hpl_spec::api::results::Measure;
use serde_json::{Value, json};
use service::db::testing::crowd::Crowd;

/// A question, asked with other numbers each time.
pub struct Question {
    /// In words.
    pub what: String,
    /// Path and query, for the n-th time.
    pub path: Box<dyn Fn(i64) -> String>,
    /// The body, where something is posted.
    pub body: Option<fn(i64) -> Value>,
    /// Whether a user asks, not a stranger.
    pub known: bool,
}

fn get(what: &str, path: impl Fn(i64) -> String + 'static) -> Question {
    Question { what: what.into(), path: Box::new(path), body: None, known: false }
}

fn job(key: i64) -> String {
    format!("0190f5fe-7c00-7a3b-8b1e-{key:012x}")
}

fn result(key: i64) -> String {
    format!("0190f5fe-7c00-7a3b-9b1e-{key:012x}")
}

fn node(key: i64) -> String {
    format!("0190f5fe-7c00-7a3b-ab1e-{key:012x}")
}

/// All questions to a crowd.
pub fn questions(crowd: Crowd) -> Vec<Question> {
    [jobs(crowd), results(crowd), boards(crowd), pages(), known()].into_iter().flatten().collect()
}

const STATES: [&str; 13] = [
    "draft",
    "held",
    "queued",
    "claimed",
    "preparing",
    "running",
    "finishing",
    "verifying",
    "lost",
    "done",
    "failed",
    "cancelled",
    "expired",
];

fn jobs(crowd: Crowd) -> Vec<Question> {
    let far = move |n: i64| 1 + (n * 7919) % crowd.jobs;
    let state = |n: i64| STATES[(n % 13) as usize];
    vec![
        get("jobs", |_| "/api/v1/jobs?limit=100".into()),
        get("jobs, far in", move |n| format!("/api/v1/jobs?limit=100&before={}", job(far(n)))),
        get("jobs in each state", move |n| format!("/api/v1/jobs?limit=100&state={}", state(n))),
        get("jobs in each state, far in", move |n| {
            format!("/api/v1/jobs?limit=100&state={}&before={}", state(n), job(far(n)))
        }),
        get("jobs of a benchmark that none has", |_| "/api/v1/jobs?benchmark=stream".into()),
        get("jobs of a benchmark in each state", move |n| format!("/api/v1/jobs?benchmark=hpl&state={}", state(n))),
        get("jobs of each user", |n| format!("/api/v1/jobs?owner=crowd-{:06}", 1 + n * 97)),
        get("jobs of who has most, in each state", move |n| {
            format!("/api/v1/jobs?owner=crowd-000001&state={}&limit=100", state(n))
        }),
        get("jobs of who has most, benchmark none has", |_| "/api/v1/jobs?owner=crowd-000001&benchmark=stream".into()),
        get("history of a job", move |n| format!("/api/v1/jobs/{}/history", public(n, crowd))),
        get("a job", move |n| format!("/api/v1/jobs/{}", public(n, crowd))),
    ]
}

/// The n-th public job that has ended.
fn public(n: i64, crowd: Crowd) -> String {
    let is_public = |key: &i64| (key * 2_654_435_761) % 4_294_967_296 / 512 % 10 != 0;
    let from = 1 + (n * 7919) % (crowd.jobs - 25_000);
    job((from..).find(is_public).unwrap_or(from))
}

fn results(crowd: Crowd) -> Vec<Question> {
    let far = move |n: i64| result(accepted(n, crowd));
    let minute = 60_000;
    vec![
        get("results", |_| "/api/v1/results?limit=200".into()),
        get("results, far in", move |n| format!("/api/v1/results?limit=200&before={}", far(n))),
        get("results of a CPU", |n| format!("/api/v1/results?limit=200&kind=Crowd%20CPU%20{}", n % 40)),
        get("results of a CPU that none has", |_| "/api/v1/results?kind=abacus".into()),
        get("results of each node", |n| format!("/api/v1/results?limit=200&node={}", node(1 + n))),
        get("results of each user", |n| format!("/api/v1/results?limit=200&user=crowd-{:06}", 1 + n * 97)),
        get("results of who has most, flagged", |_| "/api/v1/results?user=crowd-000001&tier=flagged".into()),
        get("results, flagged", |_| "/api/v1/results?tier=flagged&limit=200".into()),
        get("results by score and size", |n| {
            format!("/api/v1/results?min_score={}&max_score={}&min_size=30000&max_size=31000", 300 + n, 310 + n)
        }),
        get("results that cannot be", |_| "/api/v1/results?min_score=1e12".into()),
        get("results of an hour", move |n| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let until = now.as_millis() as i64 - n * 5000 * minute;
            format!("/api/v1/results?since={}&until={until}", until - 60 * minute)
        }),
        get("a result", move |n| format!("/api/v1/results/{}", far(n))),
        get("the result of a job", move |n| format!("/api/v1/jobs/{}/result", job(accepted(n, crowd)))),
    ]
}

/// The key of the n-th job with a public, accepted result.
fn accepted(n: i64, crowd: Crowd) -> i64 {
    let hash = |key: i64| (key * 2_654_435_761) % 4_294_967_296;
    let is_one = |key: &i64| hash(*key) / 512 % 10 != 0 && hash(*key) / 16 % 100 < 80;
    let from = 1 + (n * 7919) % (crowd.jobs - 25_000);
    (from..).find(is_one).unwrap_or(from)
}

fn boards(crowd: Crowd) -> Vec<Question> {
    let far = move |n: i64| result(accepted(n, crowd));
    let measure = |n: i64| Measure::ALL[n.unsigned_abs() as usize % Measure::ALL.len()].name();
    let kind = |n: i64| format!("Crowd%20CPU%20{}", n % 40);
    vec![
        get("leaderboards there are", |_| "/api/v1/leaderboards".into()),
        get("leaderboard", move |n| format!("/api/v1/leaderboards/hpl?limit=200&measure={}", measure(n))),
        get("leaderboard, far in", move |n| format!("/api/v1/leaderboards/hpl?limit=200&after={}", far(n))),
        get("leaderboard of a CPU", move |n| format!("/api/v1/leaderboards/hpl?limit=200&kind={}", kind(n))),
        get("leaderboard of a CPU and its cores", move |n| {
            format!("/api/v1/leaderboards/hpl?kind={}&cores={}&measure={}", kind(n), 8 << (n % 5), measure(n))
        }),
        get("history of a record", move |n| format!("/api/v1/leaderboards/hpl/record?measure={}", measure(n))),
        get("history of a record of a CPU", move |n| format!("/api/v1/leaderboards/hpl/record?kind={}", kind(n))),
    ]
}

fn pages() -> Vec<Question> {
    ["/", "/jobs", "/leaderboard", "/leaderboard/hpl", "/results", "/nodes", "/metrics", "/readyz"]
        .into_iter()
        .map(|path| get(&format!("page {path}"), move |_| path.into()))
        .collect()
}

/// What a user asks.
fn known() -> Vec<Question> {
    let run = |n: i64| json!({ "benchmark": "hpl", "parameters": { "n": 1000 + n, "nb": 128, "p": 1, "q": 1 } });
    let ask = |what: &str, path: &'static str| Question { known: true, ..get(what, move |_| path.into()) };
    vec![
        Question { body: Some(run), ..ask("estimate", "/api/v1/estimate") },
        ask("one's own jobs", "/api/v1/jobs?owner=me"),
        ask("jobs, for a user", "/api/v1/jobs?limit=100"),
        ask("one's own standing", "/api/v1/leaderboards/hpl/standing"),
        ask("page /submit", "/submit"),
    ]
}
