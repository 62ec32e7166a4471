//! Trying again, deleting, and who may see a job.

use axum::http::Method;
use serde_json::{Value, json};

use crate::house::{Answer, Delivery, House, MACHINE, Person, SECOND, golden, long, with};

async fn requeue(house: &House, who: &Person, job: &str) -> Answer {
    house.post(who, &format!("/jobs/{job}/requeue"), Value::Null).await
}

async fn delete(house: &House, who: &Person, job: &str) -> (u16, String) {
    let answer = house.ask(who, "DELETE", &format!("/jobs/{job}"), &[], Value::Null).await;
    let (status, code) = answer.verdict();
    (status, code.to_owned())
}

#[tokio::test]
async fn what_has_ended_is_submitted_anew() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let asked = with(long(), json!({"title": "mine", "visibility": "private", "needs": {"cores": 2, "labels": []}}));
    let first = house.submit(&ada, asked).await;
    assert_eq!(requeue(&house, &ada, &first).await.verdict(), (409, "conflict"), "it waits already");
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    assert_eq!(requeue(&house, &ada, &first).await.verdict(), (409, "conflict"), "it runs");
    held.fail(&house, 2, "benchmark").await;
    assert_eq!(requeue(&house, &bob, &first).await.verdict(), (404, "not_found"), "it is private");
    assert_eq!(requeue(&house, &house.nobody, &first).await.verdict(), (401, "unauthenticated"));
    let again = House::done(requeue(&house, &ada, &first).await);
    assert_ne!(again["id"], json!(first));
    let before = house.job(&ada, &first).await;
    for field in ["parameters", "title", "visibility", "needs", "walltime_s", "express", "owner"] {
        assert_eq!(again[field], before[field], "{field}");
    }
    assert_eq!((&again["state"], &again["attempts"]), (&json!("queued"), &json!(0)));
    assert_eq!(before["state"], "failed", "the first one stays as it ended");
    assert_eq!(node.gets(&house).await, again["id"].as_str().unwrap());
}

#[tokio::test]
async fn what_is_lost_is_given_up_and_waits_again() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let mut other = house.node("two", MACHINE).await;
    let job = house.submit(&ada, long()).await;
    let held = node.claim(&house).await.unwrap();
    held.start(&house).await;
    house.world.advance(200 * SECOND);
    house.world.reap().await;
    assert_eq!(house.state(&ada, &job).await, "lost");
    assert_eq!(other.gets(&house).await, "", "the first run may still be under way");
    assert_eq!(requeue(&house, &bob, &job).await.verdict(), (403, "forbidden"));
    let again = House::done(requeue(&house, &ada, &job).await);
    assert_eq!((&again["id"], &again["state"]), (&json!(job), &json!("queued")));
    assert_eq!(requeue(&house, &ada, &job).await.verdict(), (409, "conflict"));
    let second = other.claim(&house).await.unwrap();
    assert!(second.job == job && second.fence > held.fence, "{} {}", second.fence, held.fence);
    let beat = json!({"fence": held.fence, "seq": 1, "phase": "running"}).to_string().into_bytes();
    let (status, said) = held.call(&house, Method::POST, "beat", beat, true).await;
    assert_eq!((status, said["code"].as_str()), (409, Some("stale_fence")));
    // Its owner has used both nodes.
    second.run(&house, 100 * SECOND).await;
    let said = House::done(house.post(&ada, "/estimate", long()).await);
    let seconds = said["quota"]["recent_node_hours"].as_f64().unwrap() * 3600.0;
    assert!((seconds - 300.0).abs() < 0.1, "{seconds}");
    house.world.check("given up").await;
}

