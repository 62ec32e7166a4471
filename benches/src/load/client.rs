//! A TLS connection that asks and hears. One per caller, kept open, as daemons and browsers keep theirs.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

/// Callers of one address; the service lets 2000 connections come from each.
const OF_ONE_ADDRESS: usize = 1000;

/// The way to the service.
#[derive(Clone)]
pub struct Door {
    address: SocketAddr,
    tls: TlsConnector,
}

impl Door {
    /// The way to `address`, whose certificate is that of the file `certificate`.
    ///
    /// # Errors
    /// If the file holds none.
    pub fn new(address: SocketAddr, certificate: &Path) -> Result<Door, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("{}: {e}", certificate.display());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(certificate).map_err(|e| wrong(&e))?).map_err(|e| wrong(&e))?;
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("no TLS: {e}"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Door { address, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// A connection for the caller of that number; a thousand callers share an address of the loopback.
    ///
    /// # Errors
    /// If there is none to be had.
    pub async fn connect(&self, caller: usize) -> Result<Line, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("no connection for caller {caller}: {e}");
        let from = Ipv4Addr::new(127, 0, 1, u8::try_from(1 + caller / OF_ONE_ADDRESS).unwrap_or(255));
        let socket = TcpSocket::new_v4().map_err(|e| wrong(&e))?;
        socket.bind(SocketAddr::from((from, 0))).map_err(|e| wrong(&e))?;
        let stream = socket.connect(self.address).await.map_err(|e| wrong(&e))?;
        stream.set_nodelay(true).map_err(|e| wrong(&e))?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let stream = self.tls.connect(name, stream).await.map_err(|e| wrong(&e))?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|e| wrong(&e))?;
        // It ends with the sender, or tells the sender why not.
        tokio::spawn(connection);
        Ok(Line { sender, door: self.clone(), caller, host: self.address.to_string() })
    }
}

/// A request.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// The bearer token; empty for a stranger.
    pub token: String,
    /// Further header lines.
    pub headers: Vec<(&'static str, String)>,
    /// The body, as JSON.
    pub body: Option<String>,
}

impl Ask {
    /// For reading.
    pub fn get(path: impl Into<String>, token: &str) -> Ask {
        Ask { method: Method::GET, path: path.into(), token: token.into(), headers: vec![], body: None }
    }

    /// For doing.
    pub fn post(path: impl Into<String>, token: &str, body: &Value) -> Ask {
        Ask { method: Method::POST, body: Some(body.to_string()), ..Ask::get(path, token) }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The cookies that were set, without what stands behind them.
    pub cookies: String,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// If the answer is a refusal, or another thing.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, String> {
        let told = || String::from_utf8_lossy(&self.body).chars().take(400).collect::<String>();
        if !self.status.is_success() {
            return Err(format!("{}: {}", self.status, told()));
        }
        serde_json::from_slice(&self.body).map_err(|e| format!("{e} in {}", told()))
    }
}

/// A connection; made anew for the next question if the service has closed it meanwhile.
pub struct Line {
    sender: SendRequest<Full<Bytes>>,
    door: Door,
    caller: usize,
    host: String,
}

impl Line {
    /// Asks, and hears the whole answer.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn ask(&mut self, ask: &Ask) -> Result<Answer, String> {
        let response = self.open(ask).await?;
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.into_body().collect().await.map_err(|e| format!("{}: {e}", ask.path))?.to_bytes();
        let cookies = headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let cookies: Vec<&str> = cookies.filter_map(|cookie| cookie.split(';').next()).collect();
        Ok(Answer { status, cookies: cookies.join("; "), body })
    }

    /// Asks, and hears the head of the answer; the body comes as it comes.
    ///
    /// # Errors
    /// If the connection fails.
    pub async fn open(&mut self, ask: &Ask) -> Result<Response<Incoming>, String> {
        let wrong = |e: &dyn std::fmt::Display| format!("{} {}: {e}", ask.method, ask.path);
        if self.sender.is_closed() {
            *self = self.door.connect(self.caller).await?;
        }
        self.sender.ready().await.map_err(|e| wrong(&e))?;
        let mut request = Request::builder().method(&ask.method).uri(&ask.path).header("host", &self.host);
        if !ask.token.is_empty() {
            request = request.header("authorization", format!("Bearer {}", ask.token));
        }
        if ask.body.is_some() {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in &ask.headers {
            request = request.header(*name, value);
        }
        let body = Full::new(Bytes::from(ask.body.clone().unwrap_or_default()));
        let request = request.body(body).map_err(|e| wrong(&e))?;
        self.sender.send_request(request).await.map_err(|e| wrong(&e))
    }
}
