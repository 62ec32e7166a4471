//! The tiles of x86-64, written once for vectors of any width.
#![allow(unsafe_code)]

/// How many steps of k ahead A is prefetched into the first level cache (`cargo bench -- tile` shows it).
pub(super) const AHEAD: usize = 8;

/// Makes the functions `tile` and `solve` of a file that says `MR` and `NR`, the shape; `LANES`, the doubles of a vector,
/// as many as NR and a third of MR; `LINES`, the cache lines of a column of the tile, where it begins on one;
/// `PACKED_AHEAD`, which is `AHEAD` for packed A, or 0 where the machine sees by itself that packed columns follow each
/// other; and the registers, their type, the vector operations, and the numbers of the columns and of the rows but the
/// last.
macro_rules! tile {
    (
        $features:literal, $register:ident of $vector:ident:
        $zero:ident, $load:ident, $splat:ident, $fma:ident, $fnma:ident, $add:ident, $store:ident;
        columns: $($column:literal)*;
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
            // c; every pointer below stays inside these, and prefetches may point anywhere. The assembly reads memory
            // and writes the registers that it names, nothing else; its instructions are those of the features.
            unsafe {
                let mut acc = [[$zero(); 3]; NR];
                let (mut a, mut b, mut next) = (a, b, next);
                // One step of k, its column of A and its row of B so many bytes from `a` and `b`. In assembly, because
                // the accumulators, a column and one broadcast fill the 16 registers of AVX2: a compiler that moves one
                // load has to put accumulators on the stack. And nothing else is here, because what a core can issue
                // is shared with whoever runs on its other hardware thread.
                macro_rules! step {
                    ($a_at:expr, $b_at:expr) => {{
                        let (a0, a1, a2): ($vector, $vector, $vector);
                        asm!(
                            "vmovupd {a0}, [{a} + {at}]",
                            "vmovupd {a1}, [{a} + {at} + {bytes}]",
                            "vmovupd {a2}, [{a} + {at} + 2 * {bytes}]",
                            a = in(reg) a, at = const $a_at, bytes = const 8 * LANES,
                            a0 = out($register) a0, a1 = out($register) a1, a2 = out($register) a2,
                            options(readonly, nostack, preserves_flags)
                        );
                        $(asm!(
                            "vbroadcastsd {bj}, [{b} + {at}]",
                            "vfmadd231pd {c0}, {a0}, {bj}",
                            "vfmadd231pd {c1}, {a1}, {bj}",
                            "vfmadd231pd {c2}, {a2}, {bj}",
                            b = in(reg) b, at = const $b_at + 8 * $column, bj = out($register) _,
                            a0 = in($register) a0, a1 = in($register) a1, a2 = in($register) a2,
                            c0 = inout($register) acc[$column][0],
                            c1 = inout($register) acc[$column][1],
                            c2 = inout($register) acc[$column][2],
                            options(readonly, nostack, preserves_flags)
                        );)*
                    }};
                }
                macro_rules! ask_for {
                    ($doubles:expr) => {
                        for line in 0..LINES {
                            _mm_prefetch::<_MM_HINT_T0>($doubles.wrapping_add(8 * line).cast());
                        }
                    };
                }
                // Packed, a column lies behind the one before: addresses are constants.
                macro_rules! packed {
                    ($u:literal) => {{
                        if PACKED_AHEAD > 0 {
                            ask_for!(a.wrapping_add(($u + PACKED_AHEAD) * MR));
                        }
                        step!(8 * $u * MR, 8 * $u * NR);
                    }};
                }
                macro_rules! where_it_lies {
                    ($u:literal) => {{
                        ask_for!(a.wrapping_add(AHEAD * lda));
                        step!(0, 8 * $u * NR);
                        a = a.wrapping_add(lda);
                    }};
                }
                macro_rules! all_steps {
                    ($step:ident, then $on:expr) => {{
                        macro_rules! eight_steps {
                            () => {{
                                _mm_prefetch::<_MM_HINT_T1>(next.cast());
                                $step!(0);
                                $step!(1);
                                $step!(2);
                                $step!(3);
                                _mm_prefetch::<_MM_HINT_T1>(next.wrapping_add(8).cast());
                                $step!(4);
                                $step!(5);
                                $step!(6);
                                $step!(7);
                                next = next.wrapping_add(16);
                                a = a.wrapping_add(8 * $on);
                                b = b.add(8 * NR);
                            }};
                        }
                        // The lines of C are asked for one by one over the whole loop: all at once, they would hold up
                        // those of A.
                        let apart = k / 8 / (NR * LINES);
                        for line in 0..NR * LINES {
                            let at = c.wrapping_add(line / LINES * ldc + 8 * (line % LINES));
                            _mm_prefetch::<_MM_HINT_T0>(at.cast());
                            for _ in 0..apart {
                                eight_steps!();
                            }
                        }
                        for _ in 0..k / 8 - apart * NR * LINES {
                            eight_steps!();
                        }
                        for _ in 0..k % 8 {
                            $step!(0);
                            a = a.wrapping_add($on);
                            b = b.add(NR);
                        }
                    }};
                }
                if lda == MR {
                    all_steps!(packed, then MR);
                } else {
                    all_steps!(where_it_lies, then 0);
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
