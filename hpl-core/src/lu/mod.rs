//! LU with partial pivoting on one node: the oracle of the distributed one. They share kernels, not code.

mod blocked;
mod panel;
mod solve;

pub use blocked::{Factored, factor};
pub use panel::panel;
pub use solve::{Solution, backsolve, linpack};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::Context;
    use crate::gemm::blocking::CacheSizes;
    use crate::gemm::kernel;
    use crate::matrix::Matrix;
    use crate::team::Team;

    /// Pivots and solutions of netlib HPL's matrix (seed 100), computed with plain double precision.
    const PIVOTS_29: [usize; 29] = [
        8, 18, 24, 9, 24, 15, 7, 24, 21, 24, 14, 17, 25, 13, 16, 27, 21, 24, 26, 25, 21, 28, 28, 23, 26, 25, 27, 27, 28,
    ];

    #[test]
    fn pivots_and_solution_of_the_reference_matrices() {
        for kernel in kernel::available() {
            let cx = Context::new(kernel, CacheSizes::default(), Team::new(2, true, |_| {}).unwrap());
            for nb in [1, 2, 3, 4, 5, 8, 29, 64] {
                let Solution { x, factored: f, residual } = linpack(&cx, 4, nb).unwrap();
                assert!(residual < 16.0);
                assert_eq!(f.pivots, [3, 3, 2, 3]);
                let want = [6.049879363e-01, -4.800594432e-01, -7.012948974e-01, -1.656069587e-01];
                assert!(x.iter().zip(want).all(|(x, w)| (x - w).abs() < 1e-9), "{x:?}");
                let Solution { x, factored: f, residual } = linpack(&cx, 8, nb).unwrap();
                assert!(residual < 16.0);
                assert_eq!(f.pivots, [3, 3, 4, 4, 6, 7, 7, 7]);
                let want = [1.135789184e+01, -1.022278999e+00, -4.936845452e+00, -9.093616115e-01];
                assert!(x.iter().zip(want).all(|(x, w)| (x - w).abs() < 1e-8), "{x:?}");
                let Solution { x, factored: f, residual } = linpack(&cx, 29, nb).unwrap();
                assert!(residual < 16.0);
                assert_eq!(f.pivots, PIVOTS_29);
                assert!((crate::norm::sum_abs(&x) - 22.128599905).abs() < 1e-8);
                assert!((crate::norm::max_abs(&x) - 2.3946681343).abs() < 1e-9);
            }
        }
    }

    /// P·A = L·U to the bound of backward analysis, for awkward shapes and blocks.
    #[test]
    fn factors_multiply_back() {
        let cx = Context::new(kernel::pick(None).unwrap(), CacheSizes::default(), Team::new(3, true, |_| {}).unwrap());
        for (m, n, nb) in [
            (0, 0, 4),
            (1, 1, 1),
            (2, 2, 1),
            (3, 3, 2),
            (7, 7, 8),
            (8, 8, 8),
            (9, 9, 8),
            (65, 65, 16),
            (128, 128, 32),
            (255, 255, 64),
            (256, 256, 64),
            (257, 257, 64),
            (100, 40, 16),
            (40, 100, 16),
            (300, 300, 300),
        ] {
            let mut a = Matrix::zeros(m, n).unwrap();
            (0..n).for_each(|j| crate::random::fill((j * m) as u64, a.as_mut().col(j)));
            let mut lu = Matrix::zeros(m, n).unwrap();
            lu.as_mut().copy_from(a.as_ref());
            let f = factor(&cx, nb, lu.as_mut());
            assert_eq!(f.zero_pivot, None);
            // Bring L into final row order: exchanges of later panels were not applied to it.
            for (k, &p) in f.pivots.iter().enumerate() {
                for j in 0..k / nb * nb {
                    lu.as_mut().col(j).swap(k, p);
                }
            }
            let mut pa = Matrix::zeros(m, n).unwrap();
            pa.as_mut().copy_from(a.as_ref());
            for (k, &p) in f.pivots.iter().enumerate() {
                (0..n).for_each(|j| pa.as_mut().col(j).swap(k, p));
            }
            for j in 0..n {
                for i in 0..m {
                    let product: f64 = (0..=i.min(j))
                        .map(
                            |p| if p == i { lu.as_ref().at(i, j) } else { lu.as_ref().at(i, p) * lu.as_ref().at(p, j) },
                        )
                        .sum();
                    let error = (product - pa.as_ref().at(i, j)).abs();
                    assert!(error < 1e-13 * (1 + m) as f64, "{m}x{n} nb={nb} ({i},{j}): {error:e}");
                }
            }
        }
    }

    #[test]
    fn a_singular_matrix_names_its_column() {
        let cx = Context::solo();
        for (nb, zero) in [(1, 3), (4, 3), (4, 0), (16, 9)] {
            let mut a = Matrix::from_fn(10, 11, |i, j| {
                if j == zero { 0.0 } else { 1.0 / (1 + i + j) as f64 + f64::from(u8::from(i == j)) }
            });
            assert_eq!(factor(&cx, nb, a.as_mut()).zero_pivot, Some(zero));
        }
    }
}
