//! What a call carries: found here when it is made.

use std::sync::Arc;

use hpl_spec::api::PROTOCOL;
use hpl_spec::api::agent::{Assignment, ClaimRequest, FinishRequest, HelloRequest, OrphanOf, OrphanRequest};

use super::courier::Payload;
use super::turn::Daemon;
use crate::agent::{Call, Heard};
use crate::client::{Refusal, Said};
use crate::folder::write_json;
use crate::host;
use crate::journal::OpenClaim;
use crate::runner::close;
use crate::runner::prepare::MEMORY_KEPT;

impl Daemon {
    /// What belongs to a call.
    ///
    /// # Errors
    /// It cannot be found or read.
    pub fn payload(&mut self, call: &Call) -> Result<Payload, String> {
        Ok(match call {
            Call::Hello { holding } => {
                self.greeted_at = Some(host::wall_ms());
                let mut info = self.described.info.clone();
                info.memory_available = host::memory_available().saturating_sub(MEMORY_KEPT);
                Payload::Hello(Box::new(HelloRequest {
                    protocol: PROTOCOL,
                    version: env!("CARGO_PKG_VERSION").into(),
                    machine_id: self.machine_id.clone(),
                    boot_id: self.boot_id.clone(),
                    info,
                    abilities: self.described.abilities.clone(),
                    free_disk: host::free_disk(self.data.path()).unwrap_or(0),
                    holding: holding.clone(),
                }))
            }
            Call::Claim { seq, unhealthy, .. } => {
                self.remember_claim(*seq);
                Payload::Claim(ClaimRequest {
                    boot_id: self.boot_id.clone(),
                    memory_available: host::memory_available().saturating_sub(MEMORY_KEPT),
                    free_disk: host::free_disk(self.data.path()).unwrap_or(0),
                    unhealthy: unhealthy.clone(),
                    holding: vec![],
                    seq: *seq,
                })
            }
            Call::Events { .. } => Payload::None,
            Call::Piece { piece, length, .. } => {
                let folder = self.active.as_ref().map(|active| active.folder.clone()).ok_or("no run")?;
                let bytes = close::piece(&folder, &piece.path, piece.offset, *length).map_err(|e| e.to_string())?;
                Payload::Bytes(bytes)
            }
            Call::Finish { .. } => Payload::Finish(self.finish()?),
            Call::Orphan { .. } => {
                let active = self.active.as_ref().ok_or("no run")?;
                let finish = self.finish()?.as_ref().clone();
                Payload::Orphan(Box::new(OrphanRequest { assignment: orphan_of(&active.taken.assignment), finish }))
            }
        })
    }

    fn finish(&self) -> Result<Arc<FinishRequest>, String> {
        self.active.as_ref().and_then(|active| active.finish.clone()).ok_or_else(|| "there is no end yet".into())
    }

    /// A daemon that is killed between the answer and its journal asks with the same number again.
    fn remember_claim(&mut self, seq: u64) {
        if self.last_claim == Some(seq) {
            return;
        }
        self.last_claim = Some(seq);
        let claim = OpenClaim { seq, boot_id: self.boot_id.clone() };
        if let Err(why) = write_json(&self.data.path().join("claim.json"), &claim) {
            tracing::warn!(%why, "the number of the claim cannot be kept");
        }
    }
}

/// What an orphan belonged to.
pub(crate) fn orphan_of(assignment: &Assignment) -> OrphanOf {
    let Assignment { job, attempt, token, owner, benchmark, parameters, .. } = assignment.clone();
    OrphanOf { job, attempt, token, owner, benchmark, parameters }
}

/// A call whose bytes cannot be read here is as good as refused: the file is given up.
pub(super) fn unreadable(call: &Call, why: String) -> Heard {
    let said = Said {
        status: 422,
        code: "unreadable".into(),
        detail: format!("it cannot be read on the node: {why}"),
        ..Said::default()
    };
    match call {
        Call::Piece { .. } => Heard::Piece(Err(Refusal::Problem(Box::new(said)))),
        Call::Hello { .. } => Heard::Hello(Err(Refusal::NoAnswer(why))),
        Call::Claim { .. } => Heard::Claim(Err(Refusal::NoAnswer(why))),
        Call::Events { .. } => Heard::Events(Err(Refusal::NoAnswer(why))),
        Call::Finish { .. } => Heard::Finish(Err(Refusal::NoAnswer(why))),
        Call::Orphan { .. } => Heard::Orphan(Err(Refusal::NoAnswer(why))),
    }
}
