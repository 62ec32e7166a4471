//! The AVX2 + FMA tile: 12×4, 12 accumulators, three loads of A and four broadcasts of B a step.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

pub const MR: usize = 12;
pub const NR: usize = 4;
/// How many steps of k ahead A is prefetched (not tuned; `cargo bench -- tile` shows it).
const AHEAD: usize = 16;

/// See [`super::TileFn`].
///
/// # Safety
/// As [`super::TileFn`] says; the features are AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn tile(k: usize, a: *const f64, lda: usize, b: *const f64, c: *mut f64, ldc: usize) {
    // SAFETY: the caller promises MR doubles at each of the k columns of a, k·NR at b and the MR×NR elements at c;
    // every pointer below stays inside these, and prefetches may point anywhere.
    unsafe {
        let mut acc = [[_mm256_setzero_pd(); 3]; NR];
        for j in 0..NR {
            let column = c.add(j * ldc).cast::<i8>();
            _mm_prefetch::<_MM_HINT_T0>(column);
            _mm_prefetch::<_MM_HINT_T0>(column.wrapping_add(64));
        }
        let (mut a, mut ahead, mut b) = (a, a.wrapping_add(AHEAD * lda), b);
        macro_rules! step {
            () => {{
                _mm_prefetch::<_MM_HINT_T0>(ahead.cast());
                _mm_prefetch::<_MM_HINT_T0>(ahead.wrapping_add(8).cast());
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
        for _ in 0..k / 4 {
            step!();
            step!();
            step!();
            step!();
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
