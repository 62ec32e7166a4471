//! What a report is worth: honest ones are green, and no lie goes unseen.
use hpl_spec::benchmark::{self, Benchmark, Colour, Finding, Outcome, Problem, Submitted};
use hpl_spec::{
    Check, Norms, Output, Phases, RunParams, RunReport, Swap, Sweep, SweepReport, Tally, Verdict, netlib, out,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

fn hpl() -> &'static Benchmark {
    benchmark::find("hpl").unwrap()
}

/// What a node delivers.
#[derive(Debug, Clone)]
struct Delivery {
    asked: Value,
    report: SweepReport,
    output: Option<String>,
}

impl Delivery {
    fn run(&mut self) -> &mut RunReport {
        &mut self.report.reports[0]
    }

    /// Tells the same story in HPL.out.
    fn told(mut self) -> Self {
        self.output = Some(printed(&self.report));
        self
    }

    fn judge(&self) -> Result<Outcome, Problem> {
        let result = serde_json::to_value(&self.report).unwrap();
        let output = self.output.as_deref();
        (hpl().judge)(&Submitted { parameters: &self.asked, result: &result, output })
    }

    fn findings(&self) -> Vec<Finding> {
        self.judge().unwrap().findings
    }
}

/// The whole HPL.out of a report.
fn printed(report: &SweepReport) -> String {
    let run = &report.reports[0];
    let sweep = Sweep { output: Output::File("HPL.out".into()), ..Sweep::of(run.params, run.threshold) };
    out::header(&sweep, &[])
        + &out::test(run, &mut true, false)
        + &out::trailer(&report.tally, run.threshold > 0.0, false)
}

/// Row sums, column sums and b of netlib's matrix of order `n`: the generator of HPL_rand, one state after another.
fn netlib_norms(n: usize) -> [f64; 3] {
    let mut state = 100_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (0.5 - state as f64 / 18_446_744_073_709_551_616.0).abs()
    };
    let (mut rows, mut cols, mut b) = (vec![0.0; n], vec![0.0; n], 0.0_f64);
    for col in &mut cols {
        for row in &mut rows {
            let entry = next();
            *row += entry;
            *col += entry;
        }
    }
    (0..n).for_each(|_| b = b.max(next()));
    let most = |sums: Vec<f64>| sums.into_iter().fold(0.0, f64::max);
    [most(rows), most(cols), b]
}

/// Norms as they are for any large N.
fn usual_norms(n: usize) -> [f64; 3] {
    let size = n as f64;
    let most = size / 4.0 + (size / 48.0).sqrt() * (2.0 * size.ln()).sqrt();
    [most, most, 0.5]
}

/// An honest run: everything follows from N, time and the residual.
fn honest(params: RunParams, [a_oo, a_1, b_oo]: [f64; 3], seconds: f64, residual: f64) -> Delivery {
    let n = params.n as f64;
    let x_oo = f64::max(2.0, b_oo / a_oo);
    let x_1 = x_oo * (1.0 + 0.35 * (n - 1.0));
    let eps = 2.0_f64.powi(-53);
    let norms = Norms { residual_oo: residual * (eps * (a_oo * x_oo + b_oo) * n), a_oo, a_1, x_oo, x_1, b_oo };
    let verdict = Verdict::judge(Check { residual, norms: Some(norms) }, 16.0);
    let part = |share: f64| seconds * share;
    let run = RunReport {
        params,
        threshold: 16.0,
        started: "Thu Oct  2 18:37:13 2023".into(),
        ended: "Thu Oct  2 18:37:14 2023".into(),
        seconds,
        gflops: params.gflops(seconds),
        phases: Phases {
            pfact: part(0.1),
            pivot: part(0.02),
            bcast: part(0.05),
            swap: part(0.05),
            update: part(0.7),
            backsolve: part(0.01),
        },
        idle: Vec::new(),
        around: Default::default(),
        account: None,
        verdict,
    };
    let mut tally = Tally::default();
    tally.count(&run.verdict);
    let report = SweepReport {
        program: "xhpl".into(),
        version: "0.1.0".into(),
        kernel: "avx2_8x6".into(),
        threads: 1,
        ranks: params.processes(),
        profile: None,
        peak_memory: 1,
        reports: vec![run],
        tally,
        cancelled: None,
    };
    let asked = (hpl().parse_input)(&Sweep::of(params, 16.0).to_dat()).unwrap().remove(0);
    Delivery { asked, report, output: None }.told()
}

/// The run that most tests look at.
fn usual() -> Delivery {
    honest(RunParams::new(20_000, 192, 2, 2), usual_norms(20_000), 60.0, 0.0172)
}

fn worst(findings: &[Finding]) -> Colour {
    findings.iter().map(|f| f.colour).max().unwrap()
}

/// The names of what is not green.
fn seen(findings: &[Finding]) -> Vec<(&str, Colour)> {
    findings.iter().filter(|f| f.colour != Colour::Green).map(|f| (f.name.as_str(), f.colour)).collect()
}

