//! The door to a service, as those who dial in know it: [`door`] is shared by the daemon of a node and by `hpl`, the
//! command line for people, whose files lie beside it (see `main.rs`).
//!
//! It is the one file of both rooms that speaks HTTP and TLS: which key is believed, how long an answer may take and how
//! large it may be, and how a refusal is read.
#![forbid(unsafe_code)]

pub mod door;
