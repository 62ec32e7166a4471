//! The matrix product C += α·A·B, after the five loops of Goto and van de Geijn ("Anatomy of
//! High-Performance Matrix Multiplication", ACM TOMS 34, 2008) and BLIS, in the order that suits a
//! large shared last level cache:
//!
//! ```text
//!   LOOP 5  over k in blocks of kc            all of A is packed once by all members
//!   LOOP 4  over n in strips of nc            a bag: each member packs a strip of B into its L2 …
//!   LOOP 3    over m in blocks of mc          … and streams packed A past it, in blocks that its L2 holds as well
//!   LOOP 2      over micro-panels of B (nr)
//!   LOOP 1        over micro-panels of A (mr)
//!                   tile: C[mr×nr] += A[mr×kc]·B[kc×nr]
//! ```
//! A comes from the last level cache while it fits there, and from memory else: 4/nc bytes an operation, less than
//! C itself needs (8/k). So the strips need not wait for each other from one part of A to the next.
//!
//! Each element of C is `C + (sum over one block of k, in order)`, whatever the blocks of m and n, the
//! edges and the number of members: results do not depend on how work was dealt.
#![allow(unsafe_code)]

pub mod blocking;
pub mod kernel;
pub mod pack;
pub mod triangle;

use std::ops::Range;
use std::sync::Mutex;

use crate::buffer::Buffer;
use crate::context::{Context, Scratch, room};
use crate::matrix::{MatMut, MatRef};
use crate::share::{Cut, Strips};
use blocking::Blocking;
use kernel::{Code, Kernel, SolveFn, TileFn};

fn check_shapes(a: &MatRef, b: &MatRef, c: &MatMut) {
    assert!(
        a.rows() == c.rows() && b.cols() == c.cols() && a.cols() == b.rows(),
        "C({}x{}) += A({}x{}) B({}x{})",
        c.rows(),
        c.cols(),
        a.rows(),
        a.cols(),
        b.rows(),
        b.cols()
    );
}

/// C ← C + alpha·A·B by the whole team: A is m×k, B k×n, C m×n.
///
/// # Panics
/// If the shapes do not match.
pub fn gemm(cx: &Context, alpha: f64, a: MatRef, b: MatRef, mut c: MatMut) {
    check_shapes(&a, &b, &c);
    if c.rows() == 0 || c.cols() == 0 || a.cols() == 0 {
        return;
    }
    let mut storage = cx.left();
    let left = Left::pack(cx, room(&mut storage, Left::storage(cx, a.rows(), a.cols())), a);
    let cut = left.cut(b.cols(), cx.team().size());
    let strips = Strips::new(c.as_mut(), cut);
    cx.team().phase(|member| {
        let mut scratch = cx.scratch(member);
        while let Some((j, strip)) = strips.next() {
            let right = b.sub(0, j, b.rows(), strip.cols());
            left.multiply(&mut scratch, alpha, right, strip);
        }
    });
}

/// A left operand, packed once for all strips of a product (LOOP 5).
pub struct Left<'a> {
    kernel: &'static Kernel,
    blocking: Blocking,
    a: MatRef<'a>,
    packed: &'a [f64],
}

/// Some micro-panels that one member packs.
struct Piece<'a> {
    row: usize,
    columns: Range<usize>,
    out: &'a mut [f64],
}

impl<'a> Left<'a> {
    /// How many doubles [`Left::pack`] needs for an m×k operand.
    pub fn storage(cx: &Context, m: usize, k: usize) -> usize {
        match cx.kernel().code {
            Code::Tile { mr, .. } => m.div_ceil(mr) * mr * k,
            Code::Faer => 0,
        }
    }

