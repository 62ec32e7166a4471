//! Why was it slow? Rules over what is known of a run: parameters, the program's account of its time, the node and its
//! figures while it ran, and the runs before it.
//!
//! ```text
//!   parameters, report ─► known ──┐                  ┌─► size:    N, NB, the grid, runs before
//!   node, evidence ───────────────┼─► rules: a table ┼─► way:     from the peak down to the score
//!   samples ─► watched ───────────┘                  └─► machine: clocks, heat, memory, cores, other load
//! ```
//! Pure. A rule says that it fired, that all is well, or that it could not look; it never guesses: no cause without a
//! number of this run. Every threshold stands in the table of `rules`, with the reason for it.
//!
//! What is read here was written by others. A number that is none, a missing part or a report of an older program
//! makes rules say that they do not know.

mod known;
mod machine;
mod rules;
mod size;
#[cfg(test)]
mod tests;
mod watched;
mod way;

use hpl_spec::NodeInfo;
use hpl_spec::api::insight::{Cause, Diagnosis, Fact, NextTry, RuleLook, RuleOutcome, Severity};
use hpl_spec::benchmark::figure;
use hpl_spec::evidence::Evidence;
use hpl_spec::id::AttemptId;
use serde_json::Value;

pub use watched::Watched;

use known::Known;
use rules::RULES;

/// Between these parts of the measured peak, in per cent, a run on one node is healthy: below, something is usually
/// wrong, and above there is little left to win.
pub const HEALTHY: (f64, f64) = (60.0, 90.0);
/// From this cost on, in per cent of the time, a cause is severe.
const SEVERE: f64 = 10.0;
/// From this cost on it is notable: runs that are repeated scatter by about as much.
const NOTABLE: f64 = 3.0;

/// All that is known of a run.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The result.
    pub id: &'a AttemptId,
    /// Every parameter, as it is on the wire.
    pub parameters: &'a Value,
    /// What the program said.
    pub report: &'a Value,
    /// What the node's daemon said.
    pub evidence: Option<&'a Evidence>,
    /// What the node says it is.
    pub node: Option<&'a NodeInfo>,
    /// The node's figures while the run was on.
    pub watched: &'a Watched,
    /// The score, computed by the service.
    pub score: f64,
    /// Its unit.
    pub unit: &'a str,
    /// The score in per cent of the node's measured peak.
    pub percent: Option<f64>,
    /// Other runs on this node, without this one.
    pub history: &'a [Past],
}

/// Another run.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// Every parameter, as it is on the wire.
    pub parameters: Value,
    /// Its score.
    pub score: f64,
}

