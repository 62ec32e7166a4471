//! What a connection is doing, and when it is overdue.
//!
//! hyper's own header timeout would also end connections that are merely idle, and its reading of the first bytes
//! of a connection has none. So the bytes that move are seen here ([`Watched`]), the requests in flight are counted
//! ([`InFlight`], which an answer's body carries to its end), and one function, [`Activity::overdue_at`], says by when
//! the next thing must have happened.
//!
//! On HTTP/2 bytes move without anything going on: whoever answers pings but never opens a window would hold his
//! answers for ever. There the pieces of bodies count instead ([`Carried`]).

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How long each state of a connection may last.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The head of a request, and the wait for the first one.
    pub header: Duration,
    /// No request at all.
    pub idle: Duration,
    /// A request in flight and no byte moving, on HTTP/2 no piece of a body.
    pub stall: Duration,
}

#[derive(Debug)]
struct State {
    in_flight: usize,
    /// When a byte last moved in either direction; on HTTP/2 a piece of a body, or the head of a request.
    moved: Instant,
    /// On HTTP/2: answers that could be sent, had the app more of them. Pings tell whether the client is still there.
    unfinished: usize,
    /// Since when no request is in flight.
    idle_since: Instant,
    /// When the head of the next request began to come.
    head_since: Option<Instant>,
    /// On HTTP/2 bytes move without requests: pings and windows. A head is then no state of the connection.
    multiplexed: bool,
    /// What was to be written or sent on last was not taken yet.
    held_up: bool,
}

/// What one connection is doing.
#[derive(Debug, Clone)]
pub struct Activity {
    state: Arc<Mutex<State>>,
}

