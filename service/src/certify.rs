//! The certificate of a result: what goes into it, and how it is checked without the service. The bundle itself, its
//! manifest and its signature are [`crate::certificate`]'s.

use std::fmt::Write as _;
use std::path::Path;

use hpl_spec::NodeInfo;
use hpl_spec::api::agent::FileDigest;
use hpl_spec::api::results::ResultRow;
use hpl_spec::benchmark::{self, Benchmark, Colour, Finding, Outcome, Submitted, figure};
use hpl_spec::evidence::Evidence;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::app::Shared;
use crate::certificate::{self, Contents, PublicKey, Verified};
use crate::db::results::Full;
use crate::error::{Code, Error, Result};
use crate::verify::output;

/// The longest bundle that is read, in bytes.
const LONGEST_BUNDLE: u64 = 128 << 20;
/// How far our score may be from the one that was certified: other compilers round other ways.
const ROUNDING: f64 = 1e-9;

/// certificate.json
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Certificate {
    /// The service that certifies, and its version.
    service: String,
    /// The unit of the score.
    unit: String,
    /// The result as lists show it: job, user, benchmark, score, tier, category, time.
    result: ResultRow,
    /// The benchmark's own check, in words.
    check: String,
    /// Whether it passed.
    passed: bool,
    /// Everything that was looked at.
    findings: Vec<Finding>,
    /// Every parameter.
    parameters: Value,
    /// What the program said.
    report: Value,
    /// What the daemon said: launch line, versions, hash of the program, times.
    evidence: Option<Evidence>,
    /// Logs and artifacts of the run, with their hashes.
    files: Vec<FileDigest>,
    /// What the node said it is.
    node: Option<NodeInfo>,
}

/// The bundle of an accepted result, signed. The same result gives the same bytes.
///
/// # Errors
/// It is not accepted; the disk fails.
pub async fn bundle(app: &Shared, result: Full, node: Option<NodeInfo>) -> Result<Vec<u8>> {
    let detail = result.detail;
    if !detail.row.accepted {
        let why = format!("this result is {}; only the accepted result of a job has a certificate", detail.row.tier);
        return Err(Error::new(Code::Conflict, why).with("tier", detail.row.tier.name()));
    }
    let benchmark = benchmark::find(&detail.row.benchmark)
        .ok_or_else(|| Error::internal(format!("benchmark {} is not known any more", detail.row.benchmark)))?;
    let plan = (benchmark.plan)(&detail.parameters).map_err(|_| Error::internal("accepted parameters have no plan"))?;
    let mut files: Vec<_> = plan.inputs.into_iter().map(|input| (input.name, input.text.into_bytes())).collect();
    if let Some(text) = output(&app.store, &detail.row.id, benchmark.output).await? {
        files.push((benchmark.output.to_owned(), text.into_bytes()));
    }
    let certificate = Certificate {
        service: format!("hpl-service {}", env!("CARGO_PKG_VERSION")),
        unit: benchmark.unit.to_owned(),
        result: detail.row,
        check: detail.check,
        passed: detail.passed,
        findings: detail.findings,
        parameters: detail.parameters,
        report: detail.report,
        evidence: detail.evidence,
        files: detail.files,
        node,
    };
    let certificate = serde_json::to_value(certificate).map_err(Error::internal)?;
    let app = app.clone();
    let build = move || certificate::build(&app.signing, Contents { certificate, files });
    tokio::task::spawn_blocking(build).await.map_err(Error::internal)?.map_err(Error::internal)
}

/// Checks a bundle without the service: that it is as it was signed, by `key` if one is named (64 hexadecimal digits,
/// or a file that holds them), and that score, check and verdict follow from the report that is in it. Returns what
/// to tell people.
///
/// # Errors
/// What is wrong, for people.
pub fn verify_command(path: &Path, key: Option<&str>) -> Result<String, String> {
    let expected = key.map(read_key).transpose()?;
    let length = std::fs::metadata(path).map_err(|cause| format!("{}: {cause}", path.display()))?.len();
    if length > LONGEST_BUNDLE {
        return Err(format!("{}: {length} bytes are more than any certificate has", path.display()));
    }
    let bytes = std::fs::read(path).map_err(|cause| format!("{}: {cause}", path.display()))?;
    let verified = certificate::verify(&bytes, expected.as_ref()).map_err(|error| format!("NOT VALID: {error}"))?;
    let figures = judge_again(&verified).map_err(|why| format!("NOT VALID, although it is as it was signed: {why}"))?;
    Ok(format!("{figures}\n{}", verified.to_text()))
}

