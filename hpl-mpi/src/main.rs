//! `xhpl`: a drop-in for netlib's program of that name.
//!
//! Reads HPL.dat (or options), runs its tests on the ranks that `mpirun` started, checks them, and writes
//! HPL.out. Rank 0 alone reads and prints; every rank learns of an error and ends with the same status.
#![forbid(unsafe_code)]

#[path = "xhpl/answer.rs"]
mod answer;
#[path = "xhpl/args.rs"]
mod args;
#[path = "xhpl/describe.rs"]
mod describe;
#[path = "xhpl/input.rs"]
mod input;
#[path = "xhpl/place.rs"]
mod place;
#[path = "xhpl/plan.rs"]
mod plan;
#[path = "xhpl/probe.rs"]
mod probe;
#[path = "xhpl/product.rs"]
mod product;
#[path = "xhpl/profile.rs"]
mod profile;
#[path = "xhpl/record.rs"]
mod record;
#[path = "xhpl/sink.rs"]
mod sink;
#[path = "xhpl/tune.rs"]
mod tune;
#[path = "xhpl/watch.rs"]
mod watch;

use std::cell::RefCell;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use args::{Args, Command};
use hpl_core::context::Context;
use hpl_core::gemm::kernel;
use hpl_core::memory::peak_resident;
use hpl_core::topology::{Topology, hostname};
use hpl_mpi::account::measure_peak;
use hpl_mpi::comm::mpi::{MpiComm, MpiWorld};
use hpl_mpi::comm::{Comm, barrier, max_all, sum_all};
use hpl_mpi::grid::Grid;
use hpl_mpi::run::{Runner, memory_available};
use hpl_mpi::trace::Traced;
use hpl_spec::dat::Sweep;
use hpl_spec::event::RunEvent;
use hpl_spec::out;
use hpl_spec::params::{RunParams, Storage};
use hpl_spec::profile::{ProfileUsed, Shares};
use hpl_spec::report::{RunReport, SweepReport, Tally, checks};
use record::Record;
use watch::Watch;

/// The tests were run.
const DONE: u8 = 0;
/// The input is illegal, or the tests could not be run or reported.
const ILLEGAL: u8 = 1;
/// With --strict: a test failed or was skipped.
const NOT_PASSED: u8 = 2;

/// How long the peak is measured, where a report wants it.
const PEAK_TIME: Duration = Duration::from_millis(100);

/// What launchers tell the processes they start: their rank.
const RANK_VARIABLES: [&str; 4] = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"];

fn main() -> ExitCode {
    let launched = RANK_VARIABLES.iter().find_map(|name| std::env::var(name).ok());
    let first = launched.as_deref().is_none_or(|rank| rank == "0");
    let args = Args::read(first);
    match args.command {
        // Of ranks that a launcher started, one answers.
        Some(Command::Plan(_)) if !first => return ExitCode::from(DONE),
        Some(Command::Plan(options)) => return ended("plan", plan::answer(&options)),
        Some(Command::Describe { peak }) => return ended("describe", describe_node(peak)),
        Some(Command::Tune { profile, kernel, threads, quick }) => {
            return ended("tune", tune::tune(&tune::Wish { kernel, threads, file: profile, quick }));
        }
        None => {}
    }
    let watch = watch::abort_on_panic();
    let mpi = match MpiWorld::init() {
        Ok(mpi) => mpi,
        Err(e) => {
            eprintln!("xhpl: {e}");
            return ExitCode::from(ILLEGAL);
        }
    };
    let world = mpi.world();
    match run(&world, &args, launched.is_none() && world.size() == 1, &watch) {
        Ok(status) => ExitCode::from(status),
        Err(what) => {
            if !what.is_empty() {
                eprint!("{what}");
            }
            ExitCode::from(ILLEGAL)
        }
    }
}

fn describe_node(peak: bool) -> Result<(), String> {
    let node = describe::describe(peak)?;
    println!("{}", serde_json::to_string_pretty(&node).map_err(|e| e.to_string())?);
    Ok(())
}

