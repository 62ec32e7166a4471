//! Two ranks on a slow wire: network namespaces of this machine, a rank in each, a virtual cable of 1 Gbit/s between them.
//!
//! Needs root, `ip`, `tc` and `taskset`. The namespaces are made for the comparison and taken away after it.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use benches::machine::Machine;
use hpl_spec::params::RunParams;

use super::hpl::{Hpcc, Ours, peak};
use super::table::Figure;

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

impl Wire {
    /// Lays the cable.
    ///
    /// # Errors
    /// What the system refuses: no root, no such tools.
    pub fn lay() -> Result<Wire, String> {
        let folder = tempfile::tempdir().map_err(|e| format!("no scratch folder: {e}"))?;
        let namespaces = ["a", "b"].map(|end| format!("hplw{}{end}", std::process::id()));
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

    /// Ours on the wire; what its account says is added to `told`.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn ours(&self, ours: &Ours, params: RunParams, machine: &Machine, told: &mut String) -> Result<Figure, String> {
        let command = ours.launched_by(self.mpirun());
        let (figure, run) = ours.finish(command, 1, Some(params), peak(machine))?;
        if let Some(account) = &run.account {
            let (wire, waited) = (account.panels_under_way, account.panels_waited_for);
            let hidden = if wire > 0.0 { 100.0 * (1.0 - waited / wire).max(0.0) } else { 0.0 };
            let RunParams { n, depth, .. } = params;
            let bytes = account.sent.bcast as f64 / 1e6;
            let _ = writeln!(
                told,
                "N={n}, DEPTH {depth}: {bytes:.0} MB of panels, {wire:.2} s on the wire, {waited:.2} s waited for: {hidden:.0} % hidden"
            );
            told.push_str(&account.waterfall.to_text(params.flops()));
        }
        Ok(figure)
    }

    /// HPL 2.0 of hpcc on the wire.
    ///
    /// # Errors
    /// A sentence, with what the program said.
    pub fn hpcc(&self, hpcc: &Hpcc, params: RunParams, machine: &Machine) -> Result<Figure, String> {
        hpcc.run_with(params, 1, self.mpirun(), peak(machine))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            // One that was never made cannot be taken away.
            let _ = system(&["ip", "netns", "del", namespace]);
        }
    }
}
