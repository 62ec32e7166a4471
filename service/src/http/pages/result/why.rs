//! Why was it slow? What the rules found, what cost most first, and what to try.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hpl_spec::api::insight::{Cause, Diagnosis, RuleLook, RuleOutcome, Severity};
use hpl_spec::id::AttemptId;

use super::words::sentence;
use crate::app::Shared;
use crate::error::Result;
use crate::http::extract::Path;
use crate::http::pages::visitor::{Frame, Visitor};
use crate::http::pages::words;
use crate::ops::{insight, results};

#[derive(Template)]
#[template(path = "why.html")]
struct WhyPage {
    frame: Frame,
    id: AttemptId,
    label: String,
    /// With its unit.
    figure: String,
    summary: String,
    causes: Vec<CauseView>,
    rules: Vec<RuleLine>,
    /// How many rules saw what.
    tally: String,
    again: String,
}

/// A thing that made the run slow.
struct CauseView {
    code: String,
    headline: String,
    why: String,
    cost: String,
    word: &'static str,
    class: &'static str,
    at: String,
    facts: Vec<(String, String)>,
    next: Vec<(String, String)>,
}

struct RuleLine {
    title: String,
    word: &'static str,
    class: &'static str,
    seen: String,
    threshold: String,
    reason: String,
}

/// What the page of the result quotes.
pub(super) struct Quote {
    pub(super) headline: String,
    /// Empty where it cannot be computed, or is in the headline.
    pub(super) cost: String,
    /// How many more there are.
    pub(super) more: usize,
}

/// The most costly finding; None where nothing stands out.
pub(super) fn quote(diagnosis: &Diagnosis) -> Option<Quote> {
    let (first, rest) = diagnosis.causes.split_first()?;
    // Many headlines name the cost themselves.
    let known = first.cost_percent.is_some() && !first.headline.contains("% of the time");
    let cost = if known { cost(first) } else { String::new() };
    Some(Quote { headline: first.headline.clone(), cost, more: rest.len() })
}

fn cost(cause: &Cause) -> String {
    match cause.cost_percent.filter(|percent| percent.is_finite()) {
        Some(percent) if percent >= 10.0 => format!("about {percent:.0} % of the time"),
        Some(percent) if percent >= 0.1 => format!("about {percent:.1} % of the time"),
        Some(_) => "less than 0.1 % of the time".to_owned(),
        None => "what it cost cannot be computed".to_owned(),
    }
}

fn severity(severity: Severity) -> (&'static str, &'static str) {
    match severity {
        Severity::Severe => ("Costs much", "bad"),
        Severity::Notable => ("Costs something", "doubt"),
        Severity::Unknown => ("Cost not known", "waits"),
        Severity::Minor => ("Costs little", "live"),
    }
}

impl CauseView {
    fn of(cause: Cause) -> CauseView {
        let (word, class) = severity(cause.severity);
        CauseView {
            cost: cost(&cause),
            code: cause.code,
            headline: cause.headline,
            why: cause.why,
            word,
            class,
            at: cause.at_s.map(words::duration).unwrap_or_default(),
            facts: cause.facts.into_iter().map(|fact| (sentence(&fact.name), fact.text)).collect(),
            next: cause.next.into_iter().map(|next| (next.text, next.query.map(submit).unwrap_or_default())).collect(),
        }
    }
}

/// How many rules there are, and what they saw.
fn tally(rules: &[RuleLook]) -> String {
    let many = |outcome| rules.iter().filter(|rule| rule.outcome == outcome).count();
    let (fired, unknown) = (many(RuleOutcome::Fired), many(RuleOutcome::Unknown));
    let of = words::count(rules.len() as u64, "rule", "rules");
    format!(
        "Of {of}, {fired} found something, {} found all well, and {unknown} could not tell.",
        many(RuleOutcome::Clear)
    )
}

/// The form, filled in.
fn submit(query: String) -> String {
    format!("/submit{query}")
}

impl RuleLine {
    fn of(rule: RuleLook) -> RuleLine {
        let (word, class) = match rule.outcome {
            RuleOutcome::Fired => ("Stands out", "doubt"),
            RuleOutcome::Clear => ("All is well", "good"),
            RuleOutcome::Unknown => ("Cannot be told", "waits"),
        };
        RuleLine {
            title: rule.title,
            word,
            class,
            seen: sentence(&rule.seen),
            threshold: rule.threshold,
            reason: rule.reason,
        }
    }
}

pub(super) async fn look(State(app): State<Shared>, visitor: Visitor, Path(id): Path<AttemptId>) -> Result<Response> {
    let detail = results::detail(&app, &visitor.caller, &id).await?;
    let diagnosis = insight::diagnosis(&app, &visitor.caller, &id).await?;
    let frame = visitor.frame(format!("Why was it not faster? {}", detail.row.label), "/results");
    let Diagnosis { summary, score, unit, causes, rules, .. } = diagnosis;
    crate::http::pages::page(&WhyPage {
        frame: frame.with_call("GET", format!("/api/v1/results/{id}/diagnosis")),
        label: detail.row.label,
        figure: format!("{} {unit}", words::rate(score)),
        summary,
        tally: tally(&rules),
        causes: causes.into_iter().map(CauseView::of).collect(),
        rules: rules.into_iter().map(RuleLine::of).collect(),
        again: super::repeat::form(&detail.parameters),
        id,
    })
}
