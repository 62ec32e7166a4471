//! Which N, NB, P and Q to run on given ranks, and what comes of it: pure.

use serde::{Deserialize, Serialize};

use crate::advice::{block_size_on, squarest_grid};
use crate::params::{INT_MAX, PROCESS, ParamError, RunParams};
use crate::rates::Rates;

/// The part of the available memory that is taken where nothing was asked for.
pub const MEMORY_FRACTION: f64 = 0.8;
/// An N that deals the same number of blocks to every rank is taken if it is at most this much smaller.
const EVEN: f64 = 0.99;

/// What there is to run on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Site {
    /// MPI ranks.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// Cores of each node.
    pub cores: usize,
    /// Available memory for each rank, in bytes: that of its node shared by the node's ranks, where it is least. None
    /// where it is not known.
    pub memory: Option<u64>,
    /// The block size NB that was measured to be best for large N on this CPU, if it was measured.
    pub nb: Option<usize>,
    /// The process rows P, if they are named: a divisor of the ranks.
    pub p: Option<usize>,
}

/// What a person asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wish {
    /// N, if it is named.
    pub n: Option<usize>,
    /// The part of the available memory that may be taken, above 0 and at most 1.
    pub memory_fraction: f64,
    /// The longest that the solve may take, in minutes.
    pub minutes: Option<f64>,
}

/// What bounds N.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// N was named.
    Named,
    /// A larger matrix does not fit.
    Memory,
    /// A larger one takes too long.
    Time,
}

/// A run, and what is expected of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunPlan {
    /// The run.
    pub params: RunParams,
    /// Ranks it needs.
    pub ranks: usize,
    /// Threads of each rank.
    pub threads: usize,
    /// What bounds N.
    pub bound: Bound,
    /// The expected time of the solve, in seconds.
    pub seconds: f64,
    /// The expected rate, in Gflop/s.
    pub gflops: f64,
    /// The memory of all ranks, in bytes.
    pub bytes: u64,
    /// Why.
    pub why: Why,
}

/// A sentence on each choice, without its full stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// On N.
    pub n: String,
    /// On NB.
    pub nb: String,
    /// On P and Q.
    pub grid: String,
    /// On the threads.
    pub threads: String,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// Not even the smallest matrix fits.
    #[error(
        "{} of memory may be taken for each rank, and a rank without a matrix takes {}. Take fewer ranks a node, or \
         a larger --memory-fraction", gigabytes(*.allowed), gigabytes(PROCESS)
    )]
    NoRoom {
        /// What a rank may take, in bytes.
        allowed: u64,
    },
    /// Not even the smallest matrix is solved in time.
    #[error("no matrix is solved within {minutes} minutes. Give more --minutes")]
    NoTime {
        /// What was asked for.
        minutes: f64,
    },
    /// The named N does not fit.
    #[error(
        "N={n} needs {} for each rank, of which {} are available. The largest N that fits is about {largest}; \
         a larger one needs more nodes", gigabytes(*.needed), gigabytes(*.available)
    )]
    DoesNotFit {
        /// What was asked for.
        n: usize,
        /// What a rank would take, in bytes.
        needed: u64,
        /// What it can have, in bytes.
        available: u64,
        /// The largest that fits.
        largest: usize,
    },
    /// Nothing bounds N.
    #[error("how much memory is available is not known on this system, so N has no bound. Give --minutes")]
    NoBound,
    /// The named N is outside the limits of HPL.dat.
    #[error(transparent)]
    Illegal(#[from] ParamError),
}

/// Whether there can be a plan at all, as far as that is known before anything is measured.
///
/// # Errors
/// [`PlanError`], if there cannot.
pub fn possible(site: &Site, wish: &Wish) -> Result<(), PlanError> {
    if let Some(n) = wish.n {
        return site.named(n).map(drop);
    }
    match site.allowed(wish) {
        Some(allowed) if site.needed(site.run(1).nb) > allowed => Err(PlanError::NoRoom { allowed }),
        None if wish.minutes.is_none() => Err(PlanError::NoBound),
        _ => Ok(()),
    }
}

/// The run to make: the largest that fits memory and time, unless N is named, in whole blocks.
///
/// # Errors
/// [`PlanError`], if there is none.
pub fn plan(site: &Site, wish: &Wish, rates: &Rates) -> Result<RunPlan, PlanError> {
    possible(site, wish)?;
    let (params, bound) = match wish.n {
        Some(n) => (site.named(n)?, Bound::Named),
        None => {
            let allowed = site.allowed(wish);
            let fits = |n: usize| allowed.is_none_or(|allowed| site.needed(n) <= allowed);
            let limit = wish.minutes.map_or(f64::INFINITY, |minutes| 60.0 * minutes);
            let in_time = |n: usize| rates.seconds(n, site.run(n).nb) <= limit;
            // Above these two no N can be right: one is of the matrix alone, the other of the product alone.
            let by_memory = allowed.map_or(f64::INFINITY, |bytes| (bytes as f64 / 8.0 * site.ranks as f64).sqrt());
            let by_time = (1.5 * limit * rates.product * 1e9).cbrt();
            let top = by_memory.min(by_time).min(INT_MAX as f64) as usize;
            let n = site.largest(top, |n| fits(n) && in_time(n));
            let n = n.ok_or(PlanError::NoTime { minutes: wish.minutes.unwrap_or_default() })?;
            let more = n + site.unit(n);
            (site.run(n), if fits(more) && !in_time(more) { Bound::Time } else { Bound::Memory })
        }
    };
    let seconds = rates.seconds(params.n, params.nb);
    Ok(RunPlan {
        params,
        ranks: site.ranks,
        threads: site.threads,
        bound,
        seconds,
        gflops: params.gflops(seconds),
        bytes: site.needed(params.n).saturating_mul(site.ranks as u64),
        why: site.why(wish, &params, bound),
    })
}

