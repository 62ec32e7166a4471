//! What every handler shares, and how it comes to be.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use hpl_spec::api::agent::Sample;
use hpl_spec::id::AttemptId;
use tokio_util::sync::CancellationToken;

use crate::attempt_key::AttemptKey;
use crate::certificate::SigningKey;
use crate::clock::Clock;
use crate::config::Config;
use crate::db::Db;
use crate::db::attempts::Speaker;
use crate::disk::{Disk, Watermarks};
use crate::error::{Code, Error, Result};
use crate::http::health::Probe;
use crate::http::watch::Streams;
use crate::hub::Hub;
use crate::limits::{Limits, LoginDelays, Rates};
use crate::metrics::Metrics;
use crate::ops::insight::Samples;
use crate::ops::jobs::Fleet;
use crate::ops::operator::Reach;
use crate::password::Passwords;
use crate::store::{Quota, Store};

/// How many passwords are hashed at once; each takes 19 MiB.
const HASHES_AT_ONCE: usize = 4;

/// The parts of the service that live as long as it does.
pub struct App {
    /// The settings.
    pub config: Config,
    /// The time.
    pub clock: Clock,
    /// The database.
    pub db: Db,
    /// Who waits for what.
    pub hub: Arc<Hub>,
    /// How full the disk is.
    pub disk: Arc<Disk>,
    /// Logs, artifacts, metrics of runs.
    pub store: Store,
    /// What an attempt may store.
    pub quota: Quota,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// How often who may ask: the numbers.
    pub rates: Rates,
    /// How often who may ask.
    pub limits: Limits,
    /// How long to wait after a failed log-in.
    pub delays: LoginDelays,
    /// What was last seen of the nodes, where they are many.
    pub fleet: Fleet,
    /// What was made of the figures of nodes that were looked at last.
    pub samples: Samples,
    /// Signs certificates.
    pub signing: SigningKey,
    /// Makes the tokens of attempts.
    pub attempt_key: AttemptKey,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The open streams.
    pub streams: Arc<Streams>,
    /// Whether the service is ready, as last looked.
    pub probe: Probe,
    /// Where people and nodes reach the service, once it serves.
    pub reach: OnceLock<Reach>,
    /// Cancelled when the service is to stop.
    pub stop: CancellationToken,
}

/// What handlers take as their state.
pub type Shared = Arc<App>;

impl App {
    /// Opens the data folder, making what is missing.
    ///
    /// # Errors
    /// What cannot be opened, and why, for the one who starts the service.
    pub async fn open(config: Config, clock: Clock) -> Result<Shared, String> {
        let passwords = Passwords::new(HASHES_AT_ONCE).map_err(|why| why.to_string())?;
        let rates = config.rates();
        App::open_with(config, clock, passwords, &rates).await
    }

    /// [`App::open`] with a hash and with rates of one's own.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with(
        config: Config,
        clock: Clock,
        passwords: Passwords,
        rates: &Rates,
    ) -> Result<Shared, String> {
        config.check()?;
        let data = config.data.folder.clone();
        let at = |what: &str| format!("{what} in {}", data.display());
        // Hashes and keys are in it: nobody else is to read them.
        let private = |folder: &Path| DirBuilder::new().recursive(true).mode(0o700).create(folder);
        private(&data.join("keys")).map_err(|why| format!("cannot make {}: {why}", at("`keys`")))?;
        let hub = Arc::new(Hub::default());
        let db = Db::open(&data, clock.clone(), hub.clone()).await;
        let db = db.map_err(|why| format!("cannot open {}: {why}", at("the database")))?;
        let marks = Watermarks::new(config.disk_low, config.disk_critical).map_err(|why| why.to_string())?;
        let disk =
            Disk::open(&data, marks).map_err(|why| format!("cannot look at the disk of {}: {why}", data.display()))?;
        let disk = Arc::new(disk);
        let store =
            Store::open(&data, disk.clone()).map_err(|why| format!("cannot open {}: {why}", at("the files")))?;
        let metrics = Arc::new(Metrics::new(db.counted()));
        let signing = SigningKey::load_or_create(&data.join("keys/sign")).map_err(|why| why.to_string())?;
        let attempt_key = AttemptKey::load_or_create(&data.join("keys/attempts")).map_err(|why| why.to_string())?;
        Ok(Arc::new(App {
            config,
            clock,
            db,
            hub,
            disk,
            store,
            quota: Quota::default(),
            passwords,
            rates: *rates,
            limits: Limits::new(rates),
            delays: LoginDelays::default(),
            fleet: Fleet::default(),
            samples: Samples::default(),
            signing,
            attempt_key,
            metrics,
            streams: Arc::default(),
            probe: Probe::default(),
            reach: OnceLock::new(),
            stop: CancellationToken::new(),
        }))
    }

    /// For how long a node may be silent, in milliseconds.
    #[must_use]
    pub fn lease_ms(&self) -> i64 {
        i64::from(self.config.lease_s) * 1000
    }

    /// Whether there is room for one more job, account or orphan: for what is small, and gives way to results.
    ///
    /// # Errors
    /// The disk is nearly full.
    pub fn check_room(&self) -> Result<()> {
        if self.disk.state().takes(crate::disk::Load::Submission) {
            return Ok(());
        }
        let detail = "the service is short of disk space and takes no new jobs, new accounts or orphans; what runs goes on. \
                      Come again later";
        Err(Error::new(Code::DiskFull, detail).retry_after(60))
    }

    /// Keeps the metrics that a node sent with a beat: as a file beside the run, and the latest for `/metrics`.
    /// Metrics are never worth failing a beat for.
    pub async fn take_samples(&self, attempt: &AttemptId, node: &Speaker, samples: Vec<Sample>) {
        let Some(latest) = samples.last() else { return };
        self.metrics.nodes.record(&node.id, &node.name, latest, self.clock.now());
        let mut lines = Vec::new();
        for sample in &samples {
            if serde_json::to_writer(&mut lines, sample).is_ok() {
                lines.push(b'\n');
            }
        }
        if let Err(why) = self.store.append_metrics(attempt, lines.into(), self.quota).await {
            tracing::debug!(%attempt, %why, "metrics were not kept");
        }
    }
}
