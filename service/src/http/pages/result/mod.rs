//! One result: what it is worth, where its time went, what speaks for it, and how to make it again.
//!
//! ```text
//!   /results/{id}               all of it: words, went, facts, previous, repeat, share
//!   /results/{id}/why           what made it slow, and what to try
//!   /results/{id}/certificate   one page for the printer
//!   /results/{id}/badge.svg, card.png   what is shown elsewhere
//!   ResultView                  a card for the page of its job
//! ```

mod card;
mod certificate;
mod facts;
mod previous;
mod repeat;
mod share;
mod went;
mod whole;
mod why;
mod words;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::jobs::Visibility;
use hpl_spec::api::results::{ResultDetail, ResultTier};
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;
use hpl_spec::report::{RunReport, SweepReport};

pub(super) use self::card::ResultView;
use self::facts::{Fact, Looks, ParameterLine};
use self::previous::PreviousView;
use self::repeat::Repeat;
use self::share::Share;
use self::went::Went;
use self::whole::Whole;
use self::why::Quote;
use self::words::Residual;
use super::visitor::{Frame, Visitor};
use super::words::{self as said, When};
use crate::app::Shared;
use crate::error::Result;
use crate::http::extract::Path;
use crate::ops::{insight, jobs, record, results};

#[derive(Template)]
#[template(path = "result.html")]
struct ResultPage {
    frame: Frame,
    id: AttemptId,
    name: String,
    label: String,
    benchmark: String,
    owner: String,
    node: String,
    kind: String,
    cores: String,
    came: When,
    job: String,
    job_known: bool,
    accepted: bool,
    private: bool,
    /// Whether everybody may see it now.
    shared: bool,
    /// Whether the reader can change who sees it.
    own: bool,
    hero: Hero,
    /// Whether there is a figure to ask that of.
    counted: bool,
    quote: Option<Quote>,
    /// Whether all was looked at and nothing stands out.
    clear: bool,
    went: Option<Went>,
    looks: Looks,
    reproduced: String,
    /// What is known of the node, the program, the run from outside: a heading, where it comes from, the facts.
    groups: Vec<(&'static str, &'static str, Vec<Fact>)>,
    environment: Vec<Fact>,
    sandbox: Vec<Fact>,
    binary: String,
    launch: String,
    parameters: Vec<ParameterLine>,
    previous: Option<PreviousView>,
    repeat: Repeat,
    /// Path and size.
    files: Vec<(String, String)>,
    share: Share,
}

/// The figure, and what it is worth.
struct Hero {
    /// Empty where there is none.
    score: String,
    unit: &'static str,
    of_peak: String,
    /// From 0 to 100.
    percent: Option<f64>,
    amount: String,
    took: String,
    operations: String,
    residual: Residual,
    tier: &'static str,
    tier_class: &'static str,
    about_tier: &'static str,
    /// Whether it is a figure that was refused.
    void: bool,
    pending: bool,
    /// What speaks against it, in a word and a sentence.
    against: Option<(&'static str, String)>,
    flagged: String,
}

/// What the program said, where it can be read.
struct Report(Option<SweepReport>);

impl Report {
    fn of(detail: &ResultDetail) -> Report {
        Report(serde::Deserialize::deserialize(&detail.report).ok())
    }

