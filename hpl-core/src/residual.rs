//! The check of a solution: `||Ax-b||_oo / (eps * (||A||_oo * ||x||_oo + ||b||_oo) * N)`.
//!
//! After the solve [A|b] is generated anew, r = b - A x is formed part by part ([`crate::level1::subtract_gemv`]),
//! and its norm is scaled by what rounding alone may cause. A backward stable solve gives some 10^-2;
//! HPL accepts below a threshold, 16 by custom.

/// Relative machine precision with rounding, 2^-53: LAPACK's `dlamch('E')`.
pub const EPS: f64 = f64::EPSILON / 2.0;

/// The scaled residual of a system of order `n`, from the norms of r = b - A x, A, x and b.
///
/// The arithmetic is netlib's (`HPL_pdtest`), in its order. 0 for the empty system. A NaN in any norm
/// makes a NaN, and so does a zero system with a zero residual: neither is below any threshold.
pub fn scaled_residual(r_oo: f64, a_oo: f64, x_oo: f64, b_oo: f64, n: usize) -> f64 {
    if n == 0 {
        return 0.0;
    }
    r_oo / (EPS * (a_oo * x_oo + b_oo) * n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eps_is_netlibs() {
        assert_eq!(EPS, 1.110_223_024_625_156_5e-16);
        assert_eq!(EPS, 2.0_f64.powi(-53));
    }

    #[test]
    fn the_scaled_residual_is_the_formula() {
        assert_eq!(scaled_residual(3.0 * EPS, 2.0, 0.5, 2.0, 4), 0.25);
        assert_eq!(scaled_residual(1.0, 1.0, 1.0, 1.0, 0), 0.0);
        assert_eq!(scaled_residual(f64::NAN, 1.0, 1.0, 1.0, 0), 0.0);
    }

    #[test]
    fn a_nan_in_any_norm_shows() {
        for place in 0..4 {
            let mut norms = [1.0; 4];
            norms[place] = f64::NAN;
            assert!(scaled_residual(norms[0], norms[1], norms[2], norms[3], 7).is_nan());
        }
        assert!(scaled_residual(0.0, 0.0, 0.0, 0.0, 7).is_nan());
    }
}
