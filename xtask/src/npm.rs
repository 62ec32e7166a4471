//! npm: fetches what a lock file names, once, and runs the scripts of a package, quiet unless they fail.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use indicatif::ProgressBar;

use crate::error::Error;
use crate::place::shortest;
use crate::setup;

/// The Node.js that the tools of the lock files run on, in words and as [`too_old`] reads it: the last of release 20, or
/// anything since the long-lived state of 22.
const NODE: &str = "Node.js 20.19, 22.12 or newer";
const LAST_OF_20: (u32, u32) = (20, 19);
const SINCE: (u32, u32) = (22, 12);

/// Why npm cannot be used on this machine; None if it can.
pub fn lacking() -> Option<String> {
    if !setup::on_path("npm") {
        return Some(format!("npm is not on the PATH; it comes with {NODE}"));
    }
    too_old(&setup::says("node", &["--version"]).unwrap_or_default())
}

/// A version that cannot be read is left for npm to judge.
fn too_old(said: &str) -> Option<String> {
    let mut numbers = said.trim().trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    let fits = version >= SINCE || version >= LAST_OF_20 && version.0 == LAST_OF_20.0;
    (!fits).then(|| format!("{NODE} is needed, and {} is installed", said.trim()))
}

/// When a file was last changed, if it is there.
pub fn changed(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|meta| meta.modified()).ok()
}

/// Fetches what the folder's lock file names, unless that was done since the file changed.
///
/// # Errors
/// [`Error::Step`] if npm fails, its output on the terminal.
pub fn fetch(folder: &Path, step: &str) -> Result<(), Error> {
    let there = changed(&folder.join("node_modules/.package-lock.json"));
    match (changed(&folder.join("package-lock.json")), there) {
        (None, _) => Ok(()),
        (Some(wanted), Some(there)) if there >= wanted => Ok(()),
        _ => run(folder, step, "ci --no-audit --no-fund --ignore-scripts"),
    }
}

/// Runs npm in a folder, with a line that says so; its output is shown if it fails.
///
/// # Errors
/// [`Error::Step`] if it ends with a status other than zero.
pub fn run(folder: &Path, step: &str, line: &str) -> Result<(), Error> {
    let shown = format!("npm {line}");
    let spinner = ProgressBar::new_spinner().with_message(format!("{step}: {shown}"));
    if spinner.is_hidden() {
        eprintln!("{step}: {shown}");
    }
    spinner.enable_steady_tick(Duration::from_millis(100));
    let mut command = Command::new("npm");
    command.args(line.split_whitespace()).current_dir(folder).stdin(Stdio::null());
    let said = command.output().map_err(Error::start("npm"));
    spinner.finish_and_clear();
    let said = said?;
    if said.status.success() {
        return Ok(());
    }
    eprint!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let command = format!("{shown} (in {})", shortest(&folder).display());
    Err(Error::Step { step: step.to_owned(), status: said.status.to_string(), command })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_named_with_what_is_needed() {
        for fits in ["v20.19.0", "v20.20.2\n", "v22.12.0", "v24.0.1", "", "unknown"] {
            assert_eq!(too_old(fits), None, "{fits}");
        }
        for old in ["v18.19.0", "v20.18.3", "v21.7.3", "v22.11.0"] {
            let why = too_old(old).unwrap();
            assert!(why.contains("or newer is needed") && why.contains(old), "{why}");
        }
    }

    #[test]
    fn what_is_there_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        // nothing to fetch
        fetch(folder.path(), "tools").unwrap();
        std::fs::write(folder.path().join("package-lock.json"), "{}").unwrap();
        std::fs::create_dir(folder.path().join("node_modules")).unwrap();
        std::fs::write(folder.path().join("node_modules/.package-lock.json"), "{}").unwrap();
        fetch(folder.path(), "tools").unwrap();
    }
}
