//! The two programs without which nothing runs: the launcher and the benchmark.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use hpl_spec::node::NodeInfo;

use super::{Ability, Options, State};
use crate::host::environment::{mpi_version, program_version};
use crate::host::preflight::not_executable;
use crate::host::said::ask;

/// How long a trial with two ranks may take.
const TRIAL: Duration = Duration::from_secs(20);
/// How long the benchmark may take to describe itself.
const DESCRIBE: Duration = Duration::from_secs(10);
/// What a rank of the trial says.
const HELLO: &str = "hello";
/// The order of the matrix of the trial: its solution takes no time, and it is checked like any other.
const TRIAL_N: &str = "64";

const NO_JOB: &str = "no job can run here";

/// A command line of the launcher for `ranks` ranks: more of them than cores are allowed, and so is root.
fn launcher(mpirun: &Path, ranks: u32, version: &str) -> Command {
    let mut command = Command::new(mpirun);
    command.args(["-np", &ranks.to_string()]);
    if version.starts_with("Open MPI") {
        command.args(["--oversubscribe", "--bind-to", "none"]);
        if rustix::process::geteuid().is_root() {
            command.env("OMPI_ALLOW_RUN_AS_ROOT", "1").env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        }
    }
    command
}

/// Whether two ranks can be started.
#[must_use]
pub fn mpi(options: &Options) -> Ability {
    let install = "install an MPI (Debian, Ubuntu: apt install openmpi-bin; Fedora, RHEL: dnf install openmpi), \
                   or say where it is with --mpirun PATH";
    if let Some(why) = cannot_start("mpirun", &options.mpirun) {
        return Ability::lacks("mpi", State::No, why, NO_JOB, install);
    }
    let version = match mpi_version(&options.mpirun) {
        Ok(version) => version,
        Err(why) => return Ability::lacks("mpi", State::No, why, NO_JOB, install),
    };
    if options.run_is_on {
        return Ability::has("mpi", version);
    }
    let hellos = |text: &str| text.lines().filter(|line| line.trim() == HELLO).count();
    let (wrong, hint) = match ask(launcher(&options.mpirun, 2, &version).args(["echo", HELLO]), TRIAL) {
        Ok(said) if said.status.success() && hellos(&said.out) == 2 => {
            return Ability::has("mpi", format!("{version}, starts two ranks"));
        }
        Ok(said) => (format!("{}: {}", said.status, said.words()), ""),
        Err(why) => (why, "; a host name that cannot be looked up is the commonest reason: add it to /etc/hosts"),
    };
    let mend = by_hand(&options.mpirun, &["echo", HELLO]) + hint;
    Ability::lacks("mpi", State::No, format!("{version}, but two ranks do not start: {wrong}"), NO_JOB, mend)
}

/// What is wrong with the program; its name stands before it in the table already.
fn cannot_start(name: &str, path: &Path) -> Option<String> {
    not_executable(name, path).map(|why| why.strip_prefix(&format!("{name}: ")).unwrap_or(&why).to_owned())
}

fn by_hand(mpirun: &Path, arguments: &[&str]) -> String {
    format!("see what it says: {} -np 2 {}", mpirun.display(), arguments.join(" "))
}

