//! The certificate of a result on one page, to be printed. What can be checked is the signed file beside it.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;

use super::facts::{self, ParameterLine};
use super::whole::Whole;
use super::words::{Residual, of_peak, sentence, span, unit};
use super::{Report, share};
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::extract::Path;
use crate::http::pages::visitor::{Frame, Visitor};
use crate::http::pages::words::{self, When};
use crate::ops::results;

#[derive(Template)]
#[template(path = "certificate.html")]
struct CertificatePage {
    frame: Frame,
    benchmark: String,
    owner: String,
    label: String,
    score: String,
    unit: &'static str,
    of_peak: String,
    node: String,
    kind: String,
    cores: String,
    came: When,
    took: String,
    residual: Residual,
    check: String,
    tier: &'static str,
    tier_class: &'static str,
    about_tier: &'static str,
    flag_why: String,
    looks: String,
    binary: String,
    program: String,
    parameters: Vec<ParameterLine>,
    id: AttemptId,
    job: String,
    /// The page of the result, with the host.
    page: String,
    /// The signed file.
    bundle: String,
    /// How it is called when it is downloaded.
    file: String,
    key_id: String,
    public_key: String,
}

pub(super) async fn look(
    State(app): State<Shared>,
    visitor: Visitor,
    whole: Whole,
    Path(id): Path<AttemptId>,
) -> Result<Response> {
    let detail = results::detail(&app, &visitor.caller, &id).await?;
    let row = &detail.row;
    if !row.accepted {
        let why = format!("this result is {}; only the accepted result of a job has a certificate", row.tier);
        return Err(Error::new(Code::Conflict, why));
    }
    let report = Report::of(&detail);
    let key = results::certificate_key(&app);
    let bundle = format!("/api/v1/jobs/{}/certificate", row.job);
    let frame = visitor.frame(format!("Certificate: {}", row.label), "/results");
    let frame = frame.with_call("GET", bundle.clone()).with_call("GET", "/api/v1/key");
    crate::http::pages::page(&CertificatePage {
        frame,
        benchmark: benchmark::find(&row.benchmark).map_or(row.benchmark.clone(), |row| row.title.to_owned()),
        owner: row.owner.clone().unwrap_or_default(),
        label: row.label.clone(),
        score: words::rate(row.score),
        unit: unit(&row.benchmark),
        of_peak: of_peak(&detail),
        node: row.node.as_ref().map(|node| node.name.clone()).unwrap_or_default(),
        kind: row.kind.clone(),
        cores: words::count(row.cores, "core", "cores"),
        came: When::new(row.created_at, app.clock.now()),
        took: span(row.seconds),
        residual: Residual::of(&detail, report.run()),
        check: sentence(&detail.check),
        tier: words::tier(row.tier),
        tier_class: words::tier_class(row.tier),
        about_tier: words::about_tier(row.tier),
        flag_why: row.flag_why.clone(),
        looks: facts::Looks::of(&detail).summary,
        binary: detail.evidence.as_ref().map(|e| e.binary_sha256.clone()).unwrap_or_default(),
        program: report.0.as_ref().map(|sweep| format!("{} {}", sweep.program, sweep.version)).unwrap_or_default(),
        parameters: facts::parameters(&row.benchmark, &detail.parameters),
        job: row.job.to_string(),
        page: share::page(&whole.0, &id),
        bundle: format!("{}{bundle}", whole.0),
        file: format!("{}-{id}.zip", row.benchmark),
        key_id: key.key_id,
        public_key: key.public_key,
        id,
    })
}
