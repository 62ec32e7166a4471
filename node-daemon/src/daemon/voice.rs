//! The thread that gives signs of life. It touches no disk and waits for nobody but the service: what it says it finds in
//! memory, so that a machine whose every core computes and whose disk is slow still beats in time.
//!
//! Beside the beats it keeps a call open in which the service can say at once that the run is cancelled.

use std::collections::BTreeMap;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use hpl_spec::api::agent::{AttemptPhase, BeatRequest, Command, Intervals};
use hpl_spec::id::AttemptId;
use hpl_spec::job::Progress;
use rand::RngExt;
use tokio::sync::watch;

use super::Input;
use crate::agent::passes;
use crate::client::{Client, Proof, Refusal};
use crate::host;
use crate::identity::Identity;
use crate::metrics::Spool;

/// Whose life is signalled, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Speaking {
    /// The attempt.
    pub by: Proof,
    /// Where it stands.
    pub phase: AttemptPhase,
    /// When it was taken, by the clock that counts from boot.
    pub taken_at: Duration,
    /// How often to speak.
    pub intervals: Intervals,
    /// Samples of one beat.
    pub samples: usize,
}

/// What other threads leave for the voice to say, and what it notes down for them.
#[derive(Debug)]
pub struct Shared {
    /// The latest progress.
    pub progress: Mutex<Option<Progress>>,
    /// Samples that were not sent yet.
    pub spool: Mutex<Spool>,
    /// Progress events that were dropped.
    pub progress_dropped: Mutex<u64>,
    /// The longest time between two beats of this run, in seconds.
    pub gap_s: Mutex<f64>,
}

impl Default for Shared {
    fn default() -> Self {
        let spool = Mutex::new(Spool::default());
        let (progress, progress_dropped, gap_s) = (Mutex::default(), Mutex::default(), Mutex::default());
        Shared { progress, spool, progress_dropped, gap_s }
    }
}

/// What a mutex holds; a thread that panicked while it held it left nothing half done here.
pub fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread, as others see it.
pub struct Voice {
    speaking: watch::Sender<Option<Speaking>>,
    _thread: JoinHandle<()>,
}

impl Voice {
    /// Starts the thread; it is silent until it is told to speak.
    ///
    /// # Errors
    /// The HTTP client or the thread cannot be made.
    pub fn start(identity: &Identity, shared: Arc<Shared>, inputs: Sender<Input>) -> Result<Voice, String> {
        let (speaking, told) = watch::channel(None);
        let client = Client::new(&identity.reach)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        let thread = Builder::new().name("voice".into()).spawn(move || {
            runtime.block_on(async {
                tokio::join!(beats(&client, told.clone(), &shared, &inputs), waits(&client, told.clone(), &inputs));
            });
        });
        let thread = thread.map_err(|e| format!("a thread cannot be started: {e}"))?;
        Ok(Voice { speaking, _thread: thread })
    }

    /// Speaks for this attempt, or for none.
    pub fn speak(&self, speaking: Option<Speaking>) {
        self.speaking.send_if_modified(|now| {
            let other = *now != speaking;
            if other {
                *now = speaking;
            }
            other
        });
    }
}

async fn beats(client: &Client, mut told: watch::Receiver<Option<Speaking>>, shared: &Shared, inputs: &Sender<Input>) {
    let mut refused: Option<AttemptId> = None;
    let mut last: Option<(AttemptId, Instant)> = None;
    // A beat that was not answered is said again word for word, as its samples may have arrived.
    let mut unanswered: Option<(BeatRequest, usize)> = None;
    let mut failures = 0;
    loop {
        let speaking = told.borrow_and_update().clone();
        let Some(speaking) = speaking.filter(|s| refused.as_ref() != Some(&s.by.attempt)) else {
            unanswered = None;
            if told.changed().await.is_err() {
                return;
            }
            continue;
        };
        let attempt = &speaking.by.attempt;
        if last.as_ref().is_none_or(|(of, _)| of != attempt) {
            *locked(&shared.gap_s) = 0.0;
            unanswered = None;
        } else if let Some((_, at)) = &last {
            let gap = at.elapsed().as_secs_f64();
            let mut longest = locked(&shared.gap_s);
            *longest = longest.max(gap);
        }
        last = Some((attempt.clone(), Instant::now()));
        let again = unanswered.is_some();
        let (request, samples) = unanswered.take().unwrap_or_else(|| compose(&speaking, shared));
        let answer = client.beat(&speaking.by, &request).await;
        let pause = match &answer {
            Ok(_) => {
                failures = 0;
                locked(&shared.spool).sent(samples);
                // The copy may have been one and extends no lease then: what is new is said at once.
                if again { Duration::ZERO } else { Duration::from_secs(speaking.intervals.beat_s.max(1).into()) }
            }
            Err(refusal) => {
                failures += 1;
                unanswered = Some((request, samples));
                match refusal {
                    Refusal::Problem(said) if !passes(said.status) => {
                        refused = Some(attempt.clone());
                    }
                    Refusal::Problem(_) | Refusal::NoAnswer(_) => (),
                }
                after_failure(failures, &speaking, refusal)
            }
        };
        if inputs.send(Input::Heard(attempt.clone(), answer.map(Some))).is_err() {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => (),
            changed = told.changed() => if changed.is_err() { return },
        }
    }
}

