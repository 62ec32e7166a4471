//! The control group of a run: its bounds, its count of memory and processor time, and the certain way to end all of its
//! processes. Both versions, and both at once.
//!
//! ```text
//!   version 1     a group NAME below our own, in the tree of each of memory, pids, cpu, cpuacct, freezer
//!   version 2     one group NAME. A group that deals controllers to groups below may hold no process itself, so the
//!                 daemon first moves itself aside:
//!                    hpl-node.service/            (systemd: Delegate=yes)
//!                      hpl-node-daemon/           the daemon and its shims
//!                      NAME/                      the run
//!   neither       limits of a process and the tree of processes in /proc are all there is, and the measures say so
//! ```
//!
//! What cannot be set is a measure with its reason, never an error: a run without a bound is named on its result.
//! What it costs: making and removing the group some milliseconds; the memory controller some 1 % on page faults,
//! nothing on memory that is there; the processor weight nothing while nobody else wants the processor.

mod find;
mod room;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use hpl_spec::evidence::{MemoryPeak, MemorySource};
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

pub use find::{Trees, trees};

use crate::launch::RunLimits;

/// The controllers of version 1 that are of use.
const CONTROLLERS: &[&str] = &["memory", "pids", "cpu", "cpuacct", "freezer"];
/// The weight of a run among all control groups, version 1, for each core: it is dealt among the cores, and on each a run
/// then weighs as one ordinary process does, a ninth of the daemon with its priority. With less, every other process of a
/// shared machine would hold the run up, and with it the slowest rank all others.
const SHARES: usize = 1024;
/// The same of version 2, where the daemon's own group has 100 or, by its unit, 1000.
const WEIGHT: &str = "50";
/// Between two looks whether a group has become empty.
const LOOK: Duration = Duration::from_millis(5);
/// For how long an empty group is tried to be removed: the last process may still be on its way out.
const REMOVE: Duration = Duration::from_secs(1);
/// Groups below a group, and below these.
const DEEP: usize = 8;

/// The folders of a control group. It is kept in a file beside the run, so that whoever comes after a dead shim finds
/// them even from another group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// In the tree of version 2.
    v2: Option<PathBuf>,
    /// In the trees of version 1, by controller.
    v1: BTreeMap<String, PathBuf>,
}

impl Trees {
    /// Those of this process.
    #[must_use]
    pub fn of_self() -> Trees {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        trees(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"))
    }

    /// The folders in which groups for runs are made.
    fn bases(&self) -> BTreeSet<PathBuf> {
        let v1 = CONTROLLERS.iter().filter_map(|c| self.v1.get(*c)).cloned();
        v1.chain(self.v2.as_deref().map(room::base)).collect()
    }
}

impl Group {
    /// Makes the group `name` with these bounds; says of each by name whether it holds.
    #[must_use]
    pub fn create(name: &str, limits: &RunLimits) -> (Group, BTreeMap<String, String>) {
        Group::create_in(&Trees::of_self(), name, limits)
    }

    /// The same in given trees.
    #[must_use]
    pub fn create_in(trees: &Trees, name: &str, limits: &RunLimits) -> (Group, BTreeMap<String, String>) {
        let mut group = Group::default();
        let mut missing = BTreeMap::new();
        if !is_plain(name) {
            let why = format!("`{name}` is no name for a group");
            missing.extend(CONTROLLERS.iter().chain(&["v2"]).map(|c| (*c, why.clone())));
        } else {
            group.make(trees, name, &mut missing);
        }
        let measures = group.bound(limits, &missing);
        (group, measures)
    }

    fn make(&mut self, trees: &Trees, name: &str, missing: &mut BTreeMap<&str, String>) {
        for controller in CONTROLLERS {
            let Some(own) = trees.v1.get(*controller) else { continue };
            match made(&own.join(name)) {
                Ok(folder) => _ = self.v1.insert((*controller).into(), folder),
                Err(why) => _ = missing.insert(controller, why),
            }
        }
        let Some(own) = &trees.v2 else { return };
        let base = room::base(own);
        if let Err(why) = room::deal(&base) {
            missing.insert("dealt", why);
        }
        match made(&base.join(name)) {
            Ok(folder) => self.v2 = Some(folder),
            Err(why) => _ = missing.insert("v2", why),
        }
    }

    /// Sets the bounds.
    fn bound(&self, limits: &RunLimits, missing: &BTreeMap<&str, String>) -> BTreeMap<String, String> {
        let memory = limits.memory_bytes.to_string();
        let processes = limits.processes.to_string();
        let set = |controller, v1: &[(&str, &str)], v2: &[(&str, &str)]| self.set(controller, v1, v2, missing);
        let mut measures = BTreeMap::new();
        let v1 = [("memory.limit_in_bytes", memory.as_str())];
        note(&mut measures, "memory_limit", set("memory", &v1, &[("memory.max", &memory)]));
        let v1 = [("memory.memsw.limit_in_bytes", memory.as_str())];
        note(&mut measures, "no_swap", set("memory", &v1, &[("memory.swap.max", "0")]));
        // the rest of a run is of no use without the process that was ended; version 1 cannot do that
        let _ = set("memory", &[], &[("memory.oom.group", "1")]);
        let limit = [("pids.max", processes.as_str())];
        note(&mut measures, "process_limit", set("pids", &limit, &limit));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let shares = (SHARES * cores).to_string();
        note(&mut measures, "cpu_weight", set("cpu", &[("cpu.shares", &shares)], &[("cpu.weight", WEIGHT)]));
        note(&mut measures, "end_all", self.how_to_kill());
        measures
    }

