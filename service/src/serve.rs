//! The one port: accepts connections, with TLS or without, and speaks HTTP/1.1 and HTTP/2 on them.
//!
//! ```text
//!  TCP ──> places ──> TLS, ALPN ──> HTTP ──> app
//!          free?      10 s          first request within 10 s; idle 2 min; stalled 5 min
//! ```
//! Nothing that a stranger sends or fails to send holds a connection for ever: `activity` knows when it last
//! moved and what it owes, `connection` ends it when it is overdue, `places` bounds how many there are.

mod activity;
mod connection;
mod places;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::connection::Host;
use self::places::Places;
use crate::client_ip::is_trusted;
use crate::limits::network;

/// The other end of the connection that a request came on; an extension of every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address; a proxy's, if there is one.
    pub addr: SocketAddr,
    /// The connection is encrypted.
    pub tls: bool,
}

/// The limits of connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeSettings {
    /// Most connections at a time; further ones are closed at once.
    pub most_connections: usize,
    /// Most connections at a time from one address (IPv6: one /64).
    pub most_connections_per_address: usize,
    /// Proxies of the operator's, who speak for many and for whom only the total counts.
    pub trusted_proxies: Vec<IpNet>,
    /// How long the TLS handshake may take.
    pub handshake_timeout: Duration,
    /// How long the head of a request may take from its first byte on, and the first one from the handshake on.
    pub header_timeout: Duration,
    /// How long a connection may stay open without a request.
    pub idle_timeout: Duration,
    /// How long a request and its answer may stand still: no byte of the connection moving, on HTTP/2 no piece of a
    /// body.
    pub stall_timeout: Duration,
    /// How long requests in flight may take to end once the service stops.
    pub grace: Duration,
}

impl Default for ServeSettings {
    fn default() -> Self {
        ServeSettings {
            most_connections: 20_000,
            most_connections_per_address: 2000,
            trusted_proxies: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(120),
            stall_timeout: Duration::from_secs(300),
            grace: Duration::from_secs(30),
        }
    }
}

/// Serves `app` on `listener` until `stop`, then lets the requests in flight end, for [`ServeSettings::grace`] at
/// most. Streams without an end must watch `stop` themselves. Every request carries a [`Peer`].
///
/// # Errors
/// If the listener has no address. Errors of single connections are logged at debug level.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    app: Router,
    settings: ServeSettings,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    tracing::info!(%address, tls = tls.is_some(), "listening");
    let places = Places::new(settings.most_connections, settings.most_connections_per_address);
    let grace = settings.grace;
    let host = Arc::new(Host::new(tls, app, settings, stop.clone()));
    let tasks = TaskTracker::new();
    while let Some((stream, peer)) = stop.run_until_cancelled(accept(&listener)).await {
        let shared = is_trusted(peer.ip(), &host.settings.trusted_proxies);
        let Some(place) = places.take((!shared).then(|| network(peer.ip()))) else {
            tracing::debug!(%peer, "too many connections; this one is closed");
            continue;
        };
        let host = host.clone();
        tasks.spawn(async move {
            if let Err(why) = host.serve(stream, peer).await {
                tracing::debug!(%peer, %why, "connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    tracing::info!(connections = tasks.len(), "no new connections; waiting for requests in flight");
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        host.cut();
        tracing::warn!(connections = tasks.len(), "requests did not end in time and are cut");
        tasks.wait().await;
    }
    Ok(())
}

/// The next connection. Errors that concern only that one are passed over; others, such as no file
/// descriptor being free, are logged and waited out, as the listener itself is sound.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = Duration::from_millis(5);
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // small answers must not wait for more to send
                if let Err(why) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %why, "TCP_NODELAY");
                }
                return (stream, canonical(peer));
            }
            Err(why) if is_of_the_connection(&why) => {}
            Err(why) => {
                tracing::error!(%why, ?pause, "cannot accept connections");
                tokio::time::sleep(pause).await;
                pause = (2 * pause).min(Duration::from_secs(1));
            }
        }
    }
}

fn is_of_the_connection(why: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(why.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The address without the form that IPv4 has on an IPv6 socket.
fn canonical(peer: SocketAddr) -> SocketAddr {
    match peer.ip().to_canonical() {
        IpAddr::V4(v4) => SocketAddr::from((v4, peer.port())),
        IpAddr::V6(_) => peer,
    }
}
