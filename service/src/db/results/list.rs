//! Lists of results, latest first.
//!
//! A page looks at no more than `WINDOW` entries of one index that holds all filters, so that its time is bounded
//! whatever is asked for; where few match it is short and says where to go on.

use hpl_spec::api::results::{ResultRow, ResultTier};
use hpl_spec::id::AttemptId;
use sqlx::{QueryBuilder, Sqlite};

use super::{Row, beside, row};
use crate::db::{Conn, explain};
use crate::error::{Error, Result};

/// How many entries of an index a page looks at.
const WINDOW: u32 = 10_000;

pub(super) const SINCE: &str =
    "SELECT key FROM results INDEXED BY results_at WHERE created_at >= ? ORDER BY created_at, key LIMIT 1";
pub(super) const UNTIL: &str = "SELECT key FROM results INDEXED BY results_at WHERE created_at < ? \
              ORDER BY created_at DESC, key DESC LIMIT 1";

/// Whose results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whose {
    /// The public, accepted ones of everybody.
    #[default]
    Everybodys,
    /// The public, accepted ones of a user.
    Of(i64),
    /// All accepted ones of a user, for the user's own eyes.
    Own(i64),
    /// Those that were not accepted, too.
    OwnWithOrphans(i64),
}

/// What to look for. Times are milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Whose.
    pub whose: Whose,
    /// A row of the registry.
    pub benchmark: Option<String>,
    /// The CPU model.
    pub kind: Option<String>,
    /// The node's physical cores.
    pub cores: Option<u32>,
    /// Where it stands.
    pub tier: Option<ResultTier>,
    /// The node's row.
    pub node: Option<i64>,
    /// The least score.
    pub min_score: Option<f64>,
    /// The highest score.
    pub max_score: Option<f64>,
    /// The smallest problem.
    pub min_size: Option<f64>,
    /// The largest problem.
    pub max_size: Option<f64>,
    /// Not before.
    pub since: Option<i64>,
    /// Before.
    pub until: Option<i64>,
    /// Only what is older than the result of this row.
    pub before: Option<i64>,
}

/// A page.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The results, latest first.
    pub results: Vec<ResultRow>,
    /// The result after which to go on; None at the end.
    pub next: Option<AttemptId>,
}

/// The row of a result.
///
/// # Errors
/// The database fails.
pub async fn key_of(conn: &mut Conn, id: &AttemptId) -> Result<Option<i64>> {
    let found = sqlx::query_scalar("SELECT key FROM results WHERE id = ?").bind(id.as_str());
    found.fetch_optional(conn).await.map_err(explain)
}

/// At most `limit` results.
///
/// # Errors
/// The database fails.
pub async fn page(conn: &mut Conn, filter: &Filter, limit: u32) -> Result<Page> {
    let span = span(conn, filter).await?;
    let found: Vec<Row> =
        matching(filter, span, limit).build_query_as().fetch_all(&mut *conn).await.map_err(explain)?;
    let next = match found.last() {
        Some(last) if found.len() >= limit as usize => Some(last.key),
        _ => end_of_window(filter, span).build_query_scalar().fetch_optional(&mut *conn).await.map_err(explain)?,
    };
    let next = match next {
        None => None,
        Some(key) => {
            let id = sqlx::query_scalar("SELECT id FROM results WHERE key = ?").bind(key);
            let id: String = id.fetch_one(conn).await.map_err(explain)?;
            Some(id.parse().map_err(Error::internal)?)
        }
    };
    Ok(Page { results: found.into_iter().map(Row::into_wire).collect::<Result<_>>()?, next })
}

/// Rows between which the results lie, both bounds inside.
pub(super) type Span = (i64, i64);

