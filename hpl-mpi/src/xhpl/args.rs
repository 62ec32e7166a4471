//! The command line. What it says of itself is the manual: each option names its unit, its default, and when to change
//! it. `-h` shows the first paragraph of each, `--help` all of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use hpl_spec::params::INT_MAX;
use hpl_spec::plan::MEMORY_FRACTION;

/// High Performance Linpack: solves a dense system of N linear equations, checks the result, reports Gflop/s.
///
/// It runs on a P x Q grid of MPI ranks, each with threads of its own. Without options it does what netlib's xhpl does:
/// it reads HPL.dat in the current folder and runs every combination of the values in it.
#[derive(Debug, Clone, Parser)]
#[command(name = "xhpl", version, args_conflicts_with_subcommands = true, after_help = AFTER)]
pub struct Args {
    /// What to do instead of a run.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Choose N, NB, P and Q and run that: what `xhpl plan` would say for these ranks.
    ///
    /// It measures a few small solves on these very ranks (about 4 seconds, unless `xhpl tune` has measured one rank of
    /// these threads), says on standard error what it chose and why, and runs it. Use it for the best figure of a
    /// machine without thinking about parameters.
    #[arg(long, conflicts_with_all = ["n", "dat"], help_heading = WHAT)]
    pub auto: bool,

    /// With --auto: the part of the available memory to fill, 0.8 being 80 % [default: 0.8].
    ///
    /// A larger matrix runs longer and a little faster. Raise it to 0.9 if nothing else uses the machine; lower it if
    /// something does.
    #[arg(long, value_name = "F", requires = "auto", value_parser = fraction, allow_negative_numbers = true, help_heading = WHAT)]
    pub memory_fraction: Option<f64>,

    /// With --auto: the longest that the solve may take, in minutes [default: as long as memory asks for].
    ///
    /// Give it when filling the memory would take too long. Generating the matrix and checking the result come on top:
    /// a few seconds each.
    #[arg(long, value_name = "M", requires = "auto", value_parser = minutes, allow_negative_numbers = true, help_heading = WHAT)]
    pub minutes: Option<f64>,

    /// Read the parameters from this file [default: HPL.dat in the current folder].
    ///
    /// Name one to keep several files side by side. `xhpl plan` writes such a file.
    #[arg(long, value_name = "FILE", conflicts_with = "n", help_heading = WHAT)]
    pub dat: Option<PathBuf>,

    /// Run once without a file: N, the order of the matrix, in rows [default: what HPL.dat says].
    ///
    /// It takes 8·N² bytes in all, and time that grows with N³; the rate grows a little. Use it for a quick run, or to
    /// repeat one of a known size.
    #[arg(long, value_name = "N", value_parser = |t: &str| integer(t, 0), allow_negative_numbers = true, help_heading = WHAT)]
    pub n: Option<usize>,

    /// With --n: NB, the width of a panel, in columns [default: 32 to 256, growing with N].
    ///
    /// The default is 32 below N = 1000, 64 below 2500, 128 below 7000, and from there 256 or what `xhpl tune` found to
    /// be fastest. Change it to try others; a multiple of 32 from 64 to 320 is worth trying.
    #[arg(long, value_name = "NB", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = WHAT)]
    pub nb: Option<usize>,

    /// With --n: P, the rows of the grid, in ranks [default: the squarest grid of all ranks with P <= Q].
    ///
    /// Change it to try a flatter grid where the network is slow: `-p 1` exchanges no rows between ranks.
    #[arg(short, value_name = "P", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = WHAT)]
    pub p: Option<usize>,

    /// With --n: Q, the columns of the grid, in ranks [default: all ranks divided by P].
    ///
    /// Change it together with P; ranks beyond P x Q stay idle.
    #[arg(short, value_name = "Q", requires = "n", value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = WHAT)]
    pub q: Option<usize>,

    /// Also write the report as JSON to this file [default: no file].
    ///
    /// It has the numbers of HPL.out and more: phases, idle shares, memory. Use it whenever a program reads the result.
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    pub json: Option<PathBuf>,

    /// Print the report on standard output as well where HPL.dat sends it to a file [default: to the file alone].
    ///
    /// Use it where somebody follows the output of a job and the file is kept.
    #[arg(long, help_heading = RESULTS)]
    pub tee: bool,

    /// Append what happens to this file as JSON lines while it happens [default: no file].
    ///
    /// A line for each start, panel (at most ten a second) and verdict. Use it to follow a long run from outside.
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    pub events: Option<PathBuf>,

    /// Write what each thread of each rank did when to this file [default: no file].
    ///
    /// Perfetto (ui.perfetto.dev) opens it. Use it to see where time is lost, with small N: it grows with N.
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    pub trace: Option<PathBuf>,

    /// Add netlib's detailed timing to the report, as its HPL with -DHPL_DETAILED_TIMING [default: none].
    ///
    /// Seconds of panel, pivot exchange, update, row swap and back-substitution. Use it for scripts that read these
    /// lines, or to compare with netlib's phases.
    #[arg(long, help_heading = RESULTS)]
    pub detailed_timing: bool,

