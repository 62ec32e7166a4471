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
