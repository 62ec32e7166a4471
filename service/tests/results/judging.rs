//! Honest results count, once; the others are kept and do not.

use std::sync::Arc;

use serde_json::{Value, json};
use service::verify::verify;

use super::common::{Run, Service, id};

/// Results of user 1, the failed ones, too.
const OWN: &str = "/api/v1/results?user=user1&all=true";

#[tokio::test]
async fn an_honest_result_is_verified_and_ranked() {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    let run = Run::honest(1, 1);
    service.judged(&run).await;

    let (status, result) = service.get(None, &format!("/api/v1/jobs/{}/result", run.job())).await;
    assert_eq!(status, 200);
    assert_eq!(result["tier"], "verified", "{:#}", result["findings"]);
    assert_eq!((&result["accepted"], &result["ranked"]), (&json!(true), &json!(true)));
    assert!((result["percent"].as_f64().unwrap() - 55.56).abs() < 0.01, "{}", result["percent"]);
    let watts = 3000.0 / 63.0;
    assert!((result["per_watt"].as_f64().unwrap() - result["score"].as_f64().unwrap() / watts).abs() < 1e-9);
    assert_eq!(result["label"], "N=20000 NB=192 2x2");
    assert_eq!(result, service.get(None, &format!("/api/v1/results/{}", run.id())).await.1);

    for measure in ["score", "percent", "per_watt"] {
        for category in ["", "&kind=cpu", "&cores=4", "&kind=cpu&cores=4"] {
            let path = format!("/api/v1/leaderboards/hpl/standing?measure={measure}{category}");
            let (status, standing) = service.get(Some((1, false)), &path).await;
            assert_eq!((status.as_u16(), &standing["entry"]["rank"]), (200, &json!(1)), "{path}: {standing}");
            assert_eq!(standing["percentile"], 100.0);
        }
    }
    let (_, categories) = service.get(None, "/api/v1/leaderboards").await;
    assert_eq!(categories.as_array().unwrap().len(), 12, "{categories}");
}

/// What somebody might try, and the tier it ends with.
fn cheats() -> Vec<(&'static str, &'static str, Run)> {
    let change = |change: &dyn Fn(&mut Run)| {
        let mut run = Run::honest(1, 1);
        change(&mut run);
        run
    };
    let report = |path: &str, value: Value| {
        let mut run = Run::honest(1, 1);
        *run.report.pointer_mut(path).unwrap() = value;
        run.output = None;
        run
    };
    vec![
        ("printed rate", "flagged", report("/reports/0/gflops", json!(5000.0))),
        ("printed residual", "flagged", report("/reports/0/verdict/passed/residual", json!(1e-3))),
        ("another N", "flagged", report("/reports/0/params/n", json!(10_000))),
        ("shorter time", "flagged", {
            let mut run = report("/reports/0/seconds", json!(6.0));
            run.report["reports"][0]["gflops"] = json!(888.888_888_888_888_9);
            run
        }),
        ("time before the run can have ended", "flagged", change(&|run| run.ended_ms = run.started_ms + 20_000)),
        ("too little memory", "flagged", change(&|run| run.evidence["memory_peak"]["bytes"] = json!(900_000_000))),
        ("too little processor time", "flagged", change(&|run| run.evidence["cpu_s"] = json!(3.0))),
        ("another boot", "flagged", change(&|run| run.evidence["boot_id"] = json!("c"))),
        ("no evidence", "flagged", change(&|run| run.evidence = Value::Null)),
        ("evidence of another form", "flagged", change(&|run| run.evidence["trust_me"] = json!(1))),
        (
            "output of another run",
            "flagged",
            change(&|run| {
                run.output = run.output.as_ref().map(|text| text.replace("60.00", "59.00"));
            }),
        ),
        ("a residual above the limit", "failed", report("/reports/0/verdict/passed/residual", json!(17.0))),
        ("no report", "failed", change(&|run| run.report = json!({}))),
        ("words for numbers", "failed", report("/reports/0/seconds", json!("1"))),
    ]
}

#[tokio::test]
async fn cheats_are_on_no_board_and_in_the_history() {
    for (what, tier, run) in cheats() {
        let service = Service::start().await;
        service.user(1, "user1").await;
        service.node(1).await;
        service.judged(&run).await;
        let (_, history) = service.get(Some((1, false)), OWN).await;
        let result = &history["results"][0];
        assert_eq!(result["tier"], tier, "{what}: {result}");
        assert_eq!(result["ranked"], false, "{what}");
        assert_eq!(result["accepted"], tier == "flagged", "{what}");
        assert_eq!(result["flag_why"] != "", tier == "flagged", "{what}");
        for measure in ["score", "percent", "per_watt"] {
            assert!(service.board(measure).await.is_empty(), "{what}: {measure}");
        }
        let (status, _) = service.get(None, &format!("/api/v1/results/{}", run.id())).await;
        assert_eq!(status, 200, "{what}: the reason is shown to everybody");
        assert_eq!(service.get(None, "/api/v1/leaderboards").await.1, json!([]), "{what}");
    }
}

#[tokio::test]
async fn oversubscribed_runs_are_not_ranked() {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    let mut run = Run::honest(1, 1);
    run.evidence["oversubscribed"] = json!(true);
    service.judged(&run).await;
    let (_, result) = service.get(None, &format!("/api/v1/results/{}", run.id())).await;
    assert_eq!((&result["tier"], &result["ranked"]), (&json!("verified"), &json!(false)));
    assert!(service.board("score").await.is_empty());
}

#[tokio::test]
async fn a_result_is_judged_once() {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    let run = Run::honest(1, 1);
    service.deliver(&run).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let app = Arc::clone(&service.app);
        tasks.spawn(async move { verify(&app, 1).await });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap().unwrap();
    }
    verify(&service.app, 1).await.unwrap();
    verify(&service.app, 77).await.unwrap();
    let mut reader = service.app.db.read().await.unwrap();
    let count = sqlx::query_scalar("SELECT count(*) FROM events WHERE kind = 'verified'");
    let verified: i64 = count.fetch_one(&mut *reader).await.unwrap();
    let state = sqlx::query_scalar("SELECT state FROM jobs");
    let state: String = state.fetch_one(&mut *reader).await.unwrap();
    assert_eq!((verified, state.as_str()), (1, "done"));
}

#[tokio::test]
async fn a_result_of_a_job_that_ended_meanwhile_is_an_orphan() {
    let service = Service::start().await;
    service.user(1, "user1").await;
    service.node(1).await;
    service.deliver(&Run::honest(1, 1)).await;
    service.sql("UPDATE jobs SET state = 'failed', due_at = NULL".into()).await;
    verify(&service.app, 1).await.unwrap();
    let (_, result) = service.get(None, &format!("/api/v1/results/{}", id("aa", 1))).await;
    assert_eq!((&result["tier"], &result["accepted"]), (&json!("orphan"), &json!(false)));
    assert!(result["score"].as_f64().unwrap() > 88.0, "its figures are kept");
    assert!(service.board("score").await.is_empty());
}
