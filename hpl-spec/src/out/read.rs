//! The reader of HPL.out.

use super::head::Head;
use super::{
    END, ENDED, FAILED, FINISHED, NORMS, PASSED, RESIDUAL, SKIPPED, STARTED, THRESHOLD, UNCHECKED, VALUES, norms_of,
};
use crate::cformat::fixed;
use crate::dat::Sweep;
use crate::netlib::netlib_error;
use crate::params::{Bcast, Fact, Order, RunParams};
use crate::report::{Around, Check, Phases, RunReport, Tally, Verdict};

/// What an HPL.out says.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed {
    /// The tests, in the order of the file.
    pub reports: Vec<RunReport>,
    /// The counters.
    pub tally: Tally,
}

/// A line of HPL.out that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("HPL.out line {line}: found {found}, expected {expected}")]
pub struct OutError {
    /// The line, from 1; one past the last if the file ends too early.
    pub line: usize,
    /// What stands there, ready to be read in a sentence.
    pub found: String,
    /// What should stand there.
    pub expected: String,
}

pub(super) fn wrong(line: usize, found: impl Into<String>, expected: impl Into<String>) -> OutError {
    OutError { line, found: found.into(), expected: expected.into() }
}

/// Reads an HPL.out, or a longer text that contains one (the first counts).
/// Lines it does not know, such as progress reports, are passed over.
///
/// Numbers have the digits that were printed. A time printed as 0.00 is
/// computed from the rate; a threshold printed as 0.0 may have been a small one.
/// Phases are those of netlib's detailed timing, and zero without it. A test
/// without a result line is the one that the order of the sweep puts there.
///
/// # Errors
/// The first line that does not fit: a value that cannot be read, a test
/// without its verdict, counters that contradict the tests, a file cut off.
pub fn parse(text: &str) -> Result<Parsed, OutError> {
    let mut lines = text.lines().zip(1..);
    lines.by_ref().find(|(line, _)| line.trim_end() == VALUES);
    let mut head = Head::default();
    let mut sweep = None;
    for (line, number) in lines.by_ref() {
        sweep = head.line(number, line)?;
        if sweep.is_some() {
            break;
        }
    }
    let end = text.lines().count() + 1;
    let Some(sweep) = sweep else {
        return Err(wrong(end, "the end of the file", format!("'{VALUES}' and the values")));
    };
    // Notes may follow the values, up to the empty line.
    lines.by_ref().find(|(line, _)| line.trim().is_empty());
    let mut reader = Reader::new(sweep);
    for (line, number) in lines {
        if line.trim_end() == END {
            return reader.end(number);
        }
        reader.line(number, line)?;
    }
    Err(wrong(end, "the end of the file", format!("'{END}'")))
}

type Phase = fn(&mut Phases) -> &mut f64;

/// netlib's detailed timing lines, and the phase each one fills.
const TIMINGS: [(&str, Phase); 5] = [
    ("Max aggregated wall time rfact", |phases| &mut phases.pfact),
    ("+ Max aggregated wall time mxswp", |phases| &mut phases.pivot),
    ("Max aggregated wall time update", |phases| &mut phases.update),
    (LASWP, |phases| &mut phases.swap),
    ("Max aggregated wall time up tr sv", |phases| &mut phases.backsolve),
];

/// The line of the swap.
const LASWP: &str = "+ Max aggregated wall time laswp";

/// The part below the header.
struct Reader {
    sweep: Sweep,
    /// Whether the header announced a check.
    checked: bool,
    /// Tests so far. The last one may still be without its verdict: then it is
    /// `open`.
    reports: Vec<RunReport>,
    open: bool,
    norms: Vec<f64>,
    /// The first line of a message, until its second has come.
    message: Option<(usize, u32)>,
    tally: Tally,
    finished: usize,
}

impl Reader {
    fn new(sweep: Sweep) -> Self {
        Reader {
            sweep,
            checked: false,
            reports: Vec::new(),
            open: false,
            norms: Vec::new(),
            message: None,
            tally: Tally::default(),
            finished: 0,
        }
    }

    fn line(&mut self, number: usize, line: &str) -> Result<(), OutError> {
        let line = line.trim_end();
        if let Some(threshold) = line.strip_prefix(THRESHOLD) {
            self.sweep.threshold = real(number, threshold)?;
            self.checked = true;
        } else if is_result(line) {
            self.result(number, line)?;
        } else if let Some(stamp) = line.strip_prefix(STARTED) {
            self.last(number)?.started = stamp.into();
        } else if let Some(stamp) = line.strip_prefix(ENDED) {
            self.last(number)?.ended = stamp.into();
        } else if let Some(rest) = line.strip_prefix(RESIDUAL) {
            self.residual(number, rest)?;
        } else if let Some(norm) = NORMS.iter().position(|label| line.starts_with(label)) {
            self.norm(number, norm, &line[NORMS[norm].len()..])?;
        } else if line.starts_with("HPL ERROR from process # ") {
            self.message = message(line);
        } else if let Some(text) = line.strip_prefix(">>> ") {
            self.skip(number, text.strip_suffix(" <<<").unwrap_or(text))?;
        } else if let Some((label, value)) = line.split_once(':') {
            self.timing(number, label, value)?;
            self.counter(number, line)?;
        } else {
            self.counter(number, line)?;
        }
        Ok(())
    }

