//! Who waits for what, in memory only. Nothing here is a source of truth: every waiter looks into the database
//! before it waits and after it was woken, and looks again after a while in any case.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use hpl_spec::id::AttemptId;
use tokio::sync::{Notify, broadcast};

use crate::schedule::{Needs, Offer};

/// How many events a watcher may be behind before it has to read them from the database.
const BACKLOG: usize = 256;

/// An event that is in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Its place among all events.
    pub key: i64,
    /// The job's key.
    pub job_key: i64,
    /// The job's id.
    pub job: String,
    /// Its place among the job's events.
    pub seq: i64,
    /// When it happened.
    pub at: i64,
    /// What happened, see [`hpl_spec::job::JobEvent::kind`].
    pub kind: String,
    /// All of it, as JSON.
    pub data: String,
    /// Where the job stands after it.
    pub state: String,
    /// Whether everybody may know of the job.
    pub public: bool,
    /// What streams send of it.
    pub rendered: Rendered,
}

/// The bytes that streams send of an event: made by the first of them, shared by all others.
#[derive(Debug, Clone, Default)]
pub struct Rendered {
    /// For the streams of the job.
    pub(crate) job: OnceLock<Bytes>,
    /// For the streams of the queue.
    pub(crate) queue: OnceLock<Bytes>,
}

impl PartialEq for Rendered {
    /// What was rendered says nothing that the event does not.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a transaction wants others to know once it is committed.
#[derive(Debug, Clone)]
pub enum Wake {
    /// Something happened to a job.
    Event(Arc<Told>),
    /// A job with these needs waits for a node.
    Queued(Needs),
    /// What people may do has changed: any waiting job may be next, for any node.
    Quotas,
    /// The service has a wish for this attempt.
    Attempt(AttemptId),
    /// A result is to be judged, or a timer was set that may be the next.
    Reaper,
}

/// A node that waits for a job.
struct Waiter {
    offer: Offer,
    bell: Arc<Notify>,
}

/// All who wait.
#[derive(Default)]
pub struct Hub {
    nodes: Mutex<Vec<Waiter>>,
    attempts: Mutex<HashMap<AttemptId, Arc<Notify>>>,
    jobs: Mutex<HashMap<i64, broadcast::Sender<Arc<Told>>>>,
    queue: Mutex<Option<broadcast::Sender<Arc<Told>>>>,
    /// Rings when the reaper should look.
    pub reaper: Notify,
}

/// A node's place among those that wait; gives it up when dropped.
pub struct Waiting<'a> {
    hub: &'a Hub,
    bell: Arc<Notify>,
}

impl Waiting<'_> {
    /// Waits to be rung.
    pub async fn rung(&self) {
        self.bell.notified().await;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        lock(&self.hub.nodes).retain(|w| !Arc::ptr_eq(&w.bell, &self.bell));
    }
}

impl Hub {
    /// Tells everyone whom it concerns.
    pub fn wake(&self, wake: Wake) {
        match wake {
            Wake::Event(told) => self.tell(&told),
            Wake::Queued(needs) => self.ring_first(|offer| offer.fits(&needs).is_ok()),
            Wake::Quotas => lock(&self.nodes).iter().for_each(|waiter| waiter.bell.notify_one()),
            Wake::Attempt(attempt) => {
                if let Some(bell) = lock(&self.attempts).get(&attempt) {
                    bell.notify_waiters();
                }
            }
            Wake::Reaper => self.reaper.notify_one(),
        }
    }

    fn tell(&self, told: &Arc<Told>) {
        if let Some(channel) = lock(&self.jobs).get(&told.job_key) {
            // An error only says that nobody listens any more.
            let _ = channel.send(told.clone());
        }
        if told.public
            && told.kind != "progress"
            && let Some(channel) = lock(&self.queue).as_ref()
        {
            let _ = channel.send(told.clone());
        }
    }

    /// Rings every claim of a node that waits: one of them has brought a job, and the others may be copies of it.
    pub fn ring_node(&self, node: &str) {
        lock(&self.nodes).iter().filter(|waiter| waiter.offer.node == node).for_each(|waiter| waiter.bell.notify_one());
    }

