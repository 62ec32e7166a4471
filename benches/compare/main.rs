//! Ours beside its peers, in turns, in one table: the product, LU and HPL, each beside the FMA peak measured just
//! before. `cargo xtask compare` gets the peers and starts this.
//!
//! ```text
//!   main.rs     what is compared, and the turns
//!   peers.rs    which peers this machine has
//!   child.rs    a product or an LU in a process of its own, so that no library's threads disturb another's
//!   blas.rs     libraries opened while we run
//!   hpl.rs      xhpl, hpcc, a netlib xhpl: whole programs
//!   variants.rs every variant of ours, beside the usual one
//!   wire.rs     ours and hpcc on a slow wire
//!   process.rs  a program under mpirun, and the memory of its ranks
//!   table.rs    the table
//! ```
#![deny(unsafe_code)]

mod blas;
mod child;
mod hpl;
mod peers;
mod process;
mod table;
mod variants;
mod wire;

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::ExitCode;

use benches::machine::Machine;
use benches::{program, smoke};
use clap::Parser;
use hpl_core::gemm::kernel;
use indicatif::{ProgressBar, ProgressStyle};

use child::{Job, Library};
use hpl::{Case, Ours};
use hpl_spec::params::RunParams;
use peers::Peers;
use table::{Row, Table};
use wire::{Told, Wire};

/// The block size on a slow wire: small panels begin to travel early. HPL 2.0 was fastest with it, too.
const WIRE_NB: usize = 128;

/// Compares this project with others on this machine.
#[derive(Debug, Parser)]
#[command(name = "compare", no_binary_name = false)]
struct Arguments {
    /// Only these: product, lu, hpl; variants and wire (on a network of 1 Gbit/s, as root) only if they are named.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    only: Vec<What>,
    /// Small sizes and one round each: to see that it works.
    #[arg(long)]
    quick: bool,
    /// How often each product is timed.
    #[arg(long, value_name = "R", default_value_t = 5)]
    products: usize,
    /// How often each LU and each HPL is timed.
    #[arg(long, value_name = "R", default_value_t = 3)]
    runs: usize,
    /// An xhpl of netlib's to compare with.
    #[arg(long, value_name = "FILE", env = "HPLAAS_NETLIB_XHPL")]
    netlib: Option<PathBuf>,
    /// A folder in which the matrix libraries of PyPI are installed.
    #[arg(long, value_name = "DIR", env = "HPLAAS_PEERS")]
    peers: Option<PathBuf>,
    /// A profile of `xhpl tune` for our xhpl; it takes none that is not named.
    #[arg(long, value_name = "FILE")]
    profile: Option<PathBuf>,
    /// Also write the table to this file.
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// One measurement, for this program itself.
    #[arg(long, hide = true, value_name = "JSON")]
    child: Option<String>,
    // What `cargo bench` passes on.
    #[arg(long, hide = true)]
    bench: bool,
    #[arg(long, hide = true)]
    list: bool,
    #[arg(long, hide = true)]
    test: bool,
    #[arg(hide = true)]
    words: Vec<String>,
}

/// What can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    Product,
    Lu,
    Hpl,
    Variants,
    Wire,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.list {
        println!("compare: benchmark");
        return ExitCode::SUCCESS;
    }
    if let Some(job) = &arguments.child {
        return child::answer(job);
    }
    let named = !arguments.words.is_empty() && program::wanted("compare", &arguments.words);
    if !named && !smoke() {
        println!("compare: takes half an hour, so it runs only if it is named: cargo xtask compare");
        return ExitCode::SUCCESS;
    }
    match compare(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("compare: a residual is too large");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A row of the table in the making: who, and how to measure it once.
struct Entry<'a> {
    row: Row,
    measure: Box<dyn Fn() -> Result<table::Figure, String> + 'a>,
}