/// The exit status of a command that needs no MPI; what went wrong is said.
fn ended(command: &str, result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::from(DONE),
        Err(e) => {
            eprintln!("xhpl {command}: {e}");
            ExitCode::from(ILLEGAL)
        }
    }
}

/// Everything between MPI's start and its end. Collective; an error is an error on every rank, and its text
/// is empty where it is not to be said.
fn run(world: &MpiComm, args: &Args, alone: bool, watch: &Watch) -> Result<u8, String> {
    let looked = kernel::pick(args.kernel.as_deref())
        .and_then(|kernel| Ok((kernel, Topology::discover().map_err(|e| e.to_string())?)));
    let (kernel, topology) = agree(world, looked)?;
    let node = world.split_node();
    let place = place::decide(&node, &topology, args.threads);
    world.wait_policy().set_oversubscribed(place.oversubscribed);
    let (served, refused) = profile::find(world, args.profile.as_deref(), &topology, kernel);
    // On another node there may be another CPU.
    let shares = served.as_ref().filter(|served| profile::foreign(&served.profile, &topology, kernel).is_none());
    let shares = shares.map_or_else(Shares::default, |served| served.profile.shares);
    let cores = topology.cores.len();
    let cx = agree(world, place::settle(&place, topology, kernel))?.with_shares(shares);
    let (sweep, mut sinks) = if args.auto {
        plan::sweep((world, &node), &cx, (cores, alone), args, served.as_ref())?
    } else {
        input::sweep(world, args, served.as_ref().map(|served| served.profile.nb))?
    };
    warn(&node, place.warning.as_deref());
    if let Some(why) = refused {
        eprintln!("xhpl: {why}");
    }
    if let Some(sinks) = sinks.as_mut().filter(|_| alone) {
        sinks.draw_progress();
    }
    let report = SweepReport {
        program: env!("CARGO_BIN_NAME").into(),
        version: env!("CARGO_PKG_VERSION").into(),
        kernel: cx.kernel().name.into(),
        threads: cx.team().size(),
        ranks: world.size(),
        profile: served.map(|served| served.used),
        peak_memory: 0,
        reports: Vec::new(),
        tally: Tally::default(),
        cancelled: None,
    };
    let notes = notes(&sweep, report.profile.as_ref());
    let record = sinks.map(|sinks| Arc::new(Record::new(sinks, report)));
    agree(world, watch.begin(world.wait_policy(), world.rank(), record.clone()))?;
    let tally = run_sweep(world, &cx, &sweep, &notes, args, record.as_deref());
    // Ranks outside every grid know no verdicts.
    let Tally { failed, skipped, .. } = tally;
    let mut not_passed = [(failed + skipped) as f64];
    max_all(world, &mut not_passed);
    let mut memory = [peak_resident().unwrap_or(0) as f64];
    sum_all(world, &mut memory);
    agree(world, record.map_or(Ok(()), |record| record.end(memory[0] as u64)))?;
    Ok(if args.strict && not_passed[0] > 0.0 { NOT_PASSED } else { DONE })
}

/// The result, if it is one on every rank; else an error on every rank, with a text on the first that failed.
fn agree<T>(world: &MpiComm, result: Result<T, String>) -> Result<T, String> {
    let me = world.rank() as f64;
    let mut first = [if result.is_err() { -me } else { f64::NEG_INFINITY }];
    max_all(world, &mut first);
    match result {
        Ok(value) if first[0] == f64::NEG_INFINITY => Ok(value),
        Err(why) if first[0] == -me => Err(format!("xhpl on {}: {why}\n", hostname())),
        _ => Err(String::new()),
    }
}

/// Says a warning once a node: the first rank that has one does.
fn warn(node: &MpiComm, warning: Option<&str>) {
    let me = node.rank() as f64;
    let mut first = [if warning.is_some() { -me } else { f64::NEG_INFINITY }];
    max_all(node, &mut first);
    if let Some(warning) = warning.filter(|_| first[0] == -me) {
        eprintln!("xhpl: warning: {warning}");
    }
}

