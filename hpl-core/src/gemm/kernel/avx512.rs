//! The AVX-512 tile: 24×8, 24 accumulators.

use std::arch::x86_64::*;

use super::tile::{AHEAD, each_row, tile};

pub const MR: usize = 24;
pub const NR: usize = 8;
const LANES: usize = 8;
const LINES: usize = 3;

tile!("avx512f": _mm512_setzero_pd, _mm512_loadu_pd, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_fnmadd_pd, _mm512_add_pd, _mm512_storeu_pd);
