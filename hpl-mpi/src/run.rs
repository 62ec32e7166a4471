//! One run: RunParams in, RunReport out, RunEvents on the way.

use std::time::{Duration, Instant};

use hpl_core::context::Context;
use hpl_core::memory;
use hpl_spec::account::Account;
use hpl_spec::advice::work_done;
use hpl_spec::event::RunEvent;
use hpl_spec::netlib;
use hpl_spec::out;
use hpl_spec::params::RunParams;
use hpl_spec::report::{Around, Phases, RunReport, Verdict, checks};

use crate::account::Counted;
use crate::backsolve::backsolve;
use crate::comm::{Comm, barrier, max_all, sum_all};
use crate::factorize::{Factored, factorize};
use crate::grid::Grid;
use crate::matrix::DistMatrix;
use crate::trace::{Traced, idle, spans};
use crate::variant::Variant;
use crate::verify::verify;

/// Progress is reported at most this often (and after the first and the last panel).
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// Takes the spans of a run.
pub type Keep<'a> = dyn Fn(&[Traced]) + 'a;

/// What a run needs besides its parameters.
pub struct Runner<'a, C> {
    /// Kernel, team, scratch memory.
    pub cx: &'a Context,
    /// The grid, of the P and Q of the parameters.
    pub grid: &'a Grid<C>,
    /// The ranks of the grid on this node.
    pub node: &'a C,
    /// Residuals below it pass; zero or less asks for no check.
    pub threshold: f64,
    /// Which test this is, from 1.
    pub test: usize,
    /// Of how many.
    pub tests: usize,
    /// Local time as C's `ctime` writes it, without its line end.
    pub clock: &'a dyn Fn() -> String,
    /// Memory in bytes that programs may still take on this node.
    pub available: &'a dyn Fn() -> u64,
    /// What the team can do, in Gflop/s ([`crate::account::measure_peak`]); 0 if that was not measured.
    pub peak: f64,
    /// Gets a line before each panel but the first, on rank 0, if somebody wants it: netlib's progress report.
    pub progress: Option<&'a dyn Fn(&str)>,
    /// Gets the spans of all threads of all ranks, on rank 0, if somebody wants them; the same on all ranks.
    pub trace: Option<&'a Keep<'a>>,
}

/// The solve itself, timed.
struct Solved {
    factored: Factored,
    x: Vec<f64>,
    seconds: f64,
    phases: Phases,
    idle: Vec<Vec<f64>>,
    account: Option<Account>,
    /// Local time before and after.
    stamps: [String; 2],
}

/// Memory in bytes that programs may still take on this node, its cgroup's limit included.
pub fn memory_available() -> u64 {
    match memory::available() {
        // Not known: the system will refuse what does not fit.
        memory if memory.total == 0 => u64::MAX,
        memory => memory.available,
    }
}

