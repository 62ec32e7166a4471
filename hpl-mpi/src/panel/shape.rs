//! Where a panel lies, and what is in its message.

use hpl_core::matrix::MatRef;

use crate::comm::{Buf, Comm};
use crate::grid::Grid;
use crate::matrix::DistMatrix;

/// Where a panel lies, as one process sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PanelShape {
    /// Its number, from 0.
    pub index: usize,
    /// Its first global column, and the first global row of its diagonal block.
    pub first: usize,
    /// JB, its width.
    pub width: usize,
    /// The process row that owns the diagonal block.
    pub process_row: usize,
    /// The process column that owns the panel.
    pub process_col: usize,
    /// My first local row at or below the diagonal block's first.
    pub top: usize,
    /// My first local row of L2: below the diagonal block.
    pub below: usize,
    /// ml2: my rows of L2.
    pub height: usize,
    /// My first local column at or right of the panel's first.
    pub left: usize,
    /// My first local column right of the panel.
    pub right: usize,
}

impl PanelShape {
    /// The shape of panel number `index`, or `None` if the matrix has no such panel.
    pub fn of<C: Comm>(grid: &Grid<C>, a: &DistMatrix, index: usize) -> Option<PanelShape> {
        let first = index * a.rows.block;
        if first >= a.n() {
            return None;
        }
        let width = a.rows.block.min(a.n() - first);
        let below = a.rows.first_local_at_or_after(first + width);
        Some(PanelShape {
            index,
            first,
            width,
            process_row: index % grid.p,
            process_col: index % grid.q,
            top: a.rows.first_local_at_or_after(first),
            below,
            height: a.rows.local_len() - below,
            left: a.cols.first_local_at_or_after(first),
            right: a.cols.first_local_at_or_after(first + width),
        })
    }

    /// Doubles of the panel's message.
    pub fn message_len(&self) -> usize {
        self.height * self.width + self.width * self.width + self.width + 1
    }
}

/// A factored panel as it travels: its shape and its message.
#[derive(Debug)]
pub struct Panel {
    /// Where it lies.
    pub shape: PanelShape,
    /// Its message.
    pub message: Buf,
}

impl Panel {
    /// L2: this process's rows below the diagonal block.
    pub fn l2(&self) -> MatRef<'_> {
        let PanelShape { height, width, .. } = self.shape;
        MatRef::new(&self.message, height, width, height.max(1))
    }

    /// L1: the diagonal block, unit lower triangular below its diagonal, U on and above it.
    pub fn l1(&self) -> MatRef<'_> {
        let PanelShape { height, width, .. } = self.shape;
        MatRef::new(&self.message[height * width..], width, width, width)
    }

    /// The global row that was exchanged with row `first + i`, for each i.
    pub fn pivots(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        let PanelShape { height, width, .. } = self.shape;
        self.message[(height + width) * width..][..width].iter().map(|&row| row as usize)
    }

    /// The first global column whose pivot was zero, if there was one.
    pub fn zero_pivot(&self) -> Option<usize> {
        let info = self.message[self.shape.message_len() - 1];
        (info > 0.0).then(|| info as usize - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The panel of a matrix of more than 2^31 elements a rank; nothing of it is allocated.
    #[test]
    fn lengths_beyond_32_bits_hold() {
        let height = (1_usize << 31) + 7;
        let shape = PanelShape {
            index: 3,
            first: 3 << 31,
            width: 1024,
            process_row: 1,
            process_col: 1,
            top: 1 << 31,
            below: 1 << 31,
            height,
            left: 0,
            right: 0,
        };
        assert_eq!(shape.message_len(), height * 1024 + 1024 * 1024 + 1024 + 1);
        assert!(shape.message_len() as u128 == (1_u128 << 41) + 7 * 1024 + (1 << 20) + 1025);
    }
}
