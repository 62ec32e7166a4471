//! Who did what to whom, and from where. Rows are only ever added; triggers in the schema refuse the rest.

use super::{Conn, Tx, explain};
use crate::error::Result;

/// Most rows of a page.
pub const PAGE: u32 = 500;

/// A row of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Entry {
    /// Its place in the log.
    pub key: i64,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Who: a username, `node:NAME`, `console` or `service`.
    pub actor: String,
    /// What, e.g. `session.begin`.
    pub action: String,
    /// To whom or what.
    pub subject: String,
    /// From where.
    pub address: String,
    /// What was there before.
    pub before: Option<String>,
    /// What is there now.
    pub after: Option<String>,
}

/// Adds a row. It must be part of the unit that makes the change it tells of. No secret may stand in it.
///
/// # Errors
/// The database cannot write.
pub async fn write(
    tx: &mut Tx,
    actor: &str,
    action: &str,
    subject: &str,
    address: &str,
    before: Option<&str>,
    after: Option<&str>,
) -> Result<()> {
    let now = tx.now;
    sqlx::query("INSERT INTO audit (at, actor, action, subject, address, before, after) VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(now)
        .bind(actor)
        .bind(action)
        .bind(subject)
        .bind(address)
        .bind(before)
        .bind(after)
        .execute(&mut tx.conn)
        .await
        .map_err(explain)?;
    Ok(())
}

/// The latest rows before the row `before`, of one action or of all, the latest first.
///
/// # Errors
/// The database cannot read.
pub async fn page(conn: &mut Conn, action: Option<&str>, before: Option<i64>, limit: u32) -> Result<Vec<Entry>> {
    let before = before.unwrap_or(i64::MAX);
    let limit = limit.min(PAGE);
    // Two statements instead of one with OR, so that each walks its index backwards.
    let query = match action {
        Some(action) => sqlx::query_as(
            "SELECT key, at, actor, action, subject, address, before, after FROM audit
              WHERE action = ? AND key < ? ORDER BY key DESC LIMIT ?",
        )
        .bind(action),
        None => sqlx::query_as(
            "SELECT key, at, actor, action, subject, address, before, after FROM audit
              WHERE key < ? ORDER BY key DESC LIMIT ?",
        ),
    };
    query.bind(before).bind(limit).fetch_all(conn).await.map_err(explain)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Clock;
    use crate::db::Db;
    use crate::hub::Hub;

    #[tokio::test]
    async fn what_is_written_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let db = Db::open(folder.path(), Clock::manual(7).0, Arc::new(Hub::default())).await.unwrap();
        db.write(|tx| Box::pin(async move { write(tx, "ada", "a.b", "c", "::1", None, Some("d")).await }))
            .await
            .unwrap();
        for forbidden in [
            "UPDATE audit SET actor = 'eve'",
            "DELETE FROM audit",
            "INSERT OR REPLACE INTO audit SELECT key, 0, 'eve', action, subject, address, before, after FROM audit",
        ] {
            let refused = db.write(move |tx| {
                Box::pin(async move { sqlx::query(forbidden).execute(&mut tx.conn).await.map(|_| ()).map_err(explain) })
            });
            assert!(refused.await.is_err(), "{forbidden}");
        }
        let rows = page(&mut db.read().await.unwrap(), None, None, 10).await.unwrap();
        assert_eq!((rows.len(), rows[0].actor.as_str(), rows[0].at), (1, "ada", 7));
    }
}
