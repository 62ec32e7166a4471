//! The command line, as it is typed and explained.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use hpl_spec::api::results::Measure;

use crate::parameters::Parameters;

/// The whole line.
#[derive(Debug, Parser)]
#[command(
    name = "hpl",
    version,
    about = "Submit, watch and compare HPL runs of a service from the terminal",
    infer_subcommands = true,
    after_help = "\
The first time:
  hpl login https://HOST:PORT    your account page shows the whole line
  hpl submit --n 4000 --watch    one run, and its result
  hpl submit HPL.dat             every run of the file: a sweep
  hpl jobs                       what became of them

ID is the id of a job, the beginning or end of one of yours, or `last`.
HPL_URL, HPL_PIN and HPL_TOKEN replace the kept login; NO_COLOR is heeded.
Status: 0 done, 1 the run failed or was cancelled, 2 not done, 130 Ctrl-C."
)]
pub struct Cli {
    /// The service's own answer, unchanged: JSON for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// Where the login is kept [default: $XDG_CONFIG_HOME/hplaas/client.json, or below ~/.config]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log in: keeps an API token of yours in a file that only you can read
    Login(Login),
    /// Take the token back and remove the file
    Logout,
    /// Who is logged in where, and what is left of the quota
    Whoami,
    /// Submit a run, or every run of an HPL.dat; shows its place in the queue and its predicted time
    #[command(after_help = "\
Examples:
  hpl submit --n 8000 --nb 192 -p 1 -q 2   one run
  hpl submit HPL.dat --title 'lab 3'       several runs: a sweep, after a question
  hpl submit --n 8000 --dry-run            what it takes, and what is wrong with it")]
    Submit(Box<Submit>),
    /// Watch a run until it has ended, then show its result; Ctrl-C leaves it running
    Watch {
        /// The job
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
    },
    /// What the run wrote: its log, or with --file its report
    Log {
        /// The job
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
        /// What it wrote on standard error
        #[arg(long)]
        err: bool,
        /// One of its files instead, e.g. HPL.out
        #[arg(long, value_name = "NAME", conflicts_with_all = ["err", "follow"])]
        file: Option<String>,
        /// Go on as it grows, until the run has ended
        #[arg(long, short)]
        follow: bool,
    },
    /// End a run, or take it out of the queue
    Cancel {
        /// The job
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Your jobs, the latest first
    Jobs {
        /// Everybody's public ones, too
        #[arg(long)]
        all: bool,
        /// Only those in this state: queued, running, done, failed, cancelled, …
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// How many
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },
    /// One job: where it stands, why it waits, how it failed
    Job {
        /// The job
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
    },
    /// What runs now, what waits, and when it is expected to start
    Queue,
    /// The nodes that run the jobs
    Nodes,
    /// The result of a run: figure, residual, trust, rank, where the time went, what to try next
    Result {
        /// The job
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
    },
    /// Your results, the latest first
    Results {
        /// Everybody's public ones, too
        #[arg(long)]
        all: bool,
        /// All of them as a table for spreadsheets
        #[arg(long)]
        csv: bool,
        /// How many; with --csv it counts for nothing
        #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
    },
    /// Runs side by side: each stands for all runs of its parameters on its kind of node
    Compare {
        /// The jobs
        #[arg(value_name = "ID", required = true, num_args = 2..=8)]
        ids: Vec<String>,
    },
    /// The leaderboard: of each user the best result
    Board(Board),
    /// A sweep: its points with their scores, and the best so far
    Sweep {
        /// The sweep; `last` is that of your latest job that has one
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
    },
    /// The signed certificate of a result, which `hpl-service verify` checks without the service
    Certificate {
        /// The job
        #[arg(value_name = "ID", default_value = "last")]
        id: String,
        /// Where to write it, `-` for standard output [default: the name that the service gives it, here]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

/// How to log in.
#[derive(Debug, Args)]
pub struct Login {
    /// Where the service is, e.g. hpl.example.org:8080; over TLS, unless it begins with http:
    #[arg(value_name = "URL")]
    pub url: String,
    /// The hash of the service's key, where no authority vouches for its certificate; your account page shows it
    // Such a hash may begin with a hyphen.
    #[arg(long, value_name = "KEYHASH", allow_hyphen_values = true)]
    pub pin: Option<String>,
    /// Who you are there [default: asked for]
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
}

/// What to submit.
#[derive(Debug, Args)]
pub struct Submit {
    /// An HPL.dat, `-` for standard input; or name the run by --n and its other parameters
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// The parameters of one run.
    #[command(flatten)]
    pub parameters: Parameters,
    /// A few words of your own, at most 120 characters
    #[arg(long, value_name = "WORDS", default_value = "", hide_default_value = true)]
    pub title: String,
    /// Nobody else sees it, and its result is not ranked
    #[arg(long)]
    pub private: bool,
    /// Seconds after which the run is ended [default: from the prediction]
    #[arg(long, value_name = "SECONDS")]
    pub walltime: Option<u32>,
    /// The node that is to run it, by name
    #[arg(long, value_name = "NAME")]
    pub node: Option<String>,
    /// Physical cores that the node must have, at least
    #[arg(long, value_name = "NUMBER")]
    pub cores: Option<u32>,
    /// A label that the node must have; may be named several times
    #[arg(long, value_name = "WORD")]
    pub label: Vec<String>,
    /// Of a sweep: how often each point is run, 1 to 5
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub repeats: u32,
    /// Of a sweep: end a run early once it can no longer be the best
    #[arg(long)]
    pub stop_hopeless: bool,
    /// Watch it until it has ended
    #[arg(long, short, conflicts_with = "dry_run")]
    pub watch: bool,
    /// Only say what it would take and what is wrong with it
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask before a sweep is submitted
    #[arg(long, short)]
    pub yes: bool,
}

/// By what a leaderboard is ordered, as it is typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// Gflop/s
    Score,
    /// Percent of the node's measured peak
    Percent,
    /// Gflop/s per watt of the processors
    PerWatt,
}

impl From<By> for Measure {
    fn from(by: By) -> Measure {
        match by {
            By::Score => Measure::Score,
            By::Percent => Measure::Percent,
            By::PerWatt => Measure::PerWatt,
        }
    }
}

/// Which leaderboard.
#[derive(Debug, Args)]
pub struct Board {
    /// By what it is ordered
    #[arg(long, value_enum, default_value = "score")]
    pub measure: By,
    /// Of this CPU model only, as `hpl nodes` shows it
    #[arg(long, value_name = "CPU")]
    pub kind: Option<String>,
    /// Of nodes with so many physical cores only
    #[arg(long, value_name = "NUMBER")]
    pub cores: Option<u32>,
    /// Of verified results only
    #[arg(long)]
    pub verified: bool,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn parameters_are_flags_of_their_own() {
        let line =
            ["hpl", "submit", "--n", "100", "-p", "2", "--equil", "false", "--bcast", "ring", "--swap-threshold", "x"];
        let Command::Submit(asked) = Cli::try_parse_from(line).unwrap().command else { panic!() };
        let expected = serde_json::json!({"n": 100, "p": 2, "equil": false, "bcast": "ring", "swap_threshold": "x"});
        assert_eq!(serde_json::Value::Object(asked.parameters.0), expected);
        assert!(Cli::try_parse_from(["hpl", "submit", "--n", "1", "--dry-run", "--watch"]).is_err());
        assert!(Cli::try_parse_from(["hpl", "compare", "last"]).is_err());
    }
}
