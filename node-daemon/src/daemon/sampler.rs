//! The thread that measures the node while a run is on.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::voice::{Shared, locked};
use crate::host;
use crate::metrics::Sampler;

/// Which run is measured, and how often.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// When it was taken, by the clock that counts from boot.
    pub taken_at: Duration,
    /// Between two samples.
    pub every: Duration,
}

/// The thread, as others see it.
pub struct Measuring {
    orders: Sender<Option<Measure>>,
    energy: Arc<Mutex<Option<f64>>>,
    _thread: JoinHandle<()>,
}

impl Measuring {
    /// Starts the thread; it measures nothing until it is told to.
    ///
    /// # Errors
    /// The thread cannot be made.
    pub fn start(shared: Arc<Shared>) -> Result<Measuring, String> {
        let (orders, incoming) = channel::<Option<Measure>>();
        let energy = Arc::new(Mutex::new(None));
        let told = energy.clone();
        let thread = Builder::new().name("sampler".into()).spawn(move || {
            let mut now: Option<(Measure, Sampler, Instant)> = None;
            loop {
                let order = match &now {
                    None => incoming.recv().map_err(|_| RecvTimeoutError::Disconnected),
                    Some((.., due)) => incoming.recv_timeout(due.saturating_duration_since(Instant::now())),
                };
                match order {
                    Ok(Some(measure)) => {
                        *locked(&told) = None;
                        now = Some((measure, Sampler::new(), Instant::now() + measure.every));
                    }
                    Ok(None) => now = None,
                    Err(RecvTimeoutError::Timeout) => {
                        if let Some((measure, sampler, due)) = &mut now {
                            let since = host::now().saturating_sub(measure.taken_at);
                            let at_ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                            locked(&shared.spool).push(sampler.sample(at_ms));
                            *locked(&told) = sampler.energy();
                            // One that was late is not caught up with.
                            *due = (*due + measure.every).max(Instant::now());
                        }
                    }
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        });
        let thread = thread.map_err(|e| format!("a thread cannot be started: {e}"))?;
        Ok(Measuring { orders, energy, _thread: thread })
    }

    /// Measures this run, or none.
    pub fn measure(&self, what: Option<Measure>) {
        // The thread ends only with us.
        let _ = self.orders.send(what);
    }

    /// Joules that the node took since the measuring of this run began, up to the last sample.
    #[must_use]
    pub fn energy(&self) -> Option<f64> {
        *locked(&self.energy)
    }
}
