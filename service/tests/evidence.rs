//! What a result is worth: honest runs are verified, and every family of cheats ends amber or red by its name.
use hpl_spec::Progress;
use hpl_spec::benchmark::{self, Colour, Finding, Outcome, Plan, Submitted};
use hpl_spec::evidence::{Evidence, MemoryPeak, MemorySource, Tier};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};
use service::evidence::{Arrival, Assessment, Look, Node, Stopwatch, assess};

const CLAIMED: i64 = 1_795_400_000_000;

fn ours() -> String {
    "ab".repeat(32)
}

/// A run of any benchmark, as the service holds it when it is over.
#[derive(Debug, Clone)]
struct Run {
    plan: Plan,
    outcome: Outcome,
    evidence: Evidence,
    node: Node,
    cores_used: usize,
    stopwatch: Stopwatch,
    progress: Vec<Arrival>,
    same_boot: bool,
}

impl Run {
    fn assess(&self) -> Assessment {
        assess(&Look {
            plan: &self.plan,
            unit: "Gflop/s",
            outcome: &self.outcome,
            evidence: &self.evidence,
            node: self.node,
            cores_used: self.cores_used,
            stopwatch: self.stopwatch,
            progress: &self.progress,
            known_binary: &|hash| hash == ours(),
            same_boot: self.same_boot,
        })
    }

    /// The names of what is not green.
    fn seen(&self) -> Vec<(String, Colour)> {
        let findings = self.assess().findings.into_iter();
        findings.filter(|f| f.colour != Colour::Green).map(|f| (f.name, f.colour)).collect()
    }

    fn is(&self, name: &str, colour: Colour) -> bool {
        self.seen().contains(&(name.to_owned(), colour))
    }

    /// Says a time that is shorter by `factor`, with the score that follows from it.
    fn patch_time(&mut self, factor: f64) {
        self.outcome.seconds /= factor;
        self.outcome.score *= factor;
    }
}

/// What shapes an honest run.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// Seconds that were measured.
    seconds: f64,
    /// The part of the peak that was reached.
    efficiency: f64,
    cores: usize,
    /// Seconds of the program beside what was measured.
    overhead: f64,
    /// How late the service hears of things, at most, in seconds.
    late: f64,
}

const USUAL: Shape = Shape { seconds: 60.0, efficiency: 0.8, cores: 4, overhead: 3.0, late: 0.2 };

fn honest(shape: Shape) -> Run {
    let Shape { seconds, efficiency, cores, overhead, late } = shape;
    let peak = 40.0 * cores as f64;
    let score = peak * efficiency;
    let work = score * seconds;
    // The matrix that takes so much work, from 2/3 N^3.
    let bytes = (8.0 * (1.5e9 * work).powf(2.0 / 3.0)) as u64;
    let elapsed = seconds + overhead;
    let ms = |seconds: f64| (seconds * 1e3) as i64;
    let started = CLAIMED + 500 + ms(late);
    let finding = Finding::green("score", "as printed");
    Run {
        plan: Plan {
            parameters: json!({}),
            label: "a run".into(),
            size: 1.0,
            ranks: 1,
            bytes_per_rank: bytes,
            bytes_held: (bytes > 256_000_000).then_some(bytes / 20 * 19),
            work,
            inputs: Vec::new(),
            warnings: Vec::new(),
        },
        outcome: Outcome { score, seconds, passed: true, check: "passed".into(), findings: vec![finding] },
        evidence: Evidence {
            elapsed_s: elapsed,
            cpu_s: Some(elapsed * cores as f64 * 0.99),
            memory_peak: Some(MemoryPeak { bytes: bytes + 50_000_000, source: MemorySource::CgroupV2 }),
            energy_j: Some(elapsed * cores as f64 * 12.0),
            binary_sha256: ours(),
            launch: vec!["mpirun".into(), "xhpl".into()],
            environment: Default::default(),
            boot_id: "b".into(),
            clock_offset_ms: Some(-120),
            oversubscribed: false,
            network_open: false,
            sandbox: Default::default(),
            daemon_cpu_s: 0.01,
            log_missing_bytes: 0,
            dropped_samples: 0,
        },
        node: Node { peak: Some(peak), cores, trusted: true },
        cores_used: cores,
        stopwatch: Stopwatch {
            claimed_ms: CLAIMED,
            started_ms: Some(started),
            finished_ms: CLAIMED + 500 + ms(elapsed) + ms(2.0 * late),
        },
        progress: curve(shape, score, started),
        same_boot: true,
    }
}