/// Results are numbered as they come, so that times are bounds of rows, too.
async fn span(conn: &mut Conn, filter: &Filter) -> Result<Span> {
    let mut span = (i64::MIN, filter.before.map_or(i64::MAX, |key| key.saturating_sub(1)));
    if let Some(since) = filter.since {
        let first = sqlx::query_scalar(SINCE);
        let first: Option<i64> = first.bind(since).fetch_optional(&mut *conn).await.map_err(explain)?;
        span.0 = first.unwrap_or(i64::MAX);
    }
    if let Some(until) = filter.until {
        let last = sqlx::query_scalar(UNTIL);
        let last: Option<i64> = last.bind(until).fetch_optional(conn).await.map_err(explain)?;
        span.1 = span.1.min(last.unwrap_or(i64::MIN));
    }
    Ok(span)
}

/// The entries that a page looks at: `SELECT … LIMIT WINDOW`, without what comes after the order.
fn window(sql: &mut QueryBuilder<Sqlite>, columns: &'static str, filter: &Filter, (first, last): Span) {
    sql.push("SELECT ").push(columns).push(" FROM results INDEXED BY ");
    match (filter.whose, filter.node, &filter.kind) {
        (Whose::Of(owner) | Whose::Own(owner) | Whose::OwnWithOrphans(owner), _, _) => {
            sql.push("results_owner WHERE owner = ").push_bind(owner);
        }
        (Whose::Everybodys, Some(node), _) => {
            sql.push("results_node WHERE accepted = 1 AND public = 1 AND node = ").push_bind(node);
        }
        (Whose::Everybodys, None, Some(kind)) => {
            sql.push("results_kind WHERE accepted = 1 AND public = 1 AND kind = ").push_bind(kind.clone());
        }
        (Whose::Everybodys, None, None) => {
            sql.push("results_public WHERE accepted = 1 AND public = 1");
        }
    }
    sql.push(" AND key BETWEEN ").push_bind(first).push(" AND ").push_bind(last).push(" ORDER BY key DESC");
}

/// The matching ones of the window.
pub(super) fn matching(filter: &Filter, span: Span, limit: u32) -> QueryBuilder<Sqlite> {
    const SEEN: &str = "key, public, accepted, benchmark, tier, score, size, created_at, cores, node, kind";
    let mut sql = QueryBuilder::new(concat!("SELECT ", row!(), " FROM (SELECT key FROM ("));
    window(&mut sql, SEEN, filter, span);
    sql.push(" LIMIT ").push_bind(WINDOW).push(") WHERE 1");
    match filter.whose {
        Whose::Of(_) => sql.push(" AND public = 1 AND accepted = 1"),
        Whose::Own(_) => sql.push(" AND accepted = 1"),
        Whose::Everybodys | Whose::OwnWithOrphans(_) => &mut sql,
    };
    let texts = [(" AND benchmark = ", &filter.benchmark), (" AND kind = ", &filter.kind)];
    for (test, value) in texts.into_iter().filter_map(|(test, value)| value.clone().map(|value| (test, value))) {
        sql.push(test).push_bind(value);
    }
    if let Some(tier) = filter.tier {
        sql.push(" AND tier = ").push_bind(tier.name());
    }
    let numbers = [
        (" AND cores = ", filter.cores.map(i64::from)),
        (" AND node = ", filter.node),
        (" AND created_at >= ", filter.since),
        (" AND created_at < ", filter.until),
    ];
    for (test, value) in numbers.into_iter().filter_map(|(test, value)| value.map(|value| (test, value))) {
        sql.push(test).push_bind(value);
    }
    let figures = [
        (" AND score >= ", filter.min_score),
        (" AND score <= ", filter.max_score),
        (" AND size >= ", filter.min_size),
        (" AND size <= ", filter.max_size),
    ];
    for (test, value) in figures.into_iter().filter_map(|(test, value)| value.map(|value| (test, value))) {
        sql.push(test).push_bind(value);
    }
    sql.push(" ORDER BY key DESC LIMIT ").push_bind(limit);
    sql.push(concat!(") p CROSS JOIN results r ON r.key = p.key ", beside!(), " ORDER BY r.key DESC"));
    sql
}

/// The last entry of a window that is full.
pub(super) fn end_of_window(filter: &Filter, span: Span) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new("");
    window(&mut sql, "key", filter, span);
    sql.push(" LIMIT 1 OFFSET ").push_bind(WINDOW - 1);
    sql
}
