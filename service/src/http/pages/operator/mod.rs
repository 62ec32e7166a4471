//! What only those who run the service see: nodes and join strings, quotas and invitations, people, the audit log.

mod change;
mod people;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::operator::{InviteInfo, JoinTokenInfo, OperatorNode, QuotaSet};

use super::forms::{Fields, Wrong};
use super::visitor::{Frame, Visitor};
use super::words::{self, When, duration};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::ops::operator as ops;

#[derive(Template)]
#[template(path = "operator.html")]
struct OperatorPage {
    frame: Frame,
    csrf: String,
    nodes: Vec<NodeLine>,
    /// How many there are, and how many of them need somebody.
    fleet: String,
    /// The pages of nodes before and after these; empty where there are none.
    first: String,
    next: String,
    tokens: Vec<TokenLine>,
    quotas: Vec<QuotaLine>,
    invites: Vec<InviteLine>,
    /// What is allowed where nothing is set: runs at a time, waiting jobs, longest run.
    usual: (u32, u32, String),
    sent: Fields,
    wrong_token: Wrong,
    wrong_quota: Wrong,
    wrong_invite: Wrong,
}

struct NodeLine {
    id: String,
    name: String,
    kind: String,
    cores: u32,
    memory: String,
    version: String,
    labels: String,
    trusted: bool,
    state: &'static str,
    class: &'static str,
    needs: Needs,
    why: String,
    seen: When,
    /// Whether it was not heard of for longer than a lease while it has no job.
    silent: bool,
    draining: bool,
    revoked: bool,
}

/// How much a node needs somebody, the most first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    ToBeFound,
    ToBeHealed,
    Nothing,
    /// It takes no jobs any more.
    NothingEver,
}

impl NodeLine {
    fn new(node: OperatorNode, lease_ms: i64, now: i64) -> NodeLine {
        let revoked = node.revoked_at.is_some();
        let silent = !revoked && !node.busy && now - node.seen_at > lease_ms;
        let unwell = !node.unhealthy.is_empty();
        let (state, class, needs) = match (revoked, node.busy, node.draining) {
            (true, ..) => ("Revoked", "over", Needs::NothingEver),
            (_, true, true) => ("Has a job, then takes no more", "live", Needs::Nothing),
            (_, true, false) => ("Has a job", "live", Needs::Nothing),
            (_, _, true) => ("Takes no jobs", "over", Needs::NothingEver),
            _ if silent => ("Not heard of", "bad", Needs::ToBeFound),
            _ if unwell => ("Not well", "doubt", Needs::ToBeHealed),
            _ => ("Free", "good", Needs::Nothing),
        };
        NodeLine {
            id: node.id.to_string(),
            name: node.name,
            kind: node.kind,
            cores: node.cores,
            memory: words::bytes(node.memory),
            version: node.version,
            labels: node.labels.join(", "),
            trusted: node.trusted,
            state,
            class,
            needs,
            why: if unwell && !revoked { node.unhealthy.join("; ") } else { String::new() },
            seen: When::new(node.seen_at, now),
            silent,
            draining: node.draining,
            revoked,
        }
    }
}

/// How many nodes there are, and how many of them need somebody: a sentence; nothing of no nodes.
fn fleet(nodes: &[NodeLine]) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    let of = |needs| nodes.iter().filter(|node| node.needs == needs).count();
    let (lost, unwell) = (of(Needs::ToBeFound), of(Needs::ToBeHealed));
    let all = words::count(nodes.len() as u64, "node", "nodes");
    match (lost, unwell) {
        (0, 0) => format!("{all}, none of which needs you."),
        _ => format!("{all}: {lost} not heard of, {unwell} not well. They stand first."),
    }
}

struct TokenLine {
    id: i64,
    nodes: String,
    trusted: bool,
    labels: String,
    ends: When,
    by: String,
}

impl TokenLine {
    fn new(token: JoinTokenInfo, now: i64) -> TokenLine {
        TokenLine {
            id: token.id,
            nodes: words::count(token.nodes_left, "node", "nodes"),
            trusted: token.trusted,
            labels: token.labels.join(", "),
            ends: When::new(token.expires_at, now),
            by: token.created_by,
        }
    }
}

