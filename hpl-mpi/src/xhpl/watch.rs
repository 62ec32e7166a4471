//! The end before the end: signals, stalls, panics.
//!
//! A thread waits for SIGTERM and SIGINT. It tells the rank to stop, which the main thread sees in every wait and the
//! team between two strips of columns; on rank 0 it writes the last words; then the process ends by the signal, and the
//! launcher ends what is left.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use hpl_core::topology::hostname;
use hpl_mpi::comm::WaitPolicy;
use hpl_mpi::comm::mpi::abort;
use hpl_spec::netlib::aborted;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::record::Record;

/// The other ranks leave rank 0 so long for its last words: a launcher that sees one of them gone may kill the rest.
const AFTER_RANK_0: Duration = Duration::from_millis(400);

/// How [`hpl_core::buffer::AllocError`] begins.
const NO_MEMORY: &str = "cannot allocate ";

/// What is done when a run ends before its time.
#[derive(Clone, Default)]
pub struct Watch(Arc<OnceLock<Known>>);

/// What is known once the run has begun.
struct Known {
    policy: Arc<WaitPolicy>,
    rank: usize,
    /// On rank 0.
    record: Option<Arc<Record>>,
}

impl Watch {
    /// Watches for signals from now on, and lets rank 0, which has the record, have its last words.
    ///
    /// # Errors
    /// What the system says if signals or a thread cannot be had.
    pub fn begin(&self, policy: &Arc<WaitPolicy>, rank: usize, record: Option<Arc<Record>>) -> Result<(), String> {
        let signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| format!("signals cannot be watched: {e}"))?;
        // A process has one run.
        let _ = self.0.set(Known { policy: Arc::clone(policy), rank, record: record.clone() });
        let policy = Arc::clone(policy);
        let watch = move || wait_for(signals, &policy, record.as_deref());
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(watch);
        thread.map(drop).map_err(|e| format!("a thread for signals cannot be started: {e}"))
    }
}

fn wait_for(mut signals: Signals, policy: &WaitPolicy, record: Option<&Record>) {
    let Some(signal) = signals.forever().next() else { return };
    policy.cancel();
    match record {
        Some(record) => record.cut_short(if signal == SIGINT { "SIGINT" } else { "SIGTERM" }),
        None => thread::sleep(AFTER_RANK_0),
    }
    if emulate_default_handler(signal).is_err() {
        std::process::exit(1);
    }
}

/// From now on a rank that panics ends the job: the others would wait for it.
pub fn abort_on_panic() -> Watch {
    let (watch, print) = (Watch::default(), std::panic::take_hook());
    let (known, first) = (watch.clone(), AtomicBool::new(true));
    std::panic::set_hook(Box::new(move |panic| {
        let known = known.0.get();
        // A rank that was told to stop has only to be still until the process ends; and one panic tells enough.
        if known.is_some_and(|known| known.policy.cancelled()) || !first.swap(false, Ordering::Relaxed) {
            loop {
                thread::park();
            }
        }
        let (what, host) = (text(panic), hostname());
        match known {
            Some(_) if what.starts_with("stalled") => eprintln!("xhpl: on {host}: {what}"),
            Some(Known { rank, .. }) if what.contains(NO_MEMORY) => {
                let netlibs = aborted(*rank, &what);
                eprintln!("{netlibs}xhpl: rank {rank} on {host} needs memory beside the matrix: take a smaller N.");
            }
            Some(Known { rank, .. }) => {
                eprintln!("xhpl: rank {rank} on {host} ends the job:");
                print(panic);
            }
            None => print(panic),
        }
        if let Some(record) = known.and_then(|known| known.record.as_ref()) {
            record.cut_short(&format!("rank 0 ({what})"));
        }
        abort(1)
    }));
    watch
}

fn text(panic: &PanicHookInfo) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("an unknown panic").to_owned()
}
