//! What the node says to the service, over HTTPS: the one file that names the HTTP client. A call is made once; whether
//! and when it is made again is decided by [`crate::agent`].

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use hpl_spec::api::Problem;
use hpl_spec::api::agent::{
    Assignment, BeatReply, BeatRequest, ClaimRequest, EventsReply, EventsRequest, FinishReply, FinishRequest,
    HelloReply, HelloRequest, JoinReply, JoinRequest, OrphanReply, OrphanRequest, ROOT, Stored,
};
use hpl_spec::id::{AttemptId, NodeId};
use reqwest::{Method, RequestBuilder, StatusCode, header};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::identity::Reach;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(10);
/// How long an answer may take, beyond what the call asks the service to wait.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a connection is kept for the next call: longer than between two beats.
const KEPT: Duration = Duration::from_secs(75);
/// Bytes of an answer that are read; the largest is an assignment with its input files.
const LARGEST: usize = 4 << 20;

/// Why a call has not brought what it asked for.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// There was no answer, or none that can be understood: it may or may not have arrived.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The service says no.
    #[error("{} {}: {}", .0.status, .0.code, .0.detail)]
    Problem(Box<Said>),
}

/// An error that the service told.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// The HTTP status.
    pub status: u16,
    /// The stable word.
    pub code: String,
    /// In words.
    pub detail: String,
    /// How many bytes of a file the service has.
    pub offset: Option<u64>,
    /// The number of the event that it misses.
    pub expected_seq: Option<u64>,
    /// Seconds after which to come again.
    pub retry_after: Option<u64>,
}

/// Which of an attempt's files: `log/out`, `log/err`, `artifacts/NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file.
    pub path: String,
    /// Where the bytes belong.
    pub offset: u64,
    /// With the last piece: length and SHA-256 of the whole.
    pub whole: Option<(u64, String)>,
}

/// An attempt as it proves itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Its fence.
    pub fence: i64,
    /// Its token.
    pub token: String,
}

/// A way to the service. It is made for one thread: its runtime drives the connections.
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// Short for what every call brings.
pub type Answer<T> = Result<T, Refusal>;

impl Client {
    /// A way to the service at `reach`. Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be set up, e.g. because the system has no certificates at all.
    pub fn new(reach: &Reach) -> Result<Client, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        // The second thread that comes here finds it installed.
        let _ = provider.as_ref().clone().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("hpl-node/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(KEPT)
            .pool_max_idle_per_host(2)
            .tcp_keepalive(Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pin) = &reach.pin {
            let verifier = Arc::new(Pinned { pin: pin.clone(), provider: provider.clone() });
            let config = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(|e| e.to_string())?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth();
            builder = builder.tls_backend_preconfigured(config);
        }
        let http = builder.build().map_err(|e| told(&e))?;
        Ok(Client { http, url: reach.url.clone() })
    }

    /// Whether the service is there and well: how long it took to say so.
    ///
    /// # Errors
    /// It is not: in words.
    pub async fn is_well(&self) -> Result<Duration, String> {
        let began = std::time::Instant::now();
        let call = self.http.get(format!("{}/healthz", self.url)).timeout(CONNECT);
        let status = call.send().await.map_err(|e| told(&e))?.status();
        if status.is_success() { Ok(began.elapsed()) } else { Err(format!("it answers {status}")) }
    }

