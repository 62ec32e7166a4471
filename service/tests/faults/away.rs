//! The service was away for long.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use axum::body::Body;

use crate::daemon::Daemon;
use crate::world::World;

/// A result that was accepted and not yet judged when the service went away is judged however late it comes back.
#[tokio::test]
async fn a_result_is_judged_after_half_a_day() {
    let mut world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let mut daemon = Daemon::new("node", world.join_token(1).await);
    let job = world.submit(&ada).await;
    let mut dice = StdRng::seed_from_u64(1);
    while daemon.delivered.is_empty() {
        if let Some(call) = daemon.next(dice.random()) {
            let body = Some(Body::from(call.body.clone()));
            let answer = world.send(call.method.clone(), &call.path, &call.token, body, call.json).await;
            daemon.hear(&call, Some(&answer));
        }
    }
    assert_eq!(world.state(&ada, &job).await, "verifying");
    world.restart(12 * 3600 * 1000).await;
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
    world.check("judged late").await;
}
