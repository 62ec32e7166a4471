//! The tiles of x86-64, written once for vectors of any width.
#![allow(unsafe_code)]

/// How many steps of k ahead A is prefetched into the first level cache (`cargo bench -- tile` shows it).
pub(super) const AHEAD: usize = 8;

/// Makes the functions `tile` and `solve` of a file that says `MR` and `NR`, the shape; `LANES`, the doubles of a vector,
/// as many as NR and a third of MR; `LINES`, the cache lines of a column of the tile, where it begins on one; and the
/// vector operations, and the numbers of the rows but the last.
macro_rules! tile {
    (
        $features:literal: $zero:ident, $load:ident, $splat:ident, $fma:ident, $fnma:ident, $add:ident, $store:ident;
        rows but the last: $($row:literal)*
    ) => {
        const _: () = assert!(NR == LANES && MR == 3 * LANES && MR <= 24);

        /// A step takes three loads of A and NR broadcasts of B, and there are 3·NR accumulators.
        ///
        /// See [`super::TileFn`].
        ///
        /// # Safety
        #[doc = concat!("As [`super::TileFn`] says, with the features ", $features, ".")]
        #[target_feature(enable = $features)]
        pub unsafe fn tile(
            k: usize,
            a: *const f64,
            lda: usize,
            b: *const f64,
            c: *mut f64,
            ldc: usize,
            next: *const f64,
        ) {
            // SAFETY: the caller promises MR doubles at each of the k columns of a, k·NR at b and the MR×NR elements at
            // c; every pointer below stays inside these, and prefetches may point anywhere.
            unsafe {
                let mut acc = [[$zero(); 3]; NR];
                let (mut a, mut ahead, mut b, mut next) = (a, a.wrapping_add(AHEAD * lda), b, next);
                macro_rules! step {
                    () => {{
                        for line in 0..LINES {
                            _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(8 * line).cast());
                        }
                        let (a0, a1, a2) = ($load(a), $load(a.add(LANES)), $load(a.add(2 * LANES)));
                        for j in 0..NR {
                            let bj = $splat(*b.add(j));
                            acc[j][0] = $fma(a0, bj, acc[j][0]);
                            acc[j][1] = $fma(a1, bj, acc[j][1]);
                            acc[j][2] = $fma(a2, bj, acc[j][2]);
                        }
                        a = a.wrapping_add(lda);
                        ahead = ahead.wrapping_add(lda);
                        b = b.add(NR);
                    }};
                }
                macro_rules! four_steps {
                    () => {{
                        _mm_prefetch::<_MM_HINT_T1>(next.cast());
                        next = next.wrapping_add(8);
                        step!();
                        step!();
                        step!();
                        step!();
                    }};
                }
                // The lines of C are asked for one by one over the whole loop: all at once, they would hold up those of A.
                let apart = k / 4 / (NR * LINES);
                for j in 0..NR {
                    for line in 0..LINES {
                        _mm_prefetch::<_MM_HINT_T0>(c.wrapping_add(j * ldc + 8 * line).cast());
                        for _ in 0..apart {
                            four_steps!();
                        }
                    }
                }
                for _ in 0..k / 4 - apart * NR * LINES {
                    four_steps!();
                }
                for _ in 0..k % 4 {
                    step!();
                }
                for j in 0..NR {
                    let column = c.add(j * ldc);
                    for i in 0..3 {
                        let at = column.add(LANES * i);
                        $store(at, $add($load(at), acc[j][i]));
                    }
                }
            }
        }

        /// A step takes one load of X and MR broadcasts of L, and there are MR accumulators: the rows of the tile, as
        /// many vectors. On the triangle, row by row leaves them as it is solved.
        ///
        /// See [`super::SolveFn`].
        ///
        /// # Safety
        #[doc = concat!("As [`super::SolveFn`] says, with the features ", $features, ".")]
        #[target_feature(enable = $features)]
        pub unsafe fn solve(k: usize, l: *const f64, above: *const f64, rows: *mut f64) {
            // SAFETY: the caller promises MR doubles of l for each of k + MR columns, NR doubles at above for each of k
            // rows, and MR such rows at rows; every pointer below stays inside these.
            unsafe {
                let mut acc: [_; MR] = std::array::from_fn(|i| $load(rows.add(i * NR)));
                for p in 0..k {
                    let x = $load(above.add(p * NR));
                    for i in 0..MR {
                        acc[i] = $fma($splat(*l.add(p * MR + i)), x, acc[i]);
                    }
                }
                let triangle = l.add(k * MR);
                // −x, for zeros as well.
                let keep = |row: usize, x| $store(rows.add(row * NR), $fnma(x, $splat(1.0), $splat(-0.0)));
                // Each row by its number, so that all of acc stays in registers.
                $(
                    let x = acc[$row];
                    for i in $row + 1..MR {
                        acc[i] = $fnma($splat(*triangle.add($row * MR + i)), x, acc[i]);
                    }
                    keep($row, x);
                )*
                keep(MR - 1, acc[MR - 1]);
            }
        }
    };
}
pub(super) use tile;
