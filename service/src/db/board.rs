//! Leaderboards. Everything that shows a ranking asks here; there is no second way to rank.

use hpl_spec::api::results::{BoardEntry, Category, Measure, ResultRow};

use super::results::{Row, beside, row};
use super::{Conn, explain};
use crate::error::{Error, Result};

pub mod view;

pub use view::View;

/// The most leaderboards that are listed.
const MOST_CATEGORIES: u32 = 2000;
/// The most steps of a record that are told.
const MOST_STEPS: u32 = 1000;

pub(super) const CATEGORIES: &str = "SELECT benchmark, measure, kind, cores, entries FROM categories WHERE entries > 0
          ORDER BY benchmark, measure, kind, cores LIMIT ?";
pub(super) const CATEGORY: &str =
    "SELECT entries FROM categories WHERE benchmark = ? AND measure = ? AND kind = ? AND cores = ?";
pub(super) const ENTRIES: &str = concat!(
    "SELECT b.value,
            (SELECT entries FROM categories WHERE benchmark = ?1 AND measure = ?2 AND kind = ?3 AND cores = ?4) AS entries, ",
    row!(),
    " FROM (
            SELECT value, result FROM board INDEXED BY board_rank
             WHERE benchmark = ?1 AND measure = ?2 AND kind = ?3 AND cores = ?4
               AND value <= ?5 AND (value < ?5 OR result > ?6)
             ORDER BY value DESC, result LIMIT ?7) b
           CROSS JOIN results r ON r.key = b.result ",
    beside!(),
    " ORDER BY b.value DESC, b.result"
);
pub(super) const BEFORE: &str =
    "SELECT count(*) FILTER (WHERE value > ?5), count(*) FILTER (WHERE value > ?5 OR result < ?6)
           FROM board INDEXED BY board_rank
          WHERE benchmark = ?1 AND measure = ?2 AND kind = ?3 AND cores = ?4 AND value >= ?5";
pub(super) const STANDING: &str = concat!(
    "SELECT b.value, ",
    row!(),
    " FROM board b CROSS JOIN results r ON r.key = b.result ",
    beside!(),
    " WHERE b.benchmark = ? AND b.measure = ? AND b.kind = ? AND b.cores = ? AND b.owner = ?"
);
pub(super) const RECORD: &str = concat!(
    "SELECT b.value, ",
    row!(),
    " FROM (
            SELECT value, result FROM records
             WHERE benchmark = ? AND measure = ? AND kind = ? AND cores = ? ORDER BY result DESC LIMIT ?) b
           CROSS JOIN results r ON r.key = b.result ",
    beside!(),
    " ORDER BY b.result"
);

/// What a result is worth by the measure of that number.
macro_rules! value {
    ($measure:literal) => {
        concat!("CASE ", $measure, " WHEN 'score' THEN score WHEN 'percent' THEN percent ELSE per_watt END")
    };
}
pub(super) use value;
/// Binds what says which leaderboard: 1 to 4, and of a [`View`] that is not all 5 to 7. The numbers of a statement's own
/// come after them.
macro_rules! bind_board {
    ($query:expr, $board:expr) => {{
        let board: &Board = $board;
        let (view, kind) = (&board.view, board.kind.as_deref().unwrap_or_default());
        let query = $query.bind(&board.benchmark).bind(board.measure.name()).bind(kind).bind(board.cores.unwrap_or(0));
        match view.is_all() {
            true => query,
            false => query
                .bind(view.before.unwrap_or(i64::MAX))
                .bind(view.verified)
                .bind(view.cohort.as_deref().unwrap_or_default()),
        }
    }};
}
pub(super) use bind_board;

pub(super) const VALUE: &str = concat!("SELECT ", value!("?2"), " FROM results WHERE key = ?1");

/// Which leaderboard. An empty kind, or no cores, means all of them in the tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Board {
    /// A row of the registry.
    pub benchmark: String,
    /// By what it is ordered.
    pub measure: Measure,
    /// The CPU model; None for all.
    pub kind: Option<String>,
    /// The node's physical cores; None for any number.
    pub cores: Option<u32>,
    /// Of which results.
    pub view: View,
}

#[derive(sqlx::FromRow)]
struct Entry {
    value: f64,
    #[sqlx(flatten)]
    row: Row,
}

/// An entry, and how many there are.
#[derive(sqlx::FromRow)]
struct Listed {
    entries: u32,
    #[sqlx(flatten)]
    entry: Entry,
}

/// The leaderboards that have entries, by name; at most 2000.
///
/// # Errors
/// The database fails.
pub async fn categories(conn: &mut Conn) -> Result<Vec<Category>> {
    let found: Vec<(String, String, String, u32, u32)> =
        sqlx::query_as(CATEGORIES).bind(MOST_CATEGORIES).fetch_all(conn).await.map_err(explain)?;
    let category = |(benchmark, measure, kind, cores, entries): (String, String, String, u32, u32)| {
        Ok(Category {
            benchmark,
            measure: Measure::from_name(&measure)
                .ok_or_else(|| Error::internal(format!("a leaderboard by {measure}")))?,
            kind: (!kind.is_empty()).then_some(kind),
            cores: (cores > 0).then_some(cores),
            entries,
        })
    };
    found.into_iter().map(category).collect()
}

