//! Triangular solve, and the whole of Linpack on one node.

use super::blocked::{Factored, factor};
use crate::buffer::AllocError;
use crate::context::Context;
use crate::level1::axpy;
use crate::matrix::{MatRef, Matrix};
use crate::random;

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

/// Generates netlib's [A|b] of order `n`, factors it with panels of `nb` columns and solves for x.
///
/// # Errors
/// [`AllocError`] if the matrix does not fit into memory.
pub fn linpack(cx: &Context, n: usize, nb: usize) -> Result<(Vec<f64>, Factored), AllocError> {
    let mut a = Matrix::zeros(n, n + 1)?;
    for j in 0..=n {
        random::fill((j * n) as u64, a.as_mut().col(j));
    }
    let factored = factor(cx, nb, a.as_mut());
    let mut x = a.as_ref().col(n).to_vec();
    if factored.zero_pivot.is_none() {
        backsolve(a.as_ref(), &mut x);
    }
    Ok((x, factored))
}
