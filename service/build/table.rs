//! From Vite's manifest to a table in Rust: every file with its media type, every entry with what its page has to name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;

use serde_json::Value;

/// The table of a service that is built without the scripts.
pub fn empty() -> String {
    written(&BTreeSet::new(), &[], Path::new(""))
}

/// The table of the files in `folder`, which `manifest` describes.
///
/// # Errors
/// It is not a manifest; a file is of a kind that is not served.
pub fn from_manifest(manifest: &str, folder: &Path) -> Result<String, String> {
    let chunks: BTreeMap<String, Value> = serde_json::from_str(manifest).map_err(|why| why.to_string())?;
    let mut files = BTreeSet::new();
    let mut entries = vec![];
    for (key, chunk) in &chunks {
        files.insert(file(key, chunk)?);
        files.extend(names(chunk, "css").chain(names(chunk, "assets")));
        if chunk["isEntry"] == true {
            entries.push(entry(key, &chunks)?);
        }
    }
    for name in &files {
        if name.contains(['/', '\\']) {
            return Err(format!("{name} lies in a folder, where it would not be served"));
        }
        media(name).ok_or_else(|| format!("{name} is of a kind that build/table.rs has no media type for"))?;
    }
    Ok(written(&files, &entries, folder))
}

/// An entry, and what a page that uses it has to name.
struct Entry<'a> {
    name: &'a str,
    file: &'a str,
    /// What it imports, at any depth, so that the browser can ask for all of it at once.
    imports: Vec<&'a str>,
    styles: Vec<&'a str>,
}

fn entry<'a>(key: &str, chunks: &'a BTreeMap<String, Value>) -> Result<Entry<'a>, String> {
    let own = &chunks[key];
    let name = own["name"].as_str().ok_or_else(|| format!("{key} has no name"))?;
    let mut found = Entry { name, file: file(key, own)?, imports: vec![], styles: vec![] };
    let mut ahead = vec![key];
    let mut seen = BTreeSet::from([key]);
    while let Some(key) = ahead.pop() {
        let chunk = chunks.get(key).ok_or_else(|| format!("{key} is imported and not there"))?;
        let new = names(chunk, "css").filter(|style| !found.styles.contains(style)).collect::<Vec<_>>();
        found.styles.extend(new);
        for import in names(chunk, "imports").filter(|import| seen.insert(import)) {
            let chunk = chunks.get(import).ok_or_else(|| format!("{import} is imported and not there"))?;
            found.imports.push(file(import, chunk)?);
            ahead.push(import);
        }
    }
    Ok(found)
}

fn file<'a>(key: &str, chunk: &'a Value) -> Result<&'a str, String> {
    chunk["file"].as_str().ok_or_else(|| format!("{key} names no file"))
}

fn names<'a>(chunk: &'a Value, list: &str) -> impl Iterator<Item = &'a str> {
    chunk[list].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn media(name: &str) -> Option<&'static str> {
    match name.rsplit_once('.')?.1 {
        "js" => Some("text/javascript; charset=utf-8"),
        "css" => Some("text/css; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

fn written(files: &BTreeSet<&str>, entries: &[Entry], folder: &Path) -> String {
    let mut text = String::from("pub(super) static FILES: &[File] = &[\n");
    for name in files {
        let media = media(name).unwrap_or_default();
        let path = folder.join(name);
        let _ = writeln!(text, "    File {{ name: {name:?}, media: {media:?}, bytes: include_bytes!({path:?}) }},");
    }
    text += "];\npub(super) static ENTRIES: &[Entry] = &[\n";
    for Entry { name, file, imports, styles } in entries {
        let _ = writeln!(
            text,
            "    Entry {{ name: {name:?}, file: {file:?}, imports: &{imports:?}, styles: &{styles:?} }},"
        );
    }
    text + "];\n"
}