/// Runs every test of the sweep; rank 0 keeps the record. The tests that this rank took part in. Collective.
fn run_sweep(
    world: &MpiComm,
    cx: &Context,
    sweep: &Sweep,
    notes: &[String],
    args: &Args,
    record: Option<&Record>,
) -> Tally {
    let say = |text: &str| record.into_iter().for_each(|record| record.say(text));
    let event = |event: &RunEvent| record.into_iter().for_each(|record| record.event(event));
    say(&out::header(sweep, notes));
    let wanted = args.waterfall || args.json.is_some();
    let peak = if wanted {
        // All ranks at once, as they compute.
        barrier(world);
        measure_peak(cx, PEAK_TIME)
    } else {
        0.0
    };
    let mut tally = Tally::default();
    let (tests, mut head_is_due) = (sweep.tests(), true);
    event(&RunEvent::SweepStarted {
        tests,
        ranks: world.size(),
        threads: cx.team().size(),
        kernel: cx.kernel().name.into(),
        host: hostname(),
    });
    let mut grid: Option<GridOfShape> = None;
    for (test, params) in sweep.runs().enumerate() {
        let place = match grid.take() {
            Some(place) if place.shape == (params.p, params.q) => place,
            _ => GridOfShape::new(world, &params),
        };
        let Some((grid, node)) = &grid.insert(place).members else { continue };
        let spans = RefCell::new(Vec::new());
        let keep = |found: &[Traced]| *spans.borrow_mut() = found.to_vec();
        // Always to standard output, wherever the report goes. Nobody may be reading it.
        let told = |line: &str| drop(io::stdout().write_all(line.as_bytes()));
        let runner = Runner {
            cx,
            grid,
            node,
            threshold: sweep.threshold,
            test: test + 1,
            tests,
            clock: &ctime,
            available: &memory_available,
            peak,
            progress: if args.progress_report { Some(&told) } else { None },
            trace: if args.trace.is_some() { Some(&keep) } else { None },
        };
        // Ranks outside the grid wait as long as it takes.
        world.wait_policy().set_stall_limit(args.stall_timeout);
        let result: RunReport = runner.run(&params, &mut |e| event(&e));
        world.wait_policy().set_stall_limit(None);
        say(&out::test(&result, &mut head_is_due, args.detailed_timing));
        if let (Some(account), Some(record), true) = (&result.account, record, args.waterfall) {
            record.tell(&account.waterfall.to_text(params.flops()));
        }
        tally.count(&result.verdict);
        if let Some(record) = record {
            record.trace(test + 1, &spans.take());
            record.done(result);
        }
    }
    event(&RunEvent::SweepEnded { tally });
    say(&out::trailer(&tally, checks(sweep.threshold), args.detailed_timing));
    tally
}

/// A grid as one rank sees it; it serves all tests of its shape.
struct GridOfShape {
    shape: (usize, usize),
    /// The grid and its ranks on this node, unless this rank is idle.
    members: Option<(Grid<MpiComm>, MpiComm)>,
}

impl GridOfShape {
    /// The grid of these parameters. Collective over the world.
    fn new(world: &MpiComm, params: &RunParams) -> GridOfShape {
        let members = Grid::new(world, params.p, params.q, params.order).map(|grid| {
            let node = grid.all.split_node();
            (grid, node)
        });
        GridOfShape { shape: (params.p, params.q), members }
    }
}

/// A line on the storage forms, if one is asked for that makes no difference, and one on the profile, if there is one.
fn notes(sweep: &Sweep, profile: Option<&ProfileUsed>) -> Vec<String> {
    let usual = (sweep.l1, sweep.u) == (Storage::Transposed, Storage::Transposed);
    let forms = "Forms  : one storage form of L1 and one of U serve both choices; results and speed are the same";
    let profile = profile.map(|used| format!("Profile: {} (SHA-256 {})", used.file, used.sha256));
    (!usual).then(|| forms.to_owned()).into_iter().chain(profile).collect()
}

/// Local time as C's `ctime` writes it: `Thu Oct  2 18:37:13 2023`.
fn ctime() -> String {
    jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y").to_string()
}
