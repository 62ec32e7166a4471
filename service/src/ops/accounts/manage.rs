//! What administrators do, over the network or on the console: so it takes a database, not the whole service.

use hpl_spec::api::accounts::{
    AuditEntry, AuditPage, CreateUserRequest, InviteRequest, NewInvite, QuotaRequest, SignUpReply, User, UserPage,
};

use super::{By, check_new, hashing, shown};
use crate::db::{Db, Tx, audit, invites, jobs, orders, quotas, sessions, users};
use crate::error::{Code, Error, Result};
use crate::password::{Passwords, check_username};
use crate::secret::{self, Secret, TokenHash, TokenKind};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Accounts on a page.
const USERS: u32 = 100;
/// Most characters of a cohort's name.
const COHORT_CHARS: usize = 32;

/// A cohort's name is a word as usernames are, or nothing.
fn check_cohort(cohort: &str) -> Result<()> {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    if cohort.len() <= COHORT_CHARS && cohort.bytes().all(word) {
        Ok(())
    } else {
        Err(Error::field("cohort", format!("expected at most {COHORT_CHARS} of the characters a-z, 0-9, _ and -")))
    }
}

/// Makes an account.
///
/// # Errors
/// A field is wrong; the name is taken.
pub async fn create_user(db: &Db, passwords: &Passwords, by: By, request: CreateUserRequest) -> Result<SignUpReply> {
    check_new(&request.username, &request.password)?;
    check_cohort(&request.cohort)?;
    let password = passwords.hash(&request.password).await.map_err(hashing)?;
    let codes = secret::recovery_codes();
    let hashes: Vec<TokenHash> = codes.iter().map(Secret::hash).collect();
    let new = users::NewUser { name: request.username, password, admin: request.admin, cohort: request.cohort };
    let user = db
        .write(move |tx| {
            Box::pin(async move {
                let key = users::create(tx, &new).await?;
                users::set_recovery_codes(tx, key, &hashes).await?;
                let mut after = if new.admin { "admin" } else { "user" }.to_owned();
                if !new.cohort.is_empty() {
                    after += &format!(", cohort {}", new.cohort);
                }
                audit::write(tx, &by.name, "user.create", &new.name, &by.address, None, Some(&after)).await?;
                users::by_key(&mut tx.conn, key).await?.ok_or_else(|| Error::internal("a new user is not there"))
            })
        })
        .await?;
    let recovery_codes = codes.iter().map(|c| c.reveal().to_owned()).collect();
    Ok(SignUpReply { user: shown(user), recovery_codes })
}

/// Disables an account, which ends its sessions, makes its tokens good for nothing and cancels its jobs, or enables it
/// again.
///
/// # Errors
/// There is no such account; administrators cannot disable themselves.
pub async fn set_disabled(db: &Db, by: By, name: &str, disabled: bool) -> Result<User> {
    if disabled && by.name == name {
        return Err(Error::new(Code::Conflict, "you cannot disable yourself; another administrator can"));
    }
    let name = name.to_owned();
    db.write(move |tx| {
        Box::pin(async move {
            let missing = || Error::not_found("account");
            let user = users::by_name(&mut tx.conn, &name).await?.ok_or_else(missing)?;
            if users::set_disabled(tx, user.key, disabled).await? {
                let (action, after) = match disabled {
                    true => {
                        let ended = sessions::end_all(tx, user.key, None).await?;
                        let cancelled = cancel_all(tx, user.key, &by.name).await?;
                        ("user.disable", Some(format!("{ended} sessions ended, {cancelled} jobs cancelled")))
                    }
                    false => ("user.enable", None),
                };
                audit::write(tx, &by.name, action, &name, &by.address, None, after.as_deref()).await?;
            }
            users::by_key(&mut tx.conn, user.key).await?.map(shown).ok_or_else(missing)
        })
    })
    .await
}

/// Cancels what a user has waiting or running; how many jobs. What was measured already is still judged.
async fn cancel_all(tx: &mut Tx, user: i64, by: &str) -> Result<usize> {
    let keys = orders::to_cancel(&mut tx.conn, user).await?;
    for key in &keys {
        let job = jobs::get(&mut tx.conn, *key).await?.ok_or_else(|| Error::not_found("job"))?;
        orders::cancel(tx, &job, by).await?;
    }
    Ok(keys.len())
}

/// Accounts by name, those after `after`.
///
/// # Errors
/// The database cannot read.
pub async fn user_page(db: &Db, after: &str) -> Result<UserPage> {
    let rows = users::page(&mut *db.read().await?, after, USERS + 1).await?;
    let more = rows.len() > USERS as usize;
    let users: Vec<User> = rows.into_iter().take(USERS as usize).map(shown).collect();
    let next = users.last().filter(|_| more).map(|user| user.username.clone());
    Ok(UserPage { users, next })
}

