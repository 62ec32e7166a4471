//! The program `hpl-service`: serves, and does on the console what belongs there.
//!
//! `serve` is: settings, data folder, leases extended by the time away, listener, and then the routes and the reaper
//! until a signal.
#![forbid(unsafe_code)]

use std::io::{Write, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use service::admin::{self, Admin};
use service::clock::Clock;
use service::config::{Config, Data};
use service::logging::{self, LogFormat};
use service::ops::operator::Reach;
use service::{certify, run};

#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// High Performance Linpack as a service: accounts, jobs, a fenced queue, results, all on one port.
#[derive(Debug, Parser)]
#[command(name = "hpl-service", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGTERM or Ctrl-C
    Serve(Box<Serve>),
    /// Do what operators do, on the data folder; the service may run meanwhile
    Admin(AdminArgs),
    /// Write a consistent copy of the data folder to a new tar file; the service may run meanwhile
    Backup {
        /// The data folder
        #[command(flatten)]
        data: Data,
        /// The file; to restore, unpack it into an empty data folder
        file: PathBuf,
    },
    /// Print the OpenAPI document
    Openapi,
    /// Check a certificate bundle, without the service
    Verify {
        /// The bundle, a zip file
        file: PathBuf,
        /// The key it must be signed with: 64 hexadecimal digits, or a file that holds them
        #[arg(long, value_name = "HEX|FILE")]
        key: Option<String>,
    },
}

#[derive(Debug, Args)]
struct Serve {
    #[command(flatten)]
    config: Config,
    /// The form of the log on standard error
    #[arg(long, env = "HPL_SERVICE_LOG_FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,
    /// What is logged, e.g. `info` or `warn,service=debug`
    #[arg(long, env = "HPL_SERVICE_LOG", default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Debug, Args)]
struct AdminArgs {
    #[command(flatten)]
    data: Data,
    /// Where nodes reach the service, for join strings; left out: where it was last served
    #[arg(long, value_name = "[http://]HOST:PORT")]
    reach: Option<String>,
    #[command(subcommand)]
    command: Admin,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Serve(args) => serve(*args).await.map(|()| String::new()),
        Command::Admin(args) => administrate(args).await,
        Command::Backup { data, file } => run::backup(&data.folder, &file).await,
        Command::Openapi => Ok(service::http::openapi()),
        Command::Verify { file, key } => certify::verify_command(&file, key.as_deref()),
    };
    match done {
        Ok(text) if text.is_empty() => ExitCode::SUCCESS,
        Ok(text) => match writeln!(stdout(), "{}", text.trim_end()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(why) => {
            // Where not even this can be written, on a full disk, the exit code says it.
            let _ = writeln!(stderr(), "hpl-service: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: Serve) -> Result<(), String> {
    logging::init(args.log_format, &args.log)?;
    run::serve(args.config, Clock::System).await
}

async fn administrate(args: AdminArgs) -> Result<String, String> {
    // The causes of what goes wrong inside are logged, and told nowhere else.
    logging::init(LogFormat::Text, "error")?;
    let last = run::last_reach(&args.data.folder).ok();
    let reach = match &args.reach {
        Some(named) => run::read_reach(named, last.as_ref())?,
        // Only join strings need it; they say what is missing.
        None => last.unwrap_or(Reach { host: "localhost".into(), port: 8080, pin: None, plain: false }),
    };
    let done = admin::run(&args.data.folder, Clock::System, args.command, &reach, admin::ask_password).await;
    done.map_err(|why| why.detail)
}
