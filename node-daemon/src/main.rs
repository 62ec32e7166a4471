//! `hpl-node`: see the README.
#![forbid(unsafe_code)]

fn main() {}
