//! Programs that mean harm, or are careless, under the real shim and the real sandbox: each is held, and what held it
//! is in exit.json. The programs are small scripts.
//!
//! ```text
//!   bounds.rs   too many processes, too much memory, output, files, time; a full disk
//!   reach.rs    files, secrets, the network, other processes
//!   ends.rs     processes that do not want to end; a shim that is killed; a program that is not there
//!   mpi.rs      the real mpirun and xhpl
//! ```
//!
//! A test that needs something that this machine has not (a control group, landlock, root) says so and is passed
//! over; where `CI=true` and the tests run as root it fails instead.
#![forbid(unsafe_code)]

mod bounds;
mod ends;
mod mpi;
mod reach;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use node_daemon::cgroup::Group;
use node_daemon::folder::{RunFolder, read_json, write_json};
use node_daemon::launch::{Control, End, Exit, Launch, RunLimits, ShimIs, Stop};
use tempfile::TempDir;

/// Nothing here takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(60);
const MIB: u64 = 1 << 20;

/// An attempt: a data folder, a script, a shim.
struct Attempt {
    scratch: TempDir,
    folder: RunFolder,
    launch: Launch,
    shim: Option<Child>,
    /// A program that starts the shim, with its arguments.
    through: Vec<&'static str>,
}

impl Attempt {
    /// Of a bash script.
    fn script(text: &str) -> Attempt {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let scratch = tempfile::Builder::new().prefix("hpl-contain-").tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let folder = RunFolder::at(root.join("data/runs/attempt"));
        fs::create_dir_all(folder.work()).unwrap();
        fs::create_dir(root.join("read")).unwrap();
        fs::write(root.join("read/run.sh"), text).unwrap();
        let tmp = root.join("tmp");
        let name = format!("hpl-contain-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let env = [("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()), ("TMPDIR", text(&tmp))];
        let launch = Launch {
            argv: vec!["/bin/bash".into(), text(&root.join("read/run.sh"))],
            env: env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            work: folder.work(),
            tmp,
            read: vec![root.join("read")],
            walltime_s: 60,
            group: name,
            run_as: None,
            limits: RunLimits {
                memory_bytes: 1024 * MIB,
                processes: 200,
                file_bytes: 512 * MIB,
                work_bytes: 512 * MIB,
                log_bytes: MIB,
                disk_reserve: 0,
            },
        };
        Attempt { scratch, folder, launch, shim: None, through: vec![] }
    }

    /// The folder above everything of it.
    fn root(&self) -> PathBuf {
        self.scratch.path().canonicalize().unwrap()
    }

    fn start(&mut self) -> &mut Attempt {
        write_json(&self.folder.launch(), &self.launch).unwrap();
        let log = fs::File::create(self.root().join("shim.log")).unwrap();
        let words: Vec<_> = self.through.iter().chain(&[env!("CARGO_BIN_EXE_hpl-node"), "shim"]).copied().collect();
        let shim = Command::new(words[0])
            .args(&words[1..])
            .arg(self.folder.path())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.shim = Some(shim.unwrap());
        self
    }

    /// Waits for exit.json, and that nothing is left of the run.
    fn finish(&mut self) -> Exit {
        let exit = until(|| read_json::<Exit>(&self.folder.exit()).unwrap(), || self.words());
        until(|| self.shim.as_mut().unwrap().try_wait().unwrap(), String::new);
        assert_eq!(self.processes(), [0; 0], "processes are left: {exit:?}");
        assert!(!self.launch.tmp.exists(), "the scratch folder is left");
        assert!(Group::open(&self.launch.group).is_nothing(), "the control group is left");
        exit
    }

    fn run(&mut self) -> Exit {
        self.start().finish()
    }

    fn control(&self, control: Control) {
        write_json(&self.folder.control(), &control).unwrap();
    }

    fn stop(&self, why: Stop) {
        self.control(Control { stop: Some(why), walltime_s: None });
    }

    /// Waits until the program has written `file` into its work folder.
    fn wait_for(&self, file: &str) -> String {
        until(|| fs::read_to_string(self.folder.work().join(file)).ok(), || self.words())
    }

    fn shim_is(&self) -> ShimIs {
        until(|| read_json(&self.folder.shim()).unwrap(), || self.words())
    }

    fn out(&self) -> String {
        fs::read_to_string(self.folder.out_log()).unwrap_or_default()
    }

    /// Everything that was said, for the message of a test that fails.
    fn words(&self) -> String {
        let read = |path: PathBuf| fs::read_to_string(path).unwrap_or_default();
        let sandbox = read(self.folder.sandbox());
        let logs = [self.root().join("shim.log"), self.folder.err_log(), self.folder.out_log()].map(read);
        format!("{sandbox}\n{}", logs.join("\n---\n"))
    }

    /// Living processes whose environment names this attempt's scratch folder.
    fn processes(&self) -> Vec<u32> {
        let mark = format!("TMPDIR={}", self.launch.tmp.display());
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
        pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|v| v == mark.as_bytes())
        })
        .collect()
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if let Some(shim) = &mut self.shim {
            let _ = shim.kill();
            let _ = shim.wait();
            let _ = node_daemon::shim::mop_up(&self.folder, &self.launch);
        }
    }
}

