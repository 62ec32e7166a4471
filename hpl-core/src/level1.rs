//! Vector work of the panel: search of the pivot, scaling, rank-1 update, row swaps.
//!
//! Plain loops, compiled for the vector units of the CPU at hand through `pulp`'s run-time dispatch.

use crate::matrix::MatMut;

const LANES: usize = 16;

/// Where the element of largest magnitude lies: (index, value with its sign); the first of equals.
/// `None` for an empty vector. A NaN is never larger than anything, unless it comes first.
pub fn iamax(x: &[f64]) -> Option<(usize, f64)> {
    let largest = pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut lanes = [0.0f64; LANES];
            let chunks = x.chunks_exact(LANES);
            let rest = chunks.remainder();
            for chunk in chunks {
                for (m, v) in lanes.iter_mut().zip(chunk) {
                    let v = v.abs();
                    *m = if v > *m { v } else { *m };
                }
            }
            rest.iter().chain(&lanes).fold(0.0, |m: f64, v| if v.abs() > m { v.abs() } else { m })
        },
    );
    let first = x.first()?;
    let index = x.iter().position(|v| v.abs() == largest).unwrap_or(0);
    Some((index, if first.is_nan() { *first } else { x[index] }))
}

/// x ← x · alpha.
pub fn scal(alpha: f64, x: &mut [f64]) {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || x.iter_mut().for_each(|v| *v *= alpha),
    );
}

/// y ← y + alpha · x.
///
/// # Panics
/// If the lengths differ.
pub fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
    assert_eq!(x.len(), y.len(), "lengths of x and y");
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            for (y, x) in y.iter_mut().zip(x) {
                *y = alpha.mul_add(*x, *y);
            }
        },
    );
}

/// y ← y − A x for a column-major A (gemv).
///
/// # Panics
/// If the shapes differ.
pub fn subtract_gemv(a: crate::matrix::MatRef, x: &[f64], y: &mut [f64]) {
    assert_eq!((a.rows(), a.cols()), (y.len(), x.len()), "shapes of y - A x");
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut j = 0;
            while j + 4 <= x.len() {
                let (c0, c1, c2, c3) = (a.col(j), a.col(j + 1), a.col(j + 2), a.col(j + 3));
                let [x0, x1, x2, x3] = [-x[j], -x[j + 1], -x[j + 2], -x[j + 3]];
                for ((((y, a0), a1), a2), a3) in y.iter_mut().zip(c0).zip(c1).zip(c2).zip(c3) {
                    *y = x3.mul_add(*a3, x2.mul_add(*a2, x1.mul_add(*a1, x0.mul_add(*a0, *y))));
                }
                j += 4;
            }
            for j in j..x.len() {
                for (y, a) in y.iter_mut().zip(a.col(j)) {
                    *y = (-x[j]).mul_add(*a, *y);
                }
            }
        },
    );
}

/// Applies the interchanges in order to every column: row `i` ↔ row `swaps[i]`.
///
/// # Panics
/// If a row lies outside the view.
pub fn laswp(mut a: MatMut, swaps: &[usize]) {
    let rows = a.rows();
    assert!(swaps.len() <= rows && swaps.iter().all(|&s| s < rows), "row interchanges beyond {rows} rows");
    for j in 0..a.cols() {
        let col = a.col(j);
        for (i, &other) in swaps.iter().enumerate() {
            col.swap(i, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn iamax_takes_the_first_of_equals_and_keeps_the_sign() {
        assert_eq!(iamax(&[]), None);
        assert_eq!(iamax(&[0.0, -0.0]).unwrap().0, 0);
        for len in 1..70 {
            for at in 0..len {
                let mut x: Vec<f64> = (0..len).map(|i| 0.25 - 1e-3 * i as f64).collect();
                x[at] = -7.0;
                if at + 3 < len {
                    x[at + 3] = 7.0;
                }
                assert_eq!(iamax(&x), Some((at, -7.0)));
            }
        }
        assert!(iamax(&[f64::NAN, 1.0]).unwrap().1.is_nan());
    }

    #[test]
    fn swaps_are_applied_in_order() {
        let mut m = Matrix::from_fn(5, 2, |i, j| (i + 10 * j) as f64);
        laswp(m.as_mut(), &[3, 3, 2]);
        assert_eq!(m.as_ref().col(0), [3.0, 0.0, 2.0, 1.0, 4.0]);
        assert_eq!(m.as_ref().col(1), [13.0, 10.0, 12.0, 11.0, 14.0]);
    }

    #[test]
    fn gemv_and_axpy_agree() {
        let a = Matrix::from_fn(13, 7, |i, j| (i * 3 + j) as f64 - 11.0);
        let x: Vec<f64> = (0..7).map(|j| j as f64 - 2.5).collect();
        let (mut y, mut z) = (vec![1.0; 13], vec![1.0; 13]);
        subtract_gemv(a.as_ref(), &x, &mut y);
        for (j, &xj) in x.iter().enumerate() {
            axpy(-xj, a.as_ref().col(j), &mut z);
        }
        assert_eq!(y, z);
    }
}
