//! Three nodes, five jobs and more, one owner who cancels and gives up. After every few steps nothing in the database
//! breaks a rule; when the network heals, every job comes to an end and every node to rest.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use service::http::caller::Caller;
use service::ops;

use crate::node::{Letter, Node, attempts, deliver};
use crate::world::World;

struct Chaos {
    world: World,
    rng: StdRng,
    nodes: Vec<Node>,
    partitioned: [bool; 3],
    late: Vec<Letter>,
    owner: Caller,
    jobs: Vec<String>,
    given_up: HashSet<String>,
    began: i64,
    healed: bool,
}

impl Chaos {
    async fn new(seed: u64) -> Chaos {
        let world = World::new(&["--running-max", "3", "--queued-max", "1000"]).await;
        let owner = world.user("ada").await;
        let join = world.join_token(3).await;
        let mut nodes = vec![];
        for i in 0..3 {
            nodes.push(Node::join(&world, &format!("node{i}"), &join).await);
        }
        let mut jobs = vec![];
        for _ in 0..5 {
            jobs.push(world.submit(&owner).await);
        }
        let (rng, began) = (StdRng::seed_from_u64(seed), world.now());
        let (late, given_up) = (vec![], HashSet::new());
        Chaos { world, rng, nodes, partitioned: [false; 3], late, owner, jobs, given_up, began, healed: false }
    }

    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.world.now() - self.began).unwrap() + 1000)
    }

    /// One node says one thing, over the network there is.
    async fn talk(&mut self, i: usize) {
        let now = self.now();
        let lost = !self.healed && (self.partitioned[i] || self.rng.random_bool(0.1));
        if self.rng.random_bool(0.3) {
            self.nodes[i].beat(now, &self.world, lost).await;
        }
        let Some((call, letter)) = self.nodes[i].next(now) else { return };
        let dice = if self.healed { 99 } else { self.rng.random_range(0..100) };
        let answer = match dice {
            _ if self.partitioned[i] && !self.healed => None,
            0..10 => None,
            10..20 => {
                deliver(&self.world, &letter).await;
                None
            }
            20..30 => {
                self.late.push(letter);
                None
            }
            30..40 => {
                let answer = deliver(&self.world, &letter).await;
                deliver(&self.world, &letter).await;
                Some(answer)
            }
            _ => Some(deliver(&self.world, &letter).await),
        };
        self.nodes[i].hear(now, &mut self.rng, &call, answer);
    }

    async fn step(&mut self) {
        let (node, now) = (self.rng.random_range(0..3), self.now());
        match self.rng.random_range(0..1000) {
            0..600 => self.talk(node).await,
            600..700 => self.nodes[node].compute(now, &mut self.rng),
            700..780 if !self.late.is_empty() => {
                let at = self.rng.random_range(0..self.late.len());
                let letter = self.late.swap_remove(at);
                deliver(&self.world, &letter).await;
            }
            700..860 => self.world.advance(self.rng.random_range(0..10_000)),
            860..868 => self.world.advance(self.rng.random_range(0..7_200_000)),
            868..930 => self.world.reap().await,
            930..945 => self.partitioned[node] = !self.partitioned[node],
            945..960 => self.nodes[node].restart(now),
            960..968 => {
                let away = self.rng.random_range(0..20_000_000);
                self.world.restart(away).await;
            }
            968..974 => self.nodes[node].reboot(now),
            974..988 => self.owner_acts().await,
            _ => self.jobs.push(self.world.submit(&self.owner).await),
        }
    }

    async fn owner_acts(&mut self) {
        let job = self.jobs[self.rng.random_range(0..self.jobs.len())].clone();
        let (app, owner) = (&self.world.app, &self.owner);
        if self.rng.random_bool(0.3) {
            // One that is over cannot be cancelled.
            let _ = ops::jobs::cancel(app, owner, &job).await;
        } else if self.world.state(owner, &job).await == "lost" && ops::jobs::requeue(app, owner, &job).await.is_ok() {
            self.given_up.insert(job);
        }
    }

    fn nothing_runs_twice(&self, context: &str) {
        let mut running: HashMap<String, Vec<&str>> = HashMap::new();
        for node in self.nodes.iter().filter(|node| node.running) {
            let job = node.disk.as_ref().unwrap().assignment.job.to_string();
            running.entry(job).or_default().push(&node.name);
        }
        for (job, nodes) in running {
            assert!(nodes.len() == 1 || self.given_up.contains(&job), "{context}: {job} runs on {nodes:?}");
        }
    }

    async fn heal(&mut self, context: &str) {
        self.healed = true;
        for letter in std::mem::take(&mut self.late) {
            deliver(&self.world, &letter).await;
        }
        for round in 0..6000 {
            let now = self.now();
            for i in 0..3 {
                self.talk(i).await;
                self.nodes[i].compute(now, &mut self.rng);
            }
            if round % 2 == 0 {
                self.world.advance(2000);
                self.world.reap().await;
            }
            if self.all_over().await {
                return;
            }
        }
        let nodes: Vec<_> = self.nodes.iter().map(|n| (&n.name, &n.disk, &n.agent)).collect();
        panic!("{context}: some jobs never came to an end: {:?}\n{nodes:#?}", self.states().await);
    }

    async fn states(&self) -> Vec<String> {
        let mut states = vec![];
        for job in &self.jobs {
            states.push(self.world.state(&self.owner, job).await);
        }
        states
    }

    async fn all_over(&self) -> bool {
        let over = |s: &String| matches!(s.as_str(), "done" | "failed" | "cancelled" | "expired");
        self.states().await.iter().all(over) && self.nodes.iter().all(|n| n.agent.is_idle())
    }

    /// What the nodes believe to have delivered is what the service has, to the byte.
    async fn nodes_agree(&self, context: &str) {
        for node in &self.nodes {
            assert!(!node.dismissed, "{context}: {} was dismissed", node.name);
            for disk in node.delivered.iter().chain(&node.handed_in) {
                let attempt = disk.assignment.attempt.as_str();
                assert!(self.world.log(attempt).await == disk.log, "{context}: the log of {attempt} differs");
            }
            for (attempt, job) in attempts(&node.delivered) {
                let state = self.world.state(&self.owner, &job).await;
                assert_eq!(state, "done", "{context}: {attempt} of {job} was delivered by {}", node.name);
            }
        }
        let delivered = self.nodes.iter().flat_map(|node| &node.delivered);
        let delivered: Vec<_> = delivered.map(|disk| disk.assignment.job.to_string()).collect();
        for (job, state) in self.jobs.iter().zip(self.states().await) {
            let times = delivered.iter().filter(|d| *d == job).count();
            let kept = |n: &Node| attempts(&n.kept).into_iter().chain(attempts(&n.handed_in)).collect::<Vec<_>>();
            let of_it: Vec<_> = self.nodes.iter().map(|n| (&n.name, kept(n), &n.notes)).collect();
            assert_eq!(times, usize::from(state == "done"), "{context}: {job} is {state}: {of_it:#?}");
        }
    }
}

async fn run(seed: u64, steps: usize) {
    let mut chaos = Chaos::new(seed).await;
    for step in 0..steps {
        chaos.step().await;
        let context = format!("seed {seed}, step {step}");
        chaos.nothing_runs_twice(&context);
        if step % 10 == 0 {
            chaos.world.check(&context).await;
        }
    }
    let context = format!("seed {seed}, healed");
    chaos.heal(&context).await;
    chaos.world.reap().await;
    chaos.world.check(&context).await;
    chaos.nodes_agree(&context).await;
}

#[tokio::test(flavor = "current_thread")]
async fn nodes_and_service_agree_in_the_end() {
    for seed in 0..10 {
        run(seed, 400).await;
    }
}

#[tokio::test(flavor = "current_thread")]
async fn also_after_a_long_time() {
    run(10, 2500).await;
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "takes minutes; part of the soak"]
async fn soak_agreement() {
    for seed in 1000..1150 {
        run(seed, 800).await;
    }
}