impl Site {
    /// P and Q: the squarest grid, unless P is named.
    ///
    /// # Panics
    /// If P is named as 0.
    #[must_use]
    pub fn grid(&self) -> (usize, usize) {
        self.p.map_or_else(|| squarest_grid(self.ranks), |p| (p, self.ranks / p))
    }

    /// The run of order `n` on all ranks.
    fn run(&self, n: usize) -> RunParams {
        let (p, q) = self.grid();
        RunParams::new(n, block_size_on(n, self.nb), p, q)
    }

    /// The bytes that a rank takes for order `n`.
    fn needed(&self, n: usize) -> u64 {
        self.run(n).bytes_per_rank().saturating_add(PROCESS)
    }

    /// The bytes that a rank may take, if they are known.
    fn allowed(&self, wish: &Wish) -> Option<u64> {
        self.memory.map(|memory| (memory as f64 * wish.memory_fraction) as u64)
    }

    /// The run of an order that was asked for.
    fn named(&self, n: usize) -> Result<RunParams, PlanError> {
        let params = self.run(n);
        params.check()?;
        let needed = self.needed(n);
        match self.memory {
            Some(available) if needed > available => {
                let top = (available as f64 / 8.0 * self.ranks as f64).sqrt() as usize;
                let largest = self.largest(top, |n| self.needed(n) <= available).unwrap_or(0);
                Err(PlanError::DoesNotFit { n, needed, available, largest })
            }
            _ => Ok(params),
        }
    }

    /// So many columns deal the same number of blocks to every rank: NB times what P and Q both divide.
    fn unit(&self, n: usize) -> usize {
        let RunParams { nb, p, q, .. } = self.run(n);
        nb * (p / greatest_common_divisor(p, q) * q)
    }

    /// The largest N of whole blocks up to `top` that is right. One that deals them evenly is taken if it costs little.
    ///
    /// Every N is looked at from above, so that whatever makes more of them right never makes the answer smaller.
    fn largest(&self, top: usize, right: impl Fn(usize) -> bool) -> Option<usize> {
        let mut largest = None;
        for n in self.whole_blocks(top) {
            if largest.is_some_and(|largest| (n as f64) < EVEN * largest as f64) {
                break;
            }
            let even = n % self.unit(n) == 0;
            if (even || largest.is_none()) && right(n) {
                if even {
                    return Some(n);
                }
                largest = Some(n);
            }
        }
        largest
    }

    /// The multiples of the NB that goes with them, from `top` down.
    fn whole_blocks(&self, top: usize) -> impl Iterator<Item = usize> + '_ {
        let below = move |mut n: usize| {
            while n > 0 {
                let nb = self.run(n).nb;
                let whole = n / nb * nb;
                if whole > 0 && self.run(whole).nb == nb {
                    return Some(whole);
                }
                // Smaller matrices have another NB.
                n = whole.min(n - 1);
            }
            None
        };
        std::iter::successors(below(top), move |n| below(n - 1))
    }

    fn why(&self, wish: &Wish, params: &RunParams, bound: Bound) -> Why {
        let RunParams { n, nb, p, q, .. } = *params;
        let Site { ranks, threads, cores, .. } = *self;
        let evenly = if ranks > 1 && n % self.unit(n) == 0 { ", dealt evenly to the ranks" } else { "" };
        let why_n = match bound {
            Bound::Named => "as asked for".to_owned(),
            Bound::Time => format!("the largest solved within {} min{evenly}", wish.minutes.unwrap_or_default()),
            Bound::Memory => {
                let all = gigabytes(self.memory.map_or(0, |memory| memory.saturating_mul(ranks as u64)));
                format!("the largest that fits {:.0} % of the {all} available{evenly}", 100.0 * wish.memory_fraction)
            }
        };
        let large = block_size_on(INT_MAX, self.nb) == nb;
        let why_nb = match (large, self.nb) {
            (false, _) => "a small matrix wants narrow blocks",
            (true, Some(_)) => "was fastest for large N when `xhpl tune` measured",
            (true, None) => "usual for large N; `xhpl tune` measures what is best",
        };
        let why_grid = match (p, q) {
            (1, 1) => "one rank".to_owned(),
            _ if self.p.is_some() => "as asked for".to_owned(),
            (1, 2 | 3) => format!("{ranks} ranks side by side: no rows pass between them"),
            (1, _) => format!("{ranks} is prime: no grid is squarer; another number may be faster"),
            _ => format!("the squarest grid of {ranks} ranks: the fewest bytes in messages"),
        };
        let why_threads = match ranks {
            1 if threads == cores => format!("all {cores} cores for the one rank"),
            _ if ranks * threads == cores => format!("{cores} cores for {ranks} ranks"),
            _ => format!("of each rank; a node has {cores} cores"),
        };
        let (nb, grid) = (why_nb.to_owned(), why_grid);
        Why { n: why_n, nb, grid, threads: why_threads }
    }
}

fn greatest_common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

/// Bytes as a person reads them: `18.1 GB`.
#[must_use]
pub fn gigabytes(bytes: u64) -> String {
    let gigabytes = bytes as f64 / 1e9;
    let digits = if gigabytes < 1.0 { 2 } else { 1 };
    format!("{gigabytes:.digits$} GB")
}
