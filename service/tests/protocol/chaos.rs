//! Three daemons, five jobs, and a network that loses, doubles, delays and reorders calls, under a clock that jumps,
//! with restarts of everything. After every step nothing in the database breaks a rule; when the network heals, every
//! job comes to an end, nothing accepted is lost, and nothing ran twice.

use std::collections::{HashMap, HashSet};

use axum::body::Body;
use hpl_spec::job::FailClass;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use service::http::caller::Caller;
use service::ops;

use crate::daemon::{Call, Daemon, Delivered};
use crate::world::{Answer, World};

struct Chaos {
    world: World,
    rng: StdRng,
    daemons: Vec<Daemon>,
    partitioned: [bool; 3],
    /// Calls that are still on their way, for nobody waits for their answers any more.
    late: Vec<Call>,
    owner: Caller,
    jobs: Vec<String>,
    /// Jobs of which a second run was asked for while the first might still run.
    given_up: HashSet<String>,
    /// Jobs that their owner wanted to end.
    cancelled: HashSet<String>,
    healed: bool,
}

impl Chaos {
    async fn new(seed: u64) -> Chaos {
        let world = World::new(&["--running-max", "3"]).await;
        let owner = world.user("ada").await;
        let join = world.join_token(3).await;
        let mut daemons: Vec<_> = (0..3).map(|i| Daemon::new(&format!("node{i}"), join.clone())).collect();
        daemons.iter_mut().for_each(|d| d.clumsy = true);
        let mut jobs = vec![];
        for _ in 0..5 {
            jobs.push(world.submit(&owner).await);
        }
        let rng = StdRng::seed_from_u64(seed);
        Chaos {
            world,
            rng,
            daemons,
            partitioned: [false; 3],
            late: vec![],
            owner,
            jobs,
            given_up: HashSet::new(),
            cancelled: HashSet::new(),
            healed: false,
        }
    }

    async fn deliver(&self, call: &Call) -> Answer {
        let body = Body::from(call.body.clone());
        self.world.send(call.method.clone(), &call.path, &call.token, Some(body), call.json).await
    }

    /// One daemon says one thing, over the network there is. If its join token has run out before it heard an answer, an
    /// administrator makes another one.
    async fn talk(&mut self, i: usize) {
        if self.daemons[i].must_ask {
            self.daemons[i].must_ask = false;
            self.daemons[i].join = self.world.join_token(1).await;
        }
        let dice = self.rng.random_range(0..1_000_000);
        let Some(call) = self.daemons[i].next(dice) else { return };
        if self.healed {
            let answer = self.deliver(&call).await;
            return self.daemons[i].hear(&call, Some(&answer));
        }
        if self.partitioned[i] {
            return self.daemons[i].hear(&call, None);
        }
        match self.rng.random_range(0..100) {
            // lost on the way there
            0..10 => self.daemons[i].hear(&call, None),
            // arrives, but the answer is lost
            10..20 => {
                self.deliver(&call).await;
                self.daemons[i].hear(&call, None);
            }
            // arrives late, when nobody waits for it any more
            20..30 => {
                self.late.push(call.clone());
                self.daemons[i].hear(&call, None);
            }
            // arrives twice
            30..40 => {
                let answer = self.deliver(&call).await;
                self.daemons[i].hear(&call, Some(&answer));
                self.deliver(&call).await;
            }
            _ => {
                let answer = self.deliver(&call).await;
                self.daemons[i].hear(&call, Some(&answer));
            }
        }
    }

    async fn step(&mut self) {
        let daemon = self.rng.random_range(0..3);
        match self.rng.random_range(0..1000) {
            0..700 => self.talk(daemon).await,
            700..780 if !self.late.is_empty() => {
                let at = self.rng.random_range(0..self.late.len());
                let call = self.late.swap_remove(at);
                self.deliver(&call).await;
            }
            700..860 => self.world.advance(self.rng.random_range(0..30_000)),
            860..870 => self.world.advance(self.rng.random_range(0..7_200_000)),
            870..940 => self.world.reap().await,
            940..960 => self.partitioned[daemon] = !self.partitioned[daemon],
            960..970 => {
                let away = self.rng.random_range(0..20_000_000);
                self.world.restart(away).await;
            }
            970..975 => self.daemons[daemon].reboot(),
            975..990 => self.owner_acts().await,
            _ => self.jobs.push(self.world.submit(&self.owner).await),
        }
    }

    async fn owner_acts(&mut self) {
        let job = self.jobs[self.rng.random_range(0..self.jobs.len())].clone();
        let (app, owner) = (&self.world.app, &self.owner);
        if self.rng.random_bool(0.3) {
            if ops::jobs::cancel(app, owner, &job).await.is_ok() {
                self.cancelled.insert(job);
            }
        } else if self.world.state(owner, &job).await == "lost" && ops::jobs::requeue(app, owner, &job).await.is_ok() {
            self.given_up.insert(job);
        }
    }

    /// No job has two processes that the service has said yes to, unless its owner gave the first one up.
    fn nothing_runs_twice(&self, context: &str) {
        let mut running: HashMap<String, Vec<&str>> = HashMap::new();
        for daemon in &self.daemons {
            if let Some(run) = daemon.run.as_ref().filter(|r| r.running && r.start_acked) {
                running.entry(run.assignment.job.to_string()).or_default().push(&daemon.name);
            }
        }
        for (job, daemons) in running {
            assert!(daemons.len() == 1 || self.given_up.contains(&job), "{context}: {job} runs on {daemons:?}");
        }
    }