    /// Packs `a`, all members taking part. `storage` must be as long as [`Left::storage`] says or longer.
    ///
    /// # Panics
    /// If `storage` is too short, or inside a phase.
    pub fn pack(cx: &Context, storage: &'a mut [f64], a: MatRef<'a>) -> Left<'a> {
        let blocking = cx.blocking(a.cols());
        let packed = &mut storage[..Left::storage(cx, a.rows(), a.cols())];
        if let Code::Tile { mr, .. } = cx.kernel().code {
            let members = cx.team().size();
            let mut work: Vec<Vec<Piece>> = (0..members).map(|_| Vec::new()).collect();
            let mut rest = &mut *packed;
            for first in (0..a.cols()).step_by(blocking.kc) {
                let block = first..(first + blocking.kc).min(a.cols());
                let (now, later) = rest.split_at_mut(a.rows().div_ceil(mr) * mr * block.len());
                rest = later;
                for (piece, out) in now.chunks_mut(pack::TOGETHER * mr * block.len()).enumerate() {
                    work[piece % members].push(Piece { row: piece * pack::TOGETHER * mr, columns: block.clone(), out });
                }
            }
            let work: Vec<_> = work.into_iter().map(Mutex::new).collect();
            cx.team().phase(|member| {
                let mut mine = work[member.id()].lock().expect("only this member locks it");
                for Piece { row, columns, out } in mine.iter_mut() {
                    let height = (pack::TOGETHER * mr).min(a.rows() - *row);
                    pack::pack_a(a.sub(*row, columns.start, height, columns.len()), mr, out);
                }
            });
        }
        Left::packed_before(cx, packed, a)
    }

    /// What [`Left::pack`] made of the same `a` in `storage`.
    ///
    /// # Panics
    /// If `storage` is too short.
    pub fn packed_before(cx: &Context, storage: &'a [f64], a: MatRef<'a>) -> Left<'a> {
        let packed = &storage[..Left::storage(cx, a.rows(), a.cols())];
        Left { kernel: cx.kernel(), blocking: cx.blocking(a.cols()), a, packed }
    }

    /// The strips of LOOP 4 when `cols` columns are shared by `members`: wide ones, and towards the end narrow ones.
    /// A wide one takes milliseconds, and without the narrow ones somebody would wait for half of that at the end of
    /// every update.
    pub fn cut(&self, cols: usize, members: usize) -> Cut {
        let nr = match self.kernel.code {
            Code::Tile { nr, .. } => nr,
            Code::Faer => 4,
        };
        let widest = self.blocking.nc;
        if members == 1 { Cut::even(cols, widest) } else { Cut::guided(cols, widest, 2 * nr, members) }
    }

    /// C ← C + alpha·A·B for one strip, by one member.
    ///
    /// # Panics
    /// If the shapes do not match.
    pub fn multiply(&self, scratch: &mut Scratch, alpha: f64, b: MatRef, mut c: MatMut) {
        check_shapes(&self.a, &b, &c);
        let Code::Tile { nr, .. } = self.kernel.code else {
            return faer_product(alpha, self.a, b, c);
        };
        for first in (0..self.a.cols()).step_by(self.blocking.kc) {
            let k = self.blocking.kc.min(self.a.cols() - first);
            let packed_b = room(&mut scratch.b, b.cols().div_ceil(nr) * nr * k);
            pack::pack_b(alpha, b.sub(first, 0, k, b.cols()), nr, packed_b);
            self.multiply_packed(scratch, first..first + k, c.as_mut());
        }
    }

    /// C ← C + A(:, columns)·B, where B lies packed in the scratch memory, with the factor it has.
    fn multiply_packed(&self, scratch: &mut Scratch, columns: Range<usize>, c: MatMut) {
        let Code::Tile { mr, nr, tile, .. } = self.kernel.code else { unreachable!("a packed operand without a tile") };
        let rows = self.a.rows().div_ceil(mr) * mr;
        let packed_a = &self.packed[rows * columns.start..rows * columns.end];
        let depth = (columns.len(), self.blocking.mc);
        macro_kernel((mr, nr, tile), depth, packed_a, &scratch.b, c, &mut scratch.edge);
    }
}

/// C ← C + alpha·A·B by the calling member alone, for a C that is narrow, as in a panel, or small: A is used where
/// it lies, because what its packing costs would not come back; B is packed. Each element of C comes out with the
/// bits that [`gemm`] gives it.
///
/// # Panics
/// If the shapes do not match.
pub fn gemm_alone(cx: &Context, scratch: &mut Scratch, alpha: f64, a: MatRef, b: MatRef, mut c: MatMut) {
    check_shapes(&a, &b, &c);
    let (m, n) = (c.rows(), c.cols());
    if m == 0 || n == 0 || a.cols() == 0 {
        return;
    }
    let Code::Tile { mr, nr, tile, .. } = cx.kernel().code else {
        return faer_product(alpha, a, b, c);
    };
    let Blocking { kc, nc, .. } = cx.blocking(a.cols());
    let edge = room(&mut scratch.edge, mr * nr);
    for p in (0..a.cols()).step_by(kc) {
        let k = kc.min(a.cols() - p);
        for j in (0..n).step_by(nc) {
            let width = nc.min(n - j);
            let packed_b = room(&mut scratch.b, width.div_ceil(nr) * nr * k);
            pack::pack_b(alpha, b.sub(p, j, k, width), nr, packed_b);
            for i in (0..m).step_by(mr) {
                let height = mr.min(m - i);
                let rows = a.sub(i, p, height, k);
                let rows = if height == mr {
                    rows
                } else {
                    // The tile reads mr rows, and there are no more.
                    let filled = room(&mut scratch.a, mr * k);
                    pack::pack_a(rows, mr, filled);
                    MatRef::new(filled, mr, k, mr)
                };
                for (first, b) in (0..width).step_by(nr).zip(packed_b.chunks_exact(nr * k)) {
                    let block = c.as_mut().sub(i, j + first, height, nr.min(width - first));
                    one_tile((mr, nr, tile), rows, b, block, edge, rows.as_ptr());
                }
            }
        }
    }
}

