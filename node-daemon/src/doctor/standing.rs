//! How the daemon stands beside a run that takes everything, and what the node can be measured by.

use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::{Resource, getrlimit};

use super::{Ability, State};
use crate::host::protect;
use crate::metrics::{Sampler, energy};

/// Open files that the daemon wants.
const FILES: u64 = 1024;

/// Whether the daemon can keep its turn and its memory. What it does for that is really done, to this process.
#[must_use]
pub fn limits() -> Ability {
    judge_limits(getrlimit(Resource::Nofile).current, &protect())
}

fn judge_limits(files: Option<u64>, measures: &BTreeMap<String, String>) -> Ability {
    let words = [
        ("nice", "priority", "Nice=-10", "CAP_SYS_NICE"),
        ("oom_score", "out-of-memory score", "OOMScoreAdjust=-900", "CAP_SYS_RESOURCE"),
        ("memory_locked", "locked memory", "LimitMEMLOCK=infinity", "CAP_IPC_LOCK"),
    ];
    let mut has = Vec::new();
    let mut lacks = Vec::new();
    let (mut lines, mut rights) = (Vec::new(), Vec::new());
    for (name, word, line, right) in words {
        match measures.get(name).map(String::as_str) {
            Some("yes") => has.push(word.to_owned()),
            Some(why) => {
                let short = why.strip_prefix("no: ").unwrap_or(why).split(" (").next().unwrap_or_default();
                lacks.push(format!("{word} ({short})"));
                lines.push(line);
                rights.push(right);
            }
            None => lacks.push(word.to_owned()),
        }
    }
    let few = files.filter(|files| *files < FILES);
    if let Some(files) = few {
        lacks.push(format!("open files (only {files})"));
        lines.push("LimitNOFILE=4096");
    } else {
        has.push("open files".to_owned());
    }
    if lacks.is_empty() {
        return Ability::has("limits", has.join(", "));
    }
    let has = if has.is_empty() { "none".to_owned() } else { has.join(", ") };
    let found = format!("{has}; not: {}", lacks.join(", "));
    let costs = "while a run takes all cores and memory, the daemon may be late with its signs of life, and be killed \
                 before the run is";
    let mut mend = format!("run it by the unit in node-daemon/, which has {}", lines.join(" "));
    if !rights.is_empty() {
        mend += &format!("; by hand, as root with {}", rights.join(" "));
    }
    Ability::lacks("limits", State::Partly, found, costs, mend)
}

/// What the sensors tell.
#[derive(Debug, Default, Clone, Copy)]
struct Sensors {
    packages: usize,
    energy: bool,
    temperature: bool,
    clocks: bool,
    guest: bool,
}

/// Which of energy, temperature and clocks this node shows.
#[must_use]
pub fn sensors() -> Ability {
    let sample = Sampler::new().sample(0);
    let shows = |name: &str| sample.values.contains_key(name);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    judge_sensors(Sensors {
        packages: energy::packages_below(Path::new("/")).len(),
        energy: shows("energy_j"),
        temperature: shows("temperature_max_celsius"),
        clocks: shows("clock_mean_hz"),
        guest: flags.split(' ').any(|flag| flag == "hypervisor"),
    })
}

fn judge_sensors(sensors: Sensors) -> Ability {
    let all = [("energy", sensors.energy), ("temperature", sensors.temperature), ("clocks", sensors.clocks)];
    let named = |there: bool| {
        let names = all.iter().filter(|(_, shown)| *shown == there).map(|(name, _)| *name);
        names.collect::<Vec<_>>().join(", ")
    };
    let (has, lacks) = (named(true), named(false));
    let (state, found) = match (has.as_str(), lacks.as_str()) {
        (_, "") => return Ability::has("sensors", has),
        ("", _) => (State::No, format!("no {lacks}")),
        _ => (State::Partly, format!("{has}; no {lacks}")),
    };
    let mut mend = Vec::new();
    if sensors.packages > 0 && !sensors.energy {
        mend.push("the counters are readable by root alone: run as root, or chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj");
    } else if sensors.guest {
        mend.push("nothing to do: a virtual machine is not shown them");
    } else {
        if !sensors.energy {
            mend.push("modprobe intel_rapl_msr (AMD too, from kernel 5.8 on)");
        }
        if !sensors.temperature {
            mend.push("modprobe coretemp (Intel) or k10temp (AMD)");
        }
        if !sensors.clocks {
            mend.push("load a cpufreq driver");
        }
    }
    let costs = format!("samples and results have no {lacks}");
    Ability::lacks("sensors", state, found, costs, mend.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_daemon_may_not_do_is_named_with_the_unit_line() {
        let measures = |lock: &str| {
            [("nice", "yes"), ("oom_score", "yes"), ("memory_locked", lock)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into()
        };
        let well = judge_limits(None, &measures("yes"));
        assert_eq!(well, Ability::has("limits", "priority, out-of-memory score, locked memory, open files"));
        let ill = judge_limits(Some(256), &measures("no: only 8.0 MiB may be locked (needs …)"));
        assert_eq!(
            ill.found,
            "priority, out-of-memory score; not: locked memory (only 8.0 MiB may be locked), open files (only 256)"
        );
        let lines = "LimitMEMLOCK=infinity LimitNOFILE=4096; by hand, as root with CAP_IPC_LOCK";
        assert!(ill.mend.ends_with(lines), "{ill:?}");
        assert!(judge_limits(Some(1), &BTreeMap::new()).found.starts_with("none; not: priority"));
    }

    #[test]
    fn sensors_that_are_hidden_are_not_missing() {
        let none = Sensors::default();
        let all = Sensors { packages: 1, energy: true, temperature: true, clocks: true, guest: false };
        assert_eq!(judge_sensors(all), Ability::has("sensors", "energy, temperature, clocks"));
        let hidden = judge_sensors(Sensors { energy: false, ..all });
        assert_eq!((hidden.state, hidden.found.as_str()), (State::Partly, "temperature, clocks; no energy"));
        assert!(hidden.mend.contains("chmod a+r"), "{hidden:?}");
        let guest = judge_sensors(Sensors { guest: true, ..none });
        assert_eq!((guest.state, guest.found.as_str()), (State::No, "no energy, temperature, clocks"));
        assert!(guest.mend.starts_with("nothing to do"));
        assert!(judge_sensors(none).mend.contains("modprobe intel_rapl_msr"));
    }
}
