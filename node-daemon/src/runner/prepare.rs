//! The attempt's folder, and what the shim is to start.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hpl_spec::api::agent::{Assignment, Limits};

use super::Failure;
use super::program::Program;
use crate::folder::{RunFolder, write_json};
use crate::launch::{Launch, RunLimits};

/// Memory that is left to the daemon and the system.
pub const MEMORY_KEPT: u64 = 512 << 20;
/// Free bytes below which a run is ended: what its end takes to be written down.
const DISK_KEPT: u64 = 96 << 20;
/// What a work folder may hold beside the artifacts.
const SCRATCH: u64 = 256 << 20;

/// The programs of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The benchmark.
    pub xhpl: PathBuf,
    /// The launcher.
    pub mpirun: PathBuf,
    /// Whose launcher it is.
    pub launcher: Launcher,
    /// The benchmark's profile of this CPU.
    pub profile: Option<PathBuf>,
    /// Folders that a run may read besides.
    pub read: Vec<PathBuf>,
}

/// Whose `mpirun` it is: they differ in their options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Launcher {
    /// Open MPI.
    OpenMpi,
    /// Another one, such as MPICH's Hydra.
    Other,
}

impl Launcher {
    /// By what `mpirun --version` says.
    #[must_use]
    pub fn of(version: &str) -> Launcher {
        if version.contains("Open MPI") || version.contains("OpenRTE") { Launcher::OpenMpi } else { Launcher::Other }
    }

    /// The options before the program. A rank places its own threads, so the launcher is to bind none.
    fn options(self, ranks: usize, cores: usize) -> Vec<String> {
        let mut options = vec!["-np".to_owned(), ranks.to_string(), "--bind-to".into(), "none".into()];
        if self == Launcher::OpenMpi && ranks > cores {
            options.push("--oversubscribe".into());
        }
        options
    }
}

/// What the node has for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Cores that it may use.
    pub cores: usize,
    /// Bytes of memory that are free.
    pub memory: u64,
    /// User and group that runs have.
    pub run_as: Option<(u32, u32)>,
    /// Whether the daemon is root.
    pub root: bool,
}

/// Variables of the daemon's own environment that a run gets: where libraries lie, and settings of MPI.
const PASSED_ON: &[&str] = &["LD_LIBRARY_PATH", "OPAL_PREFIX"];
const PASSED_ON_BEGINNING: &[&str] = &["OMPI_MCA_", "PMIX_MCA_", "UCX_", "FI_", "HWLOC_", "MPIR_CVAR_"];

/// Makes the work folder with its input files and writes `launch.json`.
///
/// # Errors
/// [`Failure`]: the assignment is none that can be run here, or the disk does not take it.
pub fn prepare(
    folder: &RunFolder,
    assignment: &Assignment,
    programs: &Programs,
    room: &Room,
    limits: &Limits,
) -> Result<Launch, Failure> {
    let launch = plan(folder, assignment, programs, room, limits, std::env::vars())?;
    write(folder, assignment, &launch).map_err(|e| {
        let full = e.kind() == io::ErrorKind::StorageFull || e.raw_os_error() == Some(libc::EDQUOT);
        let code = if full { "disk_full" } else { "work_folder" };
        Failure::infra(code, format!("the work folder {} cannot be made: {e}", folder.work().display()))
    })?;
    Ok(launch)
}

fn write(folder: &RunFolder, assignment: &Assignment, launch: &Launch) -> io::Result<()> {
    let work = folder.work();
    // Left by a daemon that was killed while it prepared: nothing ran there yet.
    if work.exists() {
        std::fs::remove_dir_all(&work)?;
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&work)?;
    for input in &assignment.inputs {
        std::fs::write(work.join(&input.name), &input.text)?;
    }
    if let Some((uid, gid)) = launch.run_as {
        let mine = |path: &Path| std::os::unix::fs::chown(path, Some(uid), Some(gid));
        mine(&work)?;
        for input in &assignment.inputs {
            mine(&work.join(&input.name))?;
        }
    }
    write_json(&folder.launch(), launch)
}

