//! Nodes that claim at the same moment, on threads of their own: each job goes to one of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use hpl_spec::api::agent::Assignment;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::daemon::{Call, Daemon};
use crate::world::{Answer, World};

const NODES: usize = 8;
const JOBS: usize = 5;
const ROUNDS: usize = 20;

async fn send(world: &World, call: &Call) -> Answer {
    let body = Body::from(call.body.clone());
    world.send(call.method.clone(), &call.path, &call.token, Some(body), call.json).await
}

/// A daemon that has joined and said hello.
async fn ready(world: &World, name: String, join: String) -> Daemon {
    let mut daemon = Daemon::new(&name, join);
    for _ in 0..2 {
        let call = daemon.next(1).unwrap();
        let answer = send(world, &call).await;
        daemon.hear(&call, Some(&answer));
    }
    daemon
}

/// All of them claim at once. What each was given.
async fn race(world: &Arc<World>, daemons: Vec<Daemon>) -> Vec<(Daemon, Option<Assignment>)> {
    let (line, mut tasks) = (Arc::new(Barrier::new(NODES)), JoinSet::new());
    for mut daemon in daemons {
        let (world, line) = (Arc::clone(world), Arc::clone(&line));
        tasks.spawn(async move {
            let call = daemon.next(1).unwrap();
            line.wait().await;
            let answer = send(&world, &call).await;
            daemon.hear(&call, Some(&answer));
            let given = daemon.run.take().map(|run| run.assignment);
            assert_eq!(given.is_some(), answer.0 == 200, "{answer:?}");
            assert!(given.is_some() || answer.0 == 204, "{answer:?}");
            (daemon, given)
        });
    }
    tasks.join_all().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn eight_nodes_race_for_five_jobs() {
    let world = Arc::new(World::new(&["--running-max", "8"]).await);
    let ada = world.user("ada").await;
    let join = world.join_token(NODES as u32).await;
    let mut daemons = vec![];
    for i in 0..NODES {
        daemons.push(ready(&world, format!("node{i}"), join.clone()).await);
    }
    for round in 0..ROUNDS {
        let mut submitted = BTreeSet::new();
        for _ in 0..JOBS {
            submitted.insert(world.submit(&ada).await);
        }
        let ended = race(&world, daemons).await;
        let given: Vec<&Assignment> = ended.iter().filter_map(|(_, given)| given.as_ref()).collect();
        let jobs: BTreeSet<String> = given.iter().map(|given| given.job.to_string()).collect();
        assert_eq!((given.len(), &jobs), (JOBS, &submitted), "round {round}: five get one each, three get none");
        world.check(&format!("round {round}")).await;
        // The nodes forget what they were given, so that all are free for the next round.
        for given in given {
            service::ops::jobs::cancel(&world.app, &ada, given.job.as_str()).await.unwrap();
        }
        daemons = ended.into_iter().map(|(daemon, _)| daemon).collect();
        free(&world, &mut daemons).await;
        for job in &submitted {
            assert_eq!(world.state(&ada, job).await, "cancelled", "round {round}");
        }
    }
}

/// Each node claims once more without the attempt it was given, by which the service learns that it has none.
async fn free(world: &World, daemons: &mut [Daemon]) {
    for daemon in daemons {
        let call = daemon.next(1).unwrap();
        let answer = send(world, &call).await;
        assert_eq!(answer.0, 204, "{answer:?}");
        daemon.hear(&call, Some(&answer));
    }
}
