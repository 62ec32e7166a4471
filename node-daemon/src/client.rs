//! What the node says to the service, through the door that it shares with the command line (`client::door`). A call
//! is made once; whether and when it is made again is decided by [`crate::agent`].

use std::time::Duration;

pub use ::client::door::{Answer, Refusal, Said};
use ::client::door::{Call, Caller, Door, Method, Reach};
use hpl_spec::api::agent::{
    Assignment, BeatReply, BeatRequest, ClaimRequest, EventsReply, EventsRequest, FinishReply, FinishRequest,
    HelloReply, HelloRequest, JoinReply, JoinRequest, OrphanReply, OrphanRequest, ROOT, Stored,
};
use hpl_spec::id::{AttemptId, NodeId};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Who we are to the service.
const CALLER: Caller = Caller {
    agent: concat!("hpl-node/", env!("CARGO_PKG_VERSION")),
    known: "the one this node joined with",
    renew: "join again with a new join string",
};

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
    door: Door,
}

impl Client {
    /// A way to the service at `reach`. Nothing is sent yet.
    ///
    /// # Errors
    /// The HTTP client cannot be set up, e.g. because the system has no certificates at all.
    pub fn new(reach: &Reach) -> Result<Client, String> {
        Ok(Client { door: Door::new(reach, CALLER)? })
    }

    /// Whether the service is there and well: how long it took to say so.
    ///
    /// # Errors
    /// It is not: in words.
    pub async fn is_well(&self) -> Result<Duration, String> {
        self.door.is_well().await
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
        let call = call(Method::Post, &format!("/claim?wait={wait_s}"), token).wait(wait_s).json(request);
        self.door.ask_for_some(call).await
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
        self.door.ask_for_some(call(Method::Get, &path, &by.token).wait(wait_s)).await
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
        self.door.ask(call(Method::Put, &path, &by.token).bytes(bytes)).await
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

    async fn post<T: DeserializeOwned>(&self, path: &str, token: &str, body: &impl Serialize) -> Answer<T> {
        self.door.ask(call(Method::Post, path, token).json(body)).await
    }
}

fn call(method: Method, path: &str, token: &str) -> Call {
    Call::new(method, format!("{ROOT}{path}")).token(token)
}

fn of(by: &Proof, what: &str) -> String {
    format!("/attempts/{}/{what}", by.attempt)
}