    /// Rings one waiting node that suits and puts it at the end, so that a node which cannot take the job does
    /// not stand in the way of the next.
    fn ring_first(&self, suits: impl Fn(&Offer) -> bool) {
        let mut nodes = lock(&self.nodes);
        if let Some(at) = nodes.iter().position(|w| suits(&w.offer)) {
            let waiter = nodes.remove(at);
            waiter.bell.notify_one();
            nodes.push(waiter);
        }
    }

    /// Takes a place among the nodes that wait for a job. To be taken before the last look into the queue, so
    /// that what is queued after that look rings.
    pub fn wait_for_job(&self, offer: Offer) -> Waiting<'_> {
        let bell = Arc::new(Notify::new());
        lock(&self.nodes).push(Waiter { offer, bell: bell.clone() });
        Waiting { hub: self, bell }
    }

    /// How many nodes wait for a job.
    #[must_use]
    pub fn nodes_waiting(&self) -> usize {
        lock(&self.nodes).len()
    }

    /// The bell of an attempt. Bells nobody waits for are forgotten.
    pub fn attempt_bell(&self, attempt: &AttemptId) -> Arc<Notify> {
        let mut attempts = lock(&self.attempts);
        if attempts.len() > 64 && attempts.len() == attempts.capacity() {
            attempts.retain(|_, bell| Arc::strong_count(bell) > 1);
        }
        attempts.entry(attempt.clone()).or_default().clone()
    }

    /// Events of one job from now on.
    pub fn watch_job(&self, job: i64) -> broadcast::Receiver<Arc<Told>> {
        let mut jobs = lock(&self.jobs);
        jobs.retain(|&key, channel| key == job || channel.receiver_count() > 0);
        jobs.entry(job).or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    }

    /// Moves of all public jobs from now on.
    pub fn watch_queue(&self) -> broadcast::Receiver<Arc<Told>> {
        lock(&self.queue).get_or_insert_with(|| broadcast::channel(BACKLOG).0).subscribe()
    }

    /// How many watch, in all.
    #[must_use]
    pub fn watchers(&self) -> usize {
        let jobs: usize = lock(&self.jobs).values().map(broadcast::Sender::receiver_count).sum();
        jobs + lock(&self.queue).as_ref().map_or(0, broadcast::Sender::receiver_count)
    }
}

/// A panic elsewhere leaves these maps usable: every change to them is one call.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(cores: u32) -> Offer {
        Offer { node: String::new(), cores, memory: 1 << 30, labels: vec![] }
    }

    fn needs(cores: u32) -> Needs {
        Needs { node: None, avoid: None, cores, memory: 0, labels: vec![] }
    }

    #[tokio::test]
    async fn a_job_rings_a_node_that_it_fits() {
        let hub = Hub::default();
        let (small, large) = (hub.wait_for_job(offer(2)), hub.wait_for_job(offer(64)));
        hub.wake(Wake::Queued(needs(32)));
        tokio::select! {
            () = large.rung() => (),
            () = small.rung() => panic!("a job for 32 cores rang a node of 2"),
        }
        drop(small);
        assert_eq!(hub.nodes_waiting(), 1);
    }

    #[tokio::test]
    async fn rings_go_round() {
        let hub = Hub::default();
        let (a, b) = (hub.wait_for_job(offer(2)), hub.wait_for_job(offer(2)));
        hub.wake(Wake::Queued(needs(1)));
        hub.wake(Wake::Queued(needs(1)));
        a.rung().await;
        b.rung().await;
    }

    #[tokio::test]
    async fn other_quotas_ring_all() {
        let hub = Hub::default();
        let (a, b) = (hub.wait_for_job(offer(2)), hub.wait_for_job(offer(64)));
        hub.wake(Wake::Quotas);
        a.rung().await;
        b.rung().await;
    }

    #[test]
    fn channels_without_listeners_are_forgotten() {
        let hub = Hub::default();
        for job in 0..100 {
            drop(hub.watch_job(job));
        }
        let _kept = hub.watch_job(7);
        assert_eq!(lock(&hub.jobs).len(), 1);
        assert_eq!(hub.watchers(), 1);
    }
}
