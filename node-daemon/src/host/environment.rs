//! What a result stood on, for its evidence: versions and settings that make one machine faster than another of the
//! same kind. What the machine does not show is left out.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::memory::memory_below;
use super::mounts::parse_mounts;
use super::said::ask;

/// How long a program may take to say its version.
const PATIENCE: Duration = Duration::from_secs(10);
/// No value is longer, in bytes.
const VALUE: usize = 256;

/// Versions and settings by name: of the operating system's kernel, of MPI and of `xhpl`; clocks, threads of a core,
/// huge pages, NUMA, swap; container and hypervisor. It takes 20 s at most, if both programs hang.
#[must_use]
pub fn environment(xhpl: &Path, mpirun: &Path) -> BTreeMap<String, String> {
    let mut all = settings_below(Path::new("/"), &|name| std::env::var(name).ok());
    all.insert("mpi".to_owned(), mpi_version(mpirun).unwrap_or_else(|why| why));
    all.insert("xhpl".to_owned(), program_version(xhpl).unwrap_or_else(|why| why));
    for value in all.values_mut() {
        clip(value, VALUE);
    }
    all
}

/// Cuts a text to so many bytes at most, at the end of a character.
pub(crate) fn clip(text: &mut String, bytes: usize) {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes));
    }
}

/// The version of the MPI that the launcher belongs to, e.g. `Open MPI 4.1.4`.
///
/// # Errors
/// It cannot be asked, in words.
pub fn mpi_version(mpirun: &Path) -> Result<String, String> {
    let said = ask(Command::new(mpirun).arg("--version"), PATIENCE)?;
    if !said.status.success() {
        return Err(format!("{} --version: {}: {}", mpirun.display(), said.status, said.words()));
    }
    parse_mpi_version(&said.out)
        .ok_or_else(|| format!("{} --version: expected the name of an MPI, found nothing", mpirun.display()))
}

/// The first line of `xhpl --version`.
///
/// # Errors
/// It cannot be asked, in words.
pub fn program_version(xhpl: &Path) -> Result<String, String> {
    let said = ask(Command::new(xhpl).arg("--version"), PATIENCE)?;
    let first = said.out.lines().map(str::trim).find(|line| !line.is_empty());
    match first {
        Some(line) if said.status.success() => Ok(line.to_owned()),
        _ => Err(format!("{} --version: {}: {}", xhpl.display(), said.status, said.words())),
    }
}

/// Name and version from what a launcher says: `mpirun (Open MPI) 4.1.4`, `HYDRA build details: … Version: 4.2`, or
/// else its first line as it is.
#[must_use]
pub fn parse_mpi_version(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next()?;
    if let Some((_, rest)) = first.split_once("(Open MPI)") {
        return Some(format!("Open MPI {}", rest.trim()).trim_end().to_owned());
    }
    if first.starts_with("HYDRA") {
        let version = lines.find_map(|line| line.strip_prefix("Version:"));
        return Some(version.map_or("MPICH".to_owned(), |v| format!("MPICH {}", v.trim())));
    }
    Some(first.to_owned())
}

