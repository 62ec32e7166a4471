//! U ← L⁻¹·U for a strip of U, L unit lower triangular, made of tiles: L is packed once a panel for all strips, and
//! −U comes out packed, as the product C −= L2·U that follows wants it.
//!
//! ```text
//!   row block r of mr rows:   T = U_r + Σ_{s<r} L_rs·(−X_s)     one tile of depth r·mr
//!                             X_r = (L_rr)⁻¹·T                  one tile of depth mr
//! ```
//! The inverses are those of the mr×mr blocks on the diagonal alone; with partial pivoting no element of L exceeds
//! one, and blocks this small are inverted without loss that the residual would show (N. Higham, "Accuracy and
//! Stability of Numerical Algorithms", section 8.2, for the method by blocks).

use crate::buffer::Buffer;
use crate::context::{Context, Scratch, room};
use crate::gemm::kernel::Code;
use crate::gemm::{Left, one_tile, pack};
use crate::matrix::{MatMut, MatRef};
use crate::trsm::trsm;

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

    /// Packs `l`, of which only the part below the diagonal is read. `storage` must be as long as
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
                let (left, inverse) = packed[offset(mr, r)..offset(mr, r + 1)].split_at_mut(mr * row);
                pack::pack_a(l.sub(row, 0, height, row), mr, left);
                invert(l.sub(row, row, height, height), mr, inverse);
            }
        }
        Triangle { l, packed, in_tiles: tiles.is_some() }
    }

    /// Solves L·X = U in place and then C ← C − A·X with the packed `left`, for one strip, by one member. `between` is
    /// called when X is there and before the product.
    ///
    /// # Panics
    /// If the shapes do not match.
    pub fn solve_and_subtract(
        &self,
        cx: &Context,
        scratch: &mut Scratch,
        left: &Left,
        mut u: MatMut,
        c: MatMut,
        between: impl FnOnce(&mut Scratch, MatRef),
    ) {
        assert!(u.rows() == self.l.rows() && left.a.cols() == u.rows(), "shapes of a triangle and its product");
        assert!(c.rows() == left.a.rows() && c.cols() == u.cols(), "shapes of a triangle and its product");
        if !self.in_tiles {
            trsm(cx, scratch, self.l, u.as_mut());
            between(scratch, u.as_ref());
            return left.multiply(scratch, -1.0, u.as_ref(), c);
        }
        self.solve_in_tiles(cx, scratch, u.as_mut());
        between(scratch, u.as_ref());
        left.multiply_packed(scratch, 0..u.rows(), c);
    }

    /// X into `u`, and −X packed into the scratch memory.
    fn solve_in_tiles(&self, cx: &Context, scratch: &mut Scratch, mut u: MatMut) {
        let Code::Tile { mr, nr, tile } = cx.kernel().code else { unreachable!("packed without a tile") };
        let (k, n) = (u.rows(), u.cols());
        let packed_b = room(&mut scratch.b, n.div_ceil(nr) * nr * k);
        // T and X as tiles, T as an operand; the tile that one_tile needs for what is none.
        let work = room(&mut scratch.a, 2 * mr * nr);
        let (t, operand) = work.split_at_mut(mr * nr);
        let edge = room(&mut scratch.edge, mr * nr);
        for (first, packed_b) in (0..n).step_by(nr).zip(packed_b.chunks_exact_mut(nr * k)) {
            let width = nr.min(n - first);
            for (r, row) in (0..k).step_by(mr).enumerate() {
                let height = mr.min(k - row);
                let (left, inverse) = self.packed[offset(mr, r)..offset(mr, r + 1)].split_at(mr * row);
                t.fill(0.0);
                for j in 0..width {
                    t[j * mr..][..height].copy_from_slice(&u.col(first + j)[row..row + height]);
                }
                if row > 0 {
                    let (above, t) = (&packed_b[..nr * row], MatMut::new(t, mr, nr, mr));
                    one_tile((mr, nr, tile), MatRef::new(left, mr, row, mr), above, t, edge, left.as_ptr());
                }
                for (p, out) in operand.chunks_exact_mut(nr).enumerate().take(height) {
                    out.iter_mut().enumerate().for_each(|(j, out)| *out = t[j * mr + p]);
                }
                t.fill(0.0);
                let (inverse, operand) =
                    (MatRef::new(&inverse[..mr * height], mr, height, mr), &operand[..nr * height]);
                one_tile((mr, nr, tile), inverse, operand, MatMut::new(t, mr, nr, mr), edge, inverse.as_ptr());
                for j in 0..width {
                    u.col(first + j)[row..row + height].copy_from_slice(&t[j * mr..][..height]);
                }
                for (p, out) in packed_b[nr * row..].chunks_exact_mut(nr).enumerate().take(height) {
                    out.iter_mut().enumerate().for_each(|(j, out)| *out = -t[j * mr + p]);
                }
            }
        }
    }
}

/// The inverse of a unit lower triangle of at most mr rows as `mr` columns of `mr` doubles, filled up with zeros.
fn invert(l: MatRef, mr: usize, out: &mut [f64]) {
    out.fill(0.0);
    for (c, x) in out.chunks_exact_mut(mr).enumerate().take(l.rows()) {
        x[c] = 1.0;
        for p in c..l.rows() {
            let (xp, column) = (x[p], l.col(p));
            for i in p + 1..l.rows() {
                x[i] -= column[i] * xp;
            }
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
                    let mut u = Matrix::from_fn(k, n, |i, j| {
                        x.as_ref().at(i, j) + (0..i).map(|p| l.as_ref().at(i, p) * x.as_ref().at(p, j)).sum::<f64>()
                    });
                    let mut c = Matrix::from_fn(m, n, |i, j| (i + j) as f64);
                    let mut packed = PackedPanel::new(&cx, m, k).unwrap();
                    let left = Left::pack(&cx, &mut packed.left, a.as_ref());
                    let triangle = Triangle::pack(&cx, &mut packed.triangle, l.as_ref());
                    let mut seen = false;
                    let scratch = &mut cx.main_scratch();
                    triangle.solve_and_subtract(&cx, scratch, &left, u.as_mut(), c.as_mut(), |_, solved| {
                        seen = (0..n).all(|j| solved.col(j) == x.as_ref().col(j));
                    });
                    assert!(seen, "{} k={k} n={n}", kernel.name);
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
