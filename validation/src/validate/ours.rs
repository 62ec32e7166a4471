//! Our side of an input: `xhpl` under `mpirun`, or the same algorithm on threads of this process.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use hpl_core::context::Context;
use hpl_mpi::comm::Comm;
use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::grid::Grid;
use hpl_mpi::run::{Runner, memory_available};
use hpl_spec::report::{Check, RunReport, SweepReport, Verdict};
use hpl_spec::{RunParams, Sweep};

use crate::Job;
use crate::validate::draw::{Input, Through};
use crate::validate::reference::{FILE, printing_norms};

/// What came of each set, in their order: its check, or a sentence on why there is none.
pub fn run(input: &Input) -> Vec<Result<Check, String>> {
    let sweep = printing_norms(&input.sweep);
    let reports = match input.through {
        Through::Mpirun => under_mpirun(&sweep),
        Through::Threads => on_threads(&sweep, SendMode::Eager),
        Through::Rendezvous => on_threads(&sweep, SendMode::Rendezvous),
    };
    checks(&sweep, &reports)
}

/// The reports that came, and what ended them early.
struct Reports {
    reports: Vec<RunReport>,
    end: Option<String>,
}

/// The JSON report, which has all digits of all norms; the same numbers stand in HPL.out.
fn under_mpirun(sweep: &Sweep) -> Reports {
    let read = || {
        let job = Job::xhpl().ranks(sweep.runs().next().map_or(1, |params| params.processes()));
        let outcome = job.dat(sweep.to_dat()).args(&["--json", "report.json"]).attempt()?;
        let missing = |what: &str| format!("xhpl wrote no {what}\n{}", outcome.said());
        let json = outcome.file("report.json").ok_or_else(|| missing("report.json"))?;
        let report: SweepReport = serde_json::from_str(&json).map_err(|e| format!("report.json: {e}\n{json}"))?;
        let text = outcome.file(FILE).ok_or_else(|| missing(FILE))?;
        let printed = hpl_spec::out::parse(&text).map_err(|e| format!("{e}\n{}", outcome.said()))?;
        if printed.reports.len() != report.reports.len() || printed.tally != report.tally {
            return Err(format!("HPL.out counts {:?}, the JSON report {:?}", printed.tally, report.tally));
        }
        Ok(report.reports)
    };
    match read() {
        Ok(reports) => Reports { reports, end: None },
        Err(why) => Reports { reports: Vec::new(), end: Some(why) },
    }
}

/// All sets in one grid of threads. A panic of a rank is what a crash is to a process.
fn on_threads(sweep: &Sweep, mode: SendMode) -> Reports {
    let done = Mutex::new(Vec::new());
    let (p, q) = sweep.grids[0];
    let all = || {
        ThreadComm::run(p * q, mode, |world| {
            let grid = Grid::new(&world, p, q, sweep.order).expect("as many ranks as the grid has");
            let (node, cx) = (grid.all.split_node(), Context::solo());
            for (test, params) in sweep.runs().enumerate() {
                let runner = Runner {
                    cx: &cx,
                    grid: &grid,
                    node: &node,
                    threshold: sweep.threshold,
                    test: test + 1,
                    tests: sweep.tests(),
                    // The stamps are not looked at.
                    clock: &String::new,
                    available: &memory_available,
                    peak: 0.0,
                    progress: None,
                    trace: None,
                };
                let report = runner.run(&params, &mut |_| {});
                if grid.all.rank() == 0 {
                    done.lock().unwrap_or_else(|broken| broken.into_inner()).push(report);
                }
            }
        });
    };
    let end = catch_unwind(AssertUnwindSafe(all)).err().map(|payload| {
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| payload.downcast_ref::<&str>().copied());
        format!("a rank panicked: {}", words.unwrap_or("it did not say why"))
    });
    Reports { reports: done.into_inner().unwrap_or_else(|broken| broken.into_inner()), end }
}

/// The checks of the reports, each held against the set it should be of.
fn checks(sweep: &Sweep, found: &Reports) -> Vec<Result<Check, String>> {
    let missing = found.end.as_deref().unwrap_or("nothing was said of it");
    let check = |(test, params): (usize, RunParams)| match found.reports.get(test) {
        None => Err(missing.to_owned()),
        Some(report) if report.params != params => Err(format!("the report is of {:?}", report.params)),
        Some(report) => match &report.verdict {
            Verdict::Passed(check) | Verdict::Failed(check) => Ok(*check),
            Verdict::Skipped { why } => Err(format!("it was skipped: {}", why.trim_end())),
            Verdict::Unchecked => Err("it was not checked".into()),
        },
    };
    sweep.runs().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(through: Through) -> Input {
        let sweep = Sweep::of(RunParams::new(50, 8, 2, 2), 16.0);
        Input { first: 1, through, sweep: Sweep { ns: vec![50, 61], ..sweep } }
    }

    #[test]
    fn threads_solve_every_set_in_both_modes() {
        let [eager, rendezvous] = [Through::Threads, Through::Rendezvous].map(|through| run(&input(through)));
        assert_eq!(eager, rendezvous);
        let sizes: Vec<f64> = eager.iter().map(|check| check.as_ref().unwrap().norms.unwrap().a_oo).collect();
        assert!(sizes[0] > 10.0 && sizes[1] > sizes[0], "{sizes:?}");
        assert!(eager.iter().all(|check| check.as_ref().is_ok_and(|check| check.residual < 16.0)), "{eager:?}");
    }

    #[test]
    fn a_set_without_its_report_says_why() {
        let sweep = input(Through::Threads).sweep;
        let check = |reports, end: Option<&str>| checks(&sweep, &Reports { reports, end: end.map(str::to_owned) });
        assert_eq!(check(vec![], Some("a rank panicked: so")), vec![Err("a rank panicked: so".into()); 2]);
        let report = |n, verdict| RunReport {
            params: RunParams::new(n, 8, 2, 2),
            threshold: 16.0,
            started: String::new(),
            ended: String::new(),
            seconds: 1.0,
            gflops: 1.0,
            phases: Default::default(),
            idle: vec![],
            around: Default::default(),
            account: None,
            verdict,
        };
        let skipped = Verdict::Skipped { why: "no room\n".into() };
        let found = check(vec![report(50, skipped), report(62, Verdict::Unchecked)], None);
        assert_eq!(found[0], Err("it was skipped: no room".into()));
        assert!(found[1].as_ref().unwrap_err().contains("n: 62"), "{found:?}");
    }
}
