//! Ours beside netlib's code, on parameter sets drawn by a seed: what `cargo xtask validate` runs.
//!
//! ```text
//!   draw.rs       the sets, as inputs of one grid each
//!   ours.rs       our side of an input: xhpl under mpirun, or threads of this process
//!   reference.rs  netlib's side: hpcc, or an xhpl of netlib's
//!   agree.rs      what may differ, and by how much
//!   report.rs     the table
//! ```

pub mod agree;
pub mod draw;
pub mod ours;
pub mod reference;
pub mod report;

use std::time::Instant;

use hpl_spec::RunParams;
use hpl_spec::report::Check;

use self::agree::{Comparison, compare};
use self::draw::{Input, Through};
use self::reference::{Reference, Told};

/// A set, and what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// Which one of the draw, from 1.
    pub number: usize,
    /// The set.
    pub params: RunParams,
    /// How our ranks were started.
    pub through: Through,
    /// What ours found, or why it did not.
    pub ours: Result<Check, String>,
    /// What the reference found, or why it did not.
    pub reference: Result<Check, String>,
    /// The grid that the reference ran on.
    pub reference_grid: (usize, usize),
}

impl Record {
    /// Whether the two agree, and if they do not, why.
    #[must_use]
    pub fn comparison(&self) -> Comparison {
        match (&self.reference, &self.ours) {
            (Ok(reference), Ok(ours)) => compare(reference, ours),
            (_, Err(why)) => Comparison::Unfit(format!("ours has no result: {why}")),
            (Err(why), _) => Comparison::Unfit(format!("the reference has no result: {why}")),
        }
    }

    /// Whether nothing speaks against this set.
    #[must_use]
    pub fn agrees(&self) -> bool {
        matches!(self.comparison(), Comparison::Agrees | Comparison::Unprinted)
    }
}

/// What came of an input.
#[derive(Debug)]
pub struct Held {
    /// A record for each set.
    pub records: Vec<Record>,
    /// What the reference calls itself, if it spoke.
    pub reference: Option<String>,
    /// How long ours took, in seconds, and how long the reference.
    pub seconds: [f64; 2],
}

/// Runs an input through both.
#[must_use]
pub fn hold(input: &Input, reference: &Reference) -> Held {
    let began = Instant::now();
    let ours = ours::run(input);
    let our_seconds = began.elapsed().as_secs_f64();
    let sweep = input.for_reference();
    let began = Instant::now();
    let told = reference.run(&sweep);
    let seconds = [our_seconds, began.elapsed().as_secs_f64()];
    let theirs = |test: usize| match &told {
        Ok(Told { parsed, .. }) => {
            let check = parsed.reports[test].verdict.check().copied();
            check.ok_or_else(|| format!("it did not check the test: {:?}", parsed.reports[test].verdict))
        }
        Err(why) => Err(why.clone()),
    };
    let record = |(test, ((number, params), ours))| Record {
        number,
        params,
        through: input.through,
        ours,
        reference: theirs(test),
        reference_grid: sweep.grids[0],
    };
    let records = input.sets().zip(ours).enumerate().map(record).collect();
    Held { records, reference: told.ok().map(|told| told.name), seconds }
}
