//! Row interchanges across process rows: U, the rows that the pivots bring to the top, comes together on
//! every process row, as it is or solved; the rows they displace go where the pivots were.

mod exchange;
mod pieces;
mod plan;
mod schedule;

pub use exchange::{Exchange, Hands, Moved, Moving, U};
pub use pieces::{InPieces, Piece};
pub use plan::SwapPlan;
pub use schedule::Route;

/// The row interchanges of a panel as rows relative to the panel's first row: row i ↔ row `result[i]`.
/// For one process row, which applies them in place.
pub fn local_swaps(pivots: impl Iterator<Item = usize>, first: usize) -> Vec<usize> {
    pivots.map(|row| row - first).collect()
}