/// LOOP 3 to LOOP 1: packed A (micro-panels of C's rows) times packed B (those of its columns), both of depth k, mc
/// rows of A at a time.
fn macro_kernel(
    (mr, nr, tile): (usize, usize, TileFn),
    (k, mc): (usize, usize),
    packed_a: &[f64],
    packed_b: &[f64],
    mut c: MatMut,
    edge: &mut Buffer,
) {
    let (m, n) = (c.rows(), c.cols());
    assert!(packed_a.len() >= m.div_ceil(mr) * mr * k && packed_b.len() >= n.div_ceil(nr) * nr * k);
    let edge = room(edge, mr * nr);
    for (first, a_block) in (0..m).step_by(mc).zip(packed_a.chunks(mc * k)) {
        // While this block is at work, the next one comes into the second level cache, a part of it with each tile;
        // behind the last one comes the first, for the next strip.
        let last = first + mc >= m;
        let next = if last { packed_a.as_ptr() } else { a_block.as_ptr().wrapping_add(a_block.len()) };
        let tiles = a_block.len() / (mr * k) * n.div_ceil(nr);
        let part = 8 * a_block.len().div_ceil(8 * tiles).min(k / 4);
        let mut done = 0;
        for (j, b) in (0..n).step_by(nr).zip(packed_b.chunks_exact(nr * k)) {
            for (i, a) in (first..m).step_by(mr).zip(a_block.chunks_exact(mr * k)) {
                let a = MatRef::new(a, mr, k, mr);
                let block = c.as_mut().sub(i, j, mr.min(m - i), nr.min(n - j));
                one_tile((mr, nr, tile), a, b, block, edge, next.wrapping_add(done * part));
                done += 1;
            }
        }
    }
}

/// One tile of C, or what exists of it: the tile then goes to `edge`, and the part that exists is added. `a` has
/// mr rows, `b` holds nr doubles for each of its columns; `next` points to what will be read later, or anywhere.
#[inline(always)]
pub(crate) fn one_tile(
    (mr, nr, tile): (usize, usize, TileFn),
    a: MatRef,
    b: &[f64],
    mut c: MatMut,
    edge: &mut [f64],
    next: *const f64,
) {
    let whole = (c.rows(), c.cols()) == (mr, nr);
    let (target, ld) = if whole {
        (c.as_mut_ptr(), c.ld())
    } else {
        edge.fill(0.0);
        (edge.as_mut_ptr(), mr)
    };
    debug_assert!(a.rows() == mr && b.len() == nr * a.cols() && edge.len() == mr * nr);
    // SAFETY: the tile is that of a context's kernel, and a context takes only what the CPU can run; a is a view of
    // mr rows, the callers cut b to nr doubles for each of its columns; the target is a whole tile of C, which is ours
    // alone, or the edge block of mr·nr doubles.
    unsafe { tile(a.cols(), a.as_ptr(), a.ld(), b.as_ptr(), target, ld, next) };
    if !whole {
        for j in 0..c.cols() {
            c.col(j).iter_mut().zip(&edge[j * mr..]).for_each(|(c, ab)| *c += ab);
        }
    }
}

/// One tile of a triangular solve, see [`SolveFn`]: `l` are columns of mr doubles, `above` and `rows` rows of nr.
pub(crate) fn solve_tile((mr, nr, solve): (usize, usize, SolveFn), l: &[f64], above: &[f64], rows: &mut [f64]) {
    let k = above.len() / nr;
    assert!(l.len() == (k + mr) * mr && above.len() == k * nr && rows.len() == mr * nr, "a tile of a solve");
    // SAFETY: the tile is that of a context's kernel, and a context takes only what the CPU can run; the lengths are
    // those that it reads and writes.
    unsafe { solve(k, l.as_ptr(), above.as_ptr(), rows.as_mut_ptr()) };
}

fn faer_product(alpha: f64, a: MatRef, b: MatRef, mut c: MatMut) {
    let view = |m: MatRef| {
        // SAFETY: the pointer, shape and leading dimension are those of a valid view that outlives the call.
        unsafe { faer::MatRef::from_raw_parts(m.as_ptr(), m.rows(), m.cols(), 1, m.ld() as isize) }
    };
    let (rows, cols, ld) = (c.rows(), c.cols(), c.ld() as isize);
    // SAFETY: as above, and the view is exclusive.
    let target = unsafe { faer::MatMut::from_raw_parts_mut(c.as_mut_ptr(), rows, cols, 1, ld) };
    faer::linalg::matmul::matmul(target, faer::Accum::Add, view(a), view(b), alpha, faer::Par::Seq);
}

