//! Why a job waits, each reason in turn; and what a node must have for it.

use serde_json::{Value, json};

use crate::house::{House, MACHINE, MINUTE, Machine, Person, SECOND, long, with};

/// Code, position and words.
async fn waits(house: &House, who: &Person, job: &str) -> (String, Value, String) {
    let waits = house.job(who, job).await["waits"].clone();
    let text = |field: &str| waits[field].as_str().unwrap_or_default().to_owned();
    (text("code"), waits["position"].clone(), text("why"))
}

#[track_caller]
fn is(found: (String, Value, String), code: &str, position: impl Into<Value>, words: &str) {
    assert_eq!((found.0.as_str(), &found.1), (code, &position.into()), "{}", found.2);
    assert!(found.2.contains(words), "{}", found.2);
}

#[tokio::test]
async fn no_node_or_none_that_fits() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let job = house.submit(&ada, with(long(), json!({"needs": {"labels": ["ib"]}}))).await;
    is(waits(&house, &ada, &job).await, "no_node_fits", Value::Null, "no node has joined");
    house.node("one", MACHINE).await;
    is(
        waits(&house, &ada, &job).await,
        "no_node_fits",
        Value::Null,
        "the only node, one, does not fit: it lacks the label `ib`",
    );
    let wide = house.submit(&ada, with(long(), json!({"needs": {"cores": 5}}))).await;
    is(waits(&house, &ada, &wide).await, "no_node_fits", Value::Null, "it has 4 cores of 5 needed");
    house.node("two", Machine { labels: &["ib", "fast"], ..MACHINE }).await;
    is(waits(&house, &ada, &job).await, "next", 0, "it is next");
}

#[tokio::test]
async fn busy_nodes_silent_nodes_and_ones_own_runs() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let running = house.submit(&bob, long()).await;
    is(waits(&house, &bob, &running).await, "next", 0, "it is next");
    let held = node.claim(&house).await.unwrap();
    assert_eq!(house.job(&bob, &running).await["waits"], Value::Null, "it waits no longer");
    let (first, second) = (house.submit(&ada, long()).await, house.submit(&ada, long()).await);
    let own = house.submit(&bob, long()).await;
    is(waits(&house, &ada, &first).await, "nodes_busy", 0, "the node it fits on is busy; it is next");
    // After one run of hers it is his turn, once his own has ended.
    is(waits(&house, &ada, &second).await, "nodes_busy", 2, "2 jobs are before it");
    is(
        waits(&house, &bob, &own).await,
        "quota_running",
        1,
        "this account has 1 run under way and may have 1 at a time",
    );
    // Everybody may see why.
    is(waits(&house, &house.nobody, &own).await, "quota_running", 1, "");
    held.run(&house, SECOND).await;
    is(waits(&house, &ada, &first).await, "next", 0, "");
    is(waits(&house, &bob, &own).await, "next", 1, "1 job is before it");
    house.world.advance(6 * MINUTE);
    is(
        waits(&house, &ada, &first).await,
        "nodes_busy",
        0,
        "the only node it fits on takes no jobs now: not heard of in the last minutes",
    );
    assert_eq!(node.gets(&house).await, first);
    // Jobs that have ended wait for nothing.
    assert_eq!(house.job(&bob, &running).await["waits"], Value::Null);
}

#[tokio::test]
async fn a_retry_waits_and_avoids_the_node_for_a_while() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, long()).await;
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    held.fail(&house, 2, "infra").await;
    is(waits(&house, &ada, &job).await, "not_before", Value::Null, "may start in 15 s");
    house.world.advance(14 * SECOND);
    is(waits(&house, &ada, &job).await, "not_before", Value::Null, "may start in 1 s");
    let mut other = house.node("two", MACHINE).await;
    assert_eq!(other.gets(&house).await, "");
    house.world.advance(SECOND);
    is(waits(&house, &ada, &job).await, "next", 0, "");
    assert_eq!(node.gets(&house).await, "", "not where it failed");
    let again = other.claim(&house).await.unwrap();
    assert_eq!((again.job.as_str(), again.fence > held.fence), (job.as_str(), true));
    again.start(&house).await;
    again.fail(&house, 2, "infra").await;
    is(waits(&house, &ada, &job).await, "not_before", Value::Null, "may start in 30 s");
    // The last node that failed is better than none after five minutes.
    house.world.advance(5 * MINUTE - SECOND);
    assert_eq!(other.gets(&house).await, "");
    house.world.advance(SECOND);
    let last = other.claim(&house).await.unwrap();
    last.start(&house).await;
    last.fail(&house, 2, "infra").await;
    let ended = house.job(&ada, &job).await;
    assert_eq!((&ended["state"], &ended["failure"]["class"]), (&json!("failed"), &json!("infra")), "{ended}");
}

