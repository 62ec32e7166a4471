//! `xhpl tune`: measures which parts of the caches and which NB are fastest on this CPU, and writes its profile.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use hpl_core::buffer::AllocError;
use hpl_core::context::Context;
use hpl_core::gemm::kernel;
use hpl_core::topology::Topology;
use hpl_mpi::comm::thread::ThreadComm;
use hpl_mpi::factorize::factorize;
use hpl_mpi::grid::Grid;
use hpl_mpi::matrix::DistMatrix;
use hpl_mpi::variant::Variant;
use hpl_spec::params::{Order, RunParams};
use hpl_spec::profile::{FORMAT, Measured, Profile, Shares};
use hpl_spec::rates::Rates;
use hpl_spec::report::Phases;
use indicatif::{ProgressBar, ProgressStyle};

use crate::place::{self, Place};
use crate::probe::{self, Probe};
use crate::product::Product;
use crate::profile;

/// Order of the products that are timed, and their depth.
const PRODUCT: (usize, usize) = (5000, 256);
/// How often each is timed; the median counts.
const TIMES: usize = 5;
/// Order of the matrices that are factored.
const ORDER: usize = 8000;
/// How often each NB is tried.
const ROUNDS: usize = 2;
/// The block sizes that are tried.
const NBS: [usize; 6] = [128, 160, 192, 224, 256, 320];
/// How long solves are measured of which `xhpl plan` tells the time of others: three times what it would take itself.
const PROBE: Duration = Duration::from_secs(10);
/// The same with --quick.
const QUICK_PROBE: Duration = Duration::from_millis(300);
/// A change is taken if it gains this much; less is noise.
const GAIN: f64 = 1.005;

/// What is tuned for.
pub struct Wish {
    /// The kernel, or the best.
    pub kernel: Option<String>,
    /// Threads, or all cores.
    pub threads: Option<usize>,
    /// Where the profile goes, or the usual place.
    pub file: Option<PathBuf>,
    /// Smaller matrices and few of them: to see that it works.
    pub quick: bool,
}

/// The sizes of what is measured.
#[derive(Clone, Copy)]
struct Sizes {
    product: (usize, usize),
    times: usize,
    order: usize,
    rounds: usize,
    probe: Duration,
}

/// Measures, shows progress, writes the profile, and says what was found.
///
/// # Errors
/// A sentence.
pub fn tune(wish: &Wish) -> Result<(), String> {
    let file = wish.file.clone().or_else(profile::usual_file);
    let file = file.ok_or("there is no configuration folder (HOME is not set); name a file with --profile FILE")?;
    let kernel = kernel::pick(wish.kernel.as_deref())?;
    let topology = Topology::discover().map_err(|e| e.to_string())?;
    let cores = topology.allowed_cores();
    let threads = wish.threads.unwrap_or(cores.len());
    let pinned = threads <= cores.len();
    let pus = if pinned { cores.iter().take(threads).map(|core| core.pu).collect() } else { Vec::new() };
    let place = Place { threads, pus, oversubscribed: !pinned, warning: None };
    let cx = place::settle(&place, topology.clone(), kernel)?;
    let sizes = if wish.quick {
        Sizes { product: (600, 64), times: 1, order: 400, rounds: 1, probe: QUICK_PROBE }
    } else {
        Sizes { product: PRODUCT, times: TIMES, order: ORDER, rounds: ROUNDS, probe: PROBE }
    };
    eprintln!("xhpl tune: {} with {threads} threads on {}", kernel.name, topology.cpu_model);
    let found = measure(cx, sizes)?;
    let profile = Profile {
        format: FORMAT,
        cpu_model: topology.cpu_model.clone(),
        kernel: kernel.name.into(),
        caches: profile::caches(topology.cache_sizes()),
        threads,
        shares: found.shares,
        nb: found.nb,
        measured: found.measured,
        rates: found.rates,
        version: env!("CARGO_PKG_VERSION").into(),
    };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    fs::write(&file, profile.to_text()).map_err(|e| format!("{}: {e}", file.display()))?;
    let Measured { product, product_untuned, lu } = profile.measured;
    println!("product  {product:8.1} Gflop/s, {product_untuned:.1} before");
    println!("LU       {lu:8.1} Gflop/s at N = {}, NB = {}", sizes.order, profile.nb);
    println!("profile  {}", file.display());
    println!("Later runs on this CPU use it; `--profile none` does without. `xhpl plan` tells from it what to run.");
    Ok(())
}

