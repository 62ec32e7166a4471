//! The door seen from outside: real sockets on loopback against `serve` and `tls`.

mod encrypted;
mod multiplexed;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Extension;
use axum::routing::{get, post};
use futures_util::Stream;
use service::serve::{Peer, ServeSettings, serve};
use service::tls::Tls;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A served app and the means to stop it.
struct Door {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

impl Door {
    async fn open(tls: Option<&Tls>, settings: ServeSettings) -> Door {
        Door::at(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(), tls, settings)
    }

    fn at(listener: TcpListener, tls: Option<&Tls>, settings: ServeSettings) -> Door {
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let served = tokio::spawn(serve(listener, tls.map(Tls::config), app(), settings, stop.clone()));
        Door { address, stop, served }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a new connection and returns all that comes back until the end.
    async fn say(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes).await.unwrap();
        rest(&mut stream).await
    }

    async fn close(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}

fn app() -> Router {
    Router::new()
        .route("/", get(|| async { "open" }))
        .route("/peer", get(|Extension(peer): Extension<Peer>| async move { format!("{} {}", peer.addr, peer.tls) }))
        .route(
            "/slow",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(800)).await;
                "slow but whole"
            }),
        )
        .route("/steady", get(|| async { Body::from_stream(steady()) }))
        .route("/length", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/large", get(|| async { "large ".repeat(25_000) }))
        .route("/never", get(std::future::pending::<&str>))
}

/// A piece every half second, for longer than anything may stand still.
fn steady() -> impl Stream<Item = Result<Bytes, Infallible>> {
    let piece = async |n: u32| {
        tokio::time::sleep(Duration::from_millis(500)).await;
        (n < 6).then(|| (Ok(Bytes::from_static(b"piece ")), n + 1))
    };
    futures_util::stream::unfold(0, piece)
}

/// Settings in which nothing takes long.
fn hasty() -> ServeSettings {
    ServeSettings {
        handshake_timeout: Duration::from_millis(400),
        header_timeout: Duration::from_millis(400),
        idle_timeout: Duration::from_millis(1600),
        stall_timeout: Duration::from_millis(1600),
        grace: Duration::from_millis(1600),
        ..ServeSettings::default()
    }
}

/// What comes until the other end closes; a reset counts as the end.
async fn rest(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection was not closed; it said {:?}", String::from_utf8_lossy(&bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn every_request_knows_its_peer() {
    let door = Door::open(None, ServeSettings::default()).await;
    let mut stream = door.connect().await;
    let me = stream.local_addr().unwrap();
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let said = rest(&mut stream).await;
    assert!(said.ends_with(&format!("{me} false")), "{said}");
    door.close().await;
}

#[tokio::test]
async fn whoever_dribbles_a_head_is_closed() {
    let door = Door::open(None, hasty()).await;
    // nothing, the first byte of the HTTP/2 preface, half a head
    for begin in [&b""[..], b"P", b"GET / HTTP/1.1\r\nhost: x\r\nx-a"] {
        let mut stream = door.connect().await;
        let opened = Instant::now();
        stream.write_all(begin).await.unwrap();
        // one more byte now and then buys no time
        let dribble = async {
            while opened.elapsed() < Duration::from_secs(5) {
                tokio::time::sleep(Duration::from_millis(50)).await;
                if !begin.is_empty() && begin != b"P" && stream.write_all(b"a").await.is_err() {
                    break;
                }
                let mut byte = [0];
                match stream.try_read(&mut byte) {
                    Err(why) if why.kind() == std::io::ErrorKind::WouldBlock => {}
                    _ => break,
                }
            }
            opened.elapsed()
        };
        let lasted = dribble.await;
        assert!(lasted >= Duration::from_millis(350) && lasted < Duration::from_secs(3), "{begin:?} {lasted:?}");
    }
    door.close().await;
}