    /// Draw where the time of each test went, on standard error [default: no picture].
    ///
    /// The way from the peak of the multiply-adds down to the score, in seconds. Use it to see what to tune; the JSON
    /// report has the same figures.
    #[arg(long, help_heading = RESULTS)]
    pub waterfall: bool,

    /// Print a line before every panel, as netlib's HPL with -DHPL_PROGRESS_REPORT [default: no lines].
    ///
    /// Column, part of the columns and Gflop/s so far, on standard output. Use it for scripts that read these lines.
    #[arg(long, help_heading = RESULTS)]
    pub progress_report: bool,

    /// End with exit status 2 if a test failed its check or was skipped [default: status 0, as netlib's].
    ///
    /// Use it in scripts that must notice.
    #[arg(long, help_heading = RESULTS)]
    pub strict: bool,

    /// Threads of each rank [default: the cores the rank may use, shared with the other ranks of its node].
    ///
    /// Change it to leave cores idle. More threads than cores take turns and are slow.
    #[arg(long, value_name = "T", value_parser = threads, allow_negative_numbers = true, help_heading = HOW)]
    pub threads: Option<usize>,

    /// End the job if a rank waits this many seconds for another without its message [default: no limit].
    ///
    /// It says which rank waits for whom, and in which part of the algorithm. Use it on clusters where a job once hung;
    /// take it longer than any step of the run.
    #[arg(long, value_name = "S", value_parser = seconds, allow_negative_numbers = true, help_heading = HOW)]
    pub stall_timeout: Option<Duration>,

    /// Compute with this kernel [default: the fastest that this CPU runs].
    ///
    /// `xhpl describe` lists them. Change it to compare kernels, or to rule one out.
    #[arg(long, value_name = "NAME", help_heading = HOW)]
    pub kernel: Option<String>,

    /// Use this profile of the CPU, or `none` [default: that of `xhpl tune` in your configuration folder, if any].
    ///
    /// It holds the block sizes that were measured to be fastest. One of another CPU is not used, and that is said. Name
    /// one if nodes have no home in common; `none` shows what tuning gains.
    #[arg(long, value_name = "FILE|none", help_heading = HOW)]
    pub profile: Option<String>,
}

const WHAT: &str = "What to run";
const RESULTS: &str = "Where results go";
const HOW: &str = "How to compute";
const PLANNED: &str = "What to plan for";

const AFTER: &str = "Examples:
  xhpl plan                  what to run on this machine, and what to expect
  xhpl --auto --minutes 10   choose the parameters and run for ten minutes
  xhpl tune                  once a CPU: find its fastest block sizes
  xhpl --n 8000              one run on all cores, one rank
  mpirun -np 4 --bind-to none xhpl
                             the tests of ./HPL.dat on four ranks
  mpirun -np 2 --bind-to none xhpl --n 20000 -p 1 -q 2

Exit status:
  0  the tests were run (even if one failed: netlib's way)
  1  they could not be run or reported (illegal input: nothing was run)
  2  with --strict, a test failed or was skipped";

const AFTER_PLAN: &str = "Examples:
  xhpl plan                  fill 80 % of the memory, one rank on all cores
  xhpl plan --minutes 10     the largest matrix that is solved in ten minutes
  xhpl plan > HPL.dat        keep the file; the answer stays in the terminal
  xhpl plan --n 20000        how long will that take?

The answer is written to standard error; HPL.dat, or JSON, to standard output.
Exit status: 0 here is a plan, 1 there is none, and why was said.";

const AFTER_TUNE: &str = "Exit status: 0 the profile is written, 1 it is not, and why was said.";

/// What to do instead of a run.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Say which N, NB, P and Q to run on this machine, why, and how long it will take.
    ///
    /// It answers from memory, cores and ranks, and from what `xhpl tune` measured or a few small solves that it runs now
    /// (about 4 seconds on all cores; nothing else should run), and prints the HPL.dat that says so. The expected time
    /// is usually within 10 %. MPI is not started.
    #[command(after_help = AFTER_PLAN)]
    Plan(PlanOptions),

    /// Measure what is fastest on this CPU and keep it for later runs: a minute.
    ///
    /// It tries which parts of the caches and which NB are fastest, on all cores: nothing else should run. Later runs on
    /// this CPU use what it finds, and `xhpl plan` tells from it how long they take. Do it once a CPU, and again after
    /// an upgrade of xhpl that says so. MPI is not started.
    #[command(after_help = AFTER_TUNE)]
    Tune {
        /// Write the profile to this file [default: hplaas/xhpl-profile.json in your configuration folder].
        ///
        /// Name one for a node without a home folder, or to keep profiles of several CPUs; runs find it by --profile.
        #[arg(long, value_name = "FILE")]
        profile: Option<PathBuf>,

        /// Tune this kernel [default: the fastest that this CPU runs].
        ///
        /// `xhpl describe` lists them. Change it if your runs name a --kernel: a profile serves one kernel.
        #[arg(long, value_name = "NAME")]
        kernel: Option<String>,

        /// Tune for so many threads of one rank [default: all cores].
        ///
        /// Change it if your ranks have fewer: threads share caches and memory, so what is fastest depends on them.
        #[arg(long, value_name = "T", value_parser = threads, allow_negative_numbers = true)]
        threads: Option<usize>,

        /// Measure small matrices, in a second or two [default: large ones, in about a minute].
        ///
        /// Use it to see that tuning works; a profile for real runs wants the minute.
        #[arg(long)]
        quick: bool,
    },

    /// Print what this node is, as JSON: cores, caches, memory, kernels.
    ///
    /// Takes some milliseconds; MPI is not started.
    Describe {
        /// Also measure the peak, in Gflop/s, for one second on all cores [default: not measured].
        ///
        /// Independent multiply-adds: no program is faster. Use it to see which part of the peak a run reaches.
        #[arg(long)]
        peak: bool,
    },
}

