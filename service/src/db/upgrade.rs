//! A database that an older program wrote is brought up to date, and what it holds counts as it would have counted.

use std::sync::Arc;

use hpl_spec::api::results::Measure;
use hpl_spec::benchmark::BENCHMARKS;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

use super::board::{self, Board, View};
use super::{Conn, Db, FILE, MIGRATIONS, check, options};
use crate::clock::Clock;
use crate::hub::Hub;

/// The version before there were scores per watt.
const TWO_MEASURES: i64 = 10;

async fn sql(conn: &mut Conn, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await.unwrap();
}

/// A result as the service wrote it then, ranked if it can be.
async fn result(conn: &mut Conn, key: i64, owner: i64, seconds: f64, energy: (&str, &str)) {
    let benchmark = BENCHMARKS[0].name;
    let (id, (joules, colour)) = (format!("0190f5fe-7c00-7a3b-8b1e-{key:012x}"), energy);
    let finding =
        format!(r#"[{{"name":"score","colour":"green","text":""}},{{"name":"energy","colour":"{colour}","text":""}}]"#);
    let evidence = format!(r#"{{"elapsed_s":100.0,"energy_j":{joules},"binary_sha256":"ab"}}"#);
    sql(
        conn,
        format!(
            "INSERT INTO jobs (key, id, owner, benchmark, parameters, spec_hash, label, title, size, work, ranks,
                bytes_per_rank, bytes, express, walltime_s, visibility, state, created_at, state_at)
             VALUES ({key}, '{id}', {owner}, '{benchmark}', '{{}}', '', '', '', 1, 1, 1, 1, 1, 0, 60, 'public', 'done', 0, 0);
             INSERT INTO results (key, id, job, job_id, owner, benchmark, accepted, public, tier, rankable, passed, score,
                seconds, percent, kind, cores, created_at, parameters, findings, evidence, report)
             VALUES ({key}, '{id}', {key}, '{id}', {owner}, '{benchmark}', 1, 1, 'reported', 1, 1, 100.0, {seconds}, 50.0, 'cpu', 4,
                {key}, '{{}}', '{finding}', '{evidence}', '{{}}');
             UPDATE results SET ranked = 1 WHERE key = {key};"
        ),
    )
    .await;
}

async fn ranking(conn: &mut Conn, measure: Measure, view: View) -> Vec<(String, f64)> {
    let board = Board { benchmark: BENCHMARKS[0].name.into(), measure, kind: Some("cpu".into()), cores: None, view };
    let (_, entries) = board::page(conn, &board, None, 50).await.unwrap();
    let entry = |entry: hpl_spec::api::results::BoardEntry| {
        let value = entry.result.value(measure).unwrap();
        (entry.result.owner.unwrap(), value)
    };
    entries.into_iter().map(entry).collect()
}

#[tokio::test]
async fn results_from_before_have_their_scores_per_watt() {
    let folder = tempfile::tempdir().unwrap();
    let mut conn = options(&folder.path().join(FILE)).create_if_missing(true).connect().await.unwrap();
    MIGRATIONS.run_to(TWO_MEASURES, &mut conn).await.unwrap();
    for (key, name) in (1..).zip(["ada", "bob", "cleo", "dan"]) {
        sql(&mut conn, format!("INSERT INTO users (key, name, password, created_at) VALUES ({key}, '{name}', '', 0)"))
            .await;
    }
    for (key, owner, seconds, energy) in [
        (1, 1, 90.0, ("10000.0", "green")), // 1 Gflop/s per watt
        (2, 1, 90.0, ("4000", "green")),    // 2.5, and the record
        (3, 1, 90.0, ("5000.0", "green")),
        (4, 2, 50.0, ("2000.0", "green")), // 5, the next record: just half of the run
        (5, 3, 49.0, ("1000.0", "green")), // less than half
        (6, 3, 90.0, ("1.0", "amber")),    // too little for any processor
        (7, 4, 90.0, ("null", "amber")),   // not measured
    ] {
        result(&mut conn, key, owner, seconds, energy).await;
    }
    // What cannot be ranked, and what cannot be read.
    sql(&mut conn, "UPDATE results SET ranked = 0, rankable = 0 WHERE key = 3".into()).await;
    sql(&mut conn, "UPDATE results SET evidence = 'nothing', findings = '' WHERE key = 7".into()).await;
    let before: Vec<(String, i64, f64, i64)> =
        sqlx::query_as("SELECT measure || kind || cores, owner, value, result FROM board ORDER BY 1, 2")
            .fetch_all(&mut conn)
            .await
            .unwrap();
    assert_eq!(before.len(), 2 * 4 * 4);
    conn.close().await.unwrap();

    let db = Db::open(folder.path(), Clock::manual(1000).0, Arc::new(Hub::default())).await.unwrap();
    let mut reader = db.read().await.unwrap();
    let kept: Vec<(String, i64, f64, i64)> = sqlx::query_as(
        "SELECT measure || kind || cores, owner, value, result FROM board WHERE measure <> 'per_watt' ORDER BY 1, 2",
    )
    .fetch_all(&mut *reader)
    .await
    .unwrap();
    assert_eq!(kept, before, "the boards that there were");
    let best = [("bob".to_owned(), 5.0), ("ada".to_owned(), 2.5)];
    assert_eq!(ranking(&mut reader, Measure::PerWatt, View::default()).await, best);
    let day = View { before: Some(3), ..View::default() };
    assert_eq!(ranking(&mut reader, Measure::PerWatt, day).await, best[1..]);
    let all = Board {
        benchmark: BENCHMARKS[0].name.into(),
        measure: Measure::PerWatt,
        kind: None,
        cores: Some(4),
        view: View::default(),
    };
    assert_eq!(board::category(&mut reader, &all).await.unwrap().entries, 2);
    let steps = board::record(&mut reader, &all).await.unwrap();
    assert_eq!(steps.iter().map(|row| row.per_watt.unwrap()).collect::<Vec<_>>(), [1.0, 2.5, 5.0]);
    drop(reader);

    // The triggers are in their places: who is flagged falls back, who is deleted leaves nothing.
    db.write(|tx| {
        Box::pin(async move {
            sql(&mut tx.conn, "UPDATE results SET ranked = 0, tier = 'flagged' WHERE key = 2".into()).await;
            sql(&mut tx.conn, "DELETE FROM users WHERE key = 2".into()).await;
            Ok(())
        })
    })
    .await
    .unwrap();
    let mut reader = db.read().await.unwrap();
    assert_eq!(ranking(&mut reader, Measure::PerWatt, View::default()).await, [("ada".to_owned(), 1.0)]);
    assert_eq!(board::category(&mut reader, &all).await.unwrap().entries, 1);
    assert_eq!(ranking(&mut reader, Measure::Score, View::default()).await.len(), 3);
    // Those rows have no events, which is none of this test's business.
    let broken = check::broken(&mut reader).await.unwrap();
    let odd: Vec<_> = broken.into_iter().filter(|line| !line.contains("events")).collect();
    assert_eq!(odd, Vec::<String>::new());
}
