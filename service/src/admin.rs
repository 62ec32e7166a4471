//! The console: what its operator does on the data folder, whether the service runs beside it or not.

use std::fs::DirBuilder;
use std::io::{IsTerminal, stdin};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use hpl_spec::api::accounts::{CreateUserRequest, InviteRequest, QuotaRequest};

use crate::clock::Clock;
use crate::db::{Db, FILE, check};
use crate::error::{Code, Error, Result};
use crate::hub::Hub;
use crate::ops::accounts::{self as ops, By};
use crate::ops::operator::{self, Reach};
use crate::password::Passwords;

mod commands;
mod nodes;
mod table;

pub use commands::{Admin, JoinToken, SetQuota};

/// Does what was asked and says what happened, in lines for standard output. `ask` is asked for the password of a new
/// account, with its name: [`ask_password`].
///
/// # Errors
/// What is wrong and what to do, for standard error; nothing was changed then.
pub async fn run(
    data: &Path,
    clock: Clock,
    command: Admin,
    reach: &Reach,
    ask: impl FnOnce(&str) -> Result<String>,
) -> Result<String> {
    // A mistyped folder would be a new and empty service; only its first account may begin one.
    let begins = matches!(command, Admin::CreateAdmin { .. } | Admin::CreateUser { .. });
    if !data.join(FILE).is_file() && !begins {
        let detail = format!("{} holds no database; name the data folder with --data", data.display());
        return Err(Error::new(Code::BadRequest, detail));
    }
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.map_err(|why| Error::new(Code::BadRequest, format!("the folder {} cannot be made: {why}", data.display())))?;
    let db = Db::open(data, clock.clone(), Arc::new(Hub::default())).await?;
    let done = act(&db, clock.now(), command, reach, ask).await;
    db.close().await;
    done
}

async fn act(
    db: &Db,
    now: i64,
    command: Admin,
    reach: &Reach,
    ask: impl FnOnce(&str) -> Result<String>,
) -> Result<String> {
    let by = By::console();
    match command {
        Admin::CreateAdmin { name } => create(db, by, name, true, String::new(), ask).await,
        Admin::CreateUser { name, cohort } => create(db, by, name, false, cohort, ask).await,
        Admin::DisableUser { name } => {
            ops::set_disabled(db, by, &name, true).await?;
            Ok(format!("{name} is disabled: sessions have ended, tokens open nothing, jobs are cancelled.\n"))
        }
        Admin::EnableUser { name } => {
            ops::set_disabled(db, by, &name, false).await?;
            Ok(format!("{name} is enabled.\n"))
        }
        Admin::Invite { uses, days, cohort } => {
            let request = InviteRequest { uses: Some(uses), days: Some(days), cohort };
            let made = ops::create_invite(db, by, request).await?;
            let until = time(made.expires_at);
            Ok(format!("{}\n\nGood for {uses} accounts until {until} UTC. It is shown this once.\n", made.invite))
        }
        Admin::ListInvites => list_invites(db, now).await,
        Admin::RevokeInvite { id } => {
            ops::revoke_invite(db, by, id).await?;
            Ok(format!("Invitation {id} is revoked.\n"))
        }
        Admin::JoinToken(asked) => nodes::create_join_token(db, by, asked, reach).await,
        Admin::RevokeJoinToken { id } => nodes::revoke_join_token(db, by, id).await,
        Admin::ListJoinTokens => nodes::list_join_tokens(db, now).await,
        Admin::Nodes => nodes::list_nodes(db).await,
        Admin::RevokeNode { node } => nodes::revoke_node(db, by, node).await,
        Admin::DrainNode { node, undo } => nodes::drain_node(db, by, node, !undo).await,
        Admin::SetQuota(asked) => set_quota(db, by, asked).await,
        Admin::Check => checked(db).await,
        Admin::Audit { limit, action } => audit(db, action.as_deref(), limit).await,
    }
}

