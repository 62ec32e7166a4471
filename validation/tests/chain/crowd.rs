//! Three daemons and one service, ten users, cancels and kills: everything is accounted for, and nobody gets more than
//! the others.
//!
//! What is fair: every user wants the same, jobs of the same orders in the same sequence. At the moment when two thirds
//! of the jobs are done, the node seconds of each user (from each claim to the end of that try, or to that moment) are
//! held against the mean of all. They may differ from it by a tenth, or by one job where jobs are so few that one is
//! more than a tenth: a job is not divided.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::audit::Audit;
use super::node::Node;
use super::site::{Site, User};

const USERS: usize = 10;

/// Of one try: when it was claimed and when it was over, in milliseconds.
type Spell = (i64, i64);

fn spells(site: &Site, job: &str) -> Vec<Spell> {
    let mut all: Vec<Spell> = vec![];
    let mut open = None;
    for (kind, event) in site.history(job) {
        let at = event["at"].as_i64().unwrap();
        match kind.as_str() {
            "claimed" => open = Some(at),
            "result_received" | "failed" | "cancelled" | "expired" | "requeued" => {
                all.extend(open.take().map(|from| (from, at)));
            }
            _ => (),
        }
    }
    all
}

fn crowd(jobs_each: usize, kills: usize, cancels: usize, seed: u64) {
    let mut dice = StdRng::seed_from_u64(seed);
    let site = Site::start(&["--queued-max", "100"]);
    let users: Vec<User> = (0..USERS).map(|i| site.user(&format!("user{i}"))).collect();
    let mut nodes: Vec<Node> = (1..=3).map(|i| Node::joined(&site, &format!("n{i}"), None, None)).collect();
    let orders: Vec<u32> = (0..jobs_each).map(|_| dice.random_range(100..=1500)).collect();
    // All is there before the first is given out, so that demand is equal from the beginning.
    let began = Instant::now();
    let mut jobs: Vec<(&User, String)> = vec![];
    let submit = |user: &User, n: u32| site.submit_with(user, json!({ "n": n, "nb": 64, "p": 1, "q": 1 }), 100);
    for n in &orders {
        jobs.extend(users.iter().map(|user| (user, submit(user, *n))));
    }
    let mut unwanted: Vec<(&User, String)> = vec![];
    for _ in 0..cancels {
        let user = &users[dice.random_range(0..USERS)];
        unwanted.push((user, submit(user, dice.random_range(100..=1500))));
    }
    nodes.iter_mut().for_each(Node::start);
    let (mut killed, mut to_cancel) = (0, unwanted.clone());
    loop {
        let open =
            |job: &str| !["done", "failed", "cancelled", "expired"].contains(&site.job(job)["state"].as_str().unwrap());
        let left = jobs.iter().chain(&unwanted).filter(|(_, job)| open(job)).count();
        if left == 0 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60 * jobs_each as u64 + 120), "{left} jobs are left");
        std::thread::sleep(Duration::from_millis(dice.random_range(200..1500)));
        if killed < kills {
            let node = &mut nodes[dice.random_range(0..3)];
            node.kill();
            std::thread::sleep(Duration::from_millis(dice.random_range(0..500)));
            node.start();
            killed += 1;
        }
        if !to_cancel.is_empty() {
            let (user, job) = to_cancel.swap_remove(dice.random_range(0..to_cancel.len()));
            site.cancel(user, &job);
        }
    }
    let took = began.elapsed().as_secs_f64();
    let mut done = 0;
    for (_, job) in &jobs {
        let ended = site.job(job);
        assert_eq!(ended["state"], "done", "{ended:#}\n{:?}", site.kinds(job));
        done += 1;
    }
    let cancelled = unwanted.iter().filter(|(_, job)| site.job(job)["state"] == "cancelled").count();
    println!("{done} jobs done, {cancelled} of {cancels} cancelled in time, {killed} kills, {took:.0} s");
    fair(&site, &users, &jobs, &unwanted);
    let all: Vec<(&User, String)> = jobs.into_iter().chain(unwanted).collect();
    Audit { site: &site, nodes: nodes.iter().collect(), jobs: all, files_refused: false }.hold();
}

fn fair(site: &Site, users: &[User], jobs: &[(&User, String)], unwanted: &[(&User, String)]) {
    let ended_at = |job: &Value| job["state_at"].as_i64().unwrap();
    let mut ends: Vec<i64> = jobs.iter().map(|(_, job)| ended_at(&site.job(job))).collect();
    ends.sort_unstable();
    let at = ends[ends.len() * 2 / 3 - 1];
    let mut longest: i64 = 0;
    let mut seconds = vec![0.0; users.len()];
    let mut finished = vec![0; users.len()];
    for (user, job) in jobs.iter().chain(unwanted) {
        let of = users.iter().position(|u| u.name == user.name).unwrap();
        for (from, to) in spells(site, job) {
            longest = longest.max(to - from);
            seconds[of] += (to.min(at) - from.min(at)) as f64 / 1000.0;
        }
        finished[of] += usize::from(ended_at(&site.job(job)) <= at);
    }
    let mean = seconds.iter().sum::<f64>() / seconds.len() as f64;
    let apart = seconds.iter().map(|s| (s - mean).abs()).fold(0.0, f64::max);
    println!("at two thirds: jobs finished of each user {finished:?}");
    println!(
        "node seconds of each user {seconds:.1?}, mean {mean:.1}, at most {apart:.1} apart ({:.0} %)",
        100.0 * apart / mean
    );
    let allowed = (mean / 10.0).max(longest as f64 / 1000.0);
    assert!(apart <= allowed, "{apart:.1} s apart, {allowed:.1} s allowed (a tenth of the mean, or one job)");
}

#[test]
fn thirty_jobs_of_ten_users_on_three_nodes() {
    crowd(3, 4, 5, 30);
}

#[test]
#[ignore = "two hundred jobs: `cargo xtask soak`"]
fn soak_two_hundred_jobs_of_ten_users_on_three_nodes() {
    crowd(20, 30, 25, 200);
}
