//! The run as it lies on the disk of this node: its folder, its journal, its shim.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hpl_spec::api::agent::{Assignment, AttemptOutcome, FinishRequest, Limits, NumberedEvent};

use super::ballast;
use crate::folder::{Data, RunFolder, read_json, write_json};
use crate::host;
use crate::journal::{Journal, Taken, Told};
use crate::launch::{Control, Exit, Launch, ShimIs, Stop};
use crate::runner::Failure;
use crate::runner::close::{self, Known};
use crate::runner::follow::Follow;
use crate::runner::prepare::{Programs, Room, prepare};
use crate::runner::program::Program;
use crate::shim;

/// A shim that has not said who it is by then has not come up. Where systemd starts it, the bus may be slow.
const SHIM_COMES_UP: Duration = Duration::from_secs(60);
/// Logs are looked at this often.
const LOGS_EVERY: Duration = Duration::from_secs(1);

/// The run.
pub struct Active {
    /// What was claimed.
    pub taken: Taken,
    /// Where it lies.
    pub folder: RunFolder,
    /// The end as it is told, once there is one.
    pub finish: Option<Arc<FinishRequest>>,
    data: Data,
    journal: Option<Journal>,
    program: Option<Program>,
    launch: Option<Launch>,
    follow: Option<Follow>,
    shim: Option<ShimIs>,
    launched_at: Option<Duration>,
    control: Control,
    logs_from: Duration,
    progress_seconds: f64,
    cpu_from: Duration,
    cpu_before: f64,
    binary_sha256: String,
}

/// What a look at the run showed.
#[derive(Debug, Default)]
pub struct Seen {
    /// Progress since the last look.
    pub progress: Vec<hpl_spec::job::Progress>,
    /// Lengths of the two logs, if they were looked at.
    pub logs: Option<[u64; 2]>,
    /// The program is over.
    pub over: Option<Over>,
}

/// How a run is over.
#[derive(Debug)]
pub enum Over {
    /// Its shim wrote how it ended.
    Exit(Box<Exit>),
    /// Nobody can say how it ended.
    Failed(Failure),
}

