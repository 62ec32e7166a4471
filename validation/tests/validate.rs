//! A small draw of what `cargo xtask validate` does, and the program itself on a reference that lies.
#![forbid(unsafe_code)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use hpl_spec::Sweep;
use validation::program;
use validation::validate::agree::{Comparison, NAMES, UNIT};
use validation::validate::draw::draw;
use validation::validate::hold;
use validation::validate::reference::Reference;

/// Twenty sets: through `mpirun` and through threads, in both send modes.
#[test]
fn a_small_draw_agrees_with_netlibs_code() {
    let reference = match Reference::hpcc() {
        Ok(reference) => reference,
        Err(missing) => {
            assert!(std::env::var_os("HPLAAS_REQUIRE_HPCC").is_none_or(|value| value != "1"), "{missing}");
            eprintln!("SKIPPED: {missing}");
            return;
        }
    };
    let inputs = draw(2026, 20);
    let records: Vec<_> = inputs.iter().flat_map(|input| hold(input, &reference).records).collect();
    assert!(records.len() >= 20 && inputs.len() >= 3, "{inputs:?}");
    let mut compared = 0;
    for record in &records {
        assert!(record.agrees(), "{record:?}");
        if record.comparison() == Comparison::Agrees {
            compared += 1;
            // It would not with a norm of ours that is off by two units more than the one that it may be off by.
            let mut off = record.clone();
            let ours = off.ours.as_mut().unwrap();
            ours.norms.as_mut().unwrap().a_1 += 3.0 * UNIT;
            assert!(matches!(off.comparison(), Comparison::Norms(found) if found[0].what == NAMES[1]), "{off:?}");
        }
    }
    assert!(compared >= 10, "{compared} of {}", records.len());
}

/// `validate` on a reference that is our own program, but prints ||A||_1 so many units larger than it is.
fn beside_a_liar(folder: &Path, units: u32) -> Output {
    let liar = folder.join("liar");
    let script = format!(
        "#!/bin/sh\n\
         {} || exit 1\n\
         test \"${{OMPI_COMM_WORLD_RANK:-${{PMI_RANK:-0}}}}\" = 0 || exit 0\n\
         awk '/^\\|\\|A\\|\\|_1 / {{ sub(/[0-9]+[.][0-9]+$/, sprintf(\"%.6f\", $NF + {units} * 1e-6)) }} {{ print }}' HPL.out > lie && mv lie HPL.out\n",
        program::xhpl().display()
    );
    fs::write(&liar, script).unwrap();
    fs::set_permissions(&liar, fs::Permissions::from_mode(0o755)).unwrap();
    let mut validate = Command::new(env!("CARGO_BIN_EXE_validate"));
    validate
        .args(["--seed", "4", "--sets", "8", "--reference"])
        .arg(&liar)
        .arg("--write")
        .arg(folder.join("report.md"));
    validate.env("HPLAAS_XHPL", program::xhpl()).output().unwrap()
}

#[test]
fn two_units_of_the_last_digit_are_found_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let one = beside_a_liar(folder.path(), 1);
    assert!(one.status.success(), "{}", String::from_utf8_lossy(&one.stderr));
    let report = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(report.contains(" 0 disagree.**") && report.contains("| agrees | PASSED |"), "{report}");

    let two = beside_a_liar(folder.path(), 2);
    let said = String::from_utf8_lossy(&two.stderr);
    assert_eq!(two.status.code(), Some(1), "{said}");
    for words in ["||A||_1 is ", "they may be 0.000001 apart", "cargo xtask validate --seed 4 --sets 8 --only ", "-np "]
    {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    let dat: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("    ")).map(str::trim_start).collect();
    let sweep = Sweep::parse(&dat.join("\n"), 12).unwrap();
    assert_eq!(sweep.tests(), 1);
    let drawn = draw(4, 8);
    assert!(drawn.iter().flat_map(|input| input.sweep.runs()).any(|params| sweep.runs().eq([params])), "{said}");
    let report = fs::read_to_string(folder.path().join("report.md")).unwrap();
    assert!(report.contains(" disagrees\n") && report.contains("| PASSED, disagrees |"), "{report}");
}

#[test]
fn what_cannot_be_done_is_said() {
    for (options, words) in [
        (&["--reference", "/no/such/xhpl"][..], "--reference /no/such/xhpl: No such file"),
        (&["--reference", "/bin/sh", "--sets", "0"], "--sets 0: found no sets"),
        (&["--reference", "/bin/sh", "--sets", "8", "--only", "99"], "--only 99: this draw has the sets 1 to "),
    ] {
        let said = Command::new(env!("CARGO_BIN_EXE_validate")).args(options).output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.code() == Some(1) && error.contains(words), "{options:?}: {error}");
    }
}
