//! What can be said of each two columns, and the sweep that would tell more.

use hpl_spec::api::insight::{Comparison, PairOutcome, PairVerdict, RunGroup};
use serde_json::Value;

use super::super::forms::query;
use super::number;

/// A verdict in words.
pub(super) struct Said {
    /// The numbers of the columns.
    pub(super) pair: String,
    pub(super) mark: &'static str,
    pub(super) word: String,
    pub(super) text: String,
    /// Whether there is one run on each side.
    pub(super) one_each: bool,
    /// The sweep that runs both again; empty where there are runs enough.
    pub(super) repeat: String,
}

/// The verdicts on all pairs, in the order of the columns.
pub(super) fn all(found: &Comparison, repeats: u32) -> Vec<Said> {
    found.verdicts.iter().filter_map(|verdict| said(found, verdict, repeats)).collect()
}

fn said(found: &Comparison, verdict: &PairVerdict, repeats: u32) -> Option<Said> {
    let (first, second) = (verdict.first as usize, verdict.second as usize);
    let both = [found.groups.get(first)?, found.groups.get(second)?];
    let one_each = both.iter().all(|group| group.n == 1);
    let (mark, word) = match verdict.outcome {
        // Whatever was answered: of one run each there is no winner.
        _ if one_each => ("waits", "Cannot be told".to_owned()),
        PairOutcome::TooFew => ("waits", "Cannot be told".to_owned()),
        PairOutcome::NoDifference => ("live", "No difference".to_owned()),
        PairOutcome::FirstFaster => ("good", format!("{} is faster", number(first))),
        PairOutcome::SecondFaster => ("good", format!("{} is faster", number(second))),
    };
    let undecided = one_each || verdict.outcome == PairOutcome::TooFew;
    Some(Said {
        pair: format!("{} and {}", number(first), number(second)),
        mark,
        word,
        text: if one_each { String::new() } else { text(verdict) },
        one_each,
        repeat: if undecided { repeat(&both, repeats) } else { String::new() },
    })
}

/// The verdict, and by how much the medians differ where they do.
fn text(verdict: &PairVerdict) -> String {
    let (slower, faster, change) = match (verdict.outcome, verdict.median_change_percent) {
        (PairOutcome::SecondFaster, Some(change)) => (verdict.first, verdict.second, change),
        // From the first one's point of view it is another share.
        (PairOutcome::FirstFaster, Some(change)) => {
            (verdict.second, verdict.first, 100.0 * (1.0 / (1.0 + change / 100.0) - 1.0))
        }
        _ => return verdict.text.clone(),
    };
    let (slower, faster) = (number(slower as usize), number(faster as usize));
    if !change.is_finite() || change <= 0.0 {
        return verdict.text.clone();
    }
    format!("{} The median of {faster} is {change:.1} % above that of {slower}.", verdict.text)
}

/// The page of a new sweep over the parameters of those groups.
pub(super) fn repeat(groups: &[&RunGroup], repeats: u32) -> String {
    let mut pairs: Vec<(String, String)> = vec![];
    for group in groups {
        for (name, value) in group.parameters.as_object().into_iter().flatten() {
            let value = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            match pairs.iter_mut().find(|(known, _)| known == name) {
                Some((_, values)) if values.split(',').any(|known| known == value) => {}
                Some((_, values)) => *values = format!("{values},{value}"),
                None => pairs.push((name.clone(), value)),
            }
        }
    }
    pairs.push(("repeats".to_owned(), repeats.to_string()));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    format!("/sweeps/new{}", query(&pairs))
}
