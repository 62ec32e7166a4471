//! A database as it is after years: many jobs in every state, with attempts, events, results and boards.
//!
//! It is written by the database itself, a block of jobs in one unit, from their numbers: the same crowd every time.
//! Jobs came a minute apart, the newest are under way or wait; one user in twenty thousand has a twentieth of them.

use sqlx::AssertSqlSafe;

use super::super::{Db, Tx, explain};
use crate::error::Result;

/// Jobs of one unit.
const BLOCK: i64 = 10_000;
/// Of the newest jobs so many run, a node each, ...
const RUNNING: i64 = 1500;
/// ... so many are lost, ...
const LOST: i64 = 100;
/// ... and of so many, those included, most wait for a node.
const NEW: i64 = 25_000;

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Jobs; at least those that are under way or wait.
    pub jobs: i64,
    /// Users.
    pub users: i64,
    /// Nodes, at least those that are busy.
    pub nodes: i64,
}

/// Fills an empty database; `told` hears after each block how many jobs are written.
///
/// # Errors
/// Of the database.
pub async fn fill(db: &Db, crowd: Crowd, mut told: impl FnMut(i64)) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            // Most indexes are written at random places, and what was written once is written again soon.
            for pragma in ["PRAGMA cache_size = -2000000", "PRAGMA wal_autocheckpoint = 200000"] {
                sqlx::query(pragma).execute(&mut tx.conn).await.map_err(explain)?;
            }
            run(tx, USERS, crowd, 1, crowd.users).await?;
            run(tx, NODES, crowd, 1, crowd.nodes).await
        })
    })
    .await?;
    let mut done = 0;
    while done < crowd.jobs {
        let (first, last) = (done + 1, (done + BLOCK).min(crowd.jobs));
        db.write(move |tx| {
            Box::pin(async move {
                for statement in [JOBS, EVENTS, ATTEMPTS, RESULTS, RANK] {
                    run(tx, statement, crowd, first, last).await?;
                }
                Ok(())
            })
        })
        .await?;
        done = last;
        told(done);
    }
    Ok(())
}

/// ?1 and ?2 are the first and the last number, ?3 jobs, ?4 users and ?5 nodes in all, ?6 the time.
async fn run(tx: &mut Tx, statement: &str, crowd: Crowd, first: i64, last: i64) -> Result<()> {
    let statement = statement.replace("{RUNNING}", &RUNNING.to_string()).replace("{NEW}", &NEW.to_string());
    let statement = statement.replace("{BUSY}", &(RUNNING + LOST).to_string());
    sqlx::query(AssertSqlSafe(statement))
        .bind(first)
        .bind(last)
        .bind(crowd.jobs)
        .bind(crowd.users)
        .bind(crowd.nodes)
        .bind(tx.now)
        .execute(&mut tx.conn)
        .await
        .map(|_| ())
        .map_err(explain)
}

const USERS: &str = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
INSERT INTO users (key, name, password, created_at) SELECT i, printf('crowd-%06d', i), '!', ?6 FROM n";

/// Forty kinds of nodes, of 8 to 128 cores.
const NODES: &str = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
INSERT INTO nodes (key, id, name, token, machine_id, boot_id, kind, cores, memory, memory_available, joined_at, seen_at,
                   info)
SELECT i, printf('0190f5fe-7c00-7a3b-ab1e-%012x', i), printf('crowd-node-%d', i), CAST(printf('%d', i) AS BLOB), 'm', 'b',
       printf('Crowd CPU %d', i % 40), 8 << (i % 5), 64 << 30, 60 << 30, ?6, ?6,
       json_object('hostname', printf('crowd-node-%d', i), 'os', 'Debian GNU/Linux 13', 'kernel_release', '6.12.4',
                   'cpu_model', printf('Crowd CPU %d', i % 40), 'packages', 1, 'cores', 8 << (i % 5), 'pus', 8 << (i % 5),
                   'numa_nodes', 1, 'caches', json('[]'), 'memory_total', 64 << 30, 'memory_available', 60 << 30,
                   'huge_pages', 'madvise', 'kernel', 'avx2-12x4', 'kernels', json('[\"avx2-12x4\"]'),
                   'peak', json_object('gflops', 40.0 * (8 << (i % 5)), 'cores', 8 << (i % 5), 'seconds', 1.0),
                   'program', 'crowd', 'version', '0.1.0')
  FROM n";