/// What `xhpl plan` is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct PlanOptions {
    /// MPI ranks on this machine [default: 1].
    ///
    /// One rank that uses all cores is usually fastest on one node with one socket. Change it for a rank a socket, or
    /// to see what ranks cost. For ranks on several nodes use `mpirun … xhpl --auto`, which measures the network too.
    #[arg(long, value_name = "R", default_value_t = 1, hide_default_value = true,
          value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = PLANNED)]
    pub ranks: usize,

    /// P, the rows of the grid, in ranks; Q is the ranks divided by it [default: the squarest grid with P <= Q].
    ///
    /// Change it to compare grids; the run then wants the same -p and -q, or the HPL.dat.
    #[arg(short, value_name = "P",
          value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = PLANNED)]
    pub p: Option<usize>,

    /// Threads of each rank [default: the cores divided by the ranks].
    ///
    /// Change it to leave cores to others.
    #[arg(long, value_name = "T", value_parser = threads, allow_negative_numbers = true, help_heading = PLANNED)]
    pub threads: Option<usize>,

    /// The part of the available memory to fill, 0.8 being 80 % [default: 0.8].
    ///
    /// A larger matrix runs longer and a little faster. Raise it to 0.9 if nothing else uses the machine; lower it if
    /// something does.
    #[arg(long, value_name = "F", default_value_t = MEMORY_FRACTION, hide_default_value = true,
          value_parser = fraction, allow_negative_numbers = true, help_heading = PLANNED)]
    pub memory_fraction: f64,

    /// The longest that the solve may take, in minutes [default: as long as memory asks for].
    ///
    /// Give it when filling the memory would take too long. Generating the matrix and checking the result come on top:
    /// a few seconds each.
    #[arg(long, value_name = "M", value_parser = minutes, allow_negative_numbers = true, help_heading = PLANNED)]
    pub minutes: Option<f64>,

    /// Plan for this N, in rows [default: the largest that fits memory and minutes].
    ///
    /// Use it to learn how long a run of a given size will take.
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "memory_fraction"],
          value_parser = |t: &str| integer(t, 1), allow_negative_numbers = true, help_heading = PLANNED)]
    pub n: Option<usize>,

    /// Write HPL.dat to this file instead of standard output [default: standard output].
    ///
    /// Use it to keep the plan; a file that is there already is left alone unless you add --force.
    #[arg(long, value_name = "FILE", conflicts_with = "json", help_heading = RESULTS)]
    pub dat: Option<PathBuf>,

    /// With --dat: write over a file that is there [default: leave it alone].
    ///
    /// Use it in scripts that plan again and again.
    #[arg(long, requires = "dat", help_heading = RESULTS)]
    pub force: bool,

    /// Print the plan as JSON instead of HPL.dat [default: HPL.dat].
    ///
    /// Seconds, Gflop/s, bytes, all parameters, the reasons, and the text of HPL.dat. Use it for programs.
    #[arg(long, help_heading = RESULTS)]
    pub json: bool,

    /// Plan for this kernel [default: the fastest that this CPU runs].
    ///
    /// Change it if the run will name a --kernel. `xhpl describe` lists them.
    #[arg(long, value_name = "NAME", help_heading = HOW)]
    pub kernel: Option<String>,

    /// Tell from this profile of the CPU, or `none` [default: that of `xhpl tune` in your configuration folder, if any].
    ///
    /// `none` measures anew, with the block sizes of an untuned run. Change it if the run will name a --profile.
    #[arg(long, value_name = "FILE|none", help_heading = HOW)]
    pub profile: Option<String>,
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

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(part) if part > 0.0 && part <= 1.0 => Ok(part),
        _ => Err("expected a part of the memory above 0 and at most 1, such as 0.8 for 80 %".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(minutes) if minutes > 0.0 && f64::is_finite(minutes) => Ok(minutes),
        _ => Err("expected minutes above 0, such as 10 or 0.5".to_owned()),
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
