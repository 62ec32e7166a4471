//! Ctrl-C and its kin, as a flag that is looked at between two steps: whoever sees it ends what it started.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// How often a long wait looks at the flag.
const LOOK: Duration = Duration::from_millis(50);

/// Whether we were asked to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on Ctrl-C, a closed terminal and SIGTERM raise the flag instead of ending us.
    ///
    /// # Errors
    /// The system takes no handler.
    pub fn on_signals() -> Result<Stop, Error> {
        let stop = Stop::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop.0)).map_err(Error::start("a signal handler"))?;
        }
        Ok(stop)
    }

    /// Whether it was raised.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Looks at the flag.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once it is raised.
    pub fn check(&self) -> Result<(), Error> {
        if self.is_raised() { Err(Error::Interrupted) } else { Ok(()) }
    }

    /// Sleeps, unless it is raised.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once it is raised.
    pub fn sleep(&self, time: Duration) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            self.check()?;
            let left = time.saturating_sub(began.elapsed());
            if left.is_zero() {
                return Ok(());
            }
            sleep(left.min(LOOK));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_ends_a_sleep() {
        let stop = Stop::default();
        stop.sleep(Duration::from_millis(1)).unwrap();
        let flag = Arc::clone(&stop.0);
        let raiser = std::thread::spawn(move || flag.store(true, Ordering::Relaxed));
        assert!(matches!(stop.sleep(Duration::from_secs(600)), Err(Error::Interrupted)));
        raiser.join().unwrap();
        assert!(stop.is_raised());
    }
}
