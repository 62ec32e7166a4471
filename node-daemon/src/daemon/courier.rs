//! The thread that makes the calls, one after the other. A claim that waits can be broken off.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::thread::{Builder, JoinHandle};

use hpl_spec::api::agent::{ClaimRequest, EventsRequest, FinishRequest, HelloRequest, OrphanRequest};
use tokio::sync::{Notify, mpsc};

use super::Input;
use crate::agent::{Call, Heard};
use crate::client::Client;
use crate::identity::Identity;

/// What a call carries beside what the agent decided.
#[derive(Debug)]
pub enum Payload {
    /// Nothing.
    None,
    /// Of a hello.
    Hello(Box<HelloRequest>),
    /// Of a claim.
    Claim(ClaimRequest),
    /// Bytes of a file.
    Bytes(Vec<u8>),
    /// Of the end.
    Finish(Arc<FinishRequest>),
    /// Of an orphan.
    Orphan(Box<OrphanRequest>),
}

/// The thread, as others see it.
pub struct Courier {
    orders: mpsc::UnboundedSender<(Call, Payload)>,
    abort: Arc<Notify>,
    out: Option<Call>,
    broken_off: bool,
    _thread: JoinHandle<()>,
}

impl Courier {
    /// Starts the thread. What it hears goes to `inputs`.
    ///
    /// # Errors
    /// The HTTP client or the thread cannot be made.
    pub fn start(identity: &Identity, inputs: Sender<Input>) -> Result<Courier, String> {
        let (orders, mut incoming) = mpsc::unbounded_channel::<(Call, Payload)>();
        let abort = Arc::new(Notify::new());
        let (client, broken_off, identity) = (Client::new(&identity.reach)?, abort.clone(), identity.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let thread = Builder::new().name("courier".into()).spawn(move || {
            runtime.block_on(async {
                while let Some((call, payload)) = incoming.recv().await {
                    let claim = match &call {
                        Call::Claim { seq, .. } => Some(*seq),
                        _ => None,
                    };
                    let input = tokio::select! {
                        heard = make(&client, &identity, &call, payload) => Input::Said(Box::new((call, heard))),
                        () = broken_off.notified(), if claim.is_some() => Input::Dropped(claim.unwrap_or_default()),
                    };
                    if inputs.send(input).is_err() {
                        return;
                    }
                }
            });
        });
        let thread = thread.map_err(|e| format!("a thread cannot be started: {e}"))?;
        Ok(Courier { orders, abort, out: None, broken_off: false, _thread: thread })
    }

    /// Whether a call is under way.
    #[must_use]
    pub fn is_out(&self) -> bool {
        self.out.is_some()
    }

    /// Makes a call; what came of it arrives as an [`Input`].
    pub fn go(&mut self, call: Call, payload: Payload) {
        self.out = Some(call.clone());
        self.broken_off = false;
        // The thread ends only with us.
        let _ = self.orders.send((call, payload));
    }

    /// It is back.
    pub fn back(&mut self) {
        self.out = None;
    }

    /// Breaks off a claim that waits for a job as a node that is well.
    pub fn drop_claim(&mut self) {
        let waits = matches!(&self.out, Some(Call::Claim { unhealthy, .. }) if unhealthy.is_empty());
        if waits && !self.broken_off {
            self.broken_off = true;
            self.abort.notify_one();
        }
    }
}

async fn make(client: &Client, identity: &Identity, call: &Call, payload: Payload) -> Heard {
    let token = &identity.token;
    match (call, payload) {
        (Call::Hello { .. }, Payload::Hello(request)) => {
            Heard::Hello(client.hello(&identity.node, token, &request).await)
        }
        (Call::Claim { wait_s, .. }, Payload::Claim(request)) => {
            Heard::Claim(client.claim(token, *wait_s, &request).await.map(|a| a.map(Box::new)))
        }
        (Call::Events { by, events }, _) => {
            let request = EventsRequest { fence: by.fence, events: events.clone() };
            Heard::Events(client.events(by, &request).await)
        }
        (Call::Piece { by, piece, .. }, Payload::Bytes(bytes)) => Heard::Piece(client.piece(by, piece, bytes).await),
        (Call::Finish { by }, Payload::Finish(request)) => Heard::Finish(client.finish(by, &request).await),
        (Call::Orphan { .. }, Payload::Orphan(request)) => Heard::Orphan(client.orphan(token, &request).await),
        (call, payload) => unheard(call, &payload),
    }
}

/// A call without what belongs to it cannot be made; it counts as not answered and is made again, with it.
fn unheard(call: &Call, payload: &Payload) -> Heard {
    let why = || crate::client::Refusal::NoAnswer(format!("{call:?} with {payload:?}"));
    match call {
        Call::Hello { .. } => Heard::Hello(Err(why())),
        Call::Claim { .. } => Heard::Claim(Err(why())),
        Call::Events { .. } => Heard::Events(Err(why())),
        Call::Piece { .. } => Heard::Piece(Err(why())),
        Call::Finish { .. } => Heard::Finish(Err(why())),
        Call::Orphan { .. } => Heard::Orphan(Err(why())),
    }
}
