//! The update of trailing columns by one panel: row interchanges, U ← L1⁻¹·U, A22 ← A22 − L2·U.

use std::ops::Range;
use std::time::Instant;

use hpl_core::context::Context;
use hpl_core::gemm::Left;
use hpl_core::level1::laswp;
use hpl_core::matrix::{MatMut, MatRef};
use hpl_core::share::{StripPairs, Strips};
use hpl_core::trsm::trsm;
use hpl_spec::params::SWAP_COLUMNS;
use hpl_spec::report::Phases;

use crate::comm::Comm;
use crate::grid::Grid;
use crate::matrix::DistMatrix;
use crate::panel::Panel;
use crate::swap::{SwapPlan, local_swaps, spread_roll};
use crate::workspace::Workspace;

/// Applies `panel` to the local columns `cols`; collective over the process column.
///
/// The team takes strips of columns from a bag; the main thread calls `progress` between its strips and
/// while it waits, which keeps the next panel's broadcast moving.
pub fn update<C: Comm>(
    cx: &Context,
    grid: &Grid<C>,
    a: &mut DistMatrix,
    panel: &Panel,
    cols: Range<usize>,
    work: &mut Workspace,
    phases: &mut Phases,
    progress: &mut dyn FnMut(),
) {
    if cols.is_empty() {
        return;
    }
    let shape = panel.shape;
    let (rows, n) = (a.rows, cols.len());
    let local_rows = rows.local_len();
    let (left_part, trailing) = a.local_mut().split_at_col(cols.start);
    let mut trailing = trailing.sub(0, 0, local_rows, n);
    // With one process column the message carries no L2: it is used where it lies.
    let l2 = match grid.q {
        1 => left_part.as_ref().sub(shape.below, shape.left, shape.height, shape.width),
        _ => panel.l2(),
    };

    let start = Instant::now();
    let left = Left::pack(cx, &mut work.packed, l2);
    if grid.p == 1 {
        let swaps = local_swaps(panel.pivots(), shape.first);
        let trailing = trailing.sub(shape.top, 0, local_rows - shape.top, n);
        in_place(cx, &left, panel.l1(), &swaps, trailing, progress);
        phases.update += start.elapsed().as_secs_f64();
        return;
    }
    let plan = SwapPlan::new(&rows, shape.first, panel.pivots());
    let owner = grid.row == shape.process_row;
    phases.update += start.elapsed().as_secs_f64();
    for first in (0..n).step_by(SWAP_COLUMNS) {
        let start = Instant::now();
        let width = SWAP_COLUMNS.min(n - first);
        let mut columns = trailing.as_mut().sub(0, first, local_rows, width);
        let mut u = MatMut::new(&mut work.u[..shape.width * width], shape.width, width, shape.width);
        let (pool, column) = (&mut work.pool, &grid.along_col);
        spread_roll(cx, column, shape.process_row, &plan, columns.as_mut(), u.as_mut(), pool, progress);
        phases.swap += start.elapsed().as_secs_f64();
        let start = Instant::now();
        let columns = columns.sub(shape.top, 0, local_rows - shape.top, width);
        beside(cx, &left, panel.l1(), owner, u, columns, progress);
        phases.update += start.elapsed().as_secs_f64();
    }
}

/// One process row: rows are exchanged in place, and U is the top of the trailing columns.
fn in_place(cx: &Context, left: &Left, l1: MatRef, swaps: &[usize], mut a: MatMut, progress: &mut dyn FnMut()) {
    let (m, n, jb) = (a.rows(), a.cols(), l1.rows());
    for (i, rows) in left.row_blocks_or_none().enumerate() {
        let strips = Strips::new(a.as_mut().sub(0, 0, m, n), left.strip_width(n, cx.team().size()));
        work_through(cx, progress, |scratch| {
            let Some((_, mut strip)) = strips.next() else { return false };
            if i == 0 {
                laswp(strip.as_mut(), swaps);
            }
            let (mut u, below) = strip.split_at_row(jb);
            if i == 0 {
                trsm(cx, scratch, l1, u.as_mut());
            }
            let width = u.cols();
            left.multiply(scratch, rows.clone(), -1.0, u.as_ref(), below.sub(rows.start, 0, rows.len(), width));
            true
        });
    }
}

/// Several process rows: U lies beside the matrix; the owner of the diagonal block copies it back.
fn beside(
    cx: &Context,
    left: &Left,
    l1: MatRef,
    owner: bool,
    mut u: MatMut,
    mut a: MatMut,
    progress: &mut dyn FnMut(),
) {
    let top = if owner { l1.rows() } else { 0 };
    for (i, rows) in left.row_blocks_or_none().enumerate() {
        let width = left.strip_width(a.cols(), cx.team().size());
        let strips = StripPairs::new(u.as_mut(), a.as_mut(), width);
        work_through(cx, progress, |scratch| {
            let Some((_, mut u, strip)) = strips.next() else { return false };
            let (mut block, below) = strip.split_at_row(top);
            if i == 0 {
                trsm(cx, scratch, l1, u.as_mut());
                if owner {
                    block.copy_from(u.as_ref());
                }
            }
            let width = u.cols();
            left.multiply(scratch, rows.clone(), -1.0, u.as_ref(), below.sub(rows.start, 0, rows.len(), width));
            true
        });
    }
}

/// All members call `step` until it returns false; the main thread also calls `progress`.
fn work_through(
    cx: &Context,
    progress: &mut dyn FnMut(),
    step: impl Fn(&mut hpl_core::context::Scratch) -> bool + Sync,
) {
    cx.team().phase_with(
        |member| {
            let mut scratch = cx.scratch(member);
            while step(&mut scratch) {
                progress();
            }
        },
        |member| {
            let mut scratch = cx.scratch(member);
            while step(&mut scratch) {}
        },
    );
}
