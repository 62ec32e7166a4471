//! What administrators may do and others not, and what is written down about it.

use serde_json::{Value, json};
use service::db::{quotas, users};

use crate::support::{PASSWORD, World, call, get, log_in, post};

#[tokio::test]
async fn administrators_only() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let user = json!({"username": "bob", "password": PASSWORD});
    let calls = || {
        [
            get("/admin/users"),
            post("/admin/users", user.clone()),
            post("/admin/users/ada/disable", json!({})),
            post("/admin/users/ada/enable", json!({})),
            post("/admin/invites", json!({})),
            call("PUT", "/admin/quotas/user:ada").json(json!({"running_max": 9})),
            call("DELETE", "/admin/quotas/user:ada"),
            get("/admin/audit"),
        ]
    };
    for call in calls() {
        assert_eq!(call.send(&world).await.verdict(), (401, "unauthenticated"));
    }
    for call in calls() {
        assert_eq!(call.cookie(&cookie).send(&world).await.verdict(), (403, "forbidden"));
    }
    assert_eq!(world.audit().await, ["ada user.signup ada"]);
}

#[tokio::test]
async fn accounts_are_made_listed_and_disabled() {
    let world = World::new(&["--plain-http", "--signup", "closed"]).await;
    let admin = world.admin("grace").await.cookie();
    let make = |name: &str, more: Value| {
        let mut request = json!({"username": name, "password": PASSWORD});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        post("/admin/users", request).cookie(&admin)
    };
    let made = make("ada", json!({"cohort": "hpc-101"})).send(&world).await;
    assert_eq!((made.status, made.body["recovery_codes"].as_array().unwrap().len()), (201, 8));
    assert_eq!(make("ada", json!({})).send(&world).await.verdict(), (409, "username_taken"));
    assert_eq!(make("bob", json!({"cohort": "No Words"})).send(&world).await.verdict(), (422, "invalid"));
    let listed = get("/admin/users?after=b").cookie(&admin).send(&world).await;
    assert_eq!((&listed.body["users"][0]["username"], &listed.body["next"]), (&json!("grace"), &Value::Null));
    assert_eq!(get("/admin/users?page=2").cookie(&admin).send(&world).await.verdict(), (400, "bad_request"));

    let disable = |name: &str| post(&format!("/admin/users/{name}/disable"), json!({})).cookie(&admin);
    assert_eq!(disable("grace").send(&world).await.verdict(), (409, "conflict"));
    assert_eq!(disable("nobody-here").send(&world).await.verdict(), (404, "not_found"));
    let disabled = disable("ada").send(&world).await;
    assert_eq!((disabled.status, disabled.body["disabled_at"].is_i64()), (200, true));
    assert_eq!(log_in("ada", PASSWORD).from("192.0.2.3").send(&world).await.status, 401);
    assert_eq!(disable("ada").send(&world).await.status, 200);
    assert_eq!(post("/admin/users/ada/enable", json!({})).cookie(&admin).send(&world).await.status, 200);
    assert_eq!(log_in("ada", PASSWORD).send(&world).await.status, 200);
    let audit = world.audit().await;
    assert_eq!(audit.iter().filter(|line| *line == "grace user.disable ada").count(), 1, "{audit:?}");
    assert!(audit.contains(&"grace user.enable ada".to_owned()) && audit.contains(&"grace user.create ada".to_owned()));
}

