//! How fast it is, beside how fast it could be: `cargo bench`.
//!
//! ```text
//!   kernels/tile.rs   the tile, its operands in the second level cache     ┐
//!   kernels/pack.rs   packing of A and of B                                │  criterion, for every kernel
//!   kernels/gemm.rs   C -= A·B on one and on all cores, beside faer        │  row that this CPU can run;
//!   kernels/trsm.rs   L⁻¹·B as the update needs it                         │  Gelem/s are Gflop/s
//!   kernels/panel.rs  the panel as a run factors it                        │
//!   kernels/lu.rs     LU of one node up to N = 2000, beside faer           ┘
//!   compare/main.rs   products, LU and HPL beside OpenBLAS, MKL, BLIS, faer, hpcc and netlib: one table
//!   load/main.rs      hpl-service: calls a second and how long answers take: one table
//!   million/main.rs   hpl-service on a database of a million jobs: how long each question takes
//! ```
//!
//! A shared machine drifts by several percent. So the FMA peak is measured again and again and printed beside
//! what it limits, and only ratios taken within one run mean much.
//!
//! This library holds what the benches share: [`machine`] (pinned teams, cache sizes, the peak), [`work`]
//! (matrices, operation counts, clocks), [`spread`] (the median of a few runs), [`program`] (what is measured) and
//! [`load`] (people and nodes that call the service).
//!
//! `cargo bench` runs all of it but the comparison and the last, which have to be named, in a quarter of an hour on two cores, `cargo bench -p
//! benches -- lu` those whose name matches, and `cargo bench -p benches -- --test` each one once, to see that it works.
#![forbid(unsafe_code)]

pub mod load;
pub mod machine;
pub mod program;
pub mod spread;
pub mod work;

use std::time::Duration;

use criterion::Criterion;

/// Whether every bench is to run once only, to see that it works (`cargo bench -- --test`).
pub fn smoke() -> bool {
    std::env::args().any(|argument| argument == "--test")
}

/// Criterion's settings for all kernels: short, so that some hundred rows take minutes.
pub fn criterion() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(10)
        .nresamples(2000)
        .without_plots()
}
