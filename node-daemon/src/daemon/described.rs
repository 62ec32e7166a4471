//! What this node is, as it is told with every hello: asked once a boot, while nothing runs. A peak that was measured
//! beside a run would be too low, and results are held against it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hpl_spec::node::NodeInfo;
use serde::{Deserialize, Serialize};

use crate::doctor;
use crate::folder::{Data, read_json, write_json};
use crate::host::said;
use crate::runner::close;

/// How long the program may take to describe the node: it measures for one second.
const DESCRIBE: Duration = Duration::from_secs(120);

/// The peak is measured so often and the best is taken: other work on the machine can lower a measure, nothing can raise
/// it, and a peak that is too low makes an honest run look impossible.
const PEAKS: usize = 3;

/// `described.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Described {
    /// Of which boot.
    pub boot_id: String,
    /// By which program: the SHA-256 of its file.
    pub binary_sha256: String,
    /// What the program said.
    pub info: NodeInfo,
    /// What the node can do, see [`doctor::as_hello`].
    pub abilities: BTreeMap<String, String>,
}

impl Described {
    /// What this node is; asked anew if the machine was started anew or the program changed, unless `busy`: then what
    /// is known serves.
    ///
    /// # Errors
    /// The program cannot be run, or says nothing that can be understood.
    pub fn of(data: &Data, boot_id: &str, xhpl: &Path, mpirun: &Path, busy: bool) -> Result<Described, String> {
        let path = data.path().join("described.json");
        let known: Option<Described> = read_json(&path).unwrap_or_else(|why| {
            tracing::warn!(%why, "what is known of this node cannot be read, and is asked anew");
            None
        });
        let binary = close::digest(xhpl).map_err(|e| format!("{} cannot be read: {e}", xhpl.display()))?.1;
        if let Some(known) = known.filter(|k| busy || (k.boot_id == boot_id && k.binary_sha256 == binary)) {
            return Ok(known);
        }
        tracing::info!("measuring the peak of this node, a few seconds");
        let info = best(|| ask(xhpl, !busy), if busy { 1 } else { PEAKS })?;
        let looked = doctor::Options { run_is_on: busy, ..doctor::Options::new(data.path(), xhpl, mpirun) };
        let abilities = doctor::as_hello(&doctor::abilities(&looked));
        let described = Described { boot_id: boot_id.to_owned(), binary_sha256: binary, info, abilities };
        if let Err(why) = write_json(&path, &described) {
            tracing::warn!(%why, "what this node is cannot be kept, and will be asked again");
        }
        Ok(described)
    }
}

/// The description with the highest peak of so many.
fn best(mut ask: impl FnMut() -> Result<NodeInfo, String>, times: usize) -> Result<NodeInfo, String> {
    let gflops = |info: &NodeInfo| info.peak.map_or(0.0, |peak| peak.gflops);
    let mut best = ask()?;
    for _ in 1..times {
        let another = ask()?;
        if gflops(&another) > gflops(&best) {
            best = another;
        }
    }
    Ok(best)
}

fn ask(xhpl: &Path, peak: bool) -> Result<NodeInfo, String> {
    let line = if peak { "describe --peak" } else { "describe" };
    let mut command = Command::new(xhpl);
    command.args(line.split(' '));
    let told = said::ask(&mut command, DESCRIBE).map_err(|e| format!("`{} {line}`: {e}", xhpl.display()))?;
    serde_json::from_str(&told.out).map_err(|e| format!("`{} {line}` says what is no description: {e}", xhpl.display()))
}

#[cfg(test)]
mod tests {
    use hpl_spec::node::Peak;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_peak_counts() {
        let info: NodeInfo = serde_json::from_value(json!({
            "hostname": "n", "os": "o", "kernel_release": "6", "cpu_model": "c", "packages": 1, "cores": 2, "pus": 2,
            "numa_nodes": 1, "caches": [], "memory_total": 1, "memory_available": 1, "huge_pages": "madvise",
            "kernel": "k", "kernels": ["k"], "peak": null, "program": "xhpl", "version": "0",
        }))
        .unwrap();
        let mut peaks = [90.0, 110.0, 60.0].into_iter();
        let mut ask = || {
            let peak = peaks.next().map(|gflops| Peak { gflops, cores: 2, seconds: 1.0 });
            Ok(NodeInfo { peak, ..info.clone() })
        };
        assert_eq!(best(&mut ask, 3).unwrap().peak.unwrap().gflops, 110.0);
        assert!(best(|| Err("no".to_owned()), 3).is_err());
    }
}
