//! The statements on results and boards use indexes, and the boards are what a recount makes.

use std::collections::BTreeMap;
use std::sync::Arc;

use hpl_spec::api::results::{BoardEntry, ResultTier};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sqlx::{AssertSqlSafe, Row as _};

use super::list::{Filter, Whose};
use super::*;
use crate::clock::Clock;
use crate::db::{Db, Tx, board};
use crate::hub::Hub;

#[test]
fn near_sizes_predict() {
    assert_eq!(near_median(&[], 1000.0), None);
    assert_eq!(near_median(&[(100.0, 5.0)], 1000.0), None, "too far away");
    assert_eq!(near_median(&[(1000.0, 5.0), (1000.0, 7.0), (1000.0, 100.0)], 1000.0), Some(7.0));
    assert_eq!(near_median(&[(1000.0, 7.0), (250.0, 1.0), (250.0, 1.0), (250.0, 1.0)], 1000.0), Some(7.0));
    assert_eq!(near_median(&[(0.0, 0.0)], 0.0), Some(0.0));
    let latest = vec![(1000.0, 10.0); 20].into_iter().chain(vec![(1000.0, 1.0); 100]).collect::<Vec<_>>();
    assert_eq!(near_median(&latest, 1000.0), Some(10.0), "the latest twenty");
}

async fn open(folder: &tempfile::TempDir) -> Db {
    Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap()
}

/// The plan of a statement, a line for each step.
async fn plan(conn: &mut Conn, statement: &str) -> Vec<String> {
    let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")));
    explained.fetch_all(conn).await.unwrap().iter().map(|row| row.get::<String, _>("detail")).collect()
}

#[tokio::test]
async fn what_is_counted_before_a_write_is_found_by_an_index() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let mut conn = db.read().await.unwrap();
    for statement in
        [crate::db::orphans::OTHERS, crate::db::late::FORGET, crate::db::orders::TURN, crate::db::quotas::DRAFTS]
    {
        let plan = plan(&mut conn, statement).await;
        let scans = |step: &String| step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW";
        assert!(!plan.is_empty() && !plan.iter().any(scans), "{statement}: {plan:#?}");
    }
}

/// Every way to ask for results.
fn filters() -> Vec<Filter> {
    let whose = [Whose::Everybodys, Whose::Of(1), Whose::Own(1), Whose::OwnWithOrphans(1)];
    let mut filters = Vec::new();
    for whose in whose {
        for (node, kind) in [(None, None), (Some(1), None), (None, Some("cpu")), (Some(1), Some("cpu"))] {
            let benchmark = Some("hpl".to_owned());
            let kind = kind.map(str::to_owned);
            let least = Filter { whose, node, kind, ..Filter::default() };
            let most = Filter {
                benchmark,
                cores: Some(4),
                tier: Some(ResultTier::Verified),
                min_score: Some(1.0),
                max_size: Some(1.0),
                since: Some(1),
                before: Some(9),
                ..least.clone()
            };
            filters.extend([least, most]);
        }
    }
    filters
}

