//! A node asks for a job, and waits for one.

use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hpl_spec::api::Problem;
use hpl_spec::api::agent::{Assignment, ClaimRequest};
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;
use serde::Deserialize;

use super::proof::Node;
use super::{WAIT_S, check_text};
use crate::app::{App, Shared};
use crate::db::nodes::NodeRow;
use crate::db::queue::{self, Claim, Claimed};
use crate::error::{Code, Error, Result};
use crate::http::extract::{Json, Query};
use crate::schedule::Offer;
use crate::secret::random_id;

/// A node that waits looks into the queue at least so often, rung or not: a pause before a retry may be over...
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// ...but all that wait together no more than a hundred times a second. Chosen by reasoning: a look costs a reader less than
/// a millisecond, so that however many wait, nine tenths of one reader are left to others. No bench has thousands that wait;
/// the benches' `load` would show it if its nodes waited while people submit.
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// How long to wait.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Seconds to wait for a job, at most 55.
    #[serde(default)]
    #[param(maximum = 55)]
    wait: u32,
}

/// A node asks for a job; with `wait` the answer comes as soon as there is one. 204: none, ask again.
#[utoipa::path(post, operation_id = "agent_claim", path = "/agent/v1/claim", tag = "agent", params(Wait), request_body = ClaimRequest,
    security(("token" = [])),
    responses((status = 200, body = Assignment), (status = 204, description = "no job now"), (status = "4XX", body = Problem)))]
pub async fn claim(
    State(app): State<Shared>,
    Node(node): Node,
    Query(wait): Query<Wait>,
    Json(request): Json<ClaimRequest>,
) -> Result<Response> {
    check_text("boot_id", &request.boot_id, 128)?;
    if request.unhealthy.len() > 16 {
        return Err(Error::field("unhealthy", "expected at most 16 reasons"));
    }
    // They are shown to people, also on terminals.
    request.unhealthy.iter().try_for_each(|why| check_text("unhealthy", why, 256))?;
    let until = Instant::now() + Duration::from_secs(wait.wait.min(WAIT_S).into());
    match wait_for_job(&app, &node, &request, until).await? {
        Some(claimed) => Ok(axum::Json(assignment(&app, &claimed)?).into_response()),
        None if !request.unhealthy.is_empty() => {
            let detail = format!("no job for a node that says: {}", request.unhealthy.join("; "));
            Err(Error::new(Code::NodeUnhealthy, detail).retry_after(WAIT_S))
        }
        None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn wait_for_job(app: &App, node: &NodeRow, request: &ClaimRequest, until: Instant) -> Result<Option<Claimed>> {
    let offer = Offer { memory: request.memory_available, ..node.offer() };
    // The place comes before the look, or a job queued in between would ring nobody. A node that takes nothing has
    // none: it would be rung in the place of another.
    let place = (!node.draining && request.unhealthy.is_empty()).then(|| app.hub.wait_for_job(offer));
    let attempt: AttemptId = random_id(app.clock.now());
    let claim = Claim {
        node: node.key,
        boot_id: request.boot_id.clone(),
        seq: i64::try_from(request.seq).unwrap_or(i64::MAX),
        memory_available: request.memory_available,
        free_disk: request.free_disk,
        unhealthy: request.unhealthy.clone(),
        holding: request.holding.iter().map(ToString::to_string).collect(),
        attempt: attempt.to_string(),
        key: app.attempt_key.clone(),
        lease_ms: app.lease_ms(),
        running_max: app.config.running_max,
        found: false,
    };
    let mut first = true;
    loop {
        // The first look tells the database of the node in any case; the others only if there is something to take.
        let found = may_have_one(app, &claim).await?;
        if first || found {
            let once = Claim { found, ..claim.clone() };
            let claimed = app.db.write(move |tx| Box::pin(async move { queue::claim(tx, &once).await })).await?;
            if claimed.is_some() {
                // Of two copies of a claim the one that nobody reads any more may have been the quicker.
                app.hub.ring_node(&node.id);
            }
            if claimed.is_some() || !claim.unhealthy.is_empty() {
                return Ok(claimed);
            }
        }
        first = false;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let waiting = u32::try_from(app.hub.nodes_waiting()).unwrap_or(u32::MAX);
        let pause = LOOK_AGAIN.max(BETWEEN_LOOKS.saturating_mul(waiting));
        let rung = async {
            match &place {
                Some(place) => place.rung().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = rung => (),
            () = tokio::time::sleep(left.min(pause)) => (),
            () = app.stop.cancelled() => return Ok(None),
        }
    }
}

/// Whether there may be a job for this node: one that waits, or one that a copy of this claim has taken already.
async fn may_have_one(app: &App, claim: &Claim) -> Result<bool> {
    let mut reader = app.db.read().await?;
    if queue::holds(&mut reader, claim.node).await? {
        return Ok(true);
    }
    let node = crate::db::nodes::get(&mut reader, claim.node).await?;
    let offer = Offer { memory: claim.memory_available, ..node.offer() };
    let job = queue::pick(&mut reader, &offer, node.express_streak, claim.running_max, app.clock.now()).await?;
    Ok(job.is_some())
}

/// What the node is told.
fn assignment(app: &App, claimed: &Claimed) -> Result<Assignment> {
    let job = &claimed.job;
    let row = benchmark::find(&job.benchmark)
        .ok_or_else(|| Error::internal(format!("job {} wants the benchmark `{}`", job.id, job.benchmark)))?;
    let parameters = serde_json::from_str(&job.parameters).map_err(Error::internal)?;
    let plan = (row.plan)(&parameters)
        .map_err(|problems| Error::internal(format!("job {} can no longer be planned: {problems:?}", job.id)))?;
    Ok(Assignment {
        job: job.id.parse().map_err(Error::internal)?,
        attempt: claimed.attempt.parse().map_err(Error::internal)?,
        fence: job.fence,
        token: app.attempt_key.token(&claimed.attempt, job.fence).reveal().to_owned(),
        owner: job.owner_name.clone(),
        benchmark: job.benchmark.clone(),
        parameters,
        inputs: plan.inputs,
        ranks: plan.ranks,
        bytes_per_rank: plan.bytes_per_rank,
        walltime_s: job.walltime_s,
    })
}