    /// The test that the lines just read belong to.
    fn last(&mut self, number: usize) -> Result<&mut RunReport, OutError> {
        self.reports.last_mut().ok_or_else(|| wrong(number, "a line of a test", "its result line first"))
    }

    /// A new test; the one before it is then complete.
    fn begin(&mut self, number: usize, params: RunParams) -> Result<(), OutError> {
        self.close(number)?;
        params.check().map_err(|error| wrong(number, error.to_string(), "legal parameters"))?;
        self.open = true;
        self.norms.clear();
        self.reports.push(RunReport {
            params,
            threshold: self.sweep.threshold,
            started: String::new(),
            ended: String::new(),
            seconds: 0.0,
            gflops: 0.0,
            phases: Phases::default(),
            idle: Vec::new(),
            around: Around::default(),
            account: None,
            verdict: Verdict::Unchecked,
        });
        Ok(())
    }

    /// A test that has no result line: the next one of the sweep.
    fn begin_next(&mut self, number: usize) -> Result<(), OutError> {
        let (test, tests) = (self.reports.len(), self.sweep.tests());
        if test >= tests {
            return Err(wrong(number, "one more test", format!("{tests} tests")));
        }
        self.begin(number, self.sweep.run(test))
    }

    /// No verdict has come for the last test: right only without checks.
    fn close(&mut self, number: usize) -> Result<(), OutError> {
        if self.open && self.checked {
            return Err(wrong(number, "no residual of the test before", "its residual line"));
        }
        self.open = false;
        Ok(())
    }

    fn result(&mut self, number: usize, line: &str) -> Result<(), OutError> {
        let expected = "T/V, N, NB, P, Q, Time and Gflops";
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [code, n, nb, p, q, time, gflops] = fields[..] else {
            return Err(wrong(number, format!("'{line}'"), expected));
        };
        let sizes = [n, nb, p, q].map(|size| size.parse::<usize>().ok());
        let [Some(n), Some(nb), Some(p), Some(q)] = sizes else {
            return Err(wrong(number, format!("'{line}'"), expected));
        };
        let mut params = RunParams { n, nb, p, q, ..self.sweep_params() };
        read_variant(code, &mut params).ok_or_else(|| wrong(number, format!("'{code}'"), "a code such as WR11C2R4"))?;
        self.begin(number, params)?;
        let report = self.last(number)?;
        report.gflops = real(number, gflops)?;
        report.seconds = match real(number, time)? {
            0.0 => seconds_from_rate(&params, report.gflops),
            seconds => seconds,
        };
        Ok(())
    }

    /// The parameters that the T/V code leaves out.
    fn sweep_params(&self) -> RunParams {
        let Sweep { swap, l1, u, equil, align, .. } = self.sweep;
        RunParams { swap, l1, u, equil, align, ..RunParams::new(0, 1, 1, 1) }
    }

    fn residual(&mut self, number: usize, rest: &str) -> Result<(), OutError> {
        if !self.open {
            self.begin_next(number)?;
        }
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let [residual, "......", word] = fields[..] else {
            return Err(wrong(number, format!("'{}'", rest.trim()), "the residual, '......' and a verdict"));
        };
        let check = Check { residual: real(number, residual)?, norms: None };
        self.last(number)?.verdict = match word {
            "PASSED" => Verdict::Passed(check),
            "FAILED" => Verdict::Failed(check),
            _ => return Err(wrong(number, format!("'{word}'"), "PASSED or FAILED")),
        };
        self.open = false;
        Ok(())
    }

    /// One of the six norms of a failure; with the last they go to the test.
    fn norm(&mut self, number: usize, norm: usize, value: &str) -> Result<(), OutError> {
        if norm != self.norms.len() {
            return Err(wrong(number, format!("'{}'", NORMS[norm]), "the norms in their order"));
        }
        self.norms.push(real(number, value)?);
        let Ok(norms) = <[f64; 6]>::try_from(&self.norms[..]) else { return Ok(()) };
        match &mut self.last(number)?.verdict {
            Verdict::Failed(check) => check.norms = Some(norms_of(norms)),
            _ => return Err(wrong(number, "norms", "a FAILED residual before them")),
        }
        Ok(())
    }

