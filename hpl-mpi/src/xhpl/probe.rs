//! A few real solves on the grid at hand, from which the time of others is told.
//!
//! They are runs like any other, but that nobody checks them: same ranks, threads, binding and messages. First small
//! ones, a few times each, in steps of the square root of 2; then one that takes the rest of the time. Of that the last
//! part counts as a solve of its own: the line through both tells what is beyond (see [`hpl_spec::rates`]).

use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_mpi::comm::{Comm, barrier, max_all, sum_all};
use hpl_mpi::grid::Grid;
use hpl_mpi::run::{Runner, memory_available};
use hpl_spec::advice::block_size_on;
use hpl_spec::event::RunEvent;
use hpl_spec::params::{INT_MAX, RunParams};
use hpl_spec::rates::{Rates, Solve};
use hpl_spec::report::Verdict;
use indicatif::{ProgressBar, ProgressStyle};

use crate::product::Product;

/// How long a probe takes where nobody says otherwise. On two cores its large solve has an order of 8000, where most
/// panels hide behind the update (`validation/tests/plan.rs` shows what is told from it beside what is).
pub const USUAL: Duration = Duration::from_millis(3500);
/// The small orders.
const SMALL: [usize; 7] = [700, 1000, 1400, 2000, 2800, 4000, 5600];
/// A small solve is repeated until this much time is spent on its order, …
const ENOUGH: Duration = Duration::from_millis(300);
/// … and at most this often.
const TIMES: usize = 3;
/// The part of the time for small solves.
const FOR_SMALL: f64 = 0.5;
/// The part of the time for the large one that is its solve; the rest is its matrix.
const FOR_SOLVE: f64 = 0.85;
/// From this order on the large solve has the NB of large matrices, as runs that are worth a plan do.
const LARGE: usize = 5000;
/// The part of the memory that may be taken.
const MEMORY: f64 = 0.5;
/// The columns left where the last part of the large solve begins, as a part of N: the nearest moment told within.
const LAST_PART: (f64, std::ops::Range<f64>) = (0.625, 0.5..0.75);
/// The first order of the product that is timed, the depth, and the order from which it is not doubled any more.
const PRODUCT: (usize, usize, usize) = (1000, 256, 8000);
/// A product that takes less is too small to show the rate of large ones.
const SHORT: Duration = Duration::from_millis(10);

/// What is measured, and on what.
pub struct Probe<'a, C> {
    /// Kernel, team, scratch memory.
    pub cx: &'a Context,
    /// All ranks of the run.
    pub grid: &'a Grid<C>,
    /// Those on this node.
    pub node: &'a C,
    /// The measured NB of large matrices, if there is one.
    pub nb: Option<usize>,
    /// About how long it may take.
    pub time: Duration,
}

