//! Embeds the scripts of the pages, if they were built: writes the table that `src/http/pages/assets.rs` includes.
//! `web/dist` is filled by `cargo xtask web`; without it the table is empty, and neither Node nor a network is needed.
//! How the table is made of Vite's manifest is in `build/table.rs`.
#![forbid(unsafe_code)]

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "build/table.rs"]
mod table;

fn main() -> Result<(), String> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(format!("cargo sets no {name}"));
    let dist = variable("CARGO_MANIFEST_DIR")?.join("web/dist");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/table.rs");
    // The folder is in the history: one that is missing would make cargo build anew each time.
    println!("cargo::rerun-if-changed={}", dist.display());
    let text = made(&dist)?;
    let out = variable("OUT_DIR")?.join("assets.rs");
    fs::write(&out, text).map_err(|why| format!("{}: {why}", out.display()))
}

fn made(dist: &Path) -> Result<String, String> {
    let manifest = dist.join(".vite/manifest.json");
    let said = |why: String| format!("{}: {why}; `cargo xtask web` builds it anew", manifest.display());
    match fs::read_to_string(&manifest) {
        Ok(text) => table::from_manifest(&text, dist).map_err(said),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(table::empty()),
        Err(why) => Err(said(why.to_string())),
    }
}
