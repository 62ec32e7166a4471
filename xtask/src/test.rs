//! `cargo xtask test`, all that CI runs, and `cargo xtask soak`, what takes longer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::build::{self, HPL, NODE, Profile, Program, SERVICE, XHPL};
use crate::error::Error;
use crate::needs::Purpose;
use crate::npm;
use crate::setup;
use crate::steps::{Step, Steps};
use crate::web;

/// A gate that takes longer than this is no longer run by people.
const LIMIT: Duration = Duration::from_secs(25 * 60);

/// What decides how the tests are run.
#[derive(Debug, Clone, Copy)]
struct Desk {
    nextest: bool,
    ci: bool,
    root: bool,
}

/// The programs that whole-program tests run.
#[derive(Debug, Clone)]
struct Programs {
    /// `xhpl`, built before.
    xhpl: PathBuf,
    /// Where cargo puts `hpl-service` when it builds the tests; None where they build one for themselves.
    service: Option<PathBuf>,
    /// The same of `hpl-node`.
    node: Option<PathBuf>,
    /// The same of `hpl`.
    hpl: Option<PathBuf>,
    /// The browser, if there is one.
    browser: Option<PathBuf>,
}

impl Programs {
    fn env(&self) -> Vec<(&'static str, String)> {
        let named = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut env = vec![(XHPL.variable, named(&self.xhpl))];
        env.extend(self.service.iter().map(|path| (SERVICE.variable, named(path))));
        env.extend(self.node.iter().map(|path| (NODE.variable, named(path))));
        env.extend(self.hpl.iter().map(|path| (HPL.variable, named(path))));
        env.extend(self.browser.iter().map(|path| ("HPL_BROWSER", named(path))));
        env
    }
}

impl Desk {
    fn here() -> Desk {
        Desk { nextest: setup::on_path("cargo-nextest"), ci: setup::in_ci(), root: setup::is_root() }
    }

    fn tests(self, name: &'static str, nextest: &str, plain: &str, programs: &Programs) -> Step {
        let step = with_programs(Step::cargo(name, if self.nextest { nextest } else { plain }), programs);
        let step = if self.ci { step.with(&[("HPLAAS_REQUIRE_HPCC", "1")]) } else { step };
        if self.root { step.with(&setup::AS_ROOT) } else { step }
    }
}

fn with_programs(step: Step, programs: &Programs) -> Step {
    let env = programs.env();
    step.with(&env.iter().map(|(k, v)| (*k, v.as_str())).collect::<Vec<_>>())
}

/// Runs everything that CI runs, and prints the minutes of each step.
///
/// # Errors
/// The first step that fails.
pub fn test() -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    println!("\n==> {}", web::NAME);
    steps.act(web::NAME, web::test)?;
    for step in before() {
        steps.run(&step)?;
    }
    println!("\n==> build xhpl");
    let [xhpl] = steps.act("build xhpl", || build::programs(Profile::Dev, [XHPL]))?;
    if setup::on_path("npm") {
        println!("\n==> browser tools");
        steps.act("browser tools", || browser_tools(&build::root().join(BROWSER)))?;
    }
    let beside_us = |program: Program| built_beside_us(program.name).map(Some);
    let (service, node, hpl) = (beside_us(SERVICE)?, beside_us(NODE)?, beside_us(HPL)?);
    let programs = Programs { xhpl, service, node, hpl, browser: setup::browser() };
    let folder = build::target_dir().join(CHAIN);
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(Error::file(&folder))?;
    }
    for step in after(Desk::here(), &programs, &folder) {
        steps.run(&step)?;
    }
    conclude(&steps);
    Ok(())
}

/// Below cargo's folder, the data of the chain that is run as a whole.
const CHAIN: &str = "test-up";
/// Where the browser's walk lies, with the list of what it needs.
const BROWSER: &str = "validation/browser";

/// Fetches what drives the browser. Where it cannot be fetched the walk is skipped, except in CI.
fn browser_tools(folder: &Path) -> Result<(), Error> {
    match npm::fetch(folder, "browser tools") {
        Err(error) if !setup::in_ci() => {
            eprintln!("{error}\nGoing on: the test that needs it will say that it is skipped.\n");
            Ok(())
        }
        fetched => fetched,
    }
}

/// A program of the workspace, in the profile that we were built in.
fn built_beside_us(name: &str) -> Result<PathBuf, Error> {
    let us = std::env::current_exe().map_err(Error::start("xtask"))?;
    Ok(us.with_file_name(format!("{name}{}", std::env::consts::EXE_SUFFIX)))
}

/// Runs the long tests: those marked `#[ignore]`. What they run is the released `xhpl`, `hpl-node`, `hpl-service`, `hpl`;
/// the tests themselves are linked faster than a release.
///
/// # Errors
/// The first step that fails.
pub fn soak() -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    println!("\n==> build the programs as they are released");
    let [xhpl, service, node, hpl] =
        steps.act("build the programs", || build::programs(Profile::Release, [XHPL, SERVICE, NODE, HPL]))?;
    steps.run(&Desk::here().tests(
        "long tests",
        "nextest run --cargo-profile soak --package hpl-spec --package validation --package service \
         --package node-daemon --features service/failpoints --run-ignored only --no-fail-fast --no-tests warn",
        "test --profile soak --package hpl-spec --package validation --package service --package node-daemon \
         --features service/failpoints --tests -- --ignored",
        &Programs { xhpl, service: Some(service), node: Some(node), hpl: Some(hpl), browser: setup::browser() },
    ))?;
    println!("\n{}", steps.table());
    Ok(())
}

