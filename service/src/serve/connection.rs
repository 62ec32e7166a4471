//! One connection from its first byte to its last.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::activity::{Activity, Carried, Patience, Watched};
use super::{Peer, ServeSettings};

/// Most header lines of a request.
const MOST_HEADERS: usize = 100;
/// Most bytes of a request's head.
const MOST_HEADER_BYTES: u32 = 32 * 1024;
/// Most requests at a time on one HTTP/2 connection.
const MOST_STREAMS: u32 = 128;
/// An HTTP/2 connection is pinged so often …
const PING_EVERY: Duration = Duration::from_secs(30);
/// … and closed if no answer comes for so long.
const PING_PATIENCE: Duration = Duration::from_secs(20);
/// The first byte of every TLS handshake record.
const TLS_HANDSHAKE: u8 = 0x16;
/// The answer to plain HTTP on a port that speaks TLS.
const SPEAK_TLS: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
connection: close\r\n\r\nThis port speaks TLS: use https:// and not http:\n";

/// An HTTP/1.1 connection without a request gives its buffers back after so long. Chosen by reasoning: short beside the
/// ten seconds between two beats of a node, long beside the milliseconds between two requests of a page. What it saves
/// is the memory that `cargo bench -p benches --bench load` prints.
const NAP: Duration = Duration::from_millis(250);

/// What a connection is told.
enum Word {
    GoOn,
    /// To end once its requests have.
    Farewell,
}

/// What all connections share.
pub(super) struct Host {
    tls: Option<TlsAcceptor>,
    app: Router,
    pub(super) settings: ServeSettings,
    builder: auto::Builder<TokioExecutor>,
    http_1: http1::Builder,
    /// No new requests.
    stop: CancellationToken,
    /// No connections at all.
    cut: CancellationToken,
}

