//! Two ranks on a slow wire: network namespaces of this machine, a rank in each, a virtual cable of 1 Gbit/s between them.
//!
//! Needs root, `ip`, `tc` and `taskset`. The namespaces are made for the comparison and taken away after it; those of one
//! that was killed, by the next.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use benches::machine::Machine;
use benches::spread::Spread;
use hpl_spec::account::Account;
use hpl_spec::params::RunParams;

use super::hpl::{Hpcc, Ours, peak};
use super::table::Figure;

/// How the namespaces' names begin.
const NAME: &str = "hplw";
/// How fast the cable is, and how much may stand in line at its ends.
const SHAPE: [&str; 6] = ["rate", "1gbit", "burst", "256k", "latency", "50ms"];
/// The ends of the cable.
const ADDRESSES: [&str; 2] = ["10.213.77.1", "10.213.77.2"];

/// The wire, as long as this lives.
pub struct Wire {
    namespaces: [String; 2],
    folder: tempfile::TempDir,
}

/// Runs a command of the system.
fn system(words: &[&str]) -> Result<(), String> {
    let out = Command::new(words[0]).args(&words[1..]).stdin(Stdio::null()).output();
    let out = out.map_err(|e| format!("{}: {e}", words[0]))?;
    let said = String::from_utf8_lossy(&out.stderr).trim().to_owned();
    if out.status.success() { Ok(()) } else { Err(format!("{}: {said}", words.join(" "))) }
}

/// Takes away the namespaces of comparisons that were killed: those named after a process that is no more.
fn take_away_what_was_left() {
    let Ok(out) = Command::new("ip").args(["netns", "list"]).output() else { return };
    for namespace in String::from_utf8_lossy(&out.stdout).lines().filter_map(|line| line.split_whitespace().next()) {
        let process = namespace.strip_prefix(NAME).map(|rest| rest.trim_end_matches(['a', 'b']));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            // If it cannot be taken away, it does no harm either.
            let _ = system(&["ip", "netns", "del", namespace]);
        }
    }
}

impl Wire {
    /// Lays the cable.
    ///
    /// # Errors
    /// What the system refuses: no root, no such tools.
    pub fn lay() -> Result<Wire, String> {
        take_away_what_was_left();
        let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let namespaces = ["a", "b"].map(|end| format!("{NAME}{}{end}", std::process::id()));
        let wire = Wire { namespaces, folder };
        let [a, b] = &wire.namespaces;
        for namespace in [a, b] {
            system(&["ip", "netns", "add", namespace])?;
            system(&["ip", "-n", namespace, "link", "set", "lo", "up"])?;
        }
        system(&["ip", "-n", a, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", b])?;
        for (namespace, address) in [(a, ADDRESSES[0]), (b, ADDRESSES[1])] {
            system(&["ip", "-n", namespace, "addr", "add", &format!("{address}/24"), "dev", "wire"])?;
            system(&["ip", "-n", namespace, "link", "set", "wire", "up"])?;
            let shape = ["tc", "-n", namespace, "qdisc", "add", "dev", "wire", "root", "tbf"];
            system(&[&shape[..], &SHAPE].concat())?;
        }
        // What mpirun calls to reach the other end: address, then a command line.
        let script = format!("#!/bin/sh\nshift\nexec ip netns exec {b} taskset -c 1 sh -c \"$*\"\n");
        std::fs::write(wire.agent(), script)
            .and_then(|()| std::fs::set_permissions(wire.agent(), PermissionsExt::from_mode(0o755)))
            .map_err(|e| format!("the agent: {e}"))?;
        Ok(wire)
    }

    fn agent(&self) -> PathBuf {
        self.folder.path().join("agent")
    }

    /// A launcher of two ranks, one at each end, each on a core of its own. Both programs wait as they do where every rank
    /// has a core.
    pub fn mpirun(&self) -> Command {
        let mut command = Command::new("ip");
        command.envs([("OMPI_ALLOW_RUN_AS_ROOT", "1"), ("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")]);
        command.args(["netns", "exec", &self.namespaces[0], "taskset", "-c", "0", "mpirun", "-np", "2", "--host"]);
        command.arg(format!("{}:1,{}:1", ADDRESSES[0], ADDRESSES[1]));
        command.args(["--mca", "plm_rsh_agent"]).arg(self.agent());
        for (name, value) in [
            ("btl", "tcp,self"),
            ("btl_tcp_if_include", "wire"),
            ("oob_tcp_if_include", "wire"),
            ("mpi_yield_when_idle", "0"),
        ] {
            command.args(["--mca", name, value]);
        }
        command
    }

    /// Ours on the wire, and its account.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn ours(&self, ours: &Ours, params: RunParams, machine: &Machine) -> Result<(Figure, Told), String> {
        let command = ours.launched_by(self.mpirun());
        let (figure, run) = ours.finish(command, 1, Some(params), peak(machine))?;
        let account = run.account.ok_or("its report holds no account")?;
        Ok((figure, Told { params, account }))
    }

    /// HPL 2.0 of hpcc on the wire.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn hpcc(&self, hpcc: &Hpcc, params: RunParams, machine: &Machine) -> Result<Figure, String> {
        hpcc.run_with(params, 1, self.mpirun(), peak(machine))
    }
}

/// What became of a run on the wire.
pub struct Told {
    params: RunParams,
    account: Account,
}

/// For each order: how much of the broadcast was hidden, and the last waterfall of each depth. At depth 0 all of the
/// broadcast is waited for; what is not waited for at another depth was hidden behind the update. (A sender only sees its
/// message go as far as the system's buffers.)
pub fn summary(told: &[Told]) -> String {
    let mut text = String::new();
    let mut seen = Vec::new();
    for Told { params, .. } in told {
        if seen.contains(params) {
            continue;
        }
        seen.push(*params);
        let waited = |wanted: RunParams| {
            let runs = told.iter().filter(|told| told.params == wanted);
            Spread::of(runs.map(|told| told.account.panels_waited_for))
        };
        let (Some(mine), Some(Told { account, .. })) =
            (waited(*params), told.iter().rfind(|told| told.params == *params))
        else {
            continue;
        };
        let RunParams { n, depth, .. } = *params;
        let megabytes = account.sent.bcast as f64 / 1e6;
        let _ = write!(text, "N={n}, DEPTH {depth}: {megabytes:.0} MB of panels, {:.2} s waited for", mine.median);
        if let Some(exposed) = waited(RunParams { depth: 0, ..*params }).filter(|_| depth > 0) {
            let hidden = 100.0 * (1.0 - mine.median / exposed.median);
            let _ = write!(text, " of {:.2} s at DEPTH 0: {hidden:.0} % hidden", exposed.median);
        }
        let _ = write!(text, "\n```\n{}```\n", account.waterfall.to_text(params.flops()));
    }
    text
}

impl Drop for Wire {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            // One that was never made cannot be taken away.
            let _ = system(&["ip", "netns", "del", namespace]);
        }
    }
}
