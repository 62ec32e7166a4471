//! A database with a crowd in it, in cargo's folder, kept for the next time.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use service::clock::Clock;
use service::db::Db;
use service::db::testing::crowd::{self, Crowd};

use super::pace::bar;
use crate::program;

/// Changes whenever the crowd or the schema does: a database of another name is not taken.
const MARK: &str = "2";

/// The folder with the database; written, if it is not there.
///
/// # Errors
/// If it cannot be written.
pub async fn database(crowd: Crowd) -> Result<PathBuf, String> {
    let folder = program::target()?.join("load");
    let data = folder.join(format!("crowd-{}-{MARK}", crowd.jobs));
    if data.exists() {
        println!("the database is {}, from an earlier run", data.display());
        return Ok(data);
    }
    // Under another name until it is whole.
    let partial = folder.join(format!("partial-{}", std::process::id()));
    write(&partial, crowd).await?;
    std::fs::rename(&partial, &data).map_err(|e| format!("{}: {e}", data.display()))?;
    Ok(data)
}

async fn write(folder: &Path, crowd: Crowd) -> Result<(), String> {
    let began = Instant::now();
    std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let db = Db::open(folder, Clock::System, Arc::default()).await.map_err(|e| e.to_string())?;
    let bar = bar("jobs are written", usize::try_from(crowd.jobs).unwrap_or(0));
    let filled = crowd::fill(&db, crowd, |done| bar.set_position(done.unsigned_abs())).await;
    bar.finish_and_clear();
    filled.map_err(|e| e.to_string())?;
    db.close().await;
    println!("{} jobs were written in {:.0} s", crowd.jobs, began.elapsed().as_secs_f64());
    Ok(())
}
