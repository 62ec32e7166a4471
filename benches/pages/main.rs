//! How soon a browser shows something of each page, and how heavy the page is, on a database of a hundred thousand jobs.
//!
//! ```sh
//! cargo bench -p benches --bench pages -- pages
//! ```
//! The database takes about 300 MB and half a minute to write; it is kept in cargo's folder for the next time. So this
//! one runs only if it is named. The released service is asked over TLS on loopback by a real browser, which
//! `validation/browser/paint.mjs` drives; it prints one line a page: until the first byte, until the first paint of one who
//! follows a link and of one who opens a new tab, and the bytes of page, styles and scripts together, compressed. The
//! first line is a text of a word: what the browser takes for itself. A page that took longer than [`WANTED_MS`] is
//! marked, and is no failure: time on a shared machine is no verdict.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use benches::load::crowd::database;
use benches::load::runtime;
use benches::load::server::Server;
use benches::{program, smoke};
use service::db::testing::crowd::Crowd;

/// How soon something of a page is to be seen, in milliseconds.
const WANTED_MS: u32 = 100;
/// What is in the database.
const FULL: Crowd = Crowd { jobs: 100_000, users: 5000, nodes: 1700 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        println!("pages: benchmark");
        return ExitCode::SUCCESS;
    }
    let named = arguments.iter().any(|a| !a.starts_with('-')) && program::wanted("pages", &arguments);
    if !named || smoke() {
        println!(
            "pages: needs a browser, so it runs only if it is named: cargo bench -p benches --bench pages -- pages"
        );
        return ExitCode::SUCCESS;
    }
    match look() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("pages: {why}");
            ExitCode::FAILURE
        }
    }
}

fn look() -> Result<(), String> {
    let data = runtime()?.block_on(database(FULL))?;
    let server = Server::start(&data)?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../validation/browser/paint.mjs");
    let mut command = Command::new("node");
    command.arg(&script).args(["--url", &format!("https://{}", server.address), "--wanted", &WANTED_MS.to_string()]);
    let status = command.stdin(Stdio::null()).status().map_err(|e| format!("node: {e}"))?;
    server.stop()?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", script.display())) }
}