/// Sooner than a beat at first, later than one at last.
fn after_failure(failures: u32, speaking: &Speaking, refusal: &Refusal) -> Duration {
    let beat = f64::from(speaking.intervals.beat_s.max(1));
    let whole = (0.5 * f64::from(1u32 << failures.min(6))).min(beat.max(1.0));
    let asked = match refusal {
        Refusal::Problem(said) => said.retry_after.unwrap_or(0).min(30),
        Refusal::NoAnswer(_) => 0,
    };
    Duration::from_secs(asked) + Duration::from_secs_f64(whole * rand::rng().random_range(0.5..1.0))
}

/// A beat, and how many samples it carries.
fn compose(speaking: &Speaking, shared: &Shared) -> (BeatRequest, usize) {
    let (samples, samples_dropped) = {
        let mut spool = locked(&shared.spool);
        (spool.take(speaking.samples), spool.dropped())
    };
    let dropped = [("samples", samples_dropped), ("progress", *locked(&shared.progress_dropped))];
    let dropped: BTreeMap<_, _> = dropped.into_iter().filter(|d| d.1 > 0).map(|(k, v)| (k.to_owned(), v)).collect();
    let since = host::now().saturating_sub(speaking.taken_at);
    let sent = samples.len();
    let request = BeatRequest {
        fence: speaking.by.fence,
        // Grows over restarts of the daemon, too.
        seq: u64::try_from(since.as_millis()).unwrap_or(u64::MAX).max(1),
        phase: speaking.phase,
        progress: *locked(&shared.progress),
        samples,
        dropped,
    };
    (request, sent)
}

async fn waits(client: &Client, mut told: watch::Receiver<Option<Speaking>>, inputs: &Sender<Input>) {
    // Of one that is cancelled, or refused, there is nothing more to hear here.
    let mut done: Option<AttemptId> = None;
    let mut failures = 0u32;
    loop {
        let speaking = told.borrow_and_update().clone();
        let Some(speaking) = speaking.filter(|s| done.as_ref() != Some(&s.by.attempt)) else {
            if told.changed().await.is_err() {
                return;
            }
            continue;
        };
        let began = Instant::now();
        let wait_s = speaking.intervals.claim_wait_s;
        let answer = tokio::select! {
            answer = client.wait(&speaking.by, wait_s) => answer,
            changed = another(&mut told, &speaking.by.attempt) => if changed { continue } else { return },
        };
        let pause = match &answer {
            Ok(Some(reply)) if reply.commands.iter().any(|c| matches!(c, Command::Cancel { .. })) => {
                done = Some(speaking.by.attempt.clone());
                Duration::ZERO
            }
            Ok(_) => {
                failures = 0;
                // A service that stops answers at once.
                Duration::from_secs(1).saturating_sub(began.elapsed())
            }
            Err(refusal) => {
                failures += 1;
                let pause = after_failure(failures, &speaking, refusal);
                if let Refusal::Problem(said) = refusal
                    && matches!(said.status, 401 | 404 | 409 | 410)
                {
                    done = Some(speaking.by.attempt.clone());
                }
                pause
            }
        };
        // That the service cannot be reached is told by the beats.
        let silent = matches!(answer, Ok(None) | Err(Refusal::NoAnswer(_)));
        if !silent && inputs.send(Input::Heard(speaking.by.attempt.clone(), answer)).is_err() {
            return;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Comes back when the voice speaks for another attempt or for none; false if it never will.
async fn another(told: &mut watch::Receiver<Option<Speaking>>, attempt: &AttemptId) -> bool {
    loop {
        if told.changed().await.is_err() {
            return false;
        }
        if told.borrow_and_update().as_ref().is_none_or(|s| s.by.attempt != *attempt) {
            return true;
        }
    }
}
