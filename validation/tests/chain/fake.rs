//! A program that stands in for `xhpl`: it begins as a script of the test says, and most often becomes the real one at
//! last, so that its results are true ones.
//!
//! It runs in the sandbox, so it can write to its work folder alone. What it is to do lies in a folder that the daemon
//! lets it read: `nN.sh` for runs of order N, and gates, empty files that it waits for.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use validation::program;

/// What a script may use: `say`, `lines COUNT`, `gate NAME`, `real`, and `$n`, `$nonce`, `$xhpl`.
const SCRIPT: &str = r#"#!/bin/bash
here='HERE' xhpl='XHPL'
if [ "$1" = describe ]; then cat "$here/describe.json"; exit; fi
read -r nonce < /proc/sys/kernel/random/uuid
mapfile -t dat < "$2"
n=${dat[5]%% *}
say() { printf '%s\n' "$*"; }
told=0
lines() { local i; for ((i = 0; i < $1; i++)); do printf '%s line %07d of what it had to say\n' "$nonce" "$((++told))"; done; }
gate() { local i; for ((i = 0; i < 6000; i++)); do [ -e "$here/$1" ] && return; sleep 0.05; done; exit 77; }
real() { say "end $nonce"; exec "$xhpl" "$@"; }
say "begin $nonce"
if [ -r "$here/n$n.sh" ]; then . "$here/n$n.sh"; fi
real "$@"
"#;

/// The stage of a fake program.
pub struct Play {
    folder: PathBuf,
}

impl Play {
    /// A fake program in a new folder below `at`.
    pub fn new(at: &Path) -> Play {
        let folder = at.join("play");
        std::fs::create_dir(&folder).unwrap();
        let real = program::xhpl();
        let script = SCRIPT.replace("HERE", folder.to_str().unwrap()).replace("XHPL", real.to_str().unwrap());
        std::fs::write(folder.join("xhpl"), script).unwrap();
        std::fs::write(folder.join("describe.json"), description()).unwrap();
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(folder.join("xhpl"), PermissionsExt::from_mode(0o755)).unwrap();
        Play { folder }
    }

    /// What runs of order `n` do before, or instead of, becoming the real program.
    pub fn act(&self, n: u32, script: &str) {
        std::fs::write(self.folder.join(format!("n{n}.sh")), script).unwrap();
    }

    /// Opens a gate.
    pub fn open(&self, gate: &str) {
        std::fs::write(self.folder.join(gate), "").unwrap();
    }

    pub fn xhpl(&self) -> PathBuf {
        self.folder.join("xhpl")
    }

    /// What a daemon has to let it read.
    pub fn read(&self) -> Vec<PathBuf> {
        vec![self.folder.clone(), program::xhpl()]
    }
}

/// What the real program says of this node, with a peak that no small run reaches: here it is not the question.
fn description() -> String {
    static SAID: OnceLock<String> = OnceLock::new();
    SAID.get_or_init(|| {
        let said = Command::new(program::xhpl()).arg("describe").output().expect("xhpl runs");
        let mut node: serde_json::Value = serde_json::from_slice(&said.stdout).expect("xhpl describes the node");
        let cores = node["cores"].clone();
        node["peak"] = serde_json::json!({ "gflops": 1000.0, "cores": cores, "seconds": 1.0 });
        node.to_string()
    })
    .clone()
}
