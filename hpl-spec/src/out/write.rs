//! The writer of HPL.out.

use std::fmt::{Display, Write};

use super::{
    END, ENDED, FAILED, FINISHED, NORMS, PASSED, RESIDUAL, SKIPPED, STARTED, THRESHOLD, UNCHECKED, VALUES, norm_values,
};
use crate::account::Timers;
use crate::advice::work_done;
use crate::cformat::{fixed, sci};
use crate::dat::Sweep;
use crate::params::Swap;
use crate::report::{Check, RunReport, Tally, Verdict, checks};

/// The unit roundoff of a double, 2^-53: netlib's eps.
const EPS: f64 = f64::EPSILON / 2.0;

/// A ruler of 80 columns.
fn ruler(mark: char) -> String {
    mark.to_string().repeat(80) + "\n"
}

/// What HPL.out opens with: banner, meaning of the columns, the values of the
/// sweep, and what the check is unless the threshold asks for none.
///
/// `notes` are lines of ours, put right after the ALIGN line. Line ends in a
/// note become blanks; blank notes are left out, since an empty line ends them.
#[must_use]
pub fn header(sweep: &Sweep, notes: &[String]) -> String {
    let mut text = ruler('=');
    text += concat!(
        "HPLaaS xhpl ",
        env!("CARGO_PKG_VERSION"),
        "  --  High-Performance Linpack benchmark, native Rust\n",
        "Reads HPL.dat and writes HPL.out as netlib HPL 2.3 does\n",
    );
    text += &ruler('=');
    text += "
An explanation of the input/output parameters follows:
T/V    : Wall time / encoded variant.
N      : The order of the coefficient matrix A.
NB     : The partitioning blocking factor.
P      : The number of process rows.
Q      : The number of process columns.
Time   : Time in seconds to solve the linear system.
Gflops : Rate of execution for solving the linear system.

";
    text += VALUES;
    text += "\n\n";
    values(&mut text, sweep);
    for note in notes.iter().filter(|note| !note.trim().is_empty()) {
        text += &note.replace(['\n', '\r'], " ");
        text.push('\n');
    }
    text.push('\n');
    if checks(sweep.threshold) {
        check_rules(&mut text, sweep.threshold);
    }
    text
}

/// The parameter lines, N to ALIGN.
fn values(text: &mut String, sweep: &Sweep) {
    let titles = |facts: &[crate::params::Fact]| list(facts.iter().map(|fact| fact.title()));
    let swap = match sweep.swap {
        Swap::Mix { threshold } => format!(" {} (threshold = {threshold})", sweep.swap.title()),
        Swap::BinaryExchange | Swap::SpreadRoll => format!(" {}", sweep.swap.title()),
    };
    let lines = [
        ("N", list(&sweep.ns)),
        ("NB", list(&sweep.nbs)),
        ("PMAP", format!(" {}", sweep.order.title())),
        ("P", list(sweep.grids.iter().map(|(p, _)| p))),
        ("Q", list(sweep.grids.iter().map(|(_, q)| q))),
        ("PFACT", titles(&sweep.pfacts)),
        ("NBMIN", list(&sweep.nbmins)),
        ("NDIV", list(&sweep.ndivs)),
        ("RFACT", titles(&sweep.rfacts)),
        ("BCAST", list(sweep.bcasts.iter().map(|bcast| bcast.title()))),
        ("DEPTH", list(&sweep.depths)),
        ("SWAP", swap),
        ("L1", format!(" {}", sweep.l1.title())),
        ("U", format!(" {}", sweep.u.title())),
        ("EQUIL", format!(" {}", if sweep.equil { "yes" } else { "no" })),
        ("ALIGN", format!(" {} double precision words", sweep.align)),
    ];
    for (label, value) in lines {
        text.push_str(&format!("{label:<7}:{value}\n"));
    }
}

/// Values right-aligned in 8 columns and a blank, 8 on a line; a line that goes
/// on begins with 8 blanks.
fn list<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 && index % 8 == 0 {
            text.push_str("\n        ");
        }
        // Padded as text: a width is ignored by some `Display`s.
        text.push_str(&format!("{:>8} ", value.to_string()));
    }
    text
}

/// The ruler and the four lines about the check.
fn check_rules(text: &mut String, threshold: f64) {
    text.push_str(&ruler('-'));
    text.push_str(
        "
- The matrix A is randomly generated for each test.
- The following scaled residual check will be computed:
      ||Ax-b||_oo / ( eps * ( || x ||_oo * || A ||_oo + || b ||_oo ) * N )
",
    );
    let eps = sci(EPS, 6);
    text.push_str(&format!("- The relative machine precision (eps) is taken to be      {eps:>21}\n"));
    text.push_str(&format!("{THRESHOLD}         {:>11}\n\n", fixed(threshold, 1)));
}

/// The three lines above a result line.
#[must_use]
pub fn table_head() -> String {
    let columns = "T/V                N    NB     P     Q               Time                 Gflops\n";
    ruler('=') + columns + &ruler('-')
}

/// One test below its table head: result line and time stamps, then the
/// residual and its verdict.
///
/// - Without a time (`seconds` not above zero) there are no result line and
///   stamps; without stamps (as HPC Challenge has none) none are written.
/// - Unchecked: nothing more.
/// - Skipped: its messages instead of the residual.
/// - Failed: the norms after the residual, unless that is not a number.
#[must_use]
pub fn result(report: &RunReport) -> String {
    result_with(report, None)
}