#[tokio::test]
async fn deleted_means_gone() {
    let house = House::new(&["--running-max", "2"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, golden()).await;
    let conflict = (409, "conflict".to_owned());
    assert_eq!(delete(&house, &ada, &job).await, conflict, "it is queued");
    let held = node.claim(&house).await.unwrap();
    assert_eq!(delete(&house, &ada, &job).await, conflict, "a node has it");
    held.deliver(&house, &Delivery::honest(&held)).await;
    assert_eq!(house.state(&ada, &job).await, "done");
    let board = "/leaderboards/hpl";
    assert_eq!(house.get(&house.nobody, board).await.body["entries"][0]["result"]["job"], json!(job));
    let attempt = held.attempt.parse().unwrap();
    assert_eq!(house.world.app.store.list(&attempt).await.unwrap().len(), 1);

    assert_eq!(delete(&house, &bob, &job).await, (403, "forbidden".into()));
    assert_eq!(delete(&house, &house.nobody, &job).await, (401, "unauthenticated".into()));
    assert_eq!(delete(&house, &ada, &job).await, (204, String::new()));
    assert_eq!(delete(&house, &ada, &job).await, (404, "not_found".into()));
    for path in ["", "/history", "/events", "/result", "/certificate", "/artifacts", "/artifacts/HPL.out", "/log/out"] {
        let answer = house.get(&ada, &format!("/jobs/{job}{path}")).await;
        assert_eq!(answer.verdict(), (404, "not_found"), "{path}");
    }
    assert_eq!(house.get(&ada, &format!("/results/{}", held.attempt)).await.status, 404);
    assert_eq!(house.get(&house.nobody, board).await.body["entries"], json!([]));
    assert_eq!(house.get(&ada, "/jobs").await.body["jobs"], json!([]));
    assert!(house.world.app.store.list(&attempt).await.unwrap().is_empty(), "its files");
    // The node may write no longer, and is free for the next one.
    let beat = json!({"fence": held.fence, "seq": 9, "phase": "running"}).to_string().into_bytes();
    let (status, said) = held.call(&house, Method::POST, "beat", beat, true).await;
    assert!(matches!((status, said["code"].as_str()), (404, Some("unknown_attempt")) | (410, Some("ended"))), "{said}");
    let next = house.submit(&ada, long()).await;
    assert_eq!(node.gets(&house).await, next);
    let draft = house.submit(&ada, with(long(), json!({"draft": true}))).await;
    assert_eq!(delete(&house, &ada, &draft).await, (204, String::new()));
    // An administrator may, and it is written down.
    let cancelled = house.submit(&ada, long()).await;
    House::done(house.post(&ada, &format!("/jobs/{cancelled}/cancel"), Value::Null).await);
    assert_eq!(delete(&house, &house.root, &cancelled).await, (204, String::new()));
    let audit = house.order("GET", "/admin/audit", Value::Null).await;
    let entry = &audit["entries"][0];
    assert_eq!(
        (&entry["actor"], &entry["action"], &entry["subject"]),
        (&json!("root"), &json!("job.delete"), &json!(cancelled))
    );
    house.world.check("deleted").await;
}

#[tokio::test]
async fn a_job_and_its_result_are_hidden_and_shown() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    let job = house.submit(&ada, golden()).await;
    let held = node.claim(&house).await.unwrap();
    held.deliver(&house, &Delivery::honest(&held)).await;
    let put = |who: Person, visibility: &'static str| {
        let (house, path) = (&house, format!("/jobs/{job}/visibility"));
        async move { house.ask(&who, "PUT", &path, &[], json!({"visibility": visibility})).await }
    };
    let seen = async |who: &Person| {
        let mut seen = vec![];
        for path in ["", "/history", "/result", "/artifacts/HPL.out", "/certificate"] {
            seen.push(house.get(who, &format!("/jobs/{job}{path}")).await.status);
        }
        seen.push(house.get(who, &format!("/results/{}", held.attempt)).await.status);
        let entries = house.get(who, "/leaderboards/hpl").await.body["entries"].as_array().unwrap().len();
        (seen, entries, house.get(who, "/jobs?owner=ada").await.body["jobs"].as_array().unwrap().len())
    };
    let (all, none) = ((vec![200; 6], 1, 1), (vec![404; 6], 0, 0));
    assert_eq!((seen(&bob).await, seen(&house.nobody).await), (all.clone(), all.clone()));
    assert_eq!(put(bob.clone(), "private").await.verdict(), (403, "forbidden"));
    assert_eq!(put(ada.clone(), "secret").await.verdict().0, 400);
    assert_eq!(House::done(put(ada.clone(), "private").await)["visibility"], "private");
    assert_eq!((seen(&bob).await, seen(&house.nobody).await), (none.clone(), none));
    // Its owner sees it, and no rank of it.
    assert_eq!((seen(&ada).await, seen(&house.root).await), ((vec![200; 6], 0, 1), (vec![200; 6], 0, 1)));
    assert_eq!(put(bob.clone(), "public").await.verdict(), (404, "not_found"), "not even that there is one");
    House::done(put(ada.clone(), "public").await);
    assert_eq!((seen(&bob).await, seen(&house.nobody).await), (all.clone(), all));
}
