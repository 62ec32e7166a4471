//! The same systems through netlib's own code: Debian's `hpcc` contains HPL 2.0 with the 64-bit generator.
//! With a threshold that no residual stays below, both print the norms of A, b and x.
#![forbid(unsafe_code)]

use hpl_spec::out::{self, Parsed};
use hpl_spec::{Bcast, Fact, Order, RunParams, Swap, Sweep};
use validation::Job;
use validation::validate::agree::{Comparison, PASSES, PRINTS_NORMS, compare};
use validation::validate::reference::{FILE, Reference, printing_norms};

/// `hpcc`, unless it is missing and may be.
fn hpcc() -> Option<Reference> {
    match Reference::hpcc() {
        Ok(hpcc) => Some(hpcc),
        Err(missing) => {
            assert!(std::env::var_os("HPLAAS_REQUIRE_HPCC").is_none_or(|value| value != "1"), "{missing}");
            eprintln!("SKIPPED: {missing}");
            None
        }
    }
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
    let one = printing_norms(&Sweep::of(params, PRINTS_NORMS));
    Sweep { ns: ns.to_vec(), nbs: nbs.to_vec(), grids: grids.to_vec(), ..one }
}

fn ours(ranks: usize, dat: &str) -> Parsed {
    let outcome = Job::xhpl().ranks(ranks).dat(dat).run();
    println!("xhpl on {ranks} ranks: {:.1} s", outcome.seconds);
    assert_eq!((outcome.code, &*outcome.stdout), (Some(0), ""), "{}", outcome.said());
    out::parse(&outcome.file(FILE).expect("device 8 writes HPL.out")).unwrap()
}

/// Runs the sweep through both; how many tests had all norms compared, as both print them.
fn both(sweep: &Sweep, ranks: usize) -> Option<usize> {
    let theirs = hpcc()?.run(sweep).unwrap_or_else(|why| panic!("{why}"));
    println!("{} on {ranks} ranks: {:.1} s", theirs.name, theirs.seconds);
    let ours = ours(ranks, &sweep.to_dat());
    assert_eq!(ours.reports.len(), sweep.tests());
    let mut compared = 0;
    for ((params, theirs), ours) in sweep.runs().zip(&theirs.parsed.reports).zip(&ours.reports) {
        assert_eq!(ours.params, params);
        let [theirs, ours] = [theirs, ours].map(|report| *report.verdict.check().expect("a test that was checked"));
        match compare(&theirs, &ours) {
            Comparison::Agrees => compared += 1,
            // No norms are printed where nothing was rounded: N = 1, or luck.
            Comparison::Unprinted | Comparison::Unfit(_)
                if params.n <= 2 && theirs.residual.max(ours.residual) < PASSES => {}
            found => panic!("{params:?}: {found:?}\n{theirs:?}\n{ours:?}"),
        }
    }
    println!("{compared} of {} tests agree in all norms", sweep.tests());
    Some(compared)
}

const NS: [usize; 8] = [1, 2, 37, 128, 200, 500, 997, 1000];
const NBS: [usize; 3] = [37, 64, 1024];

#[test]
fn one_rank() {
    if let Some(compared) = both(&sweep(&NS, &NBS, &[(1, 1)], Order::RowMajor), 1) {
        assert!(compared >= 18, "{compared}");
    }
}

#[test]
fn two_ranks() {
    if let Some(compared) = both(&sweep(&NS, &NBS, &[(1, 2), (2, 1)], Order::ColumnMajor), 2) {
        assert!(compared >= 36, "{compared}");
    }
}

/// 3 x 1 leaves a rank idle; 997 in blocks of 37 leaves no rank with as much as another.
#[test]
fn four_ranks() {
    if let Some(compared) = both(&sweep(&NS, &NBS[..2], &[(2, 2), (3, 1), (1, 4)], Order::RowMajor), 4) {
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
    if let Some(compared) = both(&sweep, 4) {
        assert_eq!(compared, sweep.tests());
    }
}