/// What the shim is to start: pure.
fn plan(
    folder: &RunFolder,
    assignment: &Assignment,
    programs: &Programs,
    room: &Room,
    limits: &Limits,
    environment: impl Iterator<Item = (String, String)>,
) -> Result<Launch, Failure> {
    let program = Program::find(&assignment.benchmark)?;
    let mut argv = vec![programs.mpirun.display().to_string()];
    argv.extend(programs.launcher.options(assignment.ranks, room.cores));
    argv.push(programs.xhpl.display().to_string());
    argv.extend(program.arguments(assignment, programs.profile.as_deref())?);
    let id = assignment.attempt.as_str();
    // The end of an id is random; Open MPI's sockets below this folder must stay under 108 characters.
    let tmp = std::env::temp_dir().join(format!("hpl-{}", &id[id.len().saturating_sub(12)..]));
    let threads = room.cores.max(assignment.ranks);
    Ok(Launch {
        env: environment_of(programs, &tmp, &folder.work(), room.root && room.run_as.is_none(), environment),
        argv,
        work: folder.work(),
        tmp,
        read: readable(programs),
        walltime_s: assignment.walltime_s,
        group: format!("hpl-{id}"),
        run_as: room.run_as,
        limits: RunLimits {
            memory_bytes: room.memory.saturating_sub(MEMORY_KEPT),
            // MPI's own threads and the launcher beside those that compute.
            processes: u32::try_from(64 + 4 * threads + 16 * assignment.ranks).unwrap_or(u32::MAX),
            file_bytes: limits.artifact_bytes + SCRATCH,
            work_bytes: limits.artifact_bytes + SCRATCH,
            log_bytes: limits.log_bytes,
            disk_reserve: DISK_KEPT,
        },
    })
}

/// Programs and the folders of libraries that lie beside them, as in `/opt/openmpi/{bin,lib,share}`.
fn readable(programs: &Programs) -> Vec<PathBuf> {
    let mut read = programs.read.clone();
    read.extend(programs.profile.clone());
    for program in [&programs.xhpl, &programs.mpirun] {
        read.push(program.clone());
        let real = program.canonicalize().unwrap_or_else(|_| program.clone());
        if let Some(prefix) = real.parent().filter(|bin| bin.ends_with("bin")).and_then(Path::parent) {
            read.extend(["bin", "lib", "lib64", "share", "etc"].map(|inner| prefix.join(inner)));
        }
        read.push(real);
    }
    read.sort();
    read.dedup();
    read
}

fn environment_of(
    programs: &Programs,
    tmp: &Path,
    work: &Path,
    as_root: bool,
    environment: impl Iterator<Item = (String, String)>,
) -> BTreeMap<String, String> {
    let passed = |name: &str| PASSED_ON.contains(&name) || PASSED_ON_BEGINNING.iter().any(|b| name.starts_with(b));
    let mut env: BTreeMap<_, _> = environment.filter(|(name, _)| passed(name)).collect();
    let mut path: Vec<String> = programs.mpirun.parent().map(|p| p.display().to_string()).into_iter().collect();
    path.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(str::to_owned));
    path.dedup();
    env.insert("PATH".into(), path.join(":"));
    env.insert("HOME".into(), work.display().to_string());
    env.insert("TMPDIR".into(), tmp.display().to_string());
    env.insert("LANG".into(), "C.UTF-8".into());
    if as_root && programs.launcher == Launcher::OpenMpi {
        env.insert("OMPI_ALLOW_RUN_AS_ROOT".into(), "1".into());
        env.insert("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM".into(), "1".into());
    }
    env
}

#[cfg(test)]
mod tests {
    use hpl_spec::benchmark::Input;
    use serde_json::json;

    use super::*;

    fn assignment(ranks: usize) -> Assignment {
        let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        Assignment {
            job: id.parse().unwrap(),
            attempt: id.parse().unwrap(),
            fence: 1,
            token: "secret".into(),
            owner: "ada".into(),
            benchmark: "hpl".into(),
            parameters: json!({}),
            inputs: vec![Input { name: "HPL.dat".into(), text: "…".into() }],
            ranks,
            bytes_per_rank: 1 << 30,
            walltime_s: 60,
        }
    }

