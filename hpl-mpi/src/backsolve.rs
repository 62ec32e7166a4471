//! Back-substitution: x from U·x = y, block column by block column from the right.
//!
//! y = L⁻¹·P·b stands in column N. Every process column keeps, for its local rows, the part of U·x that its
//! own columns contribute so far. For block k: the process row that owns it sums these parts at the owner
//! of the diagonal block, which solves for x_k and sends it down (and up) its process column; there
//! everybody adds x_k's contribution to the rows above.

use std::sync::Mutex;

use hpl_core::context::Context;
use hpl_core::level1::subtract_gemv;
use hpl_core::lu;
use hpl_core::matrix::MatRef;
use hpl_core::timeline::Work;

use crate::comm::stage::{SPREAD, SUM};
use crate::comm::{Buf, Comm, Reduce, add, broadcast};
use crate::grid::Grid;
use crate::matrix::DistMatrix;

/// Solves for x. The result is dealt like the columns of A (without b) and equal on all process rows:
/// entry l belongs to the global column of local column l.
///
/// Collective over the grid.
pub fn backsolve<C: Comm>(cx: &Context, grid: &Grid<C>, a: &DistMatrix) -> Vec<f64> {
    let (n, nb) = (a.n(), a.rows.block);
    let local = a.local();
    let mut sums = match a.b_column() {
        Some(b) => local.col(b).to_vec(),
        None => vec![0.0; a.rows.local_len()],
    };
    let mut x = vec![0.0; a.cols.first_local_at_or_after(n)];
    let mut reduce = Reduce::new(nb.min(n));
    let mut room = Buf::zeroed(nb.min(n)).unwrap_or_else(|e| panic!("back-substitution: {e}"));
    for k in (0..n.div_ceil(nb)).rev() {
        let first = k * nb;
        let width = nb.min(n - first);
        let (owner_row, owner_col) = (k % grid.p, k % grid.q);
        let (row, col) = (a.rows.first_local_at_or_after(first), a.cols.first_local_at_or_after(first));
        room.set_len(width);
        if grid.row == owner_row {
            room.as_mut().copy_from_slice(&sums[row..row + width]);
            room = reduce.reduce_to(&grid.along_row, room, owner_col, SUM, add);
        }
        if grid.col == owner_col {
            if grid.row == owner_row {
                lu::backsolve(local.sub(row, col, width, width), room.as_mut());
            }
            room = broadcast(&grid.along_col, room, owner_row, SPREAD);
            x[col..col + width].copy_from_slice(&room);
            subtract(cx, k, local.sub(0, col, row, width), &room, &mut sums[..row]);
        }
    }
    x
}

/// Fewer multiply-adds than this are done by the main thread alone: waking the team costs more.
const ALONE: usize = 1 << 17;

/// sums ← sums − A·x for block `block` of x, a band of rows a member.
fn subtract(cx: &Context, block: usize, a: MatRef, x: &[f64], sums: &mut [f64]) {
    let members = cx.team().size();
    if members == 1 || a.rows() * a.cols() < ALONE {
        return cx.main_scratch().timed(Work::Backsolve, block, |_| subtract_gemv(a, x, sums));
    }
    let height = a.rows().div_ceil(members);
    let bands: Vec<_> = sums.chunks_mut(height).map(Mutex::new).collect();
    cx.team().phase(|member| {
        let Some(band) = bands.get(member.id()) else { return };
        let mut band = band.lock().expect("one member, one band");
        let rows = a.sub(member.id() * height, 0, band.len(), a.cols());
        cx.scratch(member).timed(Work::Backsolve, block, |_| subtract_gemv(rows, x, &mut band));
    });
}