#[test]
fn an_honest_run_is_green_and_scored_by_us() {
    let outcome = usual().judge().unwrap();
    assert_eq!(seen(&outcome.findings), []);
    assert!(outcome.passed && outcome.seconds == 60.0);
    assert_eq!(outcome.score, RunParams::new(20_000, 192, 2, 2).gflops(60.0));
    assert_eq!(outcome.check, "the scaled residual 0.0172 is below 16");
    let names: Vec<&str> = outcome.findings.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["parameters", "score", "residual", "norms", "verdict", "time", "matrix", "output"]);
}

/// The delivery that others test with: `UPDATE_GOLDEN=1 cargo test` rewrites it.
#[test]
fn the_golden_delivery_is_the_usual_one() {
    let Delivery { report, output, .. } = usual();
    let version = concat!("xhpl ", env!("CARGO_PKG_VERSION"));
    let output = output.unwrap().replace(version, "xhpl VERSION");
    let result = serde_json::to_string_pretty(&report).unwrap() + "\n";
    for (name, text) in [("hpl_result.json", result), ("hpl_result.out", output)] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}");
    }
}

#[test]
fn netlibs_matrix_is_known_at_every_order() {
    let [a_oo, a_1, b_oo] = netlib_norms(1000);
    assert!((a_oo - 262.773_467_636_7).abs() < 1e-9 && (a_1 - 263.865_286_697_6).abs() < 1e-9, "{a_oo} {a_1}");
    assert!((b_oo - 0.499_775_719_007_508_3).abs() < 1e-12);
    for n in (1..80).chain([100, 128, 300, 511, 777, 1000, 1500, 3000]) {
        let findings = honest(RunParams::new(n, 8, 1, 1), netlib_norms(n), 1.0, 0.01).findings();
        assert_eq!(seen(&findings), [], "N={n}: {findings:#?}");
    }
}

#[test]
fn the_empty_system_is_no_contradiction() {
    let mut run = honest(RunParams::new(0, 1, 1, 1), [1.0; 3], 1e-6, 0.0);
    if let Verdict::Passed(Check { norms: Some(norms), .. }) = &mut run.run().verdict {
        *norms = Norms { residual_oo: 0.0, a_oo: 0.0, a_1: 0.0, x_oo: 0.0, x_1: 0.0, b_oo: 0.0 };
    }
    let outcome = run.told().judge().unwrap();
    assert_eq!((seen(&outcome.findings), outcome.score), (vec![], 0.0));
}

/// A printed rate, a printed residual, a smaller N: the families that the report alone gives away.
#[test]
fn every_lie_in_the_report_is_red_by_its_name() {
    let lie = |name: &str, change: &dyn Fn(&mut RunReport)| {
        let mut delivery = usual();
        change(delivery.run());
        let findings = delivery.told().findings();
        assert!(findings.iter().any(|f| f.name == name && f.colour == Colour::Red), "{name}: {findings:#?}");
    };
    lie("score", &|run| run.gflops *= 2.0);
    lie("score", &|run| run.gflops = f64::NAN);
    lie("norms", &|run| printed_residual(run, 0.001));
    lie("residual", &|run| printed_residual(run, -0.5));
    lie("residual", &|run| run.verdict = Verdict::Unchecked);
    lie("verdict", &|run| run.threshold = 1e30);
    lie("time", &|run| run.seconds /= 3.0);
    lie("time", &|run| run.phases.update = -1.0);
    lie("time", &|run| run.phases.pivot = run.phases.pfact * 3.0);
    lie("parameters", &|run| run.params.n = 10_000);
    lie("parameters", &|run| run.params.swap = Swap::Mix { threshold: 5 });
    lie("matrix", &|run| norms_of_order(run, 10_000));
    lie("matrix", &|run| norms_of_order(run, 18_500));
    lie("matrix", &|run| with_norms(run, |norms| norms.x_1 = 0.0));
    lie("matrix", &|run| with_norms(run, |norms| (norms.x_oo, norms.x_1) = (1e-7, 1e-6)));
    lie("matrix", &|run| with_norms(run, |norms| norms.b_oo = 0.0));
}

fn check(run: &mut RunReport) -> &mut Check {
    match &mut run.verdict {
        Verdict::Passed(check) | Verdict::Failed(check) => check,
        other => panic!("{other:?}"),
    }
}

fn printed_residual(run: &mut RunReport, residual: f64) {
    check(run).residual = residual;
}

fn with_norms(run: &mut RunReport, change: impl FnOnce(&mut Norms)) {
    change(check(run).norms.as_mut().unwrap());
}

/// The norms of a smaller run, residual and all else consistent with them.
fn norms_of_order(run: &mut RunReport, n: usize) {
    let [a_oo, a_1, b_oo] = usual_norms(n);
    let n = run.params.n as f64;
    with_norms(run, |norms| {
        let scale = (a_oo * norms.x_oo + b_oo) / (norms.a_oo * norms.x_oo + norms.b_oo);
        *norms = Norms { residual_oo: norms.residual_oo * scale, a_oo, a_1, b_oo, x_1: 0.3 * n, ..*norms };
    });
}

