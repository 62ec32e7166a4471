//! Row interchanges across process rows: U, the rows that the pivots bring to the top, comes together on
//! every process row; the rows they displace go where the pivots were.

mod long;
mod plan;

pub use long::{Exchange, Hands, InPieces, Moved, Moving};
pub use plan::SwapPlan;

/// The row interchanges of a panel as rows relative to the panel's first row: row i ↔ row `result[i]`.
/// For one process row, which applies them in place.
pub fn local_swaps(pivots: impl Iterator<Item = usize>, first: usize) -> Vec<usize> {
    pivots.map(|row| row - first).collect()
}