fn before() -> Vec<Step> {
    vec![
        Step::cargo("format", "fmt --all --check"),
        Step::cargo("clippy", "clippy --workspace --all-targets --features service/failpoints -- -D warnings"),
        // As it is released; all but the service is done already.
        Step::cargo("clippy as released", "clippy --workspace --all-targets -- -D warnings"),
    ]
}

/// The service is built with the points at which its tests kill it; one build serves all of these steps. The chain runs
/// with the programs of that build, as `up` would with released ones, in a folder of its own.
fn after(desk: Desk, programs: &Programs, folder: &Path) -> Vec<Step> {
    let once = Step::cargo("up --once", "run --quiet --package xtask -- up --once --n 3000 --port 0 --data");
    let once = Step { cargo: [once.cargo, vec![folder.to_string_lossy().into_owned()]].concat(), ..once };
    vec![
        desk.tests(
            "tests",
            "nextest run --workspace --features service/failpoints --no-fail-fast",
            "test --workspace --features service/failpoints --lib --bins --tests --no-fail-fast",
            programs,
        ),
        with_programs(once, programs),
        Step::cargo("doc tests", "test --workspace --features service/failpoints --doc"),
        Step::cargo("doc", "doc --workspace --no-deps").with(&[("RUSTDOCFLAGS", "-D warnings")]),
    ]
}

fn conclude(steps: &Steps) {
    println!("\n{}", steps.table());
    if steps.total() > LIMIT {
        println!("WARNING: over {} minutes; move what is long to `cargo xtask soak`", LIMIT.as_secs() / 60);
    }
    println!("all steps passed: {}", steps.names().join(", "));
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESK: Desk = Desk { nextest: true, ci: false, root: false };

    fn programs() -> Programs {
        Programs {
            xhpl: "/x/xhpl".into(),
            service: Some("/x/hpl-service".into()),
            node: Some("/x/hpl-node".into()),
            hpl: Some("/x/hpl".into()),
            browser: Some("/x/browser".into()),
        }
    }

    fn steps_of(desk: Desk, programs: &Programs) -> Vec<Step> {
        after(desk, programs, Path::new("/a folder/test-up"))
    }

    fn tests_of(desk: Desk) -> Step {
        steps_of(desk, &programs()).remove(0)
    }

    #[test]
    fn tests_know_where_the_programs_are() {
        let named = |env: &[(String, String)]| env.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>();
        let all = [
            "HPLAAS_XHPL=/x/xhpl",
            "HPLAAS_SERVICE=/x/hpl-service",
            "HPLAAS_NODE=/x/hpl-node",
            "HPLAAS_HPL=/x/hpl",
            "HPL_BROWSER=/x/browser",
        ];
        assert_eq!(named(&tests_of(DESK).env), all);
        let least = Programs { service: None, node: None, hpl: None, browser: None, ..programs() };
        assert_eq!(named(&steps_of(DESK, &least)[0].env), all[..1]);
    }

    #[test]
    fn the_chain_runs_once_with_the_programs_that_were_tested() {
        let steps = steps_of(DESK, &programs());
        let step = steps.iter().find(|step| step.name == "up --once").unwrap();
        assert_eq!(step.env, tests_of(DESK).env);
        assert_eq!(step.cargo.last().unwrap(), "/a folder/test-up");
        assert!(step.cargo.join(" ").starts_with("run --quiet --package xtask -- up --once --n "), "{:?}", step.cargo);
    }

    #[test]
    fn the_service_is_tested_with_its_fail_points_and_checked_without() {
        let lines = |steps: Vec<Step>| steps.into_iter().map(|s| s.cargo.join(" ")).collect::<Vec<_>>();
        let points = |line: &&String| line.contains("--features service/failpoints");
        let (before, after) = (lines(before()), lines(steps_of(DESK, &programs())));
        assert_eq!(before.iter().filter(points).count(), 1, "{before:?}");
        assert_eq!(before.iter().filter(|line| line.starts_with("clippy")).count(), 2, "{before:?}");
        let tests = after.iter().filter(|line| line.contains("test ") || line.starts_with("nextest"));
        assert!(tests.clone().count() == 2 && tests.clone().all(|line| points(&line)), "{after:?}");
    }

    #[test]
    fn ci_requires_the_reference_and_root_may_launch() {
        let step = tests_of(Desk { ci: true, root: true, ..DESK });
        let has = |name: &str| step.env.iter().any(|(k, v)| k == name && v == "1");
        assert!(has("HPLAAS_REQUIRE_HPCC"));
        assert!(has("OMPI_ALLOW_RUN_AS_ROOT") && has("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"));
    }

    #[test]
    fn without_nextest_the_same_tests_run() {
        assert_eq!(
            tests_of(DESK).cargo.join(" "),
            "nextest run --workspace --features service/failpoints --no-fail-fast"
        );
        let plain = tests_of(Desk { nextest: false, ..DESK });
        let line = "test --workspace --features service/failpoints --lib --bins --tests --no-fail-fast";
        assert_eq!(plain.cargo.join(" "), line);
    }
}
