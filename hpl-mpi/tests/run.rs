//! Runs as a whole on grids of threads: verdicts, events, and what a bad matrix does.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::team::Team;
use hpl_mpi::backsolve::backsolve;
use hpl_mpi::comm::Comm;
use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::factorize::factorize;
use hpl_mpi::grid::Grid;
use hpl_mpi::matrix::DistMatrix;
use hpl_mpi::run::Runner;
use hpl_mpi::variant::Variant;
use hpl_mpi::verify::verify;
use hpl_spec::event::RunEvent;
use hpl_spec::params::{Order, RunParams};
use hpl_spec::report::{Phases, RunReport, Verdict};

/// Runs the parameters on threads; the report (the same on all ranks) and the events of rank 0.
fn run(params: RunParams, threshold: f64, available: u64) -> (RunReport, Vec<RunEvent>) {
    let events = Mutex::new(Vec::new());
    let reports = ThreadComm::run(params.p * params.q, SendMode::Rendezvous, |world| {
        let grid = Grid::new(&world, params.p, params.q, params.order).unwrap();
        let node = grid.all.split_node();
        let cx = Context::solo();
        let runner = Runner {
            cx: &cx,
            grid: &grid,
            node: &node,
            threshold,
            test: 3,
            tests: 5,
            clock: &|| "Thu Oct  2 18:37:13 2023".to_owned(),
            available: &|| available,
            peak: 0.0,
            progress: None,
            trace: None,
        };
        runner.run(&params, &mut |event| {
            assert_eq!(grid.all.rank(), 0, "only rank 0 speaks");
            events.lock().unwrap().push(event);
        })
    });
    for report in &reports {
        assert_eq!(report.verdict, reports[0].verdict);
        assert_eq!(report.seconds, reports[0].seconds);
    }
    (reports[0].clone(), events.into_inner().unwrap())
}

const PLENTY: u64 = 1 << 40;

#[test]
fn events_tell_the_run_in_order() {
    let params = RunParams::new(130, 16, 2, 2);
    let (report, events) = run(params, 16.0, PLENTY);
    assert!(matches!(report.verdict, Verdict::Passed(_)), "{report:?}");
    assert!(report.seconds > 0.0 && report.gflops == params.gflops(report.seconds));
    assert_eq!(events[0], RunEvent::Started { test: 3, tests: 5, params });
    let panels: Vec<_> = events
        .iter()
        .filter_map(|e| match e {
            RunEvent::Panel { panel, panels, seconds, gflops, .. } => {
                assert!(*seconds > 0.0 && *gflops > 0.0 && *panels == 9);
                Some(*panel)
            }
            _ => None,
        })
        .collect();
    assert!(panels.is_sorted() && panels.first() == Some(&1) && panels.last() == Some(&9), "{panels:?}");
    let [.., RunEvent::Phases { gflops, .. }, RunEvent::Verdict { report: last, .. }] = &events[..] else {
        panic!("the last two events: {events:?}")
    };
    assert_eq!((*gflops, last), (report.gflops, &report));
}

#[test]
fn a_matrix_that_does_not_fit_is_skipped_with_both_figures() {
    let params = RunParams::new(100_000, 128, 2, 2);
    let needed = 4 * params.bytes_per_rank();
    let (report, events) = run(params, 16.0, 7_000_000_000);
    let Verdict::Skipped { why } = &report.verdict else { panic!("{report:?}") };
    assert!(why.contains("[1,1] Memory allocation failed for A, x and b. Skip."), "{why}");
    assert!(why.contains(&format!("{:.2} GB", needed as f64 / 1e9)) && why.contains("7.00 GB"), "{why}");
    assert_eq!((report.seconds, events.len()), (0.0, 2));
}

#[test]
fn a_size_beyond_any_memory_does_not_overflow() {
    let (report, _) = run(RunParams::new(i32::MAX as usize, 256, 1, 1), 16.0, u64::MAX);
    assert!(matches!(report.verdict, Verdict::Skipped { .. }));
}

#[test]
fn thresholds_decide() {
    let verdict = |threshold| run(RunParams::new(29, 4, 1, 2), threshold, PLENTY).0.verdict;
    assert!(matches!(verdict(16.0), Verdict::Passed(_)));
    assert!(matches!(verdict(1e-10), Verdict::Failed(_)));
    assert!(matches!(verdict(f64::NAN), Verdict::Failed(_)));
    assert_eq!(verdict(0.0), Verdict::Unchecked);
    assert_eq!(verdict(-16.0), Verdict::Unchecked);
}

