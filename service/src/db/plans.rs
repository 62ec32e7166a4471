//! No statement reads a whole table of jobs, events or results: every statement of this folder is given to the
//! planner, and its plan is looked at.
//!
//! Statements are found by reading the source, so that a new one cannot be forgotten: every string that begins like a
//! statement, and every function that puts one together, which [`BUILT`] has to name.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use hpl_spec::JobState;
use hpl_spec::api::jobs::Visibility;
use hpl_spec::benchmark::BENCHMARKS;
use sqlx::{AssertSqlSafe, Row as _};

use super::{Conn, Db, job_list, queue};
use crate::clock::Clock;
use crate::hub::Hub;

/// The tables that grow with every job.
const LARGE: &[&str] = &["jobs", "events", "results", "attempts", "board", "records"];
/// Indexes that hold only what has not ended, of which there is little however much has.
const LIVE: &[&str] = &["jobs_due", "jobs_active", "jobs_line", "one_live_attempt", "one_attempt_a_node"];
/// Statements that read all of a table, and why they may.
const MAY_SCAN: &[(&str, &str)] = &[
    ("SELECT key FROM jobs LIMIT 1", "one row: whether the database answers"),
    ("SELECT max(key) FROM events", "the last row"),
];
/// Where statements are put together of parts, how often, and how this test comes by them.
const BUILT: &[(&str, usize, &str)] = &[
    ("attempts/mod.rs", 3, "COLUMNS and a condition, below"),
    ("board.rs", 5, "constants; results/tests.rs"),
    ("board/view.rs", 6, "constants; results/tests.rs"),
    ("forecast.rs", 1, "each of its conditions, below"),
    ("job_list.rs", 1, "every filter, below"),
    ("jobs.rs", 3, "COLUMNS and a condition, below"),
    ("nodes.rs", 5, "nodes are few"),
    ("queue.rs", 1, "both lanes, below"),
    ("results.rs", 1, "constants; results/tests.rs"),
    ("results/list.rs", 4, "every filter; results/tests.rs"),
];

/// The strings of Rust code that begin like a statement, with the line each begins on. Raw strings are not used for
/// statements here.
fn literals(code: &str) -> Vec<(usize, String)> {
    let (mut found, mut rest, mut line) = (vec![], code, 1);
    while let Some(open) = rest.find('"') {
        line += rest[..open].matches('\n').count();
        let text = &rest[open + 1..];
        let mut escaped = false;
        let close = text.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let Some(close) = close else { break };
        let literal = text[..close].replace("\\\n", "\n");
        let first = literal.split_whitespace().next().unwrap_or_default();
        if ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&first) {
            found.push((line, literal.clone()));
        }
        line += text[..close].matches('\n').count();
        rest = &text[close + 1..];
    }
    found
}

/// The files of this folder, by name, without their tests and without what tests use.
fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, under: &str, files: &mut BTreeMap<String, String>) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let name = format!("{under}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                walk(&entry.path(), &format!("{name}/"), files);
            } else if !["plans.rs", "testing.rs", "upgrade.rs", "results/tests.rs"].contains(&name.as_str()) {
                let code = std::fs::read_to_string(entry.path()).unwrap();
                files.insert(name, code.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned());
            }
        }
    }
    let mut files = BTreeMap::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/db"), "", &mut files);
    files.retain(|name, _| !name.starts_with("testing/"));
    files
}

/// What a statement calls the tables it reads: `jobs j` is `j` in its plan.
fn names(statement: &str) -> BTreeMap<&str, &str> {
    let words: Vec<&str> = statement.split([' ', '\n', ',', '(', ')']).filter(|word| !word.is_empty()).collect();
    let mut names = BTreeMap::new();
    for (n, word) in words.iter().enumerate() {
        if let Some(table) = LARGE.iter().find(|table| *table == word) {
            names.insert(*table, *table);
            names.extend(words.get(n + 1).map(|alias| (*alias, *table)));
        }
    }
    names
}

/// The step of a plan by which a large table is read from end to end.
fn scan<'a>(statement: &str, steps: &'a [String]) -> Option<&'a str> {
    let names = names(statement);
    let whole = |step: &&String| {
        let Some(rest) = step.strip_prefix("SCAN ") else { return false };
        let mut words = rest.split(' ');
        let large = words.next().is_some_and(|name| names.contains_key(name));
        large && !words.any(|word| LIVE.contains(&word))
    };
    steps.iter().find(whole).map(String::as_str)
}

async fn plan(conn: &mut Conn, statement: &str) -> Vec<String> {
    let explained = sqlx::query(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}"))).fetch_all(conn).await;
    let explained = explained.unwrap_or_else(|why| panic!("{why}: {statement}"));
    explained.iter().map(|row| row.get::<String, _>("detail")).collect()
}