/// Makes an invitation. Its text is in the answer and nowhere else.
///
/// # Errors
/// A field is wrong.
pub async fn create_invite(db: &Db, by: By, request: InviteRequest) -> Result<NewInvite> {
    let (uses, days) = (request.uses.unwrap_or(1), request.days.unwrap_or(7));
    if !(1..=1000).contains(&uses) {
        return Err(Error::field("uses", format!("expected 1 to 1000; found {uses}")));
    }
    if !(1..=366).contains(&days) {
        return Err(Error::field("days", format!("expected 1 to 366; found {days}")));
    }
    check_cohort(&request.cohort)?;
    let secret = Secret::new(TokenKind::Invite);
    let (hash, cohort) = (secret.hash(), request.cohort);
    let (expires_at, cohort) = db
        .write(move |tx| {
            Box::pin(async move {
                let expires_at = tx.now + i64::from(days) * DAY;
                let new = invites::NewInvite { hash, created_by: by.name.clone(), expires_at, uses, cohort };
                let key = invites::create(tx, &new).await?;
                let after = format!("{uses} uses, {days} days, cohort `{}`", new.cohort);
                audit::write(tx, &by.name, "invite.create", &format!("invite {key}"), &by.address, None, Some(&after))
                    .await?;
                Ok((expires_at, new.cohort))
            })
        })
        .await?;
    Ok(NewInvite { invite: secret.reveal().to_owned(), uses, expires_at, cohort })
}

/// Revokes an invitation; accounts that were made by it stay.
///
/// # Errors
/// There is none of that number to revoke.
pub async fn revoke_invite(db: &Db, by: By, key: i64) -> Result<()> {
    db.write(move |tx| {
        Box::pin(async move {
            if !invites::revoke(tx, key).await? {
                let detail = format!("there is no invitation {key}, or it is revoked; see list-invites");
                return Err(Error::new(Code::NotFound, detail));
            }
            audit::write(tx, &by.name, "invite.revoke", &format!("invite {key}"), &by.address, None, None).await
        })
    })
    .await
}

/// Checks `user:NAME` or `cohort:NAME`; the name if it is a user's.
fn check_subject(subject: &str) -> Result<Option<String>> {
    let wrong = || Error::field("subject", "expected user:NAME or cohort:NAME");
    match subject.split_once(':') {
        Some(("user", name)) => check_username(name).map(|()| Some(name.to_owned())).map_err(|_| wrong()),
        Some(("cohort", name)) if !name.is_empty() => check_cohort(name).map(|()| None),
        _ => Err(wrong()),
    }
}

fn quota_text(quota: quotas::Override) -> String {
    let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    format!(
        "running {}, queued {}, walltime {} s",
        number(quota.running_max),
        number(quota.queued_max),
        number(quota.walltime_max_s)
    )
}

/// Sets what is allowed to `user:NAME` or `cohort:NAME`, in place of what was set before.
///
/// # Errors
/// The subject is none; there is no such user; a walltime of 0.
pub async fn set_quota(db: &Db, by: By, subject: &str, request: QuotaRequest) -> Result<QuotaRequest> {
    let user = check_subject(subject)?;
    if request.walltime_max_s == Some(0) {
        return Err(Error::field("walltime_max_s", "expected at least 1 second; found 0"));
    }
    let subject = subject.to_owned();
    let quota = quotas::Override {
        running_max: request.running_max,
        queued_max: request.queued_max,
        walltime_max_s: request.walltime_max_s,
    };
    db.write(move |tx| {
        Box::pin(async move {
            if let Some(name) = user {
                users::by_name(&mut tx.conn, &name).await?.ok_or_else(|| Error::not_found("account"))?;
            }
            let before = quotas::get(&mut tx.conn, &subject).await?.map(quota_text);
            quotas::set(tx, &subject, quota).await?;
            let after = quota_text(quota);
            audit::write(tx, &by.name, "quota.set", &subject, &by.address, before.as_deref(), Some(&after)).await?;
            // A wider quota may let a job go that waited for it.
            tx.wake(crate::hub::Wake::Quotas);
            Ok(request)
        })
    })
    .await
}

/// Removes what was set for a subject, so that the next wider rule is in force.
///
/// # Errors
/// Nothing was set for it.
pub async fn clear_quota(db: &Db, by: By, subject: &str) -> Result<()> {
    check_subject(subject)?;
    let subject = subject.to_owned();
    db.write(move |tx| {
        Box::pin(async move {
            let before = quotas::get(&mut tx.conn, &subject).await?.map(quota_text);
            if !quotas::clear(tx, &subject).await? {
                return Err(Error::not_found("quota"));
            }
            audit::write(tx, &by.name, "quota.clear", &subject, &by.address, before.as_deref(), None).await?;
            tx.wake(crate::hub::Wake::Quotas);
            Ok(())
        })
    })
    .await
}

/// A page of the audit log, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn audit_page(db: &Db, action: Option<&str>, before: Option<i64>, limit: u32) -> Result<AuditPage> {
    let limit = limit.clamp(1, audit::PAGE);
    let rows = audit::page(&mut *db.read().await?, action, before, limit).await?;
    let next = rows.last().filter(|row| rows.len() == limit as usize && row.key > 1).map(|row| row.key);
    let entries = rows
        .into_iter()
        .map(|row| AuditEntry {
            id: row.key,
            at: row.at,
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            address: row.address,
            before: row.before,
            after: row.after,
        })
        .collect();
    Ok(AuditPage { entries, next })
}
