//! How people come in: sign-up, log-in, recovery, their password and their sessions.

use std::net::IpAddr;

use hpl_spec::api::accounts::{
    LogInRequest, Me, PasswordRequest, RecoverReply, RecoverRequest, RecoveryCodes, RecoveryCodesRequest, SessionInfo,
    SignUpReply, SignUpRequest, TokenScope,
};

use super::{By, check_new, check_new_password, hashing, shown, shown_quota};
use crate::app::App;
use crate::config::Signup;
use crate::db::{audit, invites, quotas, sessions, users};
use crate::error::{Code, Error, Result};
use crate::limits::{Key, Limit};
use crate::secret::{self, Secret, TokenHash, TokenKind};

/// The actor of what nobody known tried; no user can have this name.
const STRANGER: &str = "anonymous";

/// Who has just proved who they are. A session may be begun for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedIn {
    /// The row of the user.
    pub key: i64,
    /// The username.
    pub name: String,
}

/// Makes an account, if the settings let this stranger have one.
///
/// # Errors
/// Sign-up is closed or the invitation is not good; the rate of sign-ups; the disk is nearly full; name or password
/// break a rule; the name is taken.
pub async fn sign_up(app: &App, address: IpAddr, request: SignUpRequest) -> Result<(LoggedIn, SignUpReply)> {
    app.limits.check(Limit::SignUp, &Key::address(address))?;
    let invite = invitation(app.config.signup(), request.invite.as_deref())?;
    app.check_room()?;
    check_new(&request.username, &request.password)?;
    let password = app.passwords.hash(&request.password).await.map_err(hashing)?;
    let codes = secret::recovery_codes();
    let hashes: Vec<TokenHash> = codes.iter().map(Secret::hash).collect();
    let mut new = users::NewUser { name: request.username, password, admin: false, cohort: String::new() };
    let by = By::user(&new.name, address);
    let user = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                if let Some(hash) = invite {
                    new.cohort = invites::redeem(tx, &hash).await?.ok_or_else(no_invitation)?;
                }
                let key = users::create(tx, &new).await?;
                users::set_recovery_codes(tx, key, &hashes).await?;
                let after = if new.cohort.is_empty() { None } else { Some(format!("cohort {}", new.cohort)) };
                audit::write(tx, &by.name, "user.signup", &new.name, &by.address, None, after.as_deref()).await?;
                users::by_key(&mut tx.conn, key).await?.ok_or_else(|| Error::internal("a new user is not there"))
            })
        })
        .await?;
    let logged_in = LoggedIn { key: user.key, name: user.name.clone() };
    let recovery_codes = codes.iter().map(|c| c.reveal().to_owned()).collect();
    Ok((logged_in, SignUpReply { user: shown(user), recovery_codes }))
}

fn no_invitation() -> Error {
    Error::new(Code::SignupClosed, "this invitation is unknown, used up or has ended; ask an administrator for another")
}

/// The invitation that counts, by the settings and what was given.
fn invitation(signup: Signup, given: Option<&str>) -> Result<Option<TokenHash>> {
    let given = given.map(str::trim).filter(|text| !text.is_empty());
    match (signup, given) {
        (Signup::Closed, _) => {
            Err(Error::new(Code::SignupClosed, "accounts are made by the administrators; ask one of them"))
        }
        (Signup::Invite, None) => {
            Err(Error::new(Code::SignupClosed, "an invitation is needed; ask an administrator for one"))
        }
        (Signup::Open, None) => Ok(None),
        (_, Some(text)) => match secret::parse(TokenKind::Invite, text) {
            Ok(hash) => Ok(Some(hash)),
            Err(why) => Err(Error::new(Code::SignupClosed, why.to_string())),
        },
    }
}

/// Finds out whether this is the password of that account. Whether there is such an account, whether it is
/// disabled: neither the answer nor its time tells.
///
/// # Errors
/// The rate of log-ins from there; the delay after earlier failures; name or password are wrong.
pub async fn log_in(app: &App, address: IpAddr, request: LogInRequest) -> Result<LoggedIn> {
    let name = request.username.trim().to_ascii_lowercase();
    app.limits.check(Limit::LogIn, &Key::address(address))?;
    app.delays.check(&name, address, app.clock.now())?;
    let found = users::credentials(&mut *app.db.read().await?, &name).await?;
    let stored = found.as_ref().map(|(_, hash)| hash.as_str());
    let verified = app.passwords.verify(&request.password, stored).await.map_err(hashing)?;
    let (Some((key, seen)), true) = (found, verified.ok) else {
        return Err(refused(app, address, STRANGER, &name, "session.refused", wrong_password()).await?);
    };
    app.delays.succeeded(&name, address);
    let stronger = match verified.rehash {
        true => Some(app.passwords.hash(&request.password).await.map_err(hashing)?),
        false => None,
    };
    let by = By::user(&name, address);
    app.db
        .write(move |tx| {
            Box::pin(async move {
                // Somebody may have disabled the account in the meantime.
                let user = users::by_key(&mut tx.conn, key).await?.filter(|u| u.disabled_at.is_none());
                let user = user.ok_or_else(wrong_password)?;
                if let Some(stronger) = stronger {
                    users::replace_password(tx, key, &seen, &stronger).await?;
                }
                audit::write(tx, &by.name, "session.begin", &user.name, &by.address, None, None).await?;
                Ok(LoggedIn { key, name: user.name })
            })
        })
        .await
}

