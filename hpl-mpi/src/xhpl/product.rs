//! The product C −= A·B alone, timed: what a solve would be if it were nothing else.

use std::time::{Duration, Instant};

use hpl_core::buffer::AllocError;
use hpl_core::context::Context;
use hpl_core::gemm::gemm;
use hpl_core::matrix::Matrix;
use hpl_core::random;

/// A product of n x k by k x n.
pub struct Product {
    a: Matrix,
    b: Matrix,
    c: Matrix,
}

impl Product {
    /// Its matrices, of random numbers.
    ///
    /// # Errors
    /// [`AllocError`] if the memory cannot be had.
    pub fn new(n: usize, k: usize) -> Result<Product, AllocError> {
        let mut all = [Matrix::zeros(n, k)?, Matrix::zeros(k, n)?, Matrix::zeros(n, n)?];
        for matrix in &mut all {
            let rows = matrix.rows();
            (0..matrix.cols()).for_each(|j| random::fill((j * rows) as u64, matrix.as_mut().col(j)));
        }
        let [a, b, c] = all;
        Ok(Product { a, b, c })
    }

    /// Its operations.
    pub fn flops(&self) -> f64 {
        2.0 * (self.a.rows() * self.a.cols() * self.b.cols()) as f64
    }

    /// Computes it once, with all threads.
    pub fn time(&mut self, cx: &Context) -> Duration {
        let start = Instant::now();
        gemm(cx, -1.0, self.a.as_ref(), self.b.as_ref(), self.c.as_mut());
        start.elapsed()
    }

    /// The median rate of `times`, in Gflop/s.
    pub fn rate(&mut self, cx: &Context, times: usize) -> f64 {
        let mut rates: Vec<f64> = (0..times).map(|_| self.flops() / self.time(cx).as_secs_f64() / 1e9).collect();
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    }
}