/// Runs and prints all. The answer is whether every residual of ours passed.
fn compare(arguments: &Arguments) -> Result<bool, String> {
    let quick = arguments.quick || smoke();
    let machine = Machine::discover();
    let peers = Peers::find(arguments.peers.as_deref(), arguments.netlib.as_deref());
    let xhpl = program::find("HPLAAS_XHPL", "hpl-mpi", "xhpl")?;
    let wanted = |what| arguments.only.is_empty() || arguments.only.contains(&what);
    let rounds = |usual| if quick { 1 } else { usual };
    println!("{}", peers.describe());

    let ours = Ours::new(xhpl, arguments.profile.as_deref())?;
    let mut table = Table::new(&machine, &peers, &ours);
    if wanted(What::Product) {
        let (m, depths): (_, &[usize]) = if quick { (500, &[64]) } else { (6000, &[128, 256, 384]) };
        for threads in machine.team_sizes() {
            for &k in depths {
                let work = format!("gemm m=n={m}, k={k}, {threads} thread{}", if threads == 1 { "" } else { "s" });
                let entries = products(&peers, threads, (m, k));
                table.add(&work, in_turns(&work, entries, rounds(arguments.products))?);
            }
        }
    }
    let orders: &[usize] = if quick { &[500] } else { &[8000, 20_000] };
    for &n in orders {
        let threads = machine.cores();
        let work = format!("N={n}, {threads} cores");
        let mut entries = Vec::new();
        if wanted(What::Hpl) {
            entries.extend(hpl_entries(&machine, &peers, &ours, n));
        }
        if wanted(What::Lu) {
            entries.extend(factorizations(&peers, threads, n));
        }
        table.add(&work, in_turns(&work, entries, rounds(arguments.runs))?);
    }
    if arguments.only.contains(&What::Variants) {
        for (work, variants) in variants::groups(if quick { 500 } else { 8000 }) {
            let entry = |(name, params): &(String, _)| {
                let (params, ours, machine) = (*params, &ours, &machine);
                let measure = move || ours.run_with(params, 1, machine);
                Entry { row: Row::new(name, true), measure: Box::new(measure) }
            };
            table.add(&work, in_turns(&work, variants.iter().map(entry).collect(), rounds(arguments.runs))?);
        }
    }
    let told = RefCell::new(Vec::new());
    if arguments.only.contains(&What::Wire) {
        let wire = Wire::lay().map_err(|e| format!("the wire cannot be laid: {e}"))?;
        for &n in if quick { &[500][..] } else { &[8000, 16_000] } {
            let work = format!("1 Gbit/s, N={n}, 1x2, a core each");
            let entries = on_the_wire(&wire, n, &ours, &machine, &peers, &told);
            table.add(&work, in_turns(&work, entries, rounds(arguments.runs))?);
        }
    }
    let text = table.to_string() + &wire::summary(&told.into_inner());
    print!("\n{text}");
    if let Some(file) = &arguments.write {
        std::fs::write(file, &text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(table.passed())
}

fn products<'a>(peers: &'a Peers, threads: usize, (m, k): (usize, usize)) -> Vec<Entry<'a>> {
    let job = move |library: Library| Job::Product { library, threads, m, k };
    let ours = |name: &str| child_entry(&format!("ours, {name}"), true, job(Library::Ours(name.to_owned())), None);
    let tiled = kernel::available().filter(|kernel| kernel.tile_shape().is_some());
    let mut entries: Vec<Entry> = tiled.map(|kernel| ours(kernel.name)).collect();
    entries.push(child_entry("faer", false, job(Library::Faer), None));
    for library in &peers.libraries {
        entries.push(child_entry(&library.name, false, job(Library::File(library.file.clone())), Some(library)));
    }
    entries
}

fn factorizations(peers: &Peers, threads: usize, n: usize) -> Vec<Entry<'_>> {
    let job = move |library: Library| Job::Factor { library, threads, n };
    let mut entries = Vec::new();
    for library in peers.libraries.iter().filter(|library| library.factors) {
        let name = format!("{} dgetrf, {threads} threads", library.name);
        entries.push(child_entry(&name, false, job(Library::File(library.file.clone())), Some(library)));
    }
    entries.push(child_entry(&format!("faer LU, {threads} threads"), false, job(Library::Faer), None));
    entries
}

