//! Vector work of the panel: search of the pivot, scaling, rank-1 update, row swaps.

use crate::matrix::{MatMut, MatRef};
use crate::simd::{Work, vectorized};

/// Maxima kept side by side: two 512-bit vectors (not tuned; `cargo bench -- panel` shows it).
const LANES: usize = 16;

/// Where the element of largest magnitude lies: (index, value with its sign); the first of equals.
/// `None` for an empty vector. A NaN is never larger than anything, unless it comes first.
pub fn iamax(x: &[f64]) -> Option<(usize, f64)> {
    struct Largest<'a>(&'a [f64]);
    impl Work for Largest<'_> {
        type Output = f64;
        #[inline(always)]
        fn run(self) -> f64 {
            let mut lanes = [0.0f64; LANES];
            let (chunks, rest) = self.0.as_chunks::<LANES>();
            for chunk in chunks {
                for l in 0..LANES {
                    let v = chunk[l].abs();
                    lanes[l] = if v > lanes[l] { v } else { lanes[l] };
                }
            }
            let mut largest = 0.0;
            for v in rest.iter().chain(&lanes) {
                largest = if v.abs() > largest { v.abs() } else { largest };
            }
            largest
        }
    }
    let first = x.first()?;
    let largest = vectorized(Largest(x));
    let index = x.iter().position(|v| v.abs() == largest).unwrap_or(0);
    Some((index, if first.is_nan() { *first } else { x[index] }))
}

/// x ← x · alpha.
pub fn scal(alpha: f64, x: &mut [f64]) {
    struct Scal<'a>(f64, &'a mut [f64]);
    impl Work for Scal<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for v in self.1 {
                *v *= self.0;
            }
        }
    }
    vectorized(Scal(alpha, x));
}

/// y ← y + alpha · x.
///
/// # Panics
/// If the lengths differ.
pub fn axpy(alpha: f64, x: &[f64], y: &mut [f64]) {
    struct Axpy<'a>(f64, &'a [f64], &'a mut [f64]);
    impl Work for Axpy<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            for (y, x) in self.2.iter_mut().zip(self.1) {
                *y = self.0.mul_add(*x, *y);
            }
        }
    }
    assert_eq!(x.len(), y.len(), "lengths of x and y");
    vectorized(Axpy(alpha, x, y));
}

/// y ← y − A x for a column-major A (gemv), four columns at a time.
///
/// # Panics
/// If the shapes differ.
pub fn subtract_gemv(a: MatRef, x: &[f64], y: &mut [f64]) {
    struct Fours<'a>([f64; 4], [&'a [f64]; 4], &'a mut [f64]);
    impl Work for Fours<'_> {
        type Output = ();
        #[inline(always)]
        fn run(self) {
            let Fours([x0, x1, x2, x3], [a0, a1, a2, a3], y) = self;
            let n = y.len();
            let (a0, a1, a2, a3) = (&a0[..n], &a1[..n], &a2[..n], &a3[..n]);
            for i in 0..n {
                y[i] = x3.mul_add(a3[i], x2.mul_add(a2[i], x1.mul_add(a1[i], x0.mul_add(a0[i], y[i]))));
            }
        }
    }
    assert_eq!((a.rows(), a.cols()), (y.len(), x.len()), "shapes of y - A x");
    let (fours, rest) = x.as_chunks::<4>();
    for (k, x) in fours.iter().enumerate() {
        vectorized(Fours(x.map(|x| -x), [0, 1, 2, 3].map(|l| a.col(4 * k + l)), y));
    }
    for (k, x) in rest.iter().enumerate() {
        axpy(-x, a.col(4 * fours.len() + k), y);
    }
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

    #[test]
    fn a_zero_in_x_does_not_hide_a_nan() {
        for place in 0..6 {
            let a = Matrix::from_fn(1, 6, |_, j| if j == place { f64::NAN } else { 1.0 });
            let mut y = [1.0];
            subtract_gemv(a.as_ref(), &[0.0; 6], &mut y);
            assert!(y[0].is_nan(), "column {place}");
        }
    }
}
