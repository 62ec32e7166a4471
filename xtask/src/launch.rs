//! Starting `xhpl` under `mpirun` as a process group of its own, and ending the whole group.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::error::Error;
use crate::setup::{is_root, says};

/// Open MPI refuses to start as root without these; a container often has no other user.
pub const AS_ROOT: [(&str, &str); 2] = [("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")];

/// How long a group may take to end by itself once it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// The scratch folder of a run and the files in it.
#[derive(Debug, Clone)]
pub struct Work(PathBuf);

impl Work {
    /// An empty folder at `path`: what an earlier run left there is gone.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn fresh(path: &Path) -> Result<Work, Error> {
        if path.exists() {
            std::fs::remove_dir_all(path).map_err(Error::file(path))?;
        }
        std::fs::create_dir_all(path).map_err(Error::file(path))?;
        Ok(Work(path.canonicalize().map_err(Error::file(path))?))
    }

    /// The parameters.
    pub fn dat(&self) -> PathBuf {
        self.0.join("HPL.dat")
    }

    /// The report in netlib's form.
    pub fn out(&self) -> PathBuf {
        self.0.join("HPL.out")
    }

    /// The report as JSON.
    pub fn json(&self) -> PathBuf {
        self.0.join("report.json")
    }

    /// The events, one JSON object a line.
    pub fn events(&self) -> PathBuf {
        self.0.join("events.jsonl")
    }

    /// What mpirun and the ranks say on stdout and stderr.
    pub fn said(&self) -> PathBuf {
        self.0.join("mpirun.log")
    }
}

/// Whose mpirun this is: they differ in their options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Launcher {
    OpenMpi,
    Other,
}

impl Launcher {
    fn of(version: &str) -> Launcher {
        if version.contains("Open MPI") || version.contains("OpenRTE") { Launcher::OpenMpi } else { Launcher::Other }
    }

    /// The options before the program. A rank's own threads need all of its node's cores: no binding.
    fn options(self, ranks: usize, cores: usize) -> Vec<String> {
        let mut options = vec!["-np".to_owned(), ranks.to_string(), "--bind-to".into(), "none".into()];
        if self == Launcher::OpenMpi && ranks > cores {
            options.push("--oversubscribe".into());
        }
        options
    }
}

/// A run under way. Dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts `ranks` ranks of `xhpl` in the folder of `work`.
    ///
    /// # Errors
    /// If mpirun cannot be started.
    pub fn start(xhpl: &Path, work: &Work, ranks: usize, cores: usize) -> Result<Running, Error> {
        let launcher = Launcher::of(&says("mpirun", &["--version"]).unwrap_or_default());
        let said = File::create(work.said()).map_err(Error::file(work.said()))?;
        let also = said.try_clone().map_err(Error::file(work.said()))?;
        let mut command = Command::new("mpirun");
        command.args(launcher.options(ranks, cores)).arg(xhpl);
        command.arg("--dat").arg(work.dat());
        command.arg("--events").arg(work.events());
        command.arg("--json").arg(work.json());
        if is_root() {
            command.envs(AS_ROOT);
        }
        // A group of its own: Ctrl-C on the terminal reaches us alone, and we end the group in order.
        command.current_dir(&work.0).process_group(0);
        command.stdin(Stdio::null()).stdout(said).stderr(also);
        let child = command.spawn().map_err(Error::start("mpirun"))?;
        Ok(Running { child, ended: None })
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// If the system cannot say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().map_err(Error::start("mpirun"))?;
        }
        Ok(self.ended)
    }

    /// Asks the group to end, waits, and ends it for good if it does not.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while matches!(self.ended(), Ok(None)) {
            if asked.elapsed() > GRACE {
                self.signal(Signal::KILL);
                // After KILL this cannot take long, and a failure leaves nothing to do.
                let _ = self.child.wait();
                return;
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // The group can have ended in this very moment: then there is nobody left to signal.
            let _ = kill_process_group(Pid::from_child(&self.child), signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_are_told_apart() {
        assert_eq!(Launcher::of("mpirun (Open MPI) 4.1.4\n\nReport bugs"), Launcher::OpenMpi);
        assert_eq!(Launcher::of("HYDRA build details:"), Launcher::Other);
    }

    #[test]
    fn only_open_mpi_is_told_to_oversubscribe_and_only_when_needed() {
        assert_eq!(Launcher::OpenMpi.options(1, 2), ["-np", "1", "--bind-to", "none"]);
        assert!(Launcher::OpenMpi.options(4, 2).contains(&"--oversubscribe".to_owned()));
        assert!(!Launcher::Other.options(4, 2).contains(&"--oversubscribe".to_owned()));
    }
}
