//! The house rules: laws 1, 3, 6 and 14 of ARCHITECTURE.md, and a few habits, kept by reading the source.
//!
//! Every finding says where it is and what to do. The tables below are the laws themselves:
//! whoever changes one changes the architecture, and says so in the commit.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[path = "house/reader.rs"]
mod reader;
use reader::{code_only, functions, is_word, numbered, without_test_modules, words};

/// Law 1: which rooms a room may import, and which of the [`FOREIGN`] crates.
struct Room {
    name: &'static str,
    rooms: &'static [&'static str],
    foreign: &'static [&'static str],
    /// If set, no crate beyond these at all.
    only: Option<&'static [&'static str]>,
}

const ROOMS: &[Room] = &[
    Room {
        name: "hpl-spec",
        rooms: &[],
        foreign: &["utoipa"],
        only: Some(&["serde", "serde_json", "thiserror", "utoipa"]),
    },
    Room { name: "hpl-core", rooms: &["hpl-spec"], foreign: &["faer", "pulp", "rayon", "hwloc2"], only: None },
    Room { name: "hpl-mpi", rooms: &["hpl-core", "hpl-spec"], foreign: &["mpi"], only: None },
    Room { name: "node-daemon", rooms: &["hpl-spec"], foreign: &["tokio", "reqwest"], only: None },
    Room {
        name: "service",
        rooms: &["hpl-spec"],
        foreign: &["tokio", "axum", "tower", "tower-http", "sqlx", "utoipa"],
        only: None,
    },
    Room { name: "xtask", rooms: &["hpl-spec"], foreign: &[], only: None },
    // these two may import anything, and nobody imports them
    Room { name: "benches", rooms: &["hpl-spec", "hpl-core", "hpl-mpi"], foreign: FOREIGN, only: None },
    Room { name: "validation", rooms: &["hpl-spec", "hpl-core", "hpl-mpi"], foreign: FOREIGN, only: None },
];

/// Crates that shape a room. All others are small helpers, free to use outside hpl-spec.
const FOREIGN: &[&str] = &[
    "faer",
    "pulp",
    "gemm",
    "rayon",
    "hwloc2",
    "mpi",
    "mpi-sys",
    "tokio",
    "async-std",
    "smol",
    "axum",
    "tower",
    "tower-http",
    "hyper",
    "reqwest",
    "ureq",
    "sqlx",
    "rusqlite",
    "diesel",
    "utoipa",
];

/// Law 3: the one place where a foreign crate is named.
const DOORS: &[(&str, &str)] = &[
    ("mpi", "hpl-mpi/src/comm/mpi.rs"),
    ("mpi_sys", "hpl-mpi/src/comm/mpi.rs"),
    ("hwloc2", "hpl-core/src/topology.rs"),
    ("sqlx", "service/src/db/"),
    ("reqwest", "node-daemon/src/client.rs"),
];

/// Law 6: the files that contain unsafe code, all of them.
const UNSAFE: &[&str] = &[
    "hpl-core/src/buffer.rs",
    "hpl-core/src/gemm/kernel/avx2.rs",
    "hpl-core/src/gemm/kernel/avx512.rs",
    "hpl-core/src/gemm/kernel/mod.rs",
    "hpl-core/src/gemm/mod.rs",
    "hpl-core/src/matrix.rs",
    "hpl-core/src/share.rs",
    "hpl-core/src/topology.rs",
    "hpl-mpi/src/comm/mpi.rs",
];

/// Law 14. The house asks for 400 and 60; the test leaves room for a good reason.
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 90;
/// How far above an unsafe block its reason may stand.
const REASON_ABOVE: usize = 6;
/// The least lines of `//!` that make a tour.
const TOUR_LINES: usize = 3;

#[test]
fn arrows_point_down() {
    let mut findings = vec![];
    for member in members() {
        let name = text(&member["name"]);
        let manifest = relative(text(&member["manifest_path"]).as_ref());
        let Some(room) = ROOMS.iter().find(|r| r.name == name) else {
            findings.push(format!("{manifest}:1: `{name}` is no room: give it a row in ROOMS and in ARCHITECTURE.md"));
            continue;
        };
        for dependency in member["dependencies"].as_array().into_iter().flatten() {
            let dev = dependency["kind"] == "dev";
            if let Some(why) = forbidden(room, text(&dependency["name"]), dev) {
                let line = line_naming(&manifest, text(&dependency["name"]));
                findings.push(format!("{manifest}:{line}: {why}: take the dependency away or change the plan"));
            }
        }
    }
    report("law 1, arrows point down", &findings);
}

