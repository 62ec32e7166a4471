//! Every rule fires where it should, is silent just short of that, and says what is missing; whatever was sent.

use std::collections::{BTreeMap, BTreeSet};

use hpl_spec::account::{Account, Loss, Sent, Spread, Timers, Waterfall};
use hpl_spec::api::agent::Sample;
use hpl_spec::report::{Around, Phases, RunReport, SweepReport, Tally, Verdict};
use hpl_spec::{NodeInfo, RunParams};
use serde_json::json;

use super::*;

mod hostile;

/// A run and all about it.
struct World {
    parameters: Value,
    report: SweepReport,
    evidence: Option<Evidence>,
    node: Option<NodeInfo>,
    samples: Vec<Sample>,
    percent: Option<f64>,
    score: f64,
    history: Vec<Past>,
}

const GB: f64 = 1e9;

fn parameters(n: u64, nb: u64, p: u64, q: u64) -> Value {
    json!({"n": n, "nb": nb, "p": p, "q": q, "depth": 1, "bcast": "ring_m", "swap": "spread_roll", "equil": true})
}

/// Per cent of the time, in the order of the way.
fn losses(percent: [f64; 9]) -> Vec<Loss> {
    let names = [
        "at the FMA peak",
        "kernel shortfall",
        "panel",
        "pivot exchange",
        "row swap",
        "panel broadcast",
        "solve",
        "imbalance",
        "idle",
    ];
    names.iter().zip(percent).map(|(name, percent)| Loss { what: (*name).into(), seconds: 3.6 * percent }).collect()
}

/// Nothing is wrong: 80 % of the peak of four cores, six minutes, most of the memory, two runs before.
fn healthy() -> World {
    let account = Account {
        timers: Timers::default(),
        ranks: Spread::default(),
        sent: Sent::default(),
        panels_under_way: 1.0,
        panels_waited_for: 0.5,
        waterfall: Waterfall {
            peak: 160.0,
            threads: 4,
            losses: losses([80.0, 8.0, 4.0, 1.0, 2.0, 1.0, 1.0, 2.0, 1.0]),
        },
    };
    let run = RunReport {
        params: RunParams::new(40_960, 256, 2, 2),
        threshold: 16.0,
        started: String::new(),
        ended: String::new(),
        seconds: 360.0,
        gflops: 128.0,
        phases: Phases::default(),
        idle: vec![vec![0.04], vec![0.05], vec![0.05], vec![0.05]],
        account: Some(account),
        around: Around { generate: 5.0, verify: 6.0 },
        verdict: Verdict::Unchecked,
    };
    let report = SweepReport {
        program: "xhpl".into(),
        version: "1".into(),
        kernel: "avx2-12x4".into(),
        threads: 1,
        ranks: 4,
        profile: None,
        peak_memory: 1,
        reports: vec![run],
        tally: Tally::default(),
        cancelled: None,
    };
    let mut node: NodeInfo = serde_json::from_str(include_str!("../../../hpl-spec/tests/golden/node.json")).unwrap();
    (node.cores, node.pus, node.memory_total) = (4, 4, 16_000_000_000);
    node.huge_pages = "madvise".into();
    let evidence = json!({
        "elapsed_s": 375.0, "cpu_s": 1410.0, "binary_sha256": "00", "launch": [], "boot_id": "b", "oversubscribed": false,
        "network_open": false, "daemon_cpu_s": 0.0, "log_missing_bytes": 0, "dropped_samples": 0,
        "environment": {"huge_pages": "madvise"},
    });
    World {
        parameters: parameters(40_960, 256, 2, 2),
        report,
        evidence: Some(serde_json::from_value(evidence).unwrap()),
        node: Some(node),
        samples: (0..72).map(|i| sample(5 * i)).collect(),
        percent: Some(80.0),
        score: 128.0,
        history: vec![
            Past { parameters: parameters(40_960, 128, 2, 2), score: 120.0 },
            Past { parameters: parameters(40_960, 256, 2, 2), score: 127.0 },
        ],
    }
}