/// B ← L⁻¹·B with faer's triangular solve, L unit lower triangular.
pub(crate) fn faer_trsm(l: MatRef, mut b: MatMut) {
    let (rows, cols, ld) = (b.rows(), b.cols(), b.ld() as isize);
    // SAFETY: pointers, shapes and leading dimensions are those of valid views; b is exclusive.
    let (l, b) = unsafe {
        (
            faer::MatRef::from_raw_parts(l.as_ptr(), l.rows(), l.cols(), 1, l.ld() as isize),
            faer::MatMut::from_raw_parts_mut(b.as_mut_ptr(), rows, cols, 1, ld),
        )
    };
    faer::linalg::triangular_solve::solve_unit_lower_triangular_in_place(l, b, faer::Par::Seq);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gemm::blocking::CacheSizes;
    use crate::matrix::Matrix;
    use crate::team::Team;

    #[derive(Debug, Clone, Copy)]
    enum Way {
        Team,
        Alone,
    }

    impl Way {
        fn multiply(self, cx: &Context, alpha: f64, a: MatRef, b: MatRef, c: MatMut) {
            match self {
                Way::Team => gemm(cx, alpha, a, b, c),
                Way::Alone => gemm_alone(cx, &mut cx.main_scratch(), alpha, a, b, c),
            }
        }
    }

    const TINY: CacheSizes = CacheSizes { l1: 1 << 10, l2: 4 << 10 };

    fn integers(rows: usize, cols: usize, seed: usize) -> Matrix {
        Matrix::from_fn(rows, cols, |i, j| ((i * 31 + j * 17 + seed * 7) % 19) as f64 - 9.0)
    }

    /// Integer matrices, so equality with the triple loop is exact; tiny caches, so small shapes walk
    /// every loop; C stands inside a matrix of NaN that must stay untouched.
    #[test]
    fn exact_on_integers_for_every_kernel_and_team() {
        for kernel in kernel::available() {
            for threads in [1, 3] {
                for caches in [TINY, CacheSizes::default()] {
                    let cx = Context::new(kernel, caches, Team::new(threads, true, |_| {}).unwrap());
                    for (m, n, k) in [
                        (0, 3, 3),
                        (3, 0, 3),
                        (3, 3, 0),
                        (1, 1, 1),
                        (2, 3, 4),
                        (24, 8, 16),
                        (25, 9, 17),
                        (23, 7, 400),
                        (100, 100, 3),
                        (61, 203, 45),
                        (300, 31, 700),
                    ] {
                        let (a, b, c0) = (integers(m, k, 1), integers(k, n, 2), integers(m, n, 3));
                        let product = |i, j| (0..k).map(|p| a.as_ref().at(i, p) * b.as_ref().at(p, j)).sum::<f64>();
                        for way in [Way::Team, Way::Alone] {
                            let mut c = Matrix::from_fn(m + 2, n + 2, |_, _| f64::NAN);
                            let mut view = c.as_mut().sub(1, 1, m, n);
                            view.copy_from(c0.as_ref());
                            way.multiply(&cx, -1.0, a.as_ref(), b.as_ref(), view);
                            for j in 0..n + 2 {
                                for i in 0..m + 2 {
                                    let got = c.as_ref().at(i, j);
                                    if i == 0 || j == 0 || i > m || j > n {
                                        assert!(got.is_nan());
                                    } else {
                                        let want = c0.as_ref().at(i - 1, j - 1) - product(i - 1, j - 1);
                                        assert_eq!(got, want, "{} {m}x{n}x{k} ({i},{j})", kernel.name);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn bits_do_not_depend_on_how_work_was_dealt() {
        let (a, b) = (Matrix::from_fn(157, 90, |i, j| 1.0 / (1 + i + 3 * j) as f64), integers(90, 211, 5));
        for kernel in kernel::available().filter(|k| matches!(k.code, Code::Tile { .. })) {
            let results: Vec<Vec<u64>> = [
                (1, CacheSizes::default(), Way::Team),
                (4, CacheSizes::default(), Way::Team),
                (3, CacheSizes { l2: 64 << 10, ..CacheSizes::default() }, Way::Team),
                (1, CacheSizes::default(), Way::Alone),
            ]
            .map(|(threads, caches, way)| {
                let cx = Context::new(kernel, caches, Team::new(threads, true, |_| {}).unwrap());
                let mut c = Matrix::zeros(157, 211).unwrap();
                way.multiply(&cx, 0.3, a.as_ref(), b.as_ref(), c.as_mut());
                c.data().iter().map(|v| v.to_bits()).collect()
            })
            .into();
            assert!(results.windows(2).all(|w| w[0] == w[1]), "{}", kernel.name);
        }
    }
}
