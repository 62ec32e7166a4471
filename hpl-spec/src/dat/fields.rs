//! The lines of HPL.dat: one table for its parser and its writer.

use crate::params::INT_MAX;

/// One line of HPL.dat.
pub(super) struct Field {
    /// Which line, from 1.
    pub line: u32,
    /// What it is called in messages.
    pub name: &'static str,
    /// The smallest legal integer.
    pub least: i64,
    /// The largest legal integer.
    pub most: i64,
    /// The line of netlib's source that complains of it. Lines that netlib
    /// never complains of borrow the number of the next check there is (the
    /// last one, from line 26 on) and a text in netlib's style.
    pub source_line: u32,
    /// What netlib says.
    pub text: &'static str,
    /// The conventional comment after the value.
    pub comment: &'static str,
}

/// netlib's largest `int`.
pub(super) const INT: i64 = INT_MAX as i64;
/// netlib's longest list.
pub(super) const LIST: i64 = 20;
/// No limit but that of a C `int`.
const ANY: i64 = -INT;

const fn field(
    (line, name): (u32, &'static str),
    (least, most): (i64, i64),
    (source_line, text): (u32, &'static str),
    comment: &'static str,
) -> Field {
    Field { line, name, least, most, source_line, text, comment }
}

// What netlib says of more than one line.
const COUNT_N: (u32, &str) = (331, "Number of values of N is less than 1 or greater than 20");
const COUNT_NB: (u32, &str) = (355, "Number of values of NB is less than 1 or greater than 20");
const COUNT_GRIDS: (u32, &str) = (383, "Number of values of grids is less than 1 or greater than 20");
const COUNT_PFACT: (u32, &str) = (435, "number of values of PFACT is less than 1 or greater than 20");
const COUNT_NBMIN: (u32, &str) = (457, "Number of values of NBMIN is less than 1 or greater than 20");
const COUNT_NDIV: (u32, &str) = (480, "Number of values of NDIV is less than 1 or greater than 20");
const COUNT_RFACT: (u32, &str) = (503, "Number of values of RFACT is less than 1 or greater than 20");
const COUNT_BCAST: (u32, &str) = (525, "Number of values of BCAST is less than 1 or greater than 20");
const COUNT_DEPTH: (u32, &str) = (550, "Number of values of DEPTH is less than 1 or greater than 20");

/// All lines, in the order of the file.
#[rustfmt::skip]
pub(super) const FIELDS: [Field; 31] = [
    field(( 1, "title"),                (ANY, INT), COUNT_N,     ""),
    field(( 2, "title"),                (ANY, INT), COUNT_N,     ""),
    field(( 3, "output file name"),     (ANY, INT), COUNT_N,     "output file name (if any)"),
    field(( 4, "output device"),        (ANY, INT), (318, "Value of DEVICE OUT is not an integer"),
        "device out (6=stdout,7=stderr,file)"),
    field(( 5, "number of N"),          (1, LIST),  COUNT_N,     "# of problems sizes (N)"),
    field(( 6, "N"),                    (0, INT),   (343, "Value of N less than 0"), "Ns"),
    field(( 7, "number of NB"),         (1, LIST),  COUNT_NB,    "# of NBs"),
    field(( 8, "NB"),                   (1, INT),   (367, "Value of NB less than 1"), "NBs"),
    field(( 9, "PMAP"),                 (ANY, INT), (383, "Value of PMAP is not an integer"),
        "PMAP process mapping (0=Row-,1=Column-major)"),
    field((10, "number of grids"),      (1, LIST),  COUNT_GRIDS, "# of process grids (P x Q)"),
    field((11, "P"),                    (1, INT),   (395, "Value of P less than 1"), "Ps"),
    field((12, "Q"),                    (1, INT),   (406, "Value of Q less than 1"), "Qs"),
    field((13, "threshold"),            (ANY, INT), (435, "Value of THRESHOLD is not a number"), "threshold"),
    field((14, "number of PFACT"),      (1, LIST),  COUNT_PFACT, "# of panel fact"),
    field((15, "PFACT"),                (ANY, INT), COUNT_PFACT, "PFACTs (0=left, 1=Crout, 2=Right)"),
    field((16, "number of NBMIN"),      (1, LIST),  COUNT_NBMIN, "# of recursive stopping criterium"),
    field((17, "NBMIN"),                (1, INT),   (468, "Value of NBMIN less than 1"), "NBMINs (>= 1)"),
    field((18, "number of NDIV"),       (1, LIST),  COUNT_NDIV,  "# of panels in recursion"),
    field((19, "NDIV"),                 (2, INT),   (491, "Value of NDIV less than 2"), "NDIVs"),
    field((20, "number of RFACT"),      (1, LIST),  COUNT_RFACT, "# of recursive panel fact."),
    field((21, "RFACT"),                (ANY, INT), COUNT_RFACT, "RFACTs (0=left, 1=Crout, 2=Right)"),
    field((22, "number of BCAST"),      (1, LIST),  COUNT_BCAST, "# of broadcast"),
    field((23, "BCAST"),                (ANY, INT), COUNT_BCAST, "BCASTs (0=1rg,1=1rM,2=2rg,3=2rM,4=Lng,5=LnM)"),
    field((24, "number of DEPTH"),      (1, LIST),  COUNT_DEPTH, "# of lookahead depth"),
    field((25, "DEPTH"),                (0, INT),   (562, "Value of DEPTH less than 0"), "DEPTHs (>=0)"),
    field((26, "SWAP"),                 (ANY, INT), (562, "Value of SWAP is not an integer"),
        "SWAP (0=bin-exch,1=long,2=mix)"),
    field((27, "swapping threshold"),   (ANY, INT), (562, "Value of swapping threshold is not an integer"),
        "swapping threshold"),
    field((28, "L1 form"),              (ANY, INT), (562, "Value of L1 is not an integer"),
        "L1 in (0=transposed,1=no-transposed) form"),
    field((29, "U form"),               (ANY, INT), (562, "Value of U is not an integer"),
        "U  in (0=transposed,1=no-transposed) form"),
    field((30, "equilibration"),        (ANY, INT), (562, "Value of EQUIL is not an integer"),
        "Equilibration (0=no,1=yes)"),
    field((31, "alignment"),            (ANY, INT), (562, "Value of ALIGN is not an integer"),
        "memory alignment in double (> 0)"),
];