fn sample(at_s: u64) -> Sample {
    let values = [
        ("cpu_busy_ratio", 0.99),
        ("cpu_stolen_ratio", 0.0),
        ("clock_mean_hz", 3.0 * GB),
        ("temperature_max_celsius", 70.0),
        ("power_w", 120.0),
        ("swap_used_bytes", 1e6),
        ("memory_total_bytes", 16.0 * GB),
        ("memory_available_bytes", 2.0 * GB),
        ("load_tasks", 4.1),
        ("pressure_memory_ratio", 0.0),
    ];
    let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let per_core = [("clock_hz", vec![3.0 * GB; 4]), ("cpu_busy_ratio", vec![0.99; 4])];
    let per_core: BTreeMap<String, Vec<f64>> = per_core.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
    Sample { at_ms: 1000 * at_s, values, per_core }
}

impl World {
    fn diagnosis(&self) -> Diagnosis {
        let report = serde_json::to_value(&self.report).unwrap();
        self.with_report(&report)
    }

    fn with_report(&self, report: &Value) -> Diagnosis {
        let mut watched = Watched::default();
        self.samples.iter().for_each(|sample| watched.see(sample));
        let id = "0190f5fe-7c00-7a3b-8b1e-aa0000000001".parse().unwrap();
        diagnose(&Case {
            id: &id,
            parameters: &self.parameters,
            report,
            evidence: self.evidence.as_ref(),
            node: self.node.as_ref(),
            watched: &watched,
            score: self.score,
            unit: "Gflop/s",
            percent: self.percent,
            history: &self.history,
        })
    }

    fn run(&mut self) -> &mut RunReport {
        &mut self.report.reports[0]
    }

    fn node(&mut self) -> &mut NodeInfo {
        self.node.as_mut().unwrap()
    }

    /// Of the way, so many per cent for a step, taken from what is at the peak.
    fn step(&mut self, name: &str, percent: f64) {
        let way = &mut self.run().account.as_mut().unwrap().waterfall.losses;
        let step = way.iter().position(|loss| loss.what == name).unwrap();
        let more = 3.6 * percent - way[step].seconds;
        way[step].seconds += more;
        way[0].seconds -= more;
    }

    /// A figure of the samples from a second on.
    fn from(&mut self, at_s: u64, name: &str, value: f64) {
        for sample in self.samples.iter_mut().filter(|sample| sample.at_ms >= 1000 * at_s) {
            sample.values.insert(name.to_owned(), value);
        }
    }

    fn clock_from(&mut self, at_s: u64, hz: f64) {
        for sample in self.samples.iter_mut().filter(|sample| sample.at_ms >= 1000 * at_s) {
            sample.per_core.insert("clock_hz".to_owned(), vec![hz; 4]);
        }
    }

    fn shape(&mut self, n: u64, nb: u64, p: u64, q: u64) {
        self.parameters = parameters(n, nb, p, q);
        self.history.clear();
    }
}

fn fired(diagnosis: &Diagnosis) -> BTreeSet<&str> {
    diagnosis.causes.iter().map(|cause| cause.code.as_str()).collect()
}

#[test]
fn nothing_stands_out_of_a_healthy_run() {
    let found = healthy().diagnosis();
    assert_eq!(fired(&found), BTreeSet::new(), "{:#?}", found.causes);
    assert!(found.rules.iter().all(|rule| rule.outcome == RuleOutcome::Clear), "{:#?}", found.rules);
    assert_eq!(
        found.summary,
        "Nothing stands out. The run reached 80 % of the node's measured peak. 60 to 90 % on one node is healthy."
    );
    let mut low = healthy();
    low.percent = Some(40.0);
    let summary = low.diagnosis().summary;
    assert!(summary.ends_with("Below 60 % something is usually wrong, but none of our rules found it."), "{summary}");
    let codes: BTreeSet<&str> = RULES.iter().map(|rule| rule.code).collect();
    assert_eq!(codes.len(), RULES.len(), "a code names one rule");
    assert!(RULES.iter().all(|rule| rule.reason.len() > 20 && !rule.threshold.is_empty()));
}