#[tokio::test]
async fn no_statement_scans_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let mut reader = db.read().await.unwrap();
    let fixed = [
        GET,
        ID_OF_JOB,
        REPRODUCED,
        HISTORY,
        list::SINCE,
        list::UNTIL,
        verdict::PENDING,
        verdict::PROGRESS,
        verdict::SETTLED,
        verdict::WRITE,
        verdict::RANK,
        verdict::HIDE,
        verdict::SHOW,
        verdict::NODE_INFO,
        board::CATEGORY,
        board::VALUE,
        board::ENTRIES,
        board::BEFORE,
        board::STANDING,
        board::RECORD,
        board::view::ENTRIES,
        board::view::BEFORE,
        board::view::STANDING,
        board::view::COUNT,
        // What the triggers and foreign keys do.
        "DELETE FROM board WHERE result = 1",
        "DELETE FROM board WHERE owner = 1",
        "DELETE FROM records WHERE result = 1",
        "DELETE FROM results WHERE job = 1",
        "DELETE FROM results WHERE owner = 1",
        "SELECT score FROM results r WHERE r.ranked = 1 AND r.benchmark = 'hpl' AND r.owner = 1 ORDER BY score LIMIT 1",
        "SELECT value FROM board WHERE benchmark = '' AND measure = '' AND kind = '' AND cores = 0
          ORDER BY value DESC LIMIT 1",
    ];
    let mut statements: Vec<String> = fixed.map(str::to_owned).to_vec();
    for filter in filters() {
        statements.push(list::matching(&filter, (1, 9), 50).sql().as_str().to_owned());
        statements.push(list::end_of_window(&filter, (1, 9)).sql().as_str().to_owned());
    }
    for statement in statements {
        let steps = plan(&mut reader, &statement).await;
        // Parts of one statement are named in brackets, or as p, b and the like.
        let tables =
            ["jobs", "events", "results", "attempts", "board", "records", "users", "nodes", "r", "j", "a", "n", "u"];
        let scans = |step: &&String| {
            step.strip_prefix("SCAN ").is_some_and(|rest| tables.contains(&rest.split(' ').next().unwrap_or_default()))
        };
        assert_eq!(steps.iter().find(scans), None, "{statement}\n{steps:#?}");
    }
}

#[tokio::test]
async fn lists_find_all_they_filter_by_in_an_index_that_is_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let mut reader = db.read().await.unwrap();
    for filter in filters() {
        let statement = list::matching(&filter, (1, 9), 50);
        let steps = plan(&mut reader, statement.sql().as_str()).await;
        let covered = steps.iter().any(|step| step.starts_with("SEARCH results USING COVERING INDEX results_"));
        assert!(covered, "{filter:?}\n{steps:#?}");
        let board = plan(&mut reader, board::BEFORE).await;
        assert!(board[0].contains("COVERING INDEX board_rank"), "{board:?}");
    }
}

#[tokio::test]
async fn parts_of_a_board_and_the_next_best_are_found_in_an_index_alone() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(&folder).await;
    let mut reader = db.read().await.unwrap();
    let next_best = "SELECT CASE 'per_watt' WHEN 'score' THEN r.score WHEN 'percent' THEN r.percent ELSE r.per_watt END AS best, r.key
          FROM results r WHERE r.ranked = 1 AND r.benchmark = 'hpl' AND r.owner = 1 AND best > 0
         ORDER BY best DESC, r.key LIMIT 1";
    for (statement, index) in [
        (board::view::ENTRIES, "results_moment"),
        (board::view::BEFORE, "results_moment"),
        (board::view::STANDING, "results_moment"),
        (board::view::COUNT, "results_moment"),
        (next_best, "results_"),
    ] {
        let steps = plan(&mut reader, statement).await;
        let covered = steps.iter().any(|step| step.contains(&format!("COVERING INDEX {index}")));
        assert!(covered, "{statement}\n{steps:#?}");
    }
}

/// Something that happens to results.
#[derive(Debug, Clone)]
enum Act {
    Insert { owner: i64, kind: u8, cores: u8, score: u8, percent: u8, per_watt: u8, public: bool },
    Show { job: i64, public: bool },
    Flag { result: i64 },
    Unflag { result: i64 },
    DeleteJob { job: i64 },
    DeleteUser { owner: i64 },
}

