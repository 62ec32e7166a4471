//! `hpl-node`: see the README.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use node_daemon::folder::RunFolder;

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().skip(1).collect();
    match words.as_slice() {
        [word, folder] if word == "shim" => node_daemon::shim::shim(&RunFolder::at(folder)),
        [word, folder] if word == "stage" => {
            eprintln!("hpl-node: {}", node_daemon::sandbox::stage(&RunFolder::at(folder)));
            ExitCode::FAILURE
        }
        _ => ExitCode::FAILURE,
    }
}
