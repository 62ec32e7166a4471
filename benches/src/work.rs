//! What the benches compute on, how much that is, and how long it takes.

use std::time::{Duration, Instant};

use hpl_core::matrix::Matrix;
use hpl_core::random;

/// The first `cols` columns of netlib's matrix with `rows` rows.
///
/// # Panics
/// If the memory cannot be had.
pub fn netlib_matrix(rows: usize, cols: usize) -> Matrix {
    let mut matrix = Matrix::zeros(rows, cols).unwrap_or_else(|e| panic!("{e}"));
    for j in 0..cols {
        random::fill((j * rows) as u64, matrix.as_mut().col(j));
    }
    matrix
}

/// Operations of C(m×n) += A·B of depth k.
pub fn product_flops(m: usize, n: usize, k: usize) -> u64 {
    2 * (m * n * k) as u64
}

/// Operations of solving with a unit triangle of order k for n right-hand sides.
pub fn solve_flops(k: usize, n: usize) -> u64 {
    (k * k * n) as u64
}

/// Operations of factoring an m×n matrix, m ≥ n: n²·(m − n/3). A square one takes 2/3·n³.
pub fn factor_flops(m: usize, n: usize) -> u64 {
    (n * n * m) as u64 - (n * n * n / 3) as u64
}

/// Does `work` so many times and says how long that took; `prepare`, before each time, is not counted.
pub fn timed<S>(times: u64, state: &mut S, prepare: impl Fn(&mut S), work: impl Fn(&mut S)) -> Duration {
    (0..times)
        .map(|_| {
            prepare(state);
            let begin = Instant::now();
            work(state);
            begin.elapsed()
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_counted_as_usual() {
        assert_eq!(product_flops(2, 3, 4), 48);
        assert_eq!(solve_flops(4, 3), 48);
        assert_eq!(factor_flops(300, 300), 2 * 300 * 300 * 300 / 3);
        assert_eq!(factor_flops(1000, 30), 900 * 990);
    }

    #[test]
    fn preparation_is_not_counted() {
        let mut calls = (0, 0);
        let slow = |calls: &mut (u64, u64)| {
            calls.0 += 1;
            std::thread::sleep(Duration::from_millis(50));
        };
        let time = timed(3, &mut calls, slow, |calls| calls.1 += 1);
        assert_eq!(calls, (3, 3));
        assert!(time < Duration::from_millis(100), "{time:?}");
    }
}