/// A rate that falls a little to the end, told every ten seconds and now and then later.
fn curve(shape: Shape, score: f64, started: i64) -> Vec<Arrival> {
    let Shape { seconds, overhead, late, .. } = shape;
    let steps = (1..).map(|step| 10.0 * f64::from(step) - 3.0).take_while(|at| *at < seconds);
    steps
        .map(|at| {
            // Its speed falls from 1.1 to 0.9 of the mean.
            let part = at / seconds;
            let fraction = 1.1 * part - 0.1 * part * part;
            let progress = Progress { fraction, seconds: at, score: score * fraction / part, score_now: score };
            let delay = if (at as i64 / 10) % 2 == 0 { late } else { 0.0 };
            Arrival { at_ms: started + ((at + overhead / 2.0 + delay) * 1e3) as i64, progress }
        })
        .collect()
}

#[test]
fn an_honest_run_on_our_node_is_verified() {
    let run = honest(USUAL);
    let Assessment { findings, colour, tier, ranked, per_watt } = run.assess();
    assert_eq!(per_watt.map(|value| (value * 1e9).round()), Some((128.0_f64 / 48.0 * 1e9).round()));
    assert_eq!((colour, tier, ranked), (Colour::Green, Tier::Verified, true), "{findings:#?}");
    let names: Vec<&str> = findings.iter().map(|f| f.name.as_str()).collect();
    let all = ["score", "stopwatch", "progress", "roofline", "memory", "cpu", "energy", "binary", "clock"];
    assert_eq!(names, all);
    assert!(findings.iter().all(|f| !f.text.is_empty()));
}

#[test]
fn who_vouches_decides_the_tier() {
    let tier = |change: &dyn Fn(&mut Run)| {
        let mut run = honest(USUAL);
        change(&mut run);
        let Assessment { tier, ranked, .. } = run.assess();
        (tier, ranked)
    };
    assert_eq!(tier(&|run| run.node.trusted = false), (Tier::Reported, true));
    assert_eq!(tier(&|run| run.evidence.binary_sha256 = "cd".repeat(32)), (Tier::Reported, true));
    assert_eq!(tier(&|run| run.evidence.memory_peak = None), (Tier::Reported, true));
    assert_eq!(tier(&|run| run.node.peak = None), (Tier::Reported, true));
    assert_eq!(tier(&|run| run.stopwatch.started_ms = None), (Tier::Reported, true));
    // What many nodes cannot measure.
    assert_eq!(tier(&|run| run.evidence.energy_j = None), (Tier::Verified, true));
    assert_eq!(tier(&|run| run.evidence.clock_offset_ms = None), (Tier::Verified, true));
    assert_eq!(tier(&|run| run.evidence.oversubscribed = true), (Tier::Verified, false));
    assert_eq!(tier(&|run| run.outcome.passed = false), (Tier::Verified, false));
    assert_eq!(tier(&|run| run.same_boot = false), (Tier::Flagged, false));
}

#[test]
fn a_score_per_watt_takes_energy_as_it_should_be_and_a_run_that_is_mostly_solve() {
    let per_watt = |change: &dyn Fn(&mut Run)| {
        let mut run = honest(USUAL);
        change(&mut run);
        run.assess().per_watt
    };
    let usual = per_watt(&|_| ()).unwrap();
    assert!((per_watt(&|run| run.evidence.energy_j = Some(63.0 * 24.0)).unwrap() / usual - 2.0).abs() < 1e-9);
    for joules in [None, Some(0.0), Some(-5.0), Some(f64::NAN), Some(f64::INFINITY), Some(1e-300), Some(1e9)] {
        assert_eq!(per_watt(&|run| run.evidence.energy_j = joules), None, "{joules:?}");
    }
    // A processor that starts a program takes next to nothing: the mean of such a run says nothing about the solve.
    let longer = |elapsed: f64| {
        per_watt(&|run| {
            run.evidence.elapsed_s = elapsed;
            run.evidence.energy_j = Some(elapsed * 48.0);
        })
    };
    assert!(longer(120.0).is_some() && longer(120.1).is_none());
    for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(per_watt(&|run| run.evidence.elapsed_s = odd), None, "{odd}");
    }
    assert_eq!(per_watt(&|run| run.outcome.score = 0.0), None);
}

