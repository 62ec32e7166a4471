//! Who sees which results, and in which form.

use serde_json::{Value, json};
use service::db::results::verdict::set_visibility;

use super::common::{Run, Service, id};

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

#[tokio::test]
async fn private_results_are_their_owners() {
    let private = Run { public: false, ..Run::honest(1, 1) };
    let service = service_with(&[private]).await;
    let paths = [format!("/api/v1/results/{}", id("aa", 1)), format!("/api/v1/jobs/{}/result", id("bb", 1))];
    for path in paths.iter().chain([&format!("/api/v1/jobs/{}/certificate", id("bb", 1))]) {
        for (who, status) in [(None, 404), (Some((2, false)), 404), (Some((1, false)), 200), (Some((3, true)), 200)] {
            assert_eq!(service.get(who, path).await.0, status, "{path} {who:?}");
        }
    }
    let count = |page: &Value| page["results"].as_array().unwrap().len();
    assert_eq!(count(&service.get(Some((2, false)), "/api/v1/results?user=user1&all=true").await.1), 0);
    assert_eq!(count(&service.get(Some((1, false)), "/api/v1/results?user=user1").await.1), 1);
    assert_eq!(count(&service.get(Some((1, false)), "/api/v1/results").await.1), 0);
    assert!(service.board("score").await.is_empty());

    for public in [true, true, false, true] {
        let unit = service.app.db.write(move |tx| Box::pin(async move { set_visibility(tx, 1, public).await }));
        unit.await.unwrap();
        assert_eq!(service.board("score").await.len(), usize::from(public));
        assert_eq!(service.get(None, &paths[0]).await.0, if public { 200 } else { 404 });
    }
}

#[tokio::test]
async fn lists_are_filtered_and_paged() {
    let mut runs = Vec::new();
    for key in 1..=9 {
        runs.push(Run::honest(key, 1 + key % 3).slower(1.0 + key as f64 / 10.0));
    }
    let service = service_with(&runs).await;
    let list = async |query: &str| {
        let (status, page) = service.get(None, &format!("/api/v1/results?{query}")).await;
        assert_eq!(status, 200, "{query}: {page}");
        let keys = page["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| i64::from_str_radix(&row["id"].as_str().unwrap()[26..], 16).unwrap());
        (keys.collect::<Vec<_>>(), page["next"].as_str().map(str::to_owned))
    };
    assert_eq!(list("").await.0, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(list("user=user1").await.0, [9, 6, 3]);
    assert_eq!(list("user=nobody").await.0, [] as [i64; 0]);
    assert_eq!(list("kind=cpu&cores=4&limit=2").await.0, [9, 8]);
    assert_eq!(list("kind=other").await.0, [] as [i64; 0]);
    assert_eq!(list(&format!("node={}", id("0d", 1))).await.0.len(), 9);
    assert_eq!(list(&format!("node={}", id("0d", 7))).await.0.len(), 0);
    assert_eq!(list("min_score=70&max_score=75").await.0, [2], "88.9 / 1.2");
    assert_eq!(list("min_size=20001").await.0.len(), 0);
    let at = runs[4].ended_ms;
    assert_eq!(list(&format!("since={at}")).await.0, [9, 8, 7, 6, 5]);
    assert_eq!(list(&format!("until={at}")).await.0, [4, 3, 2, 1]);
    assert_eq!(list("tier=verified").await.0.len(), 0, "no curve, no output: reported");

    let (mut seen, mut query) = (Vec::new(), "limit=4".to_owned());
    loop {
        let (keys, next) = list(&query).await;
        seen.extend(keys);
        let Some(next) = next else { break };
        query = format!("limit=4&before={next}");
    }
    assert_eq!(seen, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let wrong = ["limit=0", "limit=201", "tier=gold", "cores=x", "what=1", "before=1"];
    for query in wrong.iter().map(|q| (*q).to_owned()).chain([format!("before={}", id("aa", 99))]) {
        let (status, problem) = service.get(None, &format!("/api/v1/results?{query}")).await;
        assert!(status == 400 || status == 422, "{query}: {status}");
        assert!(problem["code"].is_string(), "{query}");
    }
}

#[tokio::test]
async fn tables_say_what_json_says() {
    let mut runs: Vec<Run> = (1..=3).map(|key| Run::honest(key, key).slower(1.0 + key as f64)).collect();
    runs[0].evidence["energy_j"] = Value::Null;
    let service = service_with(&runs).await;
    service.sql("UPDATE results SET label = '=HYPERLINK(\"http://x\",\"y\")' WHERE key = 2".into()).await;
    let (_, page) = service.get(None, "/api/v1/results").await;
    let (status, table) = service.ask(None, "GET", "/api/v1/results.csv", Value::Null).await;
    assert_eq!(status, 200);
    let table = String::from_utf8(table.to_vec()).unwrap();
    let lines: Vec<Vec<&str>> = table.trim_end().split("\r\n").map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0].last(), Some(&"\"per_watt\""), "what came later stands behind all others");
    let column = |name: &str| lines[0].iter().position(|cell| cell.trim_matches('"') == name).unwrap();
    for (line, row) in lines[1..].iter().zip(page["results"].as_array().unwrap()) {
        assert_eq!(line[column("id")].trim_matches('"'), row["id"]);
        if row["label"].as_str().unwrap().starts_with('=') {
            assert!(line[column("label")].starts_with("\"'="), "{line:?}");
            continue;
        }
        for number in ["score", "seconds", "percent", "per_watt", "created_at"] {
            assert_eq!(line[column(number)].parse::<f64>().ok(), row[number].as_f64(), "{number}");
        }
    }
    let (_, board) = service.ask(None, "GET", "/api/v1/leaderboards/hpl.csv", Value::Null).await;
    let board = String::from_utf8(board.to_vec()).unwrap();
    assert!(board.starts_with("\"rank\",\"id\","), "{board}");
    assert_eq!(board.lines().count(), 4);
    assert_eq!(service.ask(None, "GET", "/api/v1/leaderboards/linpack", Value::Null).await.0, 404);
}

#[tokio::test]
async fn runs_that_agree_are_counted_by_node_and_day() {
    let service = service_with(&[]).await;
    service.node(2).await;
    for key in 1..=4 {
        service.judged(&Run { node: if key == 2 { 2 } else { 1 }, ..Run::honest(key, 1) }).await;
    }
    service.judged(&Run::honest(5, 1).slower(1.2)).await;
    service.sql("UPDATE results SET created_at = created_at + 86400000 WHERE key IN (3, 4)".into()).await;
    let (_, result) = service.get(None, &format!("/api/v1/results/{}", id("aa", 1))).await;
    assert_eq!(result["reproduced"], json!(2), "node 2, and tomorrow twice on node 1");
}