/// Of the jobs that wait two in five fit no node: they want more memory than any has, or a label that none has.
const JOBS: &str = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2),
     h(i, h, age) AS (SELECT i, (i * 2654435761) % 4294967296, ?3 - i FROM n),
     s(i, h, age, state) AS (
        SELECT i, h, age, CASE
            WHEN age < {RUNNING} THEN 'running' WHEN age < {BUSY} THEN 'lost'
            WHEN age < {NEW} THEN CASE WHEN h / 16 % 100 < 85 THEN 'queued' WHEN h / 16 % 100 < 95 THEN 'draft' ELSE 'held' END
            WHEN h / 16 % 100 < 80 THEN 'done' WHEN h / 16 % 100 < 89 THEN 'failed' WHEN h / 16 % 100 < 95 THEN 'cancelled'
            ELSE 'expired' END FROM h)
INSERT INTO jobs (key, id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks, bytes_per_rank, bytes,
                  need_labels, express, walltime_s, estimate_s, visibility, state, hold, due_at, fence, attempts,
                  fail_class, fail_code, fail_detail, created_at, state_at, last_event)
SELECT i, printf('0190f5fe-7c00-7a3b-8b1e-%012x', i), CASE h % 20 WHEN 0 THEN 1 ELSE 1 + h / 256 % ?4 END, 'hpl',
       printf('{\"n\":%d,\"nb\":%d,\"p\":1,\"q\":1}', 1000 * (1 + h / 64 % 90), 64 * (1 + h / 32 % 6)),
       printf('%064x', h / 64 % 90 * 10 + h / 32 % 6), printf('N=%d', 1000 * (1 + h / 64 % 90)), printf('run %d', i),
       1000.0 * (1 + h / 64 % 90), 1e9, 1, 1 << 30,
       CASE WHEN state = 'queued' AND h / 4096 % 5 = 0 THEN 1 << 40 ELSE 1 << 30 END,
       CASE WHEN state = 'queued' AND h / 4096 % 5 = 1 THEN '[\"crowd-only\"]' ELSE '[]' END,
       h / 128 % 4 = 0, 600, 60.0, CASE h / 512 % 10 WHEN 0 THEN 'private' ELSE 'public' END, state,
       CASE state WHEN 'held' THEN 'administrator' ELSE '' END,
       CASE WHEN state IN ('done', 'failed', 'cancelled', 'expired') THEN NULL ELSE ?6 + 86400000 END,
       state IN ('running', 'lost', 'done', 'failed'), state IN ('running', 'lost', 'done', 'failed'),
       CASE state WHEN 'failed' THEN 'benchmark' END, CASE state WHEN 'failed' THEN 'residual' END,
       CASE state WHEN 'failed' THEN 'the residual is too large' END,
       ?6 - 60000 * age, ?6 - 60000 * age,
       CASE state WHEN 'queued' THEN 1 WHEN 'draft' THEN 1 WHEN 'held' THEN 2 WHEN 'running' THEN 5 WHEN 'lost' THEN 6
                  WHEN 'cancelled' THEN 2 WHEN 'expired' THEN 2 ELSE 8 END
  FROM s";

const EVENTS: &str = "WITH k(seq, kind, state) AS (VALUES (1, 'created', 'queued'), (2, 'claimed', 'claimed'),
        (3, 'preparing', 'preparing'), (4, 'started', 'running'), (5, 'progress', 'running'),
        (6, 'finishing', 'finishing'), (7, 'result_received', 'verifying'), (8, 'verified', '')),
     e(job, seq, at, kind, state) AS (
        SELECT j.key, k.seq, j.created_at + 1000 * k.seq,
            CASE WHEN k.seq < j.last_event OR j.last_event IN (1, 5, 8) THEN k.kind
                 WHEN j.state = 'lost' THEN 'lease_lost' ELSE j.state END,
            CASE WHEN k.seq = j.last_event THEN j.state ELSE k.state END
          FROM jobs j JOIN k ON k.seq <= j.last_event WHERE j.key BETWEEN ?1 AND ?2)
INSERT INTO events (job, seq, at, kind, state, data)
SELECT job, seq, at, kind, state, CASE kind
        WHEN 'created' THEN json_object('kind', kind, 'state', state)
        WHEN 'claimed' THEN json_object('kind', kind, 'attempt', printf('0190f5fe-7c00-7a3b-9b1e-%012x', job), 'node',
            printf('0190f5fe-7c00-7a3b-ab1e-%012x', 1 + job % ?5), 'fence', 1)
        WHEN 'progress' THEN json_object('kind', kind, 'fraction', 0.5, 'seconds', 30.0, 'score', 90.0, 'score_now', 91.0)
        WHEN 'verified' THEN json_object('kind', kind, 'passed', json(iif(state = 'done', 'true', 'false')), 'check', '')
        WHEN 'held' THEN json_object('kind', kind, 'why', 'administrator')
        WHEN 'cancelled' THEN json_object('kind', kind, 'by', 'its owner')
        WHEN 'expired' THEN json_object('kind', kind, 'why', 'no node took it within a week')
        ELSE json_object('kind', kind) END
  FROM e ORDER BY job, seq";

