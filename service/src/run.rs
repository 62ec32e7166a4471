//! The service as a process: from its settings to its clean end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{App, Shared};
use crate::clock::Clock;
use crate::config::Config;
use crate::ops::operator::Reach;
use crate::serve::{ServeSettings, serve as accept};
use crate::tls::Tls;
use crate::{http, reaper};

mod descriptors;
mod lock;
mod saving;

pub use self::saving::backup;

/// In the data folder: where the service was last reached, for join strings made on the console.
const REACH: &str = "reach";
/// How a service without TLS begins its note.
const PLAIN: &str = "http://";
/// How one with TLS may be named.
const ENCRYPTED: &str = "https://";

/// Serves until SIGTERM or Ctrl-C; requests in flight have [`ServeSettings::grace`] to come to their end, and nothing that
/// was answered is lost.
///
/// # Errors
/// What cannot be opened, bound or read, for the one who starts the service; another one serves from this folder.
pub async fn serve(config: Config, clock: Clock) -> Result<(), String> {
    crate::failpoints::arm();
    let _ours = lock::take(&config.data.folder)?;
    let app = App::open(config, clock).await?;
    // Before anybody is told that the service is there: who reads that may stop it at once.
    stop_on_signals(&app)?;
    reaper::reconcile(&app).await.map_err(|why| format!("the leases could not be looked at: {why}"))?;
    let config = &app.config;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|why| format!("cannot listen on {}: {why}; choose another address with --listen", config.listen))?;
    let address = listener.local_addr().map_err(|why| format!("the listener has no address: {why}"))?;
    let (host, port) = known_as(config, address)?;
    let tls = open_tls(&app, &host)?;
    let reach = Reach { host, port, pin: pin(config, tls.as_deref()), plain: spoken_plainly(config) };
    announce(&app, address, &reach)?;
    // Nobody is served before this, so nobody finds it unset.
    let _ = app.reach.set(reach);

    let background = tokio::spawn(reaper::run(app.clone()));
    if let Some(tls) = &tls {
        tokio::spawn(tls.clone().watch(app.stop.clone()));
    }
    let settings = settings(config);
    let router = http::router(&app);
    let served = accept(listener, tls.map(|t| t.config()), router, settings, app.stop.clone()).await;
    app.stop.cancel();
    if let Err(why) = background.await {
        tracing::error!(%why, "the reaper ended badly");
    }
    app.db.close().await;
    tracing::info!("stopped; nothing is lost");
    served.map_err(|why| format!("serving ended: {why}"))
}

fn settings(config: &Config) -> ServeSettings {
    let usual = ServeSettings::default();
    let most_connections = descriptors::connections(descriptors::raise(), usual.most_connections);
    ServeSettings { trusted_proxies: config.trusted_proxies.clone(), most_connections, ..usual }
}

fn open_tls(app: &App, host: &str) -> Result<Option<Arc<Tls>>, String> {
    let config = &app.config;
    if config.plain_http {
        return Ok(None);
    }
    let tls = match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => Tls::from_files(cert, key),
        _ => Tls::self_signed(&config.data.folder, &[host.to_owned()]),
    };
    tls.map(|tls| Some(Arc::new(tls))).map_err(|why| why.to_string())
}

/// `HOST`, `HOST:PORT`, `[V6]:PORT`.
fn host_and_port(text: &str, otherwise: u16) -> (String, u16) {
    let bare = |host: &str| host.trim_start_matches('[').trim_end_matches(']').to_owned();
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (bare(host), port),
            Err(_) => (bare(text), otherwise),
        },
        _ => (bare(text), otherwise),
    }
}

/// The name or address by which people and nodes reach the service, and the port.
fn known_as(config: &Config, address: SocketAddr) -> Result<(String, u16), String> {
    let (host, port) = match &config.public_name {
        Some(name) => host_and_port(name, address.port()),
        None if address.ip().is_unspecified() => ("localhost".to_owned(), address.port()),
        None => (address.ip().to_string(), address.port()),
    };
    if host.is_empty() {
        return Err("--public-name: expected HOST or HOST:PORT".into());
    }
    Ok((host, port))
}

