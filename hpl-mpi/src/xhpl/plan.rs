//! `xhpl plan` and `xhpl --auto`: what to run here, from memory, cores, ranks and measured solves.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use hpl_core::context::Context;
use hpl_core::gemm::kernel::{self, Kernel};
use hpl_core::topology::Topology;
use hpl_mpi::comm::thread::{SendMode, ThreadComm};
use hpl_mpi::comm::{Comm, max_all};
use hpl_mpi::grid::Grid;
use hpl_mpi::run::memory_available;
use hpl_spec::dat::{Output, Sweep};
use hpl_spec::params::Order;
use hpl_spec::plan::{MEMORY_FRACTION, RunPlan, Site, Wish, plan, possible};
use hpl_spec::profile::{Profile, Shares};
use hpl_spec::rates::Rates;
use indicatif::ProgressBar;

use crate::answer;
use crate::args::{Args, PlanOptions};
use crate::input;
use crate::place::{self, Place};
use crate::probe::{self, Probe};
use crate::profile::{self, Served};
use crate::sink::Sinks;

/// A probe takes at most this part of the time that the run may take, …
const PART: f64 = 0.5;
/// … but this at least.
const SHORTEST: Duration = Duration::from_millis(300);

/// Answers: what to run on this machine. The answer goes to standard error, HPL.dat (or JSON) where it was wished.
///
/// # Errors
/// A sentence.
pub fn answer(options: &PlanOptions) -> Result<(), String> {
    let kernel = kernel::pick(options.kernel.as_deref())?;
    let topology = Topology::discover().map_err(|e| e.to_string())?;
    let cores = topology.allowed_cores().len();
    let ranks = options.ranks;
    let threads = options.threads.unwrap_or(cores / ranks);
    if threads == 0 || ranks * threads > cores {
        let wanted = if options.threads.is_some() { format!("{ranks} x {threads} threads") } else { ranks.to_string() };
        return Err(format!(
            "--ranks {ranks}: {wanted} want more than the {cores} cores here. Take fewer; for ranks on several nodes, \
             `mpirun … xhpl --auto` plans on those nodes"
        ));
    }
    if let Some(p) = options.p.filter(|p| !ranks.is_multiple_of(*p)) {
        return Err(format!("-p {p}: {ranks} ranks make no grid of {p} rows. Name a divisor of --ranks"));
    }
    if let Some(file) = options.dat.as_deref() {
        writable(file, options.force)?;
    }
    let (served, refused) = profile::find(&ThreadComm::solo(), options.profile.as_deref(), &topology, kernel);
    if let Some(why) = refused {
        eprintln!("xhpl plan: {why}");
    }
    let wish = Wish { n: options.n, memory_fraction: options.memory_fraction, minutes: options.minutes };
    let site = Site {
        ranks,
        threads,
        cores,
        memory: known(memory_available() as f64 / ranks as f64),
        nb: served.as_ref().map(|served| served.profile.nb),
        p: options.p,
    };
    possible(&site, &wish).map_err(|e| e.to_string())?;
    let told = served.as_ref().and_then(|served| told(&served.profile, &site));
    let (rates, source) = match told {
        Some(rates) => (rates.clone(), TUNED.to_owned()),
        None => {
            let shares = served.as_ref().map_or_else(Shares::default, |served| served.profile.shares);
            let rates = probe_here(&site, &topology, kernel, shares, probe_time(&wish))?;
            let source = measured(&rates);
            (rates, source)
        }
    };
    let plan = plan(&site, &wish, &rates).map_err(|e| e.to_string())?;
    eprint!("{}", answer::text(&plan, &source));
    write(options, &plan)
}

/// The sweep of `--auto`, planned on these ranks; on rank 0 with where its results go, after a word on what was chosen.
/// Collective over the world; `node` are the ranks of this node, which has `cores`. `alone`: no launcher is there.
///
/// # Errors
/// On every rank; on rank 0 with what is to be said, elsewhere empty.
pub fn sweep<C: Comm>(
    (world, node): (&C, &C),
    cx: &Context,
    (cores, alone): (usize, bool),
    args: &Args,
    served: Option<&Served>,
) -> Result<(Sweep, Option<Sinks>), String> {
    let first = world.rank() == 0;
    // What cannot be written is said before anything is computed.
    let opened = first.then(|| input::open(args, &Output::Stdout)).transpose();
    let mut failed = [f64::from(u8::from(opened.is_err()))];
    max_all(world, &mut failed);
    let sinks = opened?;
    if failed[0] > 0.0 {
        return Err(String::new());
    }
    let mut least = [-(memory_available() as f64) / node.size() as f64];
    max_all(world, &mut least);
    let site = Site {
        ranks: world.size(),
        threads: cx.team().size(),
        cores,
        memory: known(-least[0]),
        nb: served.map(|served| served.profile.nb),
        p: None,
    };
    let memory_fraction = args.memory_fraction.unwrap_or(MEMORY_FRACTION);
    let wish = Wish { n: None, memory_fraction, minutes: args.minutes };
    // The same on all ranks.
    if let Err(why) = possible(&site, &wish) {
        return Err(if first { format!("xhpl --auto: {why}\n") } else { String::new() });
    }
    let (rates, source) = match served.and_then(|served| told(&served.profile, &site)) {
        Some(rates) => (Ok(rates.clone()), TUNED.to_owned()),
        None => {
            let (p, q) = site.grid();
            let grid = Grid::new(world, p, q, Order::RowMajor).expect("all ranks are in it");
            let probe = Probe { cx, grid: &grid, node, nb: site.nb, time: probe_time(&wish) };
            let rates = probe.rates(&if alone { probe::bar() } else { ProgressBar::hidden() });
            let source = rates.as_ref().map_or_else(String::clone, measured);
            (rates, source)
        }
    };
    let planned = first.then(|| {
        let plan = rates.and_then(|rates| plan(&site, &wish, &rates).map_err(|e| e.to_string()));
        let plan = plan.map_err(|why| format!("xhpl --auto: {}\n", why.trim_end()))?;
        eprint!("{}", answer::text(&plan, &source));
        Ok(sweep_of(&plan))
    });
    Ok((input::share(world, planned)?, sinks))
}