    /// Writes values for a controller, where it is.
    fn set(
        &self,
        controller: &str,
        v1: &[(&str, &str)],
        v2: &[(&str, &str)],
        missing: &BTreeMap<&str, String>,
    ) -> Result<String, String> {
        let (folder, values, version) = match (self.v1.get(controller), &self.v2) {
            (Some(folder), _) => (folder, v1, 1),
            (None, _) if missing.contains_key(controller) => return Err(missing[controller].clone()),
            (None, Some(folder)) => (folder, v2, 2),
            (None, None) => {
                return Err(missing
                    .get("v2")
                    .cloned()
                    .unwrap_or_else(|| "no control groups to be reached here".into()));
            }
        };
        for (file, value) in values {
            write(&folder.join(file), value).map_err(|why| match missing.get("dealt") {
                Some(dealt) if version == 2 => dealt.clone(),
                _ if why.kind() == io::ErrorKind::NotFound => format!("no {file}: the controller is not here"),
                _ => format!("{file}: {why}"),
            })?;
        }
        Ok(format!("yes (cgroup v{version})"))
    }

    fn how_to_kill(&self) -> Result<String, String> {
        if self.v2.as_ref().is_some_and(|folder| folder.join("cgroup.kill").exists()) {
            return Ok("yes (cgroup.kill)".into());
        }
        match (self.v1.contains_key("freezer"), self.v1.is_empty() && self.v2.is_none()) {
            (true, _) => Ok("yes (freezer)".into()),
            (false, false) => Ok("yes (one by one)".into()),
            (false, true) => Err("processes are looked for in /proc".into()),
        }
    }

    /// The group of that name that a process in the same group as this one would have made.
    #[must_use]
    pub fn open(name: &str) -> Group {
        let trees = Trees::of_self();
        if !is_plain(name) {
            return Group::default();
        }
        let there = |base: &Path| Some(base.join(name)).filter(|folder| folder.is_dir());
        let v1 = trees.v1.iter().filter(|(c, _)| CONTROLLERS.contains(&c.as_str()));
        Group {
            v2: trees.v2.as_deref().and_then(|own| there(&room::base(own))),
            v1: v1.filter_map(|(c, own)| Some((c.clone(), there(own)?))).collect(),
        }
    }

    /// Whether there is no folder at all.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.v1.is_empty() && self.v2.is_none()
    }

    /// Puts a process into it. Where that fails the bounds do not hold, and `measures` says so.
    pub fn add(&mut self, pid: u32, measures: &mut BTreeMap<String, String>) {
        let put = |folder: &Path| write(&folder.join("cgroup.procs"), &pid.to_string());
        let mut deny = |names: &[&str], why: io::Error| {
            for name in names {
                note(measures, name, Err(format!("the run cannot be put into the group: {why}")));
            }
        };
        let failed: Vec<_> = self.v1.iter().filter_map(|(c, folder)| Some((c.clone(), put(folder).err()?))).collect();
        for (controller, why) in failed {
            self.v1.remove(&controller);
            match controller.as_str() {
                "memory" => deny(&["memory_limit", "no_swap"], why),
                "pids" => deny(&["process_limit"], why),
                "cpu" => deny(&["cpu_weight"], why),
                _ => (),
            }
        }
        if let Some(why) = self.v2.as_deref().and_then(|folder| put(folder).err()) {
            self.v2 = None;
            let of_v2 = |measures: &BTreeMap<String, String>| {
                let held = measures.iter().filter(|(_, m)| m.contains("v2") || m.contains("cgroup.kill"));
                held.map(|(name, _)| name.clone()).collect::<Vec<_>>()
            };
            for name in of_v2(measures) {
                note(measures, &name, Err(format!("the run cannot be put into the group: {why}")));
            }
        }
    }

    /// Its folders, each once.
    fn folders(&self) -> BTreeSet<&Path> {
        self.v1.values().chain(&self.v2).map(PathBuf::as_path).collect()
    }

    /// Its processes, those of groups below it included.
    #[must_use]
    pub fn members(&self) -> BTreeSet<u32> {
        let all = self.folders().into_iter().flat_map(|folder| below(folder, DEEP));
        all.flat_map(|folder| room::processes(&folder)).collect()
    }

    /// Sends a signal to each of its processes.
    pub fn signal(&self, signal: Signal) {
        for pid in self.members() {
            send(pid, signal);
        }
    }

