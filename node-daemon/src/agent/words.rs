//! What the agent says and hears, sees and does: the words between it and its rim.

use std::time::Duration;

use hpl_spec::api::agent::{
    AgentEvent, Assignment, EventsReply, FinishReply, HelloReply, NumberedEvent, OrphanReply, Stored,
};
use hpl_spec::id::AttemptId;

use super::Ending;
use crate::client::{Answer, Piece, Proof, Refusal};
use crate::launch::Stop;

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// Say what the node is.
    Hello {
        /// What it holds.
        holding: Vec<AttemptId>,
    },
    /// Ask for a job.
    Claim {
        /// See [`hpl_spec::api::agent::ClaimRequest::seq`].
        seq: u64,
        /// Seconds to wait for one.
        wait_s: u32,
        /// Why it should get none.
        unhealthy: Vec<String>,
    },
    /// Tell what happened.
    Events {
        /// Of which attempt.
        by: Proof,
        /// In order, without a gap.
        events: Vec<NumberedEvent>,
    },
    /// Send a piece of a file.
    Piece {
        /// Of which attempt.
        by: Proof,
        /// Which piece.
        piece: Piece,
        /// Bytes of it.
        length: u64,
    },
    /// Tell the end.
    Finish {
        /// Of which attempt.
        by: Proof,
    },
    /// Hand in the run of an attempt that the service does not know.
    Orphan {
        /// Which attempt.
        attempt: AttemptId,
    },
}

/// What came of a [`Call`], the variant the same.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Of a hello.
    Hello(Answer<HelloReply>),
    /// Of a claim.
    Claim(Answer<Option<Box<Assignment>>>),
    /// Of events.
    Events(Answer<EventsReply>),
    /// Of a piece of a file.
    Piece(Answer<Stored>),
    /// Of the end.
    Finish(Answer<FinishReply>),
    /// Of an orphan.
    Orphan(Answer<OrphanReply>),
}

/// What to do now that something was heard or seen.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Begin with this.
    Take(Box<Assignment>),
    /// The service knows that the run starts: start it.
    Launch,
    /// Write this down before it is said.
    Record(NumberedEvent),
    /// End the run.
    Stop(Stop),
    /// The run may take so many seconds.
    Extend(u32),
    /// The run is over and its folder is to be kept as an orphan, for the reason given.
    Keep(String),
    /// The run is delivered: its folder can go.
    Forget,
    /// For the log: something a person may want to know.
    Note(String),
}

/// What was seen on the node.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// Something happened to the run.
    Happened(AgentEvent),
    /// The logs have so many bytes now.
    Logs([u64; 2]),
    /// The run is over, and all about it is written down.
    Ended(Box<Ending>),
    /// Why the node should get no job; empty if it is well.
    Health(Vec<String>),
    /// Whether a person wants it to claim nothing.
    Drain(bool),
    /// The claim of that number was broken off before it was answered.
    ClaimDropped(u64),
}

/// What [`super::Agent::next`] says.
#[derive(Debug, Clone, PartialEq)]
pub enum Next {
    /// Make this call.
    Say(Box<Call>),
    /// Nothing until then, unless something is seen or heard.
    Wait(Duration),
}

/// Short for a call to make.
pub(super) fn say(call: Call) -> Next {
    Next::Say(Box::new(call))
}

/// Why a call has not brought what it asked for.
#[must_use]
pub fn refusal(heard: &Heard) -> Option<&Refusal> {
    match heard {
        Heard::Hello(a) => a.as_ref().err(),
        Heard::Claim(a) => a.as_ref().err(),
        Heard::Events(a) => a.as_ref().err(),
        Heard::Piece(a) => a.as_ref().err(),
        Heard::Finish(a) => a.as_ref().err(),
        Heard::Orphan(a) => a.as_ref().err(),
    }
}
