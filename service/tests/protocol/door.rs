//! Who is let in, and who is counted for whom.

use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::Method;
use serde_json::json;
use service::limits::Rates;
use service::secret::{Secret, TokenKind};

use crate::talk::{beat, started, verdict};
use crate::world::{Answer, World, node_info};

#[tokio::test]
async fn strangers_cannot_use_up_what_an_attempt_may_say() {
    let rates = Rates { agent_per_minute: 200, anonymous_per_minute: 300, ..Rates::unlimited() };
    let world = World::with_rates(&[], rates).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let daemon = started(&world).await;
    let attempt = daemon.run.as_ref().unwrap().assignment.attempt.clone();
    let path = format!("/agent/v1/attempts/{attempt}/beat");
    let foreign = Secret::new(TokenKind::Attempt);
    let mut heard = vec![];
    for seq in 0..310 {
        let body = json!({ "fence": 1, "seq": seq, "phase": "running" });
        let token = if seq % 2 == 0 { foreign.reveal() } else { "" };
        heard.push(world.post(&path, token, &body).await.0.as_u16());
    }
    assert_eq!((heard[0], heard[250], heard[309]), (401, 401, 429), "strangers are counted by address");
    assert_eq!(beat(&world, &daemon, 5000).await.0, 200);
}

#[tokio::test]
async fn a_node_that_says_too_much_is_told_when_to_come_again() {
    let world = World::with_rates(&[], Rates { agent_per_minute: 60, ..Rates::unlimited() }).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let daemon = started(&world).await;
    for seq in 0..60 {
        beat(&world, &daemon, 5000 + seq).await;
    }
    assert_eq!(verdict(&beat(&world, &daemon, 6000).await), (429, "rate_limited"));
}

#[tokio::test]
async fn the_health_of_the_service_is_asked_for_within_limits() {
    let world = World::with_rates(&[], Rates { anonymous_per_minute: 5, ..Rates::unlimited() }).await;
    for path in ["/healthz", "/readyz", "/healthz", "/readyz", "/healthz"] {
        assert_eq!(world.send(Method::GET, path, "", None, true).await.0, 200);
    }
    assert_eq!(verdict(&world.send(Method::GET, "/healthz", "", None, true).await), (429, "rate_limited"));
}

#[tokio::test]
async fn nothing_is_read_from_whom_is_not_known() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    world.submit(&ada).await;
    let daemon = started(&world).await;
    let attempt = daemon.run.as_ref().unwrap().assignment.attempt.clone();
    let token = Secret::new(TokenKind::Attempt);
    let node = Secret::new(TokenKind::Node);
    let finish = format!("/agent/v1/attempts/{attempt}/finish");
    let unknown = "/agent/v1/attempts/0190f5fe-7c00-7a3b-8b1e-0123456789ab/finish";
    for (path, token, expected) in [
        (finish.as_str(), token.reveal(), 401),
        (unknown, token.reveal(), 404),
        ("/agent/v1/orphans", node.reveal(), 401),
        ("/agent/v1/claim", node.reveal(), 401),
    ] {
        // A body that never comes: whoever waits for it waits for ever.
        let never = Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
        let answer = world.send(Method::POST, path, token, Some(never), true);
        let answer = tokio::time::timeout(Duration::from_secs(5), answer).await;
        assert_eq!(answer.unwrap_or_else(|_| panic!("{path} waits for the body")).0, expected, "{path}");
    }
}

async fn join(world: &World, token: &str, machine: &str) -> Answer {
    let body = json!({ "protocol": 1, "name": "node", "machine_id": machine });
    world.post("/agent/v1/join", token, &body).await
}

#[tokio::test]
async fn a_join_whose_answer_was_lost_is_answered_again() {
    let world = World::new(&[]).await;
    let token = world.join_token(2).await;
    let first = join(&world, &token, "one").await;
    let again = join(&world, &token, "one").await;
    assert_eq!((first.0.as_u16(), &first.1), (201, &again.1), "the same answer");
    let other = join(&world, &token, "two").await;
    assert_eq!(other.0, 201, "and nothing was used up");
    assert_ne!(other.1["token"], first.1["token"]);
    assert_eq!(join(&world, &token, "one").await.1, first.1, "also of a token that is used up");
    assert_eq!(verdict(&join(&world, &token, "three").await), (401, "token_expired"));
    // Once it has said hello it has heard the answer: who joins now is another node, or a thief.
    let path = format!("/agent/v1/nodes/{}/hello", first.1["node"].as_str().unwrap());
    let hello = json!({ "protocol": 1, "version": "test", "machine_id": "one", "boot_id": "boot",
                        "info": node_info("node"), "free_disk": 1u64 << 40 });
    assert_eq!(world.post(&path, first.1["token"].as_str().unwrap(), &hello).await.0, 200);
    assert_eq!(verdict(&join(&world, &token, "one").await), (401, "token_expired"));
    let more = world.join_token(3).await;
    let anew = join(&world, &more, "one").await.1;
    assert!(anew["token"] != first.1["token"] && anew["node"] != first.1["node"]);
    world.check("joined").await;
}

#[tokio::test]
async fn a_cluster_behind_one_address_joins_at_once() {
    let world = World::with_rates(&[], Rates::default()).await;
    let token = world.join_token(100).await;
    for machine in 0..100 {
        assert_eq!(join(&world, &token, &machine.to_string()).await.0, 201);
    }
}
