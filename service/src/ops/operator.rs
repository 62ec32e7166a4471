//! What operators do about nodes, join strings and invitations, on the pages, over the API and on the console alike:
//! so it takes a database, not the whole service. Every change is audited in the unit that makes it.

use hpl_spec::api::operator::{InviteInfo, JoinTokenInfo, JoinTokenRequest, NewJoinToken, OperatorNode, QuotaSet};
use hpl_spec::benchmark::Problem;
use hpl_spec::job::JobState;

use super::accounts::By;
use crate::db::nodes_admin::{self as rows, JoinToken, NodeLine};
use crate::db::{Db, audit, invites, quotas};
use crate::error::{Code, Error, Result};
use crate::secret::{Secret, TokenKind};

/// Most labels of a node.
const LABELS: usize = 16;
/// Most characters of a label.
const LABEL_CHARS: usize = 32;
/// Nodes that may join by one token, and the minutes it lives: where nothing is said, and at most.
const NODES: (u32, u32) = (1, 10_000);
const MINUTES: (u32, u32) = (15, 525_600);
/// Quotas that are listed.
const QUOTAS: u32 = 1000;

/// How nodes reach the service; goes into join strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reach {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The pin of the certificate, where nodes are to believe this key and no authority.
    pub pin: Option<String>,
    /// Plain HTTP is spoken there; without it TLS.
    pub plain: bool,
}

/// The text by which a node joins: the token, where the service is, and the key that it must show; `hpl-join+http` where
/// the service speaks plain HTTP.
#[must_use]
pub fn join_string(token: &str, reach: &Reach) -> String {
    let pin = reach.pin.as_ref().map(|pin| format!("#sha256={pin}")).unwrap_or_default();
    let scheme = if reach.plain { "hpl-join+http" } else { "hpl-join" };
    format!("{scheme}://{token}@{}{pin}", place(reach))
}

/// The line by which a person logs in from a terminal: where the service is, the key that it must show where nobody
/// vouches for its certificate, and who they are.
#[must_use]
pub fn log_in_line(username: &str, reach: &Reach) -> String {
    let scheme = if reach.plain { "http" } else { "https" };
    // With `=`, as a hash may begin with a hyphen.
    let pin = reach.pin.as_ref().map(|pin| format!(" --pin={pin}")).unwrap_or_default();
    format!("hpl login {scheme}://{}{pin} --username {username}", place(reach))
}

/// Host and port, as they stand in an address.
fn place(reach: &Reach) -> String {
    let host = if reach.host.contains(':') { format!("[{}]", reach.host) } else { reach.host.clone() };
    format!("{host}:{}", reach.port)
}

/// A JSON array of texts, as the database has it.
fn texts(json: &str) -> Vec<String> {
    serde_json::from_str(json).unwrap_or_default()
}

/// All that is wrong with what is asked for.
fn check(labels: &[String], nodes: u32, minutes: u32) -> Result<()> {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
    let word = |label: &&String| (1..=LABEL_CHARS).contains(&label.len()) && label.bytes().all(letter);
    let mut wrong = vec![];
    if let Some(label) = labels.iter().find(|label| !word(label)) {
        let found: String = label.chars().take(60).collect();
        let message = format!("expected 1 to {LABEL_CHARS} of the characters a-z, 0-9, ., _ and -; found `{found}`");
        wrong.push(Problem::new("labels", message));
    }
    if labels.len() > LABELS {
        wrong.push(Problem::new("labels", format!("expected at most {LABELS}; found {}", labels.len())));
    }
    for (field, found, most) in [("nodes", nodes, NODES.1), ("minutes", minutes, MINUTES.1)] {
        if !(1..=most).contains(&found) {
            wrong.push(Problem::new(field, format!("expected 1 to {most}; found {found}")));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
}

/// Makes a token by which nodes join. The text that holds it is in the answer and nowhere else.
///
/// # Errors
/// A field is wrong.
pub async fn create_join_token(db: &Db, by: By, request: JoinTokenRequest, reach: &Reach) -> Result<NewJoinToken> {
    let JoinTokenRequest { labels, trusted, nodes, minutes } = request;
    let (uses, minutes) = (nodes.unwrap_or(NODES.0), minutes.unwrap_or(MINUTES.0));
    check(&labels, uses, minutes)?;
    let secret = Secret::new(TokenKind::Join);
    let hash = secret.hash();
    let info = db
        .write(move |tx| {
            Box::pin(async move {
                let expires_at = tx.now + i64::from(minutes) * 60_000;
                let new = rows::NewJoinToken { hash, labels, trusted, uses, created_by: by.name.clone(), expires_at };
                let id = rows::create_join_token(tx, &new).await?;
                let trust = if trusted { "trusted" } else { "not trusted" };
                let after = format!("{uses} nodes, {trust}, labels: {}", new.labels.join(" "));
                let subject = format!("join token {id}");
                audit::write(tx, &by.name, "join_token.create", &subject, &by.address, None, Some(&after)).await?;
                Ok(JoinTokenInfo {
                    id,
                    nodes_left: uses,
                    trusted,
                    labels: new.labels,
                    expires_at,
                    created_by: by.name.clone(),
                })
            })
        })
        .await?;
    Ok(NewJoinToken { join_string: join_string(secret.reveal(), reach), info })
}

/// Revokes a join token; nodes that have joined stay.
///
/// # Errors
/// There is none of that number to revoke.
pub async fn revoke_join_token(db: &Db, by: By, id: i64) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            if !rows::revoke_join_token(tx, id).await? {
                let detail = format!("there is no join token {id}, or it is revoked; look at the list of them");
                return Err(Error::new(Code::NotFound, detail));
            }
            audit::write(tx, &by.name, "join_token.revoke", &format!("join token {id}"), &by.address, None, None).await
        })
    })
    .await
}

