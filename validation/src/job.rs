//! A program run in a folder of its own, with an end that is sure to come.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpl_spec::SweepReport;
use hpl_spec::out::{self, Parsed};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::processes::{MARK, marked, signal};
use crate::program;

/// A job that takes longer hangs. Below the time after which the test runner ends a test.
const LIMIT: Duration = Duration::from_secs(90);
/// How long the processes of a job may outlive it, and a launcher may take to end its ranks.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

/// Ranks of two jobs at once would take each other's cores. Under nextest, which gives every test a process
/// of its own, the group `mpirun` of `.config/nextest.toml` does the same.
static TURN: Mutex<()> = Mutex::new(());

/// A program to run: its arguments, and the files in the folder it is run in.
pub struct Job {
    program: PathBuf,
    ranks: Option<usize>,
    args: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    limit: Duration,
    folder: TempDir,
}

impl Job {
    /// `xhpl`, without a launcher and without an HPL.dat.
    pub fn xhpl() -> Job {
        Job::of(program::xhpl())
    }

    /// Another program.
    ///
    /// # Panics
    /// If no folder can be made for it.
    pub fn of(program: impl Into<PathBuf>) -> Job {
        let folder = tempfile::tempdir().expect("a scratch folder");
        fs::create_dir(folder.path().join("work")).expect("a folder in the scratch folder");
        Job { program: program.into(), ranks: None, args: vec![], variables: vec![], limit: LIMIT, folder }
    }

    /// Started by `mpirun` on so many ranks.
    #[must_use]
    pub fn ranks(mut self, ranks: usize) -> Job {
        self.ranks = Some(ranks);
        self
    }

    /// With these arguments, after those it has.
    #[must_use]
    pub fn args(mut self, args: &[&str]) -> Job {
        self.args.extend(args.iter().map(OsString::from));
        self
    }

    /// With this HPL.dat.
    #[must_use]
    pub fn dat(self, text: impl AsRef<[u8]>) -> Job {
        self.file("HPL.dat", text)
    }

    /// With this file in its folder. The folders it lies in are made.
    ///
    /// # Panics
    /// If it cannot be written.
    #[must_use]
    pub fn file(self, name: &str, text: impl AsRef<[u8]>) -> Job {
        let path = self.work().join(name);
        fs::create_dir_all(path.parent().expect("a path in a folder")).expect("a folder for a file");
        fs::write(&path, text).expect("a file that can be written");
        self
    }

    /// With this folder in its folder.
    ///
    /// # Panics
    /// If it cannot be made.
    #[must_use]
    pub fn folder(self, name: &str) -> Job {
        fs::create_dir_all(self.work().join(name)).expect("a folder that can be made");
        self
    }

    /// With this environment variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Job {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// It may take longer than usual.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Job {
        self.limit = limit;
        self
    }

    /// The folder it is run in.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// As [`Job::start`] and [`Running::wait`].
    pub fn run(self) -> Outcome {
        self.start().wait()
    }

    /// [`Job::run`] for a program that says itself what went wrong.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or leaves a process behind: a sentence, and what the job said.
    pub fn attempt(self) -> Result<Outcome, String> {
        self.launch()?.finish()
    }

    /// Starts it. At most one job under `mpirun` is under way at a time.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start(self) -> Running {
        self.launch().unwrap_or_else(|why| panic!("{why}"))
    }

    fn launch(self) -> Result<Running, String> {
        let (mut command, turn) = match self.ranks {
            Some(ranks) => {
                let mut command = program::mpirun(ranks);
                command.arg(&self.program);
                // A test that failed while it had the turn leaves nothing broken behind.
                (command, Some(TURN.lock().unwrap_or_else(|failed| failed.into_inner())))
            }
            None => (Command::new(&self.program), None),
        };
        // Files, not pipes: nobody has to read while the job runs, and they are no terminal.
        let said = |name: &str| {
            let path = self.folder.path().join(name);
            File::create(&path).map_err(|e| format!("{}: {e}", path.display()))
        };
        command.args(&self.args).current_dir(self.work()).stdin(Stdio::null());
        command.stdout(said("stdout")?).stderr(said("stderr")?);
        command.env(MARK, self.folder.path()).envs(program::AS_ROOT);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
        Ok(Running { job: Some(self), child, ended: false, began: Instant::now(), _turn: turn })
    }
}

/// A job under way. Dropping it ends it.
pub struct Running {
    /// Taken when the job is over.
    job: Option<Job>,
    child: Child,
    ended: bool,
    began: Instant,
    _turn: Option<MutexGuard<'static, ()>>,
}

impl Running {
    /// The program that was started, or the launcher.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The processes of this name that belong to the job.
    pub fn processes(&self, name: &str) -> Vec<u32> {
        marked(&self.mark(), Some(name))
    }

