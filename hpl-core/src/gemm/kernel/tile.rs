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
            // SAFETY: the caller promises what `product` asks for, and the MR×NR elements at c.
            unsafe {
                let acc = if lda == MR {
                    product::<true>(k, a, lda, b, c, ldc, next)
                } else {
                    product::<false>(k, a, lda, b, c, ldc, next)
                };
                for j in 0..NR {
                    let column = c.add(j * ldc);
                    for i in 0..3 {
                        let at = column.add(LANES * i);
                        $store(at, $add($load(at), acc[j][i]));
                    }
                }
            }
        }

        // One step of k, its column of A and its row of B so many bytes from a and b. In assembly, because the
        // accumulators, a column and one broadcast fill the 16 registers of AVX2: a compiler that moves one load has to
        // put accumulators on the stack. And nothing else is here, because what a core can issue is shared with whoever
        // runs on its other hardware thread.
        macro_rules! step {
            ($acc:ident += $a:ident[$a_at:expr] * $b:ident[$b_at:expr]) => {{
                let (a0, a1, a2): ($vector, $vector, $vector);
                asm!(
                    "vmovupd {a0}, [{a} + {at}]",
                    "vmovupd {a1}, [{a} + {at} + {bytes}]",
                    "vmovupd {a2}, [{a} + {at} + 2 * {bytes}]",
                    a = in(reg) $a, at = const $a_at, bytes = const 8 * LANES,
                    a0 = out($register) a0, a1 = out($register) a1, a2 = out($register) a2,
                    options(readonly, nostack, preserves_flags)
                );
                $(asm!(
                    "vbroadcastsd {bj}, [{b} + {at}]",
                    "vfmadd231pd {c0}, {a0}, {bj}",
                    "vfmadd231pd {c1}, {a1}, {bj}",
                    "vfmadd231pd {c2}, {a2}, {bj}",
                    b = in(reg) $b, at = const $b_at + 8 * $column, bj = out($register) _,
                    a0 = in($register) a0, a1 = in($register) a1, a2 = in($register) a2,
                    c0 = inout($register) $acc[$column][0],
                    c1 = inout($register) $acc[$column][1],
                    c2 = inout($register) $acc[$column][2],
                    options(readonly, nostack, preserves_flags)
                );)*
            }};
        }

        /// A·B of a tile, the columns of A packed or `lda` apart. C is asked for only. A step takes three loads of A and
        /// NR broadcasts of B, and there are 3·NR accumulators.
        ///
        /// # Safety
        /// As `tile`; A must be packed where it says so.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn product<const PACKED: bool>(
            k: usize,
            a: *const f64,
            lda: usize,
            b: *const f64,
            c: *const f64,
            ldc: usize,
            next: *const f64,
        ) -> [[$vector; 3]; NR] {
            // SAFETY: the caller promises MR doubles at each of the k columns of a and k·NR at b; every pointer that is
            // read stays inside these, and prefetches may point anywhere. The assembly reads memory and writes the
            // registers that it names, nothing else; its instructions are those of the features.
            unsafe {
                let mut acc = [[$zero(); 3]; NR];
                let (mut a, mut b, mut next) = (a, b, next);
                macro_rules! ask_for {
                    ($hint:ident, $doubles:expr) => {
                        _mm_prefetch::<$hint>($doubles.cast())
                    };
                }
                // The u-th step from here. Packed, a column lies behind the one before, at constant addresses.
                macro_rules! next_step {
                    ($u:literal) => {{
                        let ahead = if PACKED { PACKED_AHEAD } else { AHEAD };
                        let far = if PACKED { a.wrapping_add(($u + ahead) * MR) } else { a.wrapping_add(ahead * lda) };
                        for line in 0..if ahead > 0 { LINES } else { 0 } {
                            ask_for!(_MM_HINT_T0, far.wrapping_add(8 * line));
                        }
                        if PACKED {
                            step!(acc += a[8 * $u * MR] * b[8 * $u * NR]);
                        } else {
                            step!(acc += a[0] * b[8 * $u * NR]);
                            a = a.wrapping_add(lda);
                        }
                    }};
                }
                let on = if PACKED { MR } else { 0 };
                macro_rules! eight_steps {
                    () => {{
                        ask_for!(_MM_HINT_T1, next);
                        ask_for!(_MM_HINT_T1, next.wrapping_add(8));
                        next = next.wrapping_add(16);
                        next_step!(0);
                        next_step!(1);
                        next_step!(2);
                        next_step!(3);
                        next_step!(4);
                        next_step!(5);
                        next_step!(6);
                        next_step!(7);
                        a = a.wrapping_add(8 * on);
                        b = b.add(8 * NR);
                    }};
                }
                // The lines of C are asked for one by one over the whole loop: all at once, they would hold up those of A.
                let apart = k / 8 / (NR * LINES);
                for line in 0..NR * LINES {
                    ask_for!(_MM_HINT_T0, c.wrapping_add(line / LINES * ldc + 8 * (line % LINES)));
                    for _ in 0..apart {
                        eight_steps!();
                    }
                }
                for _ in 0..k / 8 - apart * NR * LINES {
                    eight_steps!();
                }
                for _ in 0..k % 8 {
                    next_step!(0);
                    a = a.wrapping_add(on);
                    b = b.add(NR);
                }
                acc
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
