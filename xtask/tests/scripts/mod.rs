//! Programs that stand in for others: a shell script in a folder.

use std::path::Path;
use std::process::Command;

/// Writes an executable script. A child writes it: a file that this process has open for writing
/// could not be executed while another test forks.
pub fn program(folder: &Path, name: &str, text: &str) {
    let write = "printf %s \"$2\" > \"$1\" && chmod +x \"$1\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", write, "sh"]).arg(folder.join(name)).arg(text);
    assert!(shell.status().expect("sh runs").success(), "{name} could not be written");
}
