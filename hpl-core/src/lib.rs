//! The mathematics of one node.
pub mod buffer;
