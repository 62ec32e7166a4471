//! Results read for what can be learned from them: groups of equal runs, parameters of many, the node of one.

use std::collections::HashMap;

use hpl_spec::NodeInfo;
use hpl_spec::api::insight::GroupRun;
use hpl_spec::api::results::ResultTier;
use hpl_spec::id::AttemptId;
use serde_json::Value;

use super::{Conn, explain};
use crate::error::{Error, Result};

const PARAMETERS: &str = "SELECT r.id, r.parameters FROM json_each(?) i CROSS JOIN results r ON r.id = i.value";
const NODE_INFO: &str = "SELECT n.info FROM results r CROSS JOIN nodes n ON n.key = r.node WHERE r.id = ?";
const MEMBER: &str = "SELECT benchmark, label, kind, cores, spec_hash, parameters, owner, public, accepted, tier
           FROM results WHERE id = ?";
/// Of a group no more than the latest ten thousand are looked at, so that the time is bounded.
const GROUP: &str = "SELECT r.id, r.score, r.created_at FROM (
             SELECT key FROM (
                 SELECT key, tier, public, owner FROM results INDEXED BY results_group
                  WHERE accepted = 1 AND spec_hash = ?1 AND kind = ?2 AND cores = ?3 ORDER BY key DESC LIMIT 10000)
              WHERE tier IN ('verified', 'reported') AND (public = 1 OR owner = ?4 OR ?5)
              ORDER BY key DESC LIMIT ?6) g
           CROSS JOIN results r ON r.key = g.key ORDER BY r.key DESC";

/// The parameters of results, by id. Ids that are not there are left out.
///
/// # Errors
/// The database fails.
pub async fn parameters(conn: &mut Conn, ids: &[AttemptId]) -> Result<HashMap<String, Value>> {
    let list = serde_json::to_string(ids).map_err(Error::internal)?;
    let rows: Vec<(String, String)> = sqlx::query_as(PARAMETERS).bind(list).fetch_all(conn).await.map_err(explain)?;
    rows.into_iter().map(|(id, text)| Ok((id, serde_json::from_str(&text).map_err(Error::internal)?))).collect()
}

/// What the node of a result said it is; None if it is not known, or never said.
///
/// # Errors
/// The database fails.
pub async fn node_info(conn: &mut Conn, result: &AttemptId) -> Result<Option<NodeInfo>> {
    let found = sqlx::query_scalar(NODE_INFO).bind(result.as_str());
    let info: Option<String> = found.fetch_optional(conn).await.map_err(explain)?;
    Ok(info.and_then(|info| serde_json::from_str(&info).ok()))
}

/// What makes runs equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// SHA-256 of benchmark and parameters.
    pub spec_hash: String,
    /// The CPU model.
    pub kind: String,
    /// The node's physical cores.
    pub cores: u32,
}

/// A result as a member of its group.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// A row of the registry.
    pub benchmark: String,
    /// A few words that tell these runs from others.
    pub label: String,
    /// Its group.
    pub group: GroupKey,
    /// Every parameter.
    pub parameters: Value,
    /// Whose it is.
    pub owner: Option<i64>,
    /// Whether everybody may see it.
    pub public: bool,
    /// Whether it counts: it is accepted, and nothing contradicts it.
    pub counts: bool,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    benchmark: String,
    label: String,
    kind: String,
    cores: u32,
    spec_hash: String,
    parameters: String,
    owner: Option<i64>,
    public: bool,
    accepted: bool,
    tier: String,
}

/// The result of that id.
///
/// # Errors
/// The database fails.
pub async fn member(conn: &mut Conn, id: &AttemptId) -> Result<Option<Member>> {
    let found = sqlx::query_as(MEMBER).bind(id.as_str());
    let row: Option<MemberRow> = found.fetch_optional(conn).await.map_err(explain)?;
    let Some(row) = row else { return Ok(None) };
    let tier = ResultTier::from_name(&row.tier);
    let sound = matches!(tier, Some(ResultTier::Verified | ResultTier::Reported));
    Ok(Some(Member {
        benchmark: row.benchmark,
        label: row.label,
        group: GroupKey { spec_hash: row.spec_hash, kind: row.kind, cores: row.cores },
        parameters: serde_json::from_str(&row.parameters).map_err(Error::internal)?,
        owner: row.owner,
        public: row.public,
        counts: row.accepted && sound,
    }))
}

/// At most `limit` runs of a group, the latest first: the public ones, those of the user `viewer`, and all if `all`.
///
/// # Errors
/// The database fails.
pub async fn group(
    conn: &mut Conn,
    key: &GroupKey,
    viewer: Option<i64>,
    all: bool,
    limit: u32,
) -> Result<Vec<GroupRun>> {
    let found = sqlx::query_as(GROUP).bind(&key.spec_hash).bind(&key.kind).bind(key.cores);
    let rows: Vec<(String, f64, i64)> =
        found.bind(viewer).bind(all).bind(limit).fetch_all(conn).await.map_err(explain)?;
    let run = |(id, score, created_at): (String, f64, i64)| {
        Ok(GroupRun { id: id.parse().map_err(Error::internal)?, score, created_at })
    };
    rows.into_iter().map(run).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sqlx::{AssertSqlSafe, Row as _};

    use super::*;
    use crate::clock::Clock;
    use crate::db::Db;
    use crate::hub::Hub;

    #[tokio::test]
    async fn a_group_is_read_from_its_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
        let mut reader = db.read().await.unwrap();
        for (statement, step) in [
            (GROUP, "SEARCH results USING COVERING INDEX results_group (spec_hash=? AND kind=? AND cores=?)"),
            (PARAMETERS, "SEARCH r USING INDEX sqlite_autoindex_results_1 (id=?)"),
        ] {
            let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
            let rows = explained.fetch_all(&mut *reader).await.unwrap();
            let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
            assert!(steps.iter().any(|found| found == step), "{statement}\n{steps:#?}");
        }
    }

    #[tokio::test]
    async fn parameters_of_nobody_are_none() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
        let mut reader = db.read().await.unwrap();
        let id: AttemptId = "0190f5fe-7c00-7a3b-8b1e-aa0000000001".parse().unwrap();
        assert!(parameters(&mut reader, &[]).await.unwrap().is_empty());
        assert!(parameters(&mut reader, std::slice::from_ref(&id)).await.unwrap().is_empty());
        assert!(
            member(&mut reader, &id).await.unwrap().is_none() && node_info(&mut reader, &id).await.unwrap().is_none()
        );
    }
}
