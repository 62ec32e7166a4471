//! U ← L⁻¹·U for a strip of U, L unit lower triangular, made of tiles: L is packed once a panel for all strips, and
//! −U comes out packed, as the product C −= L2·U that follows wants it.
//!
//! ```text
//!   row block r of mr rows:   T = U_r − Σ_{s<r} L_rs·X_s     a tile of depth r·mr
//!                             X_r = (L_rr)⁻¹·T               by substitution, in registers
//! ```
//! Where U lies, and where X goes, is the caller's affair ([`Rows`]): U may lie in pieces.

use crate::buffer::Buffer;
use crate::context::{Context, Scratch, room};
use crate::gemm::kernel::Code;
use crate::gemm::{Left, pack, solve_tile};
use crate::matrix::{MatMut, MatRef};
use crate::trsm::trsm;

/// The rows of a strip of U: where they are before they are solved, and where they go then.
pub trait Rows {
    /// Writes columns `first`, `first + 1`, … of U side by side, row by row: row i of them to `out[i·nr..]`, where as many
    /// columns as there are come first and the rest of the nr doubles is zero.
    fn load(&self, first: usize, nr: usize, out: &mut [f64]);

    /// Takes −X, which lies in `solved` as U lay in `out`.
    fn keep(&mut self, first: usize, nr: usize, solved: &[f64]);
}

/// U is a matrix and X replaces it.
impl Rows for MatMut<'_> {
    fn load(&self, first: usize, nr: usize, out: &mut [f64]) {
        let u = self.as_ref();
        pack::pack_b(1.0, u.sub(0, first, u.rows(), nr.min(u.cols() - first)), nr, out);
    }

    fn keep(&mut self, first: usize, nr: usize, solved: &[f64]) {
        let (k, width) = (self.rows(), nr.min(self.cols() - first));
        pack::unpack_b(-1.0, solved, nr, self.as_mut().sub(0, first, k, width));
    }
}

/// L, packed.
pub struct Triangle<'a> {
    l: MatRef<'a>,
    packed: &'a [f64],
    /// Whether −U comes out packed: there are tiles, and one block of k holds all rows.
    in_tiles: bool,
}

/// Where row block `r` of height mr begins in the packed form: below it lie r·mr + mr columns of mr doubles for each
/// block before.
fn offset(mr: usize, r: usize) -> usize {
    mr * mr * r * (r + 1) / 2
}

impl<'a> Triangle<'a> {
    fn in_tiles(cx: &Context, k: usize) -> Option<usize> {
        match cx.kernel().code {
            Code::Tile { mr, .. } if k > 0 && cx.blocking(k).kc == k => Some(mr),
            _ => None,
        }
    }

    /// How many doubles [`Triangle::pack`] needs for a triangle of order `k`.
    pub fn storage(cx: &Context, k: usize) -> usize {
        Triangle::in_tiles(cx, k).map_or(0, |mr| offset(mr, k.div_ceil(mr)))
    }

