//! Figures of a result in sentences. All of them are computed from the result itself.

use hpl_spec::api::results::{ResultDetail, ResultTier};
use hpl_spec::benchmark::{self, figure};
use hpl_spec::report::{RunReport, Verdict};

use crate::http::pages::words;
pub(super) use crate::http::pages::words::sentence;
use crate::picture::text;

/// Residuals below it pass: HPL's custom, by which the service judges every run.
const LIMIT: f64 = 16.0;
/// Seconds of a year.
const YEAR: f64 = 365.25 * 86_400.0;

/// The unit of a benchmark's score.
pub(super) fn unit(benchmark: &str) -> &'static str {
    benchmark::find(benchmark).map_or("", |row| row.unit)
}

/// A large number as it is spoken: `5.33 billion`.
pub(super) fn spoken(value: f64) -> String {
    const NAMES: [&str; 6] = ["", " million", " billion", " trillion", " quadrillion", " quintillion"];
    if !(1e6..1e21).contains(&value) {
        return match value {
            small if small < 1e3 => figure(round(small, 3)),
            some if some < 1e6 => text::count(round(some, 3) as u64),
            beyond => figure(beyond),
        };
    }
    let thousands = (value.log10() / 3.0) as usize;
    let [short, next] = [thousands, thousands + 1].map(|k| round(value / 10f64.powi(3 * k as i32), 3));
    // 999.9 million are rounded to a billion.
    let (short, name) = if short >= 1000.0 { (next, thousands) } else { (short, thousands - 1) };
    NAMES.get(name).map_or_else(|| figure(value), |name| format!("{}{name}", figure(short)))
}

/// To so many digits.
fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let unit = 10f64.powi(value.abs().log10().floor() as i32 + 1 - digits);
    // Dividing by a whole number is exact where multiplying by a fraction is not.
    if unit < 1.0 {
        (value * (1.0 / unit).round()).round() / (1.0 / unit).round()
    } else {
        (value / unit).round() * unit
    }
}

