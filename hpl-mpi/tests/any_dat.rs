//! Any legal HPL.dat on any grid up to 4×4: what it describes is run on threads in both send modes, and has the
//! residual and the pivots of the single-node oracle.

use hpl_core::context::Context;
use hpl_core::gemm::blocking::CacheSizes;
use hpl_core::gemm::kernel;
use hpl_core::team::Team;
use hpl_core::{lu, norm};
use hpl_mpi::backsolve::backsolve;
use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::factorize::factorize;
use hpl_mpi::grid::Grid;
use hpl_mpi::matrix::DistMatrix;
use hpl_mpi::variant::Variant;
use hpl_mpi::verify::verify;
use hpl_spec::Sweep;
use hpl_spec::params::{Bcast, Fact, INT_MAX, Order, RunParams, Storage, Swap};
use hpl_spec::report::Phases;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Runs of one HPL.dat that are looked at: all of most files, some of the others.
const RUNS: usize = 4;
/// What netlib's usual threshold asks for.
const PASSES: f64 = 16.0;

/// What a run does not take from HPL.dat.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Ranks outside the grid.
    idle: usize,
    /// Threads of each rank.
    threads: usize,
    mode: SendMode,
}

/// One set on a grid of threads: pivots and scaled residual, which are the same on every rank, and x with the columns
/// that its elements belong to, from all of them.
fn run(params: &RunParams, place: Place) -> (Vec<usize>, f64, Vec<(usize, f64)>) {
    let &RunParams { n, nb, p, q, order, align, .. } = params;
    let results = ThreadComm::run(p * q + place.idle, place.mode, |world| {
        let grid = Grid::new(&world, p, q, order)?;
        let team = Team::new(place.threads, true, |_| {}).unwrap();
        let cx = Context::new(kernel::pick(None).unwrap(), CacheSizes::default(), team);
        let mut a = DistMatrix::allocate(&grid, n, nb, align).unwrap();
        a.generate(&cx);
        let mut phases = Phases::default();
        let factored = factorize(&cx, &grid, &mut a, Variant::of(params), &mut phases, &mut |_, _| {});
        assert_eq!(factored.zero_pivot, None, "{params:?}");
        let x = backsolve(&cx, &grid, &a);
        let residual = verify(&cx, &grid, &mut a, &x).residual;
        let placed = x.iter().enumerate().map(|(l, &value)| (a.cols.global(l), value)).collect::<Vec<_>>();
        Some((factored.pivots, residual, placed))
    });
    let members: Vec<_> = results.into_iter().flatten().collect();
    assert_eq!(members.len(), p * q);
    let (pivots, residual, _) = members[0].clone();
    for (other, its, _) in &members {
        assert_eq!((other, its.to_bits()), (&pivots, residual.to_bits()), "{params:?} {place:?}");
    }
    (pivots, residual, members.into_iter().flat_map(|(_, _, placed)| placed).collect())
}

fn word<T: Copy + std::fmt::Debug + 'static>(words: impl Iterator<Item = T>) -> impl Strategy<Value = T> {
    select(words.collect::<Vec<_>>())
}

/// Small sizes, and now and then one that is as large as the file allows.
fn size(least: usize, most: usize) -> impl Strategy<Value = usize> {
    prop_oneof![12 => least..=most, 1 => Just(INT_MAX)]
}

/// One value of a list, or two.
fn list<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Vec<T>> {
    vec(of, 1..=2)
}

/// Any legal sweep over one grid up to 4×4, of orders that are solved in a moment.
fn sweep() -> impl Strategy<Value = Sweep> {
    let facts = || list(word(Fact::TABLE.iter().map(|row| row.value)));
    let form = || word(Storage::TABLE.iter().map(|row| row.value));
    let swap = prop_oneof![
        Just(Swap::BinaryExchange),
        Just(Swap::SpreadRoll),
        size(0, 100).prop_map(|threshold| Swap::Mix { threshold }),
    ];
    let shape = (list(0_usize..130), list(size(1, 50)), (1_usize..=4, 1_usize..=4));
    let panel = (facts(), facts(), list(size(1, 20)), list(size(2, 5)));
    let broadcast = (list(word(Bcast::TABLE.iter().map(|row| row.value))), list(size(0, 6)));
    let rest = (word(Order::TABLE.iter().map(|row| row.value)), swap, form(), form(), any::<bool>(), 1_usize..=64);
    (shape, panel, broadcast, rest).prop_map(|((ns, nbs, grid), panel, (bcasts, depths), rest)| {
        let (pfacts, rfacts, nbmins, ndivs) = panel;
        let (order, swap, l1, u, equil, align) = rest;
        let one = Sweep::of(RunParams::new(0, 1, 1, 1), PASSES);
        let grids = vec![grid];
        Sweep { ns, nbs, grids, order, pfacts, rfacts, nbmins, ndivs, bcasts, depths, swap, l1, u, equil, align, ..one }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn any_hpl_dat_agrees_with_the_oracle(
        drawn in sweep(),
        (idle, threads) in (0_usize..3, 1_usize..=4),
        first in any::<prop::sample::Index>(),
    ) {
        let dat = drawn.to_dat();
        let (p, q) = drawn.grids[0];
        let sweep = Sweep::parse(&dat, p * q + idle).map_err(|why| TestCaseError::fail(why.to_string()))?;
        prop_assert_eq!(&sweep, &drawn);
        // All around, from any of them on, so that every place in the lists has its turn.
        let runs: Vec<RunParams> = sweep.runs().collect();
        let (first, step) = (first.index(runs.len()), runs.len().div_ceil(RUNS));
        for params in runs.iter().cycle().skip(first).step_by(step).take(runs.len().min(RUNS)) {
            let oracle = lu::linpack(&Context::solo(), params.n, params.nb).unwrap();
            prop_assert!(oracle.residual < PASSES, "{params:?}: the oracle's residual is {}", oracle.residual);
            let scale = norm::max_abs(&oracle.x);
            for mode in [SendMode::Eager, SendMode::Rendezvous] {
                let place = Place { idle, threads, mode };
                let (pivots, residual, x) = run(params, place);
                prop_assert_eq!(&pivots, &oracle.factored.pivots, "{:?} {:?}\n{}", params, place, dat);
                prop_assert!(residual < PASSES, "residual {residual}: {params:?} {place:?}\n{dat}");
                // Each process row has all of x.
                prop_assert_eq!(x.len(), p * params.n);
                let off = x.iter().map(|&(column, value)| (value - oracle.x[column]).abs()).fold(0.0, f64::max);
                prop_assert!(off <= 1e-6 * scale, "x is off by {off:e} of {scale:e}: {params:?} {place:?}\n{dat}");
            }
        }
    }
}
