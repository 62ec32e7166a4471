//! The profile of this CPU: where it lies, whether it serves, and that all ranks take the same one.

use std::path::{Path, PathBuf};

use hpl_core::gemm::blocking::CacheSizes;
use hpl_core::gemm::kernel::Kernel;
use hpl_core::topology::Topology;
use hpl_mpi::comm::{Comm, broadcast_bytes};
use hpl_spec::profile::{Profile, ProfileUsed};
use sha2::{Digest, Sha256};

/// The file that `--profile` means: none for `none`; without the option that in the user's configuration folder.
fn file_of(option: Option<&str>) -> Option<PathBuf> {
    match option {
        Some("none") => None,
        Some(file) => Some(file.into()),
        None => usual_file(),
    }
}

/// The profile in the user's configuration folder.
pub fn usual_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    folder.is_absolute().then(|| folder.join("hplaas").join("xhpl-profile.json"))
}

/// A profile that serves this rank, and what to say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// The profile.
    pub profile: Profile,
    /// Where it came from.
    pub used: ProfileUsed,
}

/// The profile that rank 0 finds, if it serves it, on all ranks; and for rank 0 a sentence on why one is not used,
/// unless nobody asked for it. Collective.
pub fn find<C: Comm>(
    world: &C,
    option: Option<&str>,
    topology: &Topology,
    kernel: &Kernel,
) -> (Option<Served>, Option<String>) {
    let (mut text, mut why) = (Vec::new(), None);
    if let (0, Some(file)) = (world.rank(), file_of(option)) {
        match read(&file, topology, kernel) {
            Ok(found) => text = found,
            Err(Refused { missing: true, .. }) if option.is_none() => {}
            Err(Refused { reason, .. }) => why = Some(format!("profile {} is not used: {reason}", file.display())),
        }
        let name = file.to_string_lossy().into_owned().into_bytes();
        if !text.is_empty() {
            text = [name, vec![0], text].concat();
        }
    }
    let message = broadcast_bytes(world, (world.rank() == 0).then_some(text.as_slice()), 0);
    let served = message.iter().position(|&b| b == 0).and_then(|end| {
        let (file, text) = (String::from_utf8_lossy(&message[..end]).into_owned(), &message[end + 1..]);
        let profile = Profile::parse(std::str::from_utf8(text).ok()?).ok()?;
        let sha256 = Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Served { profile, used: ProfileUsed { file, sha256 } })
    });
    (served, why)
}

/// Why a file is not used.
struct Refused {
    missing: bool,
    reason: String,
}

fn read(file: &Path, topology: &Topology, kernel: &Kernel) -> Result<Vec<u8>, Refused> {
    let refused = |reason: String| Refused { missing: false, reason };
    let text = std::fs::read_to_string(file).map_err(|e| Refused {
        missing: e.kind() == std::io::ErrorKind::NotFound,
        reason: format!("{e}. `xhpl tune` writes one"),
    })?;
    let profile = Profile::parse(&text).map_err(refused)?;
    match foreign(&profile, topology, kernel) {
        Some(reason) => Err(refused(reason)),
        None => Ok(text.into_bytes()),
    }
}

/// Why a profile does not serve this CPU; `None` if it does.
pub fn foreign(profile: &Profile, topology: &Topology, kernel: &Kernel) -> Option<String> {
    profile.foreign(&topology.cpu_model, kernel.name, caches(topology.cache_sizes()))
}

/// Cache sizes as a profile has them.
pub fn caches(sizes: CacheSizes) -> [u64; 2] {
    [sizes.l1 as u64, sizes.l2 as u64]
}