    /// Packs `l`, of which only the part below the diagonal counts. `storage` must be as long as
    /// [`Triangle::storage`] says or longer.
    ///
    /// # Panics
    /// If `l` is not square, or `storage` too short.
    pub fn pack(cx: &Context, storage: &'a mut [f64], l: MatRef<'a>) -> Triangle<'a> {
        let k = l.rows();
        assert_eq!(k, l.cols(), "a triangle");
        let packed = &mut storage[..Triangle::storage(cx, k)];
        let tiles = Triangle::in_tiles(cx, k);
        if let Some(mr) = tiles {
            for (r, row) in (0..k).step_by(mr).enumerate() {
                let height = mr.min(k - row);
                let (block, none) = packed[offset(mr, r)..offset(mr, r + 1)].split_at_mut(mr * (row + height));
                pack::pack_a(l.sub(row, 0, height, row + height), mr, block);
                none.fill(0.0);
            }
        }
        Triangle::packed_before(cx, packed, l)
    }

    /// What [`Triangle::pack`] made of the same `l` in `storage`.
    ///
    /// # Panics
    /// If `storage` is too short.
    pub fn packed_before(cx: &Context, storage: &'a [f64], l: MatRef<'a>) -> Triangle<'a> {
        let packed = &storage[..Triangle::storage(cx, l.rows())];
        Triangle { l, packed, in_tiles: Triangle::in_tiles(cx, l.rows()).is_some() }
    }

    /// Solves L·X = U for one strip and then C ← C − A·X with the packed `left`, by one member. `between` is called when
    /// X is there and before the product.
    ///
    /// # Panics
    /// If the shapes do not match.
    pub fn solve_and_subtract(
        &self,
        cx: &Context,
        scratch: &mut Scratch,
        left: &Left,
        u: &mut impl Rows,
        c: MatMut,
        between: impl FnOnce(&mut Scratch),
    ) {
        let (k, n) = (self.l.rows(), c.cols());
        assert!(left.a.cols() == k && c.rows() == left.a.rows(), "shapes of a triangle and its product");
        if self.in_tiles {
            self.solve_in_tiles(cx, scratch, n, u);
            between(scratch);
            return left.multiply_packed(scratch, 0..k, c);
        }
        scratch.with_aside(k * n + k, |scratch, aside| {
            let x = self.solve_aside(cx, scratch, n, u, aside);
            between(scratch);
            left.multiply(scratch, -1.0, x, c);
        });
    }

    /// Solves L·X = U for `n` columns of U, by one member.
    pub fn solve(&self, cx: &Context, scratch: &mut Scratch, n: usize, u: &mut impl Rows) {
        if self.in_tiles {
            return self.solve_in_tiles(cx, scratch, n, u);
        }
        let k = self.l.rows();
        scratch.with_aside(k * n + k, |scratch, aside| {
            self.solve_aside(cx, scratch, n, u, aside);
        });
    }

    /// X in `aside`, which has room for it and one more column.
    fn solve_aside<'x>(
        &self,
        cx: &Context,
        scratch: &mut Scratch,
        n: usize,
        u: &mut impl Rows,
        aside: &'x mut [f64],
    ) -> MatRef<'x> {
        let k = self.l.rows();
        let (aside, negative) = aside.split_at_mut(k * n);
        // Columns in a row are what nr = 1 means.
        (0..n).for_each(|j| u.load(j, 1, &mut aside[j * k..][..k]));
        trsm(cx, scratch, self.l, MatMut::new(aside, k, n, k.max(1)));
        let x = MatRef::new(aside, k, n, k.max(1));
        for j in 0..n {
            negative.iter_mut().zip(x.col(j)).for_each(|(to, x)| *to = -x);
            u.keep(j, 1, negative);
        }
        x
    }

    /// −X packed into the scratch memory.
    fn solve_in_tiles(&self, cx: &Context, scratch: &mut Scratch, n: usize, u: &mut impl Rows) {
        let Code::Tile { mr, nr, solve, .. } = cx.kernel().code else { unreachable!("packed without a tile") };
        let k = self.l.rows();
        let packed_b = room(&mut scratch.b, n.div_ceil(nr) * nr * k);
        // The last rows, where they are fewer than a tile has.
        let edge = room(&mut scratch.edge, mr * nr);
        for (first, x) in (0..n).step_by(nr).zip(packed_b.chunks_exact_mut(nr * k)) {
            u.load(first, nr, x);
            for (r, row) in (0..k).step_by(mr).enumerate() {
                let l = &self.packed[offset(mr, r)..offset(mr, r + 1)];
                let (above, rows) = x.split_at_mut(nr * row);
                let whole = rows.len() >= mr * nr;
                if !whole {
                    edge.fill(0.0);
                    edge[..rows.len()].copy_from_slice(rows);
                }
                let target = if whole { &mut rows[..mr * nr] } else { &mut *edge };
                solve_tile((mr, nr, solve), l, above, target);
                if !whole {
                    rows.copy_from_slice(&edge[..rows.len()]);
                }
            }
            u.keep(first, nr, x);
        }
    }
}

