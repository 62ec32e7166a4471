//! A daemon as a process of its own, with its data folder, and what an operator types beside it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use validation::processes::signal;
use validation::program;

use super::fake::Play;
use super::relay::Relay;
use super::site::{PATIENCE, Site, eventually, wait};
use super::witness::Witness;

/// A daemon; killed when dropped, with what it runs.
pub struct Node {
    pub name: String,
    pub witness: Witness,
    data: PathBuf,
    log: PathBuf,
    xhpl: PathBuf,
    read: Vec<PathBuf>,
    before: Vec<String>,
    flags: Vec<String>,
    child: Option<Child>,
}

impl Node {
    /// A node that has joined, and whose daemon does not run yet. It runs the real program, or the fake one.
    pub fn joined(site: &Site, name: &str, play: Option<&Play>, via: Option<&Relay>) -> Node {
        Node::joined_at(site, name, site.path().join(name), play, via)
    }

    /// The same, in that data folder.
    pub fn joined_at(site: &Site, name: &str, data: PathBuf, play: Option<&Play>, via: Option<&Relay>) -> Node {
        let node = Node {
            name: name.to_owned(),
            witness: Witness::of(&data),
            log: site.path().join(format!("{name}.log")),
            data,
            xhpl: play.map_or_else(program::xhpl, Play::xhpl),
            read: play.map_or_else(Vec::new, Play::read),
            before: vec![],
            flags: vec!["--shared".to_owned()],
            child: None,
        };
        node.join(site, via);
        node
    }

    /// Joins, anew if it has done so before.
    #[track_caller]
    pub fn join(&self, site: &Site, via: Option<&Relay>) {
        let mut join = site.join_string(&[]);
        if let Some(relay) = via {
            let at = join.rfind(':').unwrap();
            join = format!("{}:{}", &join[..at], relay.port);
        }
        let said = self.command(&["join", &join, "--name", &self.name]);
        assert!(said.status.success(), "{}", told(&said));
    }

    /// Starts the daemon.
    pub fn start(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let log = File::options().append(true).create(true).open(&self.log).unwrap();
        let program = program::hpl_node();
        let mut command = match self.before.split_first() {
            None => Command::new(&program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(&program);
                command
            }
        };
        command.arg("run").arg("--data").arg(&self.data).arg("--xhpl").arg(&self.xhpl).args(&self.flags);
        for path in &self.read {
            command.arg("--read").arg(path);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().expect("hpl-node starts"));
    }

    /// The command that starts the daemon, e.g. in a namespace of its own.
    pub fn start_by(&mut self, before: &[&str]) {
        self.before = before.iter().map(|&b| b.to_owned()).collect();
    }

    /// `kill -9` of the daemon, not of its run.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("it runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Asks the daemon to stop, which it has to do at once and well.
    pub fn stop(&mut self) {
        let mut child = self.child.take().expect("it runs");
        kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
        let status = wait(&mut child, PATIENCE).expect("the daemon stops");
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Waits until the daemon has ended by itself; its exit status.
    pub fn ended(&mut self) -> i32 {
        let mut child = self.child.take().expect("it runs");
        let status = wait(&mut child, PATIENCE).unwrap_or_else(|| panic!("the daemon goes on\n{}", self.log()));
        status.code().unwrap_or(-1)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Its id at the service.
    pub fn id(&self) -> String {
        let bytes = std::fs::read(self.data.join("node.json")).unwrap();
        let identity: Value = serde_json::from_slice(&bytes).unwrap();
        identity["node"].as_str().unwrap().to_owned()
    }

    /// Another command of `hpl-node` on this data folder.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(program::hpl_node());
        command.args(arguments).env("HPL_NODE_DATA", &self.data).stdin(Stdio::null());
        command.output().expect("hpl-node starts")
    }

    /// The same, which has to go well; what it printed.
    #[track_caller]
    pub fn well(&self, arguments: &[&str]) -> String {
        let said = self.command(arguments);
        assert!(said.status.success(), "{arguments:?}: {}", told(&said));
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Waits until the daemon has described its node and the service knows it.
    #[track_caller]
    pub fn until_known(&self) {
        eventually("the service knows the node", || self.log().contains("the service knows this node"));
    }

    /// How the daemon says it stands.
    pub fn state(&self) -> String {
        let status: Value = std::fs::read(self.data.join("status.json"))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        status["state"].as_str().unwrap_or_default().to_owned()
    }

    /// The attempts whose folders lie under `runs`, or under `orphans`.
    pub fn folders(&self, inner: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.data.join(inner)).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Waits until the program of the run on this node has said something; the attempt.
    #[track_caller]
    pub fn until_it_says(&self, word: &str) -> String {
        let mut attempt = String::new();
        eventually(&format!("a program says {word}"), || {
            attempt = self.folders("runs").pop().unwrap_or_default();
            let log = std::fs::read_to_string(self.data.join("runs").join(&attempt).join("out.log"));
            log.is_ok_and(|log| log.contains(word))
        });
        attempt
    }

    /// A file of the run's folder, as JSON.
    pub fn file_of_run(&self, attempt: &str, name: &str) -> Value {
        let path = self.data.join("runs").join(attempt).join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// What a command said.
pub fn told(said: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}: {}{}", said.status, text(&said.stdout), text(&said.stderr))
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(4000);
            eprintln!("---- {} said:\n{}", self.name, log.get(from..).unwrap_or(&log));
        }
        // A shim that is asked to end takes its run with it.
        let shims = self.witness.living_shims();
        shims.iter().for_each(|&pid| signal(pid, Signal::TERM));
        for _ in 0..100 {
            if self.witness.living_shims().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        shims.iter().for_each(|&pid| signal(pid, Signal::KILL));
    }
}
