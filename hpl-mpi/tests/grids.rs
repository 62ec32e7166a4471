//! The distributed algorithm against the single-node oracle, on grids of threads, in both send modes.

use std::collections::BTreeMap;
use std::sync::Mutex;

use hpl_core::context::Context;
use hpl_core::gemm::blocking::CacheSizes;
use hpl_core::gemm::kernel;
use hpl_core::lu;
use hpl_core::team::Team;
use hpl_mpi::backsolve::backsolve;
use hpl_mpi::comm::Comm;
use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::factorize::factorize;
use hpl_mpi::grid::Grid;
use hpl_mpi::matrix::DistMatrix;
use hpl_mpi::panel::Recursion;
use hpl_mpi::variant::Variant;
use hpl_mpi::verify::verify;
use hpl_spec::params::{Bcast, Fact, Order, Swap};
use hpl_spec::report::Phases;

#[derive(Debug, Clone, Copy)]
struct Case {
    n: usize,
    nb: usize,
    p: usize,
    q: usize,
    ranks: usize,
    order: Order,
    depth: usize,
    bcast: Bcast,
    threads: usize,
    recursion: Recursion,
    swap: Swap,
    equil: bool,
    align: usize,
    mode: SendMode,
}

fn right_looking(nbmin: usize, ndiv: usize) -> Recursion {
    Recursion { nbmin, ndiv, rfact: Fact::Right, pfact: Fact::Right }
}

impl Case {
    fn new(n: usize, nb: usize, p: usize, q: usize) -> Case {
        Case {
            n,
            nb,
            p,
            q,
            ranks: p * q,
            order: Order::RowMajor,
            depth: 1,
            bcast: Bcast::RingM,
            threads: 1,
            recursion: right_looking(2, 2),
            swap: Swap::SpreadRoll,
            equil: true,
            align: 8,
            mode: SendMode::Eager,
        }
    }

    /// Runs the case; the pivots, the scaled residual and x, put together from all ranks.
    fn run(self) -> (Vec<usize>, f64, Vec<f64>) {
        let results = ThreadComm::run(self.ranks, self.mode, |world| {
            let grid = Grid::new(&world, self.p, self.q, self.order)?;
            let team = Team::new(self.threads, true, |_| {}).unwrap();
            let cx = Context::new(kernel::pick(None).unwrap(), CacheSizes::default(), team);
            let mut a = DistMatrix::allocate(&grid, self.n, self.nb, self.align).unwrap();
            a.generate(&cx);
            let mut phases = Phases::default();
            let mut steps = 0;
            let Case { depth, bcast, recursion, swap, equil, .. } = self;
            let variant = Variant { depth, bcast, recursion, swap, equil };
            let factored = factorize(&cx, &grid, &mut a, variant, &mut phases, &mut |k, _| {
                assert_eq!(k, steps);
                steps += 1;
            });
            assert_eq!((factored.zero_pivot, steps), (None, self.n.div_ceil(self.nb)));
            let x = backsolve(&cx, &grid, &a);
            let check = verify(&cx, &grid, &mut a, &x);
            let columns: Vec<usize> = (0..x.len()).map(|l| a.cols.global(l)).collect();
            Some((grid.all.rank(), factored.pivots, check.residual, columns, x))
        });
        let members: Vec<_> = results.into_iter().flatten().collect();
        assert_eq!(members.len(), self.p * self.q);
        let (_, pivots, residual, ..) = members[0].clone();
        let mut x = vec![f64::NAN; self.n];
        for (_, other, r, columns, part) in &members {
            assert_eq!(*other, pivots, "{self:?}");
            assert_eq!(r.to_bits(), residual.to_bits(), "{self:?}");
            for (&column, &value) in columns.iter().zip(part) {
                assert!(x[column].is_nan() || x[column].to_bits() == value.to_bits(), "x differs: {self:?}");
                x[column] = value;
            }
        }
        (pivots, residual, x)
    }

    /// The single-node LU of the same matrix, computed once for all grids.
    fn oracle(self) -> lu::Solution {
        static KNOWN: Mutex<BTreeMap<(usize, usize), lu::Solution>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let solve = || lu::linpack(&Context::solo(), self.n, self.nb).unwrap();
        known.entry((self.n, self.nb)).or_insert_with(solve).clone()
    }