/// Memory for one panel's triangle and its products, made once.
#[derive(Debug)]
pub struct PackedPanel {
    /// For [`Triangle::pack`].
    pub triangle: Buffer,
    /// For [`Left::pack`].
    pub left: Buffer,
}

impl PackedPanel {
    /// Room for panels of up to `width` columns and `rows` rows of L2.
    ///
    /// # Errors
    /// If the memory cannot be had.
    pub fn new(cx: &Context, rows: usize, width: usize) -> Result<PackedPanel, crate::buffer::AllocError> {
        // A narrower panel may be packed in tiles where the widest is not.
        let triangle = (1..=width).map(|k| Triangle::storage(cx, k)).max().unwrap_or(0);
        Ok(PackedPanel { triangle: Buffer::zeroed(triangle)?, left: Buffer::zeroed(Left::storage(cx, rows, width))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::blocking::CacheSizes;
    use crate::gemm::kernel;
    use crate::matrix::Matrix;
    use crate::team::Team;

    /// Integer L, X and A: every step is exact (the inverse of a unit triangle of integers is one of integers). What
    /// stands on and above the diagonal of L must not be read.
    #[test]
    fn solves_and_subtracts_exactly_on_integers() {
        for kernel in kernel::available() {
            let cx = Context::new(kernel, CacheSizes::default(), Team::solo());
            let faer = matches!(kernel.code, Code::Faer);
            for k in [1, 2, 11, 12, 13, 23, 24, 25, 48, 100, 257, 600] {
                for (m, n) in [(0, 5), (1, 1), (31, 8), (60, 21)] {
                    let l = Matrix::from_fn(k, k, |i, j| match i > j {
                        true if (i - j) % 5 == 1 => ((i * 7 + j * 3) % 3) as f64 - 1.0,
                        true => 0.0,
                        false => {
                            if faer {
                                0.5
                            } else {
                                f64::NAN
                            }
                        }
                    });
                    let x = Matrix::from_fn(k, n, |i, j| ((i * 5 + j) % 7) as f64 - 3.0);
                    let a = Matrix::from_fn(m, k, |i, j| ((i + 3 * j) % 5) as f64 - 2.0);
                    let product = |i, j| {
                        x.as_ref().at(i, j) + (0..i).map(|p| l.as_ref().at(i, p) * x.as_ref().at(p, j)).sum::<f64>()
                    };
                    let [mut u, mut alone] = [0; 2].map(|_| Matrix::from_fn(k, n, product));
                    let mut c = Matrix::from_fn(m, n, |i, j| (i + j) as f64);
                    let mut packed = PackedPanel::new(&cx, m, k).unwrap();
                    let left = Left::pack(&cx, &mut packed.left, a.as_ref());
                    let triangle = Triangle::pack(&cx, &mut packed.triangle, l.as_ref());
                    let scratch = &mut cx.main_scratch();
                    triangle.solve_and_subtract(&cx, scratch, &left, &mut u.as_mut(), c.as_mut(), |_| ());
                    assert!(u.data() == x.data(), "{} k={k} n={n}", kernel.name);
                    triangle.solve(&cx, scratch, n, &mut alone.as_mut());
                    assert!(alone.data() == x.data(), "{} k={k} n={n}, without a product", kernel.name);
                    for j in 0..n {
                        for i in 0..m {
                            let product = (0..k).map(|p| a.as_ref().at(i, p) * x.as_ref().at(p, j)).sum::<f64>();
                            assert_eq!(c.as_ref().at(i, j), (i + j) as f64 - product, "{} k={k} {m}x{n}", kernel.name);
                        }
                    }
                }
            }
        }
    }
}