/// A leaderboard by name, with the number of its entries.
///
/// # Errors
/// The database fails.
pub async fn category(conn: &mut Conn, board: &Board) -> Result<Category> {
    let entries: Option<u32> = match board.view.is_all() {
        true => bind_board!(sqlx::query_scalar(CATEGORY), board).fetch_optional(conn).await.map_err(explain)?,
        false => Some(view::count(conn, board).await?),
    };
    Ok(named(board, entries.unwrap_or(0)))
}

fn named(board: &Board, entries: u32) -> Category {
    let Board { benchmark, measure, kind, cores, .. } = board.clone();
    Category { benchmark, measure, kind, cores, entries }
}

/// A place in a leaderboard: what is better, or as good and earlier, comes before it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    value: f64,
    result: i64,
}

/// A leaderboard by name, with the number of its entries, and at most `limit` of them after the place that the result of
/// row `after` has, or would have.
///
/// # Errors
/// The database fails.
pub async fn page(
    conn: &mut Conn,
    board: &Board,
    after: Option<i64>,
    limit: u32,
) -> Result<(Category, Vec<BoardEntry>)> {
    let from_the_top = after.is_none();
    let after = match after {
        None => Place { value: f64::MAX, result: i64::MIN },
        Some(result) => Place { value: value_of(conn, board, result).await?, result },
    };
    let statement = if board.view.is_all() { ENTRIES } else { view::ENTRIES };
    let asked = bind_board!(sqlx::query_as(statement), board).bind(after.value).bind(after.result).bind(limit);
    let found: Vec<Listed> = asked.fetch_all(&mut *conn).await.map_err(explain)?;
    // The number comes with the entries, since to count them takes as long as to find them.
    let Some(Listed { entries: all, entry: first }) = found.first() else {
        return Ok((category(conn, board).await?, vec![]));
    };
    let place = Place { value: first.value, result: first.row.key };
    // Nothing comes before the first of all.
    let (better, before) = if from_the_top { (0, 0) } else { before(conn, board, place).await? };
    let (mut rank, mut value) = (better + 1, place.value);
    let mut entries = Vec::with_capacity(found.len());
    let category = named(board, *all);
    for (position, Listed { entry, .. }) in (before + 1..).zip(found) {
        if entry.value < value {
            (rank, value) = (position, entry.value);
        }
        entries.push(BoardEntry { rank, result: entry.row.into_wire()? });
    }
    Ok((category, entries))
}

/// What a result is worth on a board, whether it is on it or not.
async fn value_of(conn: &mut Conn, board: &Board, result: i64) -> Result<f64> {
    let value = sqlx::query_scalar(VALUE).bind(result).bind(board.measure.name());
    let value: Option<f64> = value.fetch_optional(conn).await.map_err(explain)?;
    Ok(value.unwrap_or(f64::MAX))
}

/// How many entries are better than a place, and how many come before it.
async fn before(conn: &mut Conn, board: &Board, place: Place) -> Result<(u32, u32)> {
    let statement = if board.view.is_all() { BEFORE } else { view::BEFORE };
    let asked = bind_board!(sqlx::query_as(statement), board).bind(place.value).bind(place.result);
    asked.fetch_one(conn).await.map_err(explain)
}

/// The entry of a user.
///
/// # Errors
/// The database fails.
pub async fn standing(conn: &mut Conn, board: &Board, user: i64) -> Result<Option<BoardEntry>> {
    let statement = if board.view.is_all() { STANDING } else { view::STANDING };
    let asked = bind_board!(sqlx::query_as(statement), board).bind(user);
    let found: Option<Entry> = asked.fetch_optional(&mut *conn).await.map_err(explain)?;
    let Some(entry) = found else { return Ok(None) };
    let (better, _) = before(conn, board, Place { value: entry.value, result: entry.row.key }).await?;
    Ok(Some(BoardEntry { rank: better + 1, result: entry.row.into_wire()? }))
}

/// The results that were better than all before them, the oldest first; at most the latest 1000, and the present best
/// as the last. What a result that was later flagged or deleted stood before when it came is not found again, except
/// if it is the present best.
///
/// # Errors
/// The database fails.
pub async fn record(conn: &mut Conn, board: &Board) -> Result<Vec<ResultRow>> {
    // Of all results, whatever part is looked at.
    let all = Board { view: View::default(), ..board.clone() };
    let asked = bind_board!(sqlx::query_as(RECORD), &all).bind(MOST_STEPS);
    let mut found: Vec<Entry> = asked.fetch_all(&mut *conn).await.map_err(explain)?;
    let mut best = f64::NEG_INFINITY;
    found.retain(|entry| {
        let better = entry.value > best;
        best = best.max(entry.value);
        better
    });
    let mut steps: Vec<ResultRow> = found.into_iter().map(|entry| entry.row.into_wire()).collect::<Result<_>>()?;
    if let Some(present) = page(conn, board, None, 1).await?.1.pop() {
        let value = |row: &ResultRow| row.value(board.measure).unwrap_or(0.0);
        if steps.last().is_none_or(|last| value(last) < value(&present.result)) {
            steps.push(present.result);
        }
    }
    Ok(steps)
}