struct QuotaLine {
    /// The subject as the form sends it, and in words.
    subject: String,
    whose: String,
    running: String,
    queued: String,
    walltime: String,
    changed: When,
}

impl QuotaLine {
    fn new(set: QuotaSet, now: i64) -> QuotaLine {
        let number = |value: Option<u32>| value.map_or_else(|| "as usual".to_owned(), |value| value.to_string());
        let span = |seconds: u32| duration(f64::from(seconds));
        QuotaLine {
            running: number(set.running_max),
            queued: number(set.queued_max),
            walltime: set.walltime_max_s.map_or_else(|| "as usual".to_owned(), span),
            changed: When::new(set.changed_at, now),
            whose: match set.subject.split_once(':') {
                Some(("cohort", name)) => format!("cohort {name}"),
                Some((_, name)) => name.to_owned(),
                None => set.subject.clone(),
            },
            subject: set.subject,
        }
    }
}

struct InviteLine {
    id: i64,
    uses: String,
    cohort: String,
    ends: When,
    by: String,
}

impl InviteLine {
    fn new(invite: InviteInfo, now: i64) -> InviteLine {
        InviteLine {
            id: invite.id,
            uses: words::count(invite.uses_left, "account", "accounts"),
            cohort: invite.cohort,
            ends: When::new(invite.expires_at, now),
            by: invite.created_by,
        }
    }
}

/// Which nodes are shown; the form that something is wrong with, and what was typed.
#[derive(Default)]
struct Typed {
    offset: u32,
    sent: Fields,
    token: Option<Error>,
    quota: Option<Error>,
    invite: Option<Error>,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/operator", get(look)).merge(people::routes()).merge(change::routes())
}

async fn look(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    visitor.caller.admin()?;
    let offset = asked.get("offset").parse().unwrap_or(0);
    overview(&app, &visitor, Typed { offset, ..Typed::default() }).await
}

async fn overview(app: &App, visitor: &Visitor, typed: Typed) -> Result<Response> {
    let now = app.clock.now();
    let wrong = |error: Option<&Error>| error.map(|error| Wrong::of(error, str::to_owned)).unwrap_or_default();
    let error = typed.token.as_ref().or(typed.quota.as_ref()).or(typed.invite.as_ref());
    let status = error.map_or(StatusCode::OK, super::status);
    let nodes = ops::nodes(&app.db).await?;
    let mut nodes: Vec<_> = nodes.into_iter().map(|node| NodeLine::new(node, app.lease_ms(), now)).collect();
    nodes.sort_by_key(|node| node.needs);
    let fleet = fleet(&nodes);
    let (offset, shown) = (typed.offset as usize, super::ROWS as usize);
    let [first, next] = super::around("/operator", typed.offset, nodes.len() > offset.saturating_add(shown));
    let frame = ["nodes", "join-tokens", "quotas", "invites"]
        .iter()
        .fold(visitor.frame("Operator", "/operator"), |frame, what| {
            frame.with_call("GET", format!("/api/v1/admin/{what}"))
        });
    let page = OperatorPage {
        frame,
        csrf: visitor.token(),
        fleet,
        first,
        next,
        nodes: nodes.into_iter().skip(offset).take(shown).collect(),
        tokens: ops::join_tokens(&app.db, now).await?.into_iter().map(|token| TokenLine::new(token, now)).collect(),
        quotas: ops::quotas(&app.db).await?.into_iter().map(|set| QuotaLine::new(set, now)).collect(),
        invites: ops::invites(&app.db, now).await?.into_iter().map(|invite| InviteLine::new(invite, now)).collect(),
        usual: (app.config.running_max, app.config.queued_max, duration(app.config.walltime_max_s.into())),
        wrong_token: wrong(typed.token.as_ref()),
        wrong_quota: wrong(typed.quota.as_ref()),
        wrong_invite: wrong(typed.invite.as_ref()),
        sent: typed.sent,
    };
    super::show(status, &page)
}
