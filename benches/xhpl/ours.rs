//! One run of our `xhpl`.

use std::path::Path;

use hpl_spec::report::{SweepReport, Verdict};

use super::process::{self, mpirun};
use super::{Case, Run};

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
