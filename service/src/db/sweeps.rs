//! Sweeps: jobs that were submitted together.

use super::{Tx, explain};
use crate::error::Result;

/// Writes a sweep down.
///
/// # Errors
/// Of the database.
pub async fn create(tx: &mut Tx, id: &str, owner: i64, benchmark: &str, input: &str) -> Result<()> {
    sqlx::query("INSERT INTO sweeps (id, owner, benchmark, input, created_at) VALUES (?, ?, ?, ?, ?)")
        .bind(id)
        .bind(owner)
        .bind(benchmark)
        .bind(input)
        .bind(tx.now)
        .execute(&mut tx.conn)
        .await
        .map(|_| ())
        .map_err(explain)
}

/// The drafts of an owner's sweep, in their order.
///
/// # Errors
/// Of the database.
pub async fn drafts(tx: &mut Tx, sweep: &str, owner: i64) -> Result<Vec<i64>> {
    sqlx::query_scalar("SELECT key FROM jobs WHERE sweep = ? AND owner = ? AND state = 'draft' ORDER BY key")
        .bind(sweep)
        .bind(owner)
        .fetch_all(&mut tx.conn)
        .await
        .map_err(explain)
}
