//! Lists of jobs, the latest first, each by an index of its own: see the migrations of the jobs and of large databases.

use hpl_spec::api::jobs::Visibility;
use hpl_spec::job::JobState;

use super::jobs::{COLUMNS, JobRow, const_format, read, visibility_name};
use super::{Conn, explain};
use crate::error::Result;

/// Which jobs to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only this owner's.
    pub owner: Option<i64>,
    /// Only what these may see.
    pub visibility: Option<Visibility>,
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

/// The index that a list walks, from its end: it is in the order of the list and holds all that is filtered by.
fn index(filter: &Filter) -> &'static str {
    let state = filter.state.is_some();
    match (&filter.sweep, filter.owner, &filter.benchmark) {
        (Some(_), _, _) => "INDEXED BY jobs_sweep",
        (None, Some(_), _) if state => "INDEXED BY jobs_owner_state",
        (None, Some(_), _) => "INDEXED BY jobs_owner",
        (None, None, Some(_)) if state => "INDEXED BY jobs_public_benchmark_state",
        (None, None, Some(_)) => "INDEXED BY jobs_public_benchmark",
        (None, None, None) if state => "INDEXED BY jobs_public_state",
        (None, None, None) if filter.visibility.is_some() => "INDEXED BY jobs_public",
        // All there are: the table itself is in order.
        (None, None, None) => "NOT INDEXED",
    }
}

/// The statement for a filter. Its parameters: ?1 owner, ?2 state, ?3 benchmark, ?4 sweep, ?5 before, ?6 limit,
/// ?7 visibility.
pub(super) fn statement(filter: &Filter) -> String {
    let conditions = [
        filter.sweep.as_ref().map(|_| "sweep = ?4"),
        filter.owner.map(|_| "owner = ?1"),
        filter.visibility.map(|_| "visibility = ?7"),
        filter.benchmark.as_ref().map(|_| "benchmark = ?3"),
        filter.state.map(|_| "state = ?2"),
        filter.before.as_ref().map(|_| "key < (SELECT key FROM jobs WHERE id = ?5)"),
    ];
    let conditions: Vec<&str> = conditions.into_iter().flatten().collect();
    let all = if conditions.is_empty() { String::new() } else { format!("WHERE {} ", conditions.join(" AND ")) };
    let keys = format!("SELECT key FROM jobs {} {all}ORDER BY key DESC LIMIT ?6", index(filter));
    const_format(COLUMNS, &format!("WHERE j.key IN ({keys}) ORDER BY j.key DESC"))
}

/// The jobs that pass a filter, the latest first; with `own`, where only public ones are asked for, that owner's
/// private ones as well.
///
/// # Errors
/// Of the database.
pub async fn list(conn: &mut Conn, filter: &Filter, own: Option<i64>) -> Result<Vec<JobRow>> {
    let with = |visibility, owner| Filter { visibility: Some(visibility), owner, ..filter.clone() };
    let everybodys = filter.owner.is_none() && filter.sweep.is_none();
    let parts = match (filter.visibility, own) {
        (Some(Visibility::Public), Some(own)) if filter.owner.is_none() => {
            vec![filter.clone(), with(Visibility::Private, Some(own))]
        }
        // Both kinds lie in the same indexes, one after the other.
        (None, _) if everybodys && (filter.state.is_some() || filter.benchmark.is_some()) => {
            vec![with(Visibility::Public, None), with(Visibility::Private, None)]
        }
        _ => return walk(conn, filter).await,
    };
    let mut jobs = vec![];
    for part in parts {
        jobs.extend(walk(conn, &part).await?);
    }
    jobs.sort_by_key(|job| std::cmp::Reverse(job.key));
    jobs.truncate(filter.limit as usize);
    Ok(jobs)
}

async fn walk(conn: &mut Conn, filter: &Filter) -> Result<Vec<JobRow>> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(statement(filter)))
        .bind(filter.owner)
        .bind(filter.state.map(JobState::name))
        .bind(&filter.benchmark)
        .bind(&filter.sweep)
        .bind(&filter.before)
        .bind(filter.limit)
        .bind(filter.visibility.map(visibility_name))
        .fetch_all(conn)
        .await
        .map_err(explain)?;
    rows.iter().map(read).collect()
}