/// What the registry's row makes of the golden result of hpl-spec after a change.
fn judged(change: impl FnOnce(&mut Value)) -> Run {
    let hpl = benchmark::find("hpl").unwrap();
    let mut result: Value = serde_json::from_str(include_str!("../../hpl-spec/tests/golden/hpl_result.json")).unwrap();
    let plan = (hpl.plan)(&json!({"n": 20_000, "nb": 192, "p": 2, "q": 2})).unwrap();
    change(&mut result);
    let output = Some(include_str!("../../hpl-spec/tests/golden/hpl_result.out"));
    let outcome = (hpl.judge)(&Submitted { parameters: &plan.parameters, result: &result, output }).unwrap();
    let efficiency = plan.work / 60.0 / 160.0;
    Run { plan, outcome, ..honest(Shape { efficiency, ..USUAL }) }
}

#[test]
fn cheats_in_the_report_are_flagged() {
    let honest = judged(|_| {});
    assert_eq!((honest.seen(), honest.assess().tier), (vec![], Tier::Verified));
    // Printed GFLOPS, printed residual.
    assert!(judged(|result| result["reports"][0]["gflops"] = json!(5000.0)).is("score", Colour::Red));
    let residual = |result: &mut Value| result["reports"][0]["verdict"]["passed"]["residual"] = json!(1e-3);
    assert!(judged(residual).is("norms", Colour::Red));
    // A smaller N than claimed: its norms, its memory, its processor time.
    let mut smaller = judged(|result| {
        let norms = &mut result["reports"][0]["verdict"]["passed"]["norms"];
        (norms["a_oo"], norms["a_1"]) = (json!(2560.0), json!(2560.0));
    });
    smaller.evidence.memory_peak = Some(MemoryPeak { bytes: 800_000_000, source: MemorySource::CgroupV2 });
    smaller.evidence.cpu_s = Some(4.0 * 60.0 / 8.0);
    for name in ["matrix", "memory", "cpu"] {
        assert!(smaller.is(name, Colour::Red), "{name}: {:?}", smaller.seen());
    }
    assert_eq!(smaller.assess().tier, Tier::Flagged);
}

#[test]
fn a_patched_clock_is_seen() {
    // Slow enough for the roofline to say nothing.
    let mut run = honest(Shape { efficiency: 0.2, seconds: 120.0, ..USUAL });
    run.patch_time(3.0);
    assert!(run.is("progress", Colour::Red) && run.is("stopwatch", Colour::Amber), "{:?}", run.seen());
    // With progress patched alike, it comes too slowly.
    for Arrival { progress, .. } in &mut run.progress {
        (progress.seconds, progress.score) = (progress.seconds / 3.0, progress.score * 3.0);
    }
    assert!(run.is("progress", Colour::Amber) && run.is("stopwatch", Colour::Amber), "{:?}", run.seen());
    let mut fast = honest(USUAL);
    fast.patch_time(2.0);
    assert!(fast.is("roofline", Colour::Red));
}

#[test]
fn a_cached_result_is_seen() {
    let mut run = honest(USUAL);
    run.stopwatch = Stopwatch { finished_ms: CLAIMED + 900, ..run.stopwatch };
    run.progress.clear();
    assert!(run.is("stopwatch", Colour::Red) && run.is("progress", Colour::Amber), "{:?}", run.seen());
    // One that waited its time and told no start.
    let mut waited = honest(USUAL);
    waited.stopwatch.started_ms = None;
    waited.progress.iter_mut().for_each(|a| a.at_ms = waited.stopwatch.finished_ms);
    assert!(waited.is("stopwatch", Colour::Amber) && waited.is("progress", Colour::Amber));
}

#[test]
fn lazy_work_and_memory_never_held_are_seen() {
    let mut lazy = honest(USUAL);
    lazy.evidence.cpu_s = Some(20.0);
    assert_eq!(lazy.seen(), [("cpu".to_owned(), Colour::Red)]);
    let mut empty = honest(USUAL);
    empty.evidence.memory_peak = Some(MemoryPeak { bytes: 90_000_000, source: MemorySource::Rss });
    assert_eq!(empty.seen(), [("memory".to_owned(), Colour::Red)]);
    empty.evidence.memory_peak = None;
    assert_eq!(empty.seen(), [("memory".to_owned(), Colour::Amber)]);
}

