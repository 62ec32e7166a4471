//! The pages in a real browser: the service, a daemon and `xhpl` as processes, Chromium driven through all that people do
//! on the pages, without scripts and with them, and axe-core on every page. What is done there is told by
//! `validation/browser/walk.mjs`; its screenshots are in `target/browser`.
//!
//! Where Chromium or node is missing the test says so and does nothing, except where `CI=true`: there it fails.
#![forbid(unsafe_code)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use validation::site::{PASSWORD, Site};

/// The administrator of the walk.
const OPERATOR: &str = "grace";

/// What is missing for a browser to walk, if anything.
fn missing(folder: &Path, browser: &Path) -> Option<String> {
    let answers = |program: &str| {
        let mut command = Command::new(program);
        let said = command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        said.is_ok_and(|status| status.success())
    };
    if !browser.is_file() {
        return Some(format!("there is no Chromium at {}", browser.display()));
    }
    if !answers("node") {
        return Some("there is no node".to_owned());
    }
    if folder.join("node_modules/axe-core").is_dir() && folder.join("node_modules/playwright-core").is_dir() {
        return None;
    }
    if !answers("npm") {
        return Some("there is no npm to install the packages of validation/browser".to_owned());
    }
    let mut install = Command::new("npm");
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    let done = install.stdin(Stdio::null()).status().is_ok_and(|status| status.success());
    (!done).then(|| "`npm ci` in validation/browser failed".to_owned())
}

#[test]
fn people_walk_through_the_pages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    let browser = std::env::var_os("HPL_BROWSER").map_or_else(|| PathBuf::from("/usr/bin/chromium"), PathBuf::from);
    if let Some(what) = missing(&folder, &browser) {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{what}");
        eprintln!("skipped: {what}");
        return;
    }
    let site = Site::start("walk-node");
    site.admin(&["create-admin", OPERATOR], &format!("{PASSWORD}\n"));
    let mut walk = Command::new("node");
    walk.arg(folder.join("walk.mjs")).args(["--url", site.url(), "--operator", OPERATOR, "--password", PASSWORD]);
    let said = walk.arg("--browser").arg(&browser).stdin(Stdio::null()).output().expect("node starts");
    let words = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    println!("{words}");
    assert!(said.status.success(), "the walk found something wrong:\n{words}\n{}", site.log());
}