    fn check(self) {
        let (pivots, residual, x) = self.run();
        let lu::Solution { x: want, factored, residual: oracles } = self.oracle();
        assert_eq!(pivots, factored.pivots, "{self:?}");
        assert!(residual < 16.0 && oracles < 16.0, "residual {residual}, the oracle's {oracles}: {self:?}");
        let scale = hpl_core::norm::max_abs(&want);
        let difference = x.iter().zip(&want).map(|(x, w)| (x - w).abs()).fold(0.0, f64::max);
        assert!(difference <= 1e-6 * scale, "x is off by {difference:e} of {scale:e}: {self:?}");
    }
}

fn both_modes(mut check: impl FnMut(SendMode)) {
    check(SendMode::Eager);
    check(SendMode::Rendezvous);
}

#[test]
fn reference_pivots_on_every_grid_up_to_3x3() {
    let reference: [(usize, &[usize]); 3] = [
        (4, &[3, 3, 2, 3]),
        (8, &[3, 3, 4, 4, 6, 7, 7, 7]),
        (
            29,
            &[
                8, 18, 24, 9, 24, 15, 7, 24, 21, 24, 14, 17, 25, 13, 16, 27, 21, 24, 26, 25, 21, 28, 28, 23, 26, 25,
                27, 27, 28,
            ],
        ),
    ];
    both_modes(|mode| {
        for p in 1..=3 {
            for q in 1..=3 {
                for (n, want) in reference {
                    for nb in [1, 3, 4, 8] {
                        let (pivots, residual, _) = Case { mode, ..Case::new(n, nb, p, q) }.run();
                        assert_eq!(pivots, want, "{n} {nb} {p}x{q} {mode:?}");
                        assert!(residual < 16.0);
                    }
                }
            }
        }
    });
}

const SIZES: [usize; 6] = [1, 2, 3, 4, 5, 7];

/// N around NB, a prime; every P and Q of the acceptance matrix, both PMAPs, both send modes.
#[test]
fn awkward_orders_on_every_grid() {
    let nb = 8;
    both_modes(|mode| {
        for (p, q) in SIZES.iter().flat_map(|&p| SIZES.map(|q| (p, q))) {
            for n in [0, 1, 2, nb - 1, nb, nb + 1, 61] {
                for order in [Order::RowMajor, Order::ColumnMajor] {
                    Case { mode, order, depth: n % 3, ..Case::new(n, nb, p, q) }.check();
                }
            }
        }
    });
}

/// The larger order of the acceptance matrix; PMAP, send mode and look-ahead alternate.
#[test]
fn order_1025_on_every_grid() {
    for (i, (p, q)) in SIZES.iter().flat_map(|&p| SIZES.map(|q| (p, q))).enumerate() {
        let mode = if i % 2 == 0 { SendMode::Rendezvous } else { SendMode::Eager };
        let order = if i / 2 % 2 == 0 { Order::RowMajor } else { Order::ColumnMajor };
        let threads = if p * q == 1 { 2 } else { 1 };
        let recursion = right_looking(8, 2);
        Case { mode, order, threads, recursion, depth: i % 3, ..Case::new(1025, 64, p, q) }.check();
    }
}

/// [A|b] on every grid up to 3×3, put together, is the matrix of the test vectors, bit for bit.
#[test]
fn the_matrix_of_the_test_vectors_on_every_grid_up_to_3x3() {
    let hashes = [
        (4, 0x020f_1fad_bad0_a44b_u64),
        (8, 0x24b5_2c49_1573_4664),
        (29, 0x9daa_269b_3fcd_c719),
        (1000, 0x8a37_488d_f20a_9674),
    ];
    both_modes(|mode| {
        for (p, q) in [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)] {
            for (n, want) in hashes {
                let parts = ThreadComm::run(p * q, mode, |world| {
                    let grid = Grid::new(&world, p, q, Order::RowMajor).unwrap();
                    let mut a = DistMatrix::allocate(&grid, n, 37, 8).unwrap();
                    a.generate(&Context::solo());
                    let columns: Vec<Vec<f64>> = (0..a.cols.local_len()).map(|l| a.local().col(l).to_vec()).collect();
                    (a.rows, a.cols, columns)
                });
                let mut whole = vec![0.0; n * (n + 1)];
                for (rows, cols, columns) in &parts {
                    for (l, column) in columns.iter().enumerate() {
                        for (i, &v) in column.iter().enumerate() {
                            whole[rows.global(i) + cols.global(l) * n] = v;
                        }
                    }
                }
                let bytes = whole.iter().flat_map(|v| v.to_le_bytes());
                let hash =
                    bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
                assert_eq!(hash, want, "N={n} on {p}x{q}");
            }
        }
    });
}

