//! The stylesheet and the scripts of the pages, built into the program and named by their hashes, so that browsers may
//! keep them for ever.
//!
//! `web/` is where the scripts are written and `cargo xtask web` builds them; `build.rs` makes the table that is
//! included here. It is empty where they were not built: the pages work without.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use self::built::{ENTRIES, FILES};
use crate::app::Shared;
use crate::error::{Error, Result};
use crate::http::extract::Path;

/// All styles, in the order in which they may overrule each other.
const STYLE: &str = concat!(
    include_str!("../../../styles/tokens.css"),
    include_str!("../../../styles/base.css"),
    include_str!("../../../styles/parts.css"),
    include_str!("../../../styles/forms.css"),
    include_str!("../../../styles/picture.css"),
    include_str!("../../../styles/submit.css"),
    include_str!("../../../styles/live.css"),
    include_str!("../../../styles/result.css"),
    include_str!("../../../styles/learn.css"),
    include_str!("../../../styles/explore.css"),
    include_str!("../../../styles/board.css"),
    include_str!("../../../styles/operator.css"),
);
/// Characters of the hash: enough that two versions never share a name.
const HASH_CHARS: usize = 12;

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| {
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(STYLE));
    format!("style-{}.css", &hash[..HASH_CHARS])
});

/// A file that Vite made; its name holds its hash.
struct File {
    name: &'static str,
    media: &'static str,
    bytes: &'static [u8],
}

/// A file of `web/src/pages/`: what it became, and what that needs.
struct Entry {
    name: &'static str,
    file: &'static str,
    imports: &'static [&'static str],
    styles: &'static [&'static str],
}

mod built {
    use super::{Entry, File};

    include!(concat!(env!("OUT_DIR"), "/assets.rs"));
}

/// What a page has to name in its head to get a script: addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    /// For `<script type="module" src>`.
    pub(super) src: String,
    /// For `<link rel="modulepreload" href>`: what it imports.
    pub(super) preload: Vec<String>,
    /// For `<link rel="stylesheet" href>`.
    pub(super) styles: Vec<String>,
}

/// The script of `web/src/pages/{entry}.ts`; None if the service was built without the scripts.
pub(super) fn script(entry: &str) -> Option<Script> {
    let entry = ENTRIES.iter().find(|known| known.name == entry)?;
    let addresses = |names: &[&str]| names.iter().map(|name| address(name)).collect();
    Some(Script { src: address(entry.file), preload: addresses(entry.imports), styles: addresses(entry.styles) })
}

/// What is said once at the start of a service that was built without the scripts of its pages.
#[must_use]
pub fn missing() -> Option<&'static str> {
    ENTRIES.is_empty().then_some(
        "built without the scripts of the pages: no charts and no estimate as one types; \
         `cargo xtask web` builds them; the pages work without",
    )
}

/// The address of the stylesheet.
pub(super) fn style() -> String {
    address(&STYLE_NAME)
}

fn address(name: &str) -> String {
    format!("/static/{name}")
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/static/{name}", get(asset))
}

