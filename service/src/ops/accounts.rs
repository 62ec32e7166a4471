//! Accounts: how people come in and prove who they are (`access`), what programs come in with (`tokens`), and
//! what administrators do (`manage`). Every change is audited in the unit that makes it.

use std::net::IpAddr;

use hpl_spec::api::accounts::{QuotaLimits, User};

use crate::db::{quotas, users};
use crate::error::{Code, Error, Result};
use crate::password::{self, PasswordError};

mod access;
mod manage;
mod tokens;

pub use access::{
    LoggedIn, change_password, list_sessions, log_in, log_out, me, recover, renew_recovery_codes,
    revoke_other_sessions, revoke_session, sign_up,
};
pub use manage::{
    audit_page, clear_quota, create_invite, create_user, revoke_invite, set_disabled, set_quota, user_page,
};
pub(crate) use tokens::wire;
pub use tokens::{OVERLAP, create_token, list_tokens, revoke_token, rotate_token, scopes_of, scopes_text};

/// In whose name something is done, and from where: what the audit log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// A username, or `console`.
    pub name: String,
    /// An address, or `local`.
    pub address: String,
}

impl By {
    /// A user who called from an address.
    #[must_use]
    pub fn user(name: &str, address: IpAddr) -> By {
        By { name: name.to_owned(), address: address.to_string() }
    }

    /// Whoever may use the program on the data folder.
    #[must_use]
    pub fn console() -> By {
        By { name: "console".into(), address: "local".into() }
    }
}

/// No hash: what to answer.
fn hashing(why: PasswordError) -> Error {
    match why {
        PasswordError::Busy { retry_after } => Error::new(Code::Unavailable, why.to_string()).retry_after(retry_after),
        PasswordError::Broken(cause) => Error::internal(cause),
    }
}

/// Whether a new account may have this name and this password; all that is wrong at once.
fn check_new(username: &str, password: &str) -> Result<()> {
    let mut wrong = vec![];
    if let Err(why) = password::check_username(username) {
        wrong.push(hpl_spec::benchmark::Problem::new("username", why.to_string()));
    }
    if let Err(why) = password::check(password, username) {
        wrong.push(hpl_spec::benchmark::Problem::new("password", why.to_string()));
    }
    if wrong.is_empty() { Ok(()) } else { Err(Error::invalid(wrong)) }
}

/// Whether an account may have this password from now on.
fn check_new_password(username: &str, password: &str) -> Result<()> {
    password::check(password, username).map_err(|why| Error::field("new_password", why.to_string()))
}

/// An account as the world sees it.
#[must_use]
pub fn shown(user: users::User) -> User {
    User {
        username: user.name,
        admin: user.admin,
        cohort: user.cohort,
        created_at: user.created_at,
        disabled_at: user.disabled_at,
    }
}

/// A quota as the world sees it.
#[must_use]
pub fn shown_quota(quota: quotas::Quota) -> QuotaLimits {
    QuotaLimits { running_max: quota.running_max, queued_max: quota.queued_max, walltime_max_s: quota.walltime_max_s }
}