#[test]
fn depths_teams_and_recursions_give_the_same_pivots() {
    both_modes(|mode| {
        for (p, q) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (1, 4)] {
            for depth in [0, 1, 2, 5, 9] {
                for threads in [1, 2, 8] {
                    for recursion in [right_looking(1, 2), right_looking(4, 3), right_looking(64, 2)] {
                        Case { depth, threads, recursion, mode, ..Case::new(97, 16, p, q) }.check();
                    }
                }
            }
        }
    });
}

#[test]
fn orders_of_the_panel_give_the_same_pivots() {
    let facts = || Fact::TABLE.iter().map(|row| row.value);
    both_modes(|mode| {
        for (rfact, pfact) in facts().flat_map(|rfact| facts().map(move |pfact| (rfact, pfact))) {
            for (p, q) in [(1, 1), (2, 1), (2, 2), (3, 1)] {
                for threads in [1, 3] {
                    for (nbmin, ndiv) in [(1, 2), (3, 2), (4, 3), (64, 2)] {
                        let recursion = Recursion { nbmin, ndiv, rfact, pfact };
                        Case { threads, recursion, mode, ..Case::new(97, 16, p, q) }.check();
                    }
                }
            }
        }
    });
}

/// Every broadcast, in process rows long enough that they differ.
#[test]
fn broadcasts_give_the_same_pivots() {
    both_modes(|mode| {
        for bcast in Bcast::TABLE.iter().map(|row| row.value) {
            for (p, q) in [(1, 2), (1, 3), (1, 4), (1, 5), (2, 3), (1, 8), (1, 11)] {
                for depth in [0, 1, 3] {
                    Case { depth, bcast, mode, ..Case::new(97, 6, p, q) }.check();
                }
            }
        }
    });
}

/// Every way in which rows travel, in process columns long enough that they differ, and thresholds between the columns of
/// the look-ahead and the rest. They move the same numbers: all give the same bits.
#[test]
fn swaps_give_the_same_bits() {
    let swaps = [
        Swap::SpreadRoll,
        Swap::BinaryExchange,
        Swap::Mix { threshold: 0 },
        Swap::Mix { threshold: 6 },
        Swap::Mix { threshold: 40 },
    ];
    both_modes(|mode| {
        for (p, q) in [(2, 1), (3, 2), (5, 1), (6, 1), (7, 1), (8, 1), (11, 1)] {
            let usual = Case { mode, ..Case::new(97, 6, p, q) };
            let bits = |case: Case| case.run().2.into_iter().map(f64::to_bits).collect::<Vec<_>>();
            usual.check();
            let want = bits(usual);
            for (swap, equil) in swaps.into_iter().flat_map(|swap| [(swap, true), (swap, false)]) {
                for threads in [1, 2] {
                    let case = Case { swap, equil, threads, ..usual };
                    assert!(bits(case) == want, "{case:?}");
                }
            }
        }
    });
}

#[test]
fn blocks_wider_than_the_matrix_and_idle_ranks() {
    both_modes(|mode| {
        for (p, q) in [(1, 1), (2, 2), (3, 1), (1, 3)] {
            Case { mode, ..Case::new(37, 50, p, q) }.check();
            Case { mode, ranks: p * q + 2, order: Order::ColumnMajor, ..Case::new(37, 5, p, q) }.check();
        }
    });
}

/// The same blocks give the same factors, bit for bit, on every grid and team; with one process column x too
/// (with several its sums are added in another order).
#[test]
fn bits_do_not_depend_on_rows_and_threads() {
    let bits = |case: Case| case.run().2.into_iter().map(f64::to_bits).collect::<Vec<_>>();
    let one = bits(Case::new(150, 16, 1, 1));
    for p in 1..=4 {
        for threads in [1, 2, 5, 8] {
            assert_eq!(one, bits(Case { threads, ..Case::new(150, 16, p, 1) }), "{p}x1, {threads} threads");
        }
    }
}
