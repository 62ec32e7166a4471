//! Our `xhpl`: where it is, and one run of it.

use std::path::{Path, PathBuf};
use std::process::Command;

use hpl_spec::report::{SweepReport, Verdict};

use super::process::{self, mpirun};
use super::{Case, Run};

/// The program that `HPLAAS_XHPL` names, or that of this workspace, in release. Cargo is asked to build it, so
/// that what is measured is never older than its source; if it is not, that takes no time.
///
/// # Errors
/// If there is none.
pub fn find() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("HPLAAS_XHPL") {
        let named = PathBuf::from(named);
        return named.canonicalize().map_err(|e| format!("HPLAAS_XHPL names {}: {e}", named.display()));
    }
    let here = std::env::current_exe().map_err(|e| format!("this bench does not know where it is: {e}"))?;
    let release = here.parent().and_then(Path::parent).ok_or("this bench is in no target folder")?;
    let target = release.parent().ok_or("this bench is in no target folder")?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--package", "hpl-mpi", "--bin", "xhpl", "--target-dir"]).arg(target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = build.status().map_err(|e| format!("cargo cannot be started: {e}"))?;
    let xhpl = target.join("release/xhpl");
    if !built.success() {
        return Err("xhpl cannot be built; HPLAAS_XHPL may name one that is".into());
    }
    xhpl.canonicalize().map_err(|e| format!("{}: {e}", xhpl.display()))
}

/// One rank on all cores.
///
/// # Errors
/// A sentence, with what the program said.
pub fn run(xhpl: &Path, case: Case) -> Result<Run, String> {
    let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
    let json = folder.path().join("report.json");
    let mut command = mpirun(1);
    command.args(["--bind-to", "none"]).arg(xhpl);
    command.args(["--n", &case.n.to_string(), "--nb", &case.nb.to_string(), "-p", "1", "-q", "1", "--json"]).arg(&json);
    let ended = process::run(command, xhpl, folder.path())?;
    let text = std::fs::read_to_string(&json).map_err(|e| format!("no report: {e}; it said:\n{}", ended.said))?;
    let report: SweepReport = serde_json::from_str(&text).map_err(|e| format!("its report cannot be read: {e}"))?;
    let run = report.reports.first().ok_or("its report holds no run")?;
    let (check, passed) = match &run.verdict {
        Verdict::Passed(check) => (check, true),
        Verdict::Failed(check) => (check, false),
        Verdict::Skipped { why } => return Err(format!("it skipped the run: {why}")),
        Verdict::Unchecked => return Err("it did not check the run".into()),
    };
    if report.threads != case.cores {
        println!("xhpl ran with {} threads on {} cores", report.threads, case.cores);
    }
    Ok(Run { gflops: run.gflops, peak: f64::NAN, residual: check.residual, passed, resident: ended.resident })
}
