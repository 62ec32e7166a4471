//! Results and leaderboards, for the JSON routes and the pages alike: who may see what, in the words of the wire.

use hpl_spec::api::results::{
    CertificateKey, Leaderboard, Measure, RecordHistory, ResultDetail, ResultPage, ResultTier, Standing,
};
use hpl_spec::benchmark;
use hpl_spec::id::{AttemptId, NodeId};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::{App, Shared};
use crate::certify;
use crate::db::board::{self, Board, View};
use crate::db::results::list::{self, Filter, Whose};
use crate::db::results::{Full, get, id_of_job, verdict};
use crate::db::{Conn, audit, nodes, users};
use crate::error::{Code, Error, Result};
use crate::http::caller::{Caller, Scope};

/// Entries of a page where no number was named, and the most of one.
const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// The longest reason of a flag, in characters.
const LONGEST_REASON: usize = 500;

/// Which results.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct ResultQuery {
    /// A row of the registry.
    pub benchmark: Option<String>,
    /// Of this user. Your own name shows your private results, too.
    pub user: Option<String>,
    /// The CPU model.
    pub kind: Option<String>,
    /// The node's physical cores.
    pub cores: Option<u32>,
    /// Where the result stands.
    pub tier: Option<ResultTier>,
    /// The node's id.
    #[param(value_type = Option<String>)]
    pub node: Option<NodeId>,
    /// The least score.
    pub min_score: Option<f64>,
    /// The highest score.
    pub max_score: Option<f64>,
    /// The smallest problem.
    pub min_size: Option<f64>,
    /// The largest problem.
    pub max_size: Option<f64>,
    /// Not before, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Before, in milliseconds since the epoch.
    pub until: Option<i64>,
    /// With your own name as `user`: failed, pending and late results, too.
    pub all: bool,
    /// Only what is older than this result: `next` of the page before.
    #[param(value_type = Option<String>)]
    pub before: Option<AttemptId>,
    /// How many on a page: 1 to 200, 50 if not said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// Which leaderboard, and which part of it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub struct BoardQuery {
    /// By what it is ordered.
    pub measure: Measure,
    /// The CPU model; all if not said.
    pub kind: Option<String>,
    /// The node's physical cores; any number if not said.
    pub cores: Option<u32>,
    /// As it stood at this moment, in milliseconds since the epoch: of the results that had come and still stand.
    pub at: Option<i64>,
    /// Of verified results alone.
    pub verified: bool,
    /// Of the people of this cohort: your own, or any for administrators.
    pub cohort: Option<String>,
    /// Only what comes after this result: `next` of the page before.
    #[param(value_type = Option<String>)]
    pub after: Option<AttemptId>,
    /// How many on a page: 1 to 200, 50 if not said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// A page of results, latest first.
///
/// # Errors
/// A field is wrong; the token lacks the scope; the database fails.
pub async fn list(app: &App, caller: &Caller, query: &ResultQuery) -> Result<ResultPage> {
    let limit = limit(query.limit)?;
    check_bounds(query)?;
    let mut reader = app.db.read().await?;
    let nothing = ResultPage { results: vec![], next: None };
    // Of who is not known there are no results: whether somebody has an account is not told.
    let whose = match &query.user {
        None => Whose::Everybodys,
        Some(name) => match users::by_name(&mut reader, name).await?.map(|u| u.key) {
            Some(user) if !sees(caller, Some(user)) => Whose::Of(user),
            Some(user) if query.all => Whose::OwnWithOrphans(user),
            Some(user) => Whose::Own(user),
            None => return Ok(nothing),
        },
    };
    let node = match &query.node {
        None => None,
        Some(id) => match nodes::find(&mut reader, id.as_str()).await? {
            Some(node) => Some(node.key),
            None => return Ok(nothing),
        },
    };
    let filter = Filter {
        whose,
        benchmark: query.benchmark.clone(),
        kind: query.kind.clone(),
        cores: query.cores,
        tier: query.tier,
        node,
        min_score: query.min_score,
        max_score: query.max_score,
        min_size: query.min_size,
        max_size: query.max_size,
        since: query.since,
        until: query.until,
        before: cursor(&mut reader, "before", query.before.as_ref()).await?,
    };
    let list::Page { results, next } = list::page(&mut reader, &filter, limit).await?;
    Ok(ResultPage { results, next })
}

/// A result with all that speaks for it.
///
/// # Errors
/// There is none of that id for the caller to see; the database fails.
pub async fn detail(app: &App, caller: &Caller, id: &AttemptId) -> Result<ResultDetail> {
    Ok(seen(app, caller, id.as_str()).await?.detail)
}

