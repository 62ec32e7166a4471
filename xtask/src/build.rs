//! Building programs and learning where cargo put them.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::error::Error;
use crate::steps::cargo;
use crate::web;

/// Which profile of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// For tests: quick to build, numerics optimised all the same.
    Dev,
    /// For numbers.
    Release,
}

/// A program of the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    package: &'static str,
    /// The environment variable that names one to be taken instead.
    pub variable: &'static str,
}

/// The benchmark.
pub const XHPL: Program = Program { name: "xhpl", package: "hpl-mpi", variable: "HPLAAS_XHPL" };
/// The service.
pub const SERVICE: Program = Program { name: "hpl-service", package: "service", variable: "HPLAAS_SERVICE" };
/// The daemon of a node.
pub const NODE: Program = Program { name: "hpl-node", package: "node-daemon", variable: "HPLAAS_NODE" };

/// The command line for people.
pub const HPL: Program = Program { name: "hpl", package: "client", variable: "HPLAAS_HPL" };

/// Builds programs with one call of cargo, its own output on the terminal, and returns their paths. A program that the
/// environment names is taken instead of built. The service takes in the scripts of its pages, which are built before.
///
/// # Errors
/// [`Error::Step`] if cargo fails, or the scripts cannot be built; [`Error::Options`] if the environment names no file.
pub fn programs<const N: usize>(profile: Profile, wanted: [Program; N]) -> Result<[PathBuf; N], Error> {
    let named = wanted.map(|program| std::env::var_os(program.variable).map(PathBuf::from));
    for (program, path) in wanted.iter().zip(&named) {
        if let Some(path) = path.as_ref().filter(|path| !path.is_file()) {
            let text = format!("{} names {}, which is no file", program.variable, path.display());
            return Err(Error::Options(text));
        }
    }
    let missing: Vec<_> = wanted.iter().zip(&named).filter(|(_, path)| path.is_none()).map(|(p, _)| *p).collect();
    if missing.contains(&SERVICE) {
        web::ensure()?;
    }
    let said = if missing.is_empty() { String::new() } else { build(profile, &missing)? };
    let mut paths = wanted.iter().zip(named).map(|(program, path)| {
        let strange = || Error::Strange { whom: "cargo build".into(), why: format!("no executable {}", program.name) };
        path.or_else(|| executable(&said, program.name)).ok_or_else(strange)
    });
    let mut all = [const { PathBuf::new() }; N];
    for (place, path) in all.iter_mut().zip(&mut paths) {
        *place = path?;
    }
    Ok(all)
}

/// Builds, and returns cargo's messages.
fn build(profile: Profile, programs: &[Program]) -> Result<String, Error> {
    let mut line = vec!["build"];
    for program in programs {
        line.extend(["--package", program.package, "--bin", program.name]);
    }
    if profile == Profile::Release {
        line.push("--release");
    }
    let mut command = cargo();
    command.args(&line).arg("--message-format=json-render-diagnostics");
    let built = command.stderr(Stdio::inherit()).output().map_err(Error::start("cargo"))?;
    if !built.status.success() {
        let command = format!("cargo {}", line.join(" "));
        return Err(Error::Step { step: "build".into(), status: built.status.to_string(), command });
    }
    Ok(String::from_utf8_lossy(&built.stdout).into_owned())
}

/// The path of a program in cargo's JSON messages.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|m| m["target"]["name"] == name)
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
        assert_eq!(executable(said, "xhpl"), Some(PathBuf::from("/t/release/xhpl")));
        assert_eq!(executable("{}", "xhpl"), None);
    }
}
