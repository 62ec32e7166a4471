//! Sessions of browsers: `tower-sessions` over our table. The cookie holds 128 random bits; the table holds their
//! SHA-256, and who and when beside it.
//!
//! When a session ends is decided by the table and the service's clock alone; see [`crate::db::sessions`]. The
//! cookie lives as long as the longest session, so that it need not be sent again while the session is used.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::{Duration, OffsetDateTime};
use tower_sessions::session::{self, Id, Record};
use tower_sessions::session_store::{self, SessionStore};
use tower_sessions::{Expiry, Session, SessionManagerLayer};

use crate::app::App;
use crate::clock::Clock;
use crate::db::{Db, sessions};
use crate::error::{Code, Error, Result};
use crate::ops::accounts::LoggedIn;
use crate::secret::{TokenHash, random_id};

/// The cookie over TLS. Browsers take a name with this prefix only if it is `Secure`, for `/`, and of this very host.
const COOKIE: &str = "__Host-hpl";
/// The cookie over plain HTTP.
const PLAIN_COOKIE: &str = "hpl-session";
/// Most characters of what a browser calls itself that are kept.
const AGENT_CHARS: usize = 200;
/// The name of [`Begun`] among a session's data.
const BEGUN: &str = "begun";

/// How a session began; kept in it.
#[derive(Debug, Serialize, Deserialize)]
struct Begun {
    user: i64,
    address: String,
    agent: String,
}

/// Whether cookies are for encrypted connections only: always, but where plain HTTP is spoken to the browser itself.
/// Behind a trusted proxy the browser speaks TLS with the proxy.
#[must_use]
pub fn secure(app: &App) -> bool {
    !app.config.plain_http || !app.config.trusted_proxies.is_empty()
}

/// The layer that finds the session of a request and sets the cookie of a new one.
#[must_use]
pub fn layer(app: &App) -> SessionManagerLayer<SessionTable> {
    let secure = secure(app);
    SessionManagerLayer::new(SessionTable { db: app.db.clone(), clock: app.clock.clone() })
        .with_name(if secure { COOKIE } else { PLAIN_COOKIE })
        .with_secure(secure)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_path("/")
        .with_expiry(Expiry::OnInactivity(Duration::milliseconds(sessions::ABSOLUTE)))
}

/// What is kept of a session's id.
#[must_use]
pub fn hash(id: &Id) -> TokenHash {
    TokenHash::of(&id.to_string())
}

/// Begins a session for who has just logged in, under a new id: one that was planted before is worth nothing.
///
/// # Errors
/// The database cannot write. The layer then finds nothing to save: an answer may be given all the same.
pub async fn begin(session: &Session, user: &LoggedIn, address: IpAddr, agent: &str) -> Result<()> {
    let begun = try_begin(session, user, address, agent).await;
    if begun.is_err() {
        // Else the layer would try to save it once more, and put its own failure in the place of the answer.
        session.clear().await;
    }
    begun
}

/// [`begin`] for an account that was just made; whether there is a session. Whatever becomes of it, the account is there,
/// and its recovery codes must not be lost.
pub async fn begin_if_possible(session: &Session, user: &LoggedIn, address: IpAddr, agent: &str) -> bool {
    let begun = begin(session, user, address, agent).await;
    if let Err(why) = &begun {
        tracing::warn!(user = user.name, %why, "signed up, but no session could be begun");
    }
    begun.is_ok()
}

async fn try_begin(session: &Session, user: &LoggedIn, address: IpAddr, agent: &str) -> Result<()> {
    let agent: String = agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect();
    let begun = Begun { user: user.key, address: address.to_string(), agent };
    session.cycle_id().await.map_err(explain)?;
    session.insert(BEGUN, begun).await.map_err(explain)?;
    session.save().await.map_err(explain)
}

/// Gives a session a new id; the old one is worth nothing any more.
///
/// # Errors
/// The database cannot write.
pub async fn renew(session: &Session) -> Result<()> {
    session.cycle_id().await.map_err(explain)?;
    session.save().await.map_err(explain)
}

