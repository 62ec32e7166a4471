//! `cargo xtask test`, all that CI runs, and `cargo xtask soak`, what takes longer.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::build;
use crate::error::Error;
use crate::launch;
use crate::needs::Purpose;
use crate::setup;
use crate::steps::{Step, Steps};

/// A gate that takes longer than this is no longer run by people.
const LIMIT: Duration = Duration::from_secs(25 * 60);

/// What decides how the tests are run.
#[derive(Debug, Clone, Copy)]
struct Desk {
    nextest: bool,
    ci: bool,
    root: bool,
}

impl Desk {
    fn here() -> Desk {
        Desk { nextest: setup::on_path("cargo-nextest"), ci: setup::in_ci(), root: setup::is_root() }
    }

    fn tests(self, name: &'static str, nextest: &str, plain: &str, xhpl: &Path) -> Step {
        let step = Step::cargo(name, if self.nextest { nextest } else { plain });
        let step = step.with(&[("HPLAAS_XHPL", &xhpl.to_string_lossy())]);
        let step = if self.ci { step.with(&[("HPLAAS_REQUIRE_HPCC", "1")]) } else { step };
        if self.root { step.with(&launch::AS_ROOT) } else { step }
    }
}

/// Runs everything that CI runs, and prints the minutes of each step.
///
/// # Errors
/// The first step that fails.
pub fn test() -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    for step in before() {
        steps.run(&step)?;
    }
    println!("\n==> build xhpl");
    let xhpl = steps.act("build xhpl", || build::xhpl(build::Profile::Dev))?;
    for step in after(Desk::here(), &xhpl) {
        steps.run(&step)?;
    }
    conclude(&steps);
    Ok(())
}

/// Runs the long tests: those marked `#[ignore]`, in a release build.
///
/// # Errors
/// The first step that fails.
pub fn soak() -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    println!("\n==> build xhpl");
    let xhpl: PathBuf = steps.act("build xhpl", || build::xhpl(build::Profile::Release))?;
    steps.run(&Desk::here().tests(
        "long tests",
        "nextest run --release --package validation --run-ignored only --no-fail-fast --no-tests warn",
        "test --release --package validation -- --ignored",
        &xhpl,
    ))?;
    println!("\n{}", steps.table());
    Ok(())
}

fn before() -> Vec<Step> {
    vec![
        Step::cargo("format", "fmt --all --check"),
        Step::cargo("clippy", "clippy --workspace --all-targets -- -D warnings"),
    ]
}

fn after(desk: Desk, xhpl: &Path) -> Vec<Step> {
    vec![
        desk.tests(
            "tests",
            "nextest run --workspace --no-fail-fast",
            "test --workspace --lib --bins --tests --no-fail-fast",
            xhpl,
        ),
        Step::cargo("doc tests", "test --workspace --doc"),
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

    fn tests_of(desk: Desk) -> Step {
        after(desk, Path::new("/x/xhpl")).remove(0)
    }

    #[test]
    fn tests_know_where_xhpl_is() {
        let env = vec![("HPLAAS_XHPL".to_owned(), "/x/xhpl".to_owned())];
        assert_eq!(tests_of(DESK).env, env);
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
        assert_eq!(tests_of(DESK).cargo.join(" "), "nextest run --workspace --no-fail-fast");
        let plain = tests_of(Desk { nextest: false, ..DESK });
        assert_eq!(plain.cargo.join(" "), "test --workspace --lib --bins --tests --no-fail-fast");
    }
}
