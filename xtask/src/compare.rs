//! `cargo xtask compare`: gets the peers and starts the comparison of `benches/compare`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::build;
use crate::error::Error;
use crate::needs::Purpose;
use crate::setup;
use crate::steps::{Step, Steps};

/// Below cargo's folder, where the matrix libraries of PyPI are installed.
const PEERS: &str = "peers";
/// Which those are, with their hashes.
const REQUIREMENTS: &str = "benches/compare/requirements.txt";

/// Gets what can be had, and compares; `arguments` are those of the comparison.
///
/// # Errors
/// Set-up failed, or the comparison did.
pub fn compare(arguments: &[String]) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    let peers = build::target_dir().join(PEERS);
    println!("\n==> peers");
    steps.act("peers", || install(&build::root().join(REQUIREMENTS), &peers))?;
    let mut step = Step::cargo("compare", "bench --package benches --bench compare -- compare");
    step.cargo.extend(arguments.iter().cloned());
    let step = step.with(&[("HPLAAS_PEERS", &peers.to_string_lossy())]);
    steps.run(&if setup::is_root() { step.with(&setup::AS_ROOT) } else { step })
}

/// Installs the libraries, unless that was done since the list changed. Where it cannot be done, the comparison goes on
/// without them and names them.
fn install(list: &Path, home: &PathBuf) -> Result<(), Error> {
    let wanted = fs::read_to_string(list).map_err(Error::file(list))?;
    let stamp = home.join("requirements.txt");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let python = home.join("bin/python3");
    let quiet = |command: &mut Command| {
        let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
        done.is_ok_and(|status| status.success())
    };
    let made = quiet(Command::new("python3").args(["-m", "venv", "--clear"]).arg(home));
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "-r"]);
    if made && quiet(pip.arg(list)) {
        return fs::write(&stamp, wanted).map_err(Error::file(&stamp));
    }
    eprintln!("the libraries of {} could not be installed; going on without them", list.display());
    Ok(())
}
