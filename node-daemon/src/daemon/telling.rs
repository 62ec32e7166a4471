//! How the daemon stands, for other commands and for people: `status.json`.

use std::time::Duration;

use hpl_spec::api::agent::AttemptPhase;

use super::turn::Daemon;
use crate::host;
use crate::status::RunStatus;

/// How often the file is written at least.
const STATUS: Duration = Duration::from_secs(15);

impl Daemon {
    /// Writes it down if it changed, or if that was long ago.
    pub fn tell_status(&mut self, now: Duration) {
        let state = self.state();
        let run = self.active.as_ref().map(|active| RunStatus {
            job: active.taken.assignment.job.to_string(),
            attempt: active.taken.assignment.attempt.to_string(),
            owner: active.taken.assignment.owner.clone(),
        });
        let contact = self.agent.in_contact();
        let changed = (&*self.status.state, self.status.in_contact) != (state, contact) || self.status.run != run;
        if !(changed || now >= self.status_from) {
            return;
        }
        self.status_from = now + STATUS;
        self.status.state = state.to_owned();
        self.status.run = run;
        self.status.in_contact = contact;
        self.status.unhealthy.clone_from(&self.health.reasons);
        self.status.clock_offset_ms = self.clock_offset_ms;
        self.write_status();
    }

    /// Writes it down as it is.
    pub fn write_status(&mut self) {
        self.status.at = host::wall_ms();
        if let Err(why) = self.status.save(&self.data) {
            tracing::debug!(%why, "the status cannot be written");
        }
    }

    fn state(&self) -> &'static str {
        let draining = self.data.drain().exists();
        match (&self.active, self.agent.voice()) {
            (Some(active), _) if active.finish.is_some() => "delivering",
            (Some(_), Some((_, AttemptPhase::Preparing))) => "preparing",
            (Some(_), _) => "running",
            (None, _) if self.agent.dismissed().is_some() => "dismissed",
            (None, _) if draining => "drained",
            (None, _) if !self.health.reasons.is_empty() => "unwell",
            (None, _) => "waiting",
        }
    }
}
