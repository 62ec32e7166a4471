//! The programs under test, and what starts them.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The `xhpl` under test: `HPLAAS_XHPL` names it, else it is built, once.
///
/// # Panics
/// If it is not where the variable says, or cannot be built.
pub fn xhpl() -> PathBuf {
    static XHPL: OnceLock<PathBuf> = OnceLock::new();
    XHPL.get_or_init(|| match std::env::var_os("HPLAAS_XHPL") {
        Some(named) => PathBuf::from(&named)
            .canonicalize()
            .unwrap_or_else(|e| panic!("HPLAAS_XHPL={}: {e}", named.to_string_lossy())),
        None => build("hpl-mpi", "--bin", "xhpl"),
    })
    .clone()
}

/// The program that checks the communication layer over MPI; built once.
///
/// # Panics
/// If it cannot be built.
pub fn comm_check() -> PathBuf {
    static CHECK: OnceLock<PathBuf> = OnceLock::new();
    CHECK.get_or_init(|| build("hpl-mpi", "--example", "comm_check")).clone()
}

/// The `hpl-service` under test: `HPLAAS_SERVICE` names it, else it is built, once.
///
/// # Panics
/// If it is not where the variable says, or cannot be built.
pub fn hpl_service() -> PathBuf {
    static SERVICE: OnceLock<PathBuf> = OnceLock::new();
    SERVICE
        .get_or_init(|| match std::env::var_os("HPLAAS_SERVICE") {
            Some(named) => PathBuf::from(&named)
                .canonicalize()
                .unwrap_or_else(|e| panic!("HPLAAS_SERVICE={}: {e}", named.to_string_lossy())),
            None => build("service", "--bin", "hpl-service"),
        })
        .clone()
}

/// The `hpl-node` under test: `HPLAAS_NODE` names it, else it is built, once.
///
/// # Panics
/// If it is not where the variable says, or cannot be built.
pub fn hpl_node() -> PathBuf {
    static NODE: OnceLock<PathBuf> = OnceLock::new();
    NODE.get_or_init(|| match std::env::var_os("HPLAAS_NODE") {
        Some(named) => PathBuf::from(&named)
            .canonicalize()
            .unwrap_or_else(|e| panic!("HPLAAS_NODE={}: {e}", named.to_string_lossy())),
        None => build("node-daemon", "--bin", "hpl-node"),
    })
    .clone()
}

/// The `hpl` under test: `HPLAAS_HPL` names it, else it is built, once.
///
/// # Panics
/// If it is not where the variable says, or cannot be built.
pub fn hpl() -> PathBuf {
    static HPL: OnceLock<PathBuf> = OnceLock::new();
    HPL.get_or_init(|| match std::env::var_os("HPLAAS_HPL") {
        Some(named) => PathBuf::from(&named)
            .canonicalize()
            .unwrap_or_else(|e| panic!("HPLAAS_HPL={}: {e}", named.to_string_lossy())),
        None => build("client", "--bin", "hpl"),
    })
    .clone()
}

/// Builds a program of a package in the profile that these tests have.
fn build(package: &str, kind: &str, name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", package, kind, name, "--message-format", "json-render-diagnostics"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).stderr(Stdio::inherit());
    let said = command.output().expect("cargo runs");
    assert!(said.status.success(), "{name} cannot be built; cargo says why above");
    let messages = String::from_utf8_lossy(&said.stdout).into_owned();
    let artifact = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
        ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(artifact).unwrap_or_else(|| panic!("cargo does not say where {name} is"))
}

/// Whether `mpirun` is Open MPI's. The launchers differ in their options.
///
/// # Panics
/// If there is no `mpirun`.
pub fn launched_by_open_mpi() -> bool {
    static OPEN_MPI: OnceLock<bool> = OnceLock::new();
    *OPEN_MPI.get_or_init(|| {
        let said = Command::new("mpirun").arg("--version").envs(AS_ROOT).output();
        let said = said.expect("mpirun is on the PATH: `cargo xtask setup` installs it");
        let version = String::from_utf8_lossy(&said.stdout).into_owned();
        version.contains("Open MPI") || version.contains("OpenRTE")
    })
}

/// `mpirun` for so many ranks, unbound; more ranks than cores are allowed.
///
/// # Panics
/// If there is no `mpirun`.
pub fn mpirun(ranks: usize) -> Command {
    let mut command = Command::new("mpirun");
    if launched_by_open_mpi() {
        command.arg("--oversubscribe");
    }
    command.args(["--bind-to", "none", "-np", &ranks.to_string()]).envs(AS_ROOT);
    command
}

/// Open MPI refuses to start as root without these.
pub(crate) const AS_ROOT: [(&str, &str); 2] =
    [("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")];
