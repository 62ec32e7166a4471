//! B ← L⁻¹·B, L unit lower triangular: a recursion whose work is gemm.

use crate::context::{Context, Scratch};
use crate::gemm::kernel::Code;
use crate::gemm::{faer_trsm, gemm_alone};
use crate::matrix::{MatMut, MatRef};
use crate::simd::{Work, vectorized};

/// Order of the triangles at the bottom of the recursion: whole tiles of every kernel.
const BASE: usize = 24;
/// Columns solved side by side at the bottom: their chains of dependent operations overlap.
const SIDE: usize = 8;

/// Solves L·X = B in place by the calling member alone: `l` is k×k, of which only the part below the
/// diagonal is read; `b` is k×n.
///
/// # Panics
/// If the shapes do not match.
pub fn trsm(cx: &Context, scratch: &mut Scratch, l: MatRef, mut b: MatMut) {
    assert!(
        l.rows() == l.cols() && l.cols() == b.rows(),
        "B({}x{}) by L({}x{})",
        b.rows(),
        b.cols(),
        l.rows(),
        l.cols()
    );
    let k = b.rows();
    if k <= 1 || b.cols() == 0 {
        return;
    }
    if matches!(cx.kernel().code, Code::Faer) {
        return faer_trsm(l, b);
    }
    if k <= BASE {
        return base(l, b.as_mut());
    }
    let half = (k / 2).next_multiple_of(BASE).min(k - 1);
    let n = b.cols();
    let (mut top, mut bottom) = b.split_at_row(half);
    trsm(cx, scratch, l.sub(0, 0, half, half), top.as_mut());
    gemm_alone(cx, scratch, -1.0, l.sub(half, 0, k - half, half), top.as_ref(), bottom.as_mut().sub(0, 0, k - half, n));
    trsm(cx, scratch, l.sub(half, half, k - half, k - half), bottom);
}

/// Forward substitution on up to BASE rows.
fn base(l: MatRef, mut b: MatMut) {
    let k = b.rows();
    let mut lower = [[0.0; BASE]; BASE];
    for (j, column) in lower.iter_mut().enumerate().take(k) {
        column[j + 1..k].copy_from_slice(&l.col(j)[j + 1..]);
    }
    for first in (0..b.cols()).step_by(SIDE) {
        let width = SIDE.min(b.cols() - first);
        let mut x = [[0.0; BASE]; SIDE];
        for (j, x) in x.iter_mut().enumerate().take(width) {
            x[..k].copy_from_slice(b.col(first + j));
        }
        vectorized(Substitute { lower: &lower, x: &mut x });
        for (j, x) in x.iter().enumerate().take(width) {
            b.col(first + j).copy_from_slice(&x[..k]);
        }
    }
}

/// SIDE columns by one triangle, given with zeros on and above its diagonal.
struct Substitute<'a> {
    lower: &'a [[f64; BASE]; BASE],
    x: &'a mut [[f64; BASE]; SIDE],
}

impl Work for Substitute<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for i in 0..BASE {
            for x in self.x.iter_mut() {
                let xi = -x[i];
                for r in 0..BASE {
                    x[r] = xi.mul_add(self.lower[i][r], x[r]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::blocking::CacheSizes;
    use crate::gemm::kernel;
    use crate::matrix::Matrix;
    use crate::team::Team;

    /// Integer L and X: B = L·X is exact, and so is every step of the solve. What stands on and above
    /// the diagonal of L must not be read.
    #[test]
    fn solves_exactly_on_integers() {
        for kernel in kernel::available() {
            let cx = Context::new(kernel, CacheSizes::default(), Team::solo());
            for k in [0, 1, 2, 3, 15, 16, 17, 33, 64, 100, 257] {
                for n in [0, 1, 5, 8, 13, 40] {
                    let faer = matches!(kernel.code, Code::Faer);
                    let l = Matrix::from_fn(k, k, |i, j| {
                        if i > j {
                            ((i * 7 + j * 3) % 3) as f64 - 1.0
                        } else if faer {
                            0.5
                        } else {
                            f64::NAN
                        }
                    });
                    let x = Matrix::from_fn(k, n, |i, j| ((i * 5 + j) % 7) as f64 - 3.0);
                    let mut b = Matrix::from_fn(k, n, |i, j| {
                        x.as_ref().at(i, j) + (0..i).map(|p| l.as_ref().at(i, p) * x.as_ref().at(p, j)).sum::<f64>()
                    });
                    trsm(&cx, &mut cx.main_scratch(), l.as_ref(), b.as_mut());
                    for j in 0..n {
                        assert_eq!(b.as_ref().col(j), x.as_ref().col(j), "{} k={k} n={n}", kernel.name);
                    }
                }
            }
        }
    }
}
