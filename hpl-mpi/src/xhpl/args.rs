//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use hpl_spec::params::INT_MAX;

/// High Performance Linpack: solves dense systems of linear equations on a P x Q grid of MPI ranks,
/// checks the results and reports Gflop/s. Without options it reads HPL.dat in the current folder, as
/// netlib's xhpl does.
#[derive(Debug, Clone, Parser)]
#[command(name = "xhpl", version, args_conflicts_with_subcommands = true, after_help = AFTER)]
pub struct Args {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Read the parameters from this file instead of HPL.dat.
    #[arg(long, value_name = "PATH", conflicts_with = "n")]
    pub dat: Option<PathBuf>,

    /// Run without a file: the order N of the matrix. 8·N² bytes are needed in all.
    #[arg(long, value_name = "N", value_parser = |t: &str| integer(t, 0), allow_negative_numbers = true)]
    pub n: Option<usize>,

    /// With --n: the block size NB, in columns [default: 32, 64, 128 and 256 below N = 1000, 2500, 7000 and
    /// from there, where `xhpl tune` measured no better one].
    #[arg(long, value_name = "NB", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true)]
    pub nb: Option<usize>,

    /// With --n: process rows P [default: what makes the squarest grid of all ranks].
    #[arg(short, value_name = "P", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true)]
    pub p: Option<usize>,

    /// With --n: process columns Q [default: as P].
    #[arg(short, value_name = "Q", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true)]
    pub q: Option<usize>,

    /// Also write the report as JSON, with the same numbers.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Append what happens as JSON lines while it happens.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,

    /// Write what each thread of each rank did when, as a trace that Perfetto (ui.perfetto.dev) opens.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,

    /// Compute with this kernel instead of the best one; `xhpl describe` lists those of this CPU.
    #[arg(long, value_name = "NAME")]
    pub kernel: Option<String>,

    /// Threads of each rank [default: the cores the rank may use, shared with the other ranks of its node].
    #[arg(long, value_name = "T", value_parser = threads, allow_negative_numbers = true)]
    pub threads: Option<usize>,

    /// The profile of this CPU that `xhpl tune` wrote, or `none` [default: that in the user's configuration folder, if
    /// there is one]. A profile of another CPU is not used.
    #[arg(long, value_name = "FILE|none")]
    pub profile: Option<String>,

    /// Add netlib's detailed timing to the report, as its HPL does when it is built with -DHPL_DETAILED_TIMING: for scripts
    /// that read these lines, or to compare phases with netlib's.
    #[arg(long)]
    pub detailed_timing: bool,

    /// Draw where the time of each test went, from the peak of the multiply-adds down to the score, on standard error. For
    /// tuning; the JSON report has the same figures.
    #[arg(long)]
    pub waterfall: bool,

    /// Print column, part of the columns and Gflop/s so far to standard output before every panel, as netlib's HPL does
    /// when it is built with -DHPL_PROGRESS_REPORT: for scripts that read these lines.
    #[arg(long)]
    pub progress_report: bool,

    /// End the job if a rank waits so many seconds for another without any message from it: it says which rank waits for
    /// whom, and in which part of the algorithm [default: no limit]. For clusters on which a job once hung; take it longer
    /// than any step of the run.
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true)]
    pub stall_timeout: Option<Duration>,

    /// End with exit status 2 if a test failed its check or was skipped.
    #[arg(long)]
    pub strict: bool,
}

const AFTER: &str = "Examples:
  xhpl tune                                        once: find what is fastest on this CPU
  xhpl --n 8000                                    one run on all cores, one rank
  mpirun -np 4 --bind-to none xhpl                 the tests of ./HPL.dat on four ranks
  mpirun -np 2 --bind-to none xhpl --n 20000 -p 1 -q 2

Exit status: 0 the tests were run (even if one failed: netlib's way), 1 they could not be run or reported
(illegal input: nothing was run), 2 with --strict, a test failed or was skipped.";

/// What to do instead of a run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Print what this node is, as JSON. MPI is not started.
    Describe {
        /// Also measure the peak: independent multiply-adds on all cores for one second.
        #[arg(long)]
        peak: bool,
    },
    /// Measure what is fastest on this CPU (a minute on all cores, nothing else should run), and write its profile,
    /// which later runs use. MPI is not started.
    Tune {
        /// Where the profile goes [default: hplaas/xhpl-profile.json in the user's configuration folder].
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,
        /// Tune this kernel instead of the best one.
        #[arg(long, value_name = "NAME")]
        kernel: Option<String>,
        /// Threads to tune for [default: all cores].
        #[arg(long, value_name = "T", value_parser = threads, allow_negative_numbers = true)]
        threads: Option<usize>,
        /// With small matrices, in a second or two: to see that it works.
        #[arg(long)]
        quick: bool,
    },
}

fn integer(text: &str, least: usize) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (least..=INT_MAX).contains(&n) => Ok(n),
        _ => Err(format!("expected an integer from {least} to {INT_MAX}")),
    }
}

fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(t) if (1..=4096).contains(&t) => Ok(t),
        _ => Err("expected a number of threads from 1 to 4096".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(s) if (0.001..=1e9).contains(&s) => Ok(Duration::from_secs_f64(s)),
        _ => Err("expected seconds, from 0.001 to 1000000000".to_owned()),
    }
}

impl Args {
    /// Reads the command line. On a mistake rank 0 says what is wrong and the process ends with status 1;
    /// after --help or --version it ends with 0.
    pub fn read(first_rank: bool) -> Args {
        Args::try_parse().unwrap_or_else(|error| {
            if first_rank {
                // Nothing can be done about a closed terminal.
                let _ = error.print();
            }
            std::process::exit(i32::from(error.use_stderr()))
        })
    }
}
