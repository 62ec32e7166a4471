//! How the daemon starts a shim.
//!
//! Where systemd runs and control groups are of version 2, `systemd-run` starts it in a scope of its own, to which the
//! controllers are delegated: then a run has its bounds even if somebody typed `hpl-node run` in a terminal, and the
//! daemon's service can be restarted while the run goes on (systemd cannot put a new daemon into a group whose
//! controllers are dealt out). Everywhere else, and if `systemd-run` fails, it is simply started.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

use super::STACK;
use crate::cgroup::Trees;
use crate::folder::RunFolder;

/// There if and only if systemd is what started this system.
const SYSTEMD: &str = "/run/systemd/system";
/// What `systemd-run --user` needs to find the user's own systemd.
const OF_USER: &[&str] = &["XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"];

/// Starts the shim of a run, which then no longer needs this process. It may take some seconds until shim.json is
/// there.
///
/// # Errors
/// The folder or the program cannot be reached, or no process can be made.
pub fn spawn(folder: &RunFolder) -> io::Result<()> {
    // the very file that runs, even if another lies in its place by now
    spawn_program(Path::new(&format!("/proc/{}/exe", std::process::id())), folder)
}

/// The same with the `hpl-node` at `program`.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_program(program: &Path, folder: &RunFolder) -> io::Result<()> {
    begin(program, folder, scope().as_deref()).map(drop)
}

/// `systemd-run`, if a scope is to be had and of use.
fn scope() -> Option<PathBuf> {
    let trees = Trees::of_self();
    let of_use = Path::new(SYSTEMD).is_dir() && trees.v2.is_some() && !trees.v1.contains_key("memory");
    let folders = std::env::var_os("PATH").filter(|_| of_use)?;
    std::env::split_paths(&folders).map(|folder| folder.join("systemd-run")).find(|path| path.is_file())
}

/// Starts it, with a thread that waits for its end: a shim that has ended stays in the table of processes until
/// somebody asks.
fn begin(program: &Path, folder: &RunFolder, scope: Option<&Path>) -> io::Result<thread::JoinHandle<()>> {
    let folder = RunFolder::at(folder.path().canonicalize()?);
    let log = folder.path().join("shim.log");
    let log = fs::OpenOptions::new().append(true).create(true).mode(0o600).open(log)?;
    let mut child = match scope {
        Some(scope) => within(scope, program, &folder, &log)?,
        None => plain(Command::new(program).arg0("hpl-node"), &folder, &log)?,
    };
    let (scoped, program) = (scope.is_some(), program.to_owned());
    let wait = move || {
        let ended = child.wait();
        let began = folder.shim().exists() || folder.exit().exists();
        if scoped && !began && !ended.is_ok_and(|status| status.success()) {
            // systemd-run says why in shim.log
            if let Ok(mut child) = plain(Command::new(program).arg0("hpl-node"), &folder, &log) {
                let _ = child.wait();
            }
        }
    };
    thread::Builder::new().name("shim-end".into()).stack_size(STACK).spawn(wait)
}

fn within(scope: &Path, program: &Path, folder: &RunFolder, log: &File) -> io::Result<Child> {
    let mut command = Command::new(scope);
    command.args(["--scope", "--quiet", "--collect", "--slice=hpl.slice", "--property=Delegate=yes"]);
    command.arg("--description=a run of hpl-node");
    if !rustix::process::geteuid().is_root() {
        command.arg("--user");
    }
    command.arg("--").arg(program).env_clear();
    command.envs(OF_USER.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    finish(&mut command, folder, log)
}

fn plain(command: &mut Command, folder: &RunFolder, log: &File) -> io::Result<Child> {
    finish(command.env_clear(), folder, log)
}

fn finish(command: &mut Command, folder: &RunFolder, log: &File) -> io::Result<Child> {
    command
        .arg("shim")
        .arg(folder.path())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log.try_clone()?)
        .spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program that writes down how it was called, and, as shims do, that it began.
    fn script(at: &Path, text: &str) {
        use std::io::Write;
        // closed before it is started, in a process that does not share the descriptor for writing
        let made =
            Command::new("sh").args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(at).stdin(Stdio::piped()).spawn();
        let mut made = made.unwrap();
        made.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{text}\n").as_bytes()).unwrap();
        assert!(made.wait().unwrap().success());
    }

    fn began(scope: Option<&str>) -> String {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let (program, starter) = (root.join("program"), root.join("systemd-run"));
        script(&program, "echo \"$@\" >> \"$2/calls\"; echo {} > \"$2/shim.json\"");
        let scope = scope.map(|text| {
            script(&starter, text);
            starter.as_path()
        });
        begin(&program, &RunFolder::at(&root), scope).unwrap().join().unwrap();
        let said = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        (said("scope") + &said("calls") + &said("shim.log")).replace(root.to_str().unwrap(), "ROOT")
    }

    #[test]
    fn a_shim_is_started_once_whatever_systemd_does() {
        assert_eq!(began(None), "shim ROOT\n");
        let user = if rustix::process::geteuid().is_root() { "" } else { " --user" };
        // as the real one does, it becomes the program
        let real =
            "echo \"$@\" > \"$(dirname \"$0\")/scope\"; while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"";
        let words = format!(
            "--scope --quiet --collect --slice=hpl.slice --property=Delegate=yes --description=a run of hpl-node{user} -- ROOT/program shim ROOT\nshim ROOT\n"
        );
        assert_eq!(began(Some(real)), words);
        assert_eq!(began(Some("echo no bus >&2; exit 1")), "shim ROOT\nno bus\n");
    }
}