#[test]
fn a_short_run_and_a_part_of_a_node_are_no_lies() {
    let short = honest(Shape { seconds: 0.05, overhead: 1.2, ..USUAL });
    assert_eq!((short.seen(), short.progress.len()), (vec![], 0));
    // One core of four, clocked up.
    let mut part = honest(Shape { efficiency: 0.35, ..USUAL });
    part.cores_used = 1;
    part.evidence.cpu_s = Some(63.0);
    assert_eq!(part.seen(), []);
}

#[test]
fn numbers_that_are_none_do_no_harm() {
    for wrong in [f64::NAN, f64::INFINITY, -1.0, 0.0] {
        for change in [
            (|run, v| run.evidence.elapsed_s = v) as fn(&mut Run, f64),
            |run, v| run.evidence.cpu_s = Some(v),
            |run, v| run.evidence.energy_j = Some(v),
            |run, v| run.progress[1].progress.fraction = v,
            |run, v| run.progress[2].progress.seconds = v,
            |run, v| run.node.peak = Some(v),
        ] {
            let mut run = honest(USUAL);
            change(&mut run, wrong);
            assert_ne!(run.assess().tier, Tier::Verified, "{wrong}: {:#?}", run.assess().findings);
        }
    }
    let mut run = honest(USUAL);
    run.stopwatch = Stopwatch { claimed_ms: i64::MIN, started_ms: Some(i64::MAX), finished_ms: i64::MAX };
    run.evidence.clock_offset_ms = Some(i64::MIN);
    (run.node.cores, run.cores_used, run.evidence.binary_sha256) = (0, 0, "<script>".into());
    assert!(run.is("binary", Colour::Red));
}

fn shapes() -> impl Strategy<Value = Shape> {
    (30.0..20_000.0_f64, 0.05..1.0_f64, 1..129_usize, 0.0..10.0_f64, 0.0..9.0_f64)
        .prop_map(|(seconds, efficiency, cores, overhead, late)| Shape { seconds, efficiency, cores, overhead, late })
}

/// The finding that must show it, and one thing that is not as it was.
type Lie = (&'static str, fn(&mut Run, f64));

const LIES: [Lie; 18] = [
    ("stopwatch", |run, by| run.patch_time(by)),
    ("stopwatch", |run, _| run.stopwatch.finished_ms = CLAIMED + 2000),
    ("stopwatch", |run, by| run.evidence.elapsed_s /= by),
    ("stopwatch", |run, by| run.evidence.elapsed_s *= by),
    ("stopwatch", |run, _| run.stopwatch.started_ms = None),
    ("progress", |run, by| run.progress.iter_mut().for_each(|a| a.progress.seconds *= by)),
    ("progress", |run, by| run.progress.iter_mut().for_each(|a| a.progress.fraction /= by)),
    ("progress", |run, _| run.progress.clear()),
    ("progress", |run, by| run.patch_time(1.0 / by)),
    ("roofline", |run, by| run.outcome.score = run.node.peak.unwrap() * by),
    ("memory", |run, by| run.plan.bytes_held = Some((run.evidence.memory_peak.unwrap().bytes as f64 * by) as u64)),
    ("cpu", |run, by| run.evidence.cpu_s = Some(run.plan.work / run.node.peak.unwrap() * run.node.cores as f64 / by)),
    ("cpu", |run, by| run.evidence.cpu_s = run.evidence.cpu_s.map(|cpu| cpu * by + 2.0)),
    ("energy", |run, _| run.evidence.energy_j = Some(-5.0)),
    ("energy", |run, by| run.evidence.energy_j = run.evidence.energy_j.map(|joules| joules / by / 1000.0)),
    ("binary", |run, _| run.evidence.binary_sha256 = "0".repeat(64)),
    ("clock", |run, _| run.same_boot = false),
    ("clock", |run, by| run.evidence.clock_offset_ms = Some((by * 3000.0) as i64)),
];

proptest! {
    #[test]
    fn honest_runs_are_verified(shape in shapes()) {
        let run = honest(shape);
        prop_assert_eq!(run.seen(), vec![]);
        prop_assert_eq!(run.assess().tier, Tier::Verified);
    }

    #[test]
    fn a_single_lie_is_never_verified(shape in shapes(), lie in select(LIES.to_vec()), by in 2.5..10.0_f64) {
        let mut run = honest(shape);
        lie.1(&mut run, by);
        prop_assert!(run.seen().iter().any(|(name, _)| name == lie.0), "{}: {:#?}", lie.0, run.assess().findings);
        prop_assert_ne!(run.assess().tier, Tier::Verified);
    }
}
