//! Nodes: tokens that were used up, have run out, were revoked, or belong to another node or attempt.

use serde_json::{Value, json};
use service::db::nodes_admin::{self, NewJoinToken};
use service::secret::{Secret, TokenKind};

use crate::support::{Answer, MINUTE, World, at, get, post};

async fn join_token(world: &World) -> String {
    let token = Secret::new(TokenKind::Join);
    let new = NewJoinToken {
        hash: token.hash(),
        labels: vec![],
        trusted: true,
        uses: 1,
        created_by: "test".into(),
        expires_at: world.app.clock.now() + 15 * MINUTE,
    };
    let made = world.app.db.write(move |tx| Box::pin(async move { nodes_admin::create_join_token(tx, &new).await }));
    made.await.unwrap();
    token.reveal().to_owned()
}

async fn join(world: &World, token: &str, name: &str) -> Answer {
    let request = json!({"protocol": 1, "name": name, "machine_id": format!("machine-{name}")});
    at("POST", "/agent/v1/join").json(request).bearer(token).send(world).await
}

/// A node that has joined and said hello: its id and its token.
async fn node(world: &World, name: &str) -> (String, String) {
    let joined = join(world, &join_token(world).await, name).await;
    assert_eq!(joined.status, 201, "{}", joined.body);
    let (id, token) = (joined.text("/node"), joined.text("/token"));
    assert_eq!(hello(world, &id, name, &token).await.status, 200);
    (id, token)
}

async fn hello(world: &World, id: &str, name: &str, token: &str) -> Answer {
    let mut info: Value = serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/node.json")).unwrap();
    info["peak"] = json!({"gflops": 160.0, "cores": 4, "seconds": 0.5});
    let request = json!({
        "protocol": 1, "version": "0.1.0", "machine_id": format!("machine-{name}"), "boot_id": format!("boot-{name}"),
        "info": info, "abilities": {}, "free_disk": 1_u64 << 40, "holding": [],
    });
    at("POST", &format!("/agent/v1/nodes/{id}/hello")).json(request).bearer(token).send(world).await
}

async fn claim(world: &World, name: &str, token: &str) -> Answer {
    let request = json!({
        "boot_id": format!("boot-{name}"), "memory_available": 1_u64 << 36, "free_disk": 1_u64 << 40, "seq": 1,
    });
    at("POST", "/agent/v1/claim").json(request).bearer(token).send(world).await
}

#[tokio::test]
async fn a_join_token_is_good_once_and_not_for_ever() {
    let world = World::open().await;
    let (once, late, revoked) = (join_token(&world).await, join_token(&world).await, join_token(&world).await);
    assert_eq!(join(&world, &once, "one").await.status, 201);
    let again = join(&world, &once, "two").await;
    assert!((401..=409).contains(&again.status), "{}", again.body);
    let end = world.app.db.write(|tx| Box::pin(async move { nodes_admin::revoke_join_token(tx, 3).await }));
    end.await.unwrap();
    let ended = join(&world, &revoked, "three").await;
    world.advance(15 * MINUTE);
    let expired = join(&world, &late, "four").await;
    assert_eq!((again.without_id(), ended.status), (expired.without_id(), 401));
    for other in ["/api/v1/me", "/api/v1/jobs", "/api/v1/admin/users"] {
        assert_eq!(at("GET", other).bearer(&late).send(&world).await.status, 401);
    }
}

#[tokio::test]
async fn a_token_speaks_for_its_own_node_and_attempt() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let ((one, first), (two, second)) = (node(&world, "one").await, node(&world, "two").await);
    assert_eq!(hello(&world, &two, "two", &first).await.verdict(), (403, "forbidden"));
    let run = || json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
    assert_eq!(post("/jobs", run()).cookie(&cookie).send(&world).await.status, 201);
    let eve = world.sign_up("eve").await.cookie();
    assert_eq!(post("/jobs", run()).cookie(&eve).send(&world).await.status, 201);
    let (mine, other) = (claim(&world, "one", &first).await, claim(&world, "two", &second).await);
    assert_eq!((mine.status, other.status), (200, 200), "{} {}", mine.body, other.body);
    let (attempt, token, fence) = (mine.text("/attempt"), mine.text("/token"), mine.body["fence"].as_i64().unwrap());
    let foreign = other.text("/token");
    for (token, fence) in [
        (foreign.as_str(), fence),
        (&first, fence),
        (&second, fence),
        (&token, fence + 1),
        (&token, fence - 1),
        ("", fence),
    ] {
        let beat = json!({"fence": fence, "seq": 1, "phase": "preparing"});
        let calls = [
            at("POST", &format!("/agent/v1/attempts/{attempt}/beat")).json(beat),
            at("PUT", &format!("/agent/v1/attempts/{attempt}/log/out?fence={fence}&offset=0")).json(json!("x")),
            at("PUT", &format!("/agent/v1/attempts/{attempt}/artifacts/HPL.out?fence={fence}&offset=0"))
                .json(json!("x")),
            at("GET", &format!("/agent/v1/attempts/{attempt}/wait?fence={fence}&wait=0")),
        ];
        for call in calls {
            let answer = call.bearer(token).send(&world).await;
            assert!(matches!(answer.status, 401 | 403 | 404 | 409 | 410), "{fence} {}: {}", answer.status, answer.body);
        }
    }
    // The token of an attempt is good for nothing else.
    for answer in [
        at("GET", "/api/v1/me").bearer(&token).send(&world).await,
        hello(&world, &one, "one", &token).await,
        claim(&world, "one", &token).await,
        join(&world, &token, "three").await,
    ] {
        assert_eq!(answer.verdict(), (401, "unauthenticated"), "{}", answer.body);
    }
}

