//! Packing: the order in which a tile reads its operands.
//!
//! ```text
//!   A (m×k)                 packed: micro-panels of mr rows, each k columns of mr doubles
//!   ┌────────────┐  mr      ┌ a00 a10 … a(mr-1)0 │ a01 a11 … │ … │ a0(k-1) … ┐
//!   ├────────────┤  mr      ├ …                                              ┤
//!   └────────────┘          └ the last one is filled up with zeros           ┘
//!
//!   B (k×n)                 packed: micro-panels of nr columns, each k rows of nr doubles,
//!   ┌───┬───┬───┐           multiplied by alpha; the last one is filled up with zeros
//!   │nr │nr │nr │
//!   └───┴───┴───┘
//! ```

use crate::matrix::{MatMut, MatRef};

/// Micro-panels of A that are packed together: enough of a column to be read like a stream, and a piece of work that
/// is large enough to share and small enough to balance (`cargo bench -- pack`).
pub(crate) const TOGETHER: usize = 8;

/// Packs rows of `a` into micro-panels of `mr` rows: `out` holds `ceil(m/mr)·mr·k` doubles.
///
/// # Panics
/// If `out` has another length.
pub fn pack_a(a: MatRef, mr: usize, out: &mut [f64]) {
    let (m, k) = (a.rows(), a.cols());
    assert_eq!(out.len(), m.div_ceil(mr) * mr * k, "length of packed A");
    if k == 0 {
        return;
    }
    // Column by column through a few micro-panels: so much of a column at once is read like a stream.
    for (group, out) in out.chunks_mut(TOGETHER * mr * k).enumerate() {
        let first = group * TOGETHER * mr;
        for p in 0..k {
            let column = &a.col(p)[first..];
            for (panel, out) in out.chunks_exact_mut(mr * k).enumerate() {
                let column = &column[panel * mr..];
                let height = mr.min(column.len());
                let out = &mut out[p * mr..][..mr];
                out[..height].copy_from_slice(&column[..height]);
                out[height..].fill(0.0);
            }
        }
    }
}

/// Packs `alpha·b` into micro-panels of `nr` columns: `out` holds `ceil(n/nr)·nr·k` doubles.
///
/// # Panics
/// If `out` has another length.
pub fn pack_b(alpha: f64, b: MatRef, nr: usize, out: &mut [f64]) {
    let (k, n) = (b.rows(), b.cols());
    assert_eq!(out.len(), n.div_ceil(nr) * nr * k, "length of packed B");
    if k == 0 {
        return;
    }
    for (panel, out) in out.chunks_exact_mut(nr * k).enumerate() {
        let first = panel * nr;
        let width = nr.min(n - first);
        match (nr, width) {
            (8, 8) => interleave::<8>(alpha, b, first, out),
            (4, 4) => interleave::<4>(alpha, b, first, out),
            _ => {
                out.fill(0.0);
                for j in 0..width {
                    for (out, v) in out.iter_mut().skip(j).step_by(nr).zip(b.col(first + j)) {
                        *out = alpha * v;
                    }
                }
            }
        }
    }
}

/// The inverse of [`pack_b`] for one micro-panel: `b ← alpha·packed`.
///
/// # Panics
/// If `packed` has another length, or `b` more than `nr` columns.
pub fn unpack_b(alpha: f64, packed: &[f64], nr: usize, mut b: MatMut) {
    assert!(packed.len() == nr * b.rows() && b.cols() <= nr, "length of packed B");
    for j in 0..b.cols() {
        b.col(j).iter_mut().zip(packed.iter().skip(j).step_by(nr)).for_each(|(to, v)| *to = alpha * v);
    }
}

/// A full micro-panel: NR columns read side by side.
fn interleave<const NR: usize>(alpha: f64, b: MatRef, first: usize, out: &mut [f64]) {
    let columns: [&[f64]; NR] = std::array::from_fn(|j| &b.col(first + j)[..out.len() / NR]);
    for (p, out) in out.as_chunks_mut::<NR>().0.iter_mut().enumerate() {
        for (out, column) in out.iter_mut().zip(columns) {
            *out = alpha * column[p];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::Matrix;

    #[test]
    fn packed_elements_are_where_the_picture_says() {
        for (m, k, mr) in [(1, 1, 4), (7, 3, 4), (8, 5, 4), (25, 2, 24), (0, 3, 4), (5, 0, 4)] {
            let a = Matrix::from_fn(m, k, |i, j| (100 * i + j + 1) as f64);
            let mut packed = vec![f64::NAN; m.div_ceil(mr) * mr * k];
            pack_a(a.as_ref(), mr, &mut packed);
            for (at, &v) in packed.iter().enumerate() {
                let (i, j) = (at / (mr * k) * mr + at % mr, at / mr % k);
                assert_eq!(v, if i < m { (100 * i + j + 1) as f64 } else { 0.0 });
            }
            for nr in [3, 4, 8] {
                let n = m;
                let b = Matrix::from_fn(k, n, |i, j| (100 * i + j + 1) as f64);
                let mut packed = vec![f64::NAN; n.div_ceil(nr) * nr * k];
                pack_b(-1.0, b.as_ref(), nr, &mut packed);
                for (at, &v) in packed.iter().enumerate() {
                    let (i, j) = (at / nr % k, at / (nr * k) * nr + at % nr);
                    assert_eq!(v, if j < n { -((100 * i + j + 1) as f64) } else { 0.0 });
                }
            }
        }
    }
}
