//! The mathematics of one node.
//!
//! HPL solves A·x = b for a dense random A of order N by LU factorization with partial pivoting. The
//! work, 2/3·N³ operations, is nearly all in one kind of product, C −= A·B, and this crate is built
//! around it:
//!
//! ```text
//!            n                         k          n
//!        ┌────────┐                  ┌───┐    ┌────────┐
//!      m │   C    │   −=           m │ A │  k │   B    │        gemm/mod.rs     the five loops
//!        └────────┘                  └───┘    └────────┘
//!
//!   LOOP 5  k  in blocks of kc ┐  gemm/pack.rs      the order in which tiles read
//!   LOOP 4  n  in strips of nc │  share.rs          a bag of strips for all threads
//!   LOOP 3  m  in blocks of mc │  gemm/blocking.rs  kc, nc, mc from the caches
//!   LOOP 2  nr                 │  gemm/triangle.rs  U = L⁻¹·U, solved in the same tiles
//!   LOOP 1  mr                 ┘  gemm/kernel/      the tile: a row in a table
//! ```
//!
//! Below: [`buffer`] (memory), [`matrix`] (views), [`topology`] and [`memory`] (the machine), [`team`]
//! (threads), [`share`] (how they share a matrix) and [`timeline`] (what they did). Above: [`trsm`], [`level1`],
//! [`lu`] (panel, blocked LU, solve: the oracle of the distributed algorithm). Beside: [`random`] (netlib's matrix),
//! [`norm`] and [`residual`] (the check), `simd` (plain loops compiled for the vector units at hand).

pub mod buffer;
pub mod context;
pub mod gemm;
pub mod level1;
pub mod lu;
pub mod matrix;
pub mod memory;
pub mod norm;
pub mod random;
pub mod residual;
pub mod share;
mod simd;
pub mod team;
pub mod timeline;
pub mod topology;
pub mod trsm;
