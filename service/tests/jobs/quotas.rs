//! How many runs at a time, by settings, cohort and user; and who is not served at all.

use serde_json::{Value, json};

use crate::house::{House, MACHINE, Node, Person, SECOND, long};

async fn nodes(house: &House, count: usize) -> Vec<Node> {
    let mut nodes = vec![];
    for i in 0..count {
        nodes.push(house.node(&format!("node{i}"), MACHINE).await);
    }
    nodes
}

#[tokio::test]
async fn one_run_at_a_time_and_the_others_are_passed_over() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut nodes = nodes(&house, 3).await;
    let first = house.submit(&ada, long()).await;
    let second = house.submit(&ada, long()).await;
    let other = house.submit(&bob, long()).await;
    let held = nodes[0].claim(&house).await.unwrap();
    assert_eq!(held.job, first);
    assert_eq!(nodes[1].gets(&house).await, other, "a second one of ada's would be too many");
    assert_eq!(nodes[2].gets(&house).await, "");
    // A lost one may still run, so it counts.
    held.start(&house).await;
    house.world.advance(200 * SECOND);
    house.world.reap().await;
    assert_eq!(house.state(&ada, &first).await, "lost");
    assert_eq!(nodes[2].gets(&house).await, "");
    held.fail(&house, 2, "benchmark").await;
    assert_eq!(nodes[2].gets(&house).await, second);
}

/// So many of five jobs of ada's are given to nodes at once.
async fn given(house: &House, ada: &Person, nodes: &mut [Node]) -> usize {
    let mut held = vec![];
    for _ in 0..5 {
        house.submit(ada, long()).await;
    }
    for node in nodes.iter_mut() {
        held.extend(node.claim(house).await);
    }
    for held in &held {
        held.run(house, 0).await;
    }
    let page = House::done(house.get(ada, "/jobs?owner=me&state=queued").await);
    for job in page["jobs"].as_array().unwrap() {
        house.post(ada, &format!("/jobs/{}/cancel", job["id"].as_str().unwrap()), Value::Null).await;
    }
    held.len()
}

#[tokio::test]
async fn the_users_quota_goes_over_the_cohorts_and_that_over_the_settings() {
    let house = House::new(&["--running-max", "2"]).await;
    let ada = house.person_of("ada", "class1", false).await;
    let mut nodes = nodes(&house, 5).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 2);
    house.order("PUT", "/admin/quotas/cohort:class1", json!({"running_max": 3})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 3);
    house.order("PUT", "/admin/quotas/cohort:class2", json!({"running_max": 5})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 3, "another cohort's");
    house.order("PUT", "/admin/quotas/user:ada", json!({"running_max": 4})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 4);
    house.order("PUT", "/admin/quotas/user:ada", json!({"running_max": 1})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 1, "also where it is less");
    house.order("PUT", "/admin/quotas/user:ada", json!({"queued_max": 9})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 3, "what is not set is left to the next wider rule");
    house.order("PUT", "/admin/quotas/user:ada", json!({"running_max": 0})).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 0);
    house.order("DELETE", "/admin/quotas/user:ada", Value::Null).await;
    house.order("DELETE", "/admin/quotas/cohort:class1", Value::Null).await;
    assert_eq!(given(&house, &ada, &mut nodes).await, 2);
    house.world.check("quotas").await;
}

#[tokio::test]
async fn who_is_disabled_is_not_served() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    house.submit(&ada, long()).await;
    let other = house.submit(&bob, long()).await;
    house.order("POST", "/admin/users/ada/disable", Value::Null).await;
    let held = node.claim(&house).await.unwrap();
    assert_eq!(held.job, other, "bob's, though ada asked first");
    held.run(&house, SECOND).await;
    assert_eq!(node.gets(&house).await, "");
    house.order("POST", "/admin/users/ada/enable", Value::Null).await;
    house.submit(&ada, long()).await;
    assert_eq!(node.claim(&house).await.unwrap().owner, "ada");
}