    /// The network heals. Everything comes to an end.
    async fn heal(&mut self, context: &str) {
        self.healed = true;
        let late = std::mem::take(&mut self.late);
        for call in late {
            self.deliver(&call).await;
        }
        for round in 0..4000 {
            for i in 0..3 {
                self.talk(i).await;
            }
            if round % 5 == 0 {
                self.world.advance(2000);
                self.world.reap().await;
            }
            if self.all_over().await {
                return;
            }
        }
        panic!("{context}: some jobs never came to an end: {:?}", self.states().await);
    }

    async fn states(&self) -> Vec<String> {
        let mut states = vec![];
        for job in &self.jobs {
            states.push(self.world.state(&self.owner, job).await);
        }
        states
    }

    /// What the journals of the daemons say of each job's end holds of what the service says.
    async fn journals_agree(&self, context: &str) {
        for id in &self.jobs {
            let job = ops::jobs::get(&self.world.app, &self.owner, id).await.unwrap();
            let (state, failure) = (job.state.name(), job.failure);
            let told: Vec<_> = self.daemons.iter().flat_map(|d| &d.journal).filter(|t| t.job == *id).collect();
            let context = format!("{context}: {id} is {state}, {failure:?}");
            for (how, answered) in told.iter().filter_map(|t| Some((t.how, t.answered.as_deref()?))) {
                match (how, answered) {
                    ("completed", "verifying" | "done") => assert_eq!(state, "done", "{context}"),
                    ("completed", _) => panic!("{context}: a result was answered with {answered}"),
                    (_, answered) if is_over(answered) => assert_eq!(state, answered, "{context}"),
                    // Tried again, and so ends as another try did.
                    _ => (),
                }
            }
            let said = |how: &str| told.iter().any(|t| t.how == how);
            let accepted = told.iter().filter(|t| t.how == "completed" && t.answered.is_some()).count();
            assert!(accepted <= 1, "{context}: {accepted} results were accepted");
            let implied = match (state, failure.as_ref().map(|f| (f.class, f.code.as_str()))) {
                ("done", None) => said("completed"),
                ("cancelled", _) => self.cancelled.contains(id),
                ("failed", Some((FailClass::Benchmark, "clumsy"))) => said("benchmark"),
                ("failed", Some((FailClass::Policy, "clumsy"))) => said("policy"),
                ("failed", Some((FailClass::Infra, "clumsy"))) => said("infra") && job.attempts >= 3,
                ("failed", Some((FailClass::Infra, "node_lost" | "node_reboot" | "node_forgot" | "not_started"))) => {
                    job.attempts >= 3
                }
                // Silence, of which no journal tells.
                ("failed", Some((FailClass::Infra, "not_delivered") | (FailClass::Policy, "walltime")))
                | ("expired", None) => true,
                _ => false,
            };
            assert!(implied, "{context}, which no journal implies");
        }
    }

    async fn all_over(&self) -> bool {
        let over = |s: &String| matches!(s.as_str(), "done" | "failed" | "cancelled" | "expired");
        self.states().await.iter().all(over)
            && self.daemons.iter().all(|d| d.run.is_none() && d.orphans.is_empty() && d.kept.is_empty())
    }
}

fn is_over(state: &str) -> bool {
    matches!(state, "done" | "failed" | "cancelled" | "expired")
}

async fn run(seed: u64, steps: usize) {
    let mut chaos = Chaos::new(seed).await;
    for step in 0..steps {
        chaos.step().await;
        let context = format!("seed {seed}, step {step}");
        chaos.nothing_runs_twice(&context);
        if step % 5 == 0 {
            chaos.world.check(&context).await;
        }
    }
    let context = format!("seed {seed}, healed");
    chaos.heal(&context).await;
    chaos.world.reap().await;
    chaos.world.check(&context).await;
    chaos.journals_agree(&context).await;
    for daemon in &chaos.daemons {
        for delivered in &daemon.delivered {
            let Delivered { job, attempt, log } = delivered;
            assert!(chaos.world.log(attempt).await == *log, "{context}: the log of {attempt} differs");
            assert_eq!(chaos.world.state(&chaos.owner, job).await, "done", "{context}: {attempt}");
        }
        for Delivered { attempt, log, .. } in &daemon.whole {
            assert!(chaos.world.log(attempt).await == *log, "{context}: the log of the orphan {attempt} differs");
        }
    }
}

macro_rules! seeds {
    ($($name:ident: $range:expr, $steps:expr;)*) => {
        $(
            #[tokio::test(flavor = "current_thread")]
            async fn $name() {
                for seed in $range {
                    run(seed, $steps).await;
                }
            }
        )*
    };
}

seeds! {
    chaos_first: 0..5, 400;
    chaos_second: 5..10, 400;
    chaos_long: 10..12, 1500;
}

#[tokio::test(flavor = "current_thread")]
#[ignore = "takes minutes; part of the soak"]
async fn soak_chaos() {
    for seed in 1000..1150 {
        run(seed, 800).await;
    }
}
