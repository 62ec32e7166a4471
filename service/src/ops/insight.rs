//! What can be learned from results: why a run was slow, how runs compare, what was tried before. For the JSON routes
//! and the pages alike.
//!
//! Who may see what is decided where results and jobs are found: in [`super::results`] and [`super::jobs`]. A figure
//! that is made of several results is made of those that the caller may see, so that nothing of a private run shows.

use hpl_spec::api::insight::{Change, Diagnosis, Exploration, ExplorePoint, Previous};
use hpl_spec::api::results::{ResultDetail, ResultRow, ResultTier};
use hpl_spec::benchmark::{self, Benchmark};
use hpl_spec::evidence::Evidence;
use hpl_spec::id::{AttemptId, NodeId};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::app::App;
use crate::db::insight as db;
use crate::diagnose::{self, Case, Past};
use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::ops::results::{self, ResultQuery};

mod compare;
mod pieces;
mod samples;

pub use compare::{CompareQuery, compare};
pub use pieces::Samples;
pub use samples::{MetricsQuery, metrics};

/// Points where no number was named, and the most.
const POINTS: u32 = 500;
const MOST_POINTS: u32 = 1000;
/// Results that are read at once, and how often for one answer.
const PIECE: u32 = 200;
const MOST_PIECES: u32 = 10;
/// Other runs on the node that a diagnosis looks at, at most: so many of everybody, and so many of its owner.
const HISTORY: u32 = 200;
/// Of these sizes, as parts of its own.
const HISTORY_SIZES: (f64, f64) = (0.25, 1.1);
/// So many results are looked through for the one before.
const BEFORE: u32 = 50;
/// Facts of the environment that are another every time and say nothing.
const NOISE: [&str; 1] = ["longest_beat_gap_s"];

/// Which results to show as points.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ExploreQuery {
    /// A row of the registry; the first one if not said.
    pub benchmark: Option<String>,
    /// Of this user. Your own name shows your private results, too.
    pub user: Option<String>,
    /// The CPU model.
    pub kind: Option<String>,
    /// The node's id.
    #[param(value_type = Option<String>)]
    pub node: Option<NodeId>,
    /// The node's physical cores.
    pub cores: Option<u32>,
    /// Verified or reported alone; nothing else is a point.
    pub tier: Option<ResultTier>,
    /// The smallest problem.
    pub min_size: Option<f64>,
    /// The largest problem.
    pub max_size: Option<f64>,
    /// Only what is older than this result: `next` of the answer before.
    #[param(value_type = Option<String>)]
    pub before: Option<AttemptId>,
    /// How many: 1 to 1000, 500 if not said.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
}

/// Whether nothing contradicts a result.
fn sound(row: &ResultRow) -> bool {
    matches!(row.tier, ResultTier::Verified | ResultTier::Reported)
}

fn named(name: Option<&str>) -> Result<&'static Benchmark> {
    let row = match name {
        None => benchmark::BENCHMARKS.first(),
        Some(name) => benchmark::find(name),
    };
    row.ok_or_else(|| Error::new(Code::NotFound, "no benchmark of that name is there"))
}

/// Why a run was as slow as it was.
///
/// # Errors
/// There is no result of that id for the caller to see; database or disk fail.
pub async fn diagnosis(app: &App, caller: &Caller, id: &AttemptId) -> Result<Diagnosis> {
    let detail = results::detail(app, caller, id).await?;
    let node = db::node_info(&mut *app.db.read().await?, id).await?;
    let watched = app.samples.watched(&app.store, id).await?;
    let history = history(app, caller, &detail).await?;
    let row = &detail.row;
    Ok(diagnose::diagnose(&Case {
        id,
        parameters: &detail.parameters,
        report: &detail.report,
        evidence: detail.evidence.as_ref(),
        node: node.as_ref(),
        watched: &watched,
        score: row.score,
        unit: benchmark::find(&row.benchmark).map_or("", |b| b.unit),
        percent: row.percent,
        history: &history,
    }))
}

/// Other runs on the same node that the caller may see: everybody's public ones, and those of the same user.
async fn history(app: &App, caller: &Caller, detail: &ResultDetail) -> Result<Vec<Past>> {
    let row = &detail.row;
    let Some(node) = &row.node else { return Ok(vec![]) };
    let (least, most) = HISTORY_SIZES;
    let public = ResultQuery {
        benchmark: Some(row.benchmark.clone()),
        node: Some(node.id.clone()),
        min_size: Some(least * row.size),
        max_size: Some(most * row.size),
        limit: Some(HISTORY),
        ..ResultQuery::default()
    };
    let own = row.owner.clone().map(|owner| ResultQuery { user: Some(owner), ..public.clone() });
    let mut rows: Vec<ResultRow> = Vec::new();
    for query in [Some(public), own].into_iter().flatten() {
        rows.extend(results::list(app, caller, &query).await?.results);
    }
    rows.retain(|other| other.id != row.id && sound(other));
    rows.sort_by(|a, b| a.id.as_str().cmp(b.id.as_str()));
    rows.dedup_by(|a, b| a.id == b.id);
    let mut parameters = parameters_of(app, &rows).await?;
    let past = |row: ResultRow| Some(Past { parameters: parameters.remove(row.id.as_str())?, score: row.score });
    Ok(rows.into_iter().filter_map(past).collect())
}

