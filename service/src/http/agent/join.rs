//! A node joins, and says what it is.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use hpl_spec::api::PROTOCOL;
use hpl_spec::api::Problem;
use hpl_spec::api::agent::{HelloReply, HelloRequest, Intervals, JoinReply, JoinRequest, Limits};
use hpl_spec::id::NodeId;

use super::proof::{Bearer, Node};
use super::{CHUNK, EVENTS_PER_CALL, SAMPLE_S, SAMPLES_PER_CALL, WAIT_S, check_protocol, check_text};
use crate::app::Shared;
use crate::db::attempts::{self, EVENTS};
use crate::db::nodes::{self, Join};
use crate::error::{Code, Error, Result};
use crate::http::caller::Caller;
use crate::http::extract::{Json, Path};
use crate::limits::{Key, Limit};
use crate::secret::{TokenKind, random_id};

/// A node joins with a join token; the answer holds its own token. A node that has not heard the answer may ask again:
/// until it has said hello it gets the same one, and the join token loses nothing.
#[utoipa::path(post, operation_id = "agent_join", path = "/agent/v1/join", tag = "agent", request_body = JoinRequest, security(("token" = [])),
    responses((status = 201, body = JoinReply), (status = "4XX", body = Problem)))]
pub async fn join(
    State(app): State<Shared>,
    caller: Caller,
    bearer: Bearer,
    Json(request): Json<JoinRequest>,
) -> Result<(StatusCode, axum::Json<JoinReply>)> {
    check_protocol(request.protocol)?;
    // The nodes of a cluster may all come from one address.
    app.limits.check(Limit::Anonymous, &Key::address(caller.address))?;
    check_text("name", &request.name, 64)?;
    check_text("machine_id", &request.machine_id, 128)?;
    let join = Join {
        token: bearer.hash(TokenKind::Join)?,
        key: app.attempt_key.clone(),
        id: random_id::<NodeId>(app.clock.now()).to_string(),
        request,
        address: caller.address.to_string(),
    };
    let (id, token) = app.db.write(move |tx| Box::pin(async move { nodes::join(tx, &join).await })).await?;
    let node = id.parse().map_err(Error::internal)?;
    Ok((StatusCode::CREATED, axum::Json(JoinReply { node, token: token.reveal().to_owned() })))
}

/// A node says what it is, when its daemon starts and when something changes.
#[utoipa::path(post, operation_id = "agent_hello", path = "/agent/v1/nodes/{node}/hello", tag = "agent", request_body = HelloRequest,
    params(("node" = String, Path, description = "the node's id")), security(("token" = [])),
    responses((status = 200, body = HelloReply), (status = "4XX", body = Problem)))]
pub async fn hello(
    State(app): State<Shared>,
    Node(row): Node,
    Path(node): Path<NodeId>,
    Json(request): Json<HelloRequest>,
) -> Result<axum::Json<HelloReply>> {
    check_protocol(request.protocol)?;
    if row.id != node.as_str() {
        return Err(Error::new(Code::Forbidden, "this token belongs to another node"));
    }
    check(&request)?;
    let attempts = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                nodes::hello(tx, row.key, &request).await?;
                attempts::after_hello(tx, row.key, &request.boot_id, &request.holding).await?;
                let mut standings = BTreeMap::new();
                for attempt in request.holding {
                    let standing = attempts::standing(&mut tx.conn, row.key, attempt.as_str()).await?;
                    standings.insert(attempt, standing);
                }
                Ok(standings)
            })
        })
        .await?;
    let config = &app.config;
    let quota = app.quota;
    Ok(axum::Json(HelloReply {
        protocol: PROTOCOL,
        intervals: Intervals {
            beat_s: config.beat_s,
            sample_s: SAMPLE_S,
            claim_wait_s: WAIT_S,
            lease_s: config.lease_s,
        },
        limits: Limits {
            log_bytes: quota.logs,
            artifact_bytes: quota.artifacts,
            chunk_bytes: CHUNK as u64,
            events_per_call: EVENTS_PER_CALL as u32,
            events: EVENTS,
            samples_per_call: SAMPLES_PER_CALL as u32,
        },
        attempts,
        now: app.clock.now(),
    }))
}

fn check(request: &HelloRequest) -> Result<()> {
    check_text("version", &request.version, 64)?;
    check_text("machine_id", &request.machine_id, 128)?;
    check_text("boot_id", &request.boot_id, 128)?;
    check_text("info.hostname", &request.info.hostname, 255)?;
    check_text("info.cpu_model", &request.info.cpu_model, 128)?;
    if !(1..=100_000).contains(&request.info.cores) {
        return Err(Error::field("info.cores", format!("found {}; expected 1 to 100000", request.info.cores)));
    }
    if request.abilities.len() > 64 || request.abilities.iter().any(|(k, v)| k.len() > 64 || v.len() > 256) {
        return Err(Error::field("abilities", "expected at most 64 entries, names to 64 and values to 256 bytes"));
    }
    if request.holding.len() > 64 {
        return Err(Error::field("holding", "expected at most 64 attempts"));
    }
    Ok(())
}
