//! What is in force and how things are computed: limits, scores, tiers.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::ResultTier;

use super::visitor::{Frame, Visitor};
use super::words::{self, bytes, duration};
use crate::app::Shared;
use crate::db::sessions;
use crate::error::Result;
use crate::http::caller::Scope;
use crate::ops::accounts;
use crate::ops::jobs::{MOST_INPUT, MOST_RUNS};
use crate::password::{MAX_CHARS, MIN_CHARS};
use crate::schedule::EXPRESS_S;

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsPage {
    frame: Frame,
    /// Whether the first group is about who is logged in.
    own: bool,
    groups: Vec<Group>,
}

struct Group {
    title: &'static str,
    lines: Vec<(&'static str, String)>,
}

#[derive(Template)]
#[template(path = "about_score.html")]
struct ScorePage {
    frame: Frame,
    tiers: Vec<(&'static str, &'static str, &'static str)>,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/limits", get(limits)).route("/about-score", get(score))
}

fn rate(number: u32, per: &str) -> String {
    if number == 0 { "no limit".to_owned() } else { format!("{number} {per}") }
}

async fn limits(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let config = &app.config;
    let (running, queued, walltime) = match visitor.caller.user(Scope::Read) {
        Ok(user) => {
            let quota = accounts::me(&app, user.key, None).await?.quota;
            (quota.running_max, quota.queued_max, quota.walltime_max_s)
        }
        Err(_) => (config.running_max, config.queued_max, config.walltime_max_s),
    };
    let jobs = vec![
        ("Runs at the same time", running.to_string()),
        ("Jobs and sweeps that wait", queued.to_string()),
        ("Longest time of a run", duration(walltime.into())),
        ("Runs of a sweep", MOST_RUNS.to_string()),
        ("A pasted HPL.dat", bytes(MOST_INPUT as u64)),
        ("Express lane: runs of at most", duration(EXPRESS_S.into())),
        ("Logs of a run", bytes(app.quota.logs)),
        ("Files of a run", format!("{} in at most {} files", bytes(app.quota.artifacts), app.quota.artifact_count)),
    ];
    let rates = app.rates;
    let often = vec![
        ("Signing up", rate(rates.sign_up_per_hour, "an hour from one address")),
        ("Logging in", rate(rates.log_in_per_minute, "a minute from one address")),
        ("Submitting jobs", rate(rates.submit_per_hour, "an hour")),
        ("Pages and calls while logged in", rate(rates.api_per_hour, "an hour")),
        ("Calls of a node", rate(rates.agent_per_minute, "a minute, and as many of its run")),
        ("Pages and calls of strangers", rate(rates.anonymous_per_minute, "a minute from one address")),
    ];
    let accounts = vec![
        ("Password", format!("{MIN_CHARS} to {MAX_CHARS} characters")),
        ("A log-in ends when it was not used for", duration(sessions::IDLE as f64 / 1000.0)),
        ("A log-in ends at the latest after", duration(sessions::ABSOLUTE as f64 / 1000.0)),
        ("A node counts as lost when silent for", duration(config.lease_s.into())),
    ];
    let groups = vec![
        Group { title: "Jobs", lines: jobs },
        Group { title: "How often you may ask", lines: often },
        Group { title: "Accounts and nodes", lines: accounts },
    ];
    super::page(&LimitsPage { own: visitor.name().is_some(), frame: visitor.frame("Limits", "/limits"), groups })
}

async fn score(visitor: Visitor) -> Result<Response> {
    let tiers = ResultTier::ALL.map(|tier| (words::tier(tier), words::tier_class(tier), words::about_tier(tier)));
    super::page(&ScorePage { frame: visitor.frame("How scores are made", "/about-score"), tiers: tiers.to_vec() })
}
