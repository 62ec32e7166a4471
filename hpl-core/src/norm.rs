//! Sums and maxima of absolute values, for the norms that scale the residual.
//!
//! A matrix is `data` with leading dimension `ld`, column-major: entry (i, j) is `data[i + j*ld]`, with
//! `rows` and `cols` of them. On a process grid each process sums its own part; the sums are then added
//! over the grid, and their maximum is the norm: of the row sums ||A||_oo, of the column sums ||A||_1.
//!
//! A NaN is never lost on the way: a matrix, sum or maximum that contains one must not pass a check.

use crate::simd::{Work, vectorized};

/// Partial sums kept side by side: one chain of additions would wait four cycles for each of them.
const LANES: usize = 16;

/// Rows summed at a time: four columns of them take half of a first-level cache of 32 KiB.
const TILE: usize = 512;

/// Adds |a_ij| to `row_sums[i]` and to `col_sums[j]`, reading the matrix once.
///
/// `row_sums` has at least `rows` and `col_sums` at least `cols` entries; more are left alone. The column
/// sums are added in an order that depends on the row count only.
///
/// # Panics
/// If the matrix does not lie within `data`, or the sums are too short.
pub fn add_abs_sums(data: &[f64], ld: usize, rows: usize, cols: usize, row_sums: &mut [f64], col_sums: &mut [f64]) {
    assert!(col_sums.len() >= cols, "{} sums for {cols} columns", col_sums.len());
    if rows == 0 || cols == 0 {
        return;
    }
    assert!(ld >= rows, "leading dimension {ld} below {rows} rows");
    let row_sums = &mut row_sums[..rows];
    let (fours, rest) = col_sums[..cols].as_chunks_mut::<4>();
    let column = |j: usize| &data[j * ld..j * ld + rows];
    let singles = 4 * fours.len();
    for (k, col_sums) in fours.iter_mut().enumerate() {
        vectorized(Columns([0, 1, 2, 3].map(|l| column(4 * k + l)), row_sums, col_sums));
    }
    for (k, col_sum) in rest.iter_mut().enumerate() {
        vectorized(Columns([column(singles + k)], row_sums, std::array::from_mut(col_sum)));
    }
}

/// Some columns, the row sums and the columns' own sums.
struct Columns<'a, const C: usize>([&'a [f64]; C], &'a mut [f64], &'a mut [f64; C]);

impl<const C: usize> Work for Columns<'_, C> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        add_columns(self.0, self.1, self.2);
    }
}

/// Adds the absolute values of `C` columns to the row sums and to each column's sum.
///
/// Several columns share one reading and writing of the row sums. A tile of rows is summed by row, then
/// by column while it is still in the first-level cache.
#[inline(always)]
fn add_columns<const C: usize>(columns: [&[f64]; C], row_sums: &mut [f64], col_sums: &mut [f64; C]) {
    for (t, row_sums) in row_sums.chunks_mut(TILE).enumerate() {
        let tiles = columns.map(|column| &column[t * TILE..t * TILE + row_sums.len()]);
        for (i, row_sum) in row_sums.iter_mut().enumerate() {
            for tile in tiles {
                *row_sum += tile[i].abs();
            }
        }
        for (col_sum, tile) in col_sums.iter_mut().zip(tiles) {
            *col_sum += sum_lanes(tile);
        }
    }
}

/// The sum of the absolute values, in [`LANES`] partial sums.
#[inline(always)]
fn sum_lanes(values: &[f64]) -> f64 {
    let mut lanes = [0.0; LANES];
    let mut chunks = values.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value.abs();
        }
    }
    let rest: f64 = chunks.remainder().iter().map(|v| v.abs()).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The largest absolute value: 0 of nothing, NaN if there is any NaN.
pub fn max_abs(values: &[f64]) -> f64 {
    // Without the sign bit doubles order as their bits do, and every NaN lies above infinity.
    let bits = values.iter().map(|v| v.abs().to_bits()).max();
    f64::from_bits(bits.unwrap_or(0))
}

