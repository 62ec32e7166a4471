//! The check of a solution: `||Ax-b||_oo / (eps * (||A||_oo * ||x||_oo + ||b||_oo) * N)`.
//!
//! After the solve [A|b] is generated anew, r = b - A x is formed part by part ([`subtract_product`]),
//! and its norm is scaled by what rounding alone may cause. A backward stable solve gives some 10^-2;
//! HPL accepts below a threshold, 16 by custom.

use pulp::Arch;

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

/// r -= A x, for the `rows` x `cols` matrix with A(i, j) = `data[i + j*ld]`.
///
/// Four columns are taken at a time, so that r is read and written once for them; each entry of r is
/// still rounded after each column, in order, hence the result is that of the plain loop. No column
/// is skipped for a zero in x: 0 * NaN and 0 * infinity have to show.
///
/// # Panics
/// If the matrix does not lie within `data`, `r` is not `rows` long or `x` not `cols`.
pub fn subtract_product(r: &mut [f64], data: &[f64], ld: usize, rows: usize, cols: usize, x: &[f64]) {
    assert_eq!(r.len(), rows, "length of r");
    assert_eq!(x.len(), cols, "length of x");
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(ld >= rows, "leading dimension {ld} below {rows} rows");
    let column = |j: usize| &data[j * ld..j * ld + rows];
    let by_four = cols / 4 * 4;
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for j in (0..by_four).step_by(4) {
                let [a0, a1, a2, a3] = [0, 1, 2, 3].map(|k| column(j + k));
                let [x0, x1, x2, x3] = [x[j], x[j + 1], x[j + 2], x[j + 3]];
                for i in 0..rows {
                    r[i] = r[i] - a0[i] * x0 - a1[i] * x1 - a2[i] * x2 - a3[i] * x3;
                }
            }
            for (j, &factor) in x.iter().enumerate().skip(by_four) {
                for (r, a) in r.iter_mut().zip(column(j)) {
                    *r -= a * factor;
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use proptest::prelude::*;

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

    #[test]
    fn a_zero_in_x_does_not_hide_a_nan() {
        for place in 0..6 {
            let mut data = [1.0; 6];
            data[place] = f64::NAN;
            let mut r = [1.0];
            subtract_product(&mut r, &data, 1, 1, 6, &[0.0; 6]);
            assert!(r[0].is_nan(), "column {place}");
        }
    }

    proptest! {
        #[test]
        fn the_blocks_change_no_bit(
            rows in 0_usize..40, cols in 0_usize..15, pad in 0_usize..3, seed: u64,
        ) {
            let ld = rows + pad;
            let (mut data, mut x) = (vec![0.0; ld * cols], vec![0.0; cols]);
            let mut r = vec![0.0; rows];
            random::fill(seed, &mut data);
            random::fill(!seed, &mut x);
            random::fill(seed / 2, &mut r);
            let mut plain = r.clone();
            for j in 0..cols {
                for i in 0..rows {
                    plain[i] -= data[i + j * ld] * x[j];
                }
            }
            subtract_product(&mut r, &data, ld, rows, cols, &x);
            prop_assert_eq!(r, plain);
        }
    }
}
