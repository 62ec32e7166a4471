//! The forms of the operator's pages.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use hpl_spec::api::accounts::{InviteRequest, QuotaRequest};
use hpl_spec::api::operator::JoinTokenRequest;
use hpl_spec::id::NodeId;

use super::super::forms::{Fields, on_to};
use super::super::visitor::{Frame, Visitor};
use super::super::words::When;
use super::{Typed, overview};
use crate::app::{App, Shared};
use crate::error::{Error, Result};
use crate::http::accounts::{by, by_session};
use crate::http::extract::Path;
use crate::http::operator::reach;
use crate::ops::accounts::{self, By};
use crate::ops::operator as ops;

/// A secret that is shown this once.
#[derive(Template)]
#[template(path = "operator_secret.html")]
struct SecretPage {
    frame: Frame,
    /// Whether nodes join by it; else people sign up with it.
    joins: bool,
    secret: String,
    ends: When,
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/operator/nodes/{id}/drain", post(drain))
        .route("/operator/nodes/{id}/undrain", post(undrain))
        .route("/operator/nodes/{id}/revoke", post(revoke))
        .route("/operator/join-tokens", post(create_join_token))
        .route("/operator/join-tokens/{id}/revoke", post(revoke_join_token))
        .route("/operator/quotas", post(set_quota))
        .route("/operator/quotas/clear", post(clear_quota))
        .route("/operator/invites", post(create_invite))
        .route("/operator/invites/{id}/revoke", post(revoke_invite))
        .route("/operator/users/{name}/disable", post(disable_user))
        .route("/operator/users/{name}/enable", post(enable_user))
}

/// Who sent the form: an administrator, from a page of ours.
pub(super) fn administrator(visitor: &Visitor, sent: &Fields) -> Result<By> {
    visitor.guard.check(sent.get("csrf"))?;
    visitor.caller.admin()?;
    let (user, _) = by_session(&visitor.caller)?;
    Ok(by(user, &visitor.caller))
}

fn node(id: &str) -> Result<String> {
    id.parse::<NodeId>().map(|id| id.to_string()).map_err(|_| Error::not_found("node"))
}

async fn set_draining(app: &App, by: By, id: &str, draining: bool) -> Result<Response> {
    ops::set_draining(&app.db, by, node(id)?, draining).await?;
    Ok(on_to("/operator", if draining { "draining" } else { "undrained" }))
}

async fn drain(State(app): State<Shared>, visitor: Visitor, Path(id): Path<String>, sent: Fields) -> Result<Response> {
    set_draining(&app, administrator(&visitor, &sent)?, &id, true).await
}

async fn undrain(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
    sent: Fields,
) -> Result<Response> {
    set_draining(&app, administrator(&visitor, &sent)?, &id, false).await
}

async fn revoke(State(app): State<Shared>, visitor: Visitor, Path(id): Path<String>, sent: Fields) -> Result<Response> {
    ops::revoke_node(&app.db, administrator(&visitor, &sent)?, node(&id)?).await?;
    Ok(on_to("/operator", "revoked"))
}

async fn create_join_token(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let by = administrator(&visitor, &sent)?;
    let mut problems = vec![];
    let labels = sent.get("labels").split([',', ' ']).filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let request = JoinTokenRequest {
        labels,
        trusted: sent.get("trusted") == "yes",
        nodes: sent.number("nodes", &mut problems),
        minutes: sent.number("minutes", &mut problems),
    };
    let made = async {
        if !problems.is_empty() {
            return Err(Error::invalid(problems));
        }
        ops::create_join_token(&app.db, by, request, reach(&app)?).await
    };
    match made.await {
        Ok(made) => {
            let ends = When::new(made.info.expires_at, app.clock.now());
            let frame = visitor.frame("A join string", "/operator");
            let page = SecretPage { frame, joins: true, secret: made.join_string, ends };
            super::super::show_secret(&page)
        }
        Err(error) => overview(&app, &visitor, Typed { sent, token: Some(error), ..Typed::default() }).await,
    }
}

async fn revoke_join_token(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<i64>,
    sent: Fields,
) -> Result<Response> {
    ops::revoke_join_token(&app.db, administrator(&visitor, &sent)?, id).await?;
    Ok(on_to("/operator", "join_revoked"))
}

async fn set_quota(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let by = administrator(&visitor, &sent)?;
    let mut problems = vec![];
    let quota = QuotaRequest {
        running_max: sent.number("running_max", &mut problems),
        queued_max: sent.number("queued_max", &mut problems),
        walltime_max_s: sent.number("walltime_max_s", &mut problems),
    };
    let subject = format!("{}:{}", sent.get("whose"), sent.get("subject").trim());
    let done = async {
        if !problems.is_empty() {
            return Err(Error::invalid(problems));
        }
        if quota == QuotaRequest::default() {
            return Err(Error::field("running_max", "expected a number in at least one of the three fields"));
        }
        accounts::set_quota(&app.db, by, &subject, quota).await
    };
    match done.await {
        Ok(_) => Ok(on_to("/operator", "quota")),
        Err(mut error) => {
            // An account that is not there is something that was typed, not a page that is missing.
            if error.errors.is_empty() {
                error = Error::field("subject", error.detail);
            }
            overview(&app, &visitor, Typed { sent, quota: Some(error), ..Typed::default() }).await
        }
    }
}

async fn clear_quota(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let by = administrator(&visitor, &sent)?;
    accounts::clear_quota(&app.db, by, sent.get("subject")).await?;
    Ok(on_to("/operator", "quota"))
}

async fn create_invite(State(app): State<Shared>, visitor: Visitor, sent: Fields) -> Result<Response> {
    let by = administrator(&visitor, &sent)?;
    let mut problems = vec![];
    let request = InviteRequest {
        uses: sent.number("uses", &mut problems),
        days: sent.number("days", &mut problems),
        cohort: sent.get("cohort").trim().to_owned(),
    };
    let made = async {
        if !problems.is_empty() {
            return Err(Error::invalid(problems));
        }
        accounts::create_invite(&app.db, by, request).await
    };
    match made.await {
        Ok(made) => {
            let ends = When::new(made.expires_at, app.clock.now());
            let frame = visitor.frame("An invitation", "/operator");
            super::super::show_secret(&SecretPage { frame, joins: false, secret: made.invite, ends })
        }
        Err(error) => overview(&app, &visitor, Typed { sent, invite: Some(error), ..Typed::default() }).await,
    }
}

async fn revoke_invite(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<i64>,
    sent: Fields,
) -> Result<Response> {
    accounts::revoke_invite(&app.db, administrator(&visitor, &sent)?, id).await?;
    Ok(on_to("/operator", "invite_revoked"))
}

async fn disable_user(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(name): Path<String>,
    sent: Fields,
) -> Result<Response> {
    accounts::set_disabled(&app.db, administrator(&visitor, &sent)?, &name, true).await?;
    Ok(on_to("/operator/users", "disabled"))
}

async fn enable_user(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(name): Path<String>,
    sent: Fields,
) -> Result<Response> {
    accounts::set_disabled(&app.db, administrator(&visitor, &sent)?, &name, false).await?;
    Ok(on_to("/operator/users", "enabled"))
}