/// Whether a string is a whole statement, and no part of one: parts end with a blank, or leave something open.
fn is_whole(literal: &str) -> bool {
    !literal.contains('{') && !literal.ends_with(' ') && literal.matches('(').count() == literal.matches(')').count()
}

/// Every filter of lists of jobs.
fn lists() -> Vec<job_list::Filter> {
    let some = |n: u32, bit: u32| n & (1 << bit) != 0;
    let filter = |n: u32| job_list::Filter {
        owner: some(n, 0).then_some(1),
        visibility: some(n, 1).then_some(Visibility::Public),
        state: some(n, 2).then_some(JobState::Done),
        benchmark: some(n, 3).then(|| BENCHMARKS[0].name.into()),
        sweep: some(n, 4).then(String::new),
        before: some(n, 5).then(String::new),
        limit: 51,
    };
    // Without an owner or a sweep, who may see everything asks for each visibility on its own.
    (0..64).map(filter).filter(|f| f.owner.is_some() || f.sweep.is_some() || f.visibility.is_some()).collect()
}

#[tokio::test]
async fn no_statement_reads_a_whole_table() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
    let mut reader = db.read().await.unwrap();
    let (mut statements, mut findings) = (vec![], vec![]);
    for (name, code) in files() {
        if name == "check.rs" {
            continue; // it looks at everything, once, when an administrator asks
        }
        let whole = literals(&code).into_iter().filter(|(_, literal)| is_whole(literal) && literal.contains(' '));
        statements.extend(whole.map(|(line, literal)| (format!("{name}:{line}"), literal)));
        let built = code.matches("AssertSqlSafe(").count()
            + code.matches("concat!(").count()
            + code.matches("QueryBuilder::new(").count();
        let known = BUILT.iter().find(|(file, _, _)| *file == name).map_or(0, |(_, count, _)| *count);
        if built != known {
            let what = "statements are put together: give this test a way to them, and a row in BUILT";
            findings.push(format!("{name}: {built} {what} (it has {known})"));
        }
    }
    assert!(statements.len() > 120, "only {} statements were found", statements.len());
    statements.extend(lists().iter().map(|filter| (format!("{filter:?}"), job_list::statement(filter))));
    statements.extend([true, false].map(|express| (format!("express: {express}"), queue::pick_statement(express))));
    statements.extend(super::forecast::statements().map(|statement| ("forecast.rs".to_owned(), statement)));
    statements.extend(super::jobs::statements().map(|statement| ("jobs.rs".to_owned(), statement)));
    statements.extend(super::attempts::statements().map(|statement| ("attempts/mod.rs".to_owned(), statement)));
    for (place, statement) in &statements {
        let text = statement.split_whitespace().collect::<Vec<_>>().join(" ");
        if MAY_SCAN.iter().any(|(known, _)| *known == text) {
            continue;
        }
        let steps = plan(&mut reader, statement).await;
        if let Some(step) = scan(statement, &steps) {
            findings.push(format!("{place}: {step}\n{statement}\n"));
        }
    }
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

#[tokio::test]
async fn lists_and_picks_sort_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
    let mut reader = db.read().await.unwrap();
    let picks = [true, false].map(queue::pick_statement);
    for statement in lists().iter().map(job_list::statement).chain(picks) {
        let steps = plan(&mut reader, &statement).await;
        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER BY")), "{statement}\n{steps:#?}");
    }
}

#[tokio::test]
async fn a_scan_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), Clock::manual(0).0, Arc::new(Hub::default())).await.unwrap();
    let mut reader = db.read().await.unwrap();
    for (statement, seen) in [
        ("SELECT 1 FROM jobs j JOIN users u ON u.key = j.owner WHERE j.title = ''", true),
        ("SELECT count(*) FROM events", true),
        ("UPDATE results SET label = '' WHERE check_text = ''", true),
        ("SELECT 1 FROM users WHERE password = ''", false),
        ("SELECT 1 FROM jobs WHERE due_at IS NOT NULL AND title = ''", false),
        ("SELECT 1 FROM jobs WHERE id = ''", false),
    ] {
        let steps = plan(&mut reader, statement).await;
        assert_eq!(scan(statement, &steps).is_some(), seen, "{statement}\n{steps:#?}");
    }
    assert_eq!(
        literals("a(\"SELECT 1\");\nb(\"x\", \"UPDATE y \\\n  z\")"),
        [(1, "SELECT 1".to_owned()), (2, "UPDATE y \n  z".to_owned())]
    );
}