    /// The machine joins.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn join(&self, token: &str, request: &JoinRequest) -> Answer<JoinReply> {
        self.post("/join", token, request).await
    }

    /// The node says what it is.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn hello(&self, node: &NodeId, token: &str, request: &HelloRequest) -> Answer<HelloReply> {
        self.post(&format!("/nodes/{node}/hello"), token, request).await
    }

    /// The node asks for a job, and waits up to `wait_s` seconds.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn claim(&self, token: &str, wait_s: u32, request: &ClaimRequest) -> Answer<Option<Assignment>> {
        let call = self.call(Method::POST, &format!("/claim?wait={wait_s}"), token, wait_s).json(request);
        some(send(call).await?)
    }

    /// A sign of life.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn beat(&self, by: &Proof, request: &BeatRequest) -> Answer<BeatReply> {
        self.post(&of(by, "beat"), &by.token, request).await
    }

    /// Waits up to `wait_s` seconds for a command.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn wait(&self, by: &Proof, wait_s: u32) -> Answer<Option<BeatReply>> {
        let path = format!("{}?fence={}&wait={wait_s}", of(by, "wait"), by.fence);
        some(send(self.call(Method::GET, &path, &by.token, wait_s)).await?)
    }

    /// What happened.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn events(&self, by: &Proof, request: &EventsRequest) -> Answer<EventsReply> {
        self.post(&of(by, "events"), &by.token, request).await
    }

    /// A piece of a file.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn piece(&self, by: &Proof, piece: &Piece, bytes: Vec<u8>) -> Answer<Stored> {
        let mut path = format!("{}?fence={}&offset={}", of(by, &piece.path), by.fence, piece.offset);
        if let Some((length, sha256)) = &piece.whole {
            path += &format!("&length={length}&sha256={sha256}");
        }
        let call = self.call(Method::PUT, &path, &by.token, 0);
        read(send(call.header(header::CONTENT_TYPE, "application/octet-stream").body(bytes)).await?)
    }

    /// The end.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn finish(&self, by: &Proof, request: &FinishRequest) -> Answer<FinishReply> {
        self.post(&of(by, "finish"), &by.token, request).await
    }

    /// The end of an attempt that may write no longer.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn orphan(&self, token: &str, request: &OrphanRequest) -> Answer<OrphanReply> {
        self.post("/orphans", token, request).await
    }

    fn call(&self, method: Method, path: &str, token: &str, wait_s: u32) -> RequestBuilder {
        let limit = ANSWER + Duration::from_secs(wait_s.into());
        self.http.request(method, format!("{}{ROOT}{path}", self.url)).bearer_auth(token).timeout(limit)
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, token: &str, body: &impl Serialize) -> Answer<T> {
        read(send(self.call(Method::POST, path, token, 0).json(body)).await?)
    }
}

fn of(by: &Proof, what: &str) -> String {
    format!("/attempts/{}/{what}", by.attempt)
}

/// The whole chain of causes: the outermost alone says no more than "error sending request".
fn told(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(why) = cause {
        text += &format!(": {why}");
        cause = why.source();
    }
    text
}

/// The status and the body of a call that went well; None of 204.
async fn send(call: RequestBuilder) -> Answer<Option<Vec<u8>>> {
    let no_answer = |e: reqwest::Error| Refusal::NoAnswer(told(&e));
    let mut response = call.send().await.map_err(no_answer)?;
    let status = response.status();
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|v| v.to_str().ok()).and_then(|v| v.trim().parse().ok());
    let mut body = vec![];
    while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
        if body.len() + chunk.len() > LARGEST {
            return Err(Refusal::NoAnswer(format!("an answer of more than {LARGEST} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    if status == StatusCode::NO_CONTENT {
        return Ok(None);
    }
    if status.is_success() {
        return Ok(Some(body));
    }
    Err(problem(status.as_u16(), retry_after, &body))
}

/// An answer that says no. What is no problem document, as a proxy in between may send it, is judged by its status.
fn problem(status: u16, retry_after: Option<u64>, body: &[u8]) -> Refusal {
    let Ok(problem) = serde_json::from_slice::<Problem>(body) else {
        return Refusal::NoAnswer(format!("status {status} and no problem document: is this the service?"));
    };
    let number = |name: &str| problem.more.get(name).and_then(serde_json::Value::as_u64);
    let (offset, expected_seq) = (number("offset"), number("expected_seq"));
    let Problem { code, detail, .. } = problem;
    Refusal::Problem(Box::new(Said { status, code, detail, offset, expected_seq, retry_after }))
}

fn read<T: DeserializeOwned>(body: Option<Vec<u8>>) -> Answer<T> {
    let body = body.unwrap_or_default();
    serde_json::from_slice(&body).map_err(|e| Refusal::NoAnswer(format!("an answer that cannot be read: {e}")))
}

fn some<T: DeserializeOwned>(body: Option<Vec<u8>>) -> Answer<Option<T>> {
    body.map(|body| read(Some(body))).transpose()
}

/// Believes one key and no authority: the one whose hash stood in the join string.
#[derive(Debug)]
struct Pinned {
    pin: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let key = ParsedCertificate::try_from(end_entity)?.subject_public_key_info();
        let found = BASE64URL_NOPAD.encode(&Sha256::digest(key.as_ref()));
        if found == self.pin {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::Error::General(format!(
            "the service shows another key ({found}) than the one this node joined with ({}): if its key was renewed, \
             join again with a new join string; if not, somebody is in between",
            self.pin
        )))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
