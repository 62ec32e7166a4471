//! What a run left behind, for people to read.

use bytes::Bytes;
use hpl_spec::benchmark::BENCHMARKS;
use hpl_spec::id::{AttemptId, JobId};

use crate::app::App;
use crate::db::events::{self, AttemptHandle};
use crate::error::{Error, Result};
use crate::http::caller::Caller;
use crate::store::{FileName, Listed, ReadError, Stream};

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail {
    /// Which log.
    pub stream: Stream,
    /// Its last bytes, as the program wrote them.
    pub bytes: Bytes,
    /// Bytes of the log before them.
    pub before: u64,
}

/// What is there to read about a job.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The ends of the logs of the latest try, those that hold anything.
    pub logs: Vec<Tail>,
    /// The artifacts of the latest try.
    pub artifacts: Vec<Listed>,
    /// The beginning of the output file of the benchmark, e.g. HPL.out, and its length.
    pub output: Option<(Bytes, u64)>,
}

/// The record of a job; of each log at most the last `tail` bytes.
///
/// # Errors
/// There is no such job for the caller to see; the database or the disk does not answer.
pub async fn of_job(app: &App, caller: &Caller, id: &JobId, tail: usize) -> Result<Record> {
    let attempt = {
        let conn = &mut *app.db.read().await?;
        let job = events::visible_job(conn, id, caller).await?.ok_or_else(|| Error::not_found("job"))?;
        events::attempt(conn, job.key, None).await?
    };
    let Some(attempt) = attempt else { return Ok(Record { logs: vec![], artifacts: vec![], output: None }) };
    let is_artifact = |file: &Listed| matches!(file.name, FileName::Artifact(_));
    let artifacts: Vec<Listed> = files(app, &attempt.id).await?.into_iter().filter(is_artifact).collect();
    let output = match artifacts.iter().find(|file| is_output(&file.name)) {
        Some(file) => match app.store.read(&attempt.id, &file.name, 0, tail).await {
            Ok(part) => Some((part.bytes, part.total)),
            Err(ReadError::Absent) => None,
            Err(ReadError::Io(cause)) => return Err(Error::internal(cause)),
        },
        None => None,
    };
    Ok(Record { logs: logs(app, &attempt, tail).await?, artifacts, output })
}

/// Whether it is the output file of a benchmark.
fn is_output(file: &FileName) -> bool {
    matches!(file, FileName::Artifact(name) if BENCHMARKS.iter().any(|row| row.output == name.to_string()))
}

/// What there is of the logs and artifacts of an attempt. Whether the caller may see them is not looked at.
///
/// # Errors
/// The disk does not answer.
pub async fn files(app: &App, attempt: &AttemptId) -> Result<Vec<Listed>> {
    app.store.list(attempt).await.map_err(Error::internal)
}

async fn logs(app: &App, attempt: &AttemptHandle, tail: usize) -> Result<Vec<Tail>> {
    let mut logs = vec![];
    for stream in [Stream::Out, Stream::Err] {
        match app.store.tail(&attempt.id, &FileName::Log(stream), tail).await {
            Ok(part) if part.total > 0 => logs.push(Tail { stream, bytes: part.bytes, before: part.offset }),
            Ok(_) | Err(ReadError::Absent) => {}
            Err(ReadError::Io(cause)) => return Err(Error::internal(cause)),
        }
    }
    Ok(logs)
}