#[tokio::test]
async fn held_by_an_administrator_or_for_its_turn() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, long()).await;
    let own = house.post(&ada, &format!("/jobs/{job}/hold"), json!({"why": "me"})).await;
    assert_eq!(own.verdict().0, 403);
    house.order("POST", &format!("/jobs/{job}/hold"), json!({"why": "the room is too warm"})).await;
    is(waits(&house, &ada, &job).await, "held", Value::Null, "administrator: the room is too warm");
    assert_eq!(node.gets(&house).await, "");
    house.order("POST", &format!("/jobs/{job}/release"), Value::Null).await;
    is(waits(&house, &ada, &job).await, "next", 0, "");
    assert_eq!(node.gets(&house).await, job);
}

#[tokio::test]
async fn labels_cores_and_a_named_node() {
    let house = House::new(&["--running-max", "9"]).await;
    let ada = house.person("ada").await;
    let mut plain = house.node("plain", MACHINE).await;
    let mut wide = house.node("wide", Machine { cores: 8, labels: &["ib"], ..MACHINE }).await;
    let mut rich = house.node("rich", Machine { labels: &["gpu", "ib"], ..MACHINE }).await;
    let needs = |needs: Value| with(long(), json!({"needs": needs}));
    let both = house.submit(&ada, needs(json!({"labels": ["ib", "gpu"]}))).await;
    let cores = house.submit(&ada, needs(json!({"cores": 5}))).await;
    let named = house.submit(&ada, needs(json!({"node": plain.id}))).await;
    let said = house.job(&ada, &both).await;
    assert_eq!(said["needs"], json!({"node": null, "cores": null, "labels": ["ib", "gpu"]}));
    assert_eq!(house.job(&ada, &named).await["needs"], json!({"node": plain.id, "cores": null, "labels": []}));
    assert_eq!(plain.gets(&house).await, named);
    assert_eq!(wide.gets(&house).await, cores);
    assert_eq!(rich.gets(&house).await, both);
    // Labels are words of the service: a node cannot take one by saying it.
    for (needs, field) in [
        (json!({"node": "0190f5fe-7c00-7a3b-8b1e-0123456789ab"}), "needs.node"),
        (json!({"cores": 0}), "needs.cores"),
        (json!({"cores": 1_000_001}), "needs.cores"),
        (json!({"labels": [""]}), "needs.labels"),
        (json!({"labels": ["x".repeat(33)]}), "needs.labels"),
        (json!({"labels": ["a", "b", "c", "d", "e", "f", "g", "h", "i"]}), "needs.labels"),
        (json!({"labels": ["'; DROP TABLE jobs"]}), "needs.labels"),
    ] {
        let refused = house.post(&ada, "/jobs", with(long(), json!({"needs": needs}))).await;
        assert_eq!((refused.verdict(), refused.fields()), ((422, "invalid"), vec![field]));
    }
    // As far as it goes.
    house.submit(&ada, needs(json!({"cores": 1_000_000, "labels": ["x".repeat(32), "a.b_c-D"]}))).await;
}

#[tokio::test]
async fn memory_counts_as_the_node_has_it_now() {
    let house = House::new(&["--running-max", "9"]).await;
    let ada = house.person("ada").await;
    let mut small = house.node("small", Machine { memory: 2 << 30, ..MACHINE }).await;
    let mut large = house.node("large", MACHINE).await;
    // 8 * 20000^2 are 3 GiB.
    let job = house.submit(&ada, with(long(), json!({"parameters": {"n": 20_000}}))).await;
    assert_eq!(small.gets(&house).await, "");
    is(waits(&house, &ada, &job).await, "next", 0, "");
    assert_eq!(large.gets(&house).await, job);
    let more = house.submit(&ada, with(long(), json!({"parameters": {"n": 20_000}}))).await;
    is(waits(&house, &ada, &more).await, "nodes_busy", 0, "the node it fits on is busy");
}

#[tokio::test]
async fn nodes_that_are_drained_or_not_well_take_no_jobs_and_say_so() {
    let house = House::new(&[]).await;
    let ada = house.person("ada").await;
    house.node("drained", MACHINE).await;
    let drain = house.world.app.db.write(|tx| Box::pin(service::db::nodes_admin::set_draining(tx, 1, true)));
    drain.await.unwrap();
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, long()).await;
    is(waits(&house, &ada, &job).await, "next", 0, "");
    assert_eq!(node.is_unwell(&house, &["the disk is full"]).await, (409, "node_unhealthy".to_owned()));
    let words = "none of the 2 nodes it fits on takes jobs now: 1 drained by an administrator, 1 not well, by its own";
    is(waits(&house, &ada, &job).await, "nodes_busy", 0, words);
    let seen = House::done(house.get(&ada, "/nodes").await);
    let unhealthy: Vec<&Value> = seen.as_array().unwrap().iter().map(|node| &node["unhealthy"]).collect();
    assert!(unhealthy.contains(&&json!(["the disk is full"])) && unhealthy.contains(&&json!([])), "{seen}");
    assert_eq!(node.gets(&house).await, job, "well again");
}
