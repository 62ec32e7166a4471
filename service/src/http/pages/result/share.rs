//! What of a result is shown elsewhere: its address, a badge, a preview.

use std::collections::VecDeque;
use std::sync::{LazyLock, Mutex, PoisonError};

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use data_encoding::HEXLOWER;
use hpl_spec::api::jobs::Visibility;
use hpl_spec::api::results::{ResultDetail, ResultTier};
use hpl_spec::id::AttemptId;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::Report;
use super::whole::Whole;
use super::words::{Residual, of_peak, unit};
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::auth;
use crate::http::extract::Path;
use crate::http::pages::visitor::{self, Visitor};
use crate::http::pages::words;
use crate::ops::{jobs, results};
use crate::picture;
use crate::picture::card::Card;

/// Pictures that are kept once they were drawn, and how many are drawn at a time: a run on this machine is not to be
/// disturbed by those who look at results.
const KEPT: usize = 64;
const AT_A_TIME: usize = 1;
/// What is drawn counts as so many calls: a call takes a millisecond, this some tens of them.
const CALLS: u32 = 20;
/// Others may show a badge or a preview so long before they ask again. A result can be flagged.
const PUBLIC: &str = "public, max-age=300";
const PRIVATE: &str = "private, no-store";
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

static DRAWS: Semaphore = Semaphore::const_new(AT_A_TIME);
static DRAWN: LazyLock<Mutex<VecDeque<(String, Bytes)>>> = LazyLock::new(Mutex::default);

/// The ways to show a result elsewhere.
pub(super) struct Share {
    pub(super) page: String,
    pub(super) badge: String,
    pub(super) html: String,
    pub(super) markdown: String,
    /// What the badge says.
    pub(super) says: String,
}

/// The page of a result.
pub(super) fn page(origin: &str, id: &AttemptId) -> String {
    format!("{origin}/results/{id}")
}

impl Share {
    pub(super) fn of(detail: &ResultDetail, origin: &str) -> Share {
        let row = &detail.row;
        let page = page(origin, &row.id);
        let badge = format!("{page}/badge.svg");
        let says = match figure_of(detail) {
            Some((score, unit)) => format!("{}: {} {unit}, {}", short(&row.benchmark), words::rate(score), row.tier),
            None => format!("{}: {}", short(&row.benchmark), row.tier),
        };
        Share {
            html: format!("<a href=\"{page}\"><img src=\"{badge}\" alt=\"{says}\"></a>"),
            markdown: format!("[![{says}]({badge})]({page})"),
            page,
            badge: format!("/results/{}/badge.svg", row.id),
            says,
        }
    }
}

/// The name of a benchmark where there is little room.
fn short(benchmark: &str) -> String {
    benchmark.to_uppercase()
}

/// The figure, where it is worth being shown: a wrong answer has none.
fn figure_of(detail: &ResultDetail) -> Option<(f64, &'static str)> {
    let row = &detail.row;
    let counts = matches!(row.tier, ResultTier::Verified | ResultTier::Reported);
    (counts && row.score > 0.0).then(|| (row.score, unit(&row.benchmark)))
}

/// How the page shows itself where its address is shared: a public result, and where the host is known.
pub(super) fn preview(detail: &ResultDetail, origin: &str) -> Option<visitor::Share> {
    let row = &detail.row;
    if origin.is_empty() || row.visibility != Visibility::Public {
        return None;
    }
    let title = match figure_of(detail) {
        Some((score, unit)) => format!("{} {unit}, {}", words::rate(score), words::tier(row.tier).to_lowercase()),
        None => format!("{}: {}", row.label, words::tier(row.tier).to_lowercase()),
    };
    let about = match figure_of(detail) {
        Some(_) => of_peak(detail),
        None => words::about_tier(row.tier).to_owned(),
    };
    let page = page(origin, &row.id);
    Some(visitor::Share { title, about, image: format!("{page}/card.png"), page })
}

pub(super) async fn badge(
    State(app): State<Shared>,
    visitor: Visitor,
    headers: HeaderMap,
    Path(id): Path<AttemptId>,
) -> Result<Response> {
    let detail = results::detail(&app, &visitor.caller, &id).await?;
    let svg = picture::badge::badge(&short(&detail.row.benchmark), figure_of(&detail), detail.row.tier);
    let tag = tag_of(&svg);
    Ok(answer(&detail, &headers, &tag, "image/svg+xml", Bytes::from(svg)))
}

