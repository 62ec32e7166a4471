//! The end before the end: signals, stalls, panics.
//!
//! A thread waits for SIGTERM and SIGINT. It tells the rank to stop, which the main thread sees in every wait and the
//! team between two strips of columns; on rank 0 it writes the last words; then the process ends by the signal, and the
//! launcher ends what is left.

use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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

/// Watches from now on. `record`: what rank 0 has.
///
/// # Errors
/// What the system says if signals or a thread cannot be had.
pub fn begin(policy: &Arc<WaitPolicy>, rank: usize, record: Option<Arc<Record>>) -> Result<(), String> {
    let signals = Signals::new([SIGTERM, SIGINT]).map_err(|e| format!("signals cannot be watched: {e}"))?;
    hook(Arc::clone(policy), rank, record.clone());
    let policy = Arc::clone(policy);
    let watch = move || wait_for(signals, &policy, record.as_deref());
    let thread = thread::Builder::new().name("signals".to_owned()).spawn(watch);
    thread.map(drop).map_err(|e| format!("a thread for signals cannot be started: {e}"))
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

/// A rank that panics ends the job: the others would wait for it.
fn hook(policy: Arc<WaitPolicy>, rank: usize, record: Option<Arc<Record>>) {
    let print = std::panic::take_hook();
    let first = AtomicBool::new(true);
    std::panic::set_hook(Box::new(move |panic| {
        // A rank that was told to stop has only to be still until the process ends; and one panic tells enough.
        if policy.cancelled() || !first.swap(false, Ordering::Relaxed) {
            loop {
                thread::park();
            }
        }
        let what = text(panic);
        if what.starts_with("stalled") {
            eprintln!("xhpl: on {}: {what}", hostname());
        } else if what.contains(NO_MEMORY) {
            eprintln!(
                "{}xhpl: rank {rank} on {} needs memory beside the matrix: take a smaller N.",
                aborted(rank, &what),
                hostname()
            );
        } else {
            eprintln!("xhpl: rank {rank} on {} ends the job:", hostname());
            print(panic);
        }
        if let Some(record) = &record {
            record.cut_short(&format!("rank 0 ({what})"));
        }
        abort(1)
    }));
}

fn text(panic: &PanicHookInfo) -> String {
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str).or(payload.downcast_ref::<&str>().copied());
    text.unwrap_or("an unknown panic").to_owned()
}
