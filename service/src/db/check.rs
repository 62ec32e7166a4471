//! What must always be true of the database, looked at: for `admin check`, and for tests after every step.

use hpl_spec::job::{JobEvent, JobState};
use sqlx::Row;

use super::jobs::state_of;
use super::{Conn, explain};
use crate::error::{Error, Result};

/// Each query names what breaks a rule; none of them may find anything.
const RULES: &[(&str, &str)] = &[
    (
        "a counter of an owner's line differs from the jobs",
        "SELECT l.owner || ': ' || l.queued || ' queued, ' || l.express || ' express, ' || l.running || ' running'
           FROM lines l LEFT JOIN (
                SELECT owner, sum(state = 'queued') AS queued, sum(state = 'queued' AND express) AS express,
                       sum(state IN ('claimed', 'preparing', 'running', 'finishing', 'lost')) AS running
                  FROM jobs GROUP BY owner) j ON j.owner = l.owner
          WHERE l.queued <> coalesce(j.queued, 0) OR l.express <> coalesce(j.express, 0)
             OR l.running <> coalesce(j.running, 0)",
    ),
    (
        "a job that should have exactly one attempt that may write has none, or one that should not has one",
        "SELECT j.id || ' is ' || j.state FROM jobs j
          WHERE (SELECT count(*) FROM attempts a WHERE a.job = j.key AND a.state IN ('live', 'lost'))
             <> (j.state IN ('claimed', 'preparing', 'running', 'finishing', 'lost'))",
    ),
    (
        "a job is lost and its attempt is not, or the other way round",
        "SELECT j.id FROM jobs j JOIN attempts a ON a.job = j.key AND a.state IN ('live', 'lost')
          WHERE (j.state = 'lost') <> (a.state = 'lost')",
    ),
    (
        "an attempt that may write has another fence than its job",
        "SELECT a.id FROM attempts a JOIN jobs j ON j.key = a.job
          WHERE a.state IN ('live', 'lost') AND a.fence <> j.fence",
    ),
    (
        "the fences of a job's attempts do not grow",
        "SELECT a.id FROM attempts a JOIN attempts b ON b.job = a.job AND b.key > a.key AND b.fence <= a.fence",
    ),
    (
        "a job is done without an accepted result, or has one and is not",
        "SELECT j.id || ' is ' || j.state FROM jobs j
          WHERE (j.state = 'done') <> EXISTS (SELECT 1 FROM results r WHERE r.job = j.key AND r.accepted = 1)",
    ),
    (
        "a result is ranked that was not accepted, not passed, or is not public",
        "SELECT id FROM results WHERE ranked = 1 AND (accepted = 0 OR passed = 0 OR public = 0
            OR tier NOT IN ('verified', 'reported'))",
    ),
    (
        "an entry of a leaderboard is not what its result is worth, or its result is not ranked or somebody else's",
        "SELECT b.measure || ' of ' || r.id FROM board b JOIN results r ON r.key = b.result
          WHERE r.ranked = 0 OR r.owner <> b.owner
             OR b.value <> CASE b.measure WHEN 'score' THEN r.score WHEN 'percent' THEN r.percent ELSE r.per_watt END",
    ),
    (
        "a result has a score per watt though its energy was not as it should be, or though it cannot be ranked",
        "SELECT id FROM results
          WHERE per_watt <> 0 AND (rankable = 0 OR NOT EXISTS (
                SELECT 1 FROM json_each(findings) f
                 WHERE json_extract(f.value, '$.name') = 'energy' AND json_extract(f.value, '$.colour') = 'green'))",
    ),
    (
        "the events of a job are not numbered from 1 to the last",
        "SELECT j.id FROM jobs j LEFT JOIN (
                SELECT job, count(*) AS n, min(seq) AS low, max(seq) AS high FROM events GROUP BY job) e ON e.job = j.key
          WHERE coalesce(e.n, 0) <> j.last_event OR coalesce(e.high, 0) <> j.last_event OR coalesce(e.low, 1) <> 1",
    ),
    (
        "a sweep has no job",
        "SELECT id FROM sweeps s WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE sweep = s.id)",
    ),
    (
        "a sweep has more than one job under way",
        "SELECT sweep FROM jobs WHERE sweep IS NOT NULL AND state IN ('queued', 'claimed', 'preparing', 'running',
            'finishing', 'verifying', 'lost') GROUP BY sweep HAVING count(*) > 1",
    ),
    (
        "a sweep waits for a turn that nobody will give it",
        "SELECT sweep FROM jobs WHERE sweep IS NOT NULL GROUP BY sweep
          HAVING sum(state = 'held' AND hold = 'sweep') > 0 AND sum(state IN ('queued', 'claimed', 'preparing', 'running',
            'finishing', 'verifying', 'lost') OR (state = 'held' AND hold <> 'sweep')) = 0",
    ),
];

/// Everything in the database that breaks a rule, in words; empty if all is well.
///
/// # Errors
/// Of the database.
pub async fn broken(conn: &mut Conn) -> Result<Vec<String>> {
    let mut found = vec![];
    for (rule, query) in RULES {
        let rows: Vec<String> = sqlx::query_scalar(*query).fetch_all(&mut *conn).await.map_err(explain)?;
        found.extend(rows.iter().take(10).map(|row| format!("{rule}: {row}")));
    }
    let intact: Vec<String> =
        sqlx::query_scalar("PRAGMA integrity_check").fetch_all(&mut *conn).await.map_err(explain)?;
    found.extend(intact.into_iter().filter(|line| line != "ok"));
    let keys = sqlx::query("PRAGMA foreign_key_check").fetch_all(&mut *conn).await.map_err(explain)?;
    found.extend(keys.iter().map(|row| format!("a row of {} points nowhere", row.get::<String, _>(0))));
    found.extend(replay(conn).await?);
    Ok(found)
}

/// The states that the events lead to, held against the states that the jobs are in.
async fn replay(conn: &mut Conn) -> Result<Vec<String>> {
    let mut found = vec![];
    let mut after = 0;
    loop {
        let jobs: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT key, id, state FROM jobs WHERE key > ? ORDER BY key LIMIT 500")
                .bind(after)
                .fetch_all(&mut *conn)
                .await
                .map_err(explain)?;
        let Some((last, _, _)) = jobs.last() else { return Ok(found) };
        after = *last;
        for (key, id, state) in jobs {
            let events: Vec<String> = sqlx::query_scalar("SELECT data FROM events WHERE job = ? ORDER BY seq")
                .bind(key)
                .fetch_all(&mut *conn)
                .await
                .map_err(explain)?;
            match replayed(&events)? {
                Some(reached) if reached == state_of(&state)? => (),
                reached => found.push(format!("the events of {id} lead to {reached:?}, it is {state}")),
            }
        }
    }
}

/// The state that events lead to; None if they cannot have happened in this order.
fn replayed(events: &[String]) -> Result<Option<JobState>> {
    let mut reached = None;
    for data in events {
        let event: JobEvent = serde_json::from_str(data).map_err(Error::internal)?;
        reached = match (reached, &event) {
            (None, JobEvent::Created { state }) => Some(*state),
            (Some(state), event) => JobState::after(state, event).ok(),
            (None, _) => None,
        };
        if reached.is_none() {
            return Ok(None);
        }
    }
    Ok(reached)
}
