//! The machine under the benches: its cores, its caches, its peak.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::gemm::blocking::CacheSizes;
use hpl_core::gemm::kernel::{Kernel, fma_loop, fma_loop_256};
use hpl_core::team::Team;
use hpl_core::topology::Topology;

use crate::smoke;

/// How long the peak before a group is measured.
const PEAK_TIME: Duration = Duration::from_millis(300);
/// Rounds of the FMA loop between two looks at the clock: some ten microseconds.
const ROUNDS: usize = 20_000;

/// Cores, caches and the binding to them.
pub struct Machine {
    topology: Topology,
    cores: Vec<usize>,
}

impl Machine {
    /// The machine as the calling thread sees it. To be asked for once, before any thread is pinned: a pinned
    /// thread sees its own core only.
    ///
    /// # Panics
    /// If the topology cannot be had: there is nothing to measure then.
    pub fn discover() -> Machine {
        let topology = Topology::discover().unwrap_or_else(|e| panic!("{e}"));
        let cores = topology.allowed_cores().iter().map(|core| core.pu).collect();
        Machine { topology, cores }
    }

    /// How many cores there are.
    pub fn cores(&self) -> usize {
        self.cores.len()
    }

    /// The teams to measure with: one core and all.
    pub fn team_sizes(&self) -> Vec<usize> {
        let mut sizes = vec![1, self.cores()];
        sizes.dedup();
        sizes
    }

    /// The CPU's name for itself.
    pub fn cpu_model(&self) -> &str {
        &self.topology.cpu_model
    }

    /// The cache sizes that the blocks of gemm are derived from.
    pub fn cache_sizes(&self) -> CacheSizes {
        self.topology.cache_sizes()
    }

    /// A context whose team has `threads` members, each pinned to its core; the calling thread is the first.
    ///
    /// # Panics
    /// If there are fewer cores, or threads cannot be started.
    pub fn context(&self, kernel: &'static Kernel, threads: usize) -> Context {
        let team = Team::new(threads, false, self.pin(threads)).unwrap_or_else(|e| panic!("{e}"));
        Context::new(kernel, self.cache_sizes(), team)
    }

    /// A pool of `threads` pinned threads for a peer that brings no threads of its own.
    ///
    /// # Panics
    /// If there are fewer cores, or threads cannot be started.
    pub fn pool(&self, threads: usize) -> rayon::ThreadPool {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).start_handler(self.pin(threads));
        pool.build().unwrap_or_else(|e| panic!("{e}"))
    }

    /// Binds the calling thread to the core of that number.
    fn pin(&self, threads: usize) -> impl Fn(usize) + Send + Sync + 'static {
        assert!(threads <= self.cores(), "{threads} threads on {} cores", self.cores());
        let (topology, cores) = (self.topology.clone(), self.cores.clone());
        move |member| {
            if let Err(e) = topology.bind_current_thread(cores[member]) {
                eprintln!("figures will drift: {e}");
            }
        }
    }

    /// What `threads` cores do in independent multiply-adds for `time`, in Gflop/s. The calling thread waits and
    /// keeps its binding, or its freedom.
    pub fn fma_peak(&self, threads: usize, time: Duration) -> f64 {
        self.peak_of(fma_loop, threads, time)
    }

    /// The same with vectors of 256 bits: the limit of the AVX2 kernel.
    pub fn fma_peak_256(&self, threads: usize, time: Duration) -> f64 {
        self.peak_of(fma_loop_256, threads, time)
    }

    fn peak_of(&self, fma_loop: fn(usize) -> f64, threads: usize, time: Duration) -> f64 {
        let (pin, start) = (self.pin(threads), Barrier::new(threads));
        let rate = |member| {
            pin(member);
            fma_loop(ROUNDS);
            start.wait();
            let begin = Instant::now();
            let mut flops = 0.0;
            while begin.elapsed() < time {
                flops += fma_loop(ROUNDS);
            }
            flops / begin.elapsed().as_secs_f64()
        };
        let rates = std::thread::scope(|scope| {
            let rate = &rate;
            let threads: Vec<_> = (0..threads).map(|member| scope.spawn(move || rate(member))).collect();
            threads.into_iter().map(|t| t.join().expect("the FMA loop does not panic")).sum::<f64>()
        });
        rates / 1e9
    }

    /// Prints the peak of this moment, which the figures of `group` are to be held against.
    pub fn print_peak(&self, group: &str) {
        let time = if smoke() { PEAK_TIME / 30 } else { PEAK_TIME };
        let peaks = self.team_sizes().into_iter().rev().map(|threads| {
            let cores = if threads == 1 { "core" } else { "cores" };
            format!("{:.1} Gflop/s on {threads} {cores}", self.fma_peak(threads, time))
        });
        println!("\nFMA peak before {group}: {}", peaks.collect::<Vec<_>>().join(", "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_leaves_the_caller_unpinned() {
        let machine = Machine::discover();
        let free = machine.topology.allowed();
        assert!(machine.fma_peak(machine.cores(), Duration::from_millis(1)) > 0.0);
        assert_eq!(machine.topology.allowed(), free);
    }

    #[test]
    fn teams_are_of_one_and_of_all_cores() {
        let machine = Machine::discover();
        let sizes = machine.team_sizes();
        assert_eq!((sizes[0], sizes[sizes.len() - 1]), (1, machine.cores()));
        assert!(sizes.is_sorted_by(|a, b| a < b));
    }
}