#[tokio::test]
async fn a_revoked_node_is_out() {
    let world = World::open().await;
    let (id, token) = node(&world, "one").await;
    world.app.db.write(|tx| Box::pin(async move { nodes_admin::revoke_node(tx, 1).await })).await.unwrap();
    assert_eq!(claim(&world, "one", &token).await.verdict(), (401, "token_expired"));
    assert_eq!(hello(&world, &id, "one", &token).await.verdict(), (401, "token_expired"));
}

#[tokio::test]
async fn who_is_disabled_has_nothing_running_or_waiting() {
    let world = World::open().await;
    let grace = world.admin("grace").await.cookie();
    let (ada, eve) = (world.sign_up("ada").await.cookie(), world.sign_up("eve").await.cookie());
    let submit = async |cookie: &str| {
        let run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
        post("/jobs", run).cookie(cookie).send(&world).await.text("/jobs/0/id")
    };
    let (runs, waits, held) = (submit(&ada).await, submit(&ada).await, submit(&ada).await);
    let others = submit(&eve).await;
    let hold = post(&format!("/jobs/{held}/hold"), json!({"why": "a test"})).cookie(&grace);
    assert_eq!(hold.send(&world).await.status, 200);
    let (_, token) = node(&world, "one").await;
    let claimed = claim(&world, "one", &token).await;
    assert_eq!(claimed.text("/job"), runs);

    let disabled = post("/admin/users/ada/disable", json!({})).cookie(&grace).send(&world).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    let state = async |job: &str| get(&format!("/jobs/{job}")).cookie(&grace).send(&world).await.text("/state");
    assert_eq!((state(&waits).await, state(&held).await), ("cancelled".into(), "cancelled".into()));
    assert_eq!(state(&others).await, "queued");
    // The node hears of it with its next beat.
    let (attempt, fence) = (claimed.text("/attempt"), claimed.body["fence"].as_i64().unwrap());
    let beat = json!({"fence": fence, "seq": 1, "phase": "preparing"});
    let beat = at("POST", &format!("/agent/v1/attempts/{attempt}/beat")).json(beat).bearer(&claimed.text("/token"));
    let beat = beat.send(&world).await;
    assert!(beat.body.to_string().contains("cancel"), "{}", beat.body);
    let page = get("/admin/audit?action=user.disable").cookie(&grace).send(&world).await;
    assert_eq!(page.text("/entries/0/after"), "1 sessions ended, 3 jobs cancelled");
}

#[tokio::test]
async fn who_joins_and_who_ends_the_job_of_another_is_written_down() {
    let world = World::open().await;
    let grace = world.admin("grace").await.cookie();
    let ada = world.sign_up("ada").await.cookie();
    let (id, _) = node(&world, "one").await;
    let submit = async || {
        let run = json!({"benchmark": "hpl", "parameters": {"n": 2000, "nb": 128, "p": 1, "q": 1}});
        post("/jobs", run).cookie(&ada).send(&world).await.text("/jobs/0/id")
    };
    let (own, others) = (submit().await, submit().await);
    for (job, cookie) in [(&own, &ada), (&others, &grace)] {
        let cancelled = post(&format!("/jobs/{job}/cancel"), json!({})).cookie(cookie).send(&world).await;
        assert_eq!((cancelled.status, cancelled.text("/state")), (200, "cancelled".into()), "{}", cancelled.body);
    }
    let audit = async |action: &str| {
        let page = get(&format!("/admin/audit?action={action}")).cookie(&grace).send(&world).await;
        page.body["entries"].as_array().unwrap().clone()
    };
    let cancels = audit("job.cancel").await;
    assert_eq!(cancels.len(), 1, "what is one's own is nobody else's business: {cancels:?}");
    assert_eq!((&cancels[0]["actor"], &cancels[0]["subject"]), (&json!("grace"), &json!(others)));
    assert_eq!((&cancels[0]["before"], &cancels[0]["after"]), (&json!("queued"), &json!("cancelled")));
    let joins = audit("node.join").await;
    assert_eq!(joins.len(), 1, "{joins:?}");
    assert_eq!(joins[0]["address"], "192.0.2.1");
    assert!(joins[0].to_string().contains("one"), "{joins:?} {id}");
}
