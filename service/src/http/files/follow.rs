//! A log as it grows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hpl_spec::id::JobId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio::time::Instant;

use super::PIECE;
use crate::app::Shared;
use crate::db::events::{self, AttemptHandle};
use crate::error::Result;
use crate::http::caller::Caller;
use crate::http::watch::Place;
use crate::hub::Told;
use crate::store::{FileName, ReadError, Stream};

/// Between two looks at the file.
const LOOK: Duration = Duration::from_millis(500);
/// After the attempt's end the rest of the log may be on its way: so long may nothing come before that is the end.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// Between two looks at whether the attempt has ended and the caller may go on, if the hub says nothing.
const ASK: Duration = Duration::from_secs(30);

/// A log that is followed.
pub(super) struct Follow {
    app: Shared,
    _place: Place,
    job: JobId,
    caller: Caller,
    attempt: AttemptHandle,
    name: FileName,
    news: Receiver<Arc<Told>>,
    offset: u64,
    /// When something last came, or the attempt was seen to have ended.
    moved: Instant,
    asked: Instant,
}

impl Follow {
    /// The log of `stream` from byte `offset` on. `news` were subscribed to before the attempt was read.
    pub(super) fn new(
        app: Shared,
        (job, caller): (JobId, Caller),
        place: Place,
        (attempt, stream): (AttemptHandle, Stream),
        news: Receiver<Arc<Told>>,
        offset: u64,
    ) -> Follow {
        let (moved, asked) = (Instant::now(), Instant::now());
        Follow { app, _place: place, job, caller, attempt, name: FileName::Log(stream), news, offset, moved, asked }
    }

    /// The log as the body of an answer.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut follow| async move {
            follow.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), follow))
        }))
    }

    /// The next bytes; None at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.app.stop.is_cancelled() {
                return None;
            }
            // Asked before the file is read: what was written before the end is then there to be read.
            match self.ask().await {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => tracing::warn!(%error, "whether a log grows could not be told; asked again"),
            }
            let sealed = match self.app.store.read(&self.attempt.id, &self.name, self.offset, PIECE).await {
                Ok(part) if !part.bytes.is_empty() => {
                    self.offset += part.bytes.len() as u64;
                    self.moved = Instant::now();
                    return Some(part.bytes);
                }
                Ok(part) => part.sealed,
                Err(ReadError::Absent) => false,
                Err(ReadError::Io(cause)) => {
                    tracing::warn!(%cause, "a log that is followed could not be read");
                    return None;
                }
            };
            if sealed || self.attempt.ended && self.moved.elapsed() > LAST_WORDS {
                return None;
            }
            let stop = self.app.stop.clone();
            stop.run_until_cancelled(tokio::time::sleep(LOOK)).await?;
        }
    }

    /// Finds out whether the attempt has ended, if there is reason to think so, and whether the caller may go on.
    async fn ask(&mut self) -> Result<bool> {
        let due = self.asked.elapsed() > ASK;
        if !(due || self.job_moved() && !self.attempt.ended) {
            return Ok(true);
        }
        self.asked = Instant::now();
        let mut conn = self.app.db.read().await?;
        let caller = events::still(&mut conn, &self.caller, self.app.clock.now()).await?;
        let Some(job) = events::visible_job(&mut conn, &self.job, &caller).await? else { return Ok(false) };
        let Some(attempt) = events::attempt(&mut conn, job.key, Some(&self.attempt.id)).await? else {
            return Ok(false);
        };
        if attempt.ended && !self.attempt.ended {
            self.moved = Instant::now();
        }
        self.attempt = attempt;
        Ok(true)
    }

    /// Whether anything but progress happened to the job since the last look.
    fn job_moved(&mut self) -> bool {
        let mut moved = false;
        loop {
            match self.news.try_recv() {
                Ok(told) => moved |= told.kind != "progress",
                Err(TryRecvError::Lagged(_)) => moved = true,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return moved,
            }
        }
    }
}