/// A span of time that may be very short or very long.
pub(super) fn span(seconds: f64) -> String {
    const SHORT: [(f64, &str); 4] = [(1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"), (1e-12, "ps")];
    if seconds >= 2.0 * YEAR {
        return format!("{} years", spoken(seconds / YEAR));
    }
    if seconds >= 1.0 {
        return words::duration(seconds);
    }
    if seconds.is_nan() || seconds <= 0.0 {
        return "not known".to_owned();
    }
    let (unit, name) = SHORT.into_iter().find(|(unit, _)| seconds >= *unit).unwrap_or((1e-15, "fs"));
    format!("{}\u{a0}{name}", figure(round(seconds / unit, 3)))
}

/// The score as a part of what the cores can reach, spelled out.
pub(super) fn of_peak(detail: &ResultDetail) -> String {
    let row = &detail.row;
    let unit = unit(&row.benchmark);
    let Some(percent) = row.percent.filter(|percent| *percent > 0.0) else {
        return "What the cores of this node can reach was not measured, so there is no percent of peak.".to_owned();
    };
    let peak = words::rate(row.score / percent * 100.0);
    let part = match percent {
        tiny if tiny < 0.001 => "less than 0.001".to_owned(),
        small if small < 0.1 => figure(round(small, 2)),
        usual => format!("{usual:.1}"),
    };
    let cores = match row.cores {
        0 => "its cores reach".to_owned(),
        1 => "this core reaches".to_owned(),
        cores => format!("these {cores} cores reach"),
    };
    let score = words::rate(row.score);
    format!("{score} {unit} is {part} % of the {peak} {unit} that {cores} in nothing but multiply-adds.")
}

/// What the operations of the run amount to.
pub(super) fn amount(operations: f64, seconds: f64) -> Option<String> {
    if !(operations >= 1.0 && operations.is_finite() && seconds > 0.0 && seconds.is_finite()) {
        return None;
    }
    Some(format!(
        "The run did {} operations, additions and multiplications, in {}: one every {} on average. A person who does one \
         a second, day and night, needs {} for the same.",
        spoken(operations),
        span(seconds),
        span(seconds / operations),
        span(operations)
    ))
}

/// The residual: what it is, and what it says.
pub(super) struct Residual {
    /// As a number; empty where there is none.
    pub(super) value: String,
    pub(super) says: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) limit: String,
    /// All of it in a few words.
    pub(super) short: String,
}

impl Residual {
    pub(super) fn of(detail: &ResultDetail, run: Option<&RunReport>) -> Residual {
        let pending = detail.row.tier == ResultTier::Pending;
        let (word, class) = match (pending, detail.passed) {
            (true, _) => ("Not checked yet", "waits"),
            (_, true) => ("Passed", "good"),
            (_, false) => ("Not passed", "bad"),
        };
        let made = |value: String, says: String| {
            let short = match value.as_str() {
                "" => says.clone(),
                value if detail.passed => format!("Residual {value}, limit {LIMIT}: rounding only"),
                value => format!("Residual {value}, limit {LIMIT}"),
            };
            Residual { value, says, word, class, limit: figure(LIMIT), short }
        };
        match run.map(|run| &run.verdict) {
            Some(Verdict::Passed(check) | Verdict::Failed(check)) => {
                made(figure(check.residual), about_residual(check.residual))
            }
            Some(Verdict::Skipped { .. }) => made(
                String::new(),
                "The run was skipped, so there is no answer to check. It counts for nothing.".into(),
            ),
            Some(Verdict::Unchecked) => {
                made(String::new(), "The answer was not checked. A speed without a check counts for nothing.".into())
            }
            None if detail.check.is_empty() => made(String::new(), "Nothing is known of a check yet.".into()),
            None => made(String::new(), format!("{}.", sentence(&detail.check))),
        }
    }
}

fn about_residual(residual: f64) -> String {
    if !(residual.is_finite() && residual >= 0.0) {
        return "No answer has such a residual. The run counts for nothing.".to_owned();
    }
    if residual == 0.0 {
        return "Nothing at all is left over: the answer is exact.".to_owned();
    }
    if residual < LIMIT {
        let below = LIMIT / residual;
        let far =
            if below >= 2.0 { format!(", {} times below the limit", spoken(round(below, 2))) } else { String::new() };
        return format!("Rounding only{far}. The answer is right.");
    }
    "More than rounding is left over: the answer is wrong, and a fast wrong answer counts for nothing.".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_spoken() {
        for (value, said) in [
            (0.0, "0"),
            (7.0, "7"),
            (1234.0, "1,230"),
            (999_999.0, "1,000,000"),
            (1e6, "1 million"),
            (5.334e9, "5.33 billion"),
            (999.9e6, "1 billion"),
            (18.0e9, "18 billion"),
            (6.67e17, "667 quadrillion"),
            (9.9e20, "990 quintillion"),
            (1e24, "1.0000e+24"),
        ] {
            assert_eq!(spoken(value), said, "{value}");
        }
    }

    #[test]
    fn what_a_run_amounts_to_follows_from_its_operations_and_time() {
        let said = amount(18.0e9, 0.474).unwrap();
        assert!(
            said.contains("18 billion operations") && said.contains("in 474\u{a0}ms: one every 26.3\u{a0}ps"),
            "{said}"
        );
        assert!(said.contains("needs 570 years"), "{said}");
        // N = 1: two operations.
        assert!(amount(2.0, 1e-7).unwrap().contains("in 100\u{a0}ns: one every 50\u{a0}ns"), "{:?}", amount(2.0, 1e-7));
        assert!(amount(3e22, 3e4).unwrap().contains("8 h 20 min"));
        for nothing in [amount(0.0, 1.0), amount(1e9, 0.0), amount(f64::NAN, 1.0), amount(1e9, f64::INFINITY)] {
            assert_eq!(nothing, None);
        }
    }

    #[test]
    fn the_residual_says_what_it_means() {
        assert_eq!(about_residual(0.0021), "Rounding only, 7,600 times below the limit. The answer is right.");
        assert_eq!(about_residual(15.9), "Rounding only. The answer is right.");
        assert!(about_residual(16.0).contains("is wrong") && about_residual(f64::NAN).contains("No answer"));
        assert!(about_residual(0.0).contains("exact"));
    }
}
