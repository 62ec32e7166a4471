//! Leaderboards of a part of the results: as they stood at a moment, of verified results alone, of a cohort. Nothing is
//! kept for them; each is computed when it is asked for, out of the index `results_moment`.

use super::{Board, beside, row};
use crate::db::{Conn, explain};
use crate::error::Result;

/// Of which results a leaderboard is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// Only of those that came before this moment, in milliseconds since the epoch. What was flagged or deleted since is
    /// left out: it is the ranking of that day as far as it still stands.
    pub before: Option<i64>,
    /// Only of verified ones.
    pub verified: bool,
    /// Only of the people of this cohort.
    pub cohort: Option<String>,
}

impl View {
    /// Whether it is all results: those leaderboards are kept.
    #[must_use]
    pub fn is_all(&self) -> bool {
        *self == View::default()
    }
}

/// The results that count, owner by owner. Its numbers: 1 benchmark, 2 measure, 3 CPU model or nothing, 4 cores or 0,
/// 8 the moment, 9 whether only verified, 10 the cohort or nothing.
macro_rules! counting {
    () => {
        "FROM results INDEXED BY results_moment
             WHERE ranked = 1 AND benchmark = ?1 AND (?2 = 'score' OR percent > 0)
               AND (?3 = '' OR kind = ?3) AND (?4 = 0 OR cores = ?4)
               AND created_at < ?8 AND (?9 = 0 OR tier = 'verified')
               AND (?10 = '' OR owner IN (SELECT key FROM users WHERE cohort = ?10))
             GROUP BY owner"
    };
}

/// Of each owner the best result that counts.
macro_rules! best {
    () => {
        concat!(
            "WITH best (owner, value, result) AS (
                SELECT owner, max(CASE ?2 WHEN 'score' THEN score ELSE percent END), key ",
            counting!(),
            ") "
        )
    };
}

/// Binds the numbers 8 to 10.
macro_rules! bind_view {
    ($query:expr, $view:expr) => {
        $query
            .bind($view.before.unwrap_or(i64::MAX))
            .bind($view.verified)
            .bind($view.cohort.as_deref().unwrap_or_default())
    };
}
pub(super) use bind_view;

pub(in crate::db) const ENTRIES: &str = concat!(
    best!(),
    "SELECT b.value, ",
    row!(),
    " FROM (SELECT value, result FROM best WHERE value <= ?5 AND (value < ?5 OR result > ?6)
             ORDER BY value DESC, result LIMIT ?7) b
      CROSS JOIN results r ON r.key = b.result ",
    beside!(),
    " ORDER BY b.value DESC, b.result"
);
pub(in crate::db) const BEFORE: &str = concat!(
    best!(),
    "SELECT count(*) FILTER (WHERE value > ?5), count(*) FILTER (WHERE value > ?5 OR result < ?6)
       FROM best WHERE value >= ?5 "
);
pub(in crate::db) const STANDING: &str = concat!(
    best!(),
    "SELECT b.value, ",
    row!(),
    " FROM (SELECT value, result FROM best WHERE owner = ?5) b CROSS JOIN results r ON r.key = b.result ",
    beside!()
);
pub(in crate::db) const COUNT: &str = concat!("SELECT count(*) FROM (SELECT 1 ", counting!(), ") ");

/// How many people are in it.
///
/// # Errors
/// The database fails.
pub async fn count(conn: &mut Conn, board: &Board) -> Result<u32> {
    let (benchmark, measure, kind, cores) = board.columns();
    let asked = sqlx::query_scalar(COUNT).bind(benchmark).bind(measure).bind(kind).bind(cores);
    let asked = bind_view!(asked.bind(0).bind(0).bind(0), board.view);
    asked.fetch_one(conn).await.map_err(explain)
}