async fn asset(Path(name): Path<String>) -> Result<Response> {
    let (media, bytes) = match FILES.iter().find(|file| file.name == name) {
        Some(file) => (file.media, file.bytes),
        None if name == *STYLE_NAME => ("text/css; charset=utf-8", STYLE.as_bytes()),
        None => return Err(Error::not_found("file")),
    };
    let headers = [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    Ok((headers, bytes).into_response())
}

#[cfg(test)]
#[path = "../../../build/table.rs"]
mod table;

#[cfg(test)]
mod tests {
    use std::path::Path as Folder;

    use serde_json::Value;

    use super::super::words;
    use super::*;

    const MANIFEST: &str = r#"{
        "_chart-B2.js": {"file": "chart-B2.js", "name": "chart", "imports": ["_dom-C3.js"], "css": ["chart-D4.css"]},
        "_dom-C3.js": {"file": "dom-C3.js", "name": "dom", "imports": ["_chart-B2.js"]},
        "src/pages/all.ts": {"file": "all-A1.js", "name": "all", "src": "src/pages/all.ts", "isEntry": true},
        "src/pages/live.ts": {"file": "live-E5.js", "name": "live", "src": "src/pages/live.ts", "isEntry": true,
            "imports": ["_chart-B2.js", "_dom-C3.js"], "css": ["live-F6.css"]}
    }"#;

    #[test]
    fn an_entry_names_all_that_it_needs_once() {
        let text = table::from_manifest(MANIFEST, Folder::new("/d")).unwrap();
        let has = |line: &str| assert!(text.contains(line), "{line}\nis not in\n{text}");
        has(r#"Entry { name: "all", file: "all-A1.js", imports: &[], styles: &[] }"#);
        has(
            r#"file: "live-E5.js", imports: &["chart-B2.js", "dom-C3.js"], styles: &["live-F6.css", "chart-D4.css"] }"#,
        );
        has(r#"{ name: "dom-C3.js", media: "text/javascript; charset=utf-8", bytes: include_bytes!("/d/dom-C3.js") }"#);
        has(r#"{ name: "chart-D4.css", media: "text/css; charset=utf-8", bytes: include_bytes!("/d/chart-D4.css") }"#);
        assert_eq!((text.matches(" File {").count(), text.matches("Entry { name").count()), (6, 2), "{text}");
        assert!(!table::empty().contains("{ name"), "{}", table::empty());
    }

    #[test]
    fn what_cannot_be_served_is_not_built_in() {
        let broken = [
            (r#"["all.js"]"#, "invalid type"),
            (r#"{"a": {"file": "a.wasm"}}"#, "a.wasm is of a kind"),
            (r#"{"a": {"file": "in/a.js"}}"#, "in/a.js lies in a folder"),
            (
                r#"{"a": {"file": "a.js", "name": "a", "isEntry": true, "imports": ["b"]}}"#,
                "b is imported and not there",
            ),
            (r#"{"a": {"name": "a"}}"#, "a names no file"),
        ];
        for (manifest, words) in broken {
            let why = table::from_manifest(manifest, Folder::new("/d")).unwrap_err();
            assert!(why.contains(words), "{manifest}: {why}");
        }
    }

    #[tokio::test]
    async fn what_an_entry_names_is_served_and_may_be_kept() {
        let scripts: Vec<_> = ENTRIES.iter().map(|entry| script(entry.name).unwrap()).collect();
        assert_eq!(script("all").is_none(), missing().is_some());
        let mut addresses: Vec<_> = scripts.iter().map(|one| (one.src.clone(), "text/javascript")).collect();
        for script in scripts {
            addresses.extend(script.preload.into_iter().map(|one| (one, "text/javascript")));
            addresses.extend(script.styles.into_iter().map(|one| (one, "text/css")));
        }
        addresses.push((style(), "text/css"));
        for (address, media) in addresses {
            let name = address.strip_prefix("/static/").unwrap();
            let answer = asset(Path(name.to_owned())).await.unwrap();
            assert_eq!(answer.headers()[header::CONTENT_TYPE], format!("{media}; charset=utf-8"), "{address}");
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "public, max-age=31536000, immutable", "{address}");
        }
        assert!(asset(Path("all-00000000.js".to_owned())).await.is_err());
    }

    /// The examples that the scripts are tested with too: both sides say a number in the same words.
    #[test]
    fn the_scripts_say_numbers_as_the_pages_do() {
        let examples: Value = serde_json::from_str(include_str!("../../../web/test/words.json")).unwrap();
        for (kind, examples) in examples.as_object().unwrap() {
            assert!(!examples.as_array().unwrap().is_empty(), "{kind}");
            for example in examples.as_array().unwrap() {
                let number = example[0].as_f64().unwrap();
                let said = match kind.as_str() {
                    "figure" => hpl_spec::benchmark::figure(number),
                    "rate" => words::rate(number),
                    "duration" => words::duration(number),
                    "bytes" => words::bytes(number as u64),
                    "percent" => words::percent(Some(number)),
                    "ago" => words::When::new(0, number as i64).ago,
                    other => panic!("{other}: no such form"),
                };
                assert_eq!(said, example[1], "{kind} of {number}");
            }
        }
    }
}
