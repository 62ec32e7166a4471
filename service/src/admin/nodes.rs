//! Nodes and join tokens on the console.

use hpl_spec::api::operator::JoinTokenRequest;

use super::table::table;
use super::{JoinToken, time};
use crate::db::Db;
use crate::error::Result;
use crate::ops::accounts::By;
use crate::ops::operator::{self as ops, Reach};

pub(super) async fn create_join_token(db: &Db, by: By, asked: JoinToken, reach: &Reach) -> Result<String> {
    let JoinToken { labels, trusted, nodes, minutes } = asked;
    let request = JoinTokenRequest { labels, trusted, nodes: Some(nodes), minutes: Some(minutes) };
    let made = ops::create_join_token(db, by, request, reach).await?;
    let (text, key, until) = (made.join_string, made.info.id, time(made.info.expires_at));
    Ok(format!("{text}\n\nJoin token {key}, good until {until} UTC. It is shown this once.\n"))
}

pub(super) async fn revoke_join_token(db: &Db, by: By, key: i64) -> Result<String> {
    ops::revoke_join_token(db, by, key).await?;
    Ok(format!("Join token {key} is revoked.\n"))
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

pub(super) async fn list_join_tokens(db: &Db, now: i64) -> Result<String> {
    let lines: Vec<_> = ops::join_tokens(db, now)
        .await?
        .into_iter()
        .map(|t| {
            let until = time(t.expires_at);
            [t.id.to_string(), t.nodes_left.to_string(), yes(t.trusted), t.labels.join(" "), until, t.created_by]
        })
        .collect();
    Ok(table(["ID", "NODES LEFT", "TRUSTED", "LABELS", "UNTIL (UTC)", "BY"], &lines))
}

pub(super) async fn list_nodes(db: &Db) -> Result<String> {
    let lines: Vec<_> = ops::nodes(db)
        .await?
        .into_iter()
        .map(|n| {
            let state = match (n.revoked_at, n.draining) {
                (Some(_), _) => "revoked".to_owned(),
                (None, true) => "draining".to_owned(),
                (None, false) if n.unhealthy.is_empty() => String::new(),
                (None, false) => format!("not well: {}", n.unhealthy.join("; ")),
            };
            let labels = n.labels.join(" ");
            [n.name, n.id.to_string(), n.cores.to_string(), yes(n.trusted), labels, time(n.seen_at), state]
        })
        .collect();
    Ok(table(["NAME", "ID", "CORES", "TRUSTED", "LABELS", "SEEN (UTC)", "STATE"], &lines))
}

pub(super) async fn revoke_node(db: &Db, by: By, meant: String) -> Result<String> {
    let (name, job) = ops::revoke_node(db, by, meant).await?;
    Ok(match job {
        Some(state) => format!("Node {name} is revoked. What it ran is cut off; that job is {state} now.\n"),
        None => format!("Node {name} is revoked. It ran nothing.\n"),
    })
}

pub(super) async fn drain_node(db: &Db, by: By, meant: String, draining: bool) -> Result<String> {
    let name = ops::set_draining(db, by, meant, draining).await?;
    Ok(match draining {
        true => format!("Node {name} gets no new jobs.\n"),
        false => format!("Node {name} gets jobs again.\n"),
    })
}