async fn create(
    db: &Db,
    by: By,
    name: String,
    admin: bool,
    cohort: String,
    ask: impl FnOnce(&str) -> Result<String>,
) -> Result<String> {
    let password = ask(&name)?;
    let passwords = Passwords::new(1).map_err(Error::internal)?;
    let request = CreateUserRequest { username: name.clone(), password, admin, cohort };
    let made = ops::create_user(db, &passwords, by, request).await?;
    let what = if admin { "administrator" } else { "user" };
    let codes: Vec<String> = made.recovery_codes.iter().map(|code| format!("  {code}")).collect();
    Ok(format!(
        "The {what} {name} is there. Recovery codes, the only way back in if the password is lost; each works once,\n\
         and they are shown this once:\n{}\n",
        codes.join("\n")
    ))
}

async fn list_invites(db: &Db, now: i64) -> Result<String> {
    let lines: Vec<_> = operator::invites(db, now)
        .await?
        .into_iter()
        .map(|i| [i.id.to_string(), i.uses_left.to_string(), i.cohort, time(i.expires_at), i.created_by])
        .collect();
    Ok(table::table(["ID", "ACCOUNTS LEFT", "COHORT", "UNTIL (UTC)", "BY"], &lines))
}

async fn checked(db: &Db) -> Result<String> {
    let broken = check::broken(&mut *db.read().await?).await?;
    if broken.is_empty() {
        return Ok("Everything is as it must be.\n".into());
    }
    let detail = format!("these must not be:\n  {}\nRestore the last backup, or report this.", broken.join("\n  "));
    Err(Error::new(Code::Conflict, detail))
}

async fn set_quota(db: &Db, by: By, asked: SetQuota) -> Result<String> {
    let subject = match (asked.user, asked.cohort) {
        (Some(name), _) => format!("user:{name}"),
        (None, cohort) => format!("cohort:{}", cohort.unwrap_or_default()),
    };
    let quota = QuotaRequest { running_max: asked.running, queued_max: asked.queued, walltime_max_s: asked.walltime };
    if quota == QuotaRequest::default() {
        ops::clear_quota(db, by, &subject).await?;
        return Ok(format!("Nothing is set for {subject} any more.\n"));
    }
    ops::set_quota(db, by, &subject, quota).await?;
    let number = |value: Option<u32>| value.map_or_else(|| "as before it".to_owned(), |v| v.to_string());
    Ok(format!(
        "{subject}: running {}, queued {}, walltime in seconds {}.\n",
        number(quota.running_max),
        number(quota.queued_max),
        number(quota.walltime_max_s)
    ))
}

async fn audit(db: &Db, action: Option<&str>, limit: u32) -> Result<String> {
    let page = ops::audit_page(db, action, None, limit).await?;
    let rows: Vec<_> = page
        .entries
        .into_iter()
        .map(|e| {
            let change = match (e.before, e.after) {
                (Some(before), Some(after)) => format!("{before} -> {after}"),
                (one, other) => one.or(other).unwrap_or_default(),
            };
            [time(e.at), e.actor, e.action, e.subject, e.address, change]
        })
        .collect();
    Ok(table::table(["WHEN (UTC)", "WHO", "WHAT", "TO WHOM", "FROM", "CHANGE"], &rows))
}

/// A time for people, in UTC.
fn time(at: i64) -> String {
    match jiff::Timestamp::from_millisecond(at) {
        Ok(stamp) => stamp.strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Asks for the password of a new account: twice and unseen on a terminal, else one line of standard input.
///
/// # Errors
/// There is none, or the two differ.
pub fn ask_password(name: &str) -> Result<String> {
    let unreadable = |why: std::io::Error| Error::new(Code::BadRequest, format!("the password cannot be read: {why}"));
    if stdin().is_terminal() {
        let first = rpassword::prompt_password(format!("Password of {name}: ")).map_err(unreadable)?;
        let second = rpassword::prompt_password("The same again: ").map_err(unreadable)?;
        return match first == second {
            true => Ok(first),
            false => Err(Error::field("password", "the two are not the same; try again")),
        };
    }
    let mut line = String::new();
    stdin().read_line(&mut line).map_err(unreadable)?;
    let password = line.trim_end_matches(['\r', '\n']);
    match password.is_empty() {
        true => Err(Error::field("password", "expected on standard input, as one line; found none")),
        false => Ok(password.to_owned()),
    }
}
