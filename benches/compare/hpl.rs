//! Whole programs: our xhpl, HPL 2.0 in Debian's `hpcc`, and a netlib xhpl that the user names.
//!
//! `hpcc` reads HPL.dat's lines from `hpccinf.txt`, runs its other tests too, and writes HPL's own lines into
//! `hpccoutf.txt`.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use benches::machine::Machine;
use hpl_spec::Sweep;
use hpl_spec::params::RunParams;
use hpl_spec::report::{RunReport, SweepReport, Verdict};

use super::process::{self, mpirun};
use super::table::Figure;

/// How long the FMA peak before a run is measured.
const PEAK_TIME: Duration = Duration::from_millis(500);
/// How the variables begin in which matrix libraries look for settings; with `NUM_THREADS` behind it, each is where they
/// look for their number of threads.
const LIBRARY_SETTINGS: [&str; 4] = ["OPENBLAS_", "MKL_", "BLIS_", "OMP_"];
/// The block size of the peers: with it HPL 2.3 was fastest on two cores at both orders, or nearly so.
const NB: usize = 256;

/// What is to be run.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Order of the matrix.
    pub n: usize,
    /// Process rows.
    pub p: usize,
    /// Process columns.
    pub q: usize,
    /// Threads of a rank.
    pub threads: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = |n: usize| if n == 1 { "" } else { "s" };
        let (ranks, threads) = (self.p * self.q, self.threads);
        write!(f, "{ranks} rank{} ({}x{}) of {threads} thread{}", s(ranks), self.p, self.q, s(threads))
    }
}

/// The FMA peak of all cores, just now.
pub fn peak(machine: &Machine) -> f64 {
    machine.fma_peak(machine.cores(), PEAK_TIME)
}

/// Our xhpl.
pub struct Ours {
    xhpl: PathBuf,
    profile: Option<PathBuf>,
}

impl Ours {
    /// The program, and the profile it is to use.
    ///
    /// # Errors
    /// If there is no such profile.
    pub fn new(xhpl: PathBuf, profile: Option<&Path>) -> Result<Ours, String> {
        // Runs have a folder of their own.
        let found = |file: &Path| file.canonicalize().map_err(|e| format!("{}: {e}", file.display()));
        Ok(Ours { xhpl, profile: profile.map(found).transpose()? })
    }

    /// Its name, and how it is run.
    pub fn describe(&self) -> String {
        let profile = if self.profile.is_some() { "a profile of `xhpl tune`" } else { "no profile" };
        format!("xhpl {} with {profile}", env!("CARGO_PKG_VERSION"))
    }

    /// One run, with the NB that it takes by itself.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn run(&self, case: Case, machine: &Machine) -> Result<Figure, String> {
        let mut command = mpirun(case.p * case.q);
        command.args(["--bind-to", "none"]).arg(&self.xhpl);
        let [n, p, q] = [case.n, case.p, case.q].map(|n| n.to_string());
        command.args(["--n", &n, "-p", &p, "-q", &q]);
        Ok(self.finish(command, case.threads, None, peak(machine))?.0)
    }

    /// One run with parameters of which none is left to the program.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn run_with(&self, params: RunParams, threads: usize, machine: &Machine) -> Result<Figure, String> {
        let command = self.launched_by(mpirun(params.processes()));
        Ok(self.finish(command, threads, Some(params), peak(machine))?.0)
    }

    /// A launcher with the program to launch.
    pub fn launched_by(&self, mut mpirun: Command) -> Command {
        mpirun.args(["--bind-to", "none"]).arg(&self.xhpl);
        mpirun
    }

    /// Adds the last options and runs the command, beside a peak that was measured before.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn finish(
        &self,
        mut command: Command,
        threads: usize,
        params: Option<RunParams>,
        peak: f64,
    ) -> Result<(Figure, RunReport), String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let json = folder.path().join("report.json");
        if let Some(params) = params {
            let dat = Sweep::of(params, 16.0).to_dat();
            fs::write(folder.path().join("HPL.dat"), dat).map_err(|e| format!("HPL.dat: {e}"))?;
        }
        command.args(["--threads", &threads.to_string(), "--json"]).arg(&json);
        command.arg("--profile").arg(self.profile.as_deref().unwrap_or(Path::new("none")));
        let ended = process::run(command, &self.xhpl, folder.path())?;
        let text = fs::read_to_string(&json).map_err(|e| format!("no report: {e}; it said:\n{}", ended.end()))?;
        let mut report: SweepReport =
            serde_json::from_str(&text).map_err(|e| format!("its report cannot be read: {e}"))?;
        let run = report.reports.pop().ok_or("its report holds no run")?;
        let (check, passed) = match &run.verdict {
            Verdict::Passed(check) => (check, true),
            Verdict::Failed(check) => (check, false),
            Verdict::Skipped { why } => return Err(format!("it skipped the run: {why}")),
            Verdict::Unchecked => return Err("it did not check the run".into()),
        };
        let (residual, resident) = (Some(check.residual), ended.resident);
        Ok((Figure { gflops: run.gflops, peak, residual, passed, resident }, run))
    }
}

