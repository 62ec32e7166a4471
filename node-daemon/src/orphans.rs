//! Runs of attempts that may write no longer: kept for a week, so that nobody's work is thrown away, and handed in on
//! request. The service keeps them in no ranking.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use hpl_spec::api::agent::{AttemptOutcome, FinishRequest, OrphanOf, OrphanRequest};
use hpl_spec::id::AttemptId;
use serde::{Deserialize, Serialize};

use crate::client::{Client, Piece, Proof, Refusal};
use crate::folder::{Data, RunFolder, read_json, write_json};
use crate::host;
use crate::identity::Identity;
use crate::journal::Taken;
use crate::runner::close;

/// How long an orphan is kept.
pub const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);
/// Bytes of one call.
const CHUNK: u64 = 256 << 10;
/// Calls in a row that may fail before it is given up.
const TRIES: u32 = 5;

/// `orphan.json`: why a run became one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// In words.
    pub why: String,
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// Whether the service has it.
    pub submitted: bool,
}

/// An orphan of this node.
#[derive(Debug, Clone, PartialEq)]
pub struct Orphan {
    /// Where it lies.
    pub folder: RunFolder,
    /// What was claimed.
    pub taken: Taken,
    /// How it ended.
    pub finish: Option<FinishRequest>,
    /// Why it became one.
    pub why: Why,
}

/// Moves the folder of a run among the orphans.
///
/// # Errors
/// Of the file system.
pub fn keep(data: &Data, folder: &RunFolder, why: &str) -> io::Result<()> {
    let why = Why { why: why.to_owned(), at: host::wall_ms(), submitted: false };
    write_json(&folder.path().join("orphan.json"), &why)?;
    let name = folder.path().file_name().ok_or_else(|| io::Error::other("a folder without a name"))?;
    std::fs::rename(folder.path(), data.orphans().join(name))
}

/// All orphans of this node, the oldest first. What cannot be read is passed over.
#[must_use]
pub fn list(data: &Data) -> Vec<Orphan> {
    let entries = std::fs::read_dir(data.orphans()).into_iter().flatten();
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    paths.into_iter().filter_map(|path| read(RunFolder::at(path)).ok().flatten()).collect()
}

fn read(folder: RunFolder) -> io::Result<Option<Orphan>> {
    let Some(taken) = read_json(&folder.assignment())? else { return Ok(None) };
    let finish = read_json(&folder.finish())?;
    let unknown = || Why { why: "not known".into(), at: 0, submitted: false };
    let why = read_json(&folder.path().join("orphan.json"))?.unwrap_or_else(unknown);
    Ok(Some(Orphan { folder, taken, finish, why }))
}

/// Removes what was kept long enough.
pub fn purge(data: &Data) {
    for entry in std::fs::read_dir(data.orphans()).into_iter().flatten().flatten() {
        let age = entry.metadata().and_then(|meta| meta.modified()).ok();
        let age = age.and_then(|at| SystemTime::now().duration_since(at).ok()).unwrap_or_default();
        if age > KEPT {
            tracing::info!(folder = %entry.path().display(), "an orphan was kept for a week and goes");
            // What cannot be removed now is tried again with the next start.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Orphan {
    /// Whether there is something to hand in.
    #[must_use]
    pub fn has_result(&self) -> bool {
        self.finish.as_ref().is_some_and(|finish| matches!(finish.outcome, AttemptOutcome::Completed { .. }))
    }

    /// One line for people.
    #[must_use]
    pub fn text(&self, now: i64) -> String {
        let assignment = &self.taken.assignment;
        let hours = (now - self.why.at).max(0) / 3_600_000;
        let result = match self.finish.as_ref().map(|f| &f.outcome) {
            Some(AttemptOutcome::Completed { .. }) if self.why.submitted => "a result, handed in",
            Some(AttemptOutcome::Completed { .. }) => "a result",
            Some(_) => "no result",
            None => "no end",
        };
        format!(
            "{}  {} of {}, {result}, kept {hours} h\n    why: {}",
            assignment.attempt, assignment.benchmark, assignment.owner, self.why.why
        )
    }

    /// Hands it in with its files.
    ///
    /// # Errors
    /// It has no result; the service refuses it, or cannot be reached: in words.
    pub async fn submit(&self, identity: &Identity) -> Result<String, String> {
        let finish = self.finish.clone().ok_or("it has no end: nothing can be handed in")?;
        if !self.has_result() {
            return Err("it came to no result, and the service keeps results alone".into());
        }
        let client = Client::new(&identity.reach)?;
        let assignment = of(&self.taken);
        let by = Proof {
            attempt: assignment.attempt.clone(),
            fence: self.taken.assignment.fence,
            token: assignment.token.clone(),
        };
        let request = OrphanRequest { assignment, finish: finish.clone() };
        let reply = again(async || client.orphan(&identity.token, &request).await).await?;
        let mut missing = vec![];
        for file in finish.files.iter().filter(|f| reply.incomplete.contains(&f.path)) {
            if let Err(why) = self.send(&client, &by, &file.path, file.length, &file.sha256).await {
                missing.push(format!("{}: {why}", file.path));
            }
        }
        let why = Why { submitted: true, ..self.why.clone() };
        write_json(&self.folder.path().join("orphan.json"), &why).map_err(|e| e.to_string())?;
        let known = if reply.job_known { "with its job" } else { "though the service does not know its job" };
        let files = if missing.is_empty() { String::new() } else { format!("; not taken: {}", missing.join(", ")) };
        Ok(format!("the service keeps it, unranked, {known}{files}"))
    }

    async fn send(&self, client: &Client, by: &Proof, path: &str, length: u64, sha256: &str) -> Result<(), String> {
        let (mut sent, mut anew) = (0, 0);
        loop {
            let bytes = close::piece(&self.folder, path, sent, CHUNK.min(length - sent)).map_err(|e| e.to_string())?;
            let last = sent + bytes.len() as u64 >= length;
            let whole = last.then(|| (length, sha256.to_owned()));
            let piece = Piece { path: path.to_owned(), offset: sent, whole };
            match again(async || client.piece(by, &piece, bytes.clone()).await).await {
                Ok(stored) if stored.complete => return Ok(()),
                Ok(stored) if stored.length > sent => sent = stored.length.min(length),
                Ok(_) => return Err("the service does not take it".into()),
                Err(why) => {
                    // It has another beginning of the file, or more of it: from the start, twice at most.
                    anew += 1;
                    if anew > 2 {
                        return Err(why);
                    }
                    sent = 0;
                }
            }
        }
    }
}

fn of(taken: &Taken) -> OrphanOf {
    crate::daemon::orphan_of(&taken.assignment)
}

/// Makes a call until it is answered, a few times.
async fn again<T>(call: impl AsyncFn() -> Result<T, Refusal>) -> Result<T, String> {
    let mut tries = 0;
    loop {
        tries += 1;
        let (why, wait) = match call().await {
            Ok(answer) => return Ok(answer),
            Err(Refusal::NoAnswer(why)) => (why, 1),
            Err(Refusal::Problem(said)) if matches!(said.status, 429 | 500 | 503) => {
                (said.detail, said.retry_after.unwrap_or(1).min(30))
            }
            Err(refusal) => return Err(refusal.to_string()),
        };
        if tries >= TRIES {
            return Err(why);
        }
        tokio::time::sleep(Duration::from_secs(wait)).await;
    }
}

/// The orphan of that attempt.
#[must_use]
pub fn find(data: &Data, attempt: &AttemptId) -> Option<Orphan> {
    list(data).into_iter().find(|orphan| orphan.taken.assignment.attempt == *attempt)
}
