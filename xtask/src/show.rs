//! What a person reads: the machine before a run, the result after it. Pure text, but for `say`.

use std::io::{Write, stdout};

use hpl_spec::api::jobs::Job;
use hpl_spec::api::results::{ResultDetail, Standing};
use hpl_spec::benchmark::Colour;
use hpl_spec::job::JobState;
use hpl_spec::node::{Cache, CacheKind, NodeInfo};
use hpl_spec::params::RunParams;
use hpl_spec::report::{RunReport, SweepReport};

use crate::account::Account;
use crate::error::Error;
use crate::place::{Place, shortest};

/// How many lines of a failed run are shown.
pub const TOLD: usize = 40;
/// Where lines of prose are broken.
const WIDTH: usize = 78;
/// Where the second column begins.
const INDENT: usize = 11;

/// Writes a line. Where nobody reads any more, as after the terminal was closed, there is still all to be stopped in
/// order: that is no error.
pub fn say(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A name and what belongs to it, broken into lines below each other.
fn line(name: &str, value: &str) -> String {
    let mut text = format!("  {name:<9}");
    let mut column = INDENT;
    for (at, word) in value.split(' ').enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > WIDTH {
            text += &format!("\n{:INDENT$}", "");
            column = INDENT;
        } else if at > 0 {
            text.push(' ');
            column += 1;
        }
        text += word;
        column += length;
    }
    text + "\n"
}

/// The machine in six lines.
pub fn machine(node: &NodeInfo) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text += &line(name, &value);
    line("machine", format!("{}, {}, kernel release {}", node.hostname, node.os, node.kernel_release));
    let packages = plural(node.packages, "package");
    let (cores, pus) = (plural(node.cores, "core"), plural(node.pus, "hardware thread"));
    line("CPU", format!("{}: {packages}, {cores}, {pus}", node.cpu_model));
    line("caches", node.caches.iter().filter_map(cache).collect::<Vec<_>>().join(", "));
    let (available, total) = (bytes(node.memory_available), bytes(node.memory_total));
    line("memory", format!("{available} available of {total}, huge pages: {}", node.huge_pages));
    let others: Vec<_> = node.kernels.iter().filter(|k| **k != node.kernel).map(String::as_str).collect();
    let others = if others.is_empty() { String::new() } else { format!(" (also here: {})", others.join(", ")) };
    line("kernel", format!("{}{others}", node.kernel));
    if let Some(peak) = node.peak {
        let cores = plural(peak.cores, "core");
        line("peak", format!("{:.1} Gflop/s on {cores}, measured for {:.1} s", peak.gflops, peak.seconds));
    }
    text
}

/// The run that is about to begin, in one line.
pub fn plan(params: &RunParams, seconds: f64) -> String {
    let ranks = plural(params.processes(), "rank");
    let grid = format!("{} x {} grid", params.p, params.q);
    let time = if seconds < 1.0 { "less than a second".into() } else { format!("about {seconds:.0} s") };
    format!("  {:<9}N={}, NB={}, {ranks} in a {grid}, {time}\n", "run", params.n, params.nb)
}

/// Where the service is and who may enter.
pub fn entrance(url: &str, account: &Account) -> String {
    line("address", url) + log_in(account).trim_end()
}

fn log_in(account: &Account) -> String {
    line("log in", &format!("as {} with the password {}", account.username, account.password))
}

/// The node that has come.
pub fn node(name: &str) -> String {
    line("node", &format!("{name}, ready")).trim_end().to_owned()
}

/// The result: a table of one row, the verdict, the tier, what is not green, and the rank.
///
/// # Errors
/// It holds no report of `xhpl`.
pub fn result(result: &ResultDetail, standing: &Standing, peak_gflops: f64) -> Result<String, Error> {
    let strange = |why: String| Error::Strange { whom: "the result".into(), why };
    let sweep: SweepReport = serde_json::from_value(result.report.clone()).map_err(|why| strange(why.to_string()))?;
    let report = sweep.reports.first().ok_or_else(|| strange("it has no report".into()))?;
    let mut text = table(report, peak_gflops) + "\n";
    text += &line("residual", &report.verdict.told(report.threshold));
    text += &line("tier", &result.row.trust());
    for finding in result.findings.iter().filter(|finding| finding.colour != Colour::Green) {
        let colour = if finding.colour == Colour::Red { "RED" } else { "amber" };
        text += &line(colour, &format!("{}: {}", finding.name, finding.text));
    }
    Ok(text + &line("rank", &rank(result, standing)))
}

/// Where it stands among all users.
fn rank(result: &ResultDetail, standing: &Standing) -> String {
    match &standing.entry {
        _ if !result.row.ranked => "none: this result is not ranked".to_owned(),
        None => "none yet".to_owned(),
        Some(entry) => {
            let place = format!("{} of {} on the leaderboard", entry.rank, standing.category.entries);
            let best = &entry.result;
            let earlier = format!(", by an earlier run with {:.2} {}", best.score, "Gflop/s");
            place + if best.id == result.row.id { "" } else { &earlier }
        }
    }
}