/// A rule, what makes it fire, what is just short of that, and what else then fires as well.
type Row = (&'static str, fn(&mut World), fn(&mut World), &'static [&'static str]);

/// Sets clocks, heat and memory.
const OF_THE_MACHINE: &[Row] = &[
    ("clocks_fell", |w| w.clock_from(90, 2.4 * GB), |w| w.clock_from(90, 2.9 * GB), &[]),
    ("hot", |w| w.from(100, "temperature_max_celsius", 95.0), |w| w.from(100, "temperature_max_celsius", 94.9), &[]),
    ("swapped", |w| w.from(200, "swap_used_bytes", 3.0 * GB), |w| w.from(200, "swap_used_bytes", 60e6), &[]),
    (
        "memory_full",
        |w| w.from(200, "memory_available_bytes", 0.1 * GB),
        |w| w.from(200, "memory_available_bytes", 0.4 * GB),
        &[],
    ),
    (
        "memory_pressure",
        |w| w.from(180, "pressure_memory_ratio", 0.2),
        |w| w.from(180, "pressure_memory_ratio", 0.03),
        &[],
    ),
    ("cpu_stolen", |w| w.from(180, "cpu_stolen_ratio", 0.1), |w| w.from(180, "cpu_stolen_ratio", 0.01), &[]),
    ("other_load", |w| w.from(60, "load_tasks", 5.5), |w| w.from(60, "load_tasks", 5.1), &[]),
    (
        "cpu_missing",
        // Four threads that rested 4 to 5 % of six minutes computed for 1371.6 s.
        |w| w.evidence.as_mut().unwrap().cpu_s = Some(1371.6 * 0.94),
        |w| w.evidence.as_mut().unwrap().cpu_s = Some(1371.6 * 0.96),
        &[],
    ),
    ("cores_unused", |w| w.node().cores = 6, |w| w.node().cores = 4, &[]),
    ("oversubscribed", |w| w.node().cores = 2, |w| w.node().cores = 4, &[]),
    (
        "huge_pages_off",
        |w| drop(w.evidence.as_mut().unwrap().environment.insert("huge_pages".into(), "never".into())),
        |w| drop(w.evidence.as_mut().unwrap().environment.insert("huge_pages".into(), "always".into())),
        &[],
    ),
];

const OF_THE_WAY: &[Row] = &[
    ("kernel_untuned", |w| w.report.kernel = "faer".into(), |w| w.report.kernel = "avx512-24x8".into(), &[]),
    ("kernel_short", |w| w.step("kernel shortfall", 20.5), |w| w.step("kernel shortfall", 19.5), &[]),
    ("panel_dear", |w| w.step("panel", 10.5), |w| w.step("panel", 9.5), &[]),
    ("pivot_dear", |w| w.step("pivot exchange", 5.5), |w| w.step("pivot exchange", 4.5), &[]),
    ("broadcast_waited", |w| w.step("panel broadcast", 5.5), |w| w.step("panel broadcast", 4.5), &[]),
    ("swap_dear", |w| w.step("row swap", 8.5), |w| w.step("row swap", 7.5), &[]),
    (
        "rank_late",
        |w| w.run().idle = vec![vec![0.1], vec![0.1], vec![0.03], vec![0.1]],
        |w| w.run().idle = vec![vec![0.1], vec![0.1], vec![0.06], vec![0.1]],
        &[],
    ),
    ("threads_waited", |w| w.step("imbalance", 8.5), |w| w.step("imbalance", 7.5), &[]),
    ("idle", |w| w.step("idle", 10.5), |w| w.step("idle", 9.5), &[]),
];

const OF_THE_SIZE: &[Row] = &[
    ("grid", |w| w.shape(40_960, 256, 4, 1), |w| w.shape(40_960, 256, 1, 4), &[]),
    (
        "problem_small",
        |w| {
            w.shape(10_240, 256, 2, 2);
            w.percent = Some(70.0);
        },
        |w| w.shape(10_240, 256, 2, 2),
        &[],
    ),
    ("nb_not_best", |w| w.history[0].score = 132.0, |w| w.history[0].score = 131.5, &[]),
    ("nb_unusual", |w| w.shape(40_000, 32, 2, 2), |w| w.shape(40_960, 512, 2, 2), &[]),
    ("slower_than_before", |w| w.history[1].score = 135.0, |w| w.history[1].score = 134.0, &[]),
    ("block_cut", |w| w.shape(41_000, 256, 2, 2), |w| w.shape(256 * 160, 256, 2, 2), &[]),
    (
        "setup_long",
        |w| w.evidence.as_mut().unwrap().elapsed_s = 730.0,
        |w| w.evidence.as_mut().unwrap().elapsed_s = 710.0,
        &[],
    ),
];

#[test]
fn every_rule_fires_and_is_silent_just_short_of_it() {
    let rows: Vec<&Row> = [OF_THE_MACHINE, OF_THE_WAY, OF_THE_SIZE].into_iter().flatten().collect();
    let tested: Vec<&str> = rows.iter().map(|(code, ..)| *code).collect();
    assert_eq!(tested, RULES.map(|rule| rule.code), "every rule has a row here, in the order of the table");
    for (code, fires, near, others) in rows {
        let mut world = healthy();
        fires(&mut world);
        let found = world.diagnosis();
        let expected: BTreeSet<&str> = others.iter().copied().chain([*code]).collect();
        assert_eq!(fired(&found), expected, "{code}: {:#?}", found.causes);
        let cause = found.causes.iter().find(|cause| cause.code == *code).unwrap();
        assert!(!cause.facts.is_empty() && !cause.why.is_empty() && !cause.next.is_empty(), "{cause:#?}");
        assert!(cause.facts.iter().all(|fact| fact.value.is_finite() && !fact.text.is_empty()), "{cause:#?}");
        assert!(cause.headline.ends_with('.') && !cause.headline.contains("{}"), "{cause:#?}");
        let look = found.rules.iter().find(|rule| rule.code == *code).unwrap();
        assert_eq!((look.outcome, &look.seen), (RuleOutcome::Fired, &cause.headline));
        let mut world = healthy();
        near(&mut world);
        let found = world.diagnosis();
        assert_eq!(fired(&found), BTreeSet::new(), "{code}, just short: {:#?}", found.causes);
        let look = found.rules.iter().find(|rule| rule.code == *code).unwrap();
        assert_eq!(look.outcome, RuleOutcome::Clear, "{code}, just short: {look:?}");
    }
}

#[test]
fn clocks_say_when_they_fell_what_it_cost_and_why() {
    let mut world = healthy();
    world.clock_from(90, 2.4 * GB);
    let cause = world.diagnosis().causes.remove(0);
    assert_eq!(cause.at_s, Some(90.0));
    // A fifth slower in 54 of 72 samples.
    assert!((cause.cost_percent.unwrap() - 20.0 * 54.0 / 72.0).abs() < 1e-6, "{cause:?}");
    assert_eq!(cause.severity, Severity::Severe);
    assert!(cause.headline.contains("After 90 s") && cause.headline.contains("power limit is likely"), "{cause:?}");
    world.from(80, "temperature_max_celsius", 92.0);
    assert!(world.diagnosis().causes[0].headline.contains("was hot"));
    // Cores without work rest; that is no lower clock of the run.
    let mut world = healthy();
    for sample in &mut world.samples[20..] {
        sample.per_core.insert("clock_hz".into(), vec![3.0 * GB, 3.0 * GB, 0.8 * GB, 0.8 * GB]);
        sample.per_core.insert("cpu_busy_ratio".into(), vec![0.99, 0.99, 0.01, 0.01]);
        sample.values.insert("clock_mean_hz".into(), 1.9 * GB);
    }
    assert_eq!(fired(&world.diagnosis()), BTreeSet::new());
    // A dip of two samples is none, and before and after the run nobody cares.
    let mut world = healthy();
    for at in [30, 31] {
        world.samples[at].per_core.insert("clock_hz".into(), vec![1.0 * GB; 4]);
    }
    for sample in &mut world.samples[50..] {
        sample.values.insert("cpu_busy_ratio".into(), 0.02);
        sample.per_core.insert("clock_hz".into(), vec![0.8 * GB; 4]);
    }
    assert_eq!(fired(&world.diagnosis()), BTreeSet::new());
}

#[test]
fn what_cost_most_comes_first() {
    let mut world = healthy();
    world.step("panel", 12.0);
    world.step("kernel shortfall", 25.0);
    world.shape(41_000, 256, 2, 2);
    world.from(100, "temperature_max_celsius", 99.0);
    world.from(200, "swap_used_bytes", 3.0 * GB);
    let found = world.diagnosis();
    let order: Vec<&str> = found.causes.iter().map(|cause| cause.code.as_str()).collect();
    assert_eq!(order, ["kernel_short", "panel_dear", "swapped", "hot", "block_cut"]);
    let severities = found.causes.iter().map(|cause| cause.severity.name()).collect::<Vec<_>>();
    assert_eq!(severities, ["severe", "severe", "severe", "unknown", "minor"]);
    assert!(found.summary.contains("peak. Matrix products") && found.summary.contains("4 more things"));
}

#[test]
fn links_change_one_thing_and_keep_the_rest() {
    let mut world = healthy();
    world.history[0] = Past { parameters: parameters(40_960, 192, 2, 2), score: 140.0 };
    let cause = world.diagnosis().causes.remove(0);
    let link = cause.next[0].query.as_deref().unwrap();
    assert_eq!(link, "?n=40960&nb=192&p=2&q=2&bcast=ring_m&depth=1&equil=true&swap=spread_roll");
    // Without look-ahead, look-ahead is the first thing to try.
    let mut world = healthy();
    world.parameters["depth"] = json!(0);
    world.step("panel broadcast", 20.0);
    let cause = world.diagnosis().causes.remove(0);
    assert!(cause.next[0].query.as_deref().unwrap().contains("depth=1"), "{cause:?}");
    // Nothing that was sent gets into a link as it is.
    let mut world = healthy();
    world.step("panel", 20.0);
    world.parameters["bcast"] = json!("\"><script>&p=9");
    world.parameters["<b>"] = json!(1);
    for next in world.diagnosis().causes.iter().flat_map(|cause| &cause.next) {
        let link = next.query.as_deref().unwrap_or("?");
        assert!(link.bytes().all(|b| b.is_ascii_alphanumeric() || b"?&=_-.".contains(&b)), "{link}");
        assert_eq!(link.matches("&p=").count(), 1, "{link}");
    }
}

#[test]
fn offered_matrices_fit_and_are_whole_blocks() {
    let mut world = healthy();
    world.shape(5000, 96, 2, 2);
    world.percent = Some(30.0);
    world.run().seconds = 2.0;
    let found = world.diagnosis();
    let cause = found.causes.iter().find(|cause| cause.code == "problem_small").unwrap();
    let sizes: Vec<u64> = cause
        .next
        .iter()
        .filter_map(|next| next.query.as_deref()?.strip_prefix("?n=")?.split('&').next()?.parse().ok())
        .collect();
    assert_eq!(sizes, [9984, 39_936], "{cause:?}");
    assert!(sizes.iter().all(|n| n % 96 == 0 && 8.0 * (*n as f64).powi(2) <= 0.8 * 16.0 * GB));
    // 16 % of the time is no product; of that it saves what N grows by.
    let rest = 4.0 + 1.0 + 2.0 + 1.0 + 1.0 + 2.0 + 1.0;
    assert!((cause.cost_percent.unwrap() - rest * (1.0 - 5000.0 / 39_936.0)).abs() < 1e-9, "{cause:?}");
}

#[test]
fn an_uneven_deal_explains_a_late_rank() {
    let mut world = healthy();
    world.run().idle = vec![vec![0.02], vec![0.3], vec![0.3], vec![0.3]];
    let cause = world.diagnosis().causes.remove(0);
    assert!(cause.headline.starts_with("Rank 0 was late") && cause.next[0].query.is_none(), "{cause:?}");
    world.shape(1500, 500, 2, 2);
    let found = world.diagnosis();
    let cause = found.causes.iter().find(|cause| cause.code == "rank_late").unwrap();
    assert!(cause.next[0].query.as_deref().unwrap().contains("nb=248"), "{cause:?}");
}

#[test]
fn what_is_missing_is_said() {
    let mut world = healthy();
    world.run().account = None;
    world.run().idle.clear();
    world.samples.clear();
    world.history.clear();
    let found = world.diagnosis();
    assert_eq!(fired(&found), BTreeSet::new());
    let unknown = found.rules.iter().filter(|rule| rule.outcome == RuleOutcome::Unknown).count();
    assert!(unknown >= 15 && found.summary.contains(&format!("{unknown} of 27 rules could not look")), "{found:#?}");
    // Nothing at all.
    world.parameters = Value::Null;
    (world.evidence, world.node, world.percent) = (None, None, None);
    for report in [Value::Null, json!([]), json!({"reports": []}), json!({"reports": "many"}), json!(7)] {
        let found = world.with_report(&report);
        assert_eq!(fired(&found), BTreeSet::new());
        assert!(found.rules.iter().all(|rule| rule.outcome == RuleOutcome::Unknown && !rule.seen.is_empty()));
    }
}