/// The settings, with `proc` and `sys` in the folder `root`, and `variable` to look up variables of the environment.
pub fn settings_below(root: &Path, variable: &dyn Fn(&str) -> Option<String>) -> BTreeMap<String, String> {
    let text = |file: &str| std::fs::read_to_string(root.join(file)).ok();
    let word = |file: &str| text(file).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
    let chosen = |file: &str| text(file).as_deref().and_then(parse_choice);
    let cpuinfo = text("proc/cpuinfo").unwrap_or_default();
    let cpu = "sys/devices/system/cpu";
    let entries = [
        ("kernel", word("proc/sys/kernel/osrelease")),
        ("governor", word(&format!("{cpu}/cpu0/cpufreq/scaling_governor"))),
        ("boost", boost(&word)),
        ("smt", word(&format!("{cpu}/smt/control"))),
        ("huge_pages", chosen("sys/kernel/mm/transparent_hugepage/enabled")),
        ("numa_balancing", word("proc/sys/kernel/numa_balancing").map(|w| on_off(&w))),
        ("aslr", word("proc/sys/kernel/randomize_va_space").map(|w| on_off(&w))),
        ("swappiness", word("proc/sys/vm/swappiness")),
        ("swap_bytes", text("proc/meminfo").map(|_| memory_below(root).swap_total.to_string())),
        ("cgroup", Some(cgroup_version(&text("proc/self/mountinfo").unwrap_or_default()).to_owned())),
        ("container", Some(container(root, variable))),
        ("hypervisor", hypervisor(&cpuinfo, word("sys/class/dmi/id/sys_vendor"))),
        ("microcode", field(&cpuinfo, "microcode").or_else(|| word(&format!("{cpu}/cpu0/microcode/version")))),
    ];
    entries.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

/// The word that the kernel puts in brackets: `always [madvise] never`.
#[must_use]
pub fn parse_choice(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

fn on_off(word: &str) -> String {
    if word == "0" { "off".to_owned() } else { format!("on ({word})") }
}

/// Whether cores may run above their nominal clock. Intel's driver counts the other way round.
fn boost(word: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let no_turbo = word("sys/devices/system/cpu/intel_pstate/no_turbo").map(|w| w == "0");
    let boost = || word("sys/devices/system/cpu/cpufreq/boost").map(|w| w == "1");
    no_turbo.or_else(boost).map(|on| if on { "on" } else { "off" }.to_owned())
}

/// Which versions of control groups are mounted.
#[must_use]
pub fn cgroup_version(mountinfo: &str) -> &'static str {
    let mounts = parse_mounts(mountinfo);
    let v1 = mounts.iter().any(|m| m.kind == "cgroup");
    let v2 = mounts.iter().any(|m| m.kind == "cgroup2");
    match (v1, v2) {
        (true, true) => "1 and 2",
        (true, false) => "1",
        (false, true) => "2",
        (false, false) => "none",
    }
}

/// The value of the line `name : value` of `/proc/cpuinfo`, of the first processor.
fn field(cpuinfo: &str, name: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(line.trim().to_owned()).filter(|value| !value.is_empty())
}

/// Whether the processor says that it is a guest's, and whose. Only x86 says so.
fn hypervisor(cpuinfo: &str, vendor: Option<String>) -> Option<String> {
    let flags = field(cpuinfo, "flags")?;
    let guest = flags.split(' ').any(|flag| flag == "hypervisor");
    Some(match (guest, vendor) {
        (false, _) => "no".to_owned(),
        (true, Some(vendor)) => format!("yes ({vendor})"),
        (true, None) => "yes".to_owned(),
    })
}

/// `no`, or which kind of container this is, as far as it shows.
pub(crate) fn container(root: &Path, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let there = |file: &str| root.join(file).exists();
    let cgroup = std::fs::read_to_string(root.join("proc/1/cgroup")).unwrap_or_default();
    let named = variable("container").or_else(|| {
        let text = std::fs::read_to_string(root.join("run/systemd/container")).ok()?;
        Some(text.trim().to_owned())
    });
    let kind = if ["APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"].iter().any(|v| variable(v).is_some()) {
        "apptainer"
    } else if there(".dockerenv") {
        "docker"
    } else if there("run/.containerenv") {
        "podman"
    } else if let Some(name) = named.as_deref().filter(|name| !name.is_empty()) {
        name
    } else if variable("KUBERNETES_SERVICE_HOST").is_some() || cgroup.contains("kubepods") {
        "kubernetes"
    } else if ["docker", "lxc", "libpod"].iter().any(|word| cgroup.contains(word)) {
        "yes"
    } else {
        "no"
    };
    kind.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn launchers_say_what_they_are() {
        let version = |text| parse_mpi_version(text);
        assert_eq!(version("mpirun (Open MPI) 4.1.4\n\nReport bugs\n").as_deref(), Some("Open MPI 4.1.4"));
        let hydra = "HYDRA build details:\n    Version:                                 4.2.1\n    Release Date: x\n";
        assert_eq!(version(hydra).as_deref(), Some("MPICH 4.2.1"));
        let intel = "Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 1\nCopyright\n";
        assert_eq!(version(intel).as_deref(), Some("Intel(R) MPI Library for Linux* OS, Version 2021.9 Build 1"));
        assert_eq!(version("\n \n"), None);
    }

    #[test]
    fn settings_of_a_tree() {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("proc/sys/kernel/osrelease", "6.1.0\n"),
            ("proc/sys/kernel/numa_balancing", "0\n"),
            ("proc/sys/kernel/randomize_va_space", "2\n"),
            ("proc/meminfo", "SwapTotal: 4 kB\n"),
            ("proc/cpuinfo", "processor : 0\nflags\t\t: fpu hypervisor\nmicrocode\t: 0x2b\n"),
            ("proc/self/mountinfo", "32 30 0:28 / /cg rw - cgroup2 cgroup2 rw\n"),
            ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n"),
            ("sys/devices/system/cpu/intel_pstate/no_turbo", "1\n"),
            ("sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never\n"),
            ("sys/class/dmi/id/sys_vendor", "QEMU\n"),
            (".dockerenv", ""),
        ] {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let found: Vec<String> =
            settings_below(root.path(), &|_| None).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let expected = "aslr=on (2),boost=off,cgroup=2,container=docker,governor=performance,huge_pages=madvise,\
                        hypervisor=yes (QEMU),kernel=6.1.0,microcode=0x2b,numa_balancing=off,swap_bytes=4096";
        assert_eq!(found.join(","), expected);
    }

    #[test]
    fn containers_show_in_many_ways() {
        let bare = tempfile::tempdir().unwrap();
        let kind = |name: &'static str, value: &'static str| {
            container(bare.path(), &move |asked| (asked == name).then(|| value.to_owned()))
        };
        assert_eq!(kind("container", "lxc"), "lxc");
        assert_eq!(kind("SINGULARITY_CONTAINER", "/x.sif"), "apptainer");
        assert_eq!(kind("KUBERNETES_SERVICE_HOST", "10.0.0.1"), "kubernetes");
        assert_eq!(kind("OTHER", ""), "no");
        assert_eq!(cgroup_version(""), "none");
    }

    #[test]
    fn programs_that_are_missing_are_named() {
        let found = environment(Path::new("/no/xhpl"), Path::new("/no/mpirun"));
        assert!(found["xhpl"].starts_with("/no/xhpl cannot be started"), "{found:?}");
        assert!(found["mpi"].starts_with("/no/mpirun cannot be started") && found.contains_key("kernel"), "{found:?}");
        let mut text = "ä".repeat(200);
        clip(&mut text, 255);
        assert_eq!(text.len(), 254);
    }
}