/// Why `room` may not depend on `name`. Tests of a room may use helpers that the room itself may not.
fn forbidden(room: &Room, name: &str, dev: bool) -> Option<String> {
    let is_room = ROOMS.iter().any(|r| r.name == name);
    if is_room && name != room.name && !room.rooms.contains(&name) {
        return Some(format!("`{}` may not import the room `{name}`", room.name));
    }
    if FOREIGN.contains(&name) && !room.foreign.contains(&name) {
        return Some(format!("`{}` must never see `{name}`", room.name));
    }
    match room.only {
        Some(only) if !dev && !only.contains(&name) => {
            Some(format!("`{}` may import {} only, not `{name}`", room.name, only.join(", ")))
        }
        _ => None,
    }
}

#[test]
fn foreign_tongues_stay_at_the_door() {
    let mut findings = vec![];
    for source in sources() {
        for &(tongue, door) in DOORS {
            let own = !source.path.starts_with("benches/") && !source.path.starts_with("validation/");
            if own && !source.path.starts_with(door) {
                for line in lines_speaking(&source.code, tongue) {
                    findings.push(format!(
                        "{}:{line}: names `{tongue}`, which only {door} may: move it there",
                        source.path
                    ));
                }
            }
        }
    }
    report("law 3, foreign tongues stay at the door", &findings);
}

/// Lines in which a path begins with the crate `tongue` (`crate::comm::mpi` does not).
fn lines_speaking(code: &str, tongue: &str) -> Vec<usize> {
    let begins_path = |line: &str, at: usize| {
        let (before, after) = (line[..at].trim_end(), line[at + tongue.len()..].trim_start());
        let imported = ["use", "crate"].iter().any(|w| before == *w || before.ends_with(&format!(" {w}")));
        let inner = before.strip_suffix("::").is_some_and(|b| b.ends_with(is_word));
        !inner && (after.starts_with("::") || imported)
    };
    let speaks = |line: &str| words(line, tongue).any(|at| begins_path(line, at));
    numbered(code).filter(|(_, line)| speaks(line)).map(|(n, _)| n).collect()
}

#[test]
fn unsafe_has_an_address_and_a_reason() {
    let mut findings = vec![];
    let mut found = BTreeSet::new();
    for source in sources() {
        for (n, line) in numbered(&source.code).filter(|(_, line)| words(line, "unsafe").next().is_some()) {
            found.insert(source.path.clone());
            if !UNSAFE.contains(&source.path.as_str()) {
                findings
                    .push(format!("{}:{n}: unsafe code without an address: move it to a file of law 6", source.path));
            } else if wants_reason(line) && !has_reason(&source.text, n) {
                findings.push(format!("{}:{n}: say in a `// SAFETY:` comment just above why this holds", source.path));
            }
        }
    }
    for address in UNSAFE.iter().filter(|a| !found.contains(**a)) {
        findings.push(format!("{address}:1: holds no unsafe code (any more): take it off the list of law 6"));
    }
    report("law 6, unsafe has an address", &findings);
}

fn wants_reason(line: &str) -> bool {
    words(line, "unsafe").any(|at| {
        let after = line[at + "unsafe".len()..].trim_start();
        after.starts_with('{') || after.starts_with("impl") || after.is_empty()
    })
}

fn has_reason(text: &str, line: usize) -> bool {
    let from = line.saturating_sub(REASON_ABOVE + 1);
    text.lines().skip(from).take(line - from).any(|l| l.contains("SAFETY:"))
}

#[test]
fn crates_without_an_address_forbid_unsafe() {
    let mut findings = vec![];
    for (root, library) in roots() {
        let folder = root.rsplit_once('/').map_or("", |(f, _)| f);
        let addressed = library && UNSAFE.iter().any(|a| a.starts_with(&format!("{folder}/")));
        if !addressed && !read(&root).contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{root}:1: put `#![forbid(unsafe_code)]` below the tour"));
        }
    }
    report("law 6, all other crates forbid unsafe", &findings);
}

#[test]
fn rooms_can_be_seen_across() {
    let mut findings = vec![];
    for source in sources() {
        let lines = source.text.lines().count();
        if lines > FILE_LINES && !source.text.lines().any(|l| l.starts_with("//! Long because ")) {
            findings.push(format!(
                "{}:{lines}: {lines} lines (limit {FILE_LINES}): split it by idea, or say `//! Long because …`",
                source.path
            ));
        }
        for (first, last) in functions(&without_test_modules(&source.code)) {
            let long = last + 1 - first;
            if long > FUNCTION_LINES && !explained(&source.text, first, last) {
                findings.push(format!(
                    "{}:{first}: a function of {long} lines (limit {FUNCTION_LINES}): cut it, or say `// Long because …`",
                    source.path
                ));
            }
        }
    }
    report("law 14, rooms one can see across", &findings);
}

