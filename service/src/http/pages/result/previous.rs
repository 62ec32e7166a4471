//! What is other than in the same user's run before.

use hpl_spec::api::insight::{Change, Previous};

use super::facts;
use super::words::unit;
use crate::http::pages::words::{self, When};

/// This run beside the one before.
pub(super) struct PreviousView {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) when: When,
    pub(super) score_before: String,
    pub(super) score_now: String,
    pub(super) unit: &'static str,
    pub(super) change: String,
    pub(super) lines: Vec<ChangeLine>,
    /// Of which side nothing is known, in a sentence; empty if something is known of both.
    pub(super) unknown: &'static str,
    /// Side by side with more runs of either kind.
    pub(super) compare: String,
}

pub(super) struct ChangeLine {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) before: String,
    pub(super) now: String,
}

impl PreviousView {
    /// None of a first run.
    pub(super) fn of(previous: Previous, now: i64) -> Option<PreviousView> {
        let Previous { now: row, before, change_percent, parameters, environment } = previous;
        let before = before?;
        let schema = facts::schema(&row.benchmark);
        // A side of which nothing is known is one fact, not as many as the other has.
        let blank = |side: fn(&Change) -> &serde_json::Value| {
            !environment.is_empty() && environment.iter().all(|change| side(change).is_null())
        };
        let unknown = match (blank(|change| &change.before), blank(|change| &change.now)) {
            (true, _) => "Of the node and the programs of the run before nothing is known.",
            (_, true) => "Of the node and the programs of this run nothing is known.",
            (false, false) => "",
        };
        let line = |kind, change: &Change, name| ChangeLine {
            kind,
            name,
            before: facts::plain(&change.before),
            now: facts::plain(&change.now),
        };
        let parameters = parameters.iter().map(|c| line("", c, facts::title(&schema, &c.name)));
        let environment = environment.iter().filter(|_| unknown.is_empty());
        let environment = environment.map(|c| line("Node and programs", c, words::titled(&c.name)));
        Some(PreviousView {
            compare: format!("/compare?results={},{}", before.id, row.id),
            id: before.id.to_string(),
            label: before.label,
            when: When::new(before.created_at, now),
            score_before: words::rate(before.score),
            score_now: words::rate(row.score),
            unit: unit(&row.benchmark),
            change: change_percent.map(change).unwrap_or_default(),
            unknown,
            lines: parameters.chain(environment).collect(),
        })
    }
}

fn change(percent: f64) -> String {
    if !percent.is_finite() {
        return String::new();
    }
    match percent {
        small if small.abs() < 0.05 => "the same within 0.1 %".to_owned(),
        more if more > 0.0 => format!("{more:.1} % more"),
        less => format!("{:.1} % less", -less),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_said_in_words() {
        let said = [12.34, -0.5, 0.01, f64::INFINITY].map(change);
        assert_eq!(said, ["12.3 % more", "0.5 % less", "the same within 0.1 %", ""]);
    }
}