/// The sum of the absolute values: 0 of nothing, NaN if there is any NaN.
pub fn sum_abs(values: &[f64]) -> f64 {
    sum_lanes(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(data: &[f64], ld: usize, rows: usize, cols: usize) -> (Vec<f64>, Vec<f64>) {
        let (mut row_sums, mut col_sums) = (vec![0.0; rows], vec![0.0; cols]);
        add_abs_sums(data, ld, rows, cols, &mut row_sums, &mut col_sums);
        (row_sums, col_sums)
    }

    #[test]
    fn norms_of_the_netlib_matrix_of_order_1000() {
        let mut data = vec![0.0; 1000 * 1001];
        crate::random::fill(0, &mut data);
        let (row_sums, col_sums) = sums(&data, 1000, 1000, 1000);
        assert!((max_abs(&row_sums) - 262.773_467_636_7).abs() < 1e-9);
        assert!((max_abs(&col_sums) - 263.865_286_697_6).abs() < 1e-9);
        assert_eq!(max_abs(&data[1_000_000..]), 0.499_775_719_007_508_3);
    }

    #[test]
    fn norms_of_the_netlib_matrix_of_order_29() {
        let mut data = vec![0.0; 29 * 30];
        crate::random::fill(0, &mut data);
        let (row_sums, col_sums) = sums(&data, 29, 29, 29);
        assert!((max_abs(&row_sums) - 8.974_256_436_398).abs() < 1e-11);
        assert!((max_abs(&col_sums) - 8.442_635_004_704).abs() < 1e-11);
    }

    #[test]
    fn nan_survives_at_every_place() {
        for len in [1, 15, 16, 17, 40] {
            for place in 0..len {
                for nan in [f64::NAN, -f64::NAN] {
                    let mut values = vec![f64::NEG_INFINITY; len];
                    values[place] = nan;
                    assert!(max_abs(&values).is_nan(), "maximum of {len}, NaN at {place}");
                    assert!(sum_abs(&values).is_nan(), "sum of {len}, NaN at {place}");
                    let (row_sums, col_sums) = sums(&values, len, len, 1);
                    assert!(col_sums[0].is_nan() && row_sums[place].is_nan());
                }
            }
        }
    }

    #[test]
    fn nothing_sums_to_zero() {
        assert_eq!((max_abs(&[]), sum_abs(&[])), (0.0, 0.0));
        add_abs_sums(&[], 0, 0, 3, &mut [], &mut [0.0; 3]);
        add_abs_sums(&[], 8, 3, 0, &mut [0.0; 3], &mut []);
        assert_eq!(max_abs(&[-3.0, 2.0, f64::NEG_INFINITY]), f64::INFINITY);
    }

    proptest! {
        /// Small integers add without rounding: exact equality with the plain loops. What lies between
        /// the columns is NaN and must not be read.
        #[test]
        fn sums_equal_the_plain_loops(
            rows in 0_usize..70, cols in 0_usize..6, pad in 0_usize..4, seed: u64,
        ) {
            let ld = rows + pad;
            let mut data = vec![f64::NAN; ld * cols];
            let (mut by_row, mut by_col) = (vec![1.0; rows], vec![2.0; cols]);
            for j in 0..cols {
                for i in 0..rows {
                    let x = crate::random::Stream::at(seed ^ (i + j * rows) as u64).state();
                    let entry = (x >> 50) as f64 - 8192.0;
                    data[i + j * ld] = entry;
                    by_row[i] += entry.abs();
                    by_col[j] += entry.abs();
                }
                let column = &data[j * ld..j * ld + rows];
                prop_assert_eq!(sum_abs(column), by_col[j] - 2.0);
            }
            let (mut row_sums, mut col_sums) = (vec![1.0; rows], vec![2.0; cols]);
            add_abs_sums(&data, ld, rows, cols, &mut row_sums, &mut col_sums);
            prop_assert_eq!(row_sums, by_row);
            prop_assert_eq!(col_sums, by_col);
        }
    }
}
