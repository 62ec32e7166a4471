//! The distributed algorithm: [A|b] on a P×Q grid of ranks, factored, solved and verified.
//!
//! The matrix is dealt block-cyclically, NB×NB blocks. On a 2×3 grid, block (i, j) lies on process
//! (i mod 2, j mod 3):
//!
//! ```text
//!            0     1     2     0     1     2     0        process column
//!         ┌─────┬─────┬─────┬─────┬─────┬─────┬────┐
//!   0     │ 0,0 │ 0,1 │ 0,2 │ 0,0 │ 0,1 │ 0,2 │ b  │     panel k = 0: factored by process column 0,
//!   1     │ 1,0 │ 1,1 │ 1,2 │ 1,0 │ 1,1 │ 1,2 │ b  │     sent along both process rows,
//!   0     │ 0,0 │ 0,1 │ 0,2 │ 0,0 │ 0,1 │ 0,2 │ b  │     applied to all columns right of it
//!   1     │ 1,0 │ 1,1 │ 1,2 │ 1,0 │ 1,1 │ 1,2 │ b  │
//!         └─────┴─────┴─────┴─────┴─────┴─────┴────┘
//! process
//!   row
//! ```
//!
//! ```text
//! for each panel k:                                                    factorize.rs
//!     look ahead: update the columns of panel k+1, factor it,          panel/, pivot.rs
//!                 start its broadcast                                  bcast/
//!     swap rows of the rest; U = L1⁻¹·A12; A22 −= L2·U                 swap/, update.rs
//! solve U·x = y                                                        backsolve.rs
//! regenerate, ‖A·x − b‖ / (ε·(‖A‖·‖x‖ + ‖b‖)·N)                         verify.rs
//! ```
//!
//! [`run`] does all of it for one [`hpl_spec::RunParams`], whose choices are a [`variant::Variant`], and reports. Below are [`axis`] (index
//! arithmetic), [`grid`], and [`comm`] (how ranks talk). [`trace`] tells which thread did what, when,
//! and [`account`] where the time went.

pub mod account;
pub mod axis;
pub mod backsolve;
pub mod bcast;
pub mod comm;
pub mod factorize;
pub mod grid;
pub mod matrix;
pub mod panel;
pub mod pivot;
pub mod run;
pub mod swap;
pub mod trace;
pub mod update;
pub mod variant;
pub mod verify;
pub mod workspace;
