//! Texts of HPL.dat for the tests.

use hpl_spec::{RunParams, Sweep};

/// The file that netlib ships: 864 tests on 4 ranks, reported on stdout.
pub const NETLIB: &str = include_str!("../../hpl-spec/tests/golden/netlib.dat");

/// A single small test on one rank (N=20, NB=4), reported on stdout.
#[must_use]
pub fn small() -> String {
    Sweep::of(RunParams::new(20, 4, 1, 1), 16.0).to_dat()
}

/// `text` with some lines replaced. Lines count from 1.
///
/// # Panics
/// If there is no such line.
#[must_use]
pub fn edited(text: &str, changes: &[(usize, &str)]) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for (line, new) in changes {
        lines[line - 1] = new;
    }
    lines.join("\n") + "\n"
}
