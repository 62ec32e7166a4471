//! Back-substitution: x from U·x = y, block column by block column from the right.
//!
//! y = L⁻¹·P·b stands in column N. Every process column keeps, for its local rows, the part of U·x that its
//! own columns contribute so far. For block k: the process row that owns it sums these parts at the owner
//! of the diagonal block, which solves for x_k and sends it down (and up) its process column; there
//! everybody adds x_k's contribution to the rows above.

use hpl_core::level1::subtract_gemv;
use hpl_core::lu;

use crate::comm::{Buf, Comm, Reduce, add, broadcast};
use crate::grid::Grid;
use crate::matrix::DistMatrix;

const SUM: u32 = 3001;
const SPREAD: u32 = 3002;

/// Solves for x. The result is dealt like the columns of A (without b) and equal on all process rows:
/// entry l belongs to the global column of local column l.
///
/// Collective over the grid.
pub fn backsolve<C: Comm>(grid: &Grid<C>, a: &DistMatrix) -> Vec<f64> {
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
            subtract_gemv(local.sub(0, col, row, width), &room, &mut sums[..row]);
        }
    }
    x
}