#[tokio::test]
async fn the_users_quota_goes_before_the_cohorts_and_that_before_the_settings() {
    let world = World::open().await;
    let admin = world.admin("grace").await.cookie();
    let request = json!({"username": "ada", "password": PASSWORD, "cohort": "team"});
    post("/admin/users", request).cookie(&admin).send(&world).await;
    let of = async || {
        let mut reader = world.app.db.read().await.unwrap();
        let key = users::by_name(&mut reader, "ada").await.unwrap().unwrap().key;
        let quota = quotas::of(&mut reader, key, &world.app.config).await.unwrap();
        (quota.running_max, quota.queued_max, quota.walltime_max_s)
    };
    let set = |subject: &str, quota: Value| call("PUT", &format!("/admin/quotas/{subject}")).json(quota).cookie(&admin);
    let clear = |subject: &str| call("DELETE", &format!("/admin/quotas/{subject}")).cookie(&admin);
    assert_eq!(of().await, (1, 20, 1800));
    let done = set("cohort:team", json!({"running_max": 2, "walltime_max_s": 60})).send(&world).await;
    assert_eq!((done.status, &done.body["queued_max"]), (200, &Value::Null));
    assert_eq!(of().await, (2, 20, 60));
    assert_eq!(set("user:ada", json!({"running_max": 0, "queued_max": 7})).send(&world).await.status, 200);
    assert_eq!(of().await, (0, 7, 60));
    assert_eq!(clear("user:ada").send(&world).await.status, 204);
    assert_eq!(of().await, (2, 20, 60));
    assert_eq!(clear("user:ada").send(&world).await.verdict(), (404, "not_found"));
    for (subject, quota, expected) in [
        ("user:nobody-here", json!({}), (404, "not_found")),
        ("ada", json!({}), (422, "invalid")),
        ("cohort:", json!({}), (422, "invalid")),
        ("user:ada", json!({"walltime_max_s": 0}), (422, "invalid")),
        ("user:ada", json!({"running_max": -1}), (400, "malformed_json")),
        ("user:ada", json!({"running": 1}), (400, "malformed_json")),
    ] {
        assert_eq!(set(subject, quota).send(&world).await.verdict(), expected, "{subject}");
    }
    let page = get("/admin/audit?action=quota.set").cookie(&admin).send(&world).await;
    let row = &page.body["entries"][0];
    assert_eq!(
        (&row["actor"], &row["subject"], &row["address"]),
        (&json!("grace"), &json!("user:ada"), &json!("192.0.2.1"))
    );
    assert_eq!(row["after"], "running 0, queued 7, walltime - s");
}

#[tokio::test]
async fn the_audit_log_is_read_page_by_page() {
    let world = World::open().await;
    let admin = world.admin("grace").await.cookie();
    for n in 0..5 {
        world.sign_up(&format!("user{n}")).await;
    }
    let mut seen = vec![];
    let mut path = "/admin/audit?limit=2".to_owned();
    loop {
        let page = get(&path).cookie(&admin).send(&world).await;
        seen.extend(page.body["entries"].as_array().unwrap().iter().map(|e| e["subject"].as_str().unwrap().to_owned()));
        let Some(next) = page.body["next"].as_i64() else { break };
        path = format!("/admin/audit?limit=2&before={next}");
    }
    assert_eq!(seen, ["user4", "user3", "user2", "user1", "user0", "grace", "grace"]);
    let one = get("/admin/audit?action=session.begin").cookie(&admin).send(&world).await;
    assert_eq!(one.body["entries"].as_array().unwrap().len(), 1);
    for wrong in ["limit=x", "action=a&action=b", "colour=red"] {
        assert_eq!(get(&format!("/admin/audit?{wrong}")).cookie(&admin).send(&world).await.status, 400, "{wrong}");
    }
}

#[tokio::test]
async fn an_invitation_lets_one_person_in() {
    let world = World::new(&["--plain-http", "--signup", "invite"]).await;
    let admin = world.admin("grace").await.cookie();
    for wrong in [json!({"uses": 0}), json!({"uses": 1001}), json!({"days": 0}), json!({"cohort": "A"})] {
        assert_eq!(post("/admin/invites", wrong).cookie(&admin).send(&world).await.verdict(), (422, "invalid"));
    }
    let made = post("/admin/invites", json!({})).cookie(&admin).send(&world).await;
    let request = json!({"username": "ada", "password": PASSWORD, "invite": made.text("/invite")});
    assert_eq!(post("/signup", request).send(&world).await.status, 201);
}