    fn programs() -> Programs {
        Programs {
            xhpl: "/opt/hpl/xhpl".into(),
            mpirun: "/opt/mpi/bin/mpirun".into(),
            launcher: Launcher::OpenMpi,
            profile: None,
            read: vec![],
        }
    }

    const ROOM: Room = Room { cores: 2, memory: 8 << 30, run_as: None, root: true };

    fn limits() -> Limits {
        crate::agent::Agent::new(None, None).limits()
    }

    fn planned(assignment: &Assignment, environment: &[(&str, &str)]) -> Result<Launch, Failure> {
        let given = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        plan(&RunFolder::at("/data/runs/a"), assignment, &programs(), &ROOM, &limits(), given)
    }

    #[test]
    fn a_job_becomes_numbers_in_an_argument_list() {
        let launch = planned(&assignment(1), &[]).unwrap();
        let line = "/opt/mpi/bin/mpirun -np 1 --bind-to none /opt/hpl/xhpl --dat HPL.dat --tee \
                    --events events.jsonl --json report.json --profile none";
        assert_eq!(launch.argv.join(" "), line);
        assert_eq!(launch.limits.memory_bytes, (8 << 30) - MEMORY_KEPT);
        assert!(launch.tmp.as_os_str().len() < 40, "{:?}", launch.tmp);
        assert!(planned(&assignment(4), &[]).unwrap().argv.contains(&"--oversubscribe".to_owned()));
        assert!(launch.read.contains(&"/opt/mpi/lib".into()) && !launch.read.contains(&"/opt/hpl/lib".into()));
        let tuned = Programs { profile: Some("/etc/hpl/zen.json".into()), ..programs() };
        let launch = plan(&RunFolder::at("/data/runs/a"), &assignment(1), &tuned, &ROOM, &limits(), std::iter::empty());
        let launch = launch.unwrap();
        assert!(launch.argv.ends_with(&["--profile".to_owned(), "/etc/hpl/zen.json".into()]));
        assert!(launch.read.contains(&"/etc/hpl/zen.json".into()));
    }

    #[test]
    fn the_environment_is_chosen_and_holds_no_secret() {
        let ours = [("AWS_SECRET", "x"), ("HPL_NODE_DATA", "/d"), ("OMPI_MCA_btl", "self"), ("PATH", "/evil")];
        let env = planned(&assignment(1), &ours).unwrap().env;
        assert_eq!(env["OMPI_MCA_btl"], "self");
        assert_eq!(env["PATH"], "/opt/mpi/bin:/usr/local/bin:/usr/bin:/bin");
        assert_eq!(env["OMPI_ALLOW_RUN_AS_ROOT"], "1");
        assert!(!env.contains_key("AWS_SECRET") && !env.contains_key("HPL_NODE_DATA"));
    }

    #[test]
    fn names_that_lead_out_of_the_folder_are_refused() {
        for name in ["", "../x", "/etc/passwd", ".profile", "a b", "HPL.out", "events.jsonl", "a\n"] {
            let mut bad = assignment(1);
            bad.inputs[0].name = name.into();
            assert_eq!(planned(&bad, &[]).unwrap_err().code, "bad_assignment", "{name:?}");
        }
        let mut none = assignment(1);
        none.inputs.clear();
        assert_eq!(planned(&none, &[]).unwrap_err().code, "bad_assignment");
        let other = Assignment { benchmark: "stream".into(), ..assignment(1) };
        let failure = planned(&other, &[]).unwrap_err();
        assert!(failure.code == "unknown_benchmark" && failure.detail.contains("stream"), "{failure}");
    }

    #[test]
    fn launchers_are_told_apart() {
        assert_eq!(Launcher::of("mpirun (Open MPI) 4.1.4\n\nReport bugs"), Launcher::OpenMpi);
        assert_eq!(Launcher::of("HYDRA build details:"), Launcher::Other);
    }
}
