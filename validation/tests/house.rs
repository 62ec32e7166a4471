//! The house rules: laws 1, 3, 6, 13 and 14 of ARCHITECTURE.md, and a few habits, kept by reading the source.
//!
//! Every finding says where it is and what to do. The tables below are the laws themselves:
//! whoever changes one changes the architecture, and says so in the commit.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

#[path = "house/reader.rs"]
mod reader;
#[path = "house/source.rs"]
mod source;
use reader::{code_only, functions, is_word, numbered, test_lines, without_comments, without_test_modules, words};
use source::{line_naming, members, migrations, read, relative, roots, sources, text};

/// Law 1: which rooms a room may import, and which of the [`FOREIGN`] crates.
struct Room {
    name: &'static str,
    rooms: &'static [&'static str],
    foreign: &'static [&'static str],
    /// Which of them its tests may use besides.
    in_tests: &'static [&'static str],
    /// If set, no crate beyond these at all.
    only: Option<&'static [&'static str]>,
}

const ROOMS: &[Room] = &[
    Room {
        name: "hpl-spec",
        rooms: &[],
        foreign: &["utoipa"],
        in_tests: &[],
        only: Some(&["serde", "serde_json", "thiserror", "utoipa"]),
    },
    Room {
        name: "hpl-core",
        rooms: &["hpl-spec"],
        foreign: &["faer", "pulp", "rayon", "hwloc2"],
        in_tests: &[],
        only: None,
    },
    Room { name: "hpl-mpi", rooms: &["hpl-core", "hpl-spec"], foreign: &["mpi"], in_tests: &[], only: None },
    // the daemon dials by the same door as people do, and knows no other way out
    Room { name: "client", rooms: &["hpl-spec"], foreign: &["tokio", "reqwest"], in_tests: &[], only: None },
    Room { name: "node-daemon", rooms: &["hpl-spec", "client"], foreign: &["tokio"], in_tests: &[], only: None },
    Room {
        name: "service",
        rooms: &["hpl-spec"],
        foreign: &["tokio", "axum", "tower", "tower-http", "hyper", "sqlx", "utoipa"],
        // the other end of the wire
        in_tests: &["reqwest"],
        only: None,
    },
    // a blocking client of a few crates: the agents' own is async and would bring a runtime into the commands
    Room { name: "xtask", rooms: &["hpl-spec"], foreign: &["ureq"], in_tests: &[], only: None },
    // these two may import anything, and nobody imports them
    Room { name: "benches", rooms: BELOW, foreign: FOREIGN, in_tests: &[], only: None },
    Room { name: "validation", rooms: BELOW, foreign: FOREIGN, in_tests: &[], only: None },
];

/// The rooms that others may import.
const BELOW: &[&str] = &["hpl-spec", "hpl-core", "hpl-mpi", "service", "client", "node-daemon"];

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

/// Law 3: the one place where a foreign crate is named. Tests of a room (`*/tests/`) may look behind the door.
const DOORS: &[(&str, &str)] = &[
    ("mpi", "hpl-mpi/src/comm/mpi.rs"),
    ("mpi_sys", "hpl-mpi/src/comm/mpi.rs"),
    ("hwloc2", "hpl-core/src/topology.rs"),
    ("sqlx", "service/src/db/"),
    ("reqwest", "client/src/door/mod.rs"),
    ("ureq", "xtask/src/http.rs"),
];

/// What the service may know of `hpl-spec`: the registry, and the words of its own trade. All others are HPL's.
const SERVICE_KNOWS: &[&str] = &["api", "benchmark", "evidence", "id", "job", "node"];
/// HPL's own names: a type in code, a file or program in a string. The registry's row is all that may say them.
const HPLS_TYPES: &[&str] = &["RunParams", "RunReport", "RunEvent", "Sweep", "SweepReport", "Phases", "Norms"];
const HPLS_TEXTS: &[&str] = &["HPL.dat", "HPL.out", "xhpl", "\"hpl\""];
/// Pages and pictures speak to people, who know HPL by its own words; why a run was slow is told in them; and a password
/// must not be the name of the site.
const SPEAK_HPL: &[&str] =
    &["service/src/http/pages", "service/src/picture", "service/src/diagnose", "service/src/password/rules.rs"];
/// The first words of a migration.
const WHY: &str = "-- Why: ";

