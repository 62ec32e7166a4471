//! Results of attempts that may write no longer, or that are not known here: kept, unranked.

use axum::extract::State;
use hpl_spec::api::Problem;
use hpl_spec::api::agent::{AttemptOutcome, OrphanOf, OrphanReply, OrphanRequest};
use hpl_spec::benchmark;

use super::attempt::{check_finish, incomplete};
use super::check_text;
use super::proof::Node;
use crate::app::{App, Shared};
use crate::db::attempts::Writer;
use crate::db::orphans::{self, Orphan};
use crate::error::{Code, Error, Result};
use crate::http::extract::Json;
use crate::secret::{self, TokenKind};

/// A node submits an orphan. May be sent again; nothing is kept twice. Its logs and artifacts are taken for a day
/// afterwards, where those of the attempt are, with the attempt's token.
#[utoipa::path(post, operation_id = "agent_orphan", path = "/agent/v1/orphans", tag = "agent", request_body = OrphanRequest, security(("token" = [])),
    responses((status = 200, body = OrphanReply), (status = "4XX", body = Problem)))]
pub async fn orphan(
    State(app): State<Shared>,
    Node(node): Node,
    Json(request): Json<OrphanRequest>,
) -> Result<axum::Json<OrphanReply>> {
    check_finish(&request.finish)?;
    app.check_room()?;
    let of = &request.assignment;
    let writer = dealt(&app, of, request.finish.fence)?;
    check_text("assignment.owner", &of.owner, 32)?;
    let AttemptOutcome::Completed { result } = &request.finish.outcome else {
        return Err(Error::field("finish.outcome", "only a completed run can be kept as an orphan"));
    };
    let Some(row) = benchmark::find(&of.benchmark) else {
        return Err(Error::field("assignment.benchmark", format!("there is no benchmark `{}`", of.benchmark)));
    };
    let plan = (row.plan)(&of.parameters).map_err(Error::invalid)?;
    let submitted = benchmark::Submitted { parameters: &plan.parameters, result, output: None };
    // One that cannot be read is kept all the same: nobody's run is thrown away.
    let judged = (row.judge)(&submitted);
    let orphan = Orphan {
        score: judged.as_ref().map_or(0.0, |o| o.score),
        seconds: judged.as_ref().map_or(0.0, |o| o.seconds),
        passed: judged.as_ref().is_ok_and(|o| o.passed),
        check: judged.map_or_else(|why| why.to_string(), |o| o.check),
        node: node.key,
        job: of.job.as_str().to_owned(),
        writer,
        owner: of.owner.clone(),
        benchmark: row.name,
        parameters: plan.parameters.to_string(),
        label: plan.label,
        size: plan.size,
        report: result.to_string(),
        evidence: serde_json::to_string(&request.finish.evidence).map_err(Error::internal)?,
        files: serde_json::to_string(&request.finish.files).map_err(Error::internal)?,
    };
    let (job_known, dup) = app.db.write(move |tx| Box::pin(async move { orphans::keep(tx, &orphan).await })).await?;
    let incomplete = incomplete(&app, &of.attempt, &request.finish.files).await?;
    Ok(axum::Json(OrphanReply { job_known, dup, incomplete }))
}

/// An attempt id is known to everybody, its token to the node alone that got the assignment. The service makes it anew:
/// it has the key also where a restore has taken the attempt from it.
fn dealt(app: &App, of: &OrphanOf, fence: i64) -> Result<Writer> {
    let token = secret::parse(TokenKind::Attempt, &of.token);
    let token = token.map_err(|why| Error::field("assignment.token", why.to_string()))?;
    if token == app.attempt_key.token(of.attempt.as_str(), fence).hash() {
        return Ok(Writer { attempt: of.attempt.as_str().to_owned(), token, fence });
    }
    Err(Error::new(Code::Forbidden, "the token is not that of this attempt and fence"))
}
