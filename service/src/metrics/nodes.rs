//! The latest figures of each node, as its daemon pushed them: kept in memory for as long as the node is heard of.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hpl_spec::api::agent::Sample;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, LabelValueEncoder};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

/// Milliseconds after which a node's figures are old.
const FRESH_MS: i64 = 5 * 60 * 1000;
/// Nodes.
const NODES: usize = 20_000;
/// Names of figures, over all nodes.
const NAMES: usize = 512;
/// Figures of a node, and those of its cores.
const VALUES: usize = 64;
const PER_CORE: usize = 8;
const CORES: usize = 1024;
/// Characters of a name.
const NAME: usize = 48;

#[derive(Debug)]
struct Node {
    name: String,
    at: i64,
    values: Vec<(Arc<str>, f64)>,
    per_core: Vec<(Arc<str>, Vec<f64>)>,
}

#[derive(Debug, Default)]
struct Known {
    /// By id: several nodes may have one name.
    nodes: HashMap<String, Node>,
    /// Each name once, shared by all nodes.
    names: BTreeSet<Arc<str>>,
    swept: i64,
}

/// The latest figures of each node. Bounded in nodes, names and cores; what goes beyond is left out.
#[derive(Debug, Default)]
pub struct NodeMetrics(Mutex<Known>);

impl Known {
    /// Forgets nodes that were not heard of for a while, and the names that only they used.
    fn sweep(&mut self, now: i64) {
        self.swept = now;
        self.nodes.retain(|_, node| now.saturating_sub(node.at) <= FRESH_MS);
        self.names.retain(|name| Arc::strong_count(name) > 1);
    }

    fn name(&mut self, name: &str) -> Option<Arc<str>> {
        if let Some(known) = self.names.get(name) {
            return Some(known.clone());
        }
        if self.names.len() >= NAMES || !is_name(name) {
            return None;
        }
        let name: Arc<str> = name.into();
        self.names.insert(name.clone());
        Some(name)
    }
}

/// `[a-z][a-z0-9_]{0,47}`, as [`Sample::values`] says.
fn is_name(name: &str) -> bool {
    name.len() <= NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

impl NodeMetrics {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node `id`, called `name`, has sent this at `now`; it takes the place of what it sent before.
    pub fn record(&self, id: &str, name: &str, sample: &Sample, now: i64) {
        let mut known = self.lock();
        if now.saturating_sub(known.swept) > FRESH_MS || known.nodes.len() >= NODES && !known.nodes.contains_key(id) {
            known.sweep(now);
        }
        if known.nodes.len() >= NODES && !known.nodes.contains_key(id) {
            return;
        }
        let values = sample.values.iter().take(VALUES);
        let values = values.filter_map(|(name, value)| Some((known.name(name)?, *value))).collect();
        let per_core = sample.per_core.iter().take(PER_CORE);
        let per_core = per_core
            .filter_map(|(name, values)| Some((known.name(name)?, values.iter().take(CORES).copied().collect())));
        let per_core = per_core.collect();
        known.nodes.insert(id.to_owned(), Node { name: name.to_owned(), at: now, values, per_core });
    }
}

/// The figures as `/metrics` shows them: `hpl_node_NAME{node="…",id="…"}`, those of cores with a label `core`.
#[derive(Debug)]
pub(super) struct Latest {
    pub(super) nodes: Arc<NodeMetrics>,
    /// When they are shown.
    pub(super) clock: Arc<AtomicI64>,
}

struct Labels<'a> {
    node: &'a str,
    id: &'a str,
    core: Option<usize>,
}

impl EncodeLabelSet for Labels<'_> {
    fn encode(&self, encoder: &mut prometheus_client::encoding::LabelSetEncoder) -> Result<(), fmt::Error> {
        for (name, text) in [("node", self.node), ("id", self.id)] {
            let mut label = encoder.encode_label();
            let mut key = label.encode_label_key()?;
            fmt::Write::write_str(&mut key, name)?;
            let mut value = key.encode_label_value()?;
            encode_text(text, &mut value)?;
            value.finish()?;
        }
        let Some(core) = self.core else { return Ok(()) };
        let mut label = encoder.encode_label();
        let mut key = label.encode_label_key()?;
        fmt::Write::write_str(&mut key, "core")?;
        let mut value = key.encode_label_value()?;
        EncodeLabelValue::encode(&(core as u64), &mut value)?;
        value.finish()
    }
}