impl<C: Comm> Runner<'_, C> {
    /// Generates, solves, times and verifies. Collective over the grid; verdict, time and rate are
    /// the same on all ranks, events come on rank 0.
    ///
    /// # Panics
    /// If the grid is not that of the parameters.
    pub fn run(&self, params: &RunParams, emit: &mut dyn FnMut(RunEvent)) -> RunReport {
        let grid = self.grid;
        assert_eq!((grid.p, grid.q), (params.p, params.q), "the grid of a run");
        let mut emit = |event| {
            if grid.all.rank() == 0 {
                emit(event);
            }
        };
        emit(RunEvent::Started { test: self.test, tests: self.tests, params: *params });
        let begin = Instant::now();
        let report = match self.allocate(params) {
            Err(why) => self.skipped(params, why),
            Ok(mut a) => {
                a.generate(self.cx);
                let generate = begin.elapsed().as_secs_f64();
                let solved = self.solve(params, &mut a, &mut emit);
                let [started, ended] = solved.stamps.clone();
                let Solved { seconds, phases, .. } = solved;
                let (idle, account) = (solved.idle.clone(), solved.account.clone());
                let gflops = params.gflops(seconds);
                emit(RunEvent::Phases { test: self.test, seconds, gflops, phases });
                let begin = Instant::now();
                let verdict = self.judge(&mut a, &solved);
                let mut around = [generate, begin.elapsed().as_secs_f64()];
                max_all(&grid.all, &mut around);
                let [generate, verify] = around;
                RunReport {
                    params: *params,
                    threshold: self.threshold,
                    started,
                    ended,
                    seconds,
                    gflops,
                    phases,
                    idle,
                    account,
                    around: Around { generate, verify },
                    verdict,
                }
            }
        };
        emit(RunEvent::Verdict { test: self.test, report: report.clone() });
        report
    }

    /// Room for the matrix, or what HPL.out says about a matrix that does not fit. All ranks agree.
    fn allocate(&self, params: &RunParams) -> Result<DistMatrix, String> {
        let mut needed = [params.bytes_per_rank() as f64];
        sum_all(self.node, &mut needed);
        let available = (self.available)() as f64;
        let RunParams { n, nb, align, .. } = *params;
        let matrix = if needed[0] > available { None } else { DistMatrix::allocate(self.grid, n, nb, align).ok() };
        // Where it fails: how much is missing, and (as netlib has it) the last row and column of the grid.
        let missing = needed[0] - available;
        let mut failed = match &matrix {
            Some(_) => [f64::NEG_INFINITY; 3],
            None => [missing, self.grid.row as f64, self.grid.col as f64],
        };
        max_all(&self.grid.all, &mut failed);
        let [most, row, col] = failed;
        // The two figures are those of the node that misses most.
        let mut figures = if missing == most { [needed[0], available] } else { [0.0; 2] };
        max_all(&self.grid.all, &mut figures);
        let [needed, available] = figures;
        match matrix {
            Some(a) if most == f64::NEG_INFINITY => Ok(a),
            _ => Err(format!(
                "{}N={} needs {:.2} GB on a node, all its ranks together; {:.2} GB are available there. \
                 Take a smaller N, or more nodes.\n",
                netlib::allocation_failed(row as usize, col as usize),
                params.n,
                needed / 1e9,
                available / 1e9
            )),
        }
    }

    fn skipped(&self, params: &RunParams, why: String) -> RunReport {
        RunReport {
            params: *params,
            threshold: self.threshold,
            started: String::new(),
            ended: String::new(),
            seconds: 0.0,
            gflops: 0.0,
            phases: Phases::default(),
            idle: Vec::new(),
            account: None,
            around: Around::default(),
            verdict: Verdict::Skipped { why },
        }
    }

    /// Factorization and back-substitution, between a barrier and the slowest rank's end.
    fn solve(&self, params: &RunParams, a: &mut DistMatrix, emit: &mut dyn FnMut(RunEvent)) -> Solved {
        let (n, nb) = (params.n, params.nb);
        let mut phases = Phases::default();
        barrier(&self.grid.all);
        let traffic = &self.grid.all.wait_policy().traffic;
        let before = traffic.sent();
        let started = (self.clock)();
        self.cx.begin_timeline(self.trace.is_some());
        let start = Instant::now();
        let mut last = (Instant::now(), 0, 0.0);
        let variant = Variant::of(params);
        let panels = n.div_ceil(nb);
        let factored = factorize(self.cx, self.grid, a, variant, &mut phases, &mut |k, phases| {
            let (panel, seconds) = (k + 1, start.elapsed().as_secs_f64());
            if let Some(progress) = self.progress.filter(|_| panel < panels && self.grid.all.rank() == 0) {
                progress(&out::progress(n, panel * nb, seconds));
            }
            if panel > 1 && panel < panels && last.0.elapsed() < PROGRESS_EVERY {
                return;
            }
            let done = |panel: usize| work_done(n, panel.saturating_mul(nb));
            let (now, before) = (done(panel), done(last.1));
            let step = (now - before) / (seconds - last.2).max(1e-9) / 1e9;
            last = (Instant::now(), panel, seconds);
            let gflops = now / seconds.max(1e-9) / 1e9;
            emit(RunEvent::Panel {
                test: self.test,
                panel,
                panels,
                seconds,
                gflops,
                gflops_step: step,
                phases: *phases,
            });
        });
        let solving = Instant::now();
        let x = if factored.zero_pivot.is_none() { backsolve(self.cx, self.grid, a) } else { Vec::new() };
        phases.backsolve = solving.elapsed().as_secs_f64();
        let Phases { pfact, pivot, bcast, swap, update, backsolve } = phases;
        let ended = (self.clock)();
        let elapsed = start.elapsed().as_secs_f64();
        let lanes = self.cx.end_timeline();
        let mut sent = traffic.sent();
        sent.iter_mut().zip(before).for_each(|(sent, before)| *sent -= before);
        let mine = phases;
        let mut slowest = [elapsed, pfact, pivot, bcast, swap, update, backsolve];
        max_all(&self.grid.all, &mut slowest);
        let [seconds, pfact, pivot, bcast, swap, update, backsolve] = slowest;
        let phases = Phases { pfact, pivot, bcast, swap, update, backsolve };
        if let Some(trace) = self.trace {
            let spans = spans(&self.grid.all, &lanes);
            if self.grid.all.rank() == 0 {
                trace(&spans);
            }
        }
        let idle = idle(&self.grid.all, &lanes, seconds);
        let counted = Counted { phases: &mine, seconds: elapsed, lanes: &lanes, sent, peak: self.peak };
        let account = counted.account(self.grid, params, seconds);
        Solved { factored, x, seconds, phases, idle, account, stamps: [started, ended] }
    }

    fn judge(&self, a: &mut DistMatrix, solved: &Solved) -> Verdict {
        match solved.factored.zero_pivot {
            _ if !checks(self.threshold) => Verdict::Unchecked,
            Some(column) => Verdict::Skipped { why: netlib::solve_failed(column + 1) },
            None => Verdict::judge(verify(self.cx, self.grid, a, &solved.x), self.threshold),
        }
    }
}
