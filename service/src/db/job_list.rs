//! Lists of jobs, the latest first, each by an index of its own: see the migration of the jobs.

use hpl_spec::job::JobState;

use super::jobs::{COLUMNS, JobRow, const_format, read};
use super::{Conn, explain};
use crate::error::Result;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this owner's.
    pub owner: Option<i64>,
    /// Only what everybody may see.
    pub public_only: bool,
    /// Only in this state.
    pub state: Option<JobState>,
    /// Only of this benchmark.
    pub benchmark: Option<String>,
    /// Only of this sweep.
    pub sweep: Option<String>,
    /// Only before the job of this id.
    pub before: Option<String>,
    /// At most so many.
    pub limit: u32,
}

/// The statement for a filter. Its parameters: ?1 owner, ?2 state, ?3 benchmark, ?4 sweep, ?5 before, ?6 limit.
///
/// Conditions that no index serves are written `+column`, so that the index that finds least rows is taken: that
/// of the sweep, then of the owner, then of what is public.
pub(super) fn statement(filter: &Filter) -> String {
    let mut conditions = vec![];
    if filter.before.is_some() {
        conditions.push("j.key < (SELECT key FROM jobs WHERE id = ?5)");
    }
    let state = filter.state.is_some();
    if filter.sweep.is_some() {
        conditions.push("j.sweep = ?4");
        conditions.extend(filter.owner.map(|_| "+j.owner = ?1"));
        conditions.extend(filter.public_only.then_some("+j.visibility = 'public'"));
        conditions.extend(state.then_some("+j.state = ?2"));
        conditions.extend(filter.benchmark.as_ref().map(|_| "+j.benchmark = ?3"));
    } else if filter.owner.is_some() {
        conditions.push("j.owner = ?1");
        conditions.extend(filter.public_only.then_some("+j.visibility = 'public'"));
        conditions.extend(state.then_some("j.state = ?2"));
        conditions.extend(filter.benchmark.as_ref().map(|_| "+j.benchmark = ?3"));
    } else {
        // An administrator sees everything; each kind of visibility would need an index of its own, so all is
        // walked by key.
        conditions.extend(filter.public_only.then_some("j.visibility = 'public'"));
        conditions.extend(state.then_some("j.state = ?2"));
        conditions.extend(filter.benchmark.as_ref().map(|_| "j.benchmark = ?3"));
    }
    let all = if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    const_format(COLUMNS, &format!("{all}ORDER BY j.key DESC LIMIT ?6"))
}

/// The jobs that pass a filter, the latest first.
///
/// # Errors
/// Of the database.
pub async fn list(conn: &mut Conn, filter: &Filter) -> Result<Vec<JobRow>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement(filter)))
        .bind(filter.owner)
        .bind(filter.state.map(JobState::name))
        .bind(&filter.benchmark)
        .bind(&filter.sweep)
        .bind(&filter.before)
        .bind(filter.limit)
        .fetch_all(conn)
        .await
        .map_err(explain)?;
    rows.iter().map(read).collect()
}