impl<C: Comm> Probe<'_, C> {
    /// Measures. Collective over the grid; the same on all ranks.
    ///
    /// # Errors
    /// A sentence, the same on all ranks, if not even small matrices fit the memory.
    pub fn rates(&self, bar: &ProgressBar) -> Result<Rates, String> {
        let begin = Instant::now();
        bar.set_length(self.time.as_millis() as u64);
        bar.set_message("product");
        let product = self.product()?;
        let mut solves: Vec<Solve> = Vec::new();
        for n in SMALL {
            // The first is measured in any case.
            let next = solves.last().map(|last| last.seconds * (n as f64 / last.n as f64).powi(3));
            let late = next.is_some_and(|next| self.since(begin) + next > FOR_SMALL * self.time.as_secs_f64());
            if late || !self.fits(n) {
                break;
            }
            solves.push(self.small(n, solves.last(), begin, bar)?);
        }
        let last = solves.last().copied();
        let last = last.ok_or("there is no memory to measure even a small solve")?;
        let left = self.time.as_secs_f64() - self.since(begin);
        let n = (FOR_SOLVE * left / last.seconds).max(0.0).cbrt() * last.n as f64;
        let nb = block_size_on(if n < LARGE as f64 { n as usize } else { INT_MAX }, self.nb);
        let mut n = n as usize / nb * nb;
        while n > last.n && !self.fits(n) {
            n -= nb;
        }
        if n > last.n {
            let mut told = self.large(n, nb, begin, bar)?;
            if disturbed(told.last(), Some(&last)) {
                let again = self.large(n, nb, begin, bar)?;
                told = if disturbed(again.last(), told.last()) { told } else { again };
            }
            solves.extend(told);
        }
        bar.finish_and_clear();
        Ok(Rates { product, solves })
    }

    /// The seconds since `begin`, on the slowest clock.
    fn since(&self, begin: Instant) -> f64 {
        let mut seconds = [begin.elapsed().as_secs_f64()];
        max_all(&self.grid.all, &mut seconds);
        seconds[0]
    }

    fn params(&self, n: usize, nb: usize) -> RunParams {
        RunParams::new(n, nb, self.grid.p, self.grid.q)
    }

    /// Whether a solve leaves enough memory on every node.
    fn fits(&self, n: usize) -> bool {
        let needed = self.params(n, block_size_on(n, self.nb)).bytes_per_rank() as f64 * self.node.size() as f64;
        let mut lacking = [needed - MEMORY * memory_available() as f64];
        max_all(&self.grid.all, &mut lacking);
        lacking[0] <= 0.0
    }

    /// The rate of the product on all ranks together, each for itself, in Gflop/s.
    fn product(&self) -> Result<f64, String> {
        let (mut n, k, most) = PRODUCT;
        barrier(&self.grid.all);
        let begin = Instant::now();
        let mine = loop {
            let mut product = match Product::new(n, k) {
                Ok(product) => product,
                Err(e) => break Err(e.to_string()),
            };
            let first = product.time(self.cx).min(product.time(self.cx));
            if first < SHORT && n < most && begin.elapsed() < self.time / 20 {
                n *= 2;
                continue;
            }
            let (again, mut best) = (Instant::now(), first);
            while again.elapsed() < self.time / 30 {
                best = best.min(product.time(self.cx));
            }
            break Ok(product.flops() / best.as_secs_f64() / 1e9);
        };
        let mut sums = match &mine {
            Ok(rate) => [*rate, 0.0],
            Err(_) => [0.0, 1.0],
        };
        sum_all(&self.grid.all, &mut sums);
        let [rate, failed] = sums;
        if failed > 0.0 { Err(mine.err().unwrap_or_else(|| "another rank has no memory".to_owned())) } else { Ok(rate) }
    }

    /// The median of a few solves, of two the faster: what disturbs makes slower.
    fn small(&self, n: usize, before: Option<&Solve>, begin: Instant, bar: &ProgressBar) -> Result<Solve, String> {
        let nb = block_size_on(n, self.nb);
        let mut seconds = Vec::new();
        while seconds.len() < TIMES && seconds.iter().sum::<f64>() < ENOUGH.as_secs_f64() {
            seconds.push(self.solve(n, nb, begin, bar)?[0].seconds);
        }
        seconds.sort_by(f64::total_cmp);
        let mut solve = Solve { n, nb, seconds: seconds[(seconds.len() - 1) / 2] };
        if disturbed(Some(&solve), before) {
            solve.seconds = solve.seconds.min(self.solve(n, nb, begin, bar)?[0].seconds);
        }
        Ok(solve)
    }

    /// One solve, and its last part if that was told of.
    fn large(&self, n: usize, nb: usize, begin: Instant, bar: &ProgressBar) -> Result<Vec<Solve>, String> {
        let (part, near) = LAST_PART;
        let mut told = self.solve(n, nb, begin, bar)?;
        let whole = told.remove(0);
        let off = |left: &Solve| (left.n as f64 / n as f64 - part).abs();
        let nearest = told.into_iter().min_by(|a, b| off(a).total_cmp(&off(b)));
        // Only rank 0 is told of the moments.
        let mut left = nearest.map_or([0.0; 2], |left| [left.n as f64, left.seconds]);
        max_all(&self.grid.all, &mut left);
        let left = Solve { n: left[0] as usize, nb, seconds: left[1] };
        let counts = near.contains(&(left.n as f64 / n as f64)) && left.seconds > 0.0;
        Ok(if counts { vec![left, whole] } else { vec![whole] })
    }

    /// A solve, and on rank 0 what was left of it at the moments told of.
    fn solve(&self, n: usize, nb: usize, begin: Instant, bar: &ProgressBar) -> Result<Vec<Solve>, String> {
        bar.set_message(format!("solving N = {n}"));
        let runner = Runner {
            cx: self.cx,
            grid: self.grid,
            node: self.node,
            threshold: 0.0,
            test: 1,
            tests: 1,
            clock: &String::new,
            available: &memory_available,
            peak: 0.0,
            progress: None,
            trace: None,
        };
        let mut moments = Vec::new();
        let report = runner.run(&self.params(n, nb), &mut |event| {
            bar.set_position(begin.elapsed().as_millis() as u64);
            if let RunEvent::Panel { panel, seconds, .. } = event {
                moments.push((n.saturating_sub(panel * nb), seconds));
            }
        });
        if let Verdict::Skipped { why } = report.verdict {
            return Err(why);
        }
        let left = |(n, at): (usize, f64)| Solve { n, nb, seconds: report.seconds - at };
        let whole = Solve { n, nb, seconds: report.seconds };
        Ok(std::iter::once(whole).chain(moments.into_iter().map(left)).collect())
    }
}

/// Whether a solve did less for its time than the one before, which was smaller (or the same again): something else
/// was at work meanwhile. It is then done once more.
fn disturbed(solve: Option<&Solve>, before: Option<&Solve>) -> bool {
    let cost = |solve: &Solve| solve.seconds / (solve.n as f64).powi(3);
    solve.zip(before).is_some_and(|(solve, before)| cost(solve) > cost(before))
}

/// A bar for a probe; it is drawn if a person watches the terminal.
pub fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("  [{bar:30}] {percent:>3} %  measuring: {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(1).with_style(style)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpl_mpi::comm::thread::{SendMode, ThreadComm};
    use hpl_spec::params::Order;

    /// In a moment, on grids of each form: all ranks know the same, and times of other orders follow from it.
    #[test]
    fn every_rank_knows_the_same_rates() {
        for (p, q) in [(1, 1), (1, 2), (2, 1)] {
            let all = ThreadComm::run(p * q, SendMode::Rendezvous, |world| {
                let grid = Grid::new(&world, p, q, Order::RowMajor).expect("all ranks are in it");
                let (cx, node) = (Context::solo(), world.split_node());
                let time = Duration::from_millis(400);
                Probe { cx: &cx, grid: &grid, node: &node, nb: None, time }.rates(&ProgressBar::hidden())
            });
            let first = all[0].as_ref().unwrap();
            assert!(first.are_sane(), "{first:?}");
            assert!(all.iter().all(|rates| rates.as_ref() == Ok(first)), "{all:?}");
            let last = first.solves.last().map(|solve| solve.n);
            assert_eq!(first.solves.iter().map(|solve| solve.n).max(), last, "the largest comes last");
            // Between the growth of N² and that of N³, whatever was measured.
            let [near, far] = [5000, 50_000].map(|n| first.seconds(n, 256));
            assert!(near > 0.0 && (99.9..1000.1).contains(&(far / near)), "{near} and {far} seconds");
        }
    }
}