fn act() -> impl Strategy<Value = Act> {
    let insert = (1..4_i64, 0..3_u8, 0..3_u8, 0..20_u8, 0..10_u8, 0..5_u8, any::<bool>()).prop_map(
        |(owner, kind, cores, score, percent, per_watt, public)| Act::Insert {
            owner,
            kind,
            cores,
            score,
            percent,
            per_watt,
            public,
        },
    );
    prop_oneof![
        6 => insert,
        2 => (1..20_i64, any::<bool>()).prop_map(|(job, public)| Act::Show { job, public }),
        2 => (1..20_i64).prop_map(|result| Act::Flag { result }),
        1 => (1..20_i64).prop_map(|result| Act::Unflag { result }),
        2 => (1..20_i64).prop_map(|job| Act::DeleteJob { job }),
        1 => (1..4_i64).prop_map(|owner| Act::DeleteUser { owner }),
    ]
}

async fn sql(tx: &mut Tx, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut tx.conn).await.unwrap();
}

/// A user, a job and a pending result; the verdict on it is written as [`verdict::settle`] writes it.
async fn insert(tx: &mut Tx, key: i64, act: &Act) -> Result<()> {
    let Act::Insert { owner, kind, cores, score, percent, per_watt, public } = act else { return Ok(()) };
    let id = format!("0190f5fe-7c00-7a3b-8b1e-{key:012x}");
    let (visibility, shown) = (if *public { "public" } else { "private" }, i64::from(*public));
    sql(tx, format!(
        "INSERT OR IGNORE INTO users (key, name, password, created_at) VALUES ({owner}, 'user{owner}', '', 0);
         INSERT INTO jobs (key, id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks,
            bytes_per_rank, bytes, express, walltime_s, visibility, state, due_at, created_at, state_at)
         VALUES ({key}, 'j{key}', {owner}, 'hpl', '', '', '', '', 1, 1, 1, 1, 1, 0, 1, '{visibility}', 'verifying', 0, 0, 0);
         INSERT INTO results (key, id, job, job_id, owner, benchmark, public, tier, parameters, report, created_at)
         VALUES ({key}, '{id}', {key}, '{id}', {owner}, 'hpl', {shown}, 'pending', '{{}}', '{{}}', {key})"
    )).await;
    let verdict = verdict::Verdict {
        tier: ResultTier::Reported,
        passed: true,
        check: String::new(),
        score: f64::from(*score),
        seconds: 1.0,
        size: 1.0,
        percent: f64::from(*percent),
        per_watt: f64::from(*per_watt),
        label: String::new(),
        findings: vec![],
        rankable: score % 7 != 0,
        flag_why: String::new(),
        kind: if *kind == 0 { String::new() } else { format!("k{kind}") },
        cores: u32::from(*cores),
    };
    assert!(verdict::settle(tx, key, &verdict).await?);
    Ok(())
}

async fn perform(tx: &mut Tx, key: i64, act: &Act) -> Result<()> {
    match act {
        Act::Insert { .. } => insert(tx, key, act).await?,
        Act::Show { job, public } => verdict::set_visibility(tx, *job, *public).await?,
        // That it is not there, or not in a state for this, is well.
        Act::Flag { result } => drop(verdict::flag(tx, *result, "why").await),
        Act::Unflag { result } => drop(verdict::unflag(tx, *result).await),
        Act::DeleteJob { job } => sql(tx, format!("DELETE FROM jobs WHERE key = {job}")).await,
        Act::DeleteUser { owner } => sql(tx, format!("DELETE FROM users WHERE key = {owner}")).await,
    }
    Ok(())
}

/// Measure, kind, cores and owner of an entry.
type Seat = (String, String, i64, i64);

/// The boards as they follow from the results.
async fn recount(conn: &mut Conn) -> BTreeMap<Seat, f64> {
    type Line = (i64, String, i64, f64, f64, f64);
    let ranked: Vec<Line> = sqlx::query_as(
        "SELECT owner, kind, cores, score, percent, per_watt FROM results
          WHERE accepted = 1 AND public = 1 AND rankable = 1 AND tier IN ('verified', 'reported')",
    )
    .fetch_all(conn)
    .await
    .unwrap();
    let mut seats = BTreeMap::new();
    for (owner, kind, cores, score, percent, per_watt) in ranked {
        for (measure, value) in [("score", score), ("percent", percent), ("per_watt", per_watt)] {
            for kind in [String::new(), kind.clone()] {
                for cores in [0, cores] {
                    if measure == "score" || value > 0.0 {
                        let seat = (measure.to_owned(), kind.clone(), cores, owner);
                        let best: &mut f64 = seats.entry(seat).or_insert(value);
                        *best = best.max(value);
                    }
                }
            }
        }
    }
    seats
}

