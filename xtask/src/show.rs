//! What a person reads: the machine before a run, the result after it. Pure text.

use std::path::Path;

use hpl_spec::node::{Cache, CacheKind, NodeInfo};
use hpl_spec::params::RunParams;
use hpl_spec::report::{RunReport, Verdict};

/// The machine in six lines.
pub fn machine(node: &NodeInfo) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| text += &format!("  {name:<9}{value}\n");
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

/// The result: a table of one row, and the verdict in a sentence.
pub fn result(report: &RunReport, peak_gflops: f64, report_file: &Path) -> String {
    let RunParams { n, nb, p, q, .. } = report.params;
    let head =
        format!("  {:>8} {:>5} {:>4} {:>4} {:>11} {:>10} {:>9}\n", "N", "NB", "P", "Q", "time", "Gflop/s", "of peak");
    let time = format!("{:.2} s", report.seconds);
    let percent = format!("{:.1} %", 100.0 * report.gflops / peak_gflops);
    let row = format!("  {n:>8} {nb:>5} {p:>4} {q:>4} {time:>11} {:>10.2} {percent:>9}\n", report.gflops);
    let verdict = verdict(&report.verdict, report.threshold);
    format!("{head}{row}\n  residual {verdict}\n  report   {}\n", report_file.display())
}

fn verdict(verdict: &Verdict, limit: f64) -> String {
    match verdict {
        Verdict::Passed(check) => format!("{} - passed, the limit is {limit}", number(check.residual)),
        Verdict::Failed(check) => format!("{} - FAILED, the limit is {limit}", number(check.residual)),
        Verdict::Skipped { why } => format!("none - skipped: {}", why.trim()),
        Verdict::Unchecked => "none - not checked".to_owned(),
    }
}

/// Two or three digits that matter, without an exponent where one can read it.
fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = 2 - value.abs().log10().floor() as i64;
    match digits {
        ..0 => format!("{value:.3e}"),
        0..=7 => format!("{value:.*}", digits as usize),
        _ => format!("{value:.2e}"),
    }
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
    use hpl_spec::node::Peak;
    use hpl_spec::report::{Check, Phases};

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

    #[test]
    fn the_result_says_its_verdict_in_a_sentence() {
        let check = Check { residual: 2.1234e-3, norms: None };
        let text = result(&report(Verdict::Passed(check)), 110.0, Path::new("target/up/HPL.out"));
        let expected = "\
\x20        N    NB    P    Q        time    Gflop/s   of peak
\x20    13824   256    1    1     19.50 s      90.35    82.1 %

\x20 residual 0.00212 - passed, the limit is 16
\x20 report   target/up/HPL.out
";
        assert_eq!(text, expected);
        let failed = verdict(&Verdict::Failed(Check { residual: f64::NAN, norms: None }), 16.0);
        assert_eq!(failed, "NaN - FAILED, the limit is 16");
    }

    #[test]
    fn numbers_stay_short() {
        let shown: Vec<_> = [0.0, 0.00212, 1.5, 16.0, 123456.0, 2.5e-9].into_iter().map(number).collect();
        assert_eq!(shown, ["0", "0.00212", "1.50", "16.0", "1.235e5", "2.50e-9"]);
    }
}