    /// What is in a file of its folder by now; nothing if there is no such file.
    pub fn file(&self, name: &str) -> String {
        let work = self.job.as_ref().map(Job::work).unwrap_or_default();
        fs::read_to_string(work.join(name)).unwrap_or_default()
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// If the job ends before, or its time is over.
    pub fn until(&mut self, what: &str, mut so: impl FnMut(&Running) -> bool) {
        while !so(self) {
            assert!(self.status().is_none(), "the job ended before {what}");
            assert!(!self.overdue(), "the time is over: no {what}");
            sleep(POLL);
        }
    }

    /// Whether it is still under way.
    pub fn runs(&mut self) -> bool {
        self.status().is_none()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it takes too long, or leaves a process behind.
    pub fn wait(self) -> Outcome {
        self.finish().unwrap_or_else(|why| panic!("{why}"))
    }

    fn finish(mut self) -> Result<Outcome, String> {
        let status = loop {
            match self.status() {
                Some(status) => break status,
                None if self.overdue() => {
                    self.end();
                    return Err(format!("no end after {:?}\n{}", self.began.elapsed(), self.said_last()));
                }
                None => sleep(POLL),
            }
        };
        let seconds = self.began.elapsed().as_secs_f64();
        let left = self.left_over();
        if !left.is_empty() {
            return Err(format!("processes left over: {left:?}\n{}", self.said_last()));
        }
        let (stdout, stderr) = self.said();
        let folder = self.job.take().expect("a job that is under way").folder;
        Ok(Outcome { code: status.code(), stdout, stderr, seconds, folder })
    }

    fn status(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("the state of a child");
        self.ended |= status.is_some();
        status
    }

    fn overdue(&self) -> bool {
        self.began.elapsed() > self.job.as_ref().map_or(LIMIT, |job| job.limit)
    }

    fn mark(&self) -> String {
        self.job.as_ref().map_or(String::new(), |job| job.folder.path().to_string_lossy().into_owned())
    }

    fn said(&self) -> (String, String) {
        let folder = self.job.as_ref().map_or(Path::new(""), |job| job.folder.path());
        let said = |name| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap_or_default()).into_owned();
        (said("stdout"), said("stderr"))
    }

    fn said_last(&self) -> String {
        let (stdout, stderr) = self.said();
        format!("stdout: {}\nstderr: {}", last(&stdout), last(&stderr))
    }

    /// The processes that do not end although the job has.
    fn left_over(&self) -> Vec<u32> {
        let (mark, asked) = (self.mark(), Instant::now());
        loop {
            let left = marked(&mark, None);
            if left.is_empty() || asked.elapsed() > GRACE {
                return left;
            }
            sleep(POLL);
        }
    }

    /// Asks it to end, then ends what is left of it.
    fn end(&mut self) {
        let asked = Instant::now();
        if self.status().is_none() {
            signal(self.pid(), Signal::TERM);
        }
        while self.status().is_none() && asked.elapsed() < GRACE {
            sleep(POLL);
        }
        for pid in marked(&self.mark(), None) {
            signal(pid, Signal::KILL);
        }
        if self.status().is_none() {
            // After KILL this cannot take long, and a failure leaves nothing to do.
            let _ = self.child.kill().and_then(|()| self.child.wait());
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.job.is_some() {
            self.end();
        }
    }
}

/// What a job left.
pub struct Outcome {
    /// Its exit status; none if a signal ended it.
    pub code: Option<i32>,
    /// What it wrote there.
    pub stdout: String,
    /// What it wrote there.
    pub stderr: String,
    /// How long it took.
    pub seconds: f64,
    folder: TempDir,
}

impl Outcome {
    /// The folder it was run in.
    pub fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    /// A file in that folder, if it is there.
    pub fn file(&self, name: &str) -> Option<String> {
        Some(String::from_utf8_lossy(&fs::read(self.work().join(name)).ok()?).into_owned())
    }

    /// The names of all that lies in that folder.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.work()).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// The report on stdout, of a job that ended well.
    ///
    /// # Panics
    /// If it did not end with status 0, or said something else.
    pub fn report(&self) -> Parsed {
        assert_eq!(self.code, Some(0), "{}", self.said());
        out::parse(&self.stdout).unwrap_or_else(|e| panic!("{e}\n{}", self.said()))
    }

    /// The JSON report that it wrote as `report.json`.
    ///
    /// # Panics
    /// If there is none, or it cannot be read.
    pub fn json(&self) -> SweepReport {
        let text = self.file("report.json").unwrap_or_else(|| panic!("no report.json\n{}", self.said()));
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))
    }

    /// Status, and the ends of stdout and stderr, for the message of a failed test.
    pub fn said(&self) -> String {
        format!("status: {:?}\nstdout: {}\nstderr: {}", self.code, last(&self.stdout), last(&self.stderr))
    }
}

/// The end of a text, of as many lines as a person reads.
fn last(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(100);
    let cut = if first > 0 { format!("({first} lines above)\n") } else { String::new() };
    cut + &lines[first..].join("\n")
}