pub(super) async fn card(
    State(app): State<Shared>,
    visitor: Visitor,
    whole: Whole,
    headers: HeaderMap,
    Path(id): Path<AttemptId>,
) -> Result<Response> {
    let detail = results::detail(&app, &visitor.caller, &id).await?;
    let title =
        jobs::get(&app, &visitor.caller, detail.row.job.as_str()).await.map(|job| job.title).unwrap_or_default();
    let svg = svg_of(&detail, &title, &whole.0);
    let tag = tag_of(&svg);
    if matches(&headers, &tag) {
        return Ok(answer(&detail, &headers, &tag, "image/png", Bytes::new()));
    }
    let png = match kept(&tag) {
        Some(png) => png,
        None => {
            (1..CALLS).try_for_each(|_| auth::count(&app, &visitor.caller))?;
            draw(&tag, svg).await?
        }
    };
    Ok(answer(&detail, &headers, &tag, "image/png", png))
}

/// The preview: who, how much, of what, how far trusted.
fn svg_of(detail: &ResultDetail, title: &str, origin: &str) -> String {
    let row = &detail.row;
    let report = Report::of(detail);
    let run = report.run();
    let account = run.and_then(|run| run.account.as_ref().map(|account| (account, run.params.flops())));
    let steps =
        account.map(|(account, flops)| picture::waterfall::steps(&account.waterfall, flops)).unwrap_or_default();
    let figure = figure_of(detail);
    let residual = Residual::of(detail, run).short;
    picture::card::card(&Card {
        site: origin.split_once("://").map_or("HPL as a Service", |(_, host)| host),
        figure: figure.map(|(score, _)| score),
        unit: unit(&row.benchmark),
        share_of_peak: row.percent.filter(|_| figure.is_some()).map(|percent| percent / 100.0),
        user: row.owner.as_deref().unwrap_or_default(),
        label: title,
        node: &format!("{}, {}", row.kind, words::count(row.cores, "core", "cores")),
        parameters: &row.label,
        tier: row.tier,
        residual: &residual,
        way: if figure.is_none() { &[] } else { &steps },
    })
}

/// Content and version of the program make the tag.
fn tag_of(content: &str) -> String {
    let hash = Sha256::digest(format!("{} {content}", env!("CARGO_PKG_VERSION")));
    format!("\"{}\"", &HEXLOWER.encode(&hash)[..24])
}

/// Whether the one who asks has it already.
fn matches(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag)
}

fn answer(detail: &ResultDetail, headers: &HeaderMap, tag: &str, kind: &'static str, body: Bytes) -> Response {
    let public = detail.row.visibility == Visibility::Public;
    let (cache, policy) = if public { (PUBLIC, "cross-origin") } else { (PRIVATE, "same-origin") };
    let head = [
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (CACHE_CONTROL, HeaderValue::from_static(cache)),
        (RESOURCE_POLICY, HeaderValue::from_static(policy)),
        (ETAG, HeaderValue::from_str(tag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    if matches(headers, tag) { (StatusCode::NOT_MODIFIED, head).into_response() } else { (head, body).into_response() }
}

/// The pixels of a picture, when its turn comes.
async fn draw(tag: &str, svg: String) -> Result<Bytes> {
    let _turn = DRAWS.acquire().await.map_err(Error::internal)?;
    // Somebody else may have wanted the same meanwhile.
    if let Some(png) = kept(tag) {
        return Ok(png);
    }
    let drawn = tokio::task::spawn_blocking(move || picture::png::png(&svg)).await.map_err(Error::internal)?;
    let png = Bytes::from(drawn.map_err(Error::internal)?);
    let mut all = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    all.push_back((tag.to_owned(), png.clone()));
    if all.len() > KEPT {
        all.pop_front();
    }
    Ok(png)
}

fn kept(tag: &str) -> Option<Bytes> {
    let all = DRAWN.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().find(|(known, _)| known == tag).map(|(_, png)| png.clone())
}
