//! A product or an LU in a process of its own: libraries keep threads that spin for a while after their work, and
//! would take the cores of whoever comes next.

use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use benches::machine::Machine;
use benches::work::{factor_flops, netlib_matrix, product_flops};
use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::lu::partial_pivoting::factor::{lu_in_place, lu_in_place_scratch};
use faer::{Accum, Mat, Par};
use hpl_core::gemm::{gemm, kernel};
use hpl_core::matrix::Matrix;
use serde::{Deserialize, Serialize};

use super::blas::Blas;
use super::hpl::settle_library;
use super::peers::Peer;
use super::table::Figure;

/// How long the FMA peak before a measurement is measured.
const PEAK_TIME: Duration = Duration::from_millis(400);

/// Who computes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Library {
    /// This project, with the kernel of that name.
    Ours(String),
    /// faer.
    Faer,
    /// A library in a file.
    File(PathBuf),
}

/// What is to be computed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Job {
    /// C(m×m) −= A(m×k)·B(k×m).
    Product {
        /// By whom.
        library: Library,
        /// On how many cores.
        threads: usize,
        /// Order of C.
        m: usize,
        /// Depth.
        k: usize,
    },
    /// P·A = L·U.
    Factor {
        /// By whom.
        library: Library,
        /// On how many cores.
        threads: usize,
        /// Order of A.
        n: usize,
    },
}

impl Job {
    fn threads(&self) -> usize {
        match self {
            Job::Product { threads, .. } | Job::Factor { threads, .. } => *threads,
        }
    }
}

/// Measures once, in a new process. `peer` is the library of the job, if it is in a file.
///
/// # Errors
/// A sentence.
pub fn ask(job: &Job, peer: Option<&Peer>) -> Result<Figure, String> {
    let this = std::env::current_exe().map_err(|e| e.to_string())?;
    let text = serde_json::to_string(job).map_err(|e| e.to_string())?;
    let mut command = Command::new(this);
    command.arg("--child").arg(text).stdin(Stdio::null()).stderr(Stdio::inherit());
    settle_library(&mut command, job.threads());
    if let Some(folder) = peer.and_then(|peer| peer.file.parent()) {
        // MKL opens its parts by name.
        command.env("LD_LIBRARY_PATH", folder);
    }
    let ended = command.output().map_err(|e| e.to_string())?;
    if !ended.status.success() {
        return Err(format!("the measurement ended with {}", ended.status));
    }
    serde_json::from_slice(&ended.stdout).map_err(|e| format!("the measurement said nothing of use: {e}"))
}

/// In the new process: measures and prints the figure.
pub fn answer(job: &str) -> ExitCode {
    let measured = serde_json::from_str(job).map_err(|e| e.to_string()).and_then(|job: Job| measure(&job));
    match measured.and_then(|figure| serde_json::to_string(&figure).map_err(|e| e.to_string())) {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn measure(job: &Job) -> Result<Figure, String> {
    let machine = Machine::discover();
    let wide = !matches!(job, Job::Product { library: Library::Ours(kernel), .. } if kernel.starts_with("avx2"));
    let peak = |machine: &Machine| {
        let threads = job.threads();
        if wide { machine.fma_peak(threads, PEAK_TIME) } else { machine.fma_peak_256(threads, PEAK_TIME) }
    };
    let (peak, gflops) = match job {
        Job::Product { library, threads, m, k } => product(&machine, library, *threads, (*m, *k), &peak)?,
        Job::Factor { library, threads, n } => factor(&machine, library, *threads, *n, &peak)?,
    };
    Ok(Figure { gflops, peak, residual: None, passed: true, resident: None })
}

/// The peak, then the rate: once to warm up, then the best of two, since each is short.
fn product(
    machine: &Machine,
    library: &Library,
    threads: usize,
    (m, k): (usize, usize),
    peak: &dyn Fn(&Machine) -> f64,
) -> Result<(f64, f64), String> {
    let (a, b, mut c) = (netlib_matrix(m, k), netlib_matrix(k, m), netlib_matrix(m, m));
    let mut multiply: Box<dyn FnMut() -> Result<(), String>> = match library {
        Library::Ours(name) => {
            let cx = machine.context(kernel::pick(Some(name))?, threads);
            Box::new(move || {
                gemm(&cx, -1.0, a.as_ref(), b.as_ref(), c.as_mut());
                Ok(())
            })
        }
        Library::Faer => {
            let copy = |m: &Matrix| Mat::from_fn(m.rows(), m.cols(), |i, j| m.as_ref().at(i, j));
            let (a, b, mut c) = (copy(&a), copy(&b), copy(&c));
            let (pool, par) = (machine.pool(threads), if threads == 1 { Par::Seq } else { Par::rayon(threads) });
            Box::new(move || {
                let (a, b, c) = (a.as_ref(), b.as_ref(), c.as_mut());
                pool.install(|| faer::linalg::matmul::matmul(c, Accum::Add, a, b, -1.0, par));
                Ok(())
            })
        }
        Library::File(file) => {
            let blas = Blas::open(file)?;
            Box::new(move || blas.multiply(&a, &b, &mut c))
        }
    };
    // Before the library has threads that spin.
    let peak = peak(machine);
    multiply()?;
    let begin = Instant::now();
    multiply()?;
    Ok((peak, product_flops(m, m, k) as f64 / begin.elapsed().as_secs_f64() / 1e9))
}

fn factor(
    machine: &Machine,
    library: &Library,
    threads: usize,
    n: usize,
    peak: &dyn Fn(&Machine) -> f64,
) -> Result<(f64, f64), String> {
    let mut a = netlib_matrix(n, n);
    let peak = peak(machine);
    let seconds = match library {
        Library::Ours(_) => return Err("our LU is measured as xhpl".into()),
        Library::Faer => {
            let mut lu = Mat::from_fn(n, n, |i, j| a.as_ref().at(i, j));
            drop(a);
            let (pool, par) = (machine.pool(threads), if threads == 1 { Par::Seq } else { Par::rayon(threads) });
            let mut scratch = MemBuffer::new(lu_in_place_scratch::<usize, f64>(n, n, par, Default::default()));
            let (mut rows, mut places) = (vec![0_usize; n], vec![0_usize; n]);
            let begin = Instant::now();
            pool.install(|| {
                let stack = MemStack::new(&mut scratch);
                lu_in_place(lu.as_mut(), &mut rows, &mut places, par, stack, Default::default());
            });
            begin.elapsed()
        }
        Library::File(file) => {
            let blas = Blas::open(file)?;
            let begin = Instant::now();
            blas.factor(&mut a)?;
            begin.elapsed()
        }
    };
    Ok((peak, factor_flops(n, n) as f64 / seconds.as_secs_f64() / 1e9))
}