impl Active {
    /// Writes down what was claimed. Where the disk does not take it, the run goes on without a journal.
    pub fn take(data: &Data, assignment: Assignment, boot_id: &str, now: Duration, xhpl: &Path) -> Active {
        let at_ms = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        let taken = Taken { assignment, at_ms, boot_id: boot_id.to_owned() };
        let folder = data.run(&taken.assignment.attempt);
        let begin = || -> io::Result<Journal> {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.path())?;
            Journal::begin(&folder, &taken)
        };
        let journal = ballast::with(data, begin);
        if let Err(why) = &journal {
            tracing::error!(%why, "the assignment cannot be written down: a restart of the daemon would forget it");
        }
        Active { journal: journal.ok(), ..Active::of(data, taken, xhpl) }
    }

    /// Goes on with what a daemon before left.
    ///
    /// # Errors
    /// Of the file system.
    pub fn resume(data: &Data, told: &Told, xhpl: &Path) -> io::Result<Active> {
        let mut active = Active::of(data, told.taken.clone(), xhpl);
        active.journal = Some(Journal::open(&active.folder)?);
        active.launch = read_json(&active.folder.launch())?;
        active.shim = read_json(&active.folder.shim())?;
        active.control = read_json(&active.folder.control())?.unwrap_or_default();
        active.finish = read_json(&active.folder.finish())?.map(Arc::new);
        active.launched_at = active.shim.as_ref().map(|_| host::now());
        active.cpu_before = told.cpu_s;
        active.progress_seconds = told.progress_seconds();
        Ok(active)
    }

    fn of(data: &Data, taken: Taken, xhpl: &Path) -> Active {
        let folder = data.run(&taken.assignment.attempt);
        let program = Program::find(&taken.assignment.benchmark).ok();
        // Of the program as it is now: an upgrade while it runs changes nothing.
        let binary_sha256 = close::digest(xhpl).map(|d| d.1).unwrap_or_default();
        Active {
            taken,
            folder,
            finish: None,
            data: data.clone(),
            journal: None,
            program,
            launch: None,
            follow: None,
            shim: None,
            launched_at: None,
            control: Control::default(),
            logs_from: Duration::ZERO,
            progress_seconds: 0.0,
            cpu_from: host::process_cpu(),
            cpu_before: 0.0,
            binary_sha256,
        }
    }

    /// Whether a shim was started for it.
    #[must_use]
    pub fn is_launched(&self) -> bool {
        self.launched_at.is_some()
    }

    /// Whether its program may still run.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.launched_at.is_some() && self.finish.is_none()
    }

    /// When it was taken.
    #[must_use]
    pub fn taken_at(&self) -> Duration {
        Duration::from_millis(self.taken.at_ms)
    }

    fn cpu_s(&self) -> f64 {
        self.cpu_before + host::process_cpu().saturating_sub(self.cpu_from).as_secs_f64()
    }

    /// Something happened: written down before it is said.
    pub fn record(&mut self, event: &NumberedEvent) {
        let cpu_s = self.cpu_s();
        let Some(journal) = &mut self.journal else { return };
        if let Err(why) = ballast::with(&self.data, || journal.record(event, cpu_s)) {
            tracing::error!(%why, "the journal cannot be written");
        }
    }

    /// Makes the work folder.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn prepare(&mut self, programs: &Programs, room: &Room, limits: &Limits) -> Result<(), Failure> {
        let launch = prepare(&self.folder, &self.taken.assignment, programs, room, limits)?;
        if room.run_as.is_some() {
            let way = self.data.open_the_way(&self.folder);
            way.map_err(|e| Failure::infra("work_folder", format!("the run's user cannot be let in: {e}")))?;
        }
        self.launch = Some(launch);
        Ok(())
    }

    /// Starts the shim.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> Result<(), Failure> {
        self.launched_at = Some(host::now());
        shim::spawn(&self.folder).map_err(|e| Failure::infra("shim_lost", format!("the shim cannot be started: {e}")))
    }

    /// Tells the shim to end the run.
    pub fn stop(&mut self, stop: Stop) {
        if self.control.stop.is_none() {
            self.control.stop = Some(stop);
            self.tell();
        }
    }

    /// Tells the shim that the run may take longer, or less long.
    pub fn extend(&mut self, walltime_s: u32) {
        self.control.walltime_s = Some(walltime_s);
        self.tell();
    }

    fn tell(&self) {
        let path = self.folder.control();
        if let Err(why) = ballast::with(&self.data, || write_json(&path, &self.control)) {
            // Without the file there is one way left; it ends without evidence.
            tracing::error!(%why, "the shim cannot be told; the run is ended from here");
            if let Some(launch) = self.launch.as_ref().filter(|_| self.control.stop.is_some()) {
                mop_up(&self.folder, launch);
            }
        }
    }

    /// Looks at the run.
    pub fn look(&mut self, now: Duration) -> Seen {
        let mut seen = Seen::default();
        if self.finish.is_some() || self.launched_at.is_none() {
            return seen;
        }
        // Before the files are read: what was written before the end is read after it.
        seen.over = self.over(now);
        if self.follow.is_none()
            && let Some(program) = &self.program
        {
            let events = self.folder.work().join(program.events);
            self.follow = Some(Follow::new(&events, program.row, self.progress_seconds));
        }
        if let Some(follow) = &mut self.follow {
            match follow.look() {
                Ok(progress) => seen.progress = progress,
                Err(why) => tracing::warn!(%why, "the events of the run cannot be read"),
            }
        }
        if now >= self.logs_from {
            self.logs_from = now + LOGS_EVERY;
            let length = |path: &Path| path.metadata().map_or(0, |meta| meta.len());
            seen.logs = Some([length(&self.folder.out_log()), length(&self.folder.err_log())]);
        }
        seen
    }

    fn over(&mut self, now: Duration) -> Option<Over> {
        let path = self.folder.exit();
        if let Some(over) = self.exit(&path) {
            return Some(over);
        }
        if self.shim.is_none() {
            self.shim = read_json(&self.folder.shim()).ok().flatten();
        }
        let gone = match &self.shim {
            Some(shim) => !shim::alive(shim),
            None => self.launched_at.is_some_and(|at| now > at + SHIM_COMES_UP),
        };
        if !gone {
            return None;
        }
        // Its last act may have been a moment ago.
        if let Some(over) = self.exit(&path) {
            return Some(over);
        }
        if let Some(launch) = &self.launch {
            mop_up(&self.folder, launch);
        }
        let detail = "the process that watched over the run is gone, and the run was ended with it";
        Some(Over::Failed(Failure::infra("shim_lost", detail)))
    }

    fn exit(&self, path: &Path) -> Option<Over> {
        match read_json::<Exit>(path) {
            Ok(exit) => exit.map(|exit| Over::Exit(Box::new(exit))),
            Err(why) => Some(Over::Failed(Failure::infra("shim_lost", format!("its end cannot be read: {why}")))),
        }
    }

    /// Writes the end down. `known` is completed with what only the run knows.
    pub fn close(&mut self, over: Over, mut known: Known, limits: &Limits) -> Arc<FinishRequest> {
        known.binary_sha256.clone_from(&self.binary_sha256);
        known.daemon_cpu_s = self.cpu_s();
        let Assignment { fence, .. } = self.taken.assignment;
        let events = known.events;
        let finish = match (over, &self.program, &self.launch) {
            (Over::Exit(exit), Some(program), Some(launch)) => {
                close::close(&self.folder, program, launch, &exit, known, limits)
            }
            (Over::Exit(_), ..) => {
                let failure = Failure::infra("shim_lost", "what was started is not known any more");
                close::without_run(fence, events, failure.outcome())
            }
            (Over::Failed(failure), ..) => close::without_run(fence, events, failure.outcome()),
        };
        self.settle(finish)
    }

    /// The end of a run that never began.
    pub fn close_early(&mut self, events: u64, outcome: AttemptOutcome) -> Arc<FinishRequest> {
        let fence = self.taken.assignment.fence;
        self.settle(close::without_run(fence, events, outcome))
    }

    fn settle(&mut self, finish: FinishRequest) -> Arc<FinishRequest> {
        let finish = Arc::new(finish);
        let path = self.folder.finish();
        if let Err(why) = ballast::with(&self.data, || write_json(&path, finish.as_ref())) {
            tracing::error!(%why, "the end of the run cannot be written down; it is told all the same");
        }
        self.finish = Some(finish.clone());
        finish
    }
}

fn mop_up(folder: &RunFolder, launch: &Launch) {
    if let Err(why) = shim::mop_up(folder, launch) {
        tracing::error!(%why, "what the run left behind cannot be ended");
    }
}
