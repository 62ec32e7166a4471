//! API tokens: what programs come in with.

use hpl_spec::api::accounts::{NewToken, TokenInfo, TokenRequest, TokenScope};

use super::By;
use crate::app::App;
use crate::db::{Tx, audit, tokens};
use crate::error::{Code, Error, Result};
use crate::http::caller::Scope;
use crate::secret::{Secret, TokenKind};

/// A token that was rotated can be used for so long beside the new one, in milliseconds: 24 hours.
pub const OVERLAP: i64 = DAY;
/// Milliseconds of a day.
const DAY: i64 = 86_400_000;
/// Days after which a token ends if nothing is said.
const USUAL_DAYS: u32 = 90;
/// Most days of a token.
const MOST_DAYS: u32 = 366;
/// Most tokens of a user that can be used.
const MOST: u32 = 50;
/// Most characters of a name.
const NAME_CHARS: usize = 64;

/// The scopes in a column of the database. Words that are none are passed over.
#[must_use]
pub fn scopes_of(text: &str) -> Vec<Scope> {
    text.split_whitespace().filter_map(Scope::from_name).collect()
}

/// Scopes as words with blanks between, each once.
#[must_use]
pub fn scopes_text(scopes: &[TokenScope]) -> String {
    let words: Vec<&str> = Scope::ALL.into_iter().filter(|s| scopes.contains(&wire(*s))).map(Scope::name).collect();
    words.join(" ")
}

/// A scope as the wire has it.
pub(crate) fn wire(scope: Scope) -> TokenScope {
    match scope {
        Scope::Read => TokenScope::Read,
        Scope::Submit => TokenScope::Submit,
        Scope::Admin => TokenScope::Admin,
        Scope::Metrics => TokenScope::Metrics,
    }
}

fn shown(row: tokens::Listed) -> TokenInfo {
    TokenInfo {
        id: row.key,
        name: row.name,
        scopes: scopes_of(&row.scopes).into_iter().map(wire).collect(),
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        revoked_at: row.revoked_at,
    }
}

/// Whether a token of that kind may be made; its days.
fn check(request: &TokenRequest, admin: bool) -> Result<u32> {
    let length = request.name.chars().count();
    if length == 0 || length > NAME_CHARS || request.name.chars().any(char::is_control) {
        return Err(Error::field("name", format!("expected 1 to {NAME_CHARS} printable characters; found {length}")));
    }
    if request.scopes.is_empty() {
        return Err(Error::field("scopes", "expected at least one of read, submit, admin, metrics"));
    }
    if !admin && request.scopes.iter().any(|s| matches!(s, TokenScope::Admin | TokenScope::Metrics)) {
        return Err(Error::field("scopes", "only administrators have tokens with the scopes admin and metrics"));
    }
    let days = request.expires_in_days.unwrap_or(USUAL_DAYS);
    if days == 0 || days > MOST_DAYS {
        return Err(Error::field("expires_in_days", format!("expected 1 to {MOST_DAYS}; found {days}")));
    }
    Ok(days)
}

async fn insert(tx: &mut Tx, new: &tokens::NewToken) -> Result<tokens::Listed> {
    if tokens::count_usable(&mut tx.conn, new.user, tx.now).await? >= MOST {
        let detail = format!("there are {MOST} tokens that can be used; revoke one that is not needed any more");
        return Err(Error::new(Code::Conflict, detail));
    }
    tokens::create(tx, new).await
}

/// Makes a token for a user. Its text is in the answer and nowhere else.
///
/// # Errors
/// A field is wrong; the user has too many tokens.
pub async fn create_token(app: &App, by: By, user: i64, admin: bool, request: TokenRequest) -> Result<NewToken> {
    let days = check(&request, admin)?;
    let secret = Secret::new(TokenKind::User);
    let (hash, scopes) = (secret.hash(), scopes_text(&request.scopes));
    let row = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let expires_at = tx.now + i64::from(days) * DAY;
                let row = insert(tx, &tokens::NewToken { user, name: request.name, hash, scopes, expires_at }).await?;
                let subject = subject(&by, row.key);
                audit::write(tx, &by.name, "token.create", &subject, &by.address, None, Some(&row.scopes)).await?;
                Ok(row)
            })
        })
        .await?;
    Ok(NewToken { token: secret.reveal().to_owned(), info: shown(row) })
}

fn subject(by: &By, key: i64) -> String {
    format!("{} token {key}", by.name)
}

/// The tokens of a user, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn list_tokens(app: &App, user: i64) -> Result<Vec<TokenInfo>> {
    let rows = tokens::list(&mut *app.db.read().await?, user, app.clock.now()).await?;
    Ok(rows.into_iter().map(shown).collect())
}

/// Makes a token with the name, scopes and lifetime of another, which ends after [`OVERLAP`] at the latest.
///
/// # Errors
/// The user has no such token that can be used.
pub async fn rotate_token(app: &App, by: By, user: i64, key: i64) -> Result<NewToken> {
    let secret = Secret::new(TokenKind::User);
    let hash = secret.hash();
    let row = app
        .db
        .write(move |tx| {
            Box::pin(async move {
                let now = tx.now;
                let old = tokens::usable(&mut tx.conn, user, key, now).await?;
                let old = old.ok_or_else(|| Error::not_found("token that can be used"))?;
                let lifetime = (old.expires_at - old.created_at).clamp(DAY, i64::from(MOST_DAYS) * DAY);
                tokens::end_by(tx, key, now + OVERLAP).await?;
                let new =
                    tokens::NewToken { user, name: old.name, hash, scopes: old.scopes, expires_at: now + lifetime };
                let row = insert(tx, &new).await?;
                let (before, after) = (subject(&by, key), subject(&by, row.key));
                audit::write(tx, &by.name, "token.rotate", &before, &by.address, None, Some(&after)).await?;
                Ok(row)
            })
        })
        .await?;
    Ok(NewToken { token: secret.reveal().to_owned(), info: shown(row) })
}

/// Revokes a token of a user at once.
///
/// # Errors
/// The user has no such token, or it is revoked.
pub async fn revoke_token(app: &App, by: By, user: i64, key: i64) -> Result<()> {
    app.db
        .write(move |tx| {
            Box::pin(async move {
                let name = tokens::revoke(tx, user, key).await?.ok_or_else(|| Error::not_found("token"))?;
                audit::write(tx, &by.name, "token.revoke", &subject(&by, key), &by.address, Some(&name), None).await
            })
        })
        .await
}
