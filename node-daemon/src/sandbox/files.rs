//! Which files a run may read and write: landlock, the kernel's own rules, as far as this kernel has them.
//!
//! ```text
//!   read, execute   the system's programs and libraries, what launch.json names
//!   read            /proc, /sys, what the loader, the C library and MPI want of /etc
//!   read, write     the work folder, the scratch folder, /dev/shm, harmless devices and those of network cards and GPUs
//! ```
//!
//! Everything else is closed, the daemon's own folder above all: where it lies below one of the folders above, that
//! folder's other entries are opened one by one. Devices cannot be made and files written here cannot be executed.
//! Processes outside of the run get no signal from it and cannot be traced, their memory cannot be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use crate::folder::RunFolder;
use crate::launch::Launch;

/// The newest rules that this list was written for; the kernel's own are used if they are older.
const KNOWN: ABI = ABI::V9;

/// Programs and libraries.
const PROGRAMS: &[&str] =
    &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/nix/store", "/gnu/store"];
/// What everybody on the machine may know.
const FACTS: &[&str] = &["/proc", "/sys"];
/// Files and folders of /etc that the loader, the C library, hwloc, MPI and drivers read. None holds a secret.
const ETC: &[&str] = &[
    "OpenCL",
    "alternatives",
    "crypto-policies",
    "gai.conf",
    "group",
    "host.conf",
    "hostname",
    "hosts",
    "infiniband",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "ld.so.preload",
    "libibverbs.d",
    "locale.alias",
    "locale.conf",
    "localtime",
    "networks",
    "nsswitch.conf",
    "nvidia",
    "os-release",
    "passwd",
    "pki/tls/openssl.cnf",
    "protocols",
    "rdma",
    "resolv.conf",
    "services",
    "ssl/openssl.cnf",
    "timezone",
    "ucx",
];
/// How those begin that carry a version or an architecture in their names.
const ETC_BEGINS: &[&str] = &["hwloc", "mpich", "openmpi", "pmix", "prrte", "prte"];
/// Devices that hold nothing.
const DEVICES: &[&str] = &["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"];
/// Devices of network cards and GPUs.
const CARDS: &[&str] = &["/dev/infiniband", "/dev/kfd", "/dev/dri"];
/// How the names of NVIDIA's begin.
const CARDS_BEGIN: &str = "nvidia";
/// Memory with names.
const MEMORY: &[&str] = &["/dev/shm", "/dev/hugepages"];

/// The rules, not yet in force.
pub(super) struct Rules {
    ruleset: RulesetCreated,
    /// How many of the places that launch.json names are not there, or are the daemon's own.
    missing: usize,
}

/// Opens everything that the rules name, while it can still be reached.
pub(super) fn prepare(folder: &RunFolder, launch: &Launch) -> Result<Rules, String> {
    let secret = secret(folder);
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let device = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate;
    let card = device | AccessFs::ReadDir | AccessFs::IoctlDev;
    let write = AccessFs::from_all(KNOWN)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let mut missing = 0;
    let mut made = Adding { ruleset: Some(empty().map_err(words)?) };
    for path in PROGRAMS.iter().map(PathBuf::from).flat_map(|p| around(&p, &secret)) {
        made.add(&path, read | AccessFs::Execute)?;
    }
    for path in &launch.read {
        let opened = around(path, &secret);
        missing += usize::from(opened.is_empty());
        for path in opened {
            made.add(&path, read | AccessFs::Execute)?;
        }
    }
    for path in FACTS.iter().map(PathBuf::from).chain(of_etc()) {
        made.add(&path, read)?;
    }
    for path in DEVICES {
        made.add(path.as_ref(), device)?;
    }
    for path in CARDS.iter().map(PathBuf::from).chain(beginning("/dev", &[CARDS_BEGIN])) {
        made.add(&path, card)?;
    }
    for path in MEMORY.iter().map(PathBuf::from) {
        made.add(&path, write)?;
    }
    for path in [&launch.work, &launch.tmp] {
        if !made.add(path, write)? {
            return Err(format!("{} cannot be opened for the run: it must be a folder", path.display()));
        }
    }
    let ruleset = made.ruleset.ok_or("landlock: no rules")?;
    Ok(Rules { ruleset, missing })
}

/// The folder that holds everything that the daemon keeps: DATA of DATA/runs/ATTEMPT.
fn secret(folder: &RunFolder) -> PathBuf {
    let whole = folder.path().canonicalize().unwrap_or_else(|_| folder.path().to_owned());
    whole.ancestors().nth(2).unwrap_or(&whole).to_owned()
}