impl Activity {
    /// A connection that was just opened: its first request is awaited.
    #[must_use]
    pub fn new(now: Instant) -> Activity {
        let state = State {
            in_flight: 0,
            moved: now,
            unfinished: 0,
            idle_since: now,
            head_since: Some(now),
            multiplexed: false,
            held_up: false,
        };
        Activity { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came (`read`) or went.
    fn moved(&self, read: bool, now: Instant) {
        let mut state = self.lock();
        if state.multiplexed {
            return;
        }
        state.moved = now;
        if read && state.in_flight == 0 && state.head_since.is_none() {
            state.head_since = Some(now);
        }
    }

    /// A piece of a request's or of an answer's body was taken.
    fn went_on(&self, now: Instant) {
        let mut state = self.lock();
        state.moved = state.moved.max(now);
    }

    /// A request has come; it is in flight until the guard is dropped.
    #[must_use]
    pub fn begin(&self, multiplexed: bool) -> InFlight {
        let mut state = self.lock();
        state.in_flight += 1;
        state.head_since = None;
        state.multiplexed = multiplexed;
        state.moved = state.moved.max(Instant::now());
        InFlight(self.clone())
    }

    /// Neither a request nor the head of one is there.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let state = self.lock();
        state.in_flight == 0 && state.head_since.is_none()
    }

    /// Since when nothing at all is under way: no request, no head of one, no answer on its way. None on HTTP/2, and
    /// before the first request.
    #[must_use]
    pub fn resting_since(&self) -> Option<Instant> {
        let state = self.lock();
        let rests = state.in_flight == 0 && state.head_since.is_none() && !state.multiplexed && !state.held_up;
        rests.then_some(state.idle_since)
    }

    /// Whether what was to be written, or sent on of what was written, was taken.
    fn wrote(&self, taken: bool) {
        self.lock().held_up = !taken;
    }

    /// When the connection is to be closed if nothing happens until then.
    #[must_use]
    pub fn overdue_at(&self, patience: &Patience) -> Instant {
        let state = self.lock();
        match (state.in_flight, state.head_since) {
            (0, None) => state.idle_since + patience.idle,
            (0, Some(since)) => since + patience.header,
            // Looked at again then; it is the app that everybody waits for.
            (_, _) if state.multiplexed && state.unfinished > 0 => Instant::now() + patience.stall,
            (_, _) => state.moved + patience.stall,
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub struct InFlight(Activity);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.in_flight -= 1;
        state.idle_since = Instant::now();
    }
}

/// A body whose pieces are seen when they are taken: by the app from a request, by the connection from an answer.
#[derive(Debug)]
pub struct Carried<B> {
    body: B,
    activity: Activity,
    /// Of an answer, whose request is in flight until the body was sent or given up.
    in_flight: Option<InFlight>,
    /// It is counted among [`State::unfinished`].
    unfinished: bool,
}

impl<B> Carried<B> {
    /// The body of a request.
    #[must_use]
    pub fn request(body: B, activity: Activity) -> Carried<B> {
        Carried { body, activity, in_flight: None, unfinished: false }
    }

    /// The body of an answer, tied to its request.
    #[must_use]
    pub fn answer(body: B, in_flight: InFlight) -> Carried<B> {
        Carried { body, activity: in_flight.0.clone(), in_flight: Some(in_flight), unfinished: false }
    }

    fn set_unfinished(&mut self, unfinished: bool) {
        if self.in_flight.is_none() || self.unfinished == unfinished {
            return;
        }
        self.unfinished = unfinished;
        let mut state = self.activity.lock();
        if unfinished {
            state.unfinished += 1;
        } else {
            state.unfinished -= 1;
        }
    }
}

impl<B> Drop for Carried<B> {
    fn drop(&mut self) {
        self.set_unfinished(false);
    }
}

impl<B: HttpBody + Unpin> HttpBody for Carried<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.set_unfinished(polled.is_pending());
        if polled.is_ready() {
            self.activity.went_on(Instant::now());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A stream whose moving bytes are seen.
#[derive(Debug)]
pub struct Watched<S> {
    stream: S,
    activity: Activity,
    /// Bytes that were read before, and seen then: they come first.
    unread: Bytes,
}

impl<S> Watched<S> {
    /// Sees the bytes of `stream`.
    pub fn new(stream: S, activity: Activity) -> Watched<S> {
        Watched { stream, activity, unread: Bytes::new() }
    }

    /// Takes back what was read last, to give it once more.
    pub fn take_back(&mut self, read: &[u8]) {
        if !read.is_empty() {
            self.unread = [read, &self.unread].concat().into();
        }
    }

    /// Whether there is anything to be given once more.
    #[must_use]
    pub fn has_unread(&self) -> bool {
        !self.unread.is_empty()
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.activity.wrote(written.is_ready());
        if matches!(written, Poll::Ready(Ok(1..))) {
            self.activity.moved(false, Instant::now());
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.has_unread() {
            let fits = self.unread.len().min(buffer.remaining());
            buffer.put_slice(&self.unread.split_to(fits));
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.moved(true, Instant::now());
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS takes bytes though the socket has no room for them: an answer whose end lies there is not on its way.
        let sent = Pin::new(&mut self.stream).poll_flush(cx);
        self.activity.wrote(sent.is_ready());
        sent
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use http_body_util::StreamBody;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const PATIENCE: Patience =
        Patience { header: Duration::from_secs(10), idle: Duration::from_secs(120), stall: Duration::from_secs(300) };

    #[test]
    fn each_state_has_its_own_deadline() {
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let activity = Activity::new(start);
        assert_eq!(activity.overdue_at(&PATIENCE), after(10), "the first request is awaited");
        activity.moved(true, after(9));
        assert_eq!(activity.overdue_at(&PATIENCE), after(10), "a byte now and then buys no time");

        let request = activity.begin(false);
        activity.moved(false, after(20));
        assert_eq!(activity.overdue_at(&PATIENCE), after(320), "stalled since the last byte");
        activity.moved(true, after(30));
        let second = activity.begin(false);
        drop(request);
        assert_eq!(activity.overdue_at(&PATIENCE), after(330), "one is still in flight");
        drop(second);
        let idle_since = activity.lock().idle_since;
        assert_eq!(activity.overdue_at(&PATIENCE), idle_since + PATIENCE.idle);

        activity.moved(false, after(50));
        assert_eq!(activity.overdue_at(&PATIENCE), idle_since + PATIENCE.idle, "what we send is no head");
        activity.moved(true, after(60));
        activity.moved(true, after(65));
        assert_eq!(activity.overdue_at(&PATIENCE), after(70), "a head has begun to come");
    }

    #[test]
    fn pings_are_neither_heads_nor_requests() {
        let start = Instant::now();
        let activity = Activity::new(start);
        drop(activity.begin(true));
        let idle_since = activity.lock().idle_since;
        activity.moved(true, start + Duration::from_secs(60));
        assert_eq!(activity.overdue_at(&PATIENCE), idle_since + PATIENCE.idle);

        let request = activity.begin(true);
        let begun = activity.lock().moved;
        activity.moved(true, begun + Duration::from_secs(60));
        activity.moved(false, begun + Duration::from_secs(60));
        assert_eq!(activity.overdue_at(&PATIENCE), begun + PATIENCE.stall, "nothing went on");
        activity.went_on(begun + Duration::from_secs(60));
        assert_eq!(activity.overdue_at(&PATIENCE), begun + Duration::from_secs(60) + PATIENCE.stall);
        drop(request);
    }

    #[test]
    fn an_answer_that_the_app_has_no_more_of_stalls_nobody() {
        let activity = Activity::new(Instant::now());
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(2);
        let body = StreamBody::new(tokio_stream::wrappers::ReceiverStream::new(receiver));
        let mut answer = Carried::answer(body, activity.begin(true));
        let mut poll = || Pin::new(&mut answer).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready();
        let stalls = || {
            let moved = activity.lock().moved;
            activity.overdue_at(&PATIENCE) == moved + PATIENCE.stall
        };
        assert!(!poll());
        assert!(!stalls(), "it waits for the app");
        sender.try_send(Ok(Frame::data(Bytes::from_static(b"x")))).unwrap();
        assert!(poll());
        assert!(stalls(), "the next piece is the client's to ask for");
        assert!(!poll());
        drop(answer);
        let state = activity.lock();
        assert_eq!((state.unfinished, state.in_flight), (0, 0));
    }

    #[tokio::test]
    async fn what_was_taken_back_comes_first_and_moves_nothing() {
        let activity = Activity::new(Instant::now());
        let mut stream = Watched::new(&b"/ HTTP/1.1"[..], activity.clone());
        stream.take_back(b"T ");
        stream.take_back(b"GE");
        let moved = activity.lock().moved;
        let mut four = [0; 4];
        stream.read_exact(&mut four).await.unwrap();
        assert_eq!((&four, activity.lock().moved, stream.has_unread()), (b"GET ", moved, false));
        let mut rest = String::new();
        stream.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "/ HTTP/1.1");
    }

    #[tokio::test]
    async fn what_was_written_and_not_sent_on_is_no_rest() {
        let activity = Activity::new(Instant::now());
        let (ours, _theirs) = tokio::io::duplex(8);
        // As TLS does: it takes more than its other side has room for, and keeps it.
        let mut stream = Watched::new(tokio::io::BufWriter::new(ours), activity.clone());
        drop(activity.begin(false));
        stream.write_all(b"more than eight").await.unwrap();
        assert!(activity.resting_since().is_some());
        let mut flush = std::pin::pin!(stream.flush());
        assert!(flush.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert!(activity.resting_since().is_none());
    }
}
