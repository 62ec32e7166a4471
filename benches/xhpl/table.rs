//! The table at the end.

use std::fmt::Write;

use benches::spread::Spread;

use super::{Case, Run};

/// What `xhpl` may have resident: the matrix and a twentieth, and 300 MB for all else.
fn allowance(n: usize) -> f64 {
    8.0 * (n as f64).powi(2) * 1.05 + 300e6
}

/// One line a program, and the ratio of the two. `peer` is its name and its runs.
pub fn table(case: Case, own: &[Run], peer: Option<(String, &[Run])>) -> String {
    let mut text = format!(
        "N = {}, {} cores: median (smallest–largest) of the runs, each beside the FMA peak just before it\n\n{:<64} {:>4} {:>22} {:>22} {:>22} {:>10} {:>8}\n",
        case.n, case.cores, "", "runs", "Gflop/s", "FMA peak, Gflop/s", "% of FMA peak", "residual", "verdict"
    );
    let name = format!("xhpl, 1x1 rank of {} threads, NB {}", case.cores, case.nb);
    text += &line(&name, own);
    if let Some((name, runs)) = &peer {
        text += &line(name, runs);
        let ratios = own.iter().zip(*runs).map(|(own, other)| own.gflops / other.gflops);
        if let Some(ratios) = Spread::of(ratios) {
            let _ = writeln!(text, "\nxhpl : hpcc at the same N, in turns: {ratios:.2}");
        }
    }
    let allowed = allowance(case.n) / 1e6;
    let most = own.iter().filter_map(|run| run.resident).max();
    let _ = match most {
        None => writeln!(text, "peak resident memory of xhpl: not known here; allowed are {allowed:.0} MB"),
        Some(most) => {
            let most = most as f64 / 1e6;
            let verdict = if most <= allowed { "within" } else { "BEYOND" };
            writeln!(text, "peak resident memory of xhpl: {most:.0} MB, {verdict} the allowed {allowed:.0} MB")
        }
    };
    text
}

fn line(name: &str, runs: &[Run]) -> String {
    let spread = |figure: fn(&Run) -> f64| Spread::of(runs.iter().map(figure));
    let all = spread(|r| r.gflops).zip(spread(|r| r.peak)).zip(spread(|r| 100.0 * r.gflops / r.peak));
    let Some(((gflops, peak), percent)) = all else {
        return format!("{name:<64} {:>4}\n", 0);
    };
    let worst = runs.iter().map(|r| r.residual).fold(0.0, f64::max);
    let verdict = if runs.iter().all(|r| r.passed) { "PASSED" } else { "FAILED" };
    let (count, [gflops, peak, percent]) = (runs.len(), [gflops, peak, percent].map(|spread| spread.to_string()));
    format!("{name:<64} {count:>4} {gflops:>22} {peak:>22} {percent:>22} {worst:>10.2e} {verdict:>8}\n")
}
