//! The AVX2 + FMA tile: 12×4, 12 accumulators.

use std::arch::asm;
use std::arch::x86_64::*;

use super::tile::{AHEAD, tile};

pub const MR: usize = 12;
pub const NR: usize = 4;
const LANES: usize = 4;
const LINES: usize = 2;
/// The stream of packed columns is seen by the hardware, and a prefetch would take the place of a load.
const PACKED_AHEAD: usize = 0;

tile!(
    "avx2,fma", ymm_reg of __m256d:
    _mm256_setzero_pd, _mm256_loadu_pd, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_fnmadd_pd,
    _mm256_add_pd, _mm256_storeu_pd;
    columns: 0 1 2 3;
    rows but the last: 0 1 2 3 4 5 6 7 8 9 10
);
