//! The programs under measurement.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The program that the environment variable `variable` names, or `bin` of the room `package`, in release. Cargo is
/// asked to build it, so that what is measured is never older than its source; if it is not, that takes no time.
///
/// # Errors
/// If there is none.
pub fn find(variable: &str, package: &str, bin: &str) -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os(variable) {
        let named = PathBuf::from(named);
        return named.canonicalize().map_err(|e| format!("{variable} names {}: {e}", named.display()));
    }
    let target = target()?;
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--release", "--package", package, "--bin", bin, "--target-dir"]).arg(&target);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    let built = build.status().map_err(|e| format!("cargo cannot be started: {e}"))?;
    let program = target.join("release").join(bin);
    if !built.success() {
        return Err(format!("{bin} cannot be built; {variable} may name one that is"));
    }
    program.canonicalize().map_err(|e| format!("{}: {e}", program.display()))
}

/// The folder that cargo builds in.
///
/// # Errors
/// If this bench lies in none.
pub fn target() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|e| format!("this bench does not know where it is: {e}"))?;
    let target = here.ancestors().nth(3).map(Path::to_owned);
    target.ok_or_else(|| "this bench is in no target folder".into())
}

/// Whether the words on the command line, if there are any, name the bench `name`: `cargo bench -- 'gemm|xhpl'`.
pub fn wanted(name: &str, arguments: &[String]) -> bool {
    let mut words = arguments.iter().filter(|a| !a.starts_with('-')).peekable();
    words.peek().is_none() || words.any(|word| word.split('|').any(|part| !part.is_empty() && name.contains(part)))
}