async fn parameters_of(app: &App, rows: &[ResultRow]) -> Result<std::collections::HashMap<String, Value>> {
    let ids: Vec<AttemptId> = rows.iter().map(|row| row.id.clone()).collect();
    db::parameters(&mut *app.db.read().await?, &ids).await
}

/// The latest results that match, as points.
///
/// # Errors
/// There is no such benchmark; a field is wrong; the database fails.
pub async fn explore(app: &App, caller: &Caller, query: &ExploreQuery) -> Result<Exploration> {
    let limit = query.limit.unwrap_or(POINTS);
    if !(1..=MOST_POINTS).contains(&limit) {
        return Err(Error::field("limit", format!("found {limit}, expected 1 to {MOST_POINTS}")));
    }
    let benchmark = named(query.benchmark.as_deref())?;
    let mut asked = ResultQuery {
        benchmark: Some(benchmark.name.into()),
        user: query.user.clone(),
        kind: query.kind.clone(),
        node: query.node.clone(),
        cores: query.cores,
        tier: query.tier,
        min_size: query.min_size,
        max_size: query.max_size,
        before: query.before.clone(),
        ..ResultQuery::default()
    };
    let mut rows: Vec<ResultRow> = Vec::new();
    for _ in 0..MOST_PIECES {
        let left = limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(limit));
        if left == 0 {
            break;
        }
        asked.limit = Some(left.min(PIECE));
        let page = results::list(app, caller, &asked).await?;
        rows.extend(page.results.into_iter().filter(sound));
        asked.before = page.next;
        if asked.before.is_none() {
            break;
        }
    }
    let parameters = parameters_of(app, &rows).await?;
    let points = rows.into_iter().map(|row| {
        let own = parameters.get(row.id.as_str()).unwrap_or(&Value::Null);
        point(row, own)
    });
    Ok(Exploration {
        benchmark: benchmark.name.into(),
        unit: benchmark.unit.into(),
        points: points.collect(),
        next: asked.before,
    })
}

fn point(row: ResultRow, parameters: &Value) -> ExplorePoint {
    let number = |name: &str| parameters[name].as_u64();
    ExplorePoint {
        n: number("n"),
        nb: number("nb"),
        p: number("p"),
        q: number("q"),
        id: row.id,
        job: row.job,
        owner: row.owner,
        score: row.score,
        percent: row.percent,
        seconds: row.seconds,
        tier: row.tier,
        node: row.node,
        kind: row.kind,
        cores: row.cores,
        created_at: row.created_at,
    }
}

/// What changed since the same user's run before, on the same kind of node.
///
/// # Errors
/// There is no result of that id for the caller to see; the database fails.
pub async fn previous(app: &App, caller: &Caller, id: &AttemptId) -> Result<Previous> {
    let now = results::detail(app, caller, id).await?;
    let before = match &now.row.owner {
        None => None,
        Some(owner) => {
            let query = ResultQuery {
                benchmark: Some(now.row.benchmark.clone()),
                user: Some(owner.clone()),
                kind: Some(now.row.kind.clone()),
                cores: Some(now.row.cores),
                before: Some(id.clone()),
                limit: Some(BEFORE),
                ..ResultQuery::default()
            };
            results::list(app, caller, &query).await?.results.into_iter().find(sound)
        }
    };
    let Some(before) = before else {
        let none = (vec![], vec![]);
        return Ok(Previous {
            now: now.row,
            before: None,
            change_percent: None,
            parameters: none.0,
            environment: none.1,
        });
    };
    let before = results::detail(app, caller, &before.id).await?;
    let change = 100.0 * (now.row.score / before.row.score - 1.0);
    Ok(Previous {
        change_percent: Some(change).filter(|change| change.is_finite()),
        parameters: changes(&before.parameters, &now.parameters),
        environment: changes(&environment(&before), &environment(&now)),
        before: Some(before.row),
        now: now.row,
    })
}

/// The facts of the environment that can explain a difference between two runs.
pub fn telling(evidence: &Evidence) -> impl Iterator<Item = (&String, &String)> {
    evidence.environment.iter().filter(|(name, _)| !NOISE.contains(&name.as_str()))
}

/// What a run stood on, as one object: null where nothing was told.
fn environment(detail: &ResultDetail) -> Value {
    let mut all = serde_json::Map::new();
    all.extend(detail.row.node.as_ref().map(|node| ("node".to_owned(), Value::from(node.name.clone()))));
    if let Some(evidence) = &detail.evidence {
        all.extend(telling(evidence).map(|(name, value)| (name.clone(), Value::from(value.clone()))));
        all.insert("binary_sha256".into(), evidence.binary_sha256.clone().into());
    }
    all.into()
}

/// What differs between two objects, by name.
fn changes(before: &Value, now: &Value) -> Vec<Change> {
    let names = [before, now].into_iter().filter_map(Value::as_object).flat_map(|object| object.keys());
    let names: std::collections::BTreeSet<&String> = names.collect();
    let differ = names.into_iter().filter(|name| before[name.as_str()] != now[name.as_str()]);
    let change = |name: &String| Change {
        name: name.clone(),
        before: before[name.as_str()].clone(),
        now: now[name.as_str()].clone(),
    };
    differ.map(change).collect()
}