/// Whether the benchmark is there, describes the node, and solves a small system on two ranks.
#[must_use]
pub fn xhpl(options: &Options) -> Ability {
    let build = "build it (cargo build --release -p hpl-mpi) and put it beside hpl-node or on the PATH, or say where \
                 it is with --xhpl PATH";
    if let Some(why) = cannot_start("xhpl", &options.xhpl) {
        return Ability::lacks("xhpl", State::No, why, NO_JOB, build);
    }
    let version = match program_version(&options.xhpl) {
        Ok(version) => version,
        Err(why) => return Ability::lacks("xhpl", State::No, why, NO_JOB, build),
    };
    let described = ask(Command::new(&options.xhpl).arg("describe"), DESCRIBE)
        .and_then(|said| parse_description(&said.out).map_err(|why| format!("{why}: {}", said.words())));
    let info = match described {
        Ok(info) => info,
        Err(why) => {
            let found = format!("{version}, but `describe` is not understood: {why}");
            return Ability::lacks("xhpl", State::No, found, NO_JOB, "use the xhpl of this hpl-node's own release");
        }
    };
    let found = format!("{version}, kernel {}, {} cores", info.kernel, info.cores);
    if options.run_is_on || not_executable("mpirun", &options.mpirun).is_some() {
        return Ability::has("xhpl", found);
    }
    let trial = ["--n", TRIAL_N, "--strict"];
    let mpi = mpi_version(&options.mpirun).unwrap_or_default();
    let mut command = launcher(&options.mpirun, 2, &mpi);
    // a launcher takes a name without a folder for one to be looked up on the PATH
    let program = std::path::absolute(&options.xhpl).unwrap_or_else(|_| options.xhpl.clone());
    let wrong = match ask(command.arg(&program).args(trial), TRIAL) {
        Ok(said) if said.status.success() => return Ability::has("xhpl", found + ", solves on two ranks"),
        Ok(said) => format!("{}: {}", said.status, said.words()),
        Err(why) => why,
    };
    let program = program.display().to_string();
    let mend = format!(
        "{}; it must be built against this MPI",
        by_hand(&options.mpirun, &[&[program.as_str()], &trial[..]].concat())
    );
    Ability::lacks("xhpl", State::No, format!("{found}, but two ranks do not solve N={TRIAL_N}: {wrong}"), NO_JOB, mend)
}

/// The answer of `xhpl describe`.
fn parse_description(text: &str) -> Result<NodeInfo, String> {
    serde_json::from_str(text).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn script(folder: &Path, name: &str, body: &str) -> std::path::PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn options(mpirun: &Path, xhpl: &Path) -> Options {
        let (xhpl, mpirun) = (xhpl.to_owned(), mpirun.to_owned());
        Options { data: "/".into(), xhpl, mpirun, disk_needed: 0, run_is_on: false, helper: vec![] }
    }

    #[test]
    fn launchers_that_do_not_launch_are_found_out() {
        let scratch = tempfile::tempdir().unwrap();
        let nothing = scratch.path().join("nothing");
        let found = |body: &str| mpi(&options(&script(scratch.path(), "mpirun", body), &nothing));
        let mute = found("exit 0");
        assert_eq!((mute.state, mute.stops()), (State::No, true));
        assert!(mute.found.contains("expected the name of an MPI"), "{mute:?}");
        let one =
            found("case $1 in --version) echo 'mpirun (Open MPI) 9.9';; *) echo hello; echo 'no slots' >&2;; esac");
        assert_eq!(one.state, State::No);
        assert!(one.found.starts_with("Open MPI 9.9, but two ranks do not start"), "{one:?}");
        assert!(one.found.ends_with("no slots") && one.mend.contains("-np 2 echo hello"), "{one:?}");
        let two = found("case $1 in --version) echo 'Other 1.0';; *) echo hello; echo hello;; esac");
        assert_eq!((two.state, two.found.as_str()), (State::Yes, "Other 1.0, starts two ranks"));
        assert!(mpi(&options(&nothing, &nothing)).found.contains("No such file"));
    }

    #[test]
    fn a_benchmark_that_does_not_describe_itself_is_none() {
        let scratch = tempfile::tempdir().unwrap();
        let program = script(scratch.path(), "xhpl", "echo netlib");
        let found = xhpl(&options(Path::new("/no/mpirun"), &program));
        assert_eq!(found.state, State::No);
        assert!(found.found.starts_with("netlib, but `describe` is not understood"), "{found:?}");
        let silent = script(scratch.path(), "silent", "echo sorry >&2; exit 4");
        let found = xhpl(&options(Path::new("/no/mpirun"), &silent));
        assert!(found.found.ends_with("exit status: 4: sorry"), "{found:?}");
    }
}
