//! Right-looking blocked LU.

use super::panel::panel;
use crate::context::Context;
use crate::gemm::gemm;
use crate::level1::laswp;
use crate::matrix::MatMut;
use crate::share::{Cut, Strips};
use crate::trsm::trsm;

/// What a factorization leaves besides L and U.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Factored {
    /// `pivots[i]`: the row that was exchanged with row i at step i.
    pub pivots: Vec<usize>,
    /// The first column whose pivot was zero.
    pub zero_pivot: Option<usize>,
}

/// Factors the m×n matrix `a` in place with panels of `nb` columns: P·A = L·U.
///
/// Columns beyond the first min(m, n) are updated with the others: with [A|b] the last column becomes
/// L⁻¹·P·b. As in netlib HPL, row exchanges are applied to the right of a panel only, so that L keeps
/// the row order of its own panel.
///
/// # Panics
/// If `nb` is 0.
pub fn factor(cx: &Context, nb: usize, mut a: MatMut) -> Factored {
    assert!(nb > 0, "panels of no columns");
    let (m, n) = (a.rows(), a.cols());
    let mut pivots = vec![0; m.min(n)];
    let mut zero_pivot = None;
    for j in (0..m.min(n)).step_by(nb) {
        let jb = nb.min(m.min(n) - j);
        let below = a.as_mut().sub(j, j, m - j, n - j);
        let (mut left, mut right) = below.split_at_col(jb);
        let zero = panel(cx, 8, left.as_mut(), &mut pivots[j..j + jb]);
        zero_pivot = zero_pivot.or(zero.map(|c| c + j));
        let (l11, l21) = (left.as_ref().sub(0, 0, jb, jb), left.as_ref().sub(jb, 0, m - j - jb, jb));
        if right.cols() > 0 {
            let cut = Cut::even(right.cols(), 64);
            let strips = Strips::new(right.as_mut(), cut);
            cx.team().phase(|member| {
                let mut scratch = cx.scratch(member);
                while let Some((_, mut strip)) = strips.next() {
                    laswp(strip.as_mut(), &pivots[j..j + jb]);
                    let width = strip.cols();
                    trsm(cx, &mut scratch, l11, strip.sub(0, 0, jb, width));
                }
            });
            let (u12, a22) = right.split_at_row(jb);
            gemm(cx, -1.0, l21, u12.as_ref(), a22);
        }
        pivots[j..j + jb].iter_mut().for_each(|p| *p += j);
    }
    Factored { pivots, zero_pivot }
}
