//! The acceptance matrix: every shape of matrix, block and grid that may occur, through `mpirun`. Larger
//! grids and all pivots are tested on threads, in hpl-mpi.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::time::Duration;

use hpl_spec::report::{Norms, RunReport, SweepReport};
use hpl_spec::{Order, RunParams, Sweep, Tally, Verdict};
use validation::Job;

const USUAL: Duration = Duration::from_secs(90);
const SOAK: Duration = Duration::from_secs(1800);
/// netlib's usual threshold.
const THRESHOLD: f64 = 16.0;
/// NB = 8 and 32, and a block wider than most matrices; N around them, and primes.
const SMALL_NS: [usize; 13] = [0, 1, 2, 7, 8, 9, 31, 32, 33, 64, 65, 96, 127];
const SMALL_NBS: [usize; 3] = [8, 32, 100];

fn sweep(ns: &[usize], nbs: &[usize], grids: &[(usize, usize)], order: Order) -> Sweep {
    let one = Sweep::of(RunParams { order, ..RunParams::new(0, 1, 1, 1) }, THRESHOLD);
    Sweep { ns: ns.to_vec(), nbs: nbs.to_vec(), grids: grids.to_vec(), depths: vec![0, 1, 2], ..one }
}

/// All grids with P and Q up to 3.
fn up_to_three() -> Vec<(usize, usize)> {
    (1..=3).flat_map(|p| (1..=3).map(move |q| (p, q))).collect()
}

/// Runs the sweep, and looks at every test of it.
fn all_pass(sweep: &Sweep, ranks: usize, limit: Duration) {
    let job = Job::xhpl().ranks(ranks).dat(sweep.to_dat()).args(&["--json", "report.json"]);
    let outcome = job.limit(limit).run();
    println!("{} tests on {ranks} ranks: {:.1} s", sweep.tests(), outcome.seconds);
    let parsed = outcome.report();
    let json = outcome.file("report.json").expect("the report as JSON");
    let report: SweepReport = serde_json::from_str(&json).unwrap();

    let runs: Vec<RunParams> = sweep.runs().collect();
    let ran: Vec<RunParams> = report.reports.iter().map(|report| report.params).collect();
    assert_eq!(ran, runs);
    for report in &report.reports {
        let Verdict::Passed(check) = &report.verdict else { panic!("{report:?}") };
        assert!((0.0..THRESHOLD).contains(&check.residual), "{report:?}");
    }
    let tally = Tally { passed: sweep.tests(), failed: 0, skipped: 0 };
    assert_eq!((report.tally, parsed.tally), (tally, tally));
    one_system_for_each_n(&report.reports);
}

/// However a matrix is dealt out, it is the same matrix, and its solution is the same.
fn one_system_for_each_n(reports: &[RunReport]) {
    let mut first: BTreeMap<usize, &RunReport> = BTreeMap::new();
    for report in reports {
        let seen = *first.entry(report.params.n).or_insert(report);
        let [one, other] = [norms(seen), norms(report)];
        // Sums of N terms in another order; x also feels the condition of the matrix.
        let near = |a: f64, b: f64, tolerance: f64| (a - b).abs() <= tolerance * a.abs();
        let same = near(one.a_oo, other.a_oo, 1e-13)
            && near(one.a_1, other.a_1, 1e-13)
            && one.b_oo == other.b_oo
            && near(one.x_oo, other.x_oo, 1e-8)
            && near(one.x_1, other.x_1, 1e-8);
        assert!(same, "{:?}: {one:?}\n{:?}: {other:?}", seen.params, report.params);
    }
}

fn norms(report: &RunReport) -> Norms {
    report.verdict.check().and_then(|check| check.norms).expect("a report of a run has its norms")
}

#[test]
fn small_matrices_row_major() {
    all_pass(&sweep(&SMALL_NS, &SMALL_NBS, &up_to_three(), Order::RowMajor), 9, USUAL);
}

#[test]
fn small_matrices_column_major() {
    all_pass(&sweep(&SMALL_NS, &SMALL_NBS, &up_to_three(), Order::ColumnMajor), 9, USUAL);
}

#[test]
fn larger_matrices() {
    // A prime, the order of the issue, blocks wider than the matrix.
    let grids = [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3), (3, 3)];
    all_pass(&sweep(&[509, 1025], &[64, 1100], &grids, Order::RowMajor), 9, USUAL);
    all_pass(&sweep(&[509, 1025], &[96], &grids, Order::ColumnMajor), 9, USUAL);
}

#[test]
fn long_thin_grids() {
    let grids = [(1, 7), (7, 1), (5, 1), (1, 5), (1, 4), (4, 1)];
    for order in [Order::RowMajor, Order::ColumnMajor] {
        all_pass(&sweep(&[0, 1, 5, 16, 17, 53, 149], &[3, 16], &grids, order), 7, USUAL);
    }
}

#[test]
fn a_launcher_is_not_needed_for_one_rank() {
    let sweep = sweep(&SMALL_NS, &SMALL_NBS, &[(1, 1)], Order::RowMajor);
    let report = Job::xhpl().dat(sweep.to_dat()).run().report();
    assert_eq!(report.tally, Tally { passed: sweep.tests(), failed: 0, skipped: 0 });
}

/// Every shape up to N = 1025 on every grid up to 3 x 3, and N = 5000.
#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn soak_every_shape() {
    for order in [Order::RowMajor, Order::ColumnMajor] {
        all_pass(&sweep(&[255, 256, 257, 1024, 1025], &[1, 37, 256, 2000], &up_to_three(), order), 9, SOAK);
    }
    all_pass(&sweep(&[5000], &[128, 250], &[(1, 1), (2, 2), (3, 3), (1, 9)], Order::RowMajor), 9, SOAK);
}