    /// Kills what is in it, once: what is born meanwhile may be left.
    pub fn kill_once(&self) {
        let freezer = self.v1.get("freezer").map(|folder| folder.join("freezer.state"));
        let killed = self.v2.as_ref().is_some_and(|folder| write(&folder.join("cgroup.kill"), "1").is_ok());
        if let (false, Some(state)) = (killed, &freezer) {
            // nobody can fork in the ice
            let _ = write(state, "FROZEN");
        }
        self.signal(Signal::KILL);
        if let Some(state) = &freezer {
            let _ = write(state, "THAWED");
        }
    }

    /// Kills until nothing is left, for at most `patience`; says whether nothing is.
    #[must_use]
    pub fn kill(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        while !self.members().is_empty() {
            if begun.elapsed() > patience {
                return false;
            }
            self.kill_once();
            sleep(LOOK);
        }
        true
    }

    /// The most memory that it held.
    #[must_use]
    pub fn peak(&self) -> Option<MemoryPeak> {
        let v1 = self.v1.get("memory").and_then(|f| number(&f.join("memory.max_usage_in_bytes")));
        let v2 = || self.v2.as_ref().and_then(|f| number(&f.join("memory.peak")));
        let peak = |bytes, source| MemoryPeak { bytes, source };
        v1.map(|b| peak(b, MemorySource::CgroupV1)).or_else(|| v2().map(|b| peak(b, MemorySource::CgroupV2)))
    }

    /// Processor seconds of all processes that were ever in it.
    #[must_use]
    pub fn cpu_seconds(&self) -> Option<f64> {
        let v1 = self.v1.get("cpuacct").and_then(|f| number(&f.join("cpuacct.usage"))).map(Duration::from_nanos);
        let v2 = || self.v2.as_ref().and_then(|f| field(&f.join("cpu.stat"), "usage_usec")).map(Duration::from_micros);
        v1.or_else(v2).map(|spent| spent.as_secs_f64())
    }

    /// How many of its processes were ended because its memory was used up.
    #[must_use]
    pub fn oom_kills(&self) -> u64 {
        let v1 = self.v1.get("memory").and_then(|f| field(&f.join("memory.oom_control"), "oom_kill"));
        let v2 = || self.v2.as_ref().and_then(|f| field(&f.join("memory.events"), "oom_kill"));
        v1.or_else(v2).unwrap_or(0)
    }

    /// How often it was refused a process.
    #[must_use]
    pub fn processes_refused(&self) -> u64 {
        let folder = self.v1.get("pids").or(self.v2.as_ref());
        folder.and_then(|f| field(&f.join("pids.events"), "max")).unwrap_or(0)
    }

    /// Removes the empty group, trying for a second; says what is left.
    ///
    /// # Errors
    /// Of the first folder that stays.
    pub fn remove(&self) -> io::Result<()> {
        let begun = Instant::now();
        loop {
            let removed = self.folders().into_iter().map(removed).find(Result::is_err).unwrap_or(Ok(()));
            if removed.is_ok() || begun.elapsed() > REMOVE {
                return removed;
            }
            sleep(LOOK);
        }
    }
}

/// Removes groups whose names begin with `prefix` and are not in `keep`, where they are empty.
pub fn sweep(prefix: &str, keep: &[&str]) {
    for base in Trees::of_self().bases() {
        let entries = fs::read_dir(&base).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
        let leftover = |name: &str| name.starts_with(prefix) && !keep.contains(&name) && name != room::ASIDE;
        for entry in entries.into_iter().filter(|e| e.file_name().to_str().is_some_and(leftover)) {
            // one that is not empty refuses, and is left
            let _ = removed(&entry.path());
        }
    }
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\n', '\0'])
}

fn note(measures: &mut BTreeMap<String, String>, name: &str, taken: Result<String, String>) {
    crate::sandbox::note(measures, name, taken);
}

fn made(folder: &Path) -> Result<PathBuf, String> {
    match fs::create_dir(folder) {
        // the path is for the operator; measures are shown to everybody
        Err(why) if why.kind() != io::ErrorKind::AlreadyExists => {
            crate::shim::tell(format_args!("the control group {}: {why}", folder.display()));
            Err(format!("no group can be made: {why}"))
        }
        _ => Ok(folder.to_owned()),
    }
}

/// Removes a group and the groups below it; fine if it is not there.
fn removed(folder: &Path) -> io::Result<()> {
    for inner in below(folder, DEEP).iter().rev() {
        match fs::remove_dir(inner) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(why),
            _ => (),
        }
    }
    Ok(())
}

/// A group and those below it, each before those below it.
fn below(folder: &Path, deep: usize) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    if deep > 0 {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let inner = entries.filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        all.extend(inner.flat_map(|e| below(&e.path(), deep - 1)));
    }
    all
}

/// Writes to a file of the kernel, which must be there.
fn write(path: &Path, value: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).open(path)?.write_all(value.as_bytes())
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number after `name` in lines of a name and a number.
fn field(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    line.trim().parse().ok()
}

/// Sends a signal; a process that has ended by itself needs none.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

#[cfg(test)]
mod tests;