/// As [`result`], with netlib's detailed timing behind the stamps.
fn result_with(report: &RunReport, timers: Option<&Timers>) -> String {
    let mut text = String::new();
    if report.seconds > 0.0 {
        text += &result_line(report);
        if !report.started.is_empty() {
            // ctime brings a line end of its own, hence the blank lines.
            text += &format!("{STARTED}{}\n\n{ENDED}{}\n\n", report.started, report.ended);
        }
        if let Some(timers) = timers {
            text += &timing(timers);
            if !checks(report.threshold) {
                text += &ruler('=');
            }
        }
    }
    match &report.verdict {
        Verdict::Unchecked => {}
        Verdict::Skipped { why } => text += why,
        Verdict::Passed(check) => text += &residual_line(check, "PASSED"),
        Verdict::Failed(check) => {
            text += &residual_line(check, "FAILED");
            if let (Some(norms), false) = (&check.norms, check.residual.is_nan()) {
                for (label, value) in NORMS.iter().zip(norm_values(norms)) {
                    text += &format!("{label} {:>18}\n", fixed(value, 6));
                }
            }
        }
    }
    text
}

/// The block that netlib prints with `-DHPL_DETAILED_TIMING`: a line for each timer above zero.
fn timing(timers: &Timers) -> String {
    let Timers { rfact, pfact, mxswp, update, laswp, up_tr_sv } = *timers;
    let lines = [
        ("Max aggregated wall time rfact . . . :", rfact),
        ("+ Max aggregated wall time pfact . . :", pfact),
        ("+ Max aggregated wall time mxswp . . :", mxswp),
        ("Max aggregated wall time update  . . :", update),
        ("+ Max aggregated wall time laswp . . :", laswp),
        ("Max aggregated wall time up tr sv  . :", up_tr_sv),
    ];
    let lines = lines.into_iter().filter(|(_, seconds)| *seconds > 0.0);
    "--VVV".repeat(15) + "-\n" + &lines.map(|(label, s)| format!("{label}{:>18}\n", fixed(s, 2))).collect::<String>()
}

fn result_line(report: &RunReport) -> String {
    let p = &report.params;
    let [time, gflops] = [fixed(report.seconds, 2), sci(report.gflops, 4)];
    let mut line = p.variant();
    // Writing into a String cannot fail.
    let _ = writeln!(line, "{:>12} {:>5} {:>5} {:>5} {time:>18}    {gflops:>19}", p.n, p.nb, p.p, p.q);
    line
}

fn residual_line(check: &Check, word: &str) -> String {
    ruler('-') + &format!("{RESIDUAL} {:>16} ...... {word}\n", sci(check.residual, 8))
}

/// One test with the table head where netlib has it. `head_is_due` begins as
/// true for a sweep and is handed from test to test.
///
/// With checks, every test has its table head; without, only the first has. A
/// test that was skipped before its solve has none: its message stands alone.
/// One that was skipped after it (a singular matrix) has head, result line and
/// stamps, then its message. `detailed`: whether netlib's detailed timing is
/// printed, where it is known.
#[must_use]
pub fn test(report: &RunReport, head_is_due: &mut bool, detailed: bool) -> String {
    let timers = report.account.as_ref().map(|account| &account.timers).filter(|_| detailed);
    let never_began = matches!(report.verdict, Verdict::Skipped { .. }) && report.started.is_empty();
    if !*head_is_due || never_began {
        return result_with(report, timers);
    }
    *head_is_due = checks(report.threshold);
    table_head() + &result_with(report, timers)
}

/// What netlib prints with `-DHPL_PROGRESS_REPORT`: `columns` of `n` columns are done after so many seconds of the
/// factorization.
#[must_use]
pub fn progress(n: usize, columns: usize, seconds: f64) -> String {
    let percent = fixed(100.0 * columns as f64 / n.max(1) as f64, 1);
    let gflops = sci(work_done(n, columns) / seconds / 1e9, 3);
    format!("Column={columns:09} Fraction={percent:>4}% Gflops={gflops:>9}\n")
}

/// What HPL.out closes with. `checked`: whether the threshold asked for checks,
/// see [`checks`]; without checks, detailed timing brought the first ruler.
#[must_use]
pub fn trailer(tally: &Tally, checked: bool, detailed: bool) -> String {
    let mut text = if detailed && !checked { String::new() } else { ruler('=') };
    text += &format!("\nFinished {:6} {FINISHED}\n", tally.total());
    let mut counter = |count: usize, what: &str| text += &format!("         {count:6} {what}\n");
    if checked {
        counter(tally.passed, PASSED);
        counter(tally.failed, FAILED);
    } else {
        counter(tally.passed, UNCHECKED);
    }
    counter(tally.skipped, SKIPPED);
    text + &ruler('-') + "\n" + END + "\n" + &ruler('=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_as_netlib_tells_it() {
        // 2 (N^3 - n^3) / 3 over time: N = 1000, 750 left.
        assert_eq!(progress(1000, 250, 0.5), "Column=000000250 Fraction=25.0% Gflops=7.708e-01\n");
        assert_eq!(progress(20_000, 256, 1e3), "Column=000000256 Fraction= 1.3% Gflops=2.022e-01\n");
    }

    #[test]
    fn detailed_timing_is_told_as_netlib_tells_it() {
        let timers = Timers { rfact: 1.5, pfact: 0.25, mxswp: 0.0, update: 12.0, laswp: 0.004, up_tr_sv: 123456.789 };
        let want = "\
--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV--VVV-
Max aggregated wall time rfact . . . :              1.50
+ Max aggregated wall time pfact . . :              0.25
Max aggregated wall time update  . . :             12.00
+ Max aggregated wall time laswp . . :              0.00
Max aggregated wall time up tr sv  . :         123456.79
";
        assert_eq!(timing(&timers), want);
    }
}
