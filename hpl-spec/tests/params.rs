//! One run: code, limits, operations, memory.
use hpl_spec::params::INT_MAX;
use hpl_spec::params::leading_dimension;
use hpl_spec::{Bcast, Fact, Order, RunParams, Swap, numroc};

#[test]
fn the_code_is_netlibs() {
    let mut params = RunParams::new(1000, 64, 1, 1);
    assert_eq!(params.variant(), "WR11R2R8");
    params.rfact = Fact::Crout;
    params.nbmin = 4;
    assert_eq!(params.variant(), "WR11C2R4");
    params = RunParams {
        order: Order::ColumnMajor,
        depth: 12,
        bcast: Bcast::LongM,
        rfact: Fact::Left,
        ndiv: 10,
        pfact: Fact::Crout,
        nbmin: 16,
        ..params
    };
    assert_eq!(params.variant(), "WC125L10C16");
}

#[test]
fn every_limit_is_checked() {
    let good = RunParams::new(0, 1, 1, 1);
    assert_eq!(good.check(), Ok(()));
    let over = INT_MAX + 1;
    let bad = [
        ("N", RunParams { n: over, ..good }),
        ("NB", RunParams { nb: 0, ..good }),
        ("NB", RunParams { nb: over, ..good }),
        ("P", RunParams { p: 0, ..good }),
        ("Q", RunParams { q: 0, ..good }),
        ("NBMIN", RunParams { nbmin: 0, ..good }),
        ("NDIV", RunParams { ndiv: 1, ..good }),
        ("DEPTH", RunParams { depth: over, ..good }),
        ("swapping threshold", RunParams { swap: Swap::Mix { threshold: over }, ..good }),
        ("ALIGN", RunParams { align: 0, ..good }),
    ];
    for (field, params) in bad {
        assert_eq!(params.check().unwrap_err().field, field);
    }
    let error = RunParams { ndiv: 1, ..good }.check().unwrap_err();
    assert_eq!(error.to_string(), "NDIV is 1; it must be from 2 to 2147483647");
}

#[test]
fn operations_and_rate() {
    let params = RunParams::new(1000, 64, 1, 1);
    assert_eq!(params.flops(), 1e6 * ((2.0 / 3.0) * 1000.0 + 1.5));
    assert!((params.gflops(0.36) - 1.856_018_5).abs() < 1e-6);
    assert_eq!(RunParams::new(0, 1, 1, 1).gflops(1.0), 0.0);
    for no_time in [0.0, -1.0, f64::NAN] {
        assert_eq!(params.gflops(no_time), 0.0);
    }
}

#[test]
fn numroc_deals_everything_to_someone_and_most_to_process_0() {
    for n in 0..40 {
        for nb in 1..9 {
            for procs in 1..6 {
                let parts: Vec<usize> = (0..procs).map(|me| numroc(n, nb, me, procs)).collect();
                assert_eq!(parts.iter().sum::<usize>(), n);
                assert_eq!(parts.iter().max(), parts.first());
                for (me, part) in parts.iter().enumerate() {
                    let owned = (0..n).filter(|index| index / nb % procs == me).count();
                    assert_eq!(*part, owned, "n {n} nb {nb} process {me} of {procs}");
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "numroc")]
fn numroc_wants_a_block() {
    let _ = numroc(10, 0, 0, 1);
}

#[test]
fn memory_of_one_rank() {
    // One process: A is 1000 x 1001, one panel with
    // L1, pivots and info, no U, packed L2 (up to 24 rows of padding).
    let one = RunParams::new(1000, 64, 1, 1);
    assert_eq!(one.bytes_per_rank(), 8 * (1000 * 1001 + 64 * (1000 + 130) + 64 * 1024));
    // 2 x 2: blocks 0, 2, ... 14 of 16 blocks: 512 rows; the column of b is
    // block 15's last: 512 columns. Columns of 512 doubles would be a power of two apart. Two chunks of U, the rows of which
    // one is put together, and those that leave for it: four times its size.
    let grid = RunParams::new(1000, 64, 2, 2);
    let (rows, columns) = (512, 512);
    let doubles = (rows + 8) * columns + 2 * 64 * (rows + 130) + 4 * 64 * columns + 64 * (rows + 24);
    assert_eq!(grid.bytes_per_rank(), 8 * doubles);
    // A deeper look-ahead holds more panels, as long as there are so many; with one process column it is of no use. NB
    // beyond N counts as N.
    let deep = |depth, params| RunParams { depth, ..params }.bytes_per_rank();
    let panel = 8 * 64 * (rows + 130 + rows + 24);
    assert_eq!([0, 1, 3].map(|depth| deep(depth, grid)), [0, 0, 2].map(|more| grid.bytes_per_rank() + more * panel));
    assert_eq!(deep(16, grid), deep(17, grid));
    assert_eq!(deep(9, one), one.bytes_per_rank());
    // A long broadcast holds the pieces of two panels besides.
    let long = |params| RunParams { bcast: Bcast::Long, ..params }.bytes_per_rank();
    assert_eq!(long(grid), grid.bytes_per_rank() + 2 * 8 * 64 * (rows + 130));
    assert_eq!(long(one), one.bytes_per_rank());
    let wide = |nb| RunParams::new(100, nb, 1, 1).bytes_per_rank();
    assert_eq!(wide(100), wide(INT_MAX));
    // ALIGN sets columns apart.
    let apart = RunParams { align: 600, ..grid }.bytes_per_rank();
    assert_eq!(apart, grid.bytes_per_rank() + 8 * (600 - 520) * columns);
    // N = 0 still has b.
    assert_eq!(RunParams::new(0, 1, 1, 1).bytes_per_rank(), 8 * 24);
}

#[test]
fn memory_never_overflows() {
    let sizes = [0, 1, 2, 3, INT_MAX, usize::MAX / 2 + 1, usize::MAX - 1, usize::MAX];
    for n in sizes {
        for nb in sizes {
            for p in sizes {
                for align in sizes {
                    let params = RunParams { depth: nb, align, ..RunParams::new(n, nb, p, p) };
                    assert!(params.bytes_per_rank() > 0);
                }
            }
        }
    }
    assert_eq!(RunParams::new(usize::MAX, 1, 1, 1).bytes_per_rank(), u64::MAX);
}

/// The examples of the reference, and the smallest alignments.
#[test]
fn the_leading_dimension_is_no_power_of_two() {
    let lds = [(1000, 8), (1024, 8), (8, 8), (0, 8), (1, 1), (2, 2), (3, 5), (100, 64), (65, 64), (usize::MAX, 8)];
    let lds = lds.map(|(rows, align)| leading_dimension(rows, align));
    assert_eq!(lds, [1000, 1032, 24, 24, 3, 6, 5, 192, 192, usize::MAX]);
    for (rows, align) in (0..300).flat_map(|rows| (1..40).map(move |align| (rows, align))) {
        let ld = leading_dimension(rows, align);
        assert!(ld >= rows && ld <= rows + 3 * align && ld.is_multiple_of(align) && !ld.is_power_of_two());
    }
}
