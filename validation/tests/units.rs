//! What a real site is told: the units of systemd are sound, and every setting that they and the README name is one
//! that the programs know.
//!
//! `systemd-analyze` is asked where it is; it needs no systemd that runs.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use validation::program;

/// Each unit: its file, and the program that it starts.
const UNITS: [(&str, &str); 2] =
    [("service/hpl-service.service", "hpl-service"), ("node-daemon/hpl-node.service", "hpl-node")];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn systemd_takes_the_units() {
    let folder = tempfile::tempdir().unwrap();
    for (path, program) in UNITS {
        let unit = read(path);
        // It looks whether the program is there, which on this machine it need not be.
        let installed = format!("ExecStart=/usr/local/bin/{program} ");
        assert!(unit.contains(&installed), "{path} starts {installed}");
        let here = std::env::current_exe().unwrap();
        let file = folder.path().join(format!("{program}.service"));
        std::fs::write(&file, unit.replace(&installed, &format!("ExecStart={} ", here.display()))).unwrap();
        let said = match Command::new("systemd-analyze").arg("verify").arg(&file).output() {
            Ok(said) => said,
            Err(why) => return eprintln!("SKIPPED: systemd-analyze cannot be started: {why}"),
        };
        let told = String::from_utf8_lossy(&[said.stdout, said.stderr].concat()).into_owned();
        assert!(said.status.success(), "{path}: {}\n{told}", said.status);
        // What it does not know it passes over with a line; other units of this machine are not ours to mend.
        let ours: Vec<_> = told.lines().filter(|line| line.contains(&format!("{program}.service:"))).collect();
        assert!(ours.is_empty(), "{path}:\n{told}");
    }
}

#[test]
fn every_setting_is_known_to_its_program() {
    let help = |program: &Path, command: &[&str]| {
        let said = Command::new(program).args(command).arg("--help").output().unwrap();
        assert!(said.status.success(), "{command:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).unwrap()
    };
    let service = help(&program::hpl_service(), &["serve"]);
    let node = help(&program::hpl_node(), &["run"]) + &help(&program::hpl_node(), &["join"]);
    let texts = [read(UNITS[0].0), read(UNITS[1].0), read("README.md")];
    let (mut of_service, mut of_node) = (BTreeSet::new(), BTreeSet::new());
    for text in &texts {
        of_service.extend(named(text, "HPL_SERVICE_"));
        of_node.extend(named(text, "HPL_NODE_"));
    }
    assert!(of_service.len() >= 4 && of_node.len() >= 4, "{of_service:?} {of_node:?}");
    for (settings, known) in [(of_service, service), (of_node, node)] {
        for setting in settings {
            let is_known = known.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).any(|word| word == setting);
            assert!(is_known, "{setting} is no setting:\n{known}");
        }
    }
}

/// The settings that begin so and are named in a text; `HPL_NODE_…` stands for any of them.
fn named<'a>(text: &'a str, begin: &'a str) -> impl Iterator<Item = &'a str> {
    let ends = |rest: &str| rest.find(|c: char| !(c.is_ascii_uppercase() || c == '_')).unwrap_or(rest.len());
    text.match_indices(begin).map(move |(at, _)| &text[at..at + ends(&text[at..])]).filter(move |name| *name != begin)
}

#[test]
fn settings_are_found_in_text() {
    let text = "one HPL_NODE_… a line, `HPL_NODE_DATA`; HPL_NODE_RUN_AS=x";
    assert_eq!(named(text, "HPL_NODE_").collect::<Vec<_>>(), ["HPL_NODE_DATA", "HPL_NODE_RUN_AS"]);
}