/// Ours at several depths and the best row of HPL 2.0, on a slow wire.
fn on_the_wire<'a>(
    wire: &'a Wire,
    n: usize,
    ours: &'a Ours,
    machine: &'a Machine,
    peers: &'a Peers,
    told: &'a RefCell<Vec<Told>>,
) -> Vec<Entry<'a>> {
    let params = RunParams::new(n, WIRE_NB, 1, 2);
    let mut entries: Vec<Entry> = [1, 0, 2]
        .into_iter()
        .map(|depth| {
            let params = RunParams { depth, ..params };
            let measure = move || {
                let (figure, account) = wire.ours(ours, params, machine)?;
                told.borrow_mut().push(account);
                Ok(figure)
            };
            Entry { row: Row::new(&format!("xhpl, NB {WIRE_NB}, DEPTH {depth}"), true), measure: Box::new(measure) }
        })
        .collect();
    if let Some(hpcc) = &peers.hpcc {
        let measure = move || wire.hpcc(hpcc, params, machine);
        let row = Row::new(&format!("hpcc (HPL 2.0), NB {WIRE_NB}, DEPTH 1"), false);
        entries.push(Entry { row, measure: Box::new(measure) });
    }
    entries
}

fn child_entry<'a>(name: &str, ours: bool, job: Job, library: Option<&'a peers::Peer>) -> Entry<'a> {
    Entry { row: Row::new(name, ours), measure: Box::new(move || child::ask(&job, library)) }
}

/// One rank on all cores, and where there are two cores or more, a rank on each in a row and in a column.
fn hpl_entries<'a>(machine: &'a Machine, peers: &'a Peers, ours: &'a Ours, n: usize) -> Vec<Entry<'a>> {
    let cores = machine.cores();
    let mut shapes = vec![(1, 1, cores)];
    if cores > 1 {
        shapes.extend([(1, cores, 1), (cores, 1, 1)]);
    }
    let mut entries = Vec::new();
    for (p, q, threads) in shapes {
        let case = Case { n, p, q, threads };
        let measure = move || ours.run(case, machine);
        let row = Row { order: Some(n), ..Row::new(&format!("xhpl, {case}"), true) };
        entries.push(Entry { row, measure: Box::new(measure) });
    }
    let whole = Case { n, p: 1, q: 1, threads: cores };
    // Its other tests take minutes at large N.
    if let Some(hpcc) = peers.hpcc.as_ref().filter(|_| n <= 10_000) {
        let measure = move || hpcc.run(whole, machine);
        entries.push(Entry { row: Row::new(&format!("hpcc (HPL 2.0), {whole}"), false), measure: Box::new(measure) });
    }
    if let Some(netlib) = &peers.netlib {
        let measure = move || hpl::netlib(netlib, whole, machine);
        entries.push(Entry { row: Row::new(&format!("netlib xhpl, {whole}"), false), measure: Box::new(measure) });
    }
    entries
}

/// Each entry once, then each again, and so on: a machine that drifts is the same for all.
fn in_turns(work: &str, entries: Vec<Entry>, rounds: usize) -> Result<Vec<Row>, String> {
    let style = ProgressStyle::with_template("  [{bar:30}] {percent:>3} %  {prefix}: {msg}");
    let bar = ProgressBar::new((rounds * entries.len()) as u64);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar.set_prefix(work.to_owned());
    let (mut rows, measures): (Vec<Row>, Vec<_>) = entries.into_iter().map(|e| (e.row, e.measure)).unzip();
    for _ in 0..rounds {
        for (row, measure) in rows.iter_mut().zip(&measures) {
            bar.set_message(row.name.clone());
            match measure() {
                Ok(figure) => row.figures.push(figure),
                Err(why) if row.ours => return Err(format!("{}: {why}", row.name)),
                Err(why) => bar.suspend(|| eprintln!("{}: {why}", row.name)),
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(rows)
}