const TUNED: &str = "told from what `xhpl tune` measured on this CPU";

fn measured(rates: &Rates) -> String {
    let largest = rates.solves.iter().map(|solve| solve.n).max().unwrap_or(0);
    format!("told from solves up to N = {largest}, measured just now")
}

/// The rates of the profile, if they are those of the ranks and threads at hand.
fn told<'p>(profile: &'p Profile, site: &Site) -> Option<&'p Rates> {
    (site.ranks == 1 && site.threads == profile.threads).then_some(&profile.rates)
}

fn probe_time(wish: &Wish) -> Duration {
    let run = wish.minutes.map_or(f64::INFINITY, |minutes| 60.0 * minutes);
    Duration::from_secs_f64((PART * run).clamp(SHORTEST.as_secs_f64(), probe::USUAL.as_secs_f64()))
}

/// Memory for a rank; all that there may be is what stands for "not known".
fn known(memory: f64) -> Option<u64> {
    (memory < u64::MAX as f64 / 65_536.0).then_some(memory as u64)
}

/// Measures on ranks that are threads of this process, each at its own cores.
fn probe_here(
    site: &Site,
    topology: &Topology,
    kernel: &'static Kernel,
    shares: Shares,
    time: Duration,
) -> Result<Rates, String> {
    let pus: Vec<usize> = topology.allowed_cores().iter().map(|core| core.pu).collect();
    let (p, q) = site.grid();
    let all = ThreadComm::run(site.ranks, SendMode::Rendezvous, |world| {
        // Each has cores of its own, as under a launcher.
        world.wait_policy().set_oversubscribed(false);
        let first = world.rank() * site.threads;
        let pus = pus[first..first + site.threads].to_vec();
        let place = Place { threads: site.threads, pus, oversubscribed: false, warning: None };
        let cx = place::settle(&place, topology.clone(), kernel)?.with_shares(shares);
        let grid = Grid::new(&world, p, q, Order::RowMajor).expect("all ranks are in it");
        let node = world.split_node();
        let bar = if world.rank() == 0 { probe::bar() } else { ProgressBar::hidden() };
        Probe { cx: &cx, grid: &grid, node: &node, nb: site.nb, time }.rates(&bar)
    });
    all.into_iter().next().expect("one rank or more")
}

fn sweep_of(plan: &RunPlan) -> Sweep {
    let time = answer::duration(plan.seconds);
    let expected = format!("Planned by xhpl: expected to take {time}, at {:.1} Gflop/s", plan.gflops);
    let of = Sweep::of(plan.params, input::THRESHOLD);
    let [title, _] = of.titles;
    Sweep { titles: [title, expected], ..of }
}

/// Writes the plan for programs.
fn write(options: &PlanOptions, plan: &RunPlan) -> Result<(), String> {
    let dat = sweep_of(plan).to_dat();
    if options.json {
        let mut json = serde_json::to_value(plan).map_err(|e| e.to_string())?;
        json["hpl_dat"] = dat.into();
        println!("{}", serde_json::to_string_pretty(&json).map_err(|e| e.to_string())?);
        return Ok(());
    }
    let Some(file) = options.dat.as_deref() else {
        print!("{dat}");
        return Ok(());
    };
    let mut how = OpenOptions::new();
    how.write(true);
    if options.force {
        how.create(true).truncate(true)
    } else {
        how.create_new(true)
    };
    let written = how.open(file).and_then(|mut opened| opened.write_all(dat.as_bytes()));
    written.map_err(|e| match e.kind() {
        std::io::ErrorKind::AlreadyExists => exists(file),
        _ => format!("--dat {}: {e}. Name a file that can be written", file.display()),
    })?;
    let launcher = if plan.ranks > 1 { format!("mpirun -np {} --bind-to none ", plan.ranks) } else { String::new() };
    eprintln!("{} is written. Run it: {launcher}xhpl --dat {}", file.display(), file.display());
    Ok(())
}

/// What can be said against a file before anything is measured; nothing is made yet.
fn writable(file: &Path, force: bool) -> Result<(), String> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if file.exists() && !force {
        return Err(exists(file));
    }
    if !folder.is_dir() {
        return Err(format!(
            "--dat {}: there is no folder {}. Make it, or name another",
            file.display(),
            folder.display()
        ));
    }
    Ok(())
}

fn exists(file: &Path) -> String {
    format!("--dat {}: the file is there already. Name another, or add --force to write over it", file.display())
}
