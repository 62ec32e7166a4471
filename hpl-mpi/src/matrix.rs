//! [A|b], dealt block-cyclically over the grid.
//!
//! Rows and columns are cut into blocks of NB; block (i, j) lies on process (i mod P, j mod Q). b is
//! column N of the matrix and dealt like any other, so that the update of the trailing columns turns
//! it into L⁻¹·b on the way.

use hpl_core::buffer::AllocError;
use hpl_core::context::Context;
use hpl_core::matrix::{MatMut, MatRef, Matrix};
use hpl_core::random::{Jump, Stream};
use hpl_core::share::{Cut, Strips};
use hpl_spec::params::leading_dimension;

use crate::axis::Axis;
use crate::comm::Comm;
use crate::grid::Grid;

/// The part of [A|b] that lies on this process.
#[derive(Debug)]
pub struct DistMatrix {
    /// How the N rows are dealt over the P process rows.
    pub rows: Axis,
    /// How the N + 1 columns are dealt over the Q process columns.
    pub cols: Axis,
    local: Matrix,
}

impl DistMatrix {
    /// Room for the local part of order `n` in blocks of `nb`, with columns as far apart as ALIGN asks
    /// ([`leading_dimension`]); its pages are not touched yet.
    ///
    /// # Errors
    /// [`AllocError`] if the memory cannot be had.
    pub fn allocate<C: Comm>(grid: &Grid<C>, n: usize, nb: usize, align: usize) -> Result<DistMatrix, AllocError> {
        let rows = Axis::new(n, nb, grid.p, grid.row);
        let cols = Axis::new(n + 1, nb, grid.q, grid.col);
        let ld = leading_dimension(rows.local_len(), align);
        let local = Matrix::zeros_apart(rows.local_len(), cols.local_len(), ld)?;
        Ok(DistMatrix { rows, cols, local })
    }

    /// N, the order of A.
    pub fn n(&self) -> usize {
        self.rows.len
    }

    /// Fills the local part with netlib's matrix: element (i, j) of [A|b] is entry i + j·N of the
    /// stream. All members of the team fill.
    pub fn generate(&mut self, cx: &Context) {
        let (rows, cols) = (self.rows, self.cols);
        if rows.local_len() == 0 || cols.local_len() == 0 {
            return;
        }
        let gap = Jump::by(((rows.procs - 1) * rows.block) as u64);
        let first_row = rows.global(0) as u64;
        let strips = Strips::new(self.local.as_mut(), Cut::even(cols.local_len(), 4));
        cx.team().phase(|_| {
            while let Some((first, mut strip)) = strips.next() {
                for j in 0..strip.cols() {
                    let column = cols.global(first + j) as u64;
                    let start = (rows.len as u64).wrapping_mul(column).wrapping_add(first_row);
                    Stream::at(start).fill_blocks(rows.block, rows.block, gap, strip.col(j));
                }
            }
        });
    }

    /// The local part for reading.
    pub fn local(&self) -> MatRef<'_> {
        self.local.as_ref()
    }

    /// The memory of the local part: column l begins at `l * ld` ([`MatRef::ld`] of [`DistMatrix::local`]).
    pub fn data(&self) -> &[f64] {
        self.local.data()
    }

    /// The local part for writing.
    pub fn local_mut(&mut self) -> MatMut<'_> {
        self.local.as_mut()
    }

    /// The local column that holds b, on the process column that owns it.
    pub fn b_column(&self) -> Option<usize> {
        let n = self.n();
        (self.cols.owner(n) == self.cols.me).then(|| self.cols.local(n))
    }
}