const ATTEMPTS: &str =
    "INSERT INTO attempts (key, id, job, fence, node, token, boot_id, state, lease_until, deadline, beat_at,
        event_seq, claimed_at, walltime_s, started_at, finishing_at, ended_at)
SELECT key, printf('0190f5fe-7c00-7a3b-9b1e-%012x', key), key, 1,
       CASE WHEN state IN ('running', 'lost') THEN 1 + ?3 - key ELSE 1 + key % ?5 END, x'00', 'b',
       CASE state WHEN 'running' THEN 'live' WHEN 'lost' THEN 'lost' ELSE 'ended' END, ?6 + 86400000, ?6 + 86400000,
       created_at, 3, created_at, 600, created_at, iif(due_at IS NULL, created_at + 60000, NULL),
       iif(due_at IS NULL, created_at + 61000, NULL)
  FROM jobs WHERE key BETWEEN ?1 AND ?2 AND attempts = 1";

/// One node in three tells its energy: 4 to 12 watts a core.
const RESULTS: &str = "INSERT INTO results (id, job, job_id, owner, benchmark, accepted, public, tier, assessed, rankable, passed,
        check_text, score, seconds, size, percent, node, kind, cores, label, created_at, spec_hash, parameters, report,
        per_watt, findings, evidence)
SELECT printf('0190f5fe-7c00-7a3b-9b1e-%012x', j.key), j.key, j.id, j.owner, j.benchmark, j.state = 'done',
       j.visibility = 'public',
       CASE WHEN j.state = 'failed' THEN 'failed' WHEN h % 100 = 7 THEN 'flagged' WHEN h % 10 < 3 THEN 'verified'
            ELSE 'reported' END,
       'reported', j.state = 'done', j.state = 'done', 'residual 0.0051', n.cores * 40.0 * (0.4 + h % 5000 / 10000.0), 60.0,
       j.size, 100.0 * (0.4 + h % 5000 / 10000.0), n.key, n.kind, n.cores, j.label, j.created_at + 61000, j.spec_hash,
       j.parameters, json_object('program', 'crowd', 'text', hex(zeroblob(150))),
       iif(n.key % 3 = 0 AND j.state = 'done', n.cores * 40.0 * (0.4 + h % 5000 / 10000.0) / (n.cores * (4.0 + h % 9)), 0),
       iif(n.key % 3 = 0, '[{\"name\":\"energy\",\"colour\":\"green\",\"text\":\"\"}]', '[]'),
       iif(n.key % 3 = 0,
           json_object('elapsed_s', 63.0, 'energy_j', 63.0 * n.cores * (4.0 + h % 9), 'binary_sha256', '',
                       'launch', json('[]'), 'boot_id', 'b', 'oversubscribed', json('false'), 'network_open',
                       json('false'), 'daemon_cpu_s', 0.1, 'log_missing_bytes', 0, 'dropped_samples', 0), 'null')
  FROM (SELECT *, (key * 40503) % 1048576 AS h FROM jobs WHERE key BETWEEN ?1 AND ?2 AND state IN ('done', 'failed')) j
  CROSS JOIN nodes n ON n.key = 1 + j.key % ?5";

const RANK: &str = "UPDATE results SET ranked = 1 WHERE job BETWEEN ?1 AND ?2 AND accepted = 1 AND public = 1
    AND tier IN ('verified', 'reported')";

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::db::check;
    use crate::hub::Hub;

    #[tokio::test]
    async fn a_crowd_keeps_all_rules() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), Clock::manual(1_800_000_000_000).0, Arc::new(Hub::default())).await.unwrap();
        let crowd = Crowd { jobs: NEW + 3000, users: 500, nodes: RUNNING + LOST };
        let mut told = vec![];
        fill(&db, crowd, |done| told.push(done)).await.unwrap();
        assert_eq!(told, [10_000, 20_000, NEW + 3000]);
        let mut reader = db.read().await.unwrap();
        assert_eq!(check::broken(&mut reader).await.unwrap(), Vec::<String>::new());
        for (table, least) in [("board", 1000), ("results", 2500), ("events", 40_000), ("lines", 500)] {
            let count = sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}")));
            let count: i64 = count.fetch_one(&mut *reader).await.unwrap();
            assert!(count >= least, "{count} {table}");
        }
        let count = sqlx::query_scalar("SELECT count(*) FROM board WHERE measure = 'per_watt'");
        let count: i64 = count.fetch_one(&mut *reader).await.unwrap();
        assert!(count >= 100, "{count} entries per watt");
    }
}
