//! Nodes: each on a connection of its own, as daemons come.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hpl_spec::api::agent::{Assignment, BeatReply, EventsReply, HelloReply, JoinReply};
use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::sync::{Mutex, OnceCell};

use super::client::{Ask, Door, Line};
use super::pace::all;

/// Nodes that join at a time.
const AT_ONCE: usize = 32;
/// What memory each node has, in bytes.
const MEMORY: u64 = 64 << 30;

/// A node.
pub struct Node {
    token: String,
    boot: String,
    line: Mutex<Line>,
    claims: AtomicU64,
    beats: AtomicU64,
    events: AtomicU64,
    held: OnceCell<Assignment>,
}

/// Lets so many nodes join by the token `join` and say what they are; their callers are numbered from `first` on.
///
/// # Errors
/// If the service refuses.
pub async fn join(door: &Door, join: &str, first: usize, count: usize) -> Result<Vec<Arc<Node>>, String> {
    all("nodes join", count, AT_ONCE, |n| node(door.clone(), join.to_owned(), first + n)).await
}

async fn node(door: Door, join: String, caller: usize) -> Result<Arc<Node>, String> {
    let mut line = door.connect(caller).await?;
    let (name, boot) = (format!("node-{caller}"), format!("boot-{caller}"));
    let body = json!({ "protocol": 1, "name": name, "machine_id": name });
    let joined: JoinReply = line.ask(&Ask::post("/agent/v1/join", &join, &body)).await?.json()?;
    let body = json!({
        "protocol": 1, "version": "load", "machine_id": name, "boot_id": boot, "free_disk": 1u64 << 40,
        "abilities": { "landlock": "yes", "cgroup": "v2", "mpi": "Open MPI 4.1.4" }, "info": info(&name, caller),
    });
    let hello = Ask::post(format!("/agent/v1/nodes/{}/hello", joined.node), &joined.token, &body);
    line.ask(&hello).await?.json::<HelloReply>()?;
    let (claims, beats, events) = Default::default();
    let (line, held) = (Mutex::new(line), OnceCell::new());
    Ok(Arc::new(Node { token: joined.token, boot, line, claims, beats, events, held }))
}

/// What `xhpl describe --peak` would say of a node; there are ten kinds of them.
fn info(name: &str, caller: usize) -> Value {
    let cores = 8 << (caller % 5);
    let cache =
        |kind: &str, level: u32, kib: u64| json!({ "kind": kind, "level": level, "bytes": kib << 10, "cores": 1 });
    json!({
        "hostname": name, "os": "Debian GNU/Linux 13", "kernel_release": "6.12.4",
        "cpu_model": format!("Load CPU {}", caller % 10), "packages": 1, "cores": cores, "pus": cores, "numa_nodes": 1,
        "caches": [cache("data", 1, 32), cache("unified", 2, 1024), cache("unified", 3, 32 << 10)],
        "memory_total": MEMORY, "memory_available": MEMORY, "huge_pages": "madvise", "kernel": "avx512-24x8",
        "kernels": ["avx512-24x8", "avx2-12x4", "faer"],
        "peak": { "gflops": 55.0 * f64::from(cores), "cores": cores, "seconds": 1.0 }, "program": "xhpl",
        "version": "0.1.0"
    })
}

impl Node {
    /// Claims a job, waiting for at most `wait` seconds.
    ///
    /// # Errors
    /// If it gets none.
    pub async fn claim(&self, wait: u32) -> Result<(), String> {
        let seq = 1 + self.claims.fetch_add(1, Ordering::Relaxed);
        let body = json!({ "boot_id": self.boot, "memory_available": MEMORY, "free_disk": 1u64 << 40, "seq": seq });
        let ask = Ask::post(format!("/agent/v1/claim?wait={wait}"), &self.token, &body);
        let answer = self.line.lock().await.ask(&ask).await?;
        if answer.status == StatusCode::NO_CONTENT {
            return Err("there was no job for it".into());
        }
        let taken = self.held.set(answer.json()?);
        taken.map_err(|_| "the node holds a job already".into())
    }

    /// The job it has claimed.
    pub fn job(&self) -> Option<String> {
        self.held.get().map(|held| held.job.to_string())
    }

    async fn say<T: serde::de::DeserializeOwned>(
        &self,
        what: &str,
        body: impl FnOnce(i64) -> Value,
    ) -> Result<T, String> {
        let held = self.held.get().ok_or("the node holds no job")?;
        // The lock comes first: what is numbered is said in the order of its numbers.
        let mut line = self.line.lock().await;
        let ask = Ask::post(format!("/agent/v1/attempts/{}/{what}", held.attempt), &held.token, &body(held.fence));
        line.ask(&ask).await?.json()
    }

    /// Says that the run has started.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn start(&self) -> Result<(), String> {
        let first = 1 + self.events.fetch_add(2, Ordering::Relaxed);
        let reply: EventsReply = self
            .say("events", |fence| {
                json!({ "fence": fence, "events": [
                    { "seq": first, "at_ms": 10, "event": { "kind": "preparing" } },
                    { "seq": first + 1, "at_ms": 20, "event": { "kind": "started" } }] })
            })
            .await?;
        if reply.dup { Err("the service had heard of it".into()) } else { Ok(()) }
    }

    /// A sign of life, as every ten seconds: with progress and two samples of a dozen figures.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn beat(&self) -> Result<(), String> {
        let reply: BeatReply = self
            .say("beat", |fence| {
                let seq = 1 + self.beats.fetch_add(1, Ordering::Relaxed);
                let samples = [sample(10_000 * seq), sample(10_000 * seq + 5_000)];
                json!({ "fence": fence, "seq": seq, "phase": "running", "progress": progress(seq), "samples": samples })
            })
            .await?;
        if reply.dup { Err("the service had this beat".into()) } else { Ok(()) }
    }

    /// Tells progress whose seconds are `mark`.
    ///
    /// # Errors
    /// If the service refuses.
    pub async fn progress(&self, mark: u64) -> Result<(), String> {
        let reply: EventsReply = self
            .say("events", |fence| {
                let seq = 1 + self.events.fetch_add(1, Ordering::Relaxed);
                let mut event = progress(mark);
                event["kind"] = "progress".into();
                json!({ "fence": fence, "events": [{ "seq": seq, "at_ms": 100 * seq, "event": event }] })
            })
            .await?;
        if reply.dup { Err("the service had this event".into()) } else { Ok(()) }
    }
}

fn progress(mark: u64) -> Value {
    json!({ "fraction": mark as f64 / (mark as f64 + 100.0), "seconds": mark as f64, "score": 91.25, "score_now": 93.5 })
}

fn sample(at_ms: u64) -> Value {
    json!({ "at_ms": at_ms, "values": {
        "cpu_busy_ratio": 0.998, "clock_hz": 3.1e9, "temperature_celsius": 71.0, "power_watts": 280.0,
        "energy_joules": 2.8 * at_ms as f64, "memory_used_bytes": 5.1e10, "memory_available_bytes": 1.3e10,
        "swap_used_bytes": 0.0, "network_received_bytes": 1.2e6, "network_sent_bytes": 2.3e6,
        "disk_written_bytes": 4.5e5, "load_1m": 64.2 } })
}
