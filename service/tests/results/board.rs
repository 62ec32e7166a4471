//! Leaderboards: ranks, records, flags.

use serde_json::{Value, json};

use super::common::{Run, Service, id};

/// Users 1 to 4; the second and third are equally fast.
async fn four() -> Service {
    let service = Service::start().await;
    service.node(1).await;
    for (user, factor) in [(1, 2.0), (2, 1.5), (3, 1.5), (4, 1.1)] {
        service.user(user, &format!("user{user}")).await;
        service.judged(&Run::honest(user, user).slower(factor)).await;
    }
    service
}

fn ranks(entries: &[Value]) -> Vec<(u64, &str)> {
    let entry = |e: &Value| (e["rank"].as_u64().unwrap(), e["result"]["owner"].as_str().unwrap().to_owned());
    entries.iter().map(|e| (entry(e).0, e["result"]["owner"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn equals_share_a_rank() {
    let service = four().await;
    let board = service.board("score").await;
    let all = [(1, "user4"), (2, "user2"), (2, "user3"), (4, "user1")];
    assert_eq!(ranks(&board), all);
    assert_eq!(ranks(&service.board("percent").await), all);

    let (mut seen, mut query) = (Vec::new(), String::new());
    loop {
        let (_, page) = service.get(None, &format!("/api/v1/leaderboards/hpl?limit=1{query}")).await;
        assert_eq!(page["category"]["entries"], 4);
        seen.extend(page["entries"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        query = format!("&after={next}");
    }
    assert_eq!(ranks(&seen), all);

    for (user, rank, percentile) in [(4, 1, 100.0), (3, 2, 75.0), (2, 2, 75.0), (1, 4, 25.0)] {
        let (_, standing) = service.get(Some((user, false)), "/api/v1/leaderboards/hpl/standing").await;
        assert_eq!((&standing["entry"]["rank"], &standing["percentile"]), (&json!(rank), &json!(percentile)));
    }
    assert_eq!(service.get(None, "/api/v1/leaderboards/hpl/standing").await.0, 401);
    let (_, nothing) = service.get(Some((4, false)), "/api/v1/leaderboards/hpl/standing?cores=7").await;
    assert_eq!((&nothing["entry"], &nothing["category"]["entries"]), (&Value::Null, &json!(0)));
}

#[tokio::test]
async fn records_are_remembered() {
    let service = four().await;
    let record = async || {
        let (_, record) = service.get(None, "/api/v1/leaderboards/hpl/record?kind=cpu").await;
        let steps = record["steps"].as_array().unwrap().iter();
        steps.map(|row| row["owner"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(record().await, ["user1", "user2", "user4"]);
    // It is the record of all, whatever part of the leaderboard is looked at.
    let (_, all) = service.get(None, "/api/v1/leaderboards/hpl/record?kind=cpu").await;
    let (_, part) = service.get(None, "/api/v1/leaderboards/hpl/record?kind=cpu&at=1&verified=true").await;
    assert_eq!((&part, &all["category"]["entries"]), (&all, &json!(4)));
    service.sql("DELETE FROM jobs WHERE key = 4".into()).await;
    assert_eq!(record().await, ["user1", "user2"]);
    service.sql("DELETE FROM users WHERE key = 2".into()).await;
    assert_eq!(record().await, ["user1", "user3"], "the present best is always the last");
}

#[tokio::test]
async fn a_flag_takes_a_result_off_the_board_and_can_be_taken_back() {
    let service = four().await;
    service.judged(&Run::honest(5, 4).slower(1.3)).await;
    let path = |what: &str| format!("/api/v1/admin/results/{}/{what}", id("aa", 4));
    let why = json!({"why": "clocks were raised"});
    for (who, status) in [(None, 401), (Some((2, false)), 403)] {
        assert_eq!(service.ask(who, "POST", &path("flag"), why.clone()).await.0, status);
    }
    let admin = Some((9, true));
    for body in [json!({}), json!({"why": " "}), json!({"why": "x".repeat(501)}), json!({"why": "\u{1b}[2J"})] {
        assert!(service.ask(admin, "POST", &path("flag"), body).await.0.is_client_error());
    }
    let best = async || service.board("score").await[0]["result"]["id"].clone();
    assert_eq!(best().await, id("aa", 4));
    assert_eq!(service.ask(admin, "POST", &path("flag"), why.clone()).await.0, 200);
    assert_eq!(best().await, id("aa", 5), "the owner's next best");
    assert_eq!(service.ask(admin, "POST", &path("flag"), why.clone()).await.0, 409);
    let (_, flagged) = service.get(None, &format!("/api/v1/results/{}", id("aa", 4))).await;
    assert_eq!((&flagged["tier"], &flagged["flag_why"]), (&json!("flagged"), &why["why"]));

    assert_eq!(service.ask(admin, "POST", &path("unflag"), why.clone()).await.0, 200);
    assert_eq!(best().await, id("aa", 4));
    assert_eq!(service.ask(admin, "POST", &path("unflag"), why).await.0, 409);
    let mut reader = service.app.db.read().await.unwrap();
    let told = sqlx::query_as("SELECT action, before, after FROM audit ORDER BY key");
    let told: Vec<(String, String, String)> = told.fetch_all(&mut *reader).await.unwrap();
    let told: Vec<_> = told.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.as_str())).collect();
    let text = "reported: clocks were raised";
    assert_eq!(told, [("result.flag", "reported", "flagged: clocks were raised"), ("result.unflag", "flagged", text)]);
}

#[tokio::test]
async fn the_board_per_watt_has_those_whose_energy_is_known() {
    let service = Service::start().await;
    service.node(1).await;
    // The slowest takes least, the second is not measured, the third says what no node takes.
    for (user, factor, joules) in
        [(1, 1.0, json!(6300.0)), (2, 1.1, json!(null)), (3, 1.2, json!(1.0)), (4, 1.5, json!(1000.0))]
    {
        service.user(user, &format!("user{user}")).await;
        let mut run = Run::honest(user, user).slower(factor);
        run.evidence["energy_j"] = joules;
        service.judged(&run).await;
    }
    assert_eq!(ranks(&service.board("per_watt").await), [(1, "user4"), (2, "user1")]);
    assert_eq!(ranks(&service.board("score").await), [(1, "user1"), (2, "user2"), (3, "user3"), (4, "user4")]);
    let of = async |query: &str| {
        let (status, board) = service.get(None, &format!("/api/v1/leaderboards/hpl?measure=per_watt&{query}")).await;
        assert_eq!(status, 200, "{query}: {board}");
        let owners = board["entries"].as_array().unwrap().iter().map(|entry| entry["result"]["owner"].clone());
        (owners.collect::<Vec<_>>(), board["category"]["entries"].clone())
    };
    // Kept and computed, in parts and whole.
    assert_eq!(of("").await, (vec![json!("user4"), json!("user1")], json!(2)));
    assert_eq!(of("at=1895400000000").await, (vec![json!("user4"), json!("user1")], json!(2)));
    assert_eq!(of("at=1").await, (vec![], json!(0)));
    assert_eq!(of("verified=true").await, (vec![], json!(0)), "no curve, no output: reported");
    assert_eq!(of(&format!("after={}", id("aa", 4))).await.0, [json!("user1")]);
    assert_eq!(of(&format!("at=1895400000000&after={}", id("aa", 4))).await.0, [json!("user1")]);
    assert_eq!(of(&format!("after={}", id("aa", 2))).await.0, [json!(null); 0], "after one that has no place");
    assert_eq!(service.get(None, "/api/v1/leaderboards/hpl?measure=watts").await.0, 400);
    let (_, record) = service.get(None, "/api/v1/leaderboards/hpl/record?measure=per_watt").await;
    let steps = record["steps"].as_array().unwrap().iter().map(|row| row["owner"].as_str().unwrap());
    assert_eq!(steps.collect::<Vec<_>>(), ["user1", "user4"]);
    let (_, none) = service.get(Some((2, false)), "/api/v1/leaderboards/hpl/standing?measure=per_watt").await;
    assert_eq!(none["entry"], Value::Null);

    // A better one takes the place, a worse one does not; flagged and deleted, the next best is there again.
    for (key, joules) in [(5, 900.0), (6, 2000.0)] {
        let mut run = Run::honest(key, 4).slower(1.5);
        run.evidence["energy_j"] = json!(joules);
        service.judged(&run).await;
    }
    let best = async || service.board("per_watt").await[0]["result"]["id"].clone();
    assert_eq!(best().await, id("aa", 5));
    let path = format!("/api/v1/admin/results/{}/flag", id("aa", 5));
    assert_eq!(service.ask(Some((9, true)), "POST", &path, json!({"why": "counters"})).await.0, 200);
    assert_eq!(best().await, id("aa", 4));
    service.sql("DELETE FROM jobs WHERE key = 4".into()).await;
    assert_eq!(ranks(&service.board("per_watt").await), [(1, "user4"), (2, "user1")]);
    assert_eq!(best().await, id("aa", 6));
    service.sql("DELETE FROM jobs WHERE key = 6".into()).await;
    assert_eq!(ranks(&service.board("per_watt").await), [(1, "user1")]);
    let mut reader = service.app.db.read().await.unwrap();
    let entries: i64 =
        sqlx::query_scalar("SELECT entries FROM categories WHERE measure = 'per_watt' AND kind = '' AND cores = 0")
            .fetch_one(&mut *reader)
            .await
            .unwrap();
    assert_eq!(entries, 1);
}

#[tokio::test]
async fn only_what_can_be_ranked_has_a_score_per_watt() {
    let service = Service::start().await;
    service.node(1).await;
    service.user(1, "user1").await;
    let mut crowded = Run::honest(1, 1);
    crowded.evidence["oversubscribed"] = json!(true);
    let mut failed = Run::honest(2, 1);
    failed.report["reports"][0]["verdict"]["passed"]["residual"] = json!(17.0);
    let hidden = Run { public: false, ..Run::honest(3, 1) };
    for run in [&crowded, &failed, &hidden] {
        service.judged(run).await;
    }
    let value = async |key: i64| {
        let (_, result) = service.get(Some((1, false)), &format!("/api/v1/results/{}", id("aa", key))).await;
        result["per_watt"].clone()
    };
    assert_eq!((value(1).await, value(2).await), (Value::Null, Value::Null));
    assert!(value(3).await.is_number(), "it is ranked once it is shown");
    assert!(service.board("per_watt").await.is_empty());
}
