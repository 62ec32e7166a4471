//! `cargo xtask up`: from nothing to a verified result, in one command.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use hpl_spec::dat::{Output, Sweep};
use hpl_spec::event::RunEvent;
use hpl_spec::node::NodeInfo;
use hpl_spec::params::RunParams;
use hpl_spec::report::{RunReport, SweepReport, Verdict};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::bar::Bar;
use crate::build::{self, Profile};
use crate::error::Error;
use crate::follow::{Stage, Tail};
use crate::launch::{Running, Work};
use crate::needs::Purpose;
use crate::plan::{self, Wish};
use crate::{setup, show};

/// How often the events file is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// netlib's limit for the scaled residual.
const LIMIT: f64 = 16.0;
/// How many lines of a failed run are shown.
const TOLD: usize = 40;

/// Builds, looks at the machine, runs and reports.
///
/// # Errors
/// Whatever stops it; [`Error::NotPassed`] if it ran and the residual is not below the limit.
pub fn up(wish: Wish) -> Result<(), Error> {
    if wish.ranks == 0 || !(wish.seconds > 0.0 && wish.seconds.is_finite()) {
        return Err(Error::Options("--ranks and --seconds must be above 0".into()));
    }
    setup::ensure(Purpose::Run)?;
    println!("Building xhpl");
    let xhpl = build::xhpl(Profile::Release)?;
    println!("Looking at this machine\n");
    let node = describe(&xhpl)?;
    print!("{}", show::machine(&node));
    let peak = node.peak.ok_or_else(|| strange("xhpl describe --peak", "no peak"))?.gflops;
    let params = plan::choose(&node, peak, wish);
    params.check().map_err(|e| Error::Options(e.to_string()))?;
    println!("{}", show::plan(&params, plan::expected_seconds(&params, peak)));
    let work = Work::fresh(&build::target_dir().join("up"))?;
    write_dat(&work, params)?;
    run(&xhpl, &work, wish.ranks, usable_cores(&node))?;
    let report = read_report(&work)?;
    println!("{}", show::result(&report, peak, &shortest(&work.out())));
    match report.verdict {
        Verdict::Passed(_) => Ok(()),
        _ => Err(Error::NotPassed("the run did not pass its check".into())),
    }
}

fn describe(xhpl: &Path) -> Result<NodeInfo, Error> {
    let program = xhpl.display().to_string();
    let said = Command::new(xhpl).args(["describe", "--peak"]).output().map_err(Error::start(&program))?;
    if !said.status.success() {
        let why = format!("{}\n{}", said.status, String::from_utf8_lossy(&said.stderr).trim_end());
        return Err(strange("xhpl describe --peak", &why));
    }
    serde_json::from_slice(&said.stdout).map_err(|e| strange("xhpl describe --peak", &e.to_string()))
}

fn strange(whom: &str, why: &str) -> Error {
    Error::Strange { whom: whom.into(), why: why.into() }
}

/// The cores that ranks may be placed on: what hwloc counts, within this process's own mask.
fn usable_cores(node: &NodeInfo) -> usize {
    let mask = std::thread::available_parallelism().map_or(1, usize::from);
    node.cores.min(mask)
}

fn write_dat(work: &Work, params: RunParams) -> Result<(), Error> {
    let name = work.out().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let sweep = Sweep { output: Output::File(name.clone()), file_name: name, ..Sweep::of(params, LIMIT) };
    std::fs::write(work.dat(), sweep.to_dat()).map_err(Error::file(work.dat()))
}

/// Runs to the end, showing the progress; Ctrl-C ends the run first and then us.
fn run(xhpl: &Path, work: &Work, ranks: usize, cores: usize) -> Result<(), Error> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&stop)).map_err(Error::start("a signal handler"))?;
    }
    let mut running = Running::start(xhpl, work, ranks, cores)?;
    let mut bar = Bar::new();
    let followed = follow(&mut running, work, &stop, &mut bar);
    bar.clear();
    running.stop();
    followed?;
    let said = std::fs::read_to_string(work.said()).unwrap_or_default();
    match running.ended()? {
        Some(status) if status.success() => {
            if !said.trim().is_empty() {
                println!("mpirun said:\n{}\n", indent(&said));
            }
            Ok(())
        }
        status => {
            let how = status.map_or("no status".to_owned(), |s| s.to_string());
            Err(Error::Run(failure(&how, &said, xhpl, work)))
        }
    }
}

fn follow(running: &mut Running, work: &Work, stop: &AtomicBool, bar: &mut Bar) -> Result<(), Error> {
    let mut tail = Tail::new(work.events());
    let mut stage = Stage::default();
    loop {
        // Asked before reading: what was written before the end is read after it.
        let ended = running.ended()?.is_some();
        for line in tail.lines()? {
            let event = RunEvent::from_line(&line).map_err(|e| strange("the events file", &e.to_string()))?;
            stage = stage.after(event);
        }
        bar.show(&stage);
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        if ended {
            return Ok(());
        }
        sleep(LOOK);
    }
}

fn failure(how: &str, said: &str, xhpl: &Path, work: &Work) -> String {
    let lines: Vec<_> = said.trim_end().lines().collect();
    let told = lines[lines.len().saturating_sub(TOLD)..].join("\n");
    let told = if told.is_empty() { "(nothing)".to_owned() } else { told };
    format!(
        "mpirun failed ({how}). It said:\n\n{}\n\nWhat to try:\n  \
         - the same program without mpirun:  {} --n 1000\n  \
         - mpirun without the program:       mpirun -np 1 hostname\n  \
         - the parameters and all output:    {}, {}",
        indent(&told),
        shortest(xhpl).display(),
        shortest(&work.dat()).display(),
        shortest(&work.said()).display(),
    )
}

fn indent(text: &str) -> String {
    text.trim_end().lines().map(|l| format!("  | {l}")).collect::<Vec<_>>().join("\n")
}

fn read_report(work: &Work) -> Result<RunReport, Error> {
    let text = std::fs::read_to_string(work.json()).map_err(Error::file(work.json()))?;
    let sweep: SweepReport = serde_json::from_str(&text).map_err(|e| strange("report.json", &e.to_string()))?;
    sweep.reports.into_iter().next().ok_or_else(|| strange("report.json", "no test was run"))
}

/// The path as one would type it here.
fn shortest(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here).unwrap_or(path).to_owned()
}