/// Where to look now, what stays, and how it ends.
pub fn staying(url: &str, job: &Job, account: &Account, place: &Place) -> String {
    let logs = format!("{}/service.log, node.log", shortest(place.folder()).display());
    line("job", &format!("{url}/jobs/{}", job.id))
        + &line("board", &format!("{url}/leaderboard/{}", job.benchmark))
        + &log_in(account)
        + &line("logs", &logs)
        + "\nService and node stay until Ctrl-C. Their data is kept: the next\n`cargo xtask up` goes on with it."
}

/// Why a job did not end well, in a sentence.
pub fn failure(job: &Job) -> String {
    match (&job.failure, job.state) {
        (Some(failure), _) => {
            let code = format!("{}: {}", failure.class.name(), failure.code);
            format!("{} ({code})", failed(&failure.detail))
        }
        (None, JobState::Cancelled) => "the run was cancelled".to_owned(),
        (None, JobState::Expired) => "the run expired: its time was over before it had ended".to_owned(),
        (None, state) => format!("the run ended as {state}"),
    }
}

/// The first sentence of a reason; what the run said follows it there, and is shown apart.
pub fn failed(why: &str) -> String {
    format!("the run failed: {}", why.lines().next().unwrap_or_default().trim_end_matches(" It said:"))
}

/// A table of one row.
fn table(report: &RunReport, peak_gflops: f64) -> String {
    let RunParams { n, nb, p, q, .. } = report.params;
    let head =
        format!("  {:>8} {:>5} {:>4} {:>4} {:>11} {:>10} {:>9}\n", "N", "NB", "P", "Q", "time", "Gflop/s", "of peak");
    let time = format!("{:.2} s", report.seconds);
    let percent = format!("{:.1} %", 100.0 * report.gflops / peak_gflops);
    head + &format!("  {n:>8} {nb:>5} {p:>4} {q:>4} {time:>11} {:>10.2} {percent:>9}\n", report.gflops)
}

fn cache(cache: &Cache) -> Option<String> {
    let kind = match cache.kind {
        CacheKind::Data => "d",
        CacheKind::Unified => "",
        CacheKind::Instruction => return None,
    };
    let shared = if cache.shared_by > 1 { format!(" for {} cores", cache.shared_by) } else { String::new() };
    Some(format!("L{}{kind} {}{shared}", cache.level, bytes(cache.bytes)))
}

