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
        tracing::info!("measuring the peak of this node, about a second");
        let info = ask(xhpl, !busy)?;
        let looked = doctor::Options { run_is_on: busy, ..doctor::Options::new(data.path(), xhpl, mpirun) };
        let abilities = doctor::as_hello(&doctor::abilities(&looked));
        let described = Described { boot_id: boot_id.to_owned(), binary_sha256: binary, info, abilities };
        if let Err(why) = write_json(&path, &described) {
            tracing::warn!(%why, "what this node is cannot be kept, and will be asked again");
        }
        Ok(described)
    }
}

fn ask(xhpl: &Path, peak: bool) -> Result<NodeInfo, String> {
    let line = if peak { "describe --peak" } else { "describe" };
    let mut command = Command::new(xhpl);
    command.args(line.split(' '));
    let told = said::ask(&mut command, DESCRIBE).map_err(|e| format!("`{} {line}`: {e}", xhpl.display()))?;
    serde_json::from_str(&told.out).map_err(|e| format!("`{} {line}` says what is no description: {e}", xhpl.display()))
}
