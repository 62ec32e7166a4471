//! The service under load.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::client::Door;
use crate::program;

/// How long it may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A service on a port of its own; killed when dropped.
pub struct Server {
    program: PathBuf,
    data: PathBuf,
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// The way to it.
    pub door: Door,
}

impl Server {
    /// Starts the service of this workspace, or the one that `HPLAAS_SERVICE` names, on the folder `data`. Rates are
    /// not limited and many nodes may join; leases are long, so that nodes whose turn it is not are not lost.
    ///
    /// # Errors
    /// If it does not come up; with the end of its log.
    pub fn start(data: &Path) -> Result<Server, String> {
        let program = program::find("HPLAAS_SERVICE", "service", "hpl-service")?;
        fs::create_dir_all(data).map_err(|e| format!("{}: {e}", data.display()))?;
        let (ready, log) = (data.join("ready"), data.join("log"));
        if ready.exists() {
            fs::remove_file(&ready).map_err(|e| format!("{}: {e}", ready.display()))?;
        }
        let mut command = Command::new(&program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--no-rate-limits", "--signup", "open"]);
        command.args(["--lease", "3600", "--running-max", "1000000", "--queued-max", "1000000"]);
        command.arg("--data").arg(data).arg("--ready-file").arg(&ready);
        let file = File::create(&log).map_err(|e| format!("{}: {e}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", program.display()))?;
        let url = match wait_for(&ready, &mut child) {
            Ok(url) => url,
            Err(why) => {
                // The error that is on its way out says more than a failure to kill would.
                let _ = child.kill().and_then(|()| child.wait());
                let told = fs::read_to_string(&log).unwrap_or_default();
                return Err(format!("hpl-service {why}:\n{told}"));
            }
        };
        let address = url.trim_start_matches("https://").parse();
        let address: SocketAddr = address.map_err(|e| format!("hpl-service listens at {url}: {e}"))?;
        let door = Door::new(address, &data.join("tls/cert.pem"))?;
        Ok(Server { program, data: data.to_owned(), child, address, door })
    }

    /// A token by which so many nodes may join.
    ///
    /// # Errors
    /// If the console makes none.
    pub fn join_token(&self, nodes: usize) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(["admin", "--data"]).arg(&self.data).args(["join-token", "--nodes", &nodes.to_string()]);
        let said = command.stdin(Stdio::null()).output().map_err(|e| format!("{}: {e}", self.program.display()))?;
        let text = String::from_utf8_lossy(&said.stdout);
        let token = text.split("hpl-join://").nth(1).and_then(|rest| rest.split('@').next());
        token.map(str::to_owned).ok_or_else(|| format!("no join token: {}", String::from_utf8_lossy(&said.stderr)))
    }

    /// The most memory that the service had resident so far, in bytes, if the system tells.
    pub fn resident_peak(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        kib.map(|kib: u64| kib * 1024)
    }

    /// Processor time of the service so far, in seconds, if the system tells.
    pub fn cpu_seconds(&self) -> Option<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        let fields: Vec<&str> = stat.rsplit(')').next()?.split_whitespace().collect();
        let ticks: f64 = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
        Some(ticks / rustix::param::clock_ticks_per_second() as f64)
    }

    /// Asks it to stop, which it has to do of itself and well.
    ///
    /// # Errors
    /// If it does not.
    pub fn stop(mut self) -> Result<(), String> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).map_err(|e| format!("hpl-service cannot be signalled: {e}"))?;
        let began = Instant::now();
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("hpl-service ended with {status}")),
                Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
                Ok(None) => return Err("hpl-service does not stop".into()),
                Err(e) => return Err(format!("the system cannot say whether hpl-service ended: {e}")),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` there is nothing left to kill.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

/// The address that the service writes once it takes requests.
fn wait_for(ready: &Path, child: &mut Child) -> Result<String, String> {
    let began = Instant::now();
    loop {
        if let Some(url) = fs::read_to_string(ready).ok().and_then(|text| text.lines().next().map(str::to_owned)) {
            return Ok(url);
        }
        match child.try_wait() {
            Ok(None) if began.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            Ok(None) => return Err("does not come up".into()),
            Ok(Some(status)) => return Err(format!("ended with {status}")),
            Err(e) => return Err(format!("cannot be watched: {e}")),
        }
    }
}