/// The result that a job is known by: the accepted one, else the latest.
///
/// # Errors
/// As [`detail`].
pub async fn of_job(app: &App, caller: &Caller, job: &str) -> Result<ResultDetail> {
    Ok(seen_of_job(app, caller, job).await?.detail)
}

/// The signed bundle of a job's accepted result, and what to call it.
///
/// # Errors
/// As [`detail`]; the result is not accepted.
pub async fn certificate(app: &Shared, caller: &Caller, job: &str) -> Result<(String, Vec<u8>)> {
    let full = seen_of_job(app, caller, job).await?;
    let name = format!("{}-{}.zip", full.detail.row.benchmark, full.detail.row.id);
    let node = verdict::node_info(&mut *app.db.read().await?, full.key).await?;
    Ok((name, certify::bundle(app, full, node).await?))
}

/// What the node of a result said last that it is; None if it never did.
///
/// # Errors
/// As [`detail`].
pub async fn node(app: &App, caller: &Caller, id: &AttemptId) -> Result<Option<hpl_spec::NodeInfo>> {
    let full = seen(app, caller, id.as_str()).await?;
    verdict::node_info(&mut *app.db.read().await?, full.key).await
}

/// The public half of the key that signs certificates.
#[must_use]
pub fn certificate_key(app: &App) -> CertificateKey {
    let key = app.signing.public_key();
    CertificateKey { algorithm: "ed25519".into(), key_id: key.id(), public_key: key.to_string() }
}

/// The leaderboards that have entries.
///
/// # Errors
/// The database fails.
pub async fn leaderboards(app: &App) -> Result<Vec<hpl_spec::api::results::Category>> {
    board::categories(&mut *app.db.read().await?).await
}

/// A part of a leaderboard.
///
/// # Errors
/// There is no such benchmark; a field is wrong; the database fails.
pub async fn leaderboard(app: &App, caller: &Caller, benchmark: &str, query: &BoardQuery) -> Result<Leaderboard> {
    let limit = limit(query.limit)?;
    let (board, unit) = named(benchmark, query)?;
    let mut reader = app.db.read().await?;
    check_cohort(&mut reader, caller, &board).await?;
    let after = cursor(&mut reader, "after", query.after.as_ref()).await?;
    let (category, entries) = board::page(&mut reader, &board, after, limit).await?;
    let full = entries.len() >= limit as usize;
    let next = entries.last().filter(|_| full).map(|last| last.result.id.clone());
    Ok(Leaderboard { category, unit, entries, next })
}

/// Where the caller stands in a leaderboard.
///
/// # Errors
/// As [`leaderboard`]; nobody is logged in.
pub async fn standing(app: &App, caller: &Caller, benchmark: &str, query: &BoardQuery) -> Result<Standing> {
    let user = caller.user(Scope::Read)?.key;
    let (board, _) = named(benchmark, query)?;
    let mut reader = app.db.read().await?;
    check_cohort(&mut reader, caller, &board).await?;
    let category = board::category(&mut reader, &board).await?;
    let entry = board::standing(&mut reader, &board, user).await?;
    let not_better = |rank: u32| f64::from(category.entries.saturating_sub(rank).saturating_add(1));
    let percentile = entry.as_ref().map(|entry| 100.0 * not_better(entry.rank) / f64::from(category.entries.max(1)));
    Ok(Standing { category, entry, percentile })
}

/// How the best of a category grew. Which results are looked at (`at`, `verified`, `cohort`) is not asked here: it is the
/// record of all.
///
/// # Errors
/// As [`leaderboard`].
pub async fn record(app: &App, benchmark: &str, query: &BoardQuery) -> Result<RecordHistory> {
    let (mut board, unit) = named(benchmark, query)?;
    board.view = View::default();
    let mut reader = app.db.read().await?;
    let category = board::category(&mut reader, &board).await?;
    Ok(RecordHistory { category, unit, steps: board::record(&mut reader, &board).await? })
}

/// An administrator takes a result out of the rankings.
///
/// # Errors
/// The caller is no administrator; there is no such result, or it is not verified or reported.
pub async fn flag(app: &App, caller: &Caller, id: &AttemptId, why: &str) -> Result<ResultDetail> {
    judge(app, caller, id, why, true).await
}

/// An administrator takes a flag off.
///
/// # Errors
/// The caller is no administrator; there is no such result, or it is not flagged.
pub async fn unflag(app: &App, caller: &Caller, id: &AttemptId, why: &str) -> Result<ResultDetail> {
    judge(app, caller, id, why, false).await
}

