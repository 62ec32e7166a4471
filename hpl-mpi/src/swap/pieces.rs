//! U in pieces, as they came from the process rows.

use std::ops::Range;

use hpl_core::gemm::triangle::Rows;
use hpl_core::matrix::MatMut;

use crate::comm::Buf;

/// Some rows of U.
#[derive(Debug)]
pub struct Piece<'a> {
    /// Which rows of U they are.
    pub slots: &'a [usize],
    /// A matrix of as many rows, column after column.
    pub rows: Buf,
}

/// A strip of U in pieces.
pub struct InPieces<'a> {
    /// All rows of U.
    pub pieces: &'a [Piece<'a>],
    /// The column of the pieces with which the strip begins, and the one behind its last.
    pub columns: Range<usize>,
    /// The top block, on the process row that owns it: X goes there.
    pub top: Option<MatMut<'a>>,
}

impl Rows for InPieces<'_> {
    fn load(&self, first: usize, nr: usize, out: &mut [f64]) {
        let columns = self.columns.len().min(first + nr) - first;
        if columns < nr {
            out.fill(0.0);
        }
        for Piece { slots, rows } in self.pieces {
            let height = slots.len();
            let rows = &rows[(self.columns.start + first) * height..][..columns * height];
            match (nr, columns) {
                (8, 8) => side_by_side::<8>(rows, slots, out),
                (4, 4) => side_by_side::<4>(rows, slots, out),
                _ => {
                    for (i, &slot) in slots.iter().enumerate() {
                        (0..columns).for_each(|j| out[slot * nr + j] = rows[j * height + i]);
                    }
                }
            }
        }
    }

    fn keep(&mut self, first: usize, nr: usize, solved: &[f64]) {
        self.top.iter_mut().for_each(|top| top.keep(first, nr, solved));
    }
}

/// NR columns, which lie one after the other, to the rows `slots` of `out`.
fn side_by_side<const NR: usize>(columns: &[f64], slots: &[usize], out: &mut [f64]) {
    let columns: [&[f64]; NR] = std::array::from_fn(|j| &columns[j * slots.len()..][..slots.len()]);
    let out = out.as_chunks_mut::<NR>().0;
    for (i, &slot) in slots.iter().enumerate() {
        out[slot] = std::array::from_fn(|j| columns[j][i]);
    }
}