async fn compare(conn: &mut Conn) {
    type Line = (String, String, i64, i64, f64, f64);
    let board: Vec<Line> = sqlx::query_as(
        "SELECT b.measure, b.kind, b.cores, b.owner, b.value,
                CASE b.measure WHEN 'score' THEN r.score WHEN 'percent' THEN r.percent ELSE r.per_watt END
           FROM board b JOIN results r ON r.key = b.result AND r.ranked = 1 AND r.owner = b.owner",
    )
    .fetch_all(&mut *conn)
    .await
    .unwrap();
    assert!(board.iter().all(|line| line.4 == line.5), "a value that is not its result's");
    let seats: BTreeMap<Seat, f64> = board.into_iter().map(|(m, k, c, o, value, _)| ((m, k, c, o), value)).collect();
    assert_eq!(seats, recount(conn).await);
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM board").fetch_one(&mut *conn).await.unwrap();
    assert_eq!(rows as usize, seats.len());
    for category in board::categories(conn).await.unwrap() {
        let (kind, cores) = (category.kind.clone().unwrap_or_default(), i64::from(category.cores.unwrap_or(0)));
        let measure = category.measure.name();
        let count = seats.keys().filter(|(m, k, c, _)| (m.as_str(), k, *c) == (measure, &kind, cores)).count();
        assert_eq!(category.entries as usize, count);
        let board = board::Board {
            benchmark: "hpl".into(),
            measure: category.measure,
            kind: category.kind,
            cores: category.cores,
            view: board::View::default(),
        };
        // The same leaderboard, computed.
        let all = board::Board { view: board::View { before: Some(i64::MAX), ..board.view.clone() }, ..board.clone() };
        let mut places = vec![];
        for board in [&board, &all] {
            let (category, entries) = board::page(conn, board, None, 200).await.unwrap();
            assert_eq!(category, board::category(conn, board).await.unwrap());
            let place = |entry: BoardEntry| {
                (entry.rank, entry.result.owner.clone(), entry.result.value(board.measure).unwrap())
            };
            places.push((category.entries, entries.into_iter().map(place).collect::<Vec<_>>()));
        }
        assert_eq!(places[0].0, places[1].0);
        let values = |places: &[(u32, Option<String>, f64)]| {
            let mut values = places.to_vec();
            values.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
            values
        };
        assert_eq!(values(&places[0].1), values(&places[1].1));
        let best = board::page(conn, &board, None, 1).await.unwrap().1.pop().map(|entry| entry.result);
        let steps = board::record(conn, &board).await.unwrap();
        let value = |row: &ResultRow| row.value(board.measure).unwrap();
        assert!(steps.windows(2).all(|pair| value(&pair[0]) < value(&pair[1])), "a record that is none");
        assert_eq!(steps.last().map(value), best.as_ref().map(value));
    }
}

#[test]
fn boards_are_what_a_recount_makes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let acts = proptest::collection::vec(act(), 1..40);
    let ended = runner.run(&acts, |acts| {
        runtime.block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let db = open(&folder).await;
            let unit = db.write(move |tx| {
                Box::pin(async move {
                    for (key, act) in (1..).zip(acts) {
                        perform(tx, key, &act).await?;
                        compare(&mut tx.conn).await;
                    }
                    Ok(())
                })
            });
            unit.await.unwrap();
            db.close().await;
        });
        Ok(())
    });
    ended.unwrap();
}
