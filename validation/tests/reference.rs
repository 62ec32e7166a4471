//! The same systems through netlib's own code: Debian's `hpcc` contains HPL 2.0 with the 64-bit generator.
//! With a threshold that no residual stays below, both print the norms of A, b and x.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use hpl_spec::out::{self, Parsed};
use hpl_spec::report::{Norms, RunReport};
use hpl_spec::{Bcast, Fact, Order, Output, RunParams, Swap, Sweep};
use validation::Job;

/// Below every residual but that of a system solved without any rounding.
const PRINTS_NORMS: f64 = 1e-10;
/// What netlib's usual threshold asks for.
const PASSES: f64 = 16.0;
/// One unit of the last digit that is printed.
const UNIT: f64 = 1e-6;
/// How far two solutions may be apart, relative to their size.
const SOLUTION: f64 = 1e-8;

/// `hpcc`, unless it is missing and may be.
fn hpcc() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("hpcc")).find(|file| file.is_file());
    let missing = "hpcc is not on the PATH: nothing was compared with netlib's code. `cargo xtask setup` installs it";
    if found.is_none() {
        assert!(std::env::var_os("HPLAAS_REQUIRE_HPCC").is_none_or(|value| value != "1"), "{missing}");
        eprintln!("SKIPPED: {missing}");
    }
    found
}

/// The parameters that both programs get, with the variants that are usual here.
fn sweep(ns: &[usize], nbs: &[usize], grids: &[(usize, usize)], order: Order) -> Sweep {
    let params = RunParams {
        order,
        bcast: Bcast::RingM,
        pfact: Fact::Right,
        rfact: Fact::Right,
        swap: Swap::SpreadRoll,
        ..RunParams::new(0, 1, 1, 1)
    };
    let one = Sweep::of(params, PRINTS_NORMS);
    let output = Output::File(one.file_name.clone());
    Sweep { ns: ns.to_vec(), nbs: nbs.to_vec(), grids: grids.to_vec(), output, ..one }
}

fn theirs(hpcc: PathBuf, ranks: usize, dat: &str) -> Parsed {
    let job = Job::of(hpcc).ranks(ranks).file("hpccinf.txt", dat);
    // A BLAS that starts threads would only slow these small matrices down.
    let outcome = job.variable("OPENBLAS_NUM_THREADS", "1").run();
    println!("hpcc on {ranks} ranks: {:.1} s", outcome.seconds);
    let text = outcome.file("hpccoutf.txt").unwrap_or_else(|| panic!("{}", outcome.said()));
    let (_, section) = text.split_once("Begin of HPL section.").expect("a section of HPL");
    out::parse(section).unwrap()
}

fn ours(ranks: usize, dat: &str) -> Parsed {
    let outcome = Job::xhpl().ranks(ranks).dat(dat).run();
    println!("xhpl on {ranks} ranks: {:.1} s", outcome.seconds);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    out::parse(&outcome.file("HPL.out").expect("device 8 writes HPL.out")).unwrap()
}

/// Runs the sweep through both; how many tests had all norms compared.
fn compare(sweep: &Sweep, ranks: usize) -> Option<usize> {
    let hpcc = hpcc()?;
    let dat = sweep.to_dat();
    let (theirs, ours) = (theirs(hpcc, ranks, &dat), ours(ranks, &dat));
    assert_eq!((theirs.reports.len(), ours.reports.len()), (sweep.tests(), sweep.tests()));
    let mut compared = 0;
    for ((params, theirs), ours) in sweep.runs().zip(&theirs.reports).zip(&ours.reports) {
        assert_eq!((theirs.params, ours.params), (params, params));
        for report in [theirs, ours] {
            assert!(residual(report) < PASSES, "{report:?}");
        }
        // No norms are printed where nothing was rounded: N = 1, or luck.
        if let (Some(theirs), Some(ours)) = (norms(theirs), norms(ours)) {
            agree(&params, &theirs, &ours);
            compared += 1;
        } else {
            assert!(params.n <= 2, "norms are missing: {theirs:?}\n{ours:?}");
        }
    }
    println!("{compared} of {} tests agree in all norms", sweep.tests());
    Some(compared)
}

fn residual(report: &RunReport) -> f64 {
    report.verdict.check().expect("a test that was checked").residual
}

fn norms(report: &RunReport) -> Option<Norms> {
    report.verdict.check()?.norms
}

fn agree(params: &RunParams, theirs: &Norms, ours: &Norms) {
    let rows = [
        ("||A||_oo", theirs.a_oo, ours.a_oo, 0.0),
        ("||A||_1", theirs.a_1, ours.a_1, 0.0),
        ("||b||_oo", theirs.b_oo, ours.b_oo, 0.0),
        ("||x||_oo", theirs.x_oo, ours.x_oo, SOLUTION),
        ("||x||_1", theirs.x_1, ours.x_1, SOLUTION),
    ];
    for (what, theirs, ours, relative) in rows {
        // Counted in printed units, so that "one unit" is not spoilt by rounding of the subtraction.
        let apart = ((theirs - ours) / UNIT).round().abs();
        let allowed = (relative * theirs.abs() / UNIT).max(1.0);
        assert!(apart <= allowed, "{params:?}: {what} is {theirs} by netlib's code, {ours} by ours");
    }
}

const NS: [usize; 8] = [1, 2, 37, 128, 200, 500, 997, 1000];
const NBS: [usize; 3] = [37, 64, 1024];

#[test]
fn one_rank() {
    if let Some(compared) = compare(&sweep(&NS, &NBS, &[(1, 1)], Order::RowMajor), 1) {
        assert!(compared >= 18, "{compared}");
    }
}

#[test]
fn two_ranks() {
    if let Some(compared) = compare(&sweep(&NS, &NBS, &[(1, 2), (2, 1)], Order::ColumnMajor), 2) {
        assert!(compared >= 36, "{compared}");
    }
}

/// 3 x 1 leaves a rank idle; 997 in blocks of 37 leaves no rank with as much as another.
#[test]
fn four_ranks() {
    if let Some(compared) = compare(&sweep(&NS, &NBS[..2], &[(2, 2), (3, 1), (1, 4)], Order::RowMajor), 4) {
        assert!(compared >= 36, "{compared}");
    }
}

/// Every broadcast, order of the panel and a look-ahead of 0 to 2, on one process row of four ranks.
#[test]
fn variants() {
    let usual = sweep(&[73], &[8], &[(1, 4)], Order::RowMajor);
    let facts: Vec<Fact> = Fact::TABLE.iter().map(|row| row.value).collect();
    let sweep = Sweep {
        bcasts: Bcast::TABLE.iter().map(|row| row.value).collect(),
        depths: vec![0, 1, 2],
        pfacts: facts.clone(),
        rfacts: facts,
        ..usual
    };
    if let Some(compared) = compare(&sweep, 4) {
        assert_eq!(compared, sweep.tests());
    }
}