    fn run(&self) -> Option<&RunReport> {
        self.0.as_ref().and_then(|sweep| sweep.reports.first())
    }
}

impl Hero {
    fn of(detail: &ResultDetail, run: Option<&RunReport>) -> Hero {
        let row = &detail.row;
        let operations = run.map(|run| run.params.flops());
        let residual = Residual::of(detail, run);
        let against = match row.tier {
            ResultTier::Pending => Some(("Not checked yet.", said::about_tier(row.tier).to_owned())),
            ResultTier::Failed => {
                let why = if detail.check.is_empty() {
                    String::new()
                } else {
                    format!(" {}.", words::sentence(&detail.check))
                };
                Some(("This score does not count.", format!("{}{why}", said::about_tier(row.tier))))
            }
            ResultTier::Flagged | ResultTier::Orphan => {
                Some(("This result is not ranked.", said::about_tier(row.tier).to_owned()))
            }
            ResultTier::Verified | ResultTier::Reported => None,
        };
        Hero {
            score: if row.score > 0.0 { said::rate(row.score) } else { String::new() },
            unit: words::unit(&row.benchmark),
            of_peak: words::of_peak(detail),
            percent: row.percent.map(|percent| percent.clamp(0.0, 100.0)),
            amount: operations.and_then(|all| words::amount(all, row.seconds)).unwrap_or_default(),
            took: words::span(row.seconds),
            operations: operations.map(words::spoken).unwrap_or_default(),
            residual,
            tier: said::tier(row.tier),
            tier_class: said::tier_class(row.tier),
            about_tier: said::about_tier(row.tier),
            void: row.tier == ResultTier::Failed,
            pending: row.tier == ResultTier::Pending,
            against,
            flagged: row.flag_why.clone(),
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/results/{id}", get(look))
        .route("/results/{id}/why", get(why::look))
        .route("/results/{id}/certificate", get(certificate::look))
        .route("/results/{id}/badge.svg", get(share::badge))
        .route("/results/{id}/card.png", get(share::card))
}

async fn look(
    State(app): State<Shared>,
    visitor: Visitor,
    whole: Whole,
    Path(id): Path<AttemptId>,
) -> Result<Response> {
    let detail = results::detail(&app, &visitor.caller, &id).await?;
    let node = results::node(&app, &visitor.caller, &id).await?;
    let files = record::files(&app, &id).await?;
    let job = jobs::get(&app, &visitor.caller, detail.row.job.as_str()).await.ok();
    // The page stands without what is made of other results.
    let previous = insight::previous(&app, &visitor.caller, &id).await.ok();
    let counted = detail.row.score > 0.0 && detail.row.tier != ResultTier::Failed;
    let diagnosis = if counted { insight::diagnosis(&app, &visitor.caller, &id).await.ok() } else { None };
    let report = Report::of(&detail);
    let row = &detail.row;
    let now = app.clock.now();
    let title = job.as_ref().map(|job| job.title.clone()).filter(|title| !title.is_empty());
    let name = title.unwrap_or_else(|| row.label.clone());
    let evidence = detail.evidence.as_ref();
    let mut groups = vec![];
    groups.extend(node.as_ref().map(|node| ("The node", "As the node described itself last.", facts::node(node))));
    groups.extend(report.0.as_ref().map(|sweep| ("The program", "", facts::program(sweep))));
    groups.extend(evidence.map(|evidence| {
        ("Seen from outside", "By the daemon of the node, not by the program.", facts::measured(evidence, row))
    }));
    super::page(&ResultPage {
        frame: frame(&visitor, &detail, &name, &whole.0),
        benchmark: benchmark::find(&row.benchmark).map_or(row.benchmark.clone(), |row| row.title.to_owned()),
        label: row.label.clone(),
        owner: row.owner.clone().unwrap_or_default(),
        node: row.node.as_ref().map(|node| node.name.clone()).unwrap_or_default(),
        kind: row.kind.clone(),
        cores: said::count(row.cores, "core", "cores"),
        came: When::new(row.created_at, now),
        job: row.job.to_string(),
        job_known: job.is_some(),
        accepted: row.accepted,
        private: job.as_ref().map_or(row.visibility, |job| job.visibility) == Visibility::Private,
        shared: row.visibility == Visibility::Public,
        own: job.as_ref().is_some_and(|job| visitor.may_change(&job.owner)),
        hero: Hero::of(&detail, report.run()),
        counted,
        quote: diagnosis.as_ref().and_then(why::quote),
        clear: diagnosis.as_ref().is_some_and(|diagnosis| diagnosis.causes.is_empty()),
        went: report.run().map(Went::of),
        looks: Looks::of(&detail),
        reproduced: facts::reproduced(detail.reproduced),
        groups,
        environment: evidence.map(|evidence| facts::named(&evidence.environment)).unwrap_or_default(),
        sandbox: evidence.map(|evidence| facts::named(&evidence.sandbox)).unwrap_or_default(),
        binary: evidence.map(|evidence| evidence.binary_sha256.clone()).unwrap_or_default(),
        launch: evidence.map(|evidence| facts::command(&evidence.launch)).unwrap_or_default(),
        parameters: facts::parameters(&row.benchmark, &detail.parameters),
        previous: previous.and_then(|previous| PreviousView::of(previous, now)),
        repeat: Repeat::of(&row.benchmark, &detail.parameters, report.0.as_ref(), &whole.0),
        files: files.into_iter().map(|file| (file.name.path(), said::bytes(file.length))).collect(),
        share: Share::of(&detail, &whole.0),
        name,
        id,
    })
}

fn frame(visitor: &Visitor, detail: &ResultDetail, name: &str, origin: &str) -> Frame {
    let api = format!("/api/v1/results/{}", detail.row.id);
    let mut frame = visitor.frame(format!("Result: {name}"), "/results");
    frame.share = share::preview(detail, origin);
    let previous = format!("{api}/previous");
    let diagnosis = format!("{api}/diagnosis");
    frame.with_call("GET", api).with_call("GET", previous).with_call("GET", diagnosis)
}