/// One run of a netlib xhpl.
///
/// # Errors
/// A sentence, with what the program said.
pub fn netlib(xhpl: &Path, case: Case, machine: &Machine) -> Result<Figure, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
    let sweep = Sweep::of(RunParams::new(case.n, NB, case.p, case.q), 16.0);
    fs::write(folder.path().join("HPL.dat"), sweep.to_dat()).map_err(|e| format!("HPL.dat: {e}"))?;
    let peak = peak(machine);
    let mut command = mpirun(case.p * case.q);
    command.args(["--bind-to", "none"]).arg(xhpl);
    settle_library(&mut command, case.threads);
    let ended = process::run(command, xhpl, folder.path())?;
    let (gflops, residual, passed) =
        result(&ended.said, case.n).ok_or_else(|| format!("it printed no result; it said:\n{}", ended.end()))?;
    Ok(Figure { gflops, peak, residual: Some(residual), passed, resident: ended.resident })
}

/// The matrix library below a program has so many threads, and else the settings that it takes by itself: one in the
/// environment, such as `OPENBLAS_CORETYPE`, may halve its rate.
pub fn settle_library(command: &mut Command, threads: usize) {
    let is_one = |name: &OsString| LIBRARY_SETTINGS.iter().any(|begin| name.to_string_lossy().starts_with(begin));
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_one(name)) {
        command.env_remove(name);
    }
    for begin in LIBRARY_SETTINGS {
        command.env(format!("{begin}NUM_THREADS"), threads.to_string());
    }
}

/// Where hpcc is, and the OpenBLAS it runs on.
pub struct Hpcc {
    program: PathBuf,
    openblas: Option<PathBuf>,
}

impl Hpcc {
    /// Looks for the program on the path and for OpenBLAS where Debian puts it.
    ///
    /// # Errors
    /// How to get it.
    pub fn find() -> Result<Hpcc, String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut places = std::env::split_paths(&path).map(|folder| folder.join("hpcc"));
        let program = places.find(|file| file.is_file()).ok_or("hpcc (Debian: hpcc)")?;
        let library = |folder: PathBuf| Some(folder).filter(|f| f.join("libblas.so.3").exists());
        let openblas = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
        let openblas = openblas.filter_map(|entry| library(entry.path().join("openblas-pthread"))).next();
        Ok(Hpcc { program, openblas })
    }

    /// Its name and that of its library.
    pub fn describe(&self) -> String {
        let version = self.openblas.as_deref().and_then(openblas_version);
        match (&self.openblas, version) {
            (Some(_), Some(version)) => format!("hpcc (HPL 2.0 on OpenBLAS {version})"),
            (Some(_), None) => "hpcc (HPL 2.0 on OpenBLAS)".into(),
            (None, _) => "hpcc (HPL 2.0 on the system's BLAS)".into(),
        }
    }

    /// One run.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn run(&self, case: Case, machine: &Machine) -> Result<Figure, String> {
        let params = RunParams::new(case.n, NB, case.p, case.q);
        self.run_with(params, case.threads, mpirun(case.p * case.q), peak(machine))
    }

    /// One run with those parameters by that launcher, beside a peak that was measured before.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn run_with(
        &self,
        params: RunParams,
        threads: usize,
        mut command: Command,
        peak: f64,
    ) -> Result<Figure, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let sweep = Sweep::of(params, 16.0);
        fs::write(folder.path().join("hpccinf.txt"), sweep.to_dat()).map_err(|e| format!("hpccinf.txt: {e}"))?;
        command.args(["--bind-to", "none"]).arg(&self.program);
        settle_library(&mut command, threads);
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
            result(&out, params.n).ok_or_else(|| format!("hpccoutf.txt holds no result; it said:\n{}", ended.end()))?;
        Ok(Figure { gflops, peak, residual: Some(residual), passed, resident: ended.resident })
    }
}

/// The version in the name of the library's file: `libopenblasp-r0.3.21.so`.
fn openblas_version(folder: &Path) -> Option<String> {
    let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter_map(|name| Some(name.split_once("-r")?.1.strip_suffix(".so")?.to_owned())).next()
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
