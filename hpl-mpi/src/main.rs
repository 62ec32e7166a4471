//! xhpl
fn main() {}