fn wrong_password() -> Error {
    Error::new(Code::WrongPassword, "username or password are wrong; a lost password is replaced by a recovery code")
}

/// Counts and audits a failure, with the same work for names that exist and names that do not; then `answer`. A name
/// that nobody has is not written down: it may be a password in the wrong field.
async fn refused(
    app: &App,
    address: IpAddr,
    actor: &str,
    name: &str,
    action: &'static str,
    answer: Error,
) -> Result<Error> {
    app.delays.failed(name, address, app.clock.now());
    let (actor, name, address) = (actor.to_owned(), name.to_owned(), address.to_string());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let subject = users::by_name(&mut tx.conn, &name).await?.map_or_else(String::new, |user| user.name);
                audit::write(tx, &actor, action, &subject, &address, None, None).await
            })
        })
        .await?;
    Ok(answer)
}

/// Sets a new password by a recovery code, which is used up, and ends every session.
///
/// # Errors
/// As [`log_in`]; the new password breaks a rule.
pub async fn recover(app: &App, address: IpAddr, request: RecoverRequest) -> Result<RecoverReply> {
    let name = request.username.trim().to_ascii_lowercase();
    app.limits.check(Limit::LogIn, &Key::address(address))?;
    app.delays.check(&name, address, app.clock.now())?;
    check_new_password(&name, &request.new_password)?;
    // Nothing has an all-zero hash: a text that cannot be a code takes the same way as a wrong one.
    let code = secret::recovery_hash(&request.recovery_code).or_else(|| TokenHash::from_slice(&[0; 32]));
    let code = code.ok_or_else(|| Error::internal("32 bytes are a hash"))?;
    let mut reader = app.db.read().await?;
    let key = users::credentials(&mut reader, &name).await?.map(|(key, _)| key);
    let good = users::has_recovery_code(&mut reader, key.unwrap_or(-1), &code).await?;
    drop(reader);
    let (Some(key), true) = (key, good) else {
        return Err(refused(app, address, STRANGER, &name, "password.recovery_refused", wrong_code()).await?);
    };
    let password = app.passwords.hash(&request.new_password).await.map_err(hashing)?;
    app.delays.succeeded(&name, address);
    let by = By::user(&name, address);
    app.db
        .write(move |tx| {
            Box::pin(async move {
                if !users::use_recovery_code(tx, key, &code).await? {
                    return Err(wrong_code());
                }
                users::set_password(tx, key, &password).await?;
                let ended = sessions::end_all(tx, key, None).await?;
                let left = users::recovery_codes_left(&mut tx.conn, key).await?;
                let after = format!("{ended} sessions ended, {left} codes left");
                audit::write(tx, &by.name, "password.recovered", &by.name, &by.address, None, Some(&after)).await?;
                Ok(RecoverReply { recovery_codes_left: left })
            })
        })
        .await
}

fn wrong_code() -> Error {
    Error::new(Code::WrongPassword, "username or recovery code are wrong, or the code was used before")
}

/// Whether who is logged in knows the password, too: for what an open browser alone must not allow.
async fn confirm(app: &App, address: IpAddr, user: &LoggedIn, password: &str) -> Result<()> {
    app.delays.check(&user.name, address, app.clock.now())?;
    let found = users::credentials(&mut *app.db.read().await?, &user.name).await?;
    let stored = found.as_ref().map(|(_, hash)| hash.as_str());
    if app.passwords.verify(password, stored).await.map_err(hashing)?.ok {
        return Ok(());
    }
    let answer = Error::new(Code::WrongPassword, "the present password is wrong");
    Err(refused(app, address, &user.name, &user.name, "password.refused", answer).await?)
}