/// Waits for a condition; `words` says how things stood when it did not come.
fn until<T>(mut condition: impl FnMut() -> Option<T>, words: impl FnOnce() -> String) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "it did not come:\n{}", words());
        sleep(Duration::from_millis(20));
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether a measure holds here; a test that needs it is passed over otherwise.
fn holds(measures: &BTreeMap<String, String>, name: &str) -> bool {
    let said = measures.get(name).map_or("not told", String::as_str);
    said.starts_with("yes") || said == "its own" || pass_over(&format!("{name}: {said}"))
}

/// Says why a test is passed over; an error where it must not be.
fn pass_over(why: &str) -> bool {
    assert!(!(is_root() && std::env::var("CI").is_ok_and(|ci| ci == "true")), "in CI this must be there: {why}");
    eprintln!("passed over: {why}");
    false
}

/// Whether a control group can have this bound here, before a test lets a program loose.
fn bound_holds(name: &str) -> bool {
    let attempt = Attempt::script("");
    let (group, measures) = Group::create(&format!("{}-probe", attempt.launch.group), &attempt.launch.limits);
    group.remove().unwrap();
    holds(&measures, name)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_harmless_program_runs_and_is_measured() {
    let mut attempt =
        Attempt::script("echo out; echo err >&2; pwd > here; env | sort > env; cat /proc/self/limits > limits; exit 7");
    let exit = attempt.run();
    assert_eq!((&exit.end, exit.stopped), (&End::Exited(7), None), "{}", attempt.words());
    assert_eq!(attempt.out(), "out\n");
    assert_eq!(fs::read_to_string(attempt.folder.err_log()).unwrap(), "err\n");
    let work = |file: &str| fs::read_to_string(attempt.folder.work().join(file)).unwrap();
    assert_eq!(work("here").trim_end(), attempt.folder.work().to_str().unwrap());
    let env = work("env");
    let names: Vec<_> = env.lines().map(|l| l.split('=').next().unwrap()).filter(|n| !n.starts_with('_')).collect();
    assert_eq!(
        names,
        ["OLDPWD", "PATH", "PWD", "SHLVL", "TMPDIR"].into_iter().filter(|n| *n != "OLDPWD").collect::<Vec<_>>()
    );
    let file_size = work("limits").lines().find(|l| l.starts_with("Max file size")).unwrap().to_owned();
    assert!(file_size.contains(&(512 * MIB).to_string()), "{file_size}");
    assert_eq!((exit.log_dropped, exit.out_of_memory, exit.processes_refused), ([0, 0], 0, 0));
    assert!(exit.elapsed_s > 0.0 && exit.elapsed_s < 60.0 && exit.cpu_s.is_some() && exit.shim_cpu_s < 5.0);
    for name in ["no_new_privs", "landlock", "seccomp", "network", "rlimits", "oom_score", "nice", "user"] {
        assert!(exit.sandbox.contains_key(name), "{name} is not told: {:?}", exit.sandbox);
    }
    for name in ["no_new_privs", "seccomp", "rlimits", "oom_score", "nice"] {
        assert!(exit.sandbox[name].starts_with("yes"), "{name}: {}", exit.sandbox[name]);
    }
    assert_eq!(exit.network_open, !exit.sandbox["network"].starts_with("yes"));
    let again = attempt.shim_is();
    assert!(!node_daemon::shim::alive(&again));
    attempt.start();
    let refused = until(|| attempt.shim.as_mut().unwrap().try_wait().unwrap(), String::new);
    assert!(!refused.success(), "an attempt is run once");
    if std::env::var_os("HPL_CONTAIN_SHOW").is_some() {
        println!("{exit:#?}");
    }
}
