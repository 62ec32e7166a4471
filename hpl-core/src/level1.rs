//! Vector work of the panel: search of the pivot, scaling, rank-1 update, row swaps.

use crate::matrix::{MatMut, MatRef};
use crate::simd::{Work, vectorized};

/// Maxima kept side by side: two 512-bit vectors (not tuned; `cargo bench -- panel` shows it).
const LANES: usize = 16;
/// Rows of an elimination that pass from column to column while they lie in the first level cache: 2 KiB a column.
const CHUNK: usize = 256;

/// The largest magnitude, NaN passed over; 0 of nothing.
#[inline(always)]
fn largest(x: &[f64]) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
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

/// Where the element of largest magnitude lies: (index, value with its sign); the first of equals.
/// `None` for an empty vector. A NaN is never larger than anything, unless it comes first.
pub fn iamax(x: &[f64]) -> Option<(usize, f64)> {
    struct Largest<'a>(&'a [f64]);
    impl Work for Largest<'_> {
        type Output = f64;
        #[inline(always)]
        fn run(self) -> f64 {
            largest(self.0)
        }
    }
    let first = *x.first()?;
    if first.is_nan() {
        return Some((0, first));
    }
    let largest = vectorized(Largest(x));
    let index = x.iter().position(|v| v.abs() == largest).unwrap_or(0);
    Some((index, x[index]))
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

/// One step of a panel's base, in one pass over its rows: the first column is multiplied by `scale`; from each
/// column c after it, `u[c - 1]` times the first is subtracted; and of the second, as it is then, the element of
/// largest magnitude is found, as [`iamax`] finds it. `None` if there is no second column, or no row.
///
/// The bits are those of [`scal`] and [`axpy`] one after the other.
///
/// # Panics
/// If `a` has no column.
pub fn eliminate(mut a: MatMut, scale: f64, u: impl Fn(usize) -> f64) -> Option<(usize, f64)> {
    struct Eliminate<'a, 'm, U>(&'a mut MatMut<'m>, f64, U);
    impl<U: Fn(usize) -> f64> Work for Eliminate<'_, '_, U> {
        /// The largest magnitude in the second column, and the first row of the chunk in which it was first seen.
        type Output = (f64, usize);
        #[inline(always)]
        fn run(self) -> (f64, usize) {
            let Eliminate(a, scale, u) = self;
            let mut multipliers = [0.0; CHUNK];
            let mut best = (0.0, 0);
            for first in (0..a.rows()).step_by(CHUNK) {
                let rows = first..(first + CHUNK).min(a.rows());
                let multipliers = &mut multipliers[..rows.len()];
                for (m, v) in multipliers.iter_mut().zip(&mut a.col(0)[rows.clone()]) {
                    *v *= scale;
                    *m = *v;
                }
                for c in 1..a.cols() {
                    let u = -u(c - 1);
                    for (y, m) in a.col(c)[rows.clone()].iter_mut().zip(&*multipliers) {
                        *y = u.mul_add(*m, *y);
                    }
                }
                if a.cols() > 1 {
                    let largest = largest(&a.col(1)[rows]);
                    best = if largest > best.0 { (largest, first) } else { best };
                }
            }
            best
        }
    }
    assert!(a.cols() > 0, "an elimination of no column");
    let (largest, chunk) = vectorized(Eliminate(&mut a, scale, u));
    if a.cols() == 1 || a.rows() == 0 {
        return None;
    }
    let column = &*a.col(1);
    if column[0].is_nan() {
        return Some((0, column[0]));
    }
    let index = column[chunk..].iter().position(|v| v.abs() == largest).map_or(0, |index| chunk + index);
    Some((index, column[index]))
}

/// Applies the interchanges in order to every column: row `i` ↔ row `swaps[i]`.
///
/// Nearly every access misses the caches, and that is what it costs (8 ns each, and 1 ns where the line is in the last
/// level cache). Several columns at once, or prefetches just before, change nothing. Asked for during the product of the
/// strip before, the lines come sooner, but that product loses as much (at N = 8000 the interchanges took 2.7 instead of
/// 3.3 % of the time, and the kernel 2 % more).
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
        for cols in 0..11 {
            let mut m = Matrix::from_fn(5, cols, |i, j| (i + 10 * j) as f64);
            laswp(m.as_mut(), &[3, 3, 2]);
            for j in 0..cols {
                assert_eq!(m.as_ref().col(j), [3.0, 0.0, 2.0, 1.0, 4.0].map(|v| v + 10.0 * j as f64));
            }
        }
    }

    /// Bit by bit what scal, axpy and iamax do one after the other, NaN and zeros included.
    #[test]
    fn an_elimination_is_its_parts() {
        let value = |i: usize, j: usize| ((i * 37 + j * 101) % 89) as f64 / 7.0 - 6.0;
        for rows in [0, 1, 2, 15, 16, 255, 256, 257, 1000] {
            for cols in [1, 2, 5, 8] {
                for spoilt in [None, Some((0, f64::NAN)), Some((rows / 2, f64::NAN)), Some((rows, 0.0))] {
                    let from = |i: usize, j: usize| match spoilt {
                        Some((row, zero)) if row == rows => zero * (i + j) as f64,
                        Some((row, nan)) if row == i => nan,
                        _ => value(i, j),
                    };
                    let (mut a, mut b) = (Matrix::from_fn(rows, cols, from), Matrix::from_fn(rows, cols, from));
                    let u: Vec<f64> = (1..cols).map(|c| c as f64 / 3.0 - 1.0).collect();
                    let found = eliminate(a.as_mut(), 0.3, |c| u[c]);
                    scal(0.3, b.as_mut().col(0));
                    for (c, u) in u.iter().enumerate() {
                        let (mut first, mut others) = b.as_mut().split_at_col(1);
                        axpy(-u, first.col(0), others.col(c));
                    }
                    let want = if cols > 1 { iamax(b.as_ref().col(1)) } else { None };
                    let bits = |found: Option<(usize, f64)>| found.map(|(at, v)| (at, v.to_bits()));
                    assert_eq!(bits(found), bits(want), "{rows}x{cols}, {spoilt:?}");
                    for j in 0..cols {
                        let same =
                            a.as_ref().col(j).iter().zip(b.as_ref().col(j)).all(|(a, b)| a.to_bits() == b.to_bits());
                        assert!(same, "{rows}x{cols}, column {j}");
                    }
                }
            }
        }
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