/// Factors netlib's matrix of order n after `spoil` has changed it (given global row and column).
fn spoiled(n: usize, p: usize, q: usize, spoil: impl Fn(usize, usize, f64) -> f64 + Sync) -> Vec<(Option<usize>, f64)> {
    ThreadComm::run(p * q, SendMode::Rendezvous, |world| {
        let grid = Grid::new(&world, p, q, Order::RowMajor).unwrap();
        let cx = Context::solo();
        let mut a = DistMatrix::allocate(&grid, n, 8, 8).unwrap();
        a.generate(&cx);
        let (rows, cols) = (a.rows, a.cols);
        for l in 0..cols.local_len() {
            let mut local = a.local_mut();
            for (i, v) in local.col(l).iter_mut().enumerate() {
                *v = spoil(rows.global(i), cols.global(l), *v);
            }
        }
        let variant = Variant::of(&RunParams::new(n, 8, p, q));
        let factored = factorize(&cx, &grid, &mut a, variant, &mut Phases::default(), &mut |_, _| {});
        let residual = match factored.zero_pivot {
            Some(_) => 0.0,
            None => {
                let x = backsolve(&cx, &grid, &a);
                verify(&cx, &grid, &mut a, &x).residual
            }
        };
        (factored.zero_pivot, residual)
    })
}

#[test]
fn a_zero_column_is_named_by_every_rank() {
    for (p, q) in [(1, 1), (2, 2), (3, 1), (1, 3)] {
        for zero in [0, 7, 8, 20, 36] {
            let found = spoiled(37, p, q, |_, j, v| if j == zero { 0.0 } else { v });
            assert!(found.iter().all(|f| f.0 == Some(zero)), "{p}x{q}: {found:?}");
        }
    }
}

#[test]
fn not_a_number_fails_and_hangs_nobody() {
    for (p, q) in [(1, 1), (2, 2), (3, 1), (1, 3)] {
        for at in [(0, 0), (36, 0), (20, 20), (5, 36)] {
            let found = spoiled(37, p, q, |i, j, v| if (i, j) == at { f64::NAN } else { v });
            assert!(found.iter().all(|f| f.0.is_none() && f.1.is_nan()), "{p}x{q} {at:?}: {found:?}");
        }
    }
}

/// Whoever sets the flag, and whatever the ranks are doing: all of them end at once.
#[test]
fn a_run_that_is_cancelled_ends_at_once() {
    let cancelled = |threads: usize, (p, q): (usize, usize)| {
        ThreadComm::run(p * q, SendMode::Rendezvous, |world| {
            let grid = Grid::new(&world, p, q, Order::RowMajor).unwrap();
            let kernel = hpl_core::gemm::kernel::pick(None).unwrap();
            let cx = Context::new(kernel, Default::default(), Team::new(threads, true, |_| {}).unwrap());
            let params = RunParams::new(3000, 8, p, q);
            let mut a = DistMatrix::allocate(&grid, params.n, params.nb, params.align).unwrap();
            a.generate(&cx);
            let (begun, policy) = (Instant::now(), world.wait_policy().clone());
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    std::thread::sleep(Duration::from_millis(100));
                    policy.cancel();
                });
                let variant = Variant::of(&params);
                let solve = || drop(factorize(&cx, &grid, &mut a, variant, &mut Phases::default(), &mut |_, _| ()));
                let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(solve));
                let text = *end.expect_err("it was cancelled").downcast::<String>().unwrap();
                assert!(text.starts_with("cancelled: ") || text.contains("another member"), "{text}");
                assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
            });
            // The communicator is left with messages under way: nothing of it is looked at any more.
            panic!("as it should be");
        });
    };
    for (threads, grid) in [(1, (1, 1)), (2, (1, 1)), (1, (2, 2)), (2, (2, 1))] {
        let end = std::panic::catch_unwind(|| cancelled(threads, grid)).expect_err("all ranks panic");
        assert_eq!(*end.downcast::<&str>().unwrap(), "as it should be");
    }
}