fn bytes(bytes: u64) -> String {
    let (value, unit) = match bytes {
        0..0x10_0000 => (bytes as f64 / 1024.0, "KiB"),
        0x10_0000..0x4000_0000 => (bytes as f64 / f64::from(1 << 20), "MiB"),
        _ => (bytes as f64 / f64::from(1 << 30), "GiB"),
    };
    let digits = if value.fract() == 0.0 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use hpl_spec::api::results::ResultTier;
    use hpl_spec::benchmark::Finding;
    use hpl_spec::node::Peak;
    use hpl_spec::report::{Around, Check, Phases, Verdict};
    use serde_json::json;

    /// A machine as the tests of this crate need one.
    pub fn node() -> NodeInfo {
        let cache = |level, kind, bytes, shared_by| Cache { level, kind, bytes, line: 64, ways: 8, shared_by };
        NodeInfo {
            hostname: "desk".into(),
            os: "Debian GNU/Linux 13".into(),
            kernel_release: "6.12.4".into(),
            cpu_model: "A Good CPU".into(),
            packages: 1,
            cores: 2,
            pus: 4,
            numa_nodes: 1,
            caches: vec![
                cache(1, CacheKind::Data, 32 << 10, 1),
                cache(1, CacheKind::Instruction, 32 << 10, 2),
                cache(2, CacheKind::Unified, 1 << 20, 1),
                cache(3, CacheKind::Unified, 32 << 20, 2),
            ],
            memory_total: 23 << 30,
            memory_available: 22 << 30,
            huge_pages: "madvise".into(),
            kernel: "avx512".into(),
            kernels: vec!["avx512".into(), "avx2".into(), "faer".into()],
            peak: Some(Peak { gflops: 110.0, cores: 2, seconds: 1.0 }),
            program: "xhpl".into(),
            version: "0.1.0".into(),
        }
    }

    fn report(verdict: Verdict) -> RunReport {
        RunReport {
            params: RunParams::new(13824, 256, 1, 1),
            threshold: 16.0,
            started: String::new(),
            ended: String::new(),
            seconds: 19.5,
            gflops: 90.35,
            phases: Phases::default(),
            idle: Vec::new(),
            around: Around::default(),
            account: None,
            verdict,
        }
    }

    #[test]
    fn the_machine_is_six_aligned_lines() {
        let expected = "\
\x20 machine  desk, Debian GNU/Linux 13, kernel release 6.12.4
\x20 CPU      A Good CPU: 1 package, 2 cores, 4 hardware threads
\x20 caches   L1d 32 KiB, L2 1 MiB, L3 32 MiB for 2 cores
\x20 memory   22 GiB available of 23 GiB, huge pages: madvise
\x20 kernel   avx512 (also here: avx2, faer)
\x20 peak     110.0 Gflop/s on 2 cores, measured for 1.0 s
";
        assert_eq!(machine(&node()), expected);
    }

    /// A result with these findings, and where its user stands.
    fn judged(tier: ResultTier, findings: Vec<Finding>) -> (ResultDetail, Standing) {
        let check = Check { residual: 2.1234e-3, norms: None };
        let report = json!({
            "program": "xhpl", "version": "0.1.0", "kernel": "avx512", "threads": 2, "ranks": 1, "peak_memory": 0,
            "reports": [report(Verdict::Passed(check))], "tally": {"passed": 1, "failed": 0, "skipped": 0},
        });
        let row = json!({
            "id": "01900000-0000-7000-8000-000000000001", "job": "01900000-0000-7000-8000-000000000000",
            "owner": "demo", "benchmark": "hpl", "label": "", "tier": tier, "accepted": true,
            "ranked": matches!(tier, ResultTier::Verified | ResultTier::Reported), "visibility": "public",
            "score": 90.35, "seconds": 19.5, "size": 13824.0, "percent": 82.1, "node": null, "kind": "A Good CPU",
            "cores": 2, "flag_why": if tier == ResultTier::Flagged { "the score is too high" } else { "" },
            "created_at": 0,
        });
        let mut detail = row.clone();
        let more = json!({"check": "", "passed": true, "findings": findings, "reproduced": 0, "parameters": {},
                          "report": report, "evidence": null, "files": []});
        detail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let category = json!({"benchmark": "hpl", "measure": "score", "kind": null, "cores": null, "entries": 3});
        let standing = json!({"category": category, "entry": {"rank": 2, "result": row}, "percentile": 50.0});
        (serde_json::from_value(detail).unwrap(), serde_json::from_value(standing).unwrap())
    }

    #[test]
    fn the_result_says_its_verdict_its_tier_and_its_rank() {
        let findings = vec![
            Finding::green("score", "follows from N and time"),
            Finding::amber(
                "energy",
                "the node shows no energy counters, so what the run took of it cannot be told here",
            ),
        ];
        let (detail, standing) = judged(ResultTier::Verified, findings);
        let expected = "\
\x20        N    NB    P    Q        time    Gflop/s   of peak
\x20    13824   256    1    1     19.50 s      90.35    82.1 %

\x20 residual 0.00212 - passed, the limit is 16
\x20 tier     verified - a known program on a trusted node, and nothing speaks
\x20          against it
\x20 amber    energy: the node shows no energy counters, so what the run took of
\x20          it cannot be told here
\x20 rank     2 of 3 on the leaderboard
";
        assert_eq!(result(&detail, &standing, 110.0).unwrap(), expected);
    }

    #[test]
    fn what_does_not_count_says_so() {
        let (detail, standing) = judged(ResultTier::Flagged, vec![Finding::red("roofline", "above the peak")]);
        let text = result(&detail, &standing, 110.0).unwrap();
        assert!(text.contains("tier     flagged - it does not count: the score is too high"), "{text}");
        assert!(
            text.contains("RED      roofline: above the peak") && text.contains("this result is not ranked"),
            "{text}"
        );
        let failed = Verdict::Failed(Check { residual: f64::NAN, norms: None }).told(16.0);
        assert_eq!(failed, "NaN - FAILED, the limit is 16");
        let (mut detail, mut standing) = judged(ResultTier::Reported, vec![]);
        detail.row.id = "01900000-0000-7000-8000-000000000002".parse().unwrap();
        assert_eq!(rank(&detail, &standing), "2 of 3 on the leaderboard, by an earlier run with 90.35 Gflop/s");
        let why = super::failed("launcher_failed: the launcher ended with status 3. It said:\nthe wire is cut");
        assert_eq!(why, "the run failed: launcher_failed: the launcher ended with status 3.");
        standing.entry = None;
        assert_eq!(rank(&detail, &standing), "none yet");
        detail.report = json!({});
        assert!(result(&detail, &standing, 110.0).is_err());
    }

    #[test]
    fn lines_are_broken_below_each_other() {
        let words = "word ".repeat(30);
        let text = line("name", words.trim_end());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("           word")), "{text}");
        assert_eq!(
            line("x", &"y".repeat(100)),
            format!("  x        {}\n", "y".repeat(100)),
            "an address is not broken"
        );
    }
}