async fn judge(app: &App, caller: &Caller, id: &AttemptId, why: &str, flag: bool) -> Result<ResultDetail> {
    let admin = caller.admin()?.name.clone();
    let why = why.trim().to_owned();
    let length = why.chars().count();
    if !(1..=LONGEST_REASON).contains(&length) || why.contains(|c: char| c.is_control() && c != '\n') {
        let message = format!("found {length} characters, expected 1 to {LONGEST_REASON} without control characters");
        return Err(Error::field("why", message));
    }
    let full = seen(app, caller, id.as_str()).await?;
    let (key, subject, address) = (full.key, format!("result:{id}"), caller.address.to_string());
    let unit = app.db.write(move |tx| {
        Box::pin(async move {
            let change = if flag { verdict::flag(tx, key, &why).await? } else { verdict::unflag(tx, key).await? };
            let action = if flag { "result.flag" } else { "result.unflag" };
            let after = format!("{}: {why}", change.after);
            audit::write(tx, &admin, action, &subject, &address, Some(&change.before), Some(&after)).await
        })
    });
    unit.await?;
    detail(app, caller, id).await
}

/// Whether the caller may see what `owner` keeps private.
fn sees(caller: &Caller, owner: Option<i64>) -> bool {
    let own = caller.user.as_ref().is_some_and(|user| Some(user.key) == owner && user.may(Scope::Read));
    own || caller.is_admin()
}

/// The result of that id, if the caller may see it.
async fn seen(app: &App, caller: &Caller, id: &str) -> Result<Full> {
    let full = get(&mut *app.db.read().await?, id).await?.ok_or_else(|| Error::not_found("result"))?;
    let public = full.detail.row.visibility == hpl_spec::api::jobs::Visibility::Public;
    if public || sees(caller, full.owner) { Ok(full) } else { Err(Error::not_found("result")) }
}

async fn seen_of_job(app: &App, caller: &Caller, job: &str) -> Result<Full> {
    let id = id_of_job(&mut *app.db.read().await?, job).await?.ok_or_else(|| Error::not_found("result"))?;
    seen(app, caller, &id).await
}

/// The row of the result after which a page begins.
async fn cursor(conn: &mut Conn, field: &str, id: Option<&AttemptId>) -> Result<Option<i64>> {
    let Some(id) = id else { return Ok(None) };
    let key = list::key_of(conn, id).await?;
    key.map(Some).ok_or_else(|| Error::field(field, "no such result; take `next` of the page before"))
}

/// How many on a page.
fn limit(asked: Option<u32>) -> Result<u32> {
    match asked {
        None => Ok(PAGE),
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        Some(limit) => Err(Error::field("limit", format!("found {limit}, expected 1 to {PAGE_MAX}"))),
    }
}

/// Bounds are numbers: nothing is above or below what is none.
fn check_bounds(query: &ResultQuery) -> Result<()> {
    let ResultQuery { min_score, max_score, min_size, max_size, .. } = *query;
    let bounds = [("min_score", min_score), ("max_score", max_score), ("min_size", min_size), ("max_size", max_size)];
    match bounds.into_iter().find(|(_, bound)| bound.is_some_and(|bound| !bound.is_finite())) {
        Some((field, _)) => Err(Error::field(field, "expected a finite number")),
        None => Ok(()),
    }
}

/// The leaderboard that is asked for, and the unit of its scores.
fn named(name: &str, query: &BoardQuery) -> Result<(Board, String)> {
    let row = benchmark::find(name).ok_or_else(|| Error::new(Code::NotFound, "no benchmark of that name is there"))?;
    let kind = query.kind.clone().filter(|kind| !kind.is_empty());
    let cores = query.cores.filter(|cores| *cores > 0);
    let cohort = query.cohort.clone().filter(|cohort| !cohort.is_empty());
    let view = View { before: query.at, verified: query.verified, cohort };
    Ok((Board { benchmark: row.name.into(), measure: query.measure, kind, cores, view }, row.unit.into()))
}

/// Who is in a cohort is for its own people and for administrators.
async fn check_cohort(conn: &mut Conn, caller: &Caller, board: &Board) -> Result<()> {
    let Some(cohort) = &board.view.cohort else { return Ok(()) };
    if caller.is_admin() {
        return Ok(());
    }
    let user = caller.user(Scope::Read)?;
    match users::by_key(conn, user.key).await? {
        Some(user) if user.cohort == *cohort => Ok(()),
        _ => Err(Error::new(Code::Forbidden, "the leaderboard of a cohort is for its own people")),
    }
}
