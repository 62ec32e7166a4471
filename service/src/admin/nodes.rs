//! Nodes and join tokens on the console.

use super::table::table;
use super::{JoinToken, Reach, time};
use crate::db::nodes_admin::{self as rows, NewJoinToken};
use crate::db::{Db, audit};
use crate::error::{Code, Error, Result};
use crate::ops::accounts::By;
use crate::secret::{Secret, TokenKind};

/// Most labels of a node.
const LABELS: usize = 16;
/// Most characters of a label.
const LABEL_CHARS: usize = 32;

/// The text by which a node joins: the token, where the service is, and the key that it must show; `hpl-join+http` where
/// the service speaks plain HTTP.
#[must_use]
pub fn join_string(token: &str, reach: &Reach) -> String {
    let host = if reach.host.contains(':') { format!("[{}]", reach.host) } else { reach.host.clone() };
    let pin = reach.pin.as_ref().map(|pin| format!("#sha256={pin}")).unwrap_or_default();
    let scheme = if reach.plain { "hpl-join+http" } else { "hpl-join" };
    format!("{scheme}://{token}@{host}:{}{pin}", reach.port)
}

fn check(asked: &JoinToken) -> Result<()> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    for label in &asked.labels {
        if label.is_empty() || label.len() > LABEL_CHARS || !label.bytes().all(letter) {
            let detail = format!("expected 1 to {LABEL_CHARS} of the characters a-z, 0-9, ., _ and -; found `{label}`");
            return Err(Error::field("--label", detail));
        }
    }
    if asked.labels.len() > LABELS {
        return Err(Error::field("--label", format!("expected at most {LABELS}; found {}", asked.labels.len())));
    }
    if !(1..=10_000).contains(&asked.nodes) {
        return Err(Error::field("--nodes", format!("expected 1 to 10000; found {}", asked.nodes)));
    }
    if !(1..=525_600).contains(&asked.minutes) {
        return Err(Error::field("--minutes", format!("expected 1 to 525600, a year; found {}", asked.minutes)));
    }
    Ok(())
}

pub(super) async fn create_join_token(db: &Db, by: By, asked: JoinToken, reach: &Reach) -> Result<String> {
    check(&asked)?;
    let secret = Secret::new(TokenKind::Join);
    let hash = secret.hash();
    let (key, expires_at) = db
        .write(move |tx| {
            Box::pin(async move {
                let expires_at = tx.now + i64::from(asked.minutes) * 60_000;
                let (labels, trusted, uses) = (asked.labels, asked.trusted, asked.nodes);
                let new = NewJoinToken { hash, labels, trusted, uses, created_by: by.name.clone(), expires_at };
                let key = rows::create_join_token(tx, &new).await?;
                let trust = if trusted { "trusted" } else { "not trusted" };
                let after = format!("{uses} nodes, {trust}, labels: {}", new.labels.join(" "));
                let subject = format!("join token {key}");
                audit::write(tx, &by.name, "join_token.create", &subject, &by.address, None, Some(&after)).await?;
                Ok((key, expires_at))
            })
        })
        .await?;
    let text = join_string(secret.reveal(), reach);
    Ok(format!("{text}\n\nJoin token {key}, good until {} UTC. It is shown this once.\n", time(expires_at)))
}

pub(super) async fn revoke_join_token(db: &Db, by: By, key: i64) -> Result<String> {
    db.write(move |tx| {
        Box::pin(async move {
            if !rows::revoke_join_token(tx, key).await? {
                let detail = format!("there is no join token {key}, or it is revoked; see list-join-tokens");
                return Err(Error::new(Code::NotFound, detail));
            }
            let subject = format!("join token {key}");
            audit::write(tx, &by.name, "join_token.revoke", &subject, &by.address, None, None).await
        })
    })
    .await?;
    Ok(format!("Join token {key} is revoked.\n"))
}

/// A JSON array of texts.
fn texts(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// A JSON array of words as words.
fn words(labels: &str) -> String {
    texts(labels).join(" ")
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

pub(super) async fn list_join_tokens(db: &Db, now: i64) -> Result<String> {
    let found = rows::join_tokens(&mut *db.read().await?, now).await?;
    let lines: Vec<_> = found
        .into_iter()
        .map(|t| {
            let until = time(t.expires_at);
            [t.key.to_string(), t.uses_left.to_string(), yes(t.trusted), words(&t.labels), until, t.created_by]
        })
        .collect();
    Ok(table(["ID", "NODES LEFT", "TRUSTED", "LABELS", "UNTIL (UTC)", "BY"], &lines))
}

pub(super) async fn list_nodes(db: &Db) -> Result<String> {
    let found = rows::nodes(&mut *db.read().await?).await?;
    let lines: Vec<_> = found
        .into_iter()
        .map(|n| {
            let unhealthy = texts(&n.unhealthy).join("; ");
            let state = match (n.revoked_at, n.draining) {
                (Some(_), _) => "revoked".to_owned(),
                (None, true) => "draining".to_owned(),
                (None, false) if unhealthy.is_empty() => String::new(),
                (None, false) => format!("not well: {unhealthy}"),
            };
            let trusted = yes(n.trusted);
            [n.name, n.id, n.cores.to_string(), trusted, words(&n.labels), time(n.seen_at), state]
        })
        .collect();
    Ok(table(["NAME", "ID", "CORES", "TRUSTED", "LABELS", "SEEN (UTC)", "STATE"], &lines))
}

pub(super) async fn revoke_node(db: &Db, by: By, meant: String) -> Result<String> {
    db.write(move |tx| {
        Box::pin(async move {
            let (key, name) = rows::node_meant(&mut tx.conn, &meant).await?;
            let job = rows::revoke_node(tx, key).await?;
            audit::write(tx, &by.name, "node.revoke", &format!("node:{name}"), &by.address, None, None).await?;
            Ok(match job {
                Some(state) => format!("Node {name} is revoked. What it ran is cut off; that job is {state} now.\n"),
                None => format!("Node {name} is revoked. It ran nothing.\n"),
            })
        })
    })
    .await
}

pub(super) async fn drain_node(db: &Db, by: By, meant: String, draining: bool) -> Result<String> {
    db.write(move |tx| {
        Box::pin(async move {
            let (key, name) = rows::node_meant(&mut tx.conn, &meant).await?;
            rows::set_draining(tx, key, draining).await?;
            let action = if draining { "node.drain" } else { "node.undrain" };
            audit::write(tx, &by.name, action, &format!("node:{name}"), &by.address, None, None).await?;
            Ok(match draining {
                true => format!("Node {name} gets no new jobs.\n"),
                false => format!("Node {name} gets jobs again.\n"),
            })
        })
    })
    .await
}
