//! Cores, pages, memory and disk.

use std::path::{Path, PathBuf};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::{Ability, Options, State};
use crate::host::environment::parse_choice;
use crate::host::memory::{Memory, meminfo_field, memory_below};
use crate::host::mounts::{Group, group, is_network, mount_of, parse_mounts};
use crate::host::preflight::{BALLAST, LEAST_MEMORY};
use crate::host::{bytes_words, free_disk};
use crate::metrics::processors::parse_cores;

/// What of the cores this process has.
#[derive(Debug, Clone, Default, PartialEq)]
struct Cores {
    /// On the machine; 0 if it does not tell.
    online: usize,
    /// On which this process may run; None if more than can be counted.
    mine: Option<usize>,
    /// Of processor time, by the quota of a control group.
    quota: Option<f64>,
    /// Why a thread could not be pinned.
    refused: Option<String>,
}

/// Whether threads can be pinned, and to how many cores.
#[must_use]
pub fn pinning() -> Ability {
    let text = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let mine = sched_getaffinity(None).ok();
    judge_pinning(&Cores {
        online: parse_cores(&text("/sys/devices/system/cpu/online")).len(),
        mine: mine.map(|set| set.count() as usize),
        quota: group(&text("/proc/self/cgroup"), &parse_mounts(&text("/proc/self/mountinfo")), "cpu")
            .and_then(|group| quota(&group)),
        refused: mine.and_then(|set| try_pinning(&set).err()),
    })
}

/// Pins a thread of its own to one of the cores.
fn try_pinning(mine: &CpuSet) -> Result<(), String> {
    let Some(first) = (0..CpuSet::MAX_CPU).find(|cpu| mine.is_set(*cpu)) else { return Ok(()) };
    let pin = move || {
        let mut one = CpuSet::new();
        one.set(first);
        sched_setaffinity(None, &one).map_err(|e| e.to_string())
    };
    std::thread::spawn(pin).join().unwrap_or_else(|_| Err("the thread that tried it died".to_owned()))
}

/// Cores that the quota of a group or of one above it leaves.
fn quota(group: &Group) -> Option<f64> {
    let read = |folder: &PathBuf, name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let of = |folder: &PathBuf| match group.v2 {
        true => parse_quota(&read(folder, "cpu.max")?),
        false => parse_quota(&format!("{} {}", read(folder, "cpu.cfs_quota_us")?, read(folder, "cpu.cfs_period_us")?)),
    };
    group.chain().iter().filter_map(of).min_by(f64::total_cmp)
}

