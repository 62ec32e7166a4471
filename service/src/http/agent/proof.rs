//! Who speaks: a node by its node token, an attempt by the token of its assignment. Both are proven before anything of
//! a body is read, and only who is proven is counted as a node; who is not, by address.

use axum::extract::{FromRef, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use hpl_spec::id::AttemptId;

use crate::app::{App, Shared};
use crate::db::attempts::{self, Writer};
use crate::db::nodes::{self, NodeRow};
use crate::error::{Code, Error, Result};
use crate::http::auth;
use crate::http::caller::Caller;
use crate::http::extract::Path;
use crate::limits::{Key, Limit};
use crate::secret::{self, TokenHash, TokenKind};

/// Says from where a node calls, and counts by address who did not prove who they are. They are counted once they were
/// refused: a node is never made to wait for what a stranger beside it does.
pub async fn door(State(app): State<Shared>, mut request: Request, next: Next) -> Result<Response> {
    let address = auth::address(&app, &request);
    request.extensions_mut().insert(Caller { user: None, address });
    let response = next.run(request).await;
    let code = response.extensions().get::<Error>().map(|error| error.code);
    let unproven = [Code::Unauthenticated, Code::TokenExpired, Code::UnknownAttempt, Code::NotFound];
    if code.is_some_and(|code| unproven.contains(&code)) {
        app.limits.check(Limit::Anonymous, &Key::address(address))?;
    }
    Ok(response)
}

/// The token that a request carries, not looked at yet.
pub(super) struct Bearer(String);

impl<S: Sync> FromRequestParts<S> for Bearer {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let none = || Error::new(Code::Unauthenticated, "send the token as `Authorization: Bearer hpl_…`");
        let token = auth::bearer(&parts.headers).ok_or_else(none)?;
        token.map(|token| Bearer(token.to_owned()))
    }
}

impl Bearer {
    /// The hash of a token of that kind.
    pub(super) fn hash(&self, kind: TokenKind) -> Result<TokenHash> {
        secret::parse(kind, &self.0).map_err(|why| Error::new(Code::Unauthenticated, why.to_string()))
    }
}

/// A node that has proved who it is.
pub(super) struct Node(pub(super) NodeRow);

impl<S: Send + Sync> FromRequestParts<S> for Node
where
    Shared: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let app = Shared::from_ref(state);
        let hash = Bearer::from_request_parts(parts, state).await?.hash(TokenKind::Node)?;
        let node = nodes::by_token(&mut *app.db.read().await?, &hash).await?;
        let Some(node) = node else {
            return Err(Error::new(Code::Unauthenticated, "this node token is not known here; join again"));
        };
        if node.revoked {
            return Err(Error::new(Code::TokenExpired, "this node token was revoked; join again"));
        }
        app.limits.check(Limit::Agent, &Key::name(&node.id))?;
        Ok(Node(node))
    }
}

/// An attempt whose token is its own. Whether it may still write is for the unit that writes to say.
pub(super) struct Proven {
    /// Which attempt.
    pub(super) attempt: AttemptId,
    token: TokenHash,
}

impl Proven {
    /// Who writes, under the fence that the write names.
    pub(super) fn writer(&self, fence: i64) -> Writer {
        Writer { attempt: self.attempt.as_str().to_owned(), token: self.token, fence }
    }

    async fn find(app: &App, attempt: AttemptId, token: TokenHash) -> Result<Self> {
        let proven = Proven { attempt, token };
        // The fence is not known yet, and makes no difference to whose token it is.
        attempts::prove(&mut *app.db.read().await?, &proven.writer(0)).await?;
        app.limits.check(Limit::Agent, &Key::name(proven.attempt.as_str()))?;
        Ok(proven)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Proven
where
    Shared: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let token = Bearer::from_request_parts(parts, state).await?.hash(TokenKind::Attempt)?;
        let Path(named) = Path::<Named>::from_request_parts(parts, state).await?;
        Proven::find(&Shared::from_ref(state), named.attempt, token).await
    }
}

/// The part of an address that says which attempt.
#[derive(serde::Deserialize)]
struct Named {
    attempt: AttemptId,
}