impl Host {
    pub(super) fn new(
        tls: Option<Arc<rustls::ServerConfig>>,
        app: Router,
        settings: ServeSettings,
        stop: CancellationToken,
    ) -> Host {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None) // `Activity` keeps it
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEADER_BYTES as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            .max_header_list_size(MOST_HEADER_BYTES)
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_PATIENCE);
        let mut http_1 = http1::Builder::new();
        http_1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(MOST_HEADERS)
            .max_buf_size(MOST_HEADER_BYTES as usize);
        Host { tls: tls.map(TlsAcceptor::from), app, settings, builder, http_1, stop, cut: CancellationToken::new() }
    }

    /// Ends all connections now.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    /// Serves one connection to its end.
    pub(super) async fn serve(&self, stream: TcpStream, addr: SocketAddr) -> io::Result<()> {
        let Some(tls) = &self.tls else {
            return Box::pin(self.speak_http(stream, Peer { addr, tls: false })).await;
        };
        // Boxed, as all that is large: a connection keeps the room of everything it ever does.
        let handshake = Box::pin(async {
            let mut first = [0];
            if stream.peek(&mut first).await? == 1 && first[0] != TLS_HANDSHAKE {
                refuse_plain(stream).await?;
                return Ok(None);
            }
            tls.accept(stream).await.map(Some)
        });
        let handshake = timeout(self.settings.handshake_timeout, handshake);
        match self.stop.run_until_cancelled(handshake).await {
            None | Some(Ok(Ok(None))) => Ok(()),
            Some(Err(_)) => Err(io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time")),
            Some(Ok(Err(why))) => Err(why),
            Some(Ok(Ok(Some(stream)))) => {
                let (peer, stream) = (Peer { addr, tls: true }, Box::new(stream));
                match stream.get_ref().1.alpn_protocol() {
                    Some(b"h2") => Box::pin(self.speak_http(stream, peer)).await,
                    _ => self.speak_http_1(stream, peer).await,
                }
            }
        }
    }

    fn patience(&self) -> Patience {
        Patience {
            header: self.settings.header_timeout,
            idle: self.settings.idle_timeout,
            stall: self.settings.stall_timeout,
        }
    }

    /// Speaks HTTP of either version until the client ends it, it is overdue, or the service stops.
    async fn speak_http<S>(&self, stream: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new(Instant::now());
        let stream = TokioIo::new(Watched::new(stream, activity.clone()));
        let service = service_fn(|request| answer(self.app.clone(), request, peer, activity.clone()));
        let mut connection = std::pin::pin!(self.builder.serve_connection(stream, service));
        let talk = |cx: &mut Context<'_>, word| match word {
            Word::GoOn => connection.as_mut().poll(cx).map_err(io::Error::other),
            Word::Farewell => {
                connection.as_mut().graceful_shutdown();
                Poll::Pending
            }
        };
        self.drive(&activity, None, talk).await.unwrap_or(Ok(()))
    }

    /// Speaks HTTP/1.1 as [`Host::speak_http`] does. A connection that rests keeps nothing but itself: its buffers, 24 KB,
    /// are made anew when it goes on. Ten thousand nodes that beat every ten seconds rest most of the time.
    async fn speak_http_1<S>(&self, stream: S, peer: Peer) -> io::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new(Instant::now());
        let mut stream = Watched::new(stream, activity.clone());
        loop {
            let service = service_fn(|request| answer(self.app.clone(), request, peer, activity.clone()));
            let mut connection = self.http_1.serve_connection(TokioIo::new(stream), service);
            let talk = |cx: &mut Context<'_>, word| match word {
                Word::GoOn => Pin::new(&mut connection).poll(cx).map_err(io::Error::other),
                Word::Farewell => {
                    Pin::new(&mut connection).graceful_shutdown();
                    Poll::Pending
                }
            };
            if let Some(end) = self.drive(&activity, Some(NAP), talk).await {
                return end;
            }
            let http1::Parts { io, read_buf, .. } = connection.into_parts();
            stream = io.into_inner();
            stream.take_back(&read_buf);
            // Eight kilobytes: not to be kept through the rest.
            drop(read_buf);
            if !stream.has_unread() {
                match self.rest(&mut stream, &activity).await? {
                    Some(first) => stream.take_back(&[first]),
                    None => return Ok(()),
                }
            }
        }
    }

    /// Waits for the first byte of the next request. None: the connection was closed, by either side.
    async fn rest<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        activity: &Activity,
    ) -> io::Result<Option<u8>> {
        let mut first = [0];
        tokio::select! {
            read = stream.read(&mut first) => return Ok((read? == 1).then_some(first[0])),
            () = sleep_until(activity.overdue_at(&self.patience())) => (),
            () = self.stop.cancelled() => (),
        }
        // Whoever does not take the word that the connection ends hears it from TCP.
        let _ = timeout(self.settings.header_timeout, stream.shutdown()).await;
        Ok(None)
    }

    /// Lets a connection go on until it ends, is overdue and asked to end, or is cut. None: it has rested for `nap`.
    async fn drive(
        &self,
        activity: &Activity,
        nap: Option<Duration>,
        mut talk: impl FnMut(&mut Context<'_>, Word) -> Poll<io::Result<()>>,
    ) -> Option<io::Result<()>> {
        let patience = self.patience();
        let opened = Instant::now();
        let mut alarm = std::pin::pin!(sleep_until(activity.overdue_at(&patience)));
        let mut stopped = std::pin::pin!(self.stop.cancelled());
        // until when a connection that was asked to end may take to do so
        let mut farewell = None;
        let to_its_end = poll_fn(|cx| {
            if farewell.is_none() && stopped.as_mut().poll(cx).is_ready() {
                farewell = Some(Instant::now());
                let _ = talk(cx, Word::Farewell);
            }
            loop {
                if let Poll::Ready(end) = talk(cx, Word::GoOn) {
                    return Poll::Ready(Some(end));
                }
                // asked for again whenever the connection moved, as it may have come nearer
                let due = activity.overdue_at(&patience).max(farewell.unwrap_or(opened));
                let rests = nap.filter(|_| farewell.is_none()).and_then(|nap| Some(activity.resting_since()? + nap));
                let now = Instant::now();
                if rests.is_some_and(|rests| rests <= now) {
                    return Poll::Ready(None);
                }
                if due > now {
                    let next = rests.map_or(due, |rests| rests.min(due));
                    if alarm.deadline() != next {
                        alarm.as_mut().reset(next);
                    }
                    if alarm.as_mut().poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                } else if farewell.is_none() && activity.is_idle() {
                    // a request may be on its way: HTTP/2 can tell the client that it will not be heard
                    farewell = Some(now + patience.header);
                    let _ = talk(cx, Word::Farewell);
                } else {
                    return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "nothing came in time"))));
                }
            }
        });
        self.cut.run_until_cancelled(to_its_end).await.unwrap_or(Some(Ok(())))
    }
}

/// Lets the app answer, which cannot fail.
async fn answer(
    app: Router,
    mut request: Request<Incoming>,
    peer: Peer,
    activity: Activity,
) -> Result<Response<Carried<Body>>, Infallible> {
    let in_flight = activity.begin(request.version() == Version::HTTP_2);
    // hyper counts the lines of HTTP/1 only
    let response = if request.headers().len() > MOST_HEADERS {
        let mut refusal = Response::new(Body::empty());
        *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        refusal
    } else {
        request.extensions_mut().insert(peer);
        app.oneshot(request.map(|body| Body::new(Carried::request(body, activity)))).await?
    };
    Ok(response.map(|body| Carried::answer(body, in_flight)))
}

/// Says that TLS is spoken here, and closes.
async fn refuse_plain(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(SPEAK_TLS).await?;
    stream.shutdown().await?;
    // closing with bytes unread would take the answer back; a bounded number of them is read away
    let mut rest = stream.take(u64::from(MOST_HEADER_BYTES));
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await.map(drop)
}