    /// The text of a message: a test was skipped, before its solve (then there
    /// is no result line) or after it.
    fn skip(&mut self, number: usize, text: &str) -> Result<(), OutError> {
        let Some((process, line)) = self.message.take() else { return Ok(()) };
        let solved = text.starts_with("Error code returned by solve");
        if !(self.open && solved) {
            self.begin_next(number)?;
        }
        let why = netlib_error(process, line, "HPL_pdtest", text);
        self.last(number)?.verdict = Verdict::Skipped { why };
        self.open = false;
        Ok(())
    }

    fn timing(&mut self, number: usize, label: &str, value: &str) -> Result<(), OutError> {
        let Some((_, phase)) = TIMINGS.iter().find(|(known, _)| label.starts_with(known)) else {
            return Ok(());
        };
        let phases = &mut self.last(number)?.phases;
        *phase(phases) = real(number, value)?;
        if label.starts_with(LASWP) {
            // netlib counts the swap as a part of the update, and prints it after.
            phases.update = (phases.update - phases.swap).max(0.0);
        }
        Ok(())
    }

    fn counter(&mut self, number: usize, line: &str) -> Result<(), OutError> {
        let line = line.strip_prefix("Finished").unwrap_or(line).trim_start();
        let Some((count, what)) = line.split_once(' ') else { return Ok(()) };
        let counter = match what {
            FINISHED => &mut self.finished,
            PASSED | UNCHECKED => &mut self.tally.passed,
            FAILED => &mut self.tally.failed,
            SKIPPED => &mut self.tally.skipped,
            _ => return Ok(()),
        };
        *counter = count.parse().map_err(|_| wrong(number, format!("'{count}'"), "a number of tests"))?;
        Ok(())
    }

    /// The file is complete.
    fn end(mut self, number: usize) -> Result<Parsed, OutError> {
        self.close(number)?;
        let Reader { reports, tally, finished, checked, .. } = self;
        let mut counted = Tally::default();
        for report in &reports {
            counted.count(&report.verdict);
        }
        // Without checks, a test without a time leaves no trace.
        if (checked && counted != tally) || finished != tally.total() {
            let found = format!("{finished} tests finished, {tally:?}");
            return Err(wrong(number, found, format!("{counted:?}, as the tests say")));
        }
        Ok(Parsed { reports, tally })
    }
}

/// A result line begins with a T/V code: W, PMAP, a digit.
fn is_result(line: &str) -> bool {
    let mut chars = line.chars();
    chars.next() == Some('W')
        && chars.next().is_some_and(|letter| Order::from_letter(letter).is_some())
        && chars.next().is_some_and(|digit| digit.is_ascii_digit())
}

/// Puts what a T/V code says into `params`.
fn read_variant(code: &str, params: &mut RunParams) -> Option<()> {
    let mut chars = code.strip_prefix('W')?.chars();
    params.order = Order::from_letter(chars.next()?)?;
    let rest = chars.as_str();
    let (digits, rfact, rest) = number_and_letter(rest)?;
    // DEPTH may have several digits, BCAST is the last one.
    let (depth, bcast) = digits.split_at_checked(digits.len().checked_sub(1)?)?;
    params.depth = depth.parse().ok()?;
    params.bcast = Bcast::from_letter(bcast.chars().next()?)?;
    params.rfact = Fact::from_letter(rfact)?;
    let (ndiv, pfact, nbmin) = number_and_letter(rest)?;
    params.ndiv = ndiv.parse().ok()?;
    params.pfact = Fact::from_letter(pfact)?;
    params.nbmin = nbmin.parse().ok()?;
    Some(())
}

/// The digits that open the text, the character after them, and the rest.
fn number_and_letter(text: &str) -> Option<(&str, char, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (digits, rest) = text.split_at(end);
    let mut chars = rest.chars();
    Some((digits, chars.next()?, chars.as_str()))
}

/// Process and source line of a message about a test; none for others.
fn message(line: &str) -> Option<(usize, u32)> {
    let rest = line.strip_prefix("HPL ERROR from process # ")?;
    let (process, rest) = rest.split_once(", on line ")?;
    let (source_line, function) = rest.split_once(" of function ")?;
    if function != "HPL_pdtest:" {
        return None;
    }
    Some((process.trim().parse().ok()?, source_line.trim().parse().ok()?))
}

/// The time of a run that printed 0.00; zero if the rate does not tell.
fn seconds_from_rate(params: &RunParams, gflops: f64) -> f64 {
    let seconds = params.flops() / gflops / 1e9;
    if seconds > 0.0 && fixed(seconds, 2) == "0.00" { seconds } else { 0.0 }
}

fn real(number: usize, text: &str) -> Result<f64, OutError> {
    let text = text.trim();
    text.parse().map_err(|_| wrong(number, format!("'{text}'"), "a number"))
}
