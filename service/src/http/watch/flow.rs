//! One stream of events: behind, it reads the record in pages; live, it passes on what the hub tells.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use hpl_spec::JobState;
use hpl_spec::id::JobId;
use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::{Place, frame};
use crate::app::Shared;
use crate::db::events;
use crate::error::Result;
use crate::http::caller::Caller;
use crate::hub::Told;

/// Events that are read at once.
const PAGE: u32 = 256;
/// Who is further behind on the queue's stream begins anew.
const MOST_BEHIND: u32 = 10_000;
/// Between two signs of life on a silent stream.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// So many of them between two looks at whether the caller may still watch: a minute.
const LOOK_EVERY: u32 = 4;

/// What a stream tells of.
#[derive(Debug)]
pub(super) enum Of {
    /// All events of one job; numbers are `seq`.
    Job {
        /// Its id.
        id: JobId,
        /// Its row.
        key: i64,
    },
    /// The moves of public jobs; numbers are keys.
    Queue,
}

/// Where a stream stands.
#[derive(Debug, PartialEq, Eq)]
enum Stand {
    /// Its number was named by the caller and is still to be judged.
    New,
    /// There may be events in the record that it has not told.
    Behind,
    /// Everything else comes from the hub.
    Live,
    /// Nothing comes any more.
    Over,
}

/// One stream.
pub(super) struct Flow {
    app: Shared,
    of: Of,
    caller: Caller,
    _place: Place,
    news: Receiver<Arc<Told>>,
    /// The number of the last event that was told.
    last: i64,
    stand: Stand,
    ready: VecDeque<Bytes>,
    /// Nothing was told since the last tick.
    quiet: bool,
    ticks: u32,
    ticker: Interval,
    stop: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Flow {
    /// A stream that goes on after the event `last`. `news` were subscribed to before that number was read anywhere.
    pub(super) fn new(app: Shared, of: Of, caller: Caller, place: Place, news: Receiver<Arc<Told>>, last: i64) -> Flow {
        let mut ticker = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Flow {
            stop: Box::pin(app.stop.clone().cancelled_owned()),
            app,
            of,
            caller,
            _place: place,
            news,
            last,
            stand: Stand::New,
            ready: VecDeque::from([frame::RETRY]),
            quiet: true,
            ticks: 0,
            ticker,
        }
    }

    /// The stream as the body of an answer.
    pub(super) fn into_body(self) -> Body {
        Body::from_stream(futures_util::stream::unfold(self, |mut flow| async move {
            flow.next().await.map(|bytes| (Ok::<_, Infallible>(bytes), flow))
        }))
    }

    /// What to send next; None at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.ready.pop_front() {
                return Some(bytes);
            }
            match self.stand {
                Stand::Over => return None,
                Stand::Live => self.wait().await,
                Stand::New | Stand::Behind if self.app.stop.is_cancelled() => return None,
                Stand::New | Stand::Behind => {
                    let read = match self.of {
                        Of::Job { key, .. } => self.read_job(key).await,
                        Of::Queue => self.read_queue().await,
                    };
                    if let Err(error) = read {
                        // The caller comes again with the number of what arrived last.
                        tracing::warn!(%error, "a stream of events could not read the record and ends");
                        return None;
                    }
                }
            }
        }
    }

    /// Waits for the next thing to happen.
    async fn wait(&mut self) {
        tokio::select! {
            biased;
            () = &mut self.stop => self.stand = Stand::Over,
            _ = self.ticker.tick() => self.tick().await,
            told = self.news.recv() => match told {
                Ok(told) => self.hear(&told),
                Err(RecvError::Lagged(_)) => self.stand = Stand::Behind,
                Err(RecvError::Closed) => self.stand = Stand::Over,
            },
        }
    }

    /// An event from the hub.
    fn hear(&mut self, told: &Told) {
        match self.of {
            Of::Job { .. } if told.seq > self.last + 1 => self.stand = Stand::Behind,
            Of::Job { .. } => self.tell_job(told),
            Of::Queue => self.tell_queue(told),
        }
    }

    fn tell_job(&mut self, told: &Told) {
        if told.seq <= self.last {
            return;
        }
        self.last = told.seq;
        self.push(frame::for_job(told));
        if let Some(state) = JobState::from_name(&told.state).filter(|state| state.is_final()) {
            self.end(state);
        }
    }

    fn tell_queue(&mut self, told: &Told) {
        if told.key <= self.last {
            return;
        }
        self.last = told.key;
        if told.public {
            self.push(frame::for_queue(told));
        }
    }

    fn push(&mut self, bytes: Bytes) {
        self.quiet = false;
        self.ready.push_back(bytes);
    }

    fn end(&mut self, state: JobState) {
        self.push(frame::end(self.last, state));
        self.stand = Stand::Over;
    }

    /// One page of a job's record.
    async fn read_job(&mut self, key: i64) -> Result<()> {
        let Of::Job { id, .. } = &self.of else { return Ok(()) };
        let mut conn = self.app.db.read().await?;
        // The state first: if it is final, all events are there for the page that is read after it.
        let Some(job) = events::visible_job(&mut conn, id, &self.caller).await? else {
            self.stand = Stand::Over;
            return Ok(());
        };
        if self.stand == Stand::New && self.last > job.last_event {
            self.last = 0;
            self.push(frame::reset(0));
        }
        let page = events::after(&mut conn, key, self.last, PAGE).await?;
        drop(conn);
        self.stand = if page.len() < PAGE as usize { Stand::Live } else { Stand::Behind };
        for told in &page {
            self.tell_job(told);
        }
        if self.stand == Stand::Live && job.state.is_final() {
            self.end(job.state);
        }
        Ok(())
    }

    /// One page of all moves.
    async fn read_queue(&mut self) -> Result<()> {
        let mut conn = self.app.db.read().await?;
        if self.stand == Stand::New {
            let newest = events::last_key(&mut conn).await?;
            let unknown = self.last > newest;
            if unknown || events::moves_behind(&mut conn, self.last, MOST_BEHIND + 1).await? > MOST_BEHIND {
                self.last = newest;
                self.push(frame::reset(newest));
            }
        }
        let page = events::moves_after(&mut conn, self.last, PAGE).await?;
        drop(conn);
        self.stand = if page.len() < PAGE as usize { Stand::Live } else { Stand::Behind };
        for told in &page {
            self.tell_queue(told);
        }
        Ok(())
    }

    /// Says that the stream is alive, and looks now and then whether the caller may still watch.
    async fn tick(&mut self) {
        if self.quiet {
            self.ready.push_back(frame::HEARTBEAT);
        }
        self.quiet = true;
        self.ticks += 1;
        if self.ticks.is_multiple_of(LOOK_EVERY) {
            match self.may_watch().await {
                Ok(true) => {}
                Ok(false) => self.stand = Stand::Over,
                Err(error) => tracing::warn!(%error, "whether a stream may go on could not be told; asked again"),
            }
        }
    }

    async fn may_watch(&self) -> Result<bool> {
        let Of::Job { id, .. } = &self.of else { return Ok(true) };
        let mut conn = self.app.db.read().await?;
        let caller = events::still(&mut conn, &self.caller, self.app.clock.now()).await?;
        Ok(events::visible_job(&mut conn, id, &caller).await?.is_some())
    }
}
