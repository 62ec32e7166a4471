//! `hpl`: a service from the terminal. People submit runs, watch them and compare results without a browser; scripts take
//! the service's own answers with `--json`.
//!
//! | file | what |
//! |---|---|
//! | `args`, `parameters` | the line that was typed; the parameters of a run as flags, from the registry |
//! | `keep`, `enter`, `ask` | the login that is kept; in and out; questions to the person |
//! | `site` | the service as a command asks it, over [`client::door`]; which job a person means |
//! | `submit`, `watch`, `bar` | a run on its way |
//! | `jobs`, `results`, `compare` | what is there |
//! | `table`, `words`, `look`, `error` | how it looks: pure, but for the one way to standard output |
//!
//! Every command makes its calls, and then writes its answer at once: standard output has the answer, standard error what
//! is beside it.
#![forbid(unsafe_code)]

mod args;
mod ask;
mod bar;
mod compare;
mod enter;
mod error;
mod jobs;
mod keep;
mod look;
mod parameters;
mod results;
mod site;
mod submit;
mod table;
mod watch;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Command};
use crate::error::Error;
use crate::keep::{Environment, known, load, place};
use crate::look::{Look, remark};
use crate::site::Site;
use crate::watch::Ended;

/// The run failed, or was cancelled.
const RUN_FAILED: u8 = 1;
/// The command was not done; the same as for a line that cannot be read.
const NOT_DONE: u8 = 2;
/// As shells report a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(act(&cli)),
        Err(why) => Err(Error::Told(why.to_string())),
    };
    match done {
        Ok(Ended::Well) | Err(Error::Pipe) => ExitCode::SUCCESS,
        Ok(Ended::Badly) => ExitCode::from(RUN_FAILED),
        Ok(Ended::NotDone) => ExitCode::from(NOT_DONE),
        Ok(Ended::Interrupted) => ExitCode::from(INTERRUPTED),
        Err(Error::Told(why)) => {
            remark(&format!("hpl: {why}"));
            ExitCode::from(NOT_DONE)
        }
    }
}

/// Does what was asked.
async fn act(cli: &Cli) -> Result<Ended, Error> {
    let path = place(cli.config.as_deref())?;
    let json = cli.json;
    match &cli.command {
        Command::Login(asked) => return enter::login(asked, &path, json).await.map(|()| Ended::Well),
        Command::Logout => return enter::logout(&path, json).await.map(|()| Ended::Well),
        _ => (),
    }
    let site = Site::new(known(load(&path)?, &path, Environment::here())?)?;
    let look = Look::here();
    let meant = async |id: &String| site.job_meant(id).await;
    match &cli.command {
        Command::Login(_) | Command::Logout => (),
        Command::Whoami => enter::whoami(&site, json).await?,
        Command::Submit(asked) => return submit::submit(&site, &look, asked, json).await,
        Command::Watch { id } => return watch::watch(&site, &look, &meant(id).await?, json).await,
        Command::Log { id, file: Some(name), .. } => jobs::file(&site, &look, &meant(id).await?, name).await?,
        Command::Log { id, err, follow, file: None } => {
            jobs::log(&site, &look, &meant(id).await?, *err, *follow).await?;
        }
        Command::Cancel { id } => jobs::cancel(&site, &meant(id).await?, json).await?,
        Command::Jobs { all, state, limit } => jobs::list(&site, &look, *all, state.as_deref(), *limit, json).await?,
        Command::Job { id } => jobs::one(&site, &meant(id).await?, json).await?,
        Command::Queue => jobs::queue(&site, &look, json).await?,
        Command::Nodes => jobs::nodes(&site, &look, json).await?,
        Command::Result { id } => results::one(&site, &look, &meant(id).await?, json).await?,
        Command::Results { all, csv, limit } => results::list(&site, &look, *all, *csv, *limit, json).await?,
        Command::Compare { ids } => compare::compare(&site, &look, ids, json).await?,
        Command::Board(asked) => results::board(&site, &look, asked, json).await?,
        Command::Sweep { id } => compare::sweep(&site, &look, &site.sweep_meant(id).await?, json).await?,
        Command::Certificate { id, output } => {
            results::certificate(&site, &meant(id).await?, output.as_deref()).await?;
        }
    }
    Ok(Ended::Well)
}