fn explained(text: &str, first: usize, last: usize) -> bool {
    let from = first.saturating_sub(15);
    text.lines().skip(from).take(last - from).any(|l| l.trim_start().starts_with("//") && l.contains("Long because "))
}

#[test]
fn no_museum() {
    let mut findings = vec![];
    for source in sources() {
        for (n, line) in numbered(&source.code) {
            for word in ["todo", "unimplemented"] {
                if words(line, word).any(|at| line[at + word.len()..].starts_with('!')) {
                    findings.push(format!(
                        "{}:{n}: `{word}!`: do it, or open an issue and take the promise away",
                        source.path
                    ));
                }
            }
        }
        let parts = source.path.trim_end_matches(".rs").split('/');
        for part in parts.filter(|p| ["old", "attic", "backup", "deprecated"].contains(p)) {
            findings.push(format!("{}:1: named `{part}`: the history keeps it, delete it", source.path));
        }
    }
    report("law 13, no museum", &findings);
}

#[test]
fn every_crate_opens_with_a_tour() {
    let mut findings = vec![];
    for (root, _) in roots() {
        let tour = read(&root).lines().take_while(|l| l.starts_with("//!")).count();
        if tour < TOUR_LINES {
            findings.push(format!(
                "{root}:1: open with a tour (`//!`, {TOUR_LINES} lines or more): what it is, which file is what"
            ));
        }
    }
    report("every crate opens with a tour", &findings);
}

fn report(law: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{law}: {} findings\n{}\n", findings.len(), findings.join("\n"));
}

// ---- the source, as this test sees it ----

/// A Rust file: its path from the workspace's root, its text, and the text with all but code blanked.
struct Source {
    path: String,
    text: String,
    code: String,
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("validation lies in the workspace").to_owned()
}

fn relative(path: &Path) -> String {
    path.strip_prefix(workspace()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn read(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The members of the workspace as cargo describes them.
fn members() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(workspace());
    let said = command.output().expect("cargo runs");
    assert!(said.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&said.stderr));
    let metadata: Value = serde_json::from_slice(&said.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

/// The root files of all libraries (true) and programs (false).
fn roots() -> Vec<(String, bool)> {
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

fn sources() -> Vec<Source> {
    let mut paths = vec![];
    for member in members() {
        let manifest = PathBuf::from(text(&member["manifest_path"]));
        walk(manifest.parent().expect("a manifest lies in a folder"), &mut paths);
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

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the workspace").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

fn line_naming(manifest: &str, dependency: &str) -> usize {
    let manifest = read(manifest);
    1 + manifest.lines().position(|l| l.contains(dependency)).unwrap_or(0)
}

#[test]
fn the_table_of_rooms_forbids_what_it_says() {
    let room = |name: &str| ROOMS.iter().find(|r| r.name == name).unwrap();
    for (name, dependency) in [
        ("hpl-core", "mpi"),
        ("hpl-core", "hpl-mpi"),
        ("hpl-mpi", "tokio"),
        ("hpl-spec", "libc"),
        ("node-daemon", "hpl-core"),
        ("node-daemon", "sqlx"),
        ("service", "hpl-mpi"),
        ("xtask", "hpl-core"),
    ] {
        assert!(forbidden(room(name), dependency, false).is_some(), "{name} -> {dependency}");
    }
    assert!(forbidden(room("hpl-mpi"), "libc", false).is_none());
    assert!(forbidden(room("hpl-spec"), "proptest", true).is_none());
}

#[test]
fn the_reader_knows_a_crate_from_a_module() {
    let code = "use mpi::x;\nuse crate::comm::mpi::X;\nuse self::mpi::X;\nlet m = mpi::init();\nuse hpl_mpi::a;\nfn mpi() {}\nextern crate mpi;\nuse ::mpi::y;";
    assert_eq!(lines_speaking(code, "mpi"), [1, 4, 7, 8]);
    assert_eq!(lines_speaking("use mpi;\nlet mpi = 1;", "mpi"), [1]);
}

#[test]
fn the_reader_wants_reasons() {
    assert!(wants_reason("let x = unsafe { f() };") && wants_reason("unsafe impl Send for X {}"));
    assert!(!wants_reason("unsafe fn f() {") && !wants_reason("#![allow(unsafe_code)]"));
    assert!(has_reason("// SAFETY: so\nunsafe {}", 2) && !has_reason("// so\nunsafe {}", 2));
}
