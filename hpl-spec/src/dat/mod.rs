//! HPL.dat and the sweep of runs it describes.
//!
//! The file is positional: 31 lines, of which each gives one value or a list;
//! whatever follows the values on a line is comment. [`Sweep::parse`] reads what
//! netlib HPL 2.3 reads correctly, and more: blanks may be repeated, lines may
//! have any length (netlib cuts them at 253 characters) and end in CR LF. What
//! netlib misreads in silence (`1e5` as 1, a list that is too short) is an
//! error. Code numbers outside their range take netlib's silent defaults.

mod error;
mod fields;
mod parse;
mod write;

use serde::{Deserialize, Serialize};

pub use self::error::{DatError, Netlib};
use crate::json_f64;
use crate::params::{Bcast, Fact, Order, RunParams, Storage, Swap};

/// Where the report goes (line 4).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// Device 6.
    Stdout,
    /// Device 7.
    Stderr,
    /// Any other device: the file named on line 3, relative to the working
    /// directory, emptied first.
    File(String),
}

/// The content of an HPL.dat: every combination of the listed values is run.
///
/// Every list has 1 to 20 values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// Lines 1 and 2: free text, without line ends of any system.
    pub titles: [String; 2],
    /// Line 4: where the report goes.
    pub output: Output,
    /// Line 3: the name of the output file, one word, kept even if the report
    /// goes elsewhere. The same as in `output` if that is a file.
    pub file_name: String,
    /// Lines 5 and 6: orders of the matrix.
    pub ns: Vec<usize>,
    /// Lines 7 and 8: blocking factors.
    pub nbs: Vec<usize>,
    /// Line 9: PMAP.
    pub order: Order,
    /// Lines 10 to 12: grids, P and Q each.
    pub grids: Vec<(usize, usize)>,
    /// Line 13: residuals below it pass; zero or less asks for no check.
    #[serde(with = "json_f64")]
    pub threshold: f64,
    /// Lines 14 and 15.
    pub pfacts: Vec<Fact>,
    /// Lines 16 and 17: columns at which the recursion stops.
    pub nbmins: Vec<usize>,
    /// Lines 18 and 19: panels in the recursion.
    pub ndivs: Vec<usize>,
    /// Lines 20 and 21.
    pub rfacts: Vec<Fact>,
    /// Lines 22 and 23.
    pub bcasts: Vec<Bcast>,
    /// Lines 24 and 25: panels of look-ahead.
    pub depths: Vec<usize>,
    /// Lines 26 and 27.
    pub swap: Swap,
    /// Line 28: the form of L1.
    pub l1: Storage,
    /// Line 29: the form of U.
    pub u: Storage,
    /// Line 30: equilibration.
    pub equil: bool,
    /// Line 31: memory alignment in doubles.
    pub align: usize,
}

impl Sweep {
    /// Reads the text of an HPL.dat. `ranks` is the number of MPI ranks there
    /// are (`usize::MAX`: not known), which the largest grid must not exceed.
    ///
    /// Lines 1 to 3 are free text, so a byte order mark does no harm; nothing
    /// after line 31 is read.
    ///
    /// # Errors
    /// The first error, in the order of the file.
    pub fn parse(text: &str, ranks: usize) -> Result<Sweep, DatError> {
        parse::sweep(text, ranks)
    }

    /// Where the report goes, from lines 3 and 4 alone: netlib opens the file before it reads on.
    ///
    /// # Errors
    /// The first error in lines 1 to 4.
    pub fn parse_output(text: &str) -> Result<Output, DatError> {
        parse::output_only(text)
    }

    /// [`Sweep::parse`] for a file as it lies on the disk: comments may be any bytes.
    ///
    /// # Errors
    /// The first error, in the order of the file.
    pub fn parse_bytes(bytes: &[u8], ranks: usize) -> Result<Sweep, DatError> {
        Sweep::parse(&String::from_utf8_lossy(bytes), ranks)
    }

    /// A sweep of one run, for a run without a file; its report goes to stdout.
    #[must_use]
    pub fn of(params: RunParams, threshold: f64) -> Sweep {
        Sweep {
            titles: ["HPLinpack benchmark input file".into(), "One run, written by hpl-spec".into()],
            output: Output::Stdout,
            file_name: DEFAULT_FILE_NAME.into(),
            ns: vec![params.n],
            nbs: vec![params.nb],
            order: params.order,
            grids: vec![(params.p, params.q)],
            threshold,
            pfacts: vec![params.pfact],
            nbmins: vec![params.nbmin],
            ndivs: vec![params.ndiv],
            rfacts: vec![params.rfact],
            bcasts: vec![params.bcast],
            depths: vec![params.depth],
            swap: params.swap,
            l1: params.l1,
            u: params.u,
            equil: params.equil,
            align: params.align,
        }
    }

    /// The lengths of the lists, outermost loop first.
    fn lengths(&self) -> [usize; 9] {
        [
            self.grids.len(),
            self.ns.len(),
            self.nbs.len(),
            self.depths.len(),
            self.bcasts.len(),
            self.rfacts.len(),
            self.pfacts.len(),
            self.nbmins.len(),
            self.ndivs.len(),
        ]
    }

    /// How many runs there are.
    #[must_use]
    pub fn tests(&self) -> usize {
        self.lengths().iter().fold(1, |tests, &len| tests.saturating_mul(len))
    }

    /// The runs in netlib's order: grid, N, NB, DEPTH, BCAST, RFACT, PFACT,
    /// NBMIN, NDIV, the last changing fastest.
    pub fn runs(&self) -> impl Iterator<Item = RunParams> + '_ {
        (0..self.tests()).map(|test| self.run(test))
    }

    /// The run at position `test`, from 0, which must be below `tests()`.
    pub(crate) fn run(&self, test: usize) -> RunParams {
        // The position is a number whose digits are the positions in the lists.
        let mut at = [0; 9];
        let mut rest = test;
        for (digit, len) in at.iter_mut().zip(self.lengths()).rev() {
            *digit = rest % len;
            rest /= len;
        }
        let [grid, n, nb, depth, bcast, rfact, pfact, nbmin, ndiv] = at;
        let (p, q) = self.grids[grid];
        RunParams {
            n: self.ns[n],
            nb: self.nbs[nb],
            p,
            q,
            order: self.order,
            depth: self.depths[depth],
            bcast: self.bcasts[bcast],
            rfact: self.rfacts[rfact],
            pfact: self.pfacts[pfact],
            nbmin: self.nbmins[nbmin],
            ndiv: self.ndivs[ndiv],
            swap: self.swap,
            l1: self.l1,
            u: self.u,
            equil: self.equil,
            align: self.align,
        }
    }

    /// The text of an HPL.dat that reads back as this sweep, in the
    /// conventional shape and with the conventional comments.
    #[must_use]
    pub fn to_dat(&self) -> String {
        write::dat(self)
    }
}

/// The output file where line 3 is blank and the report goes elsewhere anyway.
const DEFAULT_FILE_NAME: &str = "HPL.out";