/// A key as digits, or in a file.
fn read_key(key: &str) -> Result<PublicKey, String> {
    if let Ok(key) = key.trim().parse() {
        return Ok(key);
    }
    let text = std::fs::read_to_string(key)
        .map_err(|cause| format!("--key {key}: neither 64 hexadecimal digits nor a file that can be read ({cause})"))?;
    text.trim().parse().map_err(|error| format!("--key {key}: the file holds {error}"))
}

/// Whether the figures of a certificate follow from the report that is in it, by this program's own judgement.
fn judge_again(verified: &Verified) -> Result<String, String> {
    let certificate: Certificate = serde_json::from_value(verified.certificate.clone())
        .map_err(|cause| format!("certificate.json is not of a form that this program knows: {cause}"))?;
    let row = &certificate.result;
    let benchmark = benchmark::find(&row.benchmark)
        .ok_or_else(|| format!("this program does not know the benchmark {:?}", row.benchmark))?;
    inputs(benchmark, &certificate, verified)?;
    let output = verified.files.get(benchmark.output).map(|bytes| String::from_utf8_lossy(bytes));
    let submitted =
        Submitted { parameters: &certificate.parameters, result: &certificate.report, output: output.as_deref() };
    let outcome = (benchmark.judge)(&submitted).map_err(|problem| format!("its report cannot be judged: {problem}"))?;
    compare(&certificate, &outcome)?;
    let mut text = String::from("The figures hold: recomputed from the report in the bundle they are\n");
    let _ = writeln!(text, "  {} {} in {} s", figure(outcome.score), benchmark.unit, figure(outcome.seconds));
    let _ = writeln!(text, "  {}", if outcome.passed { "the check passed" } else { "the check did NOT pass" });
    let _ = writeln!(text, "  the service calls it {}", row.tier);
    for finding in certificate.findings.iter().filter(|finding| finding.colour != Colour::Green) {
        let colour = if finding.colour == Colour::Red { "cannot be true" } else { "cannot be told" };
        let _ = writeln!(text, "  {colour}: {:?} {:?}", finding.name, finding.text);
    }
    Ok(text)
}

/// The input files are those that follow from the parameters.
fn inputs(benchmark: &Benchmark, certificate: &Certificate, verified: &Verified) -> Result<(), String> {
    let plan = (benchmark.plan)(&certificate.parameters).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        format!("its parameters are none: {}", problems.join("; "))
    })?;
    match plan.inputs.iter().find(|input| verified.files.get(&input.name).is_none_or(|f| f != input.text.as_bytes())) {
        None => Ok(()),
        Some(input) => Err(format!("{} does not follow from the parameters", input.name)),
    }
}

/// What was certified is what we find.
fn compare(certificate: &Certificate, outcome: &Outcome) -> Result<(), String> {
    let row = &certificate.result;
    let near = |found: f64, said: f64| (found - said).abs() <= ROUNDING * said.abs();
    if !near(outcome.score, row.score) || !near(outcome.seconds, row.seconds) {
        return Err(format!(
            "it says {} in {} s, its report makes {} in {} s",
            figure(row.score),
            figure(row.seconds),
            figure(outcome.score),
            figure(outcome.seconds)
        ));
    }
    if outcome.passed != certificate.passed {
        return Err("its verdict is not the one that its report makes".to_owned());
    }
    let red = |findings: &[Finding], name: &str| findings.iter().any(|f| f.name == name && f.colour == Colour::Red);
    match outcome.findings.iter().find(|f| f.colour == Colour::Red && !red(&certificate.findings, &f.name)) {
        Some(finding) => Err(format!("it keeps silent about {}: {}", finding.name, finding.text)),
        None => Ok(()),
    }
}
