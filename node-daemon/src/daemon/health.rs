//! Whether the node is well enough to claim: looked at before each claim, not all the time.

use std::time::Duration;

use super::{Options, ballast};
use crate::agent::{Agent, Fact};
use crate::folder::Data;
use crate::host::preflight::{self, Wants};

/// A look is good for so long.
const GOOD_FOR: Duration = Duration::from_secs(30);

/// The last look.
#[derive(Debug, Default)]
pub struct Health {
    looked_at: Option<Duration>,
    /// Why the node should not claim.
    pub reasons: Vec<String>,
}

impl Health {
    /// The last look is worth nothing any more: a run came and went since, and may have filled the disk.
    pub fn outdate(&mut self) {
        self.looked_at = None;
    }

    /// Looks if the last look is too old.
    pub fn look(&mut self, now: Duration, data: &Data, options: &Options, agent: &Agent) -> Option<Fact> {
        if self.looked_at.is_some_and(|at| now < at + GOOD_FOR) {
            return None;
        }
        let limits = agent.limits();
        let reasons = preflight::look(&Wants {
            data: data.path().to_owned(),
            ballast: ballast::lay(data),
            log_bytes: limits.log_bytes,
            artifact_bytes: limits.artifact_bytes,
            xhpl: options.xhpl.clone(),
            mpirun: options.mpirun.clone(),
            shared: options.shared,
            // That is the agent's to say.
            draining: false,
        });
        // After the look, which takes a moment itself.
        self.looked_at = Some(crate::host::now());
        if reasons != self.reasons {
            let now = if reasons.is_empty() { "well".to_owned() } else { reasons.join("; ") };
            tracing::info!("the node is {}{now}", if reasons.is_empty() { "" } else { "not well: " });
        }
        self.reasons.clone_from(&reasons);
        Some(Fact::Health(reasons))
    }
}
