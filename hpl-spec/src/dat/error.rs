//! What is wrong with an HPL.dat.

use std::fmt;

use crate::netlib::netlib_error;

/// The first error in an HPL.dat.
///
/// Displayed, it is netlib's message (shape, wording and line number, for
/// scripts that look for it), an empty line, then a line of our own that says
/// where, what, and what to do. netlib prints a second message after this one:
/// [`crate::netlib::illegal_input`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatError {
    /// The line of HPL.dat, from 1.
    pub line: u32,
    /// What the line is called.
    pub field: &'static str,
    /// What stands there, ready to be read in a sentence: a token comes in
    /// quotes.
    pub found: String,
    /// What should stand there.
    pub expected: String,
    /// What to do about it: whole sentences, or nothing.
    pub advice: Box<str>,
    /// netlib's own complaint.
    pub netlib: Netlib,
}

/// A complaint of netlib's function `HPL_pdinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netlib {
    /// The line of its source that netlib HPL 2.3 prints.
    pub source_line: u32,
    /// Its text.
    pub text: String,
}

impl fmt::Display for DatError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&netlib_error(0, self.netlib.source_line, "HPL_pdinfo", &self.netlib.text))?;
        let DatError { line, field, found, expected, advice, .. } = self;
        write!(f, "HPL.dat line {line} ({field}): found {found}, expected {expected}.")?;
        if !advice.is_empty() {
            write!(f, " {advice}")?;
        }
        writeln!(f)
    }
}

impl std::error::Error for DatError {}