/// The key that nodes are to believe, if it is one of our own.
fn pin(config: &Config, tls: Option<&Tls>) -> Option<String> {
    // A certificate of the operator's is vouched for by others and comes with a new key whenever it is renewed; a pin
    // would shut out every node that had joined before.
    tls.filter(|_| config.cert.is_none()).map(Tls::pin)
}

/// Whether nodes are to speak plain HTTP: behind a trusted proxy they speak TLS with the proxy.
fn spoken_plainly(config: &Config) -> bool {
    config.plain_http && config.trusted_proxies.is_empty()
}

/// Reads `HOST:PORT`, spoken to as it was `last`, or `http://HOST:PORT` without TLS, or `https://HOST:PORT`. The pin is
/// that of the last time.
///
/// # Errors
/// It is something else.
pub fn read_reach(text: &str, last: Option<&Reach>) -> Result<Reach, String> {
    let (plain, place) = match (text.strip_prefix(PLAIN), text.strip_prefix(ENCRYPTED)) {
        (Some(place), _) => (true, place),
        (_, Some(place)) => (false, place),
        _ => (last.is_some_and(|last| last.plain), text),
    };
    let (host, port) = host_and_port(place, 0);
    if host.is_empty() || host.contains('/') || port == 0 {
        return Err(format!("--reach {text}: expected HOST:PORT, with {PLAIN} before it for a service without TLS"));
    }
    let pin = last.and_then(|last| last.pin.clone()).filter(|_| !plain);
    Ok(Reach { host, port, pin, plain })
}

/// Where the service was last reached.
///
/// # Errors
/// It was never served from this folder, or the note cannot be read.
pub fn last_reach(data: &Path) -> Result<Reach, String> {
    let file = data.join(REACH);
    let text = std::fs::read_to_string(&file).map_err(|why| format!("{}: {why}", file.display()))?;
    let mut words = text.split_whitespace();
    let mut reach = read_reach(words.next().unwrap_or_default(), None)?;
    reach.pin = words.next().map(str::to_owned);
    Ok(reach)
}

/// Tells people and scripts where the service is.
fn announce(app: &App, address: SocketAddr, reach: &Reach) -> Result<(), String> {
    let data = &app.config.data.folder;
    let host = if reach.host.contains(':') { format!("[{}]", reach.host) } else { reach.host.clone() };
    let plain = if reach.plain { PLAIN } else { "" };
    let note = format!("{plain}{host}:{} {}\n", reach.port, reach.pin.as_deref().unwrap_or_default());
    let write = |file: &Path, text: &str| {
        // Renamed into place, so that whoever waits for it never reads half of it.
        let part = file.with_extension("part");
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, file))
            .map_err(|why| format!("cannot write {}: {why}", file.display()))
    };
    write(&data.join(REACH), &note)?;
    let scheme = if app.config.plain_http { "http" } else { "https" };
    tracing::info!(data = %data.display(), "serving on {scheme}://{address}, known as {host}:{}", reach.port);
    if app.config.plain_http {
        tracing::warn!("plain HTTP: passwords cross the network unprotected");
    }
    http::pages::missing().inspect(|words| tracing::warn!("{words}"));
    match &app.config.ready_file {
        Some(file) => write(file, &format!("{scheme}://{address}\n{}\n", reach.pin.as_deref().unwrap_or_default())),
        None => Ok(()),
    }
}

