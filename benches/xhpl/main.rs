//! The whole program beside its limit and its peer, in one table: Gflop/s, percent of the FMA peak, memory and
//! residual of `xhpl`, and Debian's `hpcc` (HPL 2.0 on OpenBLAS) on the same order in the same minutes.
//!
//! `xhpl` runs as a user would run it: under `mpirun`, one rank, all cores. The two take turns, and before each
//! run the FMA peak is measured, so that a machine that drifts does not tell tales. `HPLAAS_XHPL` names another
//! `xhpl` to measure than that of this workspace.
#![forbid(unsafe_code)]

mod hpcc;
mod ours;
mod process;
mod table;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use benches::machine::Machine;
use benches::{program, smoke};

/// How often each program runs.
const ROUNDS: usize = 3;
/// How long the FMA peak before a run is measured.
const PEAK_TIME: Duration = Duration::from_millis(500);
/// `hpcc` has many tests besides HPL and runs them all: on an idle machine of two cores that takes about a
/// minute. It takes no further turn if that would cost more time than this in all.
const PEER_BUDGET: Duration = Duration::from_secs(300);

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Order of the matrix, for both.
    pub n: usize,
    /// Columns of a panel, for xhpl.
    pub nb: usize,
    /// Cores of this machine.
    pub cores: usize,
}

/// A run, and what it is held against.
#[derive(Debug, Clone)]
pub struct Run {
    /// As the program says.
    pub gflops: f64,
    /// The FMA peak just before, in Gflop/s.
    pub peak: f64,
    /// The scaled residual.
    pub residual: f64,
    /// The program's verdict on it.
    pub passed: bool,
    /// The most memory that all ranks together had resident, in bytes, if the system tells.
    pub resident: Option<u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        println!("xhpl: benchmark");
        return ExitCode::SUCCESS;
    }
    if !program::wanted("xhpl", &arguments) {
        return ExitCode::SUCCESS;
    }
    match compare() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("xhpl: a residual is too large");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("xhpl: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and prints all. The answer is whether every residual of ours passed.
fn compare() -> Result<bool, String> {
    let machine = Machine::discover();
    let (n, rounds) = if smoke() { (500, 1) } else { (8000, ROUNDS) };
    let case = Case { n, nb: 256, cores: machine.cores() };
    let xhpl = program::find("HPLAAS_XHPL", "hpl-mpi", "xhpl")?;
    let peer = hpcc::Hpcc::find().inspect_err(|why| println!("no peer: {why}")).ok();
    let measure = |name: &str, run: &dyn Fn() -> Result<Run, String>| {
        let peak = machine.fma_peak(machine.cores(), PEAK_TIME);
        let run = Run { peak, ..run().map_err(|why| format!("{name}: {why}"))? };
        println!("{name}: {:.1} Gflop/s, FMA peak {peak:.1} Gflop/s", run.gflops);
        Ok::<Run, String>(run)
    };

    println!("\nxhpl is {}", xhpl.display());
    let (mut own, mut others) = (Vec::new(), Vec::new());
    let (mut spent, mut last) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        own.push(measure("xhpl", &|| ours::run(&xhpl, case))?);
        if let Some(peer) = peer.as_ref().filter(|_| spent + last <= PEER_BUDGET) {
            let begin = Instant::now();
            others.extend(measure("hpcc", &|| peer.run(case)).inspect_err(|why| eprintln!("{why}")));
            last = begin.elapsed();
            spent += last;
        }
    }
    let peer = peer.as_ref().map(|peer| (peer.describe(case), others.as_slice()));
    print!("\n{}", table::table(case, &own, peer));
    Ok(own.iter().all(|run| run.passed))
}
