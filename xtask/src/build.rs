//! Building `xhpl` and learning where cargo put it.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::error::Error;
use crate::steps::cargo;

/// Which profile of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For tests: quick to build, numerics optimised all the same.
    Dev,
    /// For numbers.
    Release,
}

/// Builds `xhpl` with cargo's own output on the terminal, and returns its path.
/// If `HPLAAS_XHPL` names a program, that one is taken instead.
///
/// # Errors
/// [`Error::Step`] if cargo fails.
pub fn xhpl(profile: Profile) -> Result<PathBuf, Error> {
    if let Some(named) = std::env::var_os("HPLAAS_XHPL") {
        return Ok(PathBuf::from(named));
    }
    let mut command = cargo();
    command.args(["build", "--package", "hpl-mpi", "--bin", "xhpl"]);
    command.arg("--message-format=json-render-diagnostics");
    if profile == Profile::Release {
        command.arg("--release");
    }
    let built = command.stderr(Stdio::inherit()).output().map_err(Error::start("cargo"))?;
    if !built.status.success() {
        return Err(Error::Step {
            step: "build xhpl".into(),
            status: built.status.to_string(),
            command: "cargo build --package hpl-mpi --bin xhpl".into(),
        });
    }
    let said = String::from_utf8_lossy(&built.stdout);
    executable(&said)
        .ok_or_else(|| Error::Strange { whom: "cargo build".into(), why: "it names no executable called xhpl".into() })
}

/// The path of `xhpl` in cargo's JSON messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|m| m["target"]["name"] == "xhpl")
        .find_map(|m| m["executable"].as_str().map(PathBuf::from))
}

/// The folder of the workspace.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The folder that cargo builds into: scratch files go below it.
pub fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_cargo_messages() {
        let said = concat!(
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"hpl_mpi\"},\"executable\":null}\n",
            "not json\n",
            "{\"reason\":\"compiler-artifact\",\"target\":{\"name\":\"xhpl\"},\"executable\":\"/t/release/xhpl\"}\n",
        );
        assert_eq!(executable(said), Some(PathBuf::from("/t/release/xhpl")));
        assert_eq!(executable("{}"), None);
    }
}
