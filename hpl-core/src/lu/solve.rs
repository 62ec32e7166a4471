//! Triangular solve, and the whole of Linpack on one node.

use super::blocked::{Factored, factor};
use crate::buffer::AllocError;
use crate::context::Context;
use crate::level1::{axpy, subtract_gemv};
use crate::matrix::{MatRef, Matrix};
use crate::residual::scaled_residual;
use crate::{norm, random};

/// x ← U⁻¹·x with the upper triangle of `u` (n×n, or wider; the rest is not read).
///
/// # Panics
/// If the shapes do not match.
pub fn backsolve(u: MatRef, x: &mut [f64]) {
    assert!(u.rows() >= x.len() && u.cols() >= x.len(), "U({}x{}) and x({})", u.rows(), u.cols(), x.len());
    for j in (0..x.len()).rev() {
        let (above, rest) = x.split_at_mut(j);
        rest[0] /= u.at(j, j);
        axpy(-rest[0], &u.col(j)[..j], above);
    }
}

/// What came out of [`linpack`].
#[derive(Debug, Clone)]
pub struct Solution {
    /// x, or nothing if A is singular.
    pub x: Vec<f64>,
    /// Pivots, and where A is singular.
    pub factored: Factored,
    /// The scaled residual, see [`crate::residual::scaled_residual`]; NaN if A is singular.
    pub residual: f64,
}

/// Generates netlib's [A|b] of order `n`, factors it with panels of `nb` columns, solves for x and checks it.
///
/// # Errors
/// [`AllocError`] if the matrix does not fit into memory.
pub fn linpack(cx: &Context, n: usize, nb: usize) -> Result<Solution, AllocError> {
    let mut a = Matrix::zeros(n, n + 1)?;
    let generate = |a: &mut Matrix| (0..=n).for_each(|j| random::fill((j * n) as u64, a.as_mut().col(j)));
    generate(&mut a);
    let factored = factor(cx, nb, a.as_mut());
    if factored.zero_pivot.is_some() {
        return Ok(Solution { x: Vec::new(), factored, residual: f64::NAN });
    }
    let mut x = a.as_ref().col(n).to_vec();
    backsolve(a.as_ref(), &mut x);

    generate(&mut a);
    let b = a.as_ref().col(n);
    let mut r = b.to_vec();
    subtract_gemv(a.as_ref().sub(0, 0, n, n), &x, &mut r);
    let (mut row_sums, mut col_sums) = (vec![0.0; n], vec![0.0; n]);
    norm::add_abs_sums(a.data(), a.ld(), n, n, &mut row_sums, &mut col_sums);
    let [r_oo, a_oo, x_oo, b_oo] = [&r[..], &row_sums, &x, b].map(norm::max_abs);
    Ok(Solution { residual: scaled_residual(r_oo, a_oo, x_oo, b_oo, n), x, factored })
}
