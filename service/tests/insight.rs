//! Diagnoses, comparisons, points and metrics over a real database, a real store and the real routes.

// The service without a door, and runs that were delivered to it; not all of it is used here.
#[allow(dead_code)]
#[path = "results/common.rs"]
mod common;

use std::net::{IpAddr, Ipv4Addr};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use common::{Run, Service, id};
use hpl_spec::api::insight::{Comparison, Diagnosis, Exploration, MetricsPage, PairOutcome, Previous, RuleOutcome};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use service::http::caller::{Caller, Known, Proof};
use service::store::Quota;
use tower::ServiceExt;

type Who = Option<(i64, bool)>;

const ADA: Who = Some((1, false));
const BOB: Who = Some((2, false));
const ADMIN: Who = Some((3, true));

async fn service_with(runs: &[Run]) -> Service {
    let service = Service::start().await;
    for user in 1..=3 {
        service.user(user, &format!("user{user}")).await;
    }
    service.node(1).await;
    for run in runs {
        service.judged(run).await;
    }
    service
}

async fn get(service: &Service, who: Who, path: &str) -> (StatusCode, Value) {
    let user =
        who.map(|(key, admin)| Known { key, name: format!("user{key}"), admin, proof: Proof::Session("s".into()) });
    let caller = Caller { user, address: IpAddr::V4(Ipv4Addr::LOCALHOST) };
    let request = Request::builder().uri(path).extension(caller).body(Body::empty()).unwrap();
    let (router, _) = service::http::insight::routes().with_state(service.app.clone()).split_for_parts();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

async fn ok<T: DeserializeOwned>(service: &Service, who: Who, path: &str) -> T {
    let (status, body) = get(service, who, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_value(body).unwrap_or_else(|why| panic!("{path}: {why}"))
}

/// The same run as another: other parameters, another label.
async fn with_parameters(service: &Service, key: i64, hash: &str, parameters: Value) {
    let row = hpl_spec::benchmark::find("hpl").unwrap();
    let plan = (row.plan)(&parameters).unwrap();
    service
        .sql(format!(
            "UPDATE results SET parameters = '{}', spec_hash = '{hash}', label = '{}', size = {} WHERE key = {key}",
            plan.parameters, plan.label, plan.size
        ))
        .await;
}

/// Keeps metrics of a run as its node would have sent them: a sample every five seconds, the clock falling at one.
async fn samples(service: &Service, run: &Run, count: u64, falls_at_s: u64) {
    let mut lines = String::new();
    for at in (0..count).map(|i| 5 * i) {
        let clock = if at < falls_at_s { 3.0e9 } else { 2.0e9 };
        let sample = json!({"at_ms": 1000 * at, "per_core": {},
            "values": {"clock_mean_hz": clock, "cpu_busy_ratio": 0.9, "load_tasks": 4.0}});
        lines.push_str(&format!("{sample}\n"));
    }
    let attempt = run.id().parse().unwrap();
    service.app.store.append_metrics(&attempt, Bytes::from(lines), Quota::default()).await.unwrap();
}

#[tokio::test]
async fn private_results_are_their_owners_here_too() {
    let private = Run { public: false, ..Run::honest(1, 1) };
    let service = service_with(&[private, Run::honest(2, 2)]).await;
    let (result, job) = (id("aa", 1), id("bb", 1));
    for path in [
        format!("/api/v1/results/{result}/diagnosis"),
        format!("/api/v1/results/{result}/previous"),
        format!("/api/v1/jobs/{job}/metrics"),
        format!("/api/v1/compare?results={result}"),
    ] {
        for (who, status) in [(None, 404), (BOB, 404), (ADA, 200), (ADMIN, 200)] {
            let (found, body) = get(&service, who, &path).await;
            assert_eq!(found, status, "{path} {who:?}: {body}");
            assert_eq!(body["code"] == "not_found", status == 404);
        }
    }
    // Where a private run would only be counted, it is not.
    for (who, n) in [(None, 1), (BOB, 1), (ADA, 2), (ADMIN, 2)] {
        let found: Comparison = ok(&service, who, &format!("/api/v1/compare?results={}", id("aa", 2))).await;
        assert_eq!(found.groups[0].n, n, "{who:?}");
    }
    for (who, user, n) in [(None, "", 1), (BOB, "?user=user1", 0), (ADA, "?user=user1", 1), (ADMIN, "?user=user1", 1)] {
        let found: Exploration = ok(&service, who, &format!("/api/v1/explore{user}")).await;
        assert_eq!(found.points.len(), n, "{who:?}");
    }
}

#[tokio::test]
async fn a_slow_run_is_diagnosed_with_its_own_numbers() {
    let runs =
        [Run::honest(1, 1), Run::honest(2, 1).slower(1.5), Run { public: false, ..Run::honest(3, 2).slower(0.9) }];
    let service = service_with(&runs).await;
    // The same, but for its NB, and faster; and a private one that is faster still.
    with_parameters(&service, 1, "other", json!({"n": 20_000, "nb": 256, "p": 2, "q": 2})).await;
    with_parameters(&service, 3, "third", json!({"n": 20_000, "nb": 128, "p": 2, "q": 2})).await;
    samples(&service, &runs[1], 24, 60).await;
    let path = format!("/api/v1/results/{}/diagnosis", id("aa", 2));
    let found: Diagnosis = ok(&service, None, &path).await;
    let cause = |found: &Diagnosis, code: &str| found.causes.iter().find(|c| c.code == code).cloned();
    let clocks = cause(&found, "clocks_fell").unwrap_or_else(|| panic!("{found:#?}"));
    assert_eq!(clocks.at_s, Some(60.0));
    assert!((clocks.cost_percent.unwrap() - 100.0 / 6.0).abs() < 1e-6, "half of the time, a third slower: {clocks:?}");
    let nb = cause(&found, "nb_not_best").unwrap_or_else(|| panic!("{found:#?}"));
    assert!(nb.headline.starts_with("NB=256 was 50 % faster"), "{nb:?}");
    assert!(nb.next[0].query.as_deref().unwrap().starts_with("?n=20000&nb=256&p=2&q=2"));
    let outcome = |code: &str| found.rules.iter().find(|rule| rule.code == code).unwrap().outcome;
    assert_eq!(outcome("panel_dear"), RuleOutcome::Unknown, "the report is one without an account");
    assert_eq!(outcome("block_cut"), RuleOutcome::Fired);
    // What only another may see is no advice; for whom may see it, it is.
    let found: Diagnosis = ok(&service, ADMIN, &path).await;
    assert!(cause(&found, "nb_not_best").unwrap().headline.starts_with("NB=256"), "of node and owner, not of others");
    let (status, _) = get(&service, None, "/api/v1/results/x/diagnosis").await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn metrics_come_in_pages_or_as_a_chart() {
    let run = Run::honest(1, 1);
    let service = service_with(std::slice::from_ref(&run)).await;
    let path = format!("/api/v1/jobs/{}/metrics", id("bb", 1));
    let none: MetricsPage = ok(&service, None, &path).await;
    assert_eq!((none.total, none.next, none.samples.len()), (0, None, 0));
    samples(&service, &run, 12_000, 30_000).await;
    let (mut seen, mut offset, mut pages) = (vec![], 0, 0);
    loop {
        let page: MetricsPage = ok(&service, None, &format!("{path}?offset={offset}")).await;
        assert_eq!(
            (page.offset, page.unreadable, page.attempt.as_ref().unwrap().as_str()),
            (offset, 0, run.id().as_str())
        );
        assert_eq!(page.count as usize, page.samples.len());
        seen.extend(page.samples.iter().map(|sample| sample.at_ms));
        pages += 1;
        match page.next {
            Some(next) => offset = next,
            None => break,
        }
    }
    assert!(pages > 1, "one page");
    assert_eq!(seen, (0..12_000).map(|i| 5000 * i).collect::<Vec<u64>>());
    let beyond: MetricsPage = ok(&service, None, &format!("{path}?offset=999999999")).await;
    assert_eq!((beyond.next, beyond.samples.len()), (None, 0));

    let page: MetricsPage = ok(&service, None, &format!("{path}?points=300")).await;
    let chart = page.chart.unwrap();
    assert_eq!((page.count, page.samples.len()), (12_000, 0));
    assert!((150..=300).contains(&chart.at_ms.len()) && chart.at_ms.is_sorted(), "{}", chart.at_ms.len());
    let clock = &chart.series["clock_mean_hz"];
    assert_eq!((clock.max[0], *clock.min.last().unwrap()), (Some(3e9), Some(2e9)));

    // Half a line at the end is still being written; nonsense is counted.
    let attempt = run.id().parse().unwrap();
    let odd = Bytes::from_static(b"nonsense\n{\"at_ms\":");
    service.app.store.append_metrics(&attempt, odd, Quota::default()).await.unwrap();
    let page: MetricsPage = ok(&service, None, &format!("{path}?points=2")).await;
    assert_eq!((page.count, page.unreadable), (12_000, 2));
    for (query, field) in [("points=1", "points"), ("points=2001", "points"), ("points=9&offset=1", "offset")] {
        let (status, problem) = get(&service, None, &format!("{path}?{query}")).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!(field)), "{query}");
    }
    for query in ["points=x", "offset=-1", "more=1"] {
        assert_eq!(get(&service, None, &format!("{path}?{query}")).await.0, 400, "{query}");
    }
}

#[tokio::test]
async fn nobody_wins_with_one_run_each() {
    let runs: Vec<Run> = (1..=9).map(|key| Run::honest(key, 1).slower(1.0 + key as f64 / 100.0)).collect();
    let service = service_with(&runs).await;
    for key in 5..=8 {
        with_parameters(&service, key, "wider", json!({"n": 20_000, "nb": 256, "p": 2, "q": 2})).await;
    }
    with_parameters(&service, 9, "alone", json!({"n": 20_000, "nb": 64, "p": 1, "q": 4})).await;
    let asked = [1, 5, 9].map(|key| id("aa", key)).join(",");
    let found: Comparison = ok(&service, None, &format!("/api/v1/compare?results={asked}")).await;
    assert_eq!(found.groups.iter().map(|group| group.n).collect::<Vec<_>>(), [4, 4, 1]);
    assert_eq!((found.benchmark.as_str(), found.unit.as_str()), ("hpl", "Gflop/s"));
    let names: Vec<&str> = found.differences.iter().map(|difference| difference.name.as_str()).collect();
    assert_eq!(names, ["nb", "p", "q"]);
    assert_eq!(found.differences[0].values, [192, 256, 64]);
    // Three pairs are looked at: four runs each are not enough for that.
    assert!(found.verdicts.iter().all(|verdict| verdict.outcome == PairOutcome::TooFew), "{:#?}", found.verdicts);
    assert!(found.verdicts[2].text.starts_with("Too few runs to tell: n=4 and n=1."), "{:#?}", found.verdicts);

    let two: Comparison = ok(&service, None, &format!("/api/v1/compare?results={},wider:4:cpu", id("aa", 1))).await;
    let verdict = &two.verdicts[0];
    assert_eq!((verdict.first, verdict.second, verdict.outcome), (0, 1, PairOutcome::FirstFaster));
    assert!((verdict.p_value.unwrap() - 2.0 / 70.0).abs() < 1e-9 && verdict.median_change_percent.unwrap() < 0.0);
    assert_eq!((two.groups[1].result.as_ref(), two.groups[1].key.as_str()), (None, "wider:4:cpu"));
    let scores = &two.groups[0].scores;
    assert!(scores.interval.is_none() && scores.lower_quartile.is_some(), "four runs have no interval: {scores:?}");
    assert!(scores.min < scores.median && scores.median < scores.max);
    // Two names of one group are one group.
    let one: Comparison = ok(&service, None, &format!("/api/v1/compare?results={},{}", id("aa", 1), id("aa", 2))).await;
    assert_eq!((one.groups.len(), one.verdicts.len(), one.differences.len()), (1, 0, 0));
    let mut again: Vec<i64> = one.groups[0].runs.iter().map(|run| run.created_at).collect();
    again.reverse();
    assert!(again.is_sorted(), "latest first");
}

#[tokio::test]
async fn names_of_groups_that_are_none_are_told() {
    let mut failed = Run::honest(2, 1);
    failed.report["reports"][0]["verdict"]["passed"]["residual"] = json!(99.0);
    let service = service_with(&[Run::honest(1, 1), failed, Run::honest(3, 1)]).await;
    service.sql("UPDATE results SET tier = 'flagged', ranked = 0 WHERE key = 3".into()).await;
    let nine = vec![id("aa", 1); 9].join(",");
    for wrong in ["", "x", &id("aa", 2), &id("aa", 3), "nothing:4:cpu", "spec:5:cpu", &nine] {
        let (status, problem) = get(&service, None, &format!("/api/v1/compare?results={wrong}")).await;
        assert_eq!((status.as_u16(), &problem["errors"][0]["field"]), (422, &json!("results")), "{wrong}: {problem}");
    }
    assert_eq!(get(&service, None, "/api/v1/compare").await.0, 400);
    let (status, _) = get(&service, None, &format!("/api/v1/compare?results={}", id("aa", 9))).await;
    assert_eq!(status, 404);
    let found: Comparison = ok(&service, None, "/api/v1/compare?results=spec:4:cpu").await;
    assert_eq!(found.groups[0].n, 1, "what failed or is flagged is no run of a group");
}

#[tokio::test]
async fn points_have_their_parameters() {
    let runs: Vec<Run> = (1..=5).map(|key| Run::honest(key, 1 + key % 2).slower(1.0 + key as f64 / 10.0)).collect();
    let service = service_with(&runs).await;
    with_parameters(&service, 5, "other", json!({"n": 10_000, "nb": 64, "p": 1, "q": 4})).await;
    service.sql("UPDATE results SET tier = 'flagged', ranked = 0 WHERE key = 4".into()).await;
    let found: Exploration = ok(&service, None, "/api/v1/explore?benchmark=hpl&kind=cpu&cores=4").await;
    let keys = |found: &Exploration| found.points.iter().map(|p| p.id.as_str().to_owned()).collect::<Vec<_>>();
    assert_eq!(keys(&found), [5, 3, 2, 1].map(|key| id("aa", key)), "latest first, and nothing that is flagged");
    let first = &found.points[0];
    assert_eq!((first.n, first.nb, first.p, first.q), (Some(10_000), Some(64), Some(1), Some(4)));
    assert_eq!((first.owner.as_deref(), first.cores, first.kind.as_str()), (Some("user2"), 4, "cpu"));
    assert!(first.score > 0.0 && first.percent.is_some() && first.job.as_str() == id("bb", 5));
    let page: Exploration = ok(&service, None, "/api/v1/explore?limit=2").await;
    assert_eq!(keys(&page), [5, 3].map(|key| id("aa", key)));
    let rest: Exploration = ok(&service, None, &format!("/api/v1/explore?before={}", page.next.unwrap())).await;
    assert_eq!(keys(&rest), [2, 1].map(|key| id("aa", key)));
    let own: Exploration = ok(&service, None, &format!("/api/v1/explore?user=user1&node={}", id("0d", 1))).await;
    assert_eq!(keys(&own), [2].map(|key| id("aa", key)));
    for (query, status) in [("limit=0", 422), ("limit=1001", 422), ("benchmark=x", 404), ("cores=x", 400), ("a=b", 400)]
    {
        assert_eq!(get(&service, None, &format!("/api/v1/explore?{query}")).await.0.as_u16(), status, "{query}");
    }
}

#[tokio::test]
async fn what_changed_since_the_run_before() {
    let mut runs = [Run::honest(1, 1), Run::honest(2, 2), Run::honest(3, 1).slower(1.25), Run::honest(4, 1)];
    for (run, clock) in runs.iter_mut().zip(["performance", "x", "powersave", "powersave"]) {
        run.evidence["environment"] =
            json!({"governor": clock, "kernel": "6.1", "longest_beat_gap_s": run.key.to_string()});
    }
    runs[3].public = false;
    let service = service_with(&runs).await;
    with_parameters(&service, 1, "other", json!({"n": 20_000, "nb": 64, "p": 2, "q": 2})).await;
    let path = |key: i64| format!("/api/v1/results/{}/previous", id("aa", key));
    let found: Previous = ok(&service, None, &path(3)).await;
    assert_eq!(found.before.unwrap().id.as_str(), id("aa", 1), "not that of another user");
    assert!((found.change_percent.unwrap() + 20.0).abs() < 1e-9);
    let told = |changes: &[hpl_spec::api::insight::Change]| {
        changes.iter().map(|c| format!("{} {} {}", c.name, c.before, c.now)).collect::<Vec<_>>()
    };
    assert_eq!(told(&found.parameters), ["nb 64 192"]);
    assert_eq!(told(&found.environment), [r#"governor "performance" "powersave""#]);
    let first: Previous = ok(&service, None, &path(1)).await;
    assert_eq!((first.before, first.parameters.len(), first.change_percent), (None, 0, None));
    let own: Previous = ok(&service, ADA, &path(4)).await;
    assert_eq!(own.before.unwrap().id.as_str(), id("aa", 3));
    // A run after a private one is compared with the latest that the reader may see.
    service.judged(&Run::honest(5, 1)).await;
    for (who, before) in [(None, 3), (ADA, 4), (ADMIN, 4)] {
        let found: Previous = ok(&service, who, &path(5)).await;
        assert_eq!(found.before.unwrap().id.as_str(), id("aa", before), "{who:?}");
    }
}
