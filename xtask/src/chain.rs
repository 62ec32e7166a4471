//! The whole chain on this machine: a service on loopback and a node that has joined it, started in this order and
//! stopped in the other.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::account::Account;
use crate::api::{Api, User};
use crate::child::{Running, last_lines, last_words, quoted};
use crate::error::Error;
use crate::place::{self, Place, shortest};
use crate::runs;
use crate::stop::Stop;

/// How long the service may take until it is ready, and the node until it is heard of.
const PATIENCE: Duration = Duration::from_secs(90);
/// How long the service may take to end: requests in flight have 30 s.
const SERVICE_GRACE: Duration = Duration::from_secs(35);
/// How long the daemon may take to end.
const NODE_GRACE: Duration = Duration::from_secs(15);
/// How long a run may take to end, once it was cancelled.
const RUN_GRACE: Duration = Duration::from_secs(10);
/// A beat a second, so that the progress bar moves.
const BEAT_S: u32 = 1;
/// The longest walltime of a job, in seconds, if nothing longer is planned: the service's own.
const WALLTIME_S: u32 = 1800;

/// The programs of the chain.
#[derive(Debug, Clone)]
pub struct Programs {
    /// `hpl-service`.
    pub service: PathBuf,
    /// `hpl-node`.
    pub node: PathBuf,
    /// `xhpl`.
    pub xhpl: PathBuf,
}

/// What runs. Dropping it stops everything: the run, the node, the service.
pub struct Chain<'a> {
    place: &'a Place,
    programs: &'a Programs,
    /// The service.
    pub api: Api,
    service: Running,
    node: Option<Running>,
    user: Option<User>,
    /// The job that is under way.
    job: Option<String>,
}

/// A command with none of our settings in its environment, which are meant for a service and a node of one's own.
fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if ["HPL_SERVICE_", "HPL_NODE_"].iter().any(|ours| name.to_string_lossy().starts_with(ours)) {
            command.env_remove(name);
        }
    }
    command
}