/// SIGTERM and Ctrl-C stop the service; a second one at once.
fn stop_on_signals(app: &Shared) -> Result<(), String> {
    let listen = |kind| signal(kind).map_err(|why| format!("cannot listen for signals: {why}"));
    let (mut term, mut int) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stop = app.stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! {
                _ = term.recv() => (),
                _ = int.recv() => (),
            }
        };
        next().await;
        tracing::info!("stopping: requests in flight have 30 s to come to their end; a second signal ends at once");
        stop.cancel();
        next().await;
        std::process::exit(130);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::of_flags;

    #[test]
    fn it_is_known_by_its_name_or_by_the_address_it_listens_on() {
        for (flags, bound, host, port) in [
            ("", "192.0.2.7:8080", "192.0.2.7", 8080),
            ("", "[2001:db8::1]:8080", "2001:db8::1", 8080),
            ("", "0.0.0.0:8080", "localhost", 8080),
            ("--public-name hpl.example", "0.0.0.0:8080", "hpl.example", 8080),
            ("--public-name hpl.example:443", "10.0.0.1:8080", "hpl.example", 443),
        ] {
            let config = of_flags(flags).unwrap();
            let (known, at) = known_as(&config, bound.parse().unwrap()).unwrap();
            assert_eq!((known.as_str(), at), (host, port), "`{flags}` {bound}");
            // Names and addresses can both stand in a certificate.
            let folder = tempfile::tempdir().unwrap();
            Tls::self_signed(folder.path(), &[known]).unwrap();
        }
        let config = of_flags("--public-name :443").unwrap();
        assert!(known_as(&config, "10.0.0.1:1".parse().unwrap()).is_err());
    }

    #[test]
    fn names_may_have_a_port_or_none() {
        for (text, host, port) in [
            ("hpl.example", "hpl.example", 443),
            ("hpl.example:8443", "hpl.example", 8443),
            ("[::1]:8443", "::1", 8443),
            ("::1", "::1", 443),
            ("127.0.0.1:1", "127.0.0.1", 1),
        ] {
            assert_eq!(host_and_port(text, 443), (host.to_owned(), port), "{text}");
        }
        for wrong in ["hpl.example", ":1", "http://", "http://hpl.example", "https://hpl.example", "hpl.example:1/"] {
            assert!(read_reach(wrong, None).unwrap_err().contains("expected HOST:PORT"), "{wrong}");
        }
    }

    #[test]
    fn a_reach_that_is_named_is_spoken_to_as_the_last_one() {
        let plain = Reach { host: "::1".into(), port: 8080, pin: None, plain: true };
        let pinned = Reach { host: "::1".into(), port: 8443, pin: Some("pin".into()), plain: false };
        let read = |text: &str, last: Option<&Reach>| read_reach(text, last).unwrap();
        assert_eq!(read("http://[::1]:8080", None), plain);
        assert_eq!(read("http://[::1]:8080", Some(&pinned)), plain);
        assert_eq!(read("[::1]:8080", Some(&plain)), plain);
        assert_eq!(read("[::1]:8443", Some(&pinned)), pinned);
        assert_eq!(read("https://[::1]:8443", Some(&plain)), Reach { pin: None, ..pinned });
    }

    #[test]
    fn nodes_speak_plain_http_where_the_service_does_and_no_proxy_stands_before_it() {
        for (flags, plain) in
            [("", false), ("--plain-http", true), ("--plain-http --trusted-proxy 127.0.0.1/32", false)]
        {
            let config = of_flags(flags).unwrap();
            assert_eq!(spoken_plainly(&config), plain, "{flags}");
        }
    }

    #[test]
    fn the_last_reach_is_remembered() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(REACH), "[::1]:8443 pin\n").unwrap();
        let reach = last_reach(folder.path()).unwrap();
        assert_eq!((reach.host.as_str(), reach.port, reach.pin.as_deref()), ("::1", 8443, Some("pin")));
        assert!(!reach.plain);
        std::fs::write(folder.path().join(REACH), "http://127.0.0.1:8080 \n").unwrap();
        let plain = Reach { host: "127.0.0.1".into(), port: 8080, pin: None, plain: true };
        assert_eq!(last_reach(folder.path()).unwrap(), plain);
    }
}