/// The join tokens that can be used, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn join_tokens(db: &Db, now: i64) -> Result<Vec<JoinTokenInfo>> {
    let info = |row: JoinToken| JoinTokenInfo {
        id: row.key,
        nodes_left: row.uses_left,
        trusted: row.trusted,
        labels: texts(&row.labels),
        expires_at: row.expires_at,
        created_by: row.created_by,
    };
    Ok(rows::join_tokens(&mut *db.read().await?, now).await?.into_iter().map(info).collect())
}

/// All nodes by name, the revoked ones last.
///
/// # Errors
/// The database cannot read.
pub async fn nodes(db: &Db) -> Result<Vec<OperatorNode>> {
    let shown = |row: NodeLine| {
        Ok(OperatorNode {
            id: row.id.parse().map_err(Error::internal)?,
            name: row.name,
            labels: texts(&row.labels),
            trusted: row.trusted,
            kind: row.kind,
            cores: row.cores,
            memory: u64::try_from(row.memory).unwrap_or(0),
            version: row.version,
            draining: row.draining,
            busy: row.busy,
            unhealthy: texts(&row.unhealthy),
            seen_at: row.seen_at,
            revoked_at: row.revoked_at,
        })
    };
    rows::nodes(&mut *db.read().await?).await?.into_iter().map(shown).collect()
}

/// Revokes a node, by its id or its name: its token opens nothing any more, and what it runs is cut off. Its name, and
/// where the job that it ran stands now.
///
/// # Errors
/// There is no such node, or several of that name.
pub async fn revoke_node(db: &Db, by: By, meant: String) -> Result<(String, Option<JobState>)> {
    db.write(move |tx| {
        Box::pin(async move {
            let (key, name) = rows::node_meant(&mut tx.conn, &meant).await?;
            let job = rows::revoke_node(tx, key).await?;
            audit::write(tx, &by.name, "node.revoke", &format!("node:{name}"), &by.address, None, None).await?;
            Ok((name, job))
        })
    })
    .await
}

/// Gives a node no new jobs, or gives it jobs again; what it runs goes on. Its name.
///
/// # Errors
/// As [`revoke_node`].
pub async fn set_draining(db: &Db, by: By, meant: String, draining: bool) -> Result<String> {
    db.write(move |tx| {
        Box::pin(async move {
            let (key, name) = rows::node_meant(&mut tx.conn, &meant).await?;
            rows::set_draining(tx, key, draining).await?;
            let action = if draining { "node.drain" } else { "node.undrain" };
            audit::write(tx, &by.name, action, &format!("node:{name}"), &by.address, None, None).await?;
            Ok(name)
        })
    })
    .await
}

/// The invitations that can be used, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn invites(db: &Db, now: i64) -> Result<Vec<InviteInfo>> {
    let info = |row: invites::Invite| InviteInfo {
        id: row.key,
        uses_left: row.uses_left,
        cohort: row.cohort,
        created_by: row.created_by,
        expires_at: row.expires_at,
    };
    Ok(invites::list(&mut *db.read().await?, now).await?.into_iter().map(info).collect())
}

/// What is set for users and cohorts, by subject; at most 1000.
///
/// # Errors
/// The database cannot read.
pub async fn quotas(db: &Db) -> Result<Vec<QuotaSet>> {
    let shown = |row: quotas::Set| {
        let quotas::Override { running_max, queued_max, walltime_max_s } = row.quota;
        QuotaSet { subject: row.subject, running_max, queued_max, walltime_max_s, changed_at: row.changed_at }
    };
    Ok(quotas::list(&mut *db.read().await?, QUOTAS).await?.into_iter().map(shown).collect())
}