fn encode_text(text: &str, value: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
    EncodeLabelValue::encode(&text, value)
}

impl Collector for Latest {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let mut known = self.nodes.lock();
        known.sweep(self.clock.load(Ordering::Relaxed));
        let mut by_name: BTreeMap<&str, Vec<(Labels<'_>, f64)>> = BTreeMap::new();
        for (id, figures) in &known.nodes {
            let node = figures.name.as_str();
            for (name, value) in &figures.values {
                by_name.entry(name).or_default().push((Labels { node, id, core: None }, *value));
            }
            for (name, values) in &figures.per_core {
                let cores = values.iter().enumerate();
                let cores = cores.map(|(core, value)| (Labels { node, id, core: Some(core) }, *value));
                by_name.entry(name).or_default().extend(cores);
            }
        }
        for (name, figures) in by_name {
            let name = format!("hpl_node_{name}");
            let mut family = encoder.encode_descriptor(&name, "As the node said", None, MetricType::Gauge)?;
            for (labels, value) in figures {
                ConstGauge::new(value).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, Now, WriterMetrics};
    use super::*;

    fn sample(values: &[(&str, f64)]) -> Sample {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        Sample { at_ms: 0, values, per_core: BTreeMap::new() }
    }

    #[test]
    fn the_latest_figures_are_shown_while_they_are_fresh() {
        let metrics = Metrics::new(WriterMetrics::default());
        metrics.nodes.record("1", "a\"b", &sample(&[("memory_used_bytes", 1.0)]), 1000);
        let mut second = sample(&[("memory_used_bytes", 2.5), ("x\ny", 1.0), ("Big", 1.0), ("", 1.0)]);
        second.per_core.insert("core_mhz".into(), vec![800.0, 900.0]);
        metrics.nodes.record("1", "a\"b", &second, 2000);
        let text = metrics.text(&Now { at: 2000, ..Now::default() });
        for line in [
            r#"hpl_node_memory_used_bytes{node="a\"b",id="1"} 2.5"#,
            r#"hpl_node_core_mhz{node="a\"b",id="1",core="1"} 900.0"#,
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
        assert_eq!(text.lines().filter(|l| l.starts_with("hpl_node_")).count(), 3, "{text}");
        let text = metrics.text(&Now { at: 2001 + FRESH_MS, ..Now::default() });
        assert!(!text.contains("hpl_node_"), "{text}");
    }

    #[test]
    fn two_nodes_of_one_name_are_two() {
        let metrics = Metrics::new(WriterMetrics::default());
        metrics.nodes.record("1", "compute", &sample(&[("watts", 1.0)]), 0);
        metrics.nodes.record("2", "compute", &sample(&[("watts", 2.0)]), 0);
        let text = metrics.text(&Now::default());
        for line in [r#"hpl_node_watts{node="compute",id="1"} 1.0"#, r#"hpl_node_watts{node="compute",id="2"} 2.0"#] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn strange_nodes_cannot_fill_the_memory() {
        let nodes = NodeMetrics::default();
        for node in 0..40 {
            let names: Vec<String> = (0..100).map(|i| format!("n{node}_{i}")).collect();
            let values: Vec<_> = names.iter().map(|name| (name.as_str(), 0.0)).collect();
            nodes.record(&node.to_string(), "node", &sample(&values), 0);
        }
        let mut known = nodes.lock();
        assert_eq!(known.names.len(), NAMES);
        assert!(known.nodes.values().all(|node| node.values.len() <= VALUES));
        known.sweep(FRESH_MS + 1);
        assert!(known.names.is_empty() && known.nodes.is_empty());
    }
}