/// Gives who is logged in new recovery codes in the place of all there were, used or not.
///
/// # Errors
/// The password is wrong, and then the delays of [`log_in`] grow.
pub async fn renew_recovery_codes(
    app: &App,
    address: IpAddr,
    user: &LoggedIn,
    request: RecoveryCodesRequest,
) -> Result<RecoveryCodes> {
    confirm(app, address, user, &request.password).await?;
    let codes = secret::recovery_codes();
    let hashes: Vec<TokenHash> = codes.iter().map(Secret::hash).collect();
    let (key, by) = (user.key, By::user(&user.name, address));
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let left = users::recovery_codes_left(&mut tx.conn, key).await?;
                users::set_recovery_codes(tx, key, &hashes).await?;
                let (before, after) = (format!("{left} codes left"), format!("{} new codes", hashes.len()));
                let (before, after) = (Some(before.as_str()), Some(after.as_str()));
                audit::write(tx, &by.name, "recovery_codes.renewed", &by.name, &by.address, before, after).await
            })
        })
        .await?;
    Ok(RecoveryCodes { recovery_codes: codes.iter().map(|c| c.reveal().to_owned()).collect() })
}

/// Changes the password of who is logged in and ends all other sessions; how many.
///
/// # Errors
/// The present password is wrong, and then the delays of [`log_in`] grow; the new one breaks a rule.
pub async fn change_password(
    app: &App,
    address: IpAddr,
    user: &LoggedIn,
    session: &str,
    request: PasswordRequest,
) -> Result<u64> {
    check_new_password(&user.name, &request.new_password)?;
    confirm(app, address, user, &request.password).await?;
    let password = app.passwords.hash(&request.new_password).await.map_err(hashing)?;
    let (key, by, session) = (user.key, By::user(&user.name, address), session.to_owned());
    app.db
        .write(move |tx| {
            Box::pin(async move {
                users::set_password(tx, key, &password).await?;
                let ended = sessions::end_all(tx, key, Some(&session)).await?;
                let after = format!("{ended} other sessions ended");
                audit::write(tx, &by.name, "password.changed", &by.name, &by.address, None, Some(&after)).await?;
                Ok(ended)
            })
        })
        .await
}

/// Who is logged in, and what is allowed to them.
///
/// # Errors
/// The database cannot read.
pub async fn me(app: &App, user: i64, scopes: Option<Vec<TokenScope>>) -> Result<Me> {
    let mut reader = app.db.read().await?;
    let found = users::by_key(&mut reader, user).await?.ok_or_else(|| Error::not_found("account"))?;
    let quota = quotas::of(&mut reader, user, &app.config).await?;
    let recovery_codes_left = users::recovery_codes_left(&mut reader, user).await?;
    Ok(Me { user: shown(found), scopes, quota: shown_quota(quota), recovery_codes_left })
}

/// The sessions of a user, the one used last first; `current` names the one that asks.
///
/// # Errors
/// The database cannot read.
pub async fn list_sessions(app: &App, user: i64, current: &str) -> Result<Vec<SessionInfo>> {
    let rows = sessions::list(&mut *app.db.read().await?, user, app.clock.now()).await?;
    Ok(rows
        .into_iter()
        .map(|row| SessionInfo {
            current: row.public_id == current,
            id: row.public_id,
            created_at: row.created_at,
            seen_at: row.seen_at,
            expires_at: row.expires_at,
            address: row.address,
            agent: row.agent,
        })
        .collect())
}

/// Ends the session that asks for it.
///
/// # Errors
/// The database cannot write.
pub async fn log_out(app: &App, by: By, user: i64, session: &str) -> Result<()> {
    end_session(app, by, user, session, "session.end").await.map(|_| ())
}

/// Ends a session of a user by its name.
///
/// # Errors
/// There is none of that name.
pub async fn revoke_session(app: &App, by: By, user: i64, session: &str) -> Result<()> {
    if end_session(app, by, user, session, "session.revoke").await? { Ok(()) } else { Err(Error::not_found("session")) }
}

async fn end_session(app: &App, by: By, user: i64, session: &str, action: &'static str) -> Result<bool> {
    let session = session.to_owned();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let ended = sessions::end_one(tx, user, &session).await?;
                if ended {
                    audit::write(tx, &by.name, action, &by.name, &by.address, Some(&session), None).await?;
                }
                Ok(ended)
            })
        })
        .await
}

/// Ends all sessions of a user but `current`; how many.
///
/// # Errors
/// The database cannot write.
pub async fn revoke_other_sessions(app: &App, by: By, user: i64, current: &str) -> Result<u64> {
    let current = current.to_owned();
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let ended = sessions::end_all(tx, user, Some(&current)).await?;
                let before = format!("{ended} other sessions");
                audit::write(tx, &by.name, "session.revoke_others", &by.name, &by.address, Some(&before), None).await?;
                Ok(ended)
            })
        })
        .await
}
