//! Leaderboards of a part of the results: as they stood at a moment, of verified results alone, of a cohort. Nothing is
//! kept for them; each is computed when it is asked for, out of the index `results_moment`.

use super::{Board, beside, bind_board, row, value};
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
/// 5 the moment, 6 whether only verified, 7 the cohort or nothing.
macro_rules! counting {
    () => {
        concat!(
            "FROM results INDEXED BY results_moment
             WHERE ranked = 1 AND benchmark = ?1 AND (?2 = 'score' OR ",
            value!("?2"),
            " > 0)
               AND (?3 = '' OR kind = ?3) AND (?4 = 0 OR cores = ?4)
               AND created_at < ?5 AND (?6 = 0 OR tier = 'verified')
               AND (?7 = '' OR owner IN (SELECT key FROM users WHERE cohort = ?7))
             GROUP BY owner"
        )
    };
}

/// Of each owner the best result that counts.
macro_rules! best {
    () => {
        concat!("WITH best (owner, value, result) AS (SELECT owner, max(", value!("?2"), "), key ", counting!(), ") ")
    };
}

pub(in crate::db) const ENTRIES: &str = concat!(
    best!(),
    "SELECT b.value, (SELECT count(*) FROM best) AS entries, ",
    row!(),
    " FROM (SELECT value, result FROM best WHERE value <= ?8 AND (value < ?8 OR result > ?9)
             ORDER BY value DESC, result LIMIT ?10) b
      CROSS JOIN results r ON r.key = b.result ",
    beside!(),
    " ORDER BY b.value DESC, b.result"
);
pub(in crate::db) const BEFORE: &str = concat!(
    best!(),
    "SELECT count(*) FILTER (WHERE value > ?8), count(*) FILTER (WHERE value > ?8 OR result < ?9)
       FROM best WHERE value >= ?8 "
);
pub(in crate::db) const STANDING: &str = concat!(
    best!(),
    "SELECT b.value, ",
    row!(),
    " FROM (SELECT value, result FROM best WHERE owner = ?8) b CROSS JOIN results r ON r.key = b.result ",
    beside!()
);
pub(in crate::db) const COUNT: &str = concat!("SELECT count(*) FROM (SELECT 1 ", counting!(), ") ");

/// How many people are in it.
///
/// # Errors
/// The database fails.
pub async fn count(conn: &mut Conn, board: &Board) -> Result<u32> {
    bind_board!(sqlx::query_scalar(COUNT), board).fetch_one(conn).await.map_err(explain)
}