/// The folder `open`, or, where `secret` lies in it, everything in it but that. Empty if it is not there, or is the
/// secret itself.
fn around(open: &Path, secret: &Path) -> BTreeSet<PathBuf> {
    let Some(open) = open.canonicalize().ok().filter(|open| open != secret) else { return BTreeSet::new() };
    if !secret.starts_with(&open) {
        return BTreeSet::from([open]);
    }
    let inner = fs::read_dir(&open).map(|entries| entries.flatten().map(|e| e.path()).collect::<Vec<_>>());
    // a link is followed to where it points to, which must not lead back
    let inner = inner.unwrap_or_default().into_iter().filter(|path| !path.is_symlink());
    inner.flat_map(|path| around(&path, secret)).collect()
}

fn of_etc() -> impl Iterator<Item = PathBuf> {
    ETC.iter().map(|name| Path::new("/etc").join(name)).chain(beginning("/etc", ETC_BEGINS))
}

fn beginning(folder: &str, names: &[&str]) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).map(|entries| entries.flatten().collect::<Vec<_>>()).unwrap_or_default();
    let begins = |name: &str| names.iter().any(|begin| name.starts_with(begin));
    entries.into_iter().filter(|e| e.file_name().to_str().is_some_and(begins)).map(|e| e.path()).collect()
}

fn empty() -> Result<RulesetCreated, RulesetError> {
    Ruleset::default().handle_access(AccessFs::from_all(KNOWN))?.scope(Scope::from_all(KNOWN))?.create()
}

/// Rules that grow; the library wants to own them at each step.
struct Adding {
    ruleset: Option<RulesetCreated>,
}

impl Adding {
    /// Opens a path if it is there.
    fn add(&mut self, path: &Path, access: BitFlags<AccessFs>) -> Result<bool, String> {
        let Ok(fd) = PathFd::new(path) else { return Ok(false) };
        let Some(ruleset) = self.ruleset.take() else { return Ok(false) };
        let access = if path.is_dir() { access } else { access & AccessFs::from_file(KNOWN) };
        self.ruleset = Some(ruleset.add_rule(PathBeneath::new(fd, access)).map_err(words)?);
        Ok(true)
    }
}

impl Rules {
    /// Puts the rules in force, for ever.
    pub(super) fn enforce(self) -> Result<String, String> {
        let status = self.ruleset.restrict_self().map_err(words)?;
        let abi = match status.landlock {
            LandlockStatus::Available { effective_abi, kernel_abi } => kernel_abi.unwrap_or(effective_abi as i32),
            LandlockStatus::NotEnabled => return Err("the kernel was started without it".into()),
            LandlockStatus::NotImplemented => return Err("the kernel has none".into()),
        };
        if status.ruleset == RulesetStatus::NotEnforced {
            return Err(format!("not in force (ABI {abi})"));
        }
        Ok(match self.missing {
            0 => format!("yes (ABI {abi})"),
            // without their names: measures are shown to everybody
            n => format!("yes (ABI {abi}); {n} of the places to be read are not there, or are the daemon's own"),
        })
    }
}

fn words(why: impl std::fmt::Display) -> String {
    format!("landlock: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_stays_out_of_what_is_opened() {
        let scratch = tempfile::tempdir().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        for folder in ["bin", "lib/a", "lib/data/runs/x", "lib/z"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        std::os::unix::fs::symlink(&root, root.join("lib/back")).unwrap();
        let open = |folder: &str| {
            let paths = around(&root.join(folder), &root.join("lib/data"));
            paths.iter().map(|p| p.strip_prefix(&root).unwrap().display().to_string()).collect::<Vec<_>>()
        };
        assert_eq!(open("bin"), ["bin"]);
        assert_eq!(open(""), ["bin", "lib/a", "lib/z"]);
        assert!(open("lib/data").is_empty());
        assert_eq!(open("lib/data/runs/x"), ["lib/data/runs/x"]);
        assert!(open("nowhere").is_empty());
        assert_eq!(secret(&RunFolder::at(root.join("lib/data/runs/x"))), root.join("lib/data"));
    }

    #[test]
    fn no_file_of_etc_is_a_secret() {
        assert!(of_etc().all(|path| !path.to_string_lossy().contains("shadow") && path != Path::new("/etc")));
    }
}
