//! Submissions: how many may wait, and that a repeated one is one.

use serde_json::{Value, json};

use crate::house::{Answer, DAY, House, Person, long, with};

async fn submit(house: &House, who: &Person, key: &str, run: Value) -> Answer {
    house.ask(who, "POST", "/jobs", &[("idempotency-key", key)], run).await
}

fn is_quota(answer: &Answer, limit: u32) {
    assert_eq!(answer.verdict(), (429, "quota_exceeded"), "{}", answer.body);
    assert_eq!(answer.body["limit"], limit);
    assert!(answer.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() >= 1);
    assert!(answer.body["detail"].as_str().unwrap().contains(&limit.to_string()), "{}", answer.body);
}

#[tokio::test]
async fn so_many_may_wait() {
    let house = House::new(&["--queued-max", "2"]).await;
    let (ada, bob) = (house.person_of("ada", "class1", false).await, house.person("bob").await);
    let first = house.submit(&ada, long()).await;
    house.submit(&ada, long()).await;
    is_quota(&house.post(&ada, "/jobs", long()).await, 2);
    // Drafts do not wait; submitting one does. Others are not concerned.
    let draft = house.submit(&ada, with(long(), json!({"draft": true}))).await;
    is_quota(&house.post(&ada, &format!("/jobs/{draft}/submit"), Value::Null).await, 2);
    assert_eq!(house.state(&ada, &draft).await, "draft");
    house.submit(&bob, long()).await;
    // One less waits.
    House::done(house.post(&ada, &format!("/jobs/{first}/cancel"), Value::Null).await);
    House::done(house.post(&ada, &format!("/jobs/{draft}/submit"), Value::Null).await);
    is_quota(&house.post(&ada, &format!("/jobs/{first}/requeue"), Value::Null).await, 2);
    // Cohort and user.
    house.order("PUT", "/admin/quotas/cohort:class1", json!({"queued_max": 3})).await;
    house.submit(&ada, long()).await;
    is_quota(&house.post(&ada, "/jobs", long()).await, 3);
    house.order("PUT", "/admin/quotas/user:ada", json!({"queued_max": 1})).await;
    is_quota(&house.post(&ada, "/jobs", long()).await, 1);
    house.order("PUT", "/admin/quotas/user:ada", json!({"queued_max": 4})).await;
    house.submit(&ada, long()).await;
    // A held one waits, too.
    let page = House::done(house.get(&ada, "/jobs?owner=me&state=queued&limit=1").await);
    let waiting = page["jobs"][0]["id"].as_str().unwrap();
    house.order("POST", &format!("/jobs/{waiting}/hold"), json!({"why": "to look at"})).await;
    is_quota(&house.post(&ada, "/jobs", long()).await, 4);
    house.world.check("waiting").await;
}

#[tokio::test]
async fn the_longest_walltime_is_a_quota() {
    let house = House::new(&["--walltime-max", "600"]).await;
    let ada = house.person("ada").await;
    for wrong in [0, 601] {
        let answer = house.post(&ada, "/jobs", with(long(), json!({"walltime_s": wrong}))).await;
        assert_eq!((answer.verdict(), answer.fields()), ((422, "invalid"), vec!["walltime_s"]));
        assert!(answer.body["errors"][0]["message"].as_str().unwrap().contains("1 to 600"), "{}", answer.body);
    }
    house.order("PUT", "/admin/quotas/user:ada", json!({"walltime_max_s": 601})).await;
    house.submit(&ada, with(long(), json!({"walltime_s": 601}))).await;
}

#[tokio::test]
async fn the_same_key_gets_the_same_answer() {
    let house = House::new(&["--queued-max", "2"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let first = submit(&house, &ada, "k1", long()).await;
    assert_eq!(first.status, 201);
    house.world.advance(3_600_000);
    let again = submit(&house, &ada, "k1", long()).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["content-type"], "application/json");
    // Another request, however small the difference.
    for other in [json!({"walltime_s": 599}), json!({"title": "x"}), json!({"visibility": "private"})] {
        let other = submit(&house, &ada, "k1", with(long(), other)).await;
        assert_eq!(other.verdict(), (422, "idempotency_mismatch"), "{}", other.body);
    }
    // Somebody else's key of the same name is another key.
    let others = submit(&house, &bob, "k1", long()).await;
    assert_eq!((others.status, &others.body["jobs"][0]["owner"]), (201, &json!("bob")));
    assert_ne!(others.body["jobs"][0]["id"], first.body["jobs"][0]["id"]);
    // What is answered already costs no quota, and what was refused is not kept.
    assert_eq!(submit(&house, &ada, "k2", long()).await.status, 201);
    is_quota(&submit(&house, &ada, "k3", long()).await, 2);
    assert_eq!(submit(&house, &ada, "k1", long()).await.body, first.body);
    let id = first.body["jobs"][0]["id"].as_str().unwrap();
    House::done(house.post(&ada, &format!("/jobs/{id}/cancel"), Value::Null).await);
    assert_eq!(submit(&house, &ada, "k3", long()).await.status, 201);
    // After a day the key is free.
    house.world.advance(DAY);
    is_quota(&submit(&house, &ada, "k1", long()).await, 2);
    for id in [first.body["jobs"][0]["id"].clone(), others.body["jobs"][0]["id"].clone()] {
        assert_eq!(house.get(&ada, &format!("/jobs/{}", id.as_str().unwrap())).await.status, 200);
    }
}

#[tokio::test]
async fn one_key_sent_many_times_at_once_is_one_job() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let all = (0..8).map(|_| submit(&house, &ada, "once", long()));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.body == answers[0].body));
    let page = House::done(house.get(&ada, "/jobs").await);
    assert_eq!(page["jobs"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_key_is_a_word() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let (longest, longer) = ("x".repeat(128), "x".repeat(129));
    assert_eq!(submit(&house, &ada, &longest, long()).await.status, 201);
    for wrong in ["", "two words", "\u{e9}", longer.as_str()] {
        let answer = submit(&house, &ada, wrong, long()).await;
        assert_eq!((answer.verdict(), answer.fields()), ((422, "invalid"), vec!["Idempotency-Key"]), "{wrong}");
    }
}
