//! The source, as the house rules see it: the workspace's members, their Rust files, the migrations.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::reader::code_only;

/// A Rust file: its path from the workspace's root, its text, and the text with all but code blanked.
pub struct Source {
    pub path: String,
    pub text: String,
    pub code: String,
}

/// The workspace's root.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("validation lies in the workspace").to_owned()
}

/// A path from the workspace's root.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// The text of a file of the workspace.
pub fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// A JSON string, or nothing.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The members of the workspace as cargo describes them.
pub fn members() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(workspace());
    let said = command.output().expect("cargo runs");
    assert!(said.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The root files of all libraries (true) and programs (false).
pub fn roots() -> Vec<(String, bool)> {
    let mut roots = vec![];
    for member in members() {
        for target in member["targets"].as_array().into_iter().flatten() {
            let kind = text(&target["kind"][0]);
            if kind == "lib" || kind == "bin" {
                roots.push((relative(text(&target["src_path"]).as_ref()), kind == "lib"));
            }
        }
    }
    roots
}

/// All Rust files of all members.
pub fn sources() -> Vec<Source> {
    let mut paths = vec![];
    for member in members() {
        let manifest = PathBuf::from(text(&member["manifest_path"]));
        walk(manifest.parent().expect("a manifest lies in a folder"), "rs", &mut paths);
    }
    assert!(paths.len() > 10, "only {} source files found: is this the workspace?", paths.len());
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let path = relative(&path);
            let text = read(&path);
            let code = code_only(&text);
            Source { path, text, code }
        })
        .collect()
}

/// All migrations: paths from the workspace's root.
pub fn migrations() -> Vec<String> {
    let mut paths = vec![];
    walk(&workspace(), "sql", &mut paths);
    assert!(!paths.is_empty(), "no migration was found: is this the workspace?");
    paths.sort();
    paths.iter().map(|path| relative(path)).collect()
}

fn walk(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            walk(&path, extension, found);
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
}

/// The line of a manifest that names a dependency.
pub fn line_naming(manifest: &str, dependency: &str) -> usize {
    let manifest = read(manifest);
    1 + manifest.lines().position(|l| l.contains(dependency)).unwrap_or(0)
}
