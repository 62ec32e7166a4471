//! How a test lets a daemon talk.

use axum::body::Body;
use serde_json::{Value, json};

use crate::daemon::{Call, Daemon};
use crate::world::{Answer, World};

/// One call over a perfect network.
pub async fn deliver(world: &World, call: &Call) -> Answer {
    let body = Body::from(call.body.clone());
    world.send(call.method.clone(), &call.path, &call.token, Some(body), call.json).await
}

/// A daemon that talks over a perfect network until `enough`.
pub async fn talk_until(world: &World, daemon: &mut Daemon, enough: impl Fn(&Daemon) -> bool) {
    for dice in 0..4000u32 {
        if enough(daemon) {
            return;
        }
        if let Some(call) = daemon.next(dice.wrapping_mul(2_654_435_761) >> 7) {
            let answer = deliver(world, &call).await;
            daemon.hear(&call, Some(&answer));
        }
        world.advance(500);
        world.reap().await;
    }
    panic!("it was never enough");
}

/// A daemon that has joined.
pub async fn one_daemon(world: &World) -> Daemon {
    named_daemon(world, "node").await
}

/// A daemon of that name that has joined.
pub async fn named_daemon(world: &World, name: &str) -> Daemon {
    let mut daemon = Daemon::new(name, world.join_token(1).await);
    talk_until(world, &mut daemon, |d| !d.node.is_empty()).await;
    daemon
}

/// A daemon whose run has started.
pub async fn started(world: &World) -> Daemon {
    let mut daemon = one_daemon(world).await;
    talk_until(world, &mut daemon, |d| d.run.as_ref().is_some_and(|r| r.start_acked)).await;
    daemon
}

/// A call of the attempt that a daemon holds: `beat`, `events`, `finish`.
pub async fn say(world: &World, daemon: &Daemon, what: &str, mut body: Value) -> Answer {
    let run = &daemon.run.as_ref().unwrap().assignment;
    body["fence"] = json!(run.fence);
    world.post(&format!("/agent/v1/attempts/{}/{what}", run.attempt), &run.token, &body).await
}

/// A sign of life.
pub async fn beat(world: &World, daemon: &Daemon, seq: u64) -> Answer {
    say(world, daemon, "beat", json!({ "seq": seq, "phase": "running" })).await
}

/// Status and code of an answer.
pub fn verdict((status, body): &Answer) -> (u16, &str) {
    (status.as_u16(), body["code"].as_str().unwrap_or_default())
}
