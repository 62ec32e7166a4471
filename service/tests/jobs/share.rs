//! Whose turn it is: who used least of the nodes lately, and short runs first but not for ever.

use serde_json::json;

use crate::house::{DAY, House, MACHINE, Machine, SECOND, lasting, long, with};

#[tokio::test]
async fn who_used_less_lately_is_served_first() {
    let house = House::new(&[]).await;
    let people = [house.person("ada").await, house.person("bob").await, house.person("cleo").await];
    let mut node = house.node("one", MACHINE).await;
    for (who, seconds) in people.iter().zip([400, 200, 100]) {
        house.submit(who, long()).await;
        assert_eq!(node.serve(&house, seconds * SECOND).await, std::slice::from_ref(&who.name));
    }
    // Whoever asks first, and however often: here it is who used most.
    for who in &people {
        for _ in 0..3 {
            house.submit(who, long()).await;
        }
    }
    // Each run takes 70 s: cleo 100, 170; bob 200; cleo 240; bob 270, 340; ada 400.
    let order = node.serve(&house, 70 * SECOND).await;
    assert_eq!(order, ["cleo", "cleo", "bob", "cleo", "bob", "bob", "ada", "ada", "ada"]);
    house.world.check("served").await;
}

#[tokio::test]
async fn two_who_used_the_same_take_turns() {
    let house = House::new(&[]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    for _ in 0..3 {
        house.submit(&ada, long()).await;
    }
    for _ in 0..3 {
        house.submit(&bob, long()).await;
    }
    let order = node.serve(&house, 50 * SECOND).await;
    assert_eq!(order, ["ada", "bob", "ada", "bob", "ada", "bob"]);
}

#[tokio::test]
async fn use_counts_half_as_much_after_a_week() {
    // 600 s of today are more than 1000 s of a week ago, and less than 1000 s of yesterday.
    for (days, first) in [(7, "ada"), (1, "bob")] {
        let house = House::new(&[]).await;
        let (ada, bob) = (house.person("ada").await, house.person("bob").await);
        let mut node = house.node("one", MACHINE).await;
        house.submit(&ada, with(long(), json!({"walltime_s": 1800}))).await;
        node.serve(&house, 1000 * SECOND).await;
        house.world.advance(days * DAY);
        house.submit(&bob, with(long(), json!({"walltime_s": 1800}))).await;
        node.serve(&house, 600 * SECOND).await;

        let said = House::done(house.post(&ada, "/estimate", long()).await);
        let seconds = said["quota"]["recent_node_hours"].as_f64().unwrap() * 3600.0;
        let faded = 1000.0 * (-(days as f64) / 7.0).exp2();
        // The ten minutes of bob's run are part of the time that fades it.
        assert!((seconds / faded - 1.0).abs() < 2e-3, "{seconds} {faded}");

        house.submit(&bob, long()).await;
        house.submit(&ada, long()).await;
        assert_eq!(node.claim(&house).await.unwrap().owner, first, "after {days} days");
    }
}

#[tokio::test]
async fn of_one_owner_the_oldest_job_that_fits_goes_first() {
    let house = House::new(&["--running-max", "9"]).await;
    let ada = house.person("ada").await;
    let (mut small, mut large) =
        (house.node("small", MACHINE).await, house.node("large", Machine { cores: 8, ..MACHINE }).await);
    let wide = house.submit(&ada, with(long(), json!({"needs": {"cores": 8}}))).await;
    let (first, second) = (house.submit(&ada, long()).await, house.submit(&ada, long()).await);
    assert_eq!(small.gets(&house).await, first, "what does not fit holds nobody up");
    assert_eq!(large.gets(&house).await, wide);
    assert_eq!(house.state(&ada, &second).await, "queued");
}

#[tokio::test]
async fn three_short_runs_in_a_row_then_another_one() {
    let house = House::new(&["--running-max", "50", "--queued-max", "50"]).await;
    let (ada, bob) = (house.person("ada").await, house.person("bob").await);
    let mut node = house.node("one", MACHINE).await;
    // Two minutes are short, a second more is not; and short ones of another owner are short ones.
    for _ in 0..2 {
        house.submit(&ada, lasting(121)).await;
    }
    for who in [&ada, &bob] {
        for _ in 0..4 {
            house.submit(who, lasting(120)).await;
        }
    }
    let mut order = String::new();
    while let Some(held) = node.claim(&house).await {
        let express = house.job(&ada, &held.job).await["express"] == true;
        order.push(if express { 's' } else { 'L' });
        held.run(&house, SECOND).await;
    }
    assert_eq!(order, "sssLsssLss", "with nobody else waiting, short ones go on");
}

#[tokio::test]
async fn a_long_run_that_fits_elsewhere_only_lets_short_ones_go_on() {
    let house = House::new(&["--running-max", "50"]).await;
    let ada = house.person("ada").await;
    let mut node = house.node("one", MACHINE).await;
    house.submit(&ada, with(long(), json!({"needs": {"labels": ["elsewhere"]}}))).await;
    for _ in 0..5 {
        house.submit(&ada, lasting(60)).await;
    }
    assert_eq!(node.serve(&house, SECOND).await.len(), 5);
}