#[test]
fn a_failed_residual_fails_whatever_the_program_says() {
    for residual in [16.0, 1e9, f64::NAN, f64::INFINITY] {
        let honest = honest(RunParams::new(2000, 64, 1, 1), usual_norms(2000), 1.0, residual);
        let outcome = honest.judge().unwrap();
        assert!(!outcome.passed, "{residual}");
        let mut lying = honest;
        let check = *check(lying.run());
        lying.run().verdict = Verdict::Passed(check);
        let outcome = lying.judge().unwrap();
        assert!(!outcome.passed && seen(&outcome.findings).contains(&("verdict", Colour::Red)), "{residual}");
    }
}

#[test]
fn a_skipped_test_fails_with_its_reason() {
    let mut delivery = usual();
    delivery.run().verdict = Verdict::Skipped { why: netlib::allocation_failed(0, 1) };
    (delivery.run().seconds, delivery.run().gflops) = (0.0, 0.0);
    let outcome = delivery.judge().unwrap();
    assert!(!outcome.passed && outcome.check.contains("Memory allocation failed"), "{}", outcome.check);
    assert!(!outcome.check.contains('\n') && outcome.score == 0.0);
}

#[test]
fn hpl_out_is_held_against_the_report() {
    let mut delivery = usual();
    delivery.output = None;
    assert_eq!(seen(&delivery.findings()), [("output", Colour::Amber)]);
    delivery.output = Some("nothing".into());
    assert_eq!(seen(&delivery.findings()), [("output", Colour::Amber)]);
    let mut other = usual();
    other.run().seconds = 60.01;
    delivery.output = Some(printed(&other.report));
    assert_eq!(seen(&delivery.findings()), [("output", Colour::Red)]);
    let failed = usual()
        .output
        .unwrap()
        .replace("PASSED", "FAILED")
        .replace("1 tests completed and p", "0 tests completed and p");
    delivery.output = Some(failed.replace("0 tests completed and f", "1 tests completed and f"));
    assert_eq!(seen(&delivery.findings()), [("output", Colour::Red)]);
}

#[test]
fn what_cannot_be_read_is_no_result() {
    let delivery = usual();
    let result = serde_json::to_value(&delivery.report).unwrap();
    let judge = |result: &Value| (hpl().judge)(&Submitted { parameters: &delivery.asked, result, output: None });
    assert!(judge(&result).is_ok());
    let mut twice = result.clone();
    twice["reports"] = json!([result["reports"][0], result["reports"][0]]);
    assert_eq!(judge(&twice).unwrap_err().field, "result.reports");
    for seconds in [json!("nan"), json!("inf"), json!(-1.0), json!(1e-308)] {
        let mut wrong = result.clone();
        wrong["reports"][0]["seconds"] = seconds;
        assert_eq!(judge(&wrong).unwrap_err().field, "result.reports[0].seconds");
    }
    for wrong in [json!(null), json!({}), json!([]), json!("<script>")] {
        assert_eq!(judge(&wrong).unwrap_err().field, "result");
    }
    // Numbers that no run has do no harm.
    for (field, value) in [("n", json!(u64::MAX)), ("p", json!(0)), ("p", json!(u64::MAX)), ("nb", json!(0))] {
        let mut wrong = result.clone();
        wrong["reports"][0]["params"][field] = value;
        assert_eq!(worst(&judge(&wrong).unwrap().findings), Colour::Red);
    }
}

fn any_run() -> impl Strategy<Value = Delivery> {
    let sizes = (100..200_000_usize, 8..400_usize, 1..9_usize, 1..9_usize);
    let swap = select(vec![Swap::SpreadRoll, Swap::Mix { threshold: 7 }]);
    // Both as HPL.out prints them and finer.
    (sizes, swap, 0.004..1e6_f64, 1e-6..15.9_f64).prop_map(|((n, nb, p, q), swap, seconds, residual)| {
        honest(RunParams { swap, ..RunParams::new(n, nb, p, q) }, usual_norms(n), seconds, residual)
    })
}

/// The lies that a report can hold, each told in HPL.out as well.
const LIES: [fn(&mut RunReport, f64); 8] = [
    |run, by| run.gflops *= by,
    |run, by| run.gflops /= by,
    |run, by| printed_residual(run, 0.5 / by),
    |run, by| with_norms(run, |norms| norms.residual_oo /= by * 32.0),
    |run, by| norms_of_order(run, (run.params.n as f64 / (2.0 * by)) as usize),
    |run, by| run.params.n = (run.params.n as f64 * by) as usize,
    |run, by| run.params.nb += by as usize,
    |run, by| run.threshold *= by,
];

proptest! {
    #[test]
    fn honest_runs_are_green(delivery in any_run()) {
        let findings = delivery.findings();
        prop_assert_eq!(worst(&findings), Colour::Green, "{:#?}", findings);
    }

    #[test]
    fn a_single_lie_is_red(delivery in any_run(), lie in select(LIES.to_vec()), by in 1.1..10.0_f64) {
        let mut delivery = delivery;
        let before = delivery.run().clone();
        lie(delivery.run(), by);
        prop_assume!(*delivery.run() != before);
        let findings = delivery.told().findings();
        prop_assert_eq!(worst(&findings), Colour::Red, "{:#?}", findings);
    }
}
