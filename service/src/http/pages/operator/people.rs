//! Who has an account, and who did what.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::accounts::{AuditEntry, User};

use super::super::forms::{Fields, query};
use super::super::visitor::{Frame, Visitor};
use super::super::words::When;
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::ops::accounts;

/// Rows of the audit log on a page.
const ROWS: u32 = 100;

#[derive(Template)]
#[template(path = "operator_users.html")]
struct UsersPage {
    frame: Frame,
    csrf: String,
    users: Vec<UserLine>,
    next: String,
    first: String,
}

struct UserLine {
    name: String,
    admin: bool,
    own: bool,
    cohort: String,
    since: When,
    disabled: Option<When>,
}

#[derive(Template)]
#[template(path = "operator_audit.html")]
struct AuditPage {
    frame: Frame,
    action: String,
    entries: Vec<EntryLine>,
    older: String,
    newest: String,
}

struct EntryLine {
    when: When,
    actor: String,
    action: String,
    subject: String,
    address: String,
    change: String,
}

impl EntryLine {
    fn new(entry: AuditEntry, now: i64) -> EntryLine {
        let change = match (entry.before, entry.after) {
            (Some(before), Some(after)) => format!("{before} → {after}"),
            (one, other) => one.or(other).unwrap_or_default(),
        };
        let AuditEntry { actor, action, subject, address, at, .. } = entry;
        EntryLine { when: When::new(at, now), actor, action, subject, address, change }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/operator/users", get(users)).route("/operator/audit", get(audit))
}

async fn users(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    visitor.caller.admin()?;
    let now = app.clock.now();
    let after = asked.get("after");
    let page = accounts::user_page(&app.db, after).await?;
    let line = |user: User| UserLine {
        own: visitor.name() == Some(user.username.as_str()),
        name: user.username,
        admin: user.admin,
        cohort: user.cohort,
        since: When::new(user.created_at, now),
        disabled: user.disabled_at.map(|at| When::new(at, now)),
    };
    let call = format!("/api/v1/admin/users{}", query(&[("after", after)]));
    super::super::page(&UsersPage {
        frame: visitor.frame("People", "/operator").with_call("GET", call),
        csrf: visitor.token(),
        users: page.users.into_iter().map(line).collect(),
        next: page.next.map(|name| format!("/operator/users{}", query(&[("after", &name)]))).unwrap_or_default(),
        first: if after.is_empty() { String::new() } else { "/operator/users".to_owned() },
    })
}

async fn audit(State(app): State<Shared>, visitor: Visitor, asked: Fields) -> Result<Response> {
    visitor.caller.admin()?;
    let now = app.clock.now();
    let before = asked.filled("before").map(|row| row.parse().map_err(|_| Error::field("before", "expected a row")));
    let page = accounts::audit_page(&app.db, asked.filled("action"), before.transpose()?, ROWS).await?;
    let pairs = [("action", asked.get("action")), ("before", asked.get("before"))];
    let here = |before: &str| format!("/operator/audit{}", query(&[pairs[0], ("before", before)]));
    super::super::page(&AuditPage {
        frame: visitor.frame("Audit", "/operator").with_call("GET", format!("/api/v1/admin/audit{}", query(&pairs))),
        action: asked.get("action").to_owned(),
        entries: page.entries.into_iter().map(|entry| EntryLine::new(entry, now)).collect(),
        older: page.next.map(|row| here(&row.to_string())).unwrap_or_default(),
        newest: if asked.filled("before").is_some() { here("") } else { String::new() },
    })
}
