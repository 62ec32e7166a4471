//! The AVX2 + FMA tile: 12×4, 12 accumulators, three loads of A and four broadcasts of B a step.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

pub const MR: usize = 12;
pub const NR: usize = 4;
/// How many steps of k ahead A is prefetched into the first level cache (`cargo bench -- tile` shows it).
const AHEAD: usize = 8;
/// Cache lines of a column of the tile, or one more than it may touch.
const LINES: usize = 2;

/// See [`super::TileFn`].
///
/// # Safety
/// As [`super::TileFn`] says; the features are AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn tile(k: usize, a: *const f64, lda: usize, b: *const f64, c: *mut f64, ldc: usize, next: *const f64) {
    // SAFETY: the caller promises MR doubles at each of the k columns of a, k·NR at b and the MR×NR elements at c;
    // every pointer below stays inside these, and prefetches may point anywhere.
    unsafe {
        let mut acc = [[_mm256_setzero_pd(); 3]; NR];
        let (mut a, mut ahead, mut b, mut next) = (a, a.wrapping_add(AHEAD * lda), b, next);
        macro_rules! step {
            () => {{
                for line in 0..LINES {
                    _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(8 * line).cast());
                }
                let (a0, a1, a2) = (_mm256_loadu_pd(a), _mm256_loadu_pd(a.add(4)), _mm256_loadu_pd(a.add(8)));
                for j in 0..NR {
                    let bj = _mm256_set1_pd(*b.add(j));
                    acc[j][0] = _mm256_fmadd_pd(a0, bj, acc[j][0]);
                    acc[j][1] = _mm256_fmadd_pd(a1, bj, acc[j][1]);
                    acc[j][2] = _mm256_fmadd_pd(a2, bj, acc[j][2]);
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
                let at = column.add(4 * i);
                _mm256_storeu_pd(at, _mm256_add_pd(_mm256_loadu_pd(at), acc[j][i]));
            }
        }
    }
}
