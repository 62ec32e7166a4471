//! `cargo xtask validate`: builds xhpl and starts the comparison with netlib's code, the program of `validation`.

use crate::build::{self, Profile, XHPL};
use crate::error::Error;
use crate::needs::Purpose;
use crate::setup;
use crate::steps::{Step, Steps};

/// Compares; `arguments` are those of the comparison.
///
/// # Errors
/// Set-up or building failed, or a parameter set disagrees.
pub fn validate(arguments: &[String]) -> Result<(), Error> {
    let mut steps = Steps::default();
    steps.act("set-up", || setup::ensure(Purpose::Test))?;
    println!("\n==> build xhpl");
    let [xhpl] = steps.act("build xhpl", || build::programs(Profile::Release, [XHPL]))?;
    let step = step(arguments).with(&[(XHPL.variable, &xhpl.to_string_lossy())]);
    steps.run(&if setup::is_root() { step.with(&setup::AS_ROOT) } else { step })
}

fn step(arguments: &[String]) -> Step {
    let mut step = Step::cargo("validate", "run --release --quiet --package validation --bin validate --");
    step.cargo.extend(arguments.iter().cloned());
    step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_options_are_passed_on_as_they_are() {
        let step = step(&["--reference".into(), "/a folder/xhpl".into()]);
        assert_eq!(step.cargo[step.cargo.len() - 3..], ["--", "--reference", "/a folder/xhpl"]);
        assert!(step.cargo.join(" ").starts_with("run --release "), "{:?}", step.cargo);
    }
}