struct Found {
    shares: Shares,
    nb: usize,
    measured: Measured,
    rates: Rates,
}

fn measure(cx: Context, sizes: Sizes) -> Result<Found, String> {
    let refused = |e: AllocError| e.to_string();
    let usual = Shares::default();
    let tries: usize = CANDIDATES.iter().map(|candidates| candidates(usual).len()).sum();
    let bar = bar((tries + 1 + (1 + NBS.len()) * sizes.rounds) as u64);
    let mut product = Product::new(sizes.product.0, sizes.product.1).map_err(refused)?;
    let times = sizes.times;
    bar.set_message("product, usual blocks");
    let mut cx = cx.with_shares(usual);
    let (mut best, mut rate) = (usual, product.rate(&cx, times));
    bar.inc(1);
    // Each beside the best so far, in the same moments; the three shares hardly depend on each other.
    for candidates in CANDIDATES {
        for shares in candidates(best) {
            bar.set_message(format!("product, {rate:.1} Gflop/s so far"));
            if shares != best && shares.are_sane() {
                cx = cx.with_shares(shares);
                let tried = product.rate(&cx, times);
                cx = cx.with_shares(best);
                if tried > product.rate(&cx, times) * GAIN {
                    (best, rate) = (shares, tried);
                }
            }
            bar.inc(1);
        }
    }
    // What is told of both was measured in the same moments.
    let (mut tuned, mut untuned) = (0.0_f64, 0.0_f64);
    for _ in 0..sizes.rounds {
        cx = cx.with_shares(usual);
        untuned = untuned.max(product.rate(&cx, times));
        cx = cx.with_shares(best);
        tuned = tuned.max(product.rate(&cx, times));
        bar.inc(1);
    }
    drop(product);
    let mut rates = vec![0.0_f64; NBS.len()];
    for _ in 0..sizes.rounds {
        for (nb, rate) in NBS.iter().zip(&mut rates) {
            bar.set_message(format!("LU with NB = {nb}"));
            *rate = rate.max(lu_rate(&cx, sizes.order, *nb).map_err(refused)?);
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    let (nb, lu) = NBS.iter().zip(rates).max_by(|a, b| a.1.total_cmp(&b.1)).expect("there are some");
    let measured = Measured { product: tuned, product_untuned: untuned, lu };
    cx = cx.with_shares(best);
    let (solo, alone) = (ThreadComm::solo(), ThreadComm::solo());
    let grid = Grid::new(&solo, 1, 1, Order::RowMajor).expect("one rank is a grid");
    let probe = Probe { cx: &cx, grid: &grid, node: &alone, nb: Some(*nb), time: sizes.probe };
    let rates = probe.rates(&probe::bar())?;
    Ok(Found { shares: best, nb: *nb, measured, rates })
}

/// What is tried instead of the best so far, one share after the other.
const CANDIDATES: [fn(Shares) -> Vec<Shares>; 3] = [
    |best| [96, 144, 192, 288].map(|widest| Shares { widest, ..best }).into(),
    |best| [0.05, 0.1, 0.1875, 0.25, 0.35].map(|block| Shares { block, ..best }).into(),
    |best| [0.1875, 0.25, 0.35, 0.55].map(|strip| Shares { strip, ..best }).into(),
];

fn bar(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("  [{bar:30}] {percent:>3} %  {msg}, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ");
    ProgressBar::new(steps).with_style(style)
}

/// The rate of one factorization, in Gflop/s.
fn lu_rate(cx: &Context, n: usize, nb: usize) -> Result<f64, AllocError> {
    let grid = Grid::new(&ThreadComm::solo(), 1, 1, Order::RowMajor).expect("one rank is a grid");
    let mut a = DistMatrix::allocate(&grid, n, nb, RunParams::new(n, nb, 1, 1).align)?;
    a.generate(cx);
    let params = RunParams::new(n, nb, 1, 1);
    let start = Instant::now();
    factorize(cx, &grid, &mut a, Variant::of(&params), &mut Phases::default(), &mut |_, _| {});
    Ok(params.gflops(start.elapsed().as_secs_f64()))
}
