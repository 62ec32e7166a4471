//! The AVX-512 tile: 24×8, 24 accumulators.

use std::arch::asm;
use std::arch::x86_64::*;

use super::tile::{AHEAD, tile};

pub const MR: usize = 24;
pub const NR: usize = 8;
const LANES: usize = 8;
const LINES: usize = 3;
const PACKED_AHEAD: usize = AHEAD;

tile!(
    "avx512f", zmm_reg of __m512d:
    _mm512_setzero_pd, _mm512_loadu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd,
    _mm512_add_pd, _mm512_storeu_pd;
    columns: 0 1 2 3 4 5 6 7;
    rows but the last: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22
);