impl<'a> Chain<'a> {
    /// Starts the service at `port`, 0 being any, and waits until it is ready. It will take jobs of `seconds`.
    ///
    /// # Errors
    /// It does not get ready; [`Error::Interrupted`].
    pub fn start(
        place: &'a Place,
        programs: &'a Programs,
        port: u16,
        seconds: f64,
        stop: &Stop,
    ) -> Result<Chain<'a>, Error> {
        let ready = place.ready();
        if ready.exists() {
            std::fs::remove_file(&ready).map_err(Error::file(&ready))?;
        }
        let mut command = clean(&programs.service);
        command.arg("serve").arg("--data").arg(place.service()).arg("--ready-file").arg(&ready);
        command.args(["--listen", &format!("127.0.0.1:{port}"), "--plain-http", "--signup", "open"]);
        command.args(["--beat", &BEAT_S.to_string(), "--known-binary", &hash(&programs.xhpl)?]);
        // Each look at the job would be a line.
        command.args(["--log", "info,service::http::layers=warn"]);
        command.args(["--walltime-max", &walltime(seconds).to_string()]);
        let mut service = Running::start("hpl-service", &mut command, &place.log("service"), SERVICE_GRACE)?;
        let began = Instant::now();
        let url = loop {
            let said = std::fs::read_to_string(&ready).unwrap_or_default();
            if let Some(url) = said.lines().next().filter(|url| Api::new(url).is_ready()) {
                break url.to_owned();
            }
            service.check().map_err(|why| why.advise(service_steps(place)))?;
            wait(&service, began, "takes no requests", stop)?;
        };
        Ok(Chain { place, programs, api: Api::new(&url), service, node: None, user: None, job: None })
    }

    /// The demonstration account, made if it is not there, and who it is to the service.
    ///
    /// # Errors
    /// The service refuses it.
    pub fn enter(&mut self) -> Result<(Account, User), Error> {
        let file = self.place.account();
        let kept = Account::load(&file)?;
        let new = kept.is_none();
        let account = kept.unwrap_or_else(Account::draw);
        if new {
            // Kept before it is used: whatever happens then, the next start knows the password.
            account.save(&file)?;
        }
        let user = self.api.enter(&account, new).map_err(|why| {
            if new {
                // Not the password of the account that is there.
                let _ = std::fs::remove_file(&file);
            }
            let name = &account.username;
            why.advise(vec![
                format!(
                    "the account `{name}` and {} belong together: put the file back, or",
                    shortest(&file).display()
                ),
                begin_anew(self.place),
            ])
        })?;
        self.user = Some(user.clone());
        Ok((account, user))
    }

    /// Joins the node if it has not joined, starts its daemon, and waits until the service has heard of it: its name.
    ///
    /// # Errors
    /// It does not join, or is not heard of; [`Error::Interrupted`].
    pub fn start_node(&mut self, stop: &Stop) -> Result<String, Error> {
        let identity = self.place.identity();
        if identity.is_file() {
            move_to(&identity, &self.api.url)?
        } else {
            self.join()?
        }
        let mut command = clean(&self.programs.node);
        command.arg("run").arg("--data").arg(self.place.node()).arg("--xhpl").arg(&self.programs.xhpl);
        // Whoever sits at this machine goes on using it: the daemon is not to wait for a quiet moment, and the result
        // says that the machine was shared.
        command.arg("--shared");
        let since = now();
        let node = Running::start("hpl-node", &mut command, &self.place.log("node"), NODE_GRACE)?;
        let node = self.node.insert(node);
        let began = Instant::now();
        loop {
            if let Some(name) = self.api.node_since(since)? {
                return Ok(name);
            }
            node.check().map_err(|why| why.advise(node_steps(self.place, self.programs)))?;
            self.service.check()?;
            wait(node, began, "the service has not heard of it", stop)
                .map_err(|why| why.advise(node_steps(self.place, self.programs)))?;
        }
    }

    fn join(&self) -> Result<(), Error> {
        let data = self.place.service();
        let mut ask = clean(&self.programs.service);
        ask.arg("admin").arg("--data").arg(data).args(["join-token", "--trusted"]);
        let said = output("hpl-service admin join-token", &mut ask)?;
        let joining = said.lines().next().unwrap_or_default().trim().to_owned();
        let mut join = clean(&self.programs.node);
        join.args(["join", &joining, "--data"]).arg(self.place.node());
        output("hpl-node join", &mut join).map(drop)
    }

    /// Remembers what is under way, to be cancelled if everything is stopped before it has ended.
    pub fn under_way(&mut self, job: Option<&str>) {
        self.job = job.map(str::to_owned);
    }

    /// The last that the daemon has said.
    pub fn node_said(&self) -> String {
        self.node.as_ref().map(|node| last_words(&node.log)).unwrap_or_default()
    }

    /// Looks whether service and node still run.
    ///
    /// # Errors
    /// One of them has ended.
    pub fn check(&mut self) -> Result<(), Error> {
        let again = || vec!["run the same command again: accounts, jobs and results are kept".to_owned()];
        self.service.check().map_err(|why| why.advise(again()))?;
        self.node.as_mut().map_or(Ok(()), Running::check).map_err(|why| why.advise(again()))
    }

    /// Stops everything: what runs is cancelled, the daemon ends, then the service.
    fn halt(&mut self) {
        let (data, there) = (self.place.node(), self.service.ended().is_none());
        if let Some(user) = self.user.as_ref().filter(|_| there) {
            let job = self.job.as_deref();
            user.cancel_all(job);
            let began = Instant::now();
            let over = || job.is_none_or(|job| user.job(job).is_ok_and(|job| job.state.is_final()));
            let daemon = |node: &mut Option<Running>| node.as_mut().is_some_and(|node| node.ended().is_none());
            // The daemon tells the service that it has ended the run.
            while daemon(&mut self.node)
                && !(over() && runs::wait(&data, Duration::ZERO))
                && began.elapsed() < RUN_GRACE
            {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        if let Some(node) = &mut self.node {
            node.stop();
        }
        // What no service could cancel any more.
        runs::end(&data, RUN_GRACE);
        if let Some(user) = self.user.take().filter(|_| there) {
            user.leave();
        }
        self.service.stop();
    }
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Waits a moment for somebody who is not ready.
fn wait(whom: &Running, since: Instant, what: &'static str, stop: &Stop) -> Result<(), Error> {
    if since.elapsed() > PATIENCE {
        let (name, log) = (whom.name, whom.log.clone());
        return Err(Error::Slow { name, what, after: PATIENCE, said: last_lines(&log), log });
    }
    stop.sleep(Duration::from_millis(200))
}

/// Room for a run that takes three times as long as it should, or much longer if it is short: on a desk other programs
/// run, too.
pub fn walltime(seconds: f64) -> u32 {
    WALLTIME_S.max((3.0 * seconds).min(1e6) as u32 + 60)
}

/// The service may be at another port than the last time.
fn move_to(identity: &Path, url: &str) -> Result<(), Error> {
    let text = std::fs::read_to_string(identity).map_err(Error::file(identity))?;
    let strange =
        |why: serde_json::Error| Error::Strange { whom: identity.display().to_string(), why: why.to_string() };
    let mut known: Value = serde_json::from_str(&text).map_err(strange)?;
    if known["url"] == url {
        return Ok(());
    }
    known["url"] = url.into();
    place::write_secret(identity, &known.to_string())
}

/// Runs a command that ends by itself, and returns what it prints.
fn output(name: &str, command: &mut Command) -> Result<String, Error> {
    // A group of its own, as all that we start: Ctrl-C is for us.
    let said = command.process_group(0).stdin(Stdio::null()).output().map_err(Error::start(name))?;
    if said.status.success() {
        return Ok(String::from_utf8_lossy(&said.stdout).into_owned());
    }
    let told = quoted(&String::from_utf8_lossy(&said.stderr));
    Err(Error::Step { step: name.to_owned(), status: said.status.to_string(), command: format!("it said:\n\n{told}") })
}

fn hash(file: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(file).map_err(Error::file(file))?;
    Ok(data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// Milliseconds since the epoch.
fn now() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

fn begin_anew(place: &Place) -> String {
    let folder = shortest(place.folder());
    format!("begin anew: remove the folder {}, or name another one with --data", folder.display())
}

fn service_steps(place: &Place) -> Vec<String> {
    let earlier = "where an earlier `up` still runs, stop it with Ctrl-C; where one was killed, end its hpl-service";
    vec![earlier.to_owned(), begin_anew(place)]
}

/// What to try where the node does not do its work.
pub fn node_steps(place: &Place, programs: &Programs) -> Vec<String> {
    let (node, data) = (shortest(&programs.node), shortest(&place.node()));
    vec![
        format!("what this machine can and cannot do:  {} doctor --data {}", node.display(), data.display()),
        format!("the program without mpirun:           {} --n 1000", shortest(&programs.xhpl).display()),
        "mpirun without the program:           mpirun -np 1 hostname".to_owned(),
        begin_anew(place),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_runs_get_a_long_walltime() {
        assert_eq!((walltime(20.0), walltime(3600.0), walltime(1e300)), (WALLTIME_S, 10_860, 1_000_060));
    }

    #[test]
    fn a_node_follows_its_service_to_another_port() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("node.json");
        let read = || serde_json::from_str::<Value>(&std::fs::read_to_string(&file).unwrap()).unwrap();
        std::fs::write(&file, r#"{"url": "http://127.0.0.1:1", "pin": null, "node": "n", "token": "t"}"#).unwrap();
        let before = std::fs::read_to_string(&file).unwrap();
        move_to(&file, "http://127.0.0.1:1").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), before, "left alone");
        move_to(&file, "http://127.0.0.1:2").unwrap();
        assert_eq!((&read()["url"], &read()["token"]), (&"http://127.0.0.1:2".into(), &"t".into()));
        std::fs::write(&file, "{").unwrap();
        assert!(move_to(&file, "http://127.0.0.1:2").unwrap_err().to_string().contains("node.json"));
    }

    #[test]
    fn programs_are_known_by_their_hash() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("xhpl");
        std::fs::write(&file, "abc").unwrap();
        assert!(hash(&file).unwrap().starts_with("ba7816bf8f01cfea"));
    }
}
