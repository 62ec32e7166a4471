//! Who calls. The layer in `http::auth` finds out once per request and leaves a [`Caller`] in the request's
//! extensions; handlers say by their arguments whom they serve.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use crate::error::{Code, Error, Result};

/// What a token may do. A session may do everything its user may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// See what its user sees.
    Read,
    /// Submit, cancel, requeue and delete jobs.
    Submit,
    /// What administrators do, if its user is one.
    Admin,
    /// Read `/metrics`.
    Metrics,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 4] = [Scope::Read, Scope::Submit, Scope::Admin, Scope::Metrics];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Submit => "submit",
            Scope::Admin => "admin",
            Scope::Metrics => "metrics",
        }
    }

    /// The scope of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Scope> {
        Scope::ALL.into_iter().find(|s| s.name() == name)
    }
}

/// How a user proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// The cookie of a session, by its public id.
    Session(String),
    /// An API token, by its key, and what it may do.
    Token {
        /// The row of the token.
        key: i64,
        /// What it may do.
        scopes: Vec<Scope>,
    },
}

/// A user who is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The row of the user.
    pub key: i64,
    /// The username.
    pub name: String,
    /// Whether this is an administrator.
    pub admin: bool,
    /// How that is known.
    pub proof: Proof,
}

/// Who calls, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who, if it is known.
    pub user: Option<Known>,
    /// From where: the peer, or what a trusted proxy says.
    pub address: IpAddr,
}

impl Caller {
    /// The user's key, if there is one.
    #[must_use]
    pub fn key(&self) -> Option<i64> {
        self.user.as_ref().map(|u| u.key)
    }

    /// Whether an administrator calls, with a proof that covers it.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.user.as_ref().is_some_and(|u| u.admin && u.may(Scope::Admin))
    }

    /// The user, who must be known and whose proof must cover `scope`.
    ///
    /// # Errors
    /// Nobody is logged in; the token lacks the scope.
    pub fn user(&self, scope: Scope) -> Result<&Known> {
        let Some(user) = &self.user else {
            return Err(Error::new(Code::Unauthenticated, "log in, or send `Authorization: Bearer hpl_u_…`"));
        };
        if user.may(scope) {
            Ok(user)
        } else {
            let detail = format!("this token lacks the scope `{}`; make one that has it", scope.name());
            Err(Error::new(Code::WrongScope, detail).with("scope", scope.name()))
        }
    }

    /// The user, who must be an administrator.
    ///
    /// # Errors
    /// As [`Caller::user`]; and the user is no administrator.
    pub fn admin(&self) -> Result<&Known> {
        let user = self.user(Scope::Admin)?;
        if user.admin { Ok(user) } else { Err(Error::new(Code::Forbidden, "only administrators may do this")) }
    }
}

impl Known {
    /// Whether the proof covers `scope`. Who may submit may read.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        match &self.proof {
            Proof::Session(_) => true,
            Proof::Token { scopes, .. } => {
                scopes.contains(&scope) || scope == Scope::Read && scopes.contains(&Scope::Submit)
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        parts.extensions.get::<Caller>().cloned().ok_or_else(|| Error::internal("no layer said who calls"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(scopes: &[Scope], admin: bool) -> Caller {
        let proof = Proof::Token { key: 1, scopes: scopes.to_vec() };
        let user = Some(Known { key: 1, name: "ada".into(), admin, proof });
        Caller { user, address: IpAddr::from([127, 0, 0, 1]) }
    }

    #[test]
    fn scopes_bound_a_token() {
        assert!(with(&[Scope::Submit], false).user(Scope::Read).is_ok());
        assert_eq!(with(&[Scope::Read], false).user(Scope::Submit).unwrap_err().code, Code::WrongScope);
        assert_eq!(with(&[Scope::Admin], false).admin().unwrap_err().code, Code::Forbidden);
        assert_eq!(with(&[Scope::Read], true).admin().unwrap_err().code, Code::WrongScope);
        assert!(with(&[Scope::Admin], true).is_admin() && !with(&[Scope::Read], true).is_admin());
    }
}
