//! `cargo xtask setup` on a machine that is made up of scripts in one folder.
#![forbid(unsafe_code)]

mod scripts;

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use scripts::program;

/// A package manager that "installs" by making every program that is asked for.
/// It fails until its lists were fetched, as in a fresh container.
const APT: &str = r#"#!/bin/sh
here=$(dirname "$0")
echo "$@" >> "$here/apt.log"
if [ "$1" = update ]; then touch "$here/lists"; exit 0; fi
if [ ! -e "$here/lists" ] || [ -e "$here/broken" ]; then echo "E: Unable to locate package"; exit 100; fi
for name in mpicc mpirun hpcc; do printf '#!/bin/sh\n' > "$here/$name"; chmod +x "$here/$name"; done
"#;

/// A machine where all is there but MPI and hpcc.
fn machine() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for name in ["cc", "git", "curl", "chromium", "node", "npm", "python3"] {
        program(at, name, "#!/bin/sh\n");
    }
    program(at, "pkg-config", "#!/bin/sh\necho 2.9.0\n");
    program(at, "sudo", "#!/bin/sh\nshift\nexec \"$@\"\n");
    for name in ["true", "env", "touch", "chmod", "dirname"] {
        program(at, name, &format!("#!/bin/sh\nPATH=/usr/bin:/bin exec {name} \"$@\"\n"));
    }
    // env has to find apt-get here, not on the machine below.
    program(at, "env", "#!/bin/sh\nexport \"$1\"\nshift\nexec \"$@\"\n");
    fs::write(at.join("libclang.so"), "").unwrap();
    fs::write(at.join("libopenblas.so.0"), "").unwrap();
    folder
}

fn setup(machine: &TempDir, ci: bool) -> Output {
    let at = machine.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("setup").env("PATH", at).env("LIBCLANG_PATH", at).env("LD_LIBRARY_PATH", at);
    command.env_remove("MPICC").env_remove("MPI_PKG_CONFIG").env_remove("CI");
    command.env_remove("HPL_BROWSER");
    if ci {
        command.env("CI", "true");
    }
    command.output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

#[test]
fn what_is_missing_is_installed_quietly() {
    let machine = machine();
    program(machine.path(), "apt-get", APT);
    let output = setup(&machine, false);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("installed libopenmpi-dev openmpi-bin hpcc"), "{out}");
    assert!(!out.contains("E: "), "{out}");
    let install = "install -y --no-install-recommends libopenmpi-dev openmpi-bin hpcc\n";
    let asked = fs::read_to_string(machine.path().join("apt.log")).unwrap();
    assert_eq!(asked, format!("{install}update\n{install}"), "lists are fetched once, only when needed");

    let output = setup(&machine, false);
    assert_eq!(texts(&output).0, "all that is needed is there\n");
    assert_eq!(fs::read_to_string(machine.path().join("apt.log")).unwrap(), asked);
}

#[test]
fn a_failing_installation_shows_its_output() {
    let machine = machine();
    program(machine.path(), "apt-get", APT);
    fs::write(machine.path().join("broken"), "").unwrap();
    let output = setup(&machine, false);
    assert_eq!(output.status.code(), Some(1));
    let (_, err) = texts(&output);
    assert!(err.contains("E: Unable to locate package"), "{err}");
}

#[test]
fn where_nothing_may_be_installed_the_command_is_told() {
    let machine = machine();
    program(machine.path(), "dnf", "#!/bin/sh\n");
    let output = setup(&machine, false);
    assert_eq!(output.status.code(), Some(1));
    let (_, err) = texts(&output);
    assert!(err.contains("sudo dnf install openmpi-devel && export PATH"), "{err}");
    assert!(err.contains("(dnf has no package of hpcc)"), "{err}");
    assert!(!err.contains("apt-get"), "{err}");
}

#[test]
fn a_missing_reference_is_loud_on_a_desk_and_fatal_in_ci() {
    let machine = machine();
    for name in ["mpicc", "mpirun"] {
        program(machine.path(), name, "#!/bin/sh\n");
    }
    let desk = setup(&machine, false);
    assert!(desk.status.success());
    assert!(texts(&desk).1.contains("hpcc"), "{:?}", texts(&desk));
    let ci = setup(&machine, true);
    assert_eq!(ci.status.code(), Some(1));
    assert!(texts(&ci).1.contains("hpcc"), "{:?}", texts(&ci));
}

#[test]
fn what_only_tests_need_is_fetched_as_well() {
    let machine = machine();
    program(machine.path(), "apt-get", &APT.replace("mpicc mpirun hpcc", "mpicc mpirun hpcc chromium npm"));
    for name in ["chromium", "npm"] {
        fs::remove_file(machine.path().join(name)).unwrap();
    }
    let output = setup(&machine, false);
    let (out, err) = texts(&output);
    assert!(output.status.success(), "{out}\n{err}");
    assert!(out.contains("installed libopenmpi-dev openmpi-bin hpcc chromium nodejs npm"), "{out}");
}
