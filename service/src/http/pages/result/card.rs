//! A result in a few words, as a part of the page of its job.

use askama::Template;
use hpl_spec::api::results::{ResultDetail, ResultTier};
use hpl_spec::report::SweepReport;

use super::words::{Residual, of_peak, span, unit};
use crate::http::pages::words;

/// A result in words, as a part of pages.
#[derive(Template)]
#[template(path = "result_card.html")]
pub(in crate::http::pages) struct ResultView {
    id: String,
    job: String,
    score: String,
    unit: &'static str,
    of_peak: String,
    took: String,
    residual: Residual,
    tier: &'static str,
    tier_class: &'static str,
    about_tier: &'static str,
    flag_why: String,
    accepted: bool,
    /// There is no figure.
    empty: bool,
    /// There is one, and it was refused.
    void: bool,
}

impl ResultView {
    pub(in crate::http::pages) fn new(result: ResultDetail) -> ResultView {
        let sweep: Option<SweepReport> = serde::Deserialize::deserialize(&result.report).ok();
        let run = sweep.as_ref().and_then(|sweep| sweep.reports.first());
        let row = &result.row;
        ResultView {
            id: row.id.to_string(),
            job: row.job.to_string(),
            score: words::rate(row.score),
            unit: unit(&row.benchmark),
            of_peak: of_peak(&result),
            took: span(row.seconds),
            residual: Residual::of(&result, run),
            tier: words::tier(row.tier),
            tier_class: words::tier_class(row.tier),
            about_tier: words::about_tier(row.tier),
            flag_why: row.flag_why.clone(),
            accepted: row.accepted,
            empty: row.score <= 0.0,
            void: row.tier == ResultTier::Failed,
        }
    }
}