/// What a rule says.
enum Seen {
    /// This made the run slow.
    Fired(Box<Draft>),
    /// All is well, with the numbers.
    Clear(String),
    /// What is missing.
    Unknown(&'static str),
}

/// A cause in the making.
#[derive(Default)]
struct Draft {
    /// In per cent of the time of the solve, where it can be computed.
    cost: Option<f64>,
    /// Severe whatever it cost.
    severe: bool,
    headline: String,
    facts: Vec<Fact>,
    why: &'static str,
    at_s: Option<f64>,
    next: Vec<NextTry>,
}

impl Draft {
    fn fired(self) -> Seen {
        Seen::Fired(Box::new(self))
    }
}

/// Looks at a run from all sides.
#[must_use]
pub fn diagnose(case: &Case<'_>) -> Diagnosis {
    let known = Known::of(case);
    let (mut causes, mut looks) = (Vec::new(), Vec::new());
    for rule in &RULES {
        let seen = match (rule.look)(&known, rule.limit) {
            Seen::Fired(mut draft) => {
                if draft.next.is_empty() {
                    draft.next.push(known.try_with("The same run again, to see whether it stays so", &[]));
                }
                cause(rule.code, *draft)
            }
            Seen::Clear(seen) => Err((RuleOutcome::Clear, seen)),
            Seen::Unknown(missing) => Err((RuleOutcome::Unknown, missing.to_owned())),
        };
        let (outcome, seen) = match seen {
            Ok(cause) => {
                let told = cause.headline.clone();
                causes.push(cause);
                (RuleOutcome::Fired, told)
            }
            Err(other) => other,
        };
        looks.push(RuleLook {
            code: rule.code.into(),
            title: rule.title.into(),
            threshold: rule.threshold.replace("{}", &figure(rule.limit)),
            reason: rule.reason.into(),
            outcome,
            seen,
        });
    }
    let cost = |cause: &Cause| cause.cost_percent.unwrap_or(0.0);
    causes.sort_by(|a, b| a.severity.cmp(&b.severity).then(cost(b).total_cmp(&cost(a))));
    let percent = case.percent.filter(|percent| percent.is_finite());
    Diagnosis {
        result: case.id.clone(),
        summary: summary(percent, &causes, &looks),
        score: case.score,
        unit: case.unit.into(),
        percent,
        causes,
        rules: looks,
    }
}

/// A cause as it is told; what it would have said where it has no number to show.
fn cause(code: &str, draft: Draft) -> Result<Cause, (RuleOutcome, String)> {
    let facts: Vec<Fact> = draft.facts.into_iter().filter(|fact| fact.value.is_finite()).collect();
    if facts.is_empty() {
        return Err((RuleOutcome::Unknown, "the numbers of this run are none".into()));
    }
    let cost = draft.cost.filter(|cost| cost.is_finite()).map(|cost| cost.clamp(0.0, 100.0));
    let severity = match cost {
        _ if draft.severe => Severity::Severe,
        Some(cost) if cost >= SEVERE => Severity::Severe,
        Some(cost) if cost >= NOTABLE => Severity::Notable,
        Some(_) => Severity::Minor,
        None => Severity::Unknown,
    };
    Ok(Cause {
        code: code.into(),
        severity,
        cost_percent: cost,
        headline: draft.headline,
        facts,
        why: draft.why.into(),
        at_s: draft.at_s.filter(|at| at.is_finite()),
        next: draft.next,
    })
}

fn summary(percent: Option<f64>, causes: &[Cause], looks: &[RuleLook]) -> String {
    let (low, high) = HEALTHY;
    let reached = percent.map_or("The node's peak was not measured.".to_owned(), |percent| {
        format!("The run reached {} % of the node's measured peak.", rounded(percent))
    });
    if let Some(first) = causes.first() {
        let more = match causes.len() - 1 {
            0 => String::new(),
            1 => " One more thing stands out.".to_owned(),
            more => format!(" {more} more things stand out."),
        };
        return format!("{reached} {}{more}", first.headline);
    }
    let blind = looks.iter().filter(|look| look.outcome == RuleOutcome::Unknown).count();
    let blind = if blind == 0 {
        String::new()
    } else {
        format!(" {blind} of {} rules could not look: what they need was not measured.", looks.len())
    };
    match percent {
        Some(percent) if percent < low => {
            format!("{reached} Below {low} % something is usually wrong, but none of our rules found it.{blind}")
        }
        _ => format!("Nothing stands out. {reached} {low} to {high} % on one node is healthy.{blind}"),
    }
}

/// A number for a sentence: three digits.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 0.1 || size == 0.0 => 2,
        // Of what is smaller the first two digits that count.
        size => (2.0 - size.log10()).clamp(2.0, 9.0) as usize,
    };
    if value.abs() >= 1e7 || !value.is_finite() {
        return figure(value);
    }
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number that speaks for a cause.
fn fact(name: &str, value: f64, unit: &str) -> Fact {
    let text = if unit.is_empty() { rounded(value) } else { format!("{} {unit}", rounded(value)) };
    Fact { name: name.into(), value, unit: unit.into(), text }
}

/// Advice that is not about parameters.
fn advice(text: impl Into<String>) -> NextTry {
    NextTry { text: text.into(), query: None }
}