#[tokio::test]
async fn an_idle_connection_outlives_the_head_timeout_and_then_ends() {
    let door = Door::open(None, hasty()).await;
    let mut stream = door.connect().await;
    for _ in 0..3 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).await.unwrap();
        assert!(answer[..length].ends_with(b"open"));
        tokio::time::sleep(Duration::from_millis(700)).await;
    }
    let waiting = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(waiting.elapsed() < Duration::from_secs(3));
    door.close().await;
}

#[tokio::test]
async fn a_request_that_stands_still_is_ended() {
    let door = Door::open(None, hasty()).await;
    let begin = Instant::now();
    assert_eq!(door.say(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await, "");
    let lasted = begin.elapsed();
    assert!(lasted >= Duration::from_millis(1550) && lasted < Duration::from_secs(5), "{lasted:?}");
    door.close().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let door = Door::open(None, ServeSettings::default()).await;
    let lines = |count: usize| {
        let headers: String = (0..count).map(|n| format!("x-{n}: y\r\n")).collect();
        format!("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
    };
    assert!(door.say(lines(90).as_bytes()).await.starts_with("HTTP/1.1 200"));
    let refused = door.say(lines(1000).as_bytes()).await;
    assert!(refused.starts_with("HTTP/1.1 431"), "{refused}");
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(100_000));
    let mut stream = door.connect().await;
    let _ = stream.write_all(long.as_bytes()).await;
    let mut status = [0; 12];
    // the rest may be lost to a reset, as it was not all read
    if stream.read_exact(&mut status).await.is_ok() {
        assert_eq!(&status, b"HTTP/1.1 431");
    }
    assert!(door.say(b"\x00\xff rubbish\r\n\r\n").await.starts_with("HTTP/1.1 400"));
    assert!(door.say(lines(1).as_bytes()).await.starts_with("HTTP/1.1 200"), "the door is still open");
    door.close().await;
}

#[tokio::test]
async fn one_address_gets_so_many_connections() {
    let crowded = ServeSettings { most_connections_per_address: 2, ..ServeSettings::default() };
    let door = Door::open(None, crowded.clone()).await;
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut first = door.connect().await;
    let mut second = door.connect().await;
    for stream in [&mut first, &mut second] {
        stream.write_all(ask).await.unwrap();
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
    }
    let mut third = door.connect().await;
    let _ = third.write_all(ask).await;
    assert_eq!(rest(&mut third).await, "");
    drop(first);
    let mut tries = 0;
    while !door.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.ends_with("open") {
        tries += 1;
        assert!(tries < 100, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    door.close().await;

    // a trusted proxy speaks for many
    let proxied = ServeSettings { trusted_proxies: vec![IpAddr::from([127, 0, 0, 1]).into()], ..crowded };
    let door = Door::open(None, proxied).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = door.connect().await;
        stream.write_all(ask).await.unwrap();
        assert!(stream.read(&mut [0; 512]).await.unwrap() > 0);
        held.push(stream);
    }
    door.close().await;
}

#[tokio::test]
async fn a_stop_lets_requests_end_and_waits_for_no_idler() {
    let door = Door::open(None, hasty()).await;
    let mut slow = door.connect().await;
    slow.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut idle = door.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 512]).await.unwrap() > 0);
    tokio::time::sleep(Duration::from_millis(50)).await;
    door.stop.cancel();
    assert_eq!(rest(&mut idle).await, "");
    assert!(rest(&mut slow).await.ends_with("slow but whole"));
    door.served.await.unwrap().unwrap();
    assert!(TcpStream::connect(door.address).await.is_err());
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_its_grace() {
    let patient = ServeSettings { stall_timeout: Duration::from_secs(60), ..hasty() };
    let door = Door::open(None, patient).await;
    let mut stream = door.connect().await;
    stream.write_all(b"GET /never HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let stopped = Instant::now();
    door.close().await;
    let lasted = stopped.elapsed();
    assert!(lasted >= Duration::from_millis(1550) && lasted < Duration::from_secs(5), "{lasted:?}");
}