/// Ends a session and takes its cookie away.
///
/// # Errors
/// The database cannot write.
pub async fn end(session: &Session) -> Result<()> {
    session.flush().await.map_err(explain)
}

/// The library carries errors as text, in which our code stands first: so a full disk is still told as one.
fn explain(cause: session::Error) -> Error {
    let session::Error::Store(session_store::Error::Backend(text)) = &cause else { return Error::internal(cause) };
    let told = text.split_once(": ").and_then(|(name, detail)| {
        let code = Code::ALL.iter().find(|code| code.row().0 == name)?;
        Some((*code, detail))
    });
    match told {
        Some((Code::DiskFull, detail)) => Error::new(Code::DiskFull, detail).retry_after(60),
        Some((Code::Unavailable, detail)) => Error::new(Code::Unavailable, detail).retry_after(1),
        _ => Error::internal(cause),
    }
}

/// The table of sessions as the library wants it.
#[derive(Clone)]
pub struct SessionTable {
    db: Db,
    clock: Clock,
}

impl fmt::Debug for SessionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionTable")
    }
}

fn backend(why: Error) -> session_store::Error {
    session_store::Error::Backend(why.to_string())
}

fn encode(record: &Record) -> session_store::Result<String> {
    serde_json::to_string(&record.data).map_err(|why| session_store::Error::Encode(why.to_string()))
}

#[async_trait::async_trait]
impl SessionStore for SessionTable {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        let begun = record.data.get(BEGUN).cloned().unwrap_or_default();
        let begun: Begun = serde_json::from_value(begun)
            .map_err(|why| session_store::Error::Encode(format!("whose session? {why}")))?;
        let new = sessions::NewSession {
            hash: hash(&record.id),
            public_id: random_id(self.clock.now()),
            user: begun.user,
            data: encode(record)?,
            address: begun.address,
            agent: begun.agent,
        };
        self.db.write(move |tx| Box::pin(async move { sessions::create(tx, &new).await })).await.map_err(backend)
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        let (hash, data) = (hash(&record.id), encode(record)?);
        let mut reader = self.db.read().await.map_err(backend)?;
        let kept = sessions::load(&mut reader, &hash, self.clock.now()).await.map_err(backend)?;
        drop(reader);
        // The layer saves once more what `begin` saved; that need not be written twice.
        if kept.is_none_or(|(kept, _)| kept == data) {
            return Ok(());
        }
        self.db.write(move |tx| Box::pin(async move { sessions::save(tx, &hash, &data).await })).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        let mut reader = self.db.read().await.map_err(backend)?;
        let found = sessions::load(&mut reader, &hash(id), self.clock.now()).await.map_err(backend)?;
        let Some((data, expires_at)) = found else { return Ok(None) };
        let data = serde_json::from_str(&data).map_err(|why| session_store::Error::Decode(why.to_string()))?;
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(expires_at) * 1_000_000)
            .map_err(|why| session_store::Error::Decode(why.to_string()))?;
        Ok(Some(Record { id: *id, data, expiry_date }))
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        let hash = hash(id);
        let mut reader = self.db.read().await.map_err(backend)?;
        let kept = sessions::load(&mut reader, &hash, self.clock.now()).await.map_err(backend)?;
        drop(reader);
        if kept.is_none() {
            return Ok(());
        }
        self.db.write(move |tx| Box::pin(async move { sessions::end(tx, &hash).await })).await.map_err(backend)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_said_comes_through_the_library() {
        let through = |why: Error| explain(session::Error::Store(backend(why)));
        for why in [
            Error::new(Code::DiskFull, "no room: none").retry_after(60),
            Error::new(Code::Unavailable, "too many at once").retry_after(1),
        ] {
            assert_eq!(through(why.clone()), why);
        }
        assert_eq!(through(Error::new(Code::NotFound, "secret")).code, Code::Internal);
        assert!(!through(Error::new(Code::Internal, "secret")).detail.contains("secret"));
        assert_eq!(explain(session::Error::Store(session_store::Error::Encode("?".into()))).code, Code::Internal);
    }
}