/// Law 6: the files that contain unsafe code, all of them.
const UNSAFE: &[&str] = &[
    "benches/compare/blas.rs",
    "hpl-core/src/buffer.rs",
    "hpl-core/src/gemm/kernel/mod.rs",
    "hpl-core/src/gemm/kernel/tile.rs",
    "hpl-core/src/gemm/mod.rs",
    "hpl-core/src/matrix.rs",
    "hpl-core/src/share.rs",
    "hpl-core/src/topology.rs",
    "hpl-mpi/src/comm/mpi.rs",
    "node-daemon/src/sys.rs",
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
    let in_tests = dev && room.in_tests.contains(&name);
    if FOREIGN.contains(&name) && !room.foreign.contains(&name) && !in_tests {
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
            let above = source.path.starts_with("benches/") || source.path.starts_with("validation/");
            let test = source.path.contains("/tests/");
            if !above && !test && !source.path.starts_with(door) {
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
fn the_service_knows_a_benchmark_by_its_row_alone() {
    let mut findings = vec![];
    let own = |path: &str| path.starts_with("service/src/") && !SPEAK_HPL.iter().any(|place| path.starts_with(place));
    for source in sources().iter().filter(|s| own(&s.path)) {
        let tests = test_lines(&source.code);
        let spoken = without_comments(&source.text);
        for ((n, code), text) in numbered(&source.code).zip(spoken.lines()) {
            if tests.iter().any(|&(first, last)| (first..=last).contains(&n)) || source.path.ends_with("/tests.rs") {
                continue;
            }
            for word in hpls_words(code, text) {
                findings.push(format!(
                    "{}:{n}: names `{word}`, which is HPL's own: ask the registry's row (hpl_spec::benchmark) for it",
                    source.path
                ));
            }
        }
    }
    report("the registry is all that the service knows of a benchmark", &findings);
}

/// What a line says that only HPL's row may say. `code` is the line without comments and strings, `text` the line
/// without comments.
fn hpls_words(code: &str, text: &str) -> Vec<String> {
    let path = "hpl_spec::";
    let modules = code.match_indices(path).map(|(at, _)| &code[at + path.len()..]);
    let modules = modules.map(|rest| rest.split(|c| !is_word(c)).next().unwrap_or_default());
    let foreign = |name: &&str| name.starts_with(char::is_lowercase) && !SERVICE_KNOWS.contains(name);
    let modules = modules.filter(foreign).map(|name| format!("{path}{name}"));
    let types = HPLS_TYPES.iter().filter(|name| words(code, name).next().is_some()).map(|n| (*n).to_owned());
    let texts = HPLS_TEXTS.iter().filter(|name| text.contains(**name) && !code.contains(**name));
    modules.chain(types).chain(texts.map(|n| (*n).to_owned())).collect()
}

#[test]
fn every_migration_opens_with_why() {
    let opens = |path: &String| read(path).starts_with(WHY);
    let closed = migrations().into_iter().filter(|path| !opens(path));
    let findings: Vec<_> =
        closed.map(|path| format!("{path}:1: open with `{WHY}…`: what it is for, and why it is so")).collect();
    report("every migration opens with why", &findings);
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
    for path in migrations() {
        let lines = read(&path).lines().count();
        if lines > FILE_LINES {
            findings.push(format!("{path}:{lines}: {lines} lines (limit {FILE_LINES}): split it by idea"));
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
        for part in parts.filter(|p| ["old", "attic", "deprecated"].contains(p)) {
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

#[test]
fn the_table_of_rooms_forbids_what_it_says() {
    let room = |name: &str| ROOMS.iter().find(|r| r.name == name).unwrap();
    for (name, dependency) in [
        ("hpl-core", "mpi"),
        ("hpl-core", "hpl-mpi"),
        ("hpl-mpi", "tokio"),
        ("hpl-spec", "libc"),
        ("node-daemon", "hpl-core"),
        ("node-daemon", "reqwest"),
        ("client", "hpl-core"),
        ("client", "axum"),
        ("client", "node-daemon"),
        ("node-daemon", "sqlx"),
        ("service", "hpl-mpi"),
        ("xtask", "hpl-core"),
    ] {
        assert!(forbidden(room(name), dependency, false).is_some(), "{name} -> {dependency}");
    }
    assert!(forbidden(room("hpl-mpi"), "libc", false).is_none());
    assert!(forbidden(room("hpl-spec"), "proptest", true).is_none());
    assert!(forbidden(room("service"), "reqwest", true).is_none());
    assert!(forbidden(room("service"), "reqwest", false).is_some());
}

#[test]
fn the_reader_knows_hpls_words() {
    let found = |line: &str| hpls_words(&code_only(line), &without_comments(line));
    assert_eq!(found("use hpl_spec::dat::Sweep;"), ["hpl_spec::dat", "Sweep"]);
    assert_eq!(found("let name = \"HPL.dat\";"), ["HPL.dat"]);
    assert_eq!(found("benchmark::find(\"hpl\")"), ["\"hpl\""]);
    let fine =
        "use hpl_spec::{JobState, job::JobEvent}; // HPL.dat\nuse hpl_spec::api::jobs::Job; fn sweep(a: SweepId) {}";
    assert!(fine.lines().all(|line| found(line).is_empty()));
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
