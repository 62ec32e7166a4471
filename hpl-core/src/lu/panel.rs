//! The recursive panel (S. Toledo, "Locality of Reference in LU Decomposition with Partial Pivoting",
//! SIAM J. Matrix Anal. Appl. 18, 1997).

use crate::context::Context;
use crate::gemm::{gemm, gemm_alone};
use crate::level1::{axpy, iamax, laswp, scal};
use crate::matrix::MatMut;
use crate::trsm::trsm;

/// Below this many multiply-adds a product is not worth waking the team (not tuned; `cargo bench -- panel`
/// shows it).
const SHARED: usize = 1 << 20;

/// Factors the m×n panel `a` (m ≥ n or not) in place: L below the diagonal, U on and above it.
/// `swaps[i]` becomes the row that was exchanged with row i. Returns the first column whose pivot
/// was zero, if there was one; the factorization goes on past it.
///
/// Columns of at most `nbmin` width are factored one by one, right-looking.
///
/// # Panics
/// If `swaps` is shorter than min(m, n).
pub fn panel(cx: &Context, nbmin: usize, mut a: MatMut, swaps: &mut [usize]) -> Option<usize> {
    let (m, n) = (a.rows(), a.cols());
    if n <= nbmin.max(1) || m <= 1 {
        return base(a, swaps);
    }
    let half = n.div_ceil(2).min(m);
    let first = panel(cx, nbmin, a.as_mut().sub(0, 0, m, half), &mut swaps[..half]);
    let (left, mut right) = a.as_mut().split_at_col(half);
    laswp(right.as_mut(), &swaps[..half]);
    let (l11, l21) = (left.as_ref().sub(0, 0, half, half), left.as_ref().sub(half, 0, m - half, half));
    let (mut top, mut bottom) = right.split_at_row(half);
    trsm(cx, &mut cx.main_scratch(), l11, top.as_mut());
    if (m - half) * (n - half) * half < SHARED || cx.team().size() == 1 {
        gemm_alone(cx, &mut cx.main_scratch(), -1.0, l21, top.as_ref(), bottom.as_mut());
    } else {
        gemm(cx, -1.0, l21, top.as_ref(), bottom.as_mut());
    }
    let rest = m.min(n) - half;
    let second = panel(cx, nbmin, bottom, &mut swaps[half..half + rest]);
    laswp(a.as_mut().sub(half, 0, m - half, half), &swaps[half..half + rest]);
    swaps[half..half + rest].iter_mut().for_each(|s| *s += half);
    first.or(second.map(|c| c + half))
}

fn base(mut a: MatMut, swaps: &mut [usize]) -> Option<usize> {
    let (m, n) = (a.rows(), a.cols());
    let mut zero = None;
    for k in 0..m.min(n) {
        let (offset, pivot) = iamax(&a.col(k)[k..]).expect("a row at least");
        swaps[k] = k + offset;
        if pivot == 0.0 {
            zero = zero.or(Some(k));
            continue;
        }
        for j in 0..n {
            a.col(j).swap(k, k + offset);
        }
        let (mut left, mut right) = a.as_mut().split_at_col(k + 1);
        let column = &mut left.col(k)[k + 1..];
        scal(1.0 / pivot, column);
        for j in 0..right.cols() {
            let (top, below) = right.col(j).split_at_mut(k + 1);
            axpy(-top[k], column, below);
        }
    }
    zero
}
