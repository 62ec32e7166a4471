//! The peer: HPL 2.0 in Debian's `hpcc`, with OpenBLAS.
//!
//! `hpcc` reads HPL.dat's lines from `hpccinf.txt`, runs its other tests too, and writes HPL's own lines into
//! `hpccoutf.txt`.

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;

use hpl_spec::Sweep;
use hpl_spec::params::RunParams;

use super::process::{self, mpirun};
use super::{Case, Run};

/// The block size that serves this peer best on two cores: at N = 8000, HPL 2.3 did 75.2 Gflop/s with it, 74.1 with 256.
const NB: usize = 192;

/// Where it is.
pub struct Hpcc {
    program: PathBuf,
    openblas: Option<PathBuf>,
}

/// The squarest grid of that many ranks, P ≤ Q.
fn grid(ranks: usize) -> (usize, usize) {
    let p = (1..=ranks).filter(|p| ranks.is_multiple_of(*p) && p * p <= ranks).max().unwrap_or(1);
    (p, ranks / p)
}

impl Hpcc {
    /// Looks for the program on the path and for OpenBLAS where Debian puts it.
    ///
    /// # Errors
    /// A sentence on how to get it.
    pub fn find() -> Result<Hpcc, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|folder| folder.join("hpcc"));
        let program = places.find(|file| file.is_file()).ok_or("hpcc is not installed (Debian: apt install hpcc)")?;
        let library = |folder: PathBuf| Some(folder).filter(|f| f.join("libblas.so.3").exists());
        let openblas = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let openblas = openblas.filter_map(|entry| library(entry.path().join("openblas-pthread"))).next();
        Ok(Hpcc { program, openblas })
    }

    /// Name and shape of its runs.
    pub fn describe(&self, case: Case) -> String {
        let ((p, q), blas) = (grid(case.cores), if self.openblas.is_some() { "OpenBLAS" } else { "the system's BLAS" });
        format!("hpcc (HPL 2.0, {blas}), {p}x{q} ranks of 1 thread, NB {NB}")
    }

    /// A rank on each core.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn run(&self, case: Case) -> Result<Run, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let (p, q) = grid(case.cores);
        let sweep = Sweep::of(RunParams::new(case.n, NB, p, q), 16.0);
        fs::write(folder.path().join("hpccinf.txt"), sweep.to_dat()).map_err(|e| format!("hpccinf.txt: {e}"))?;
        let mut command = mpirun(p * q);
        command.arg(&self.program).env("OPENBLAS_NUM_THREADS", "1");
        if let Some(openblas) = &self.openblas {
            let mut folders = OsString::from(openblas);
            if let Some(others) = std::env::var_os("LD_LIBRARY_PATH") {
                folders.push(":");
                folders.push(others);
            }
            command.env("LD_LIBRARY_PATH", folders);
        }
        let ended = process::run(command, &self.program, folder.path())?;
        let out = fs::read_to_string(folder.path().join("hpccoutf.txt")).unwrap_or_default();
        let (gflops, residual, passed) =
            result(&out, case.n).ok_or_else(|| format!("hpccoutf.txt holds no result; it said:\n{}", ended.said))?;
        Ok(Run { gflops, peak: f64::NAN, residual, passed, resident: ended.resident })
    }
}

/// Gflop/s, residual and verdict from the lines
/// `WR11R2R8  8000  192  1  2  12.07  2.829e+01` and `||Ax-b||_oo/(…)=  0.0023318 ...... PASSED`.
fn result(out: &str, n: usize) -> Option<(f64, f64, bool)> {
    let mut lines = out.lines();
    let gflops = lines.by_ref().find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let this = fields.len() == 7 && fields[0].starts_with('W') && fields[1].parse() == Ok(n);
        if this { fields[6].parse().ok() } else { None }
    })?;
    let check = lines.find(|line| line.starts_with("||Ax-b||_oo/"))?;
    let mut words = check.rsplit_once('=')?.1.split_whitespace();
    Some((gflops, words.next()?.parse().ok()?, words.last() == Some("PASSED")))
}
