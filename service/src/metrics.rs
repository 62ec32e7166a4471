//! What is counted, for `/metrics`: the service's own figures and the latest ones that nodes pushed.
//!
//! Labels are words out of short lists only (patterns of routes, names of methods, codes of problems), or names of
//! nodes that were heard of lately; nothing that a stranger chooses can make the text grow.

mod nodes;
mod process;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use axum::http::StatusCode;
use hpl_spec::JobState;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use self::nodes::NodeMetrics;
use crate::error::Code;

/// The media type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabel {
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

/// What the writer of the database counts.
#[derive(Debug, Clone)]
pub struct WriterMetrics {
    /// Units that were run.
    pub units: Counter,
    /// Transactions that were committed.
    pub transactions: Counter,
    /// Seconds of a commit.
    pub commit: Histogram,
}

/// Figures that are looked up when somebody asks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Now {
    /// Jobs in each state that is not final; states without jobs may be left out.
    pub jobs: Vec<(JobState, i64)>,
    /// Nodes that wait for a job.
    pub nodes_waiting: usize,
    /// Open streams.
    pub streams: usize,
    /// The time.
    pub at: i64,
}

/// What is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabel, Histogram, fn() -> Histogram>,
    problems: Family<CodeLabel, Counter>,
    jobs: Family<StateLabel, Gauge>,
    nodes_waiting: Gauge,
    streams: Gauge,
    clock: Arc<AtomicI64>,
    writer: WriterMetrics,
    /// Bytes of logs that were stored.
    pub log_bytes: Counter,
    /// The latest figures of the nodes.
    pub nodes: Arc<NodeMetrics>,
}

/// From 1 ms to 33 s, each twice the one before.
fn latency() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for WriterMetrics {
    fn default() -> Self {
        let commit = Histogram::new(exponential_buckets(0.000_25, 2.0, 14));
        WriterMetrics { units: Counter::default(), transactions: Counter::default(), commit }
    }
}

impl Metrics {
    /// Nothing is counted yet, but for what the writer of the database counts in `writer`.
    #[must_use]
    pub fn new(writer: WriterMetrics) -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(latency),
            problems: Family::default(),
            jobs: Family::default(),
            nodes_waiting: Gauge::default(),
            streams: Gauge::default(),
            clock: Arc::default(),
            writer,
            log_bytes: Counter::default(),
            nodes: Arc::default(),
        };
        metrics.register();
        metrics
    }

    /// Gives all figures their names.
    fn register(&mut self) {
        let info = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        self.registry.register("hpl_service_build", "The version of the service", info);
        let own = self.registry.sub_registry_with_prefix("hpl_service");
        own.register("requests", "Requests that were answered", self.requests.clone());
        own.register("request_seconds", "Time until an answer began", self.latency.clone());
        own.register("problems", "Errors that were answered, by code", self.problems.clone());
        own.register("jobs", "Jobs that have not ended", self.jobs.clone());
        own.register("nodes_waiting", "Nodes that wait for a job", self.nodes_waiting.clone());
        own.register("streams_open", "Open streams of events and logs", self.streams.clone());
        own.register("log_bytes", "Bytes of logs that were stored", self.log_bytes.clone());
        own.register("writer_units", "Units of writing", self.writer.units.clone());
        own.register("writer_transactions", "Transactions", self.writer.transactions.clone());
        own.register("writer_commit_seconds", "Time of a commit", self.writer.commit.clone());
        let nodes = nodes::Latest { nodes: self.nodes.clone(), clock: self.clock.clone() };
        self.registry.register_collector(Box::new(nodes));
        self.registry.register_collector(Box::new(process::Process));
    }

    /// A request was answered. `route` is the pattern of its route and `method` a known method, as both become labels.
    pub fn request(
        &self,
        method: &'static str,
        route: &str,
        status: StatusCode,
        took: Duration,
        problem: Option<Code>,
    ) {
        let labels = RequestLabels { route: route.to_owned(), method, status: status.as_u16() };
        self.requests.get_or_create(&labels).inc();
        self.latency.get_or_create(&RouteLabel { route: labels.route }).observe(took.as_secs_f64());
        if let Some(code) = problem {
            self.problems.get_or_create(&CodeLabel { code: code.row().0 }).inc();
        }
    }

    /// All of it in the OpenMetrics form.
    #[must_use]
    pub fn text(&self, now: &Now) -> String {
        for state in JobState::ALL.into_iter().filter(|state| !state.is_final()) {
            let count = now.jobs.iter().find(|(s, _)| *s == state).map_or(0, |(_, count)| *count);
            self.jobs.get_or_create(&StateLabel { state: state.name() }).set(count);
        }
        self.nodes_waiting.set(i64::try_from(now.nodes_waiting).unwrap_or(i64::MAX));
        self.streams.set(i64::try_from(now.streams).unwrap_or(i64::MAX));
        self.clock.store(now.at, std::sync::atomic::Ordering::Relaxed);
        let mut text = String::new();
        if let Err(cause) = text::encode(&mut text, &self.registry) {
            tracing::error!(%cause, "the figures could not be written down");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_become_text() {
        let metrics = Metrics::new(WriterMetrics::default());
        let took = Duration::from_millis(3);
        metrics.request("GET", "/api/v1/jobs/{id}", StatusCode::NOT_FOUND, took, Some(Code::NotFound));
        metrics.request("GET", "/api/v1/jobs/{id}", StatusCode::NOT_FOUND, took, Some(Code::NotFound));
        metrics.log_bytes.inc_by(17);
        let now = Now { jobs: vec![(JobState::Queued, 5)], nodes_waiting: 2, streams: 3, at: 0 };
        let text = metrics.text(&now);
        for line in [
            "hpl_service_requests_total{route=\"/api/v1/jobs/{id}\",method=\"GET\",status=\"404\"} 2",
            "hpl_service_request_seconds_bucket{le=\"0.004\",route=\"/api/v1/jobs/{id}\"} 2",
            "hpl_service_problems_total{code=\"not_found\"} 2",
            "hpl_service_jobs{state=\"queued\"} 5",
            "hpl_service_jobs{state=\"running\"} 0",
            "hpl_service_nodes_waiting 2",
            "hpl_service_streams_open 3",
            "hpl_service_log_bytes_total 17",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert!(text.contains("process_resident_memory_bytes ") && text.ends_with("# EOF\n"));
        assert!(metrics.text(&Now::default()).contains("hpl_service_jobs{state=\"queued\"} 0"));
    }
}