/// `QUOTA PERIOD` in the same unit; None if there is no bound: `max` or -1.
fn parse_quota(text: &str) -> Option<f64> {
    let mut words = text.split_whitespace();
    let (quota, period): (f64, f64) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

fn judge_pinning(cores: &Cores) -> Ability {
    let costs = "the run has fewer cores than the machine, and its peak is measured on those alone";
    if let Some(why) = &cores.refused {
        let costs = "threads wander between cores; the rate is lower and differs from run to run";
        let mend = "let the container or the service call sched_setaffinity (Docker: --cap-add SYS_NICE)";
        return Ability::lacks("pinning", State::No, format!("refused: {why}"), costs, mend);
    }
    let Some(mine) = cores.mine else { return Ability::has("pinning", "more than 1024 cores") };
    let found = format!("threads can be pinned to {mine} of {} cores", cores.online.max(mine));
    if let Some(quota) = cores.quota.filter(|quota| *quota < mine as f64) {
        let found = format!("{found}, but a quota of {quota:.1} cores' time");
        let costs = "all threads are stopped together whenever the quota is used up: rates that say little";
        let mend = "take the quota away (systemd: CPUQuota=; Docker: --cpus) and give a set of cores instead \
                    (AllowedCPUs=; --cpuset-cpus)";
        return Ability::lacks("pinning", State::Partly, found, costs, mend);
    }
    if mine < cores.online {
        let mend = "start the daemon outside of the set (taskset, AllowedCPUs=, --cpuset-cpus, a batch job's cores)";
        return Ability::lacks("pinning", State::Partly, found, costs, mend);
    }
    Ability::has("pinning", found)
}

/// Whether the matrix can lie in huge pages.
#[must_use]
pub fn huge_pages() -> Ability {
    let enabled = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
    judge_huge_pages(enabled.as_deref(), &std::fs::read_to_string("/proc/meminfo").unwrap_or_default())
}

fn judge_huge_pages(enabled: Option<&str>, meminfo: &str) -> Ability {
    let mode = enabled.and_then(parse_choice);
    let reserved = meminfo_field(meminfo, "Hugetlb").filter(|bytes| *bytes > 0);
    match (mode.as_deref(), reserved) {
        (Some("always"), None) => Ability::has("huge_pages", "always"),
        (Some("madvise"), None) => Ability::has("huge_pages", "madvise: where a program asks for them, as xhpl does"),
        (Some(mode @ ("always" | "madvise")), Some(bytes)) => Ability::lacks(
            "huge_pages",
            State::Partly,
            format!("{mode}, but {} are reserved for hugetlb", bytes_words(bytes)),
            "xhpl uses transparent huge pages: what is reserved is lost to it",
            "sysctl vm.nr_hugepages=0",
        ),
        (mode, _) => Ability::lacks(
            "huge_pages",
            State::No,
            mode.unwrap_or("the kernel has none"),
            "the matrix lies in pages of 4 KiB: the rate is some percent lower",
            "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled (for ever: transparent_hugepage=madvise on the \
             kernel's command line)",
        ),
    }
}

/// How much memory a run can have.
#[must_use]
pub fn memory() -> Ability {
    judge_memory(&memory_below(Path::new("/")))
}

fn judge_memory(memory: &Memory) -> Ability {
    let mut found = format!("{} available of {}", bytes_words(memory.available), bytes_words(memory.total));
    if memory.swap_total > 0 {
        found += &format!(", swap {}", bytes_words(memory.swap_total));
    }
    let costs = "jobs that need more than is available are not given to this node";
    if memory.available < LEAST_MEMORY {
        let costs = format!("no job is claimed below {}", bytes_words(LEAST_MEMORY));
        return Ability::lacks("memory", State::No, found, costs, "end what holds it: ps aux --sort=-rss | head");
    }
    match &memory.limit {
        Some(limit) if limit.bytes < memory.total => {
            let found = format!("{found}, a control group allows {}", bytes_words(limit.bytes));
            let mend = format!("raise {} (systemd: MemoryMax=; Docker: --memory)", limit.file.display());
            Ability::lacks("memory", State::Partly, found, costs, mend)
        }
        _ if memory.available < memory.total / 2 => {
            Ability::lacks("memory", State::Partly, found, costs, "end what holds it: ps aux --sort=-rss | head")
        }
        _ => Ability::has("memory", found),
    }
}

/// Where work folders lie.
#[must_use]
pub fn disk(options: &Options) -> Ability {
    let place = existing(&options.data);
    let free = free_disk(&place).map_err(|e| e.to_string());
    let mounts = parse_mounts(&std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default());
    let real = place.canonicalize().unwrap_or(place);
    let kind = mount_of(&mounts, &real).map_or("unknown", |mount| mount.kind.as_str());
    let ballast = options.data.join("ballast").metadata().is_ok_and(|file| file.len() >= BALLAST);
    judge_disk(free, kind, ballast, options)
}

/// The folder, or the nearest above it that is there already.
fn existing(folder: &Path) -> PathBuf {
    let whole = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    whole.ancestors().find(|f| f.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

fn judge_disk(free: Result<u64, String>, kind: &str, ballast: bool, options: &Options) -> Ability {
    let need = options.disk_needed + if ballast { 0 } else { BALLAST };
    let elsewhere = "make room, or put the data folder elsewhere with --data PATH";
    let free = match free {
        Ok(free) => free,
        Err(why) => return Ability::lacks("disk", State::No, why, "no job is claimed", elsewhere),
    };
    let waits = if ballast { ", ballast in place" } else { "" };
    let found = format!("{} free on {kind}{waits}", bytes_words(free));
    if free < need {
        let costs = format!("no job is claimed below {}", bytes_words(need));
        return Ability::lacks("disk", State::No, found, costs, elsewhere);
    }
    if is_network(kind) {
        let costs = "a run waits for another machine when it writes, and locks may not hold";
        return Ability::lacks(
            "disk",
            State::Partly,
            found,
            costs,
            "put the data folder on a disk of this machine: --data PATH",
        );
    }
    if matches!(kind, "tmpfs" | "ramfs") {
        let costs = "what is not delivered is lost when the machine restarts, and files take memory from the matrix";
        return Ability::lacks("disk", State::Partly, found, costs, "put the data folder on a disk: --data PATH");
    }
    Ability::has("disk", found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn cores_that_are_kept_from_us_are_named() {
        let all = Cores { online: 8, mine: Some(8), quota: None, refused: None };
        assert_eq!(judge_pinning(&all), Ability::has("pinning", "threads can be pinned to 8 of 8 cores"));
        let few = judge_pinning(&Cores { mine: Some(4), ..all.clone() });
        assert_eq!((few.state, few.found.as_str()), (State::Partly, "threads can be pinned to 4 of 8 cores"));
        let throttled = judge_pinning(&Cores { quota: Some(2.5), ..all.clone() });
        assert_eq!(throttled.found, "threads can be pinned to 8 of 8 cores, but a quota of 2.5 cores' time");
        assert_eq!(judge_pinning(&Cores { quota: Some(8.0), ..all.clone() }).state, State::Yes);
        assert_eq!(judge_pinning(&Cores { refused: Some("no".into()), ..all.clone() }).state, State::No);
        assert_eq!(judge_pinning(&Cores { mine: None, ..all }).state, State::Yes);
        assert_eq!(
            (parse_quota("150000 100000\n"), parse_quota("max 100000"), parse_quota("-1\n 100000")),
            (Some(1.5), None, None)
        );
    }

    #[test]
    fn pages_memory_and_disk_are_judged() {
        let pages = |mode: &str, meminfo: &str| judge_huge_pages(Some(mode), meminfo).state;
        assert_eq!(pages("always [madvise] never", "Hugetlb: 0 kB\n"), State::Yes);
        assert_eq!(pages("[always] madvise never", "Hugetlb: 2048 kB\n"), State::Partly);
        assert_eq!((pages("always madvise [never]", ""), judge_huge_pages(None, "").state), (State::No, State::No));

        let memory = Memory { total: 16 * GIB, available: 15 * GIB, swap_total: 0, limit: None };
        assert_eq!(judge_memory(&memory).found, "15.0 GiB available of 16.0 GiB");
        assert_eq!(judge_memory(&Memory { available: 7 * GIB, ..memory.clone() }).state, State::Partly);
        assert!(judge_memory(&Memory { available: 1 << 20, ..memory.clone() }).stops());
        let limit = crate::host::memory::Limit { bytes: 8 * GIB, left: 8 * GIB, file: "/cg/memory.max".into() };
        let less = judge_memory(&Memory { available: 8 * GIB, limit: Some(limit), swap_total: GIB, ..memory });
        assert_eq!(less.found, "8.0 GiB available of 16.0 GiB, swap 1.0 GiB, a control group allows 8.0 GiB");

        let options = Options {
            data: "/".into(),
            xhpl: "x".into(),
            mpirun: "m".into(),
            disk_needed: GIB,
            run_is_on: false,
            helper: vec![],
        };
        let state = |free, kind, ballast| judge_disk(Ok(free), kind, ballast, &options).state;
        assert_eq!((state(GIB, "ext4", true), state(GIB, "ext4", false)), (State::Yes, State::No));
        assert_eq!((state(2 * GIB, "nfs4", true), state(2 * GIB, "tmpfs", true)), (State::Partly, State::Partly));
        assert!(judge_disk(Err("gone".into()), "ext4", true, &options).stops());
        assert_eq!(existing(Path::new("/no/such/folder")), Path::new("/"));
    }
}
