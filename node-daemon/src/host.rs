//! What this machine is and what it has at this moment. Small functions that look, and beside each the pure function
//! that reads what was seen.
//!
//! | file | what |
//! |---|---|
//! | here | who the machine is, its clocks, free disk space |
//! | [`memory`] | memory that can still be taken, control groups included |
//! | [`mod@load`] | whether somebody else computes here now |
//! | [`mounts`] | what is mounted where: control groups, the file system of a folder |
//! | [`mod@protect`] | what the daemon does for itself before it starts a run beside itself |
//! | [`mod@environment`] | what a result stood on: versions and settings |
//! | [`said`] | other programs, asked with a time limit |
//! | [`run_lock`] | one run at a time on a machine, whichever daemon it belongs to |
//! | [`preflight`] | why the node should not claim a job now |

use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

use crate::folder::Data;

pub mod environment;
pub mod load;
pub mod memory;
pub mod mounts;
pub mod preflight;
pub mod protect;
pub mod run_lock;
pub mod said;

pub use environment::environment;
pub use load::{CpuLook, busy_cores, load};
pub use memory::memory_available;
pub use protect::protect;
pub use run_lock::{Holder, RunLock};

/// Before the machine's own id goes into the hash: whoever knows the hash cannot look for the same id elsewhere.
const MACHINE_PREFIX: &str = "hpl-node machine 1\n";

/// The id that the kernel drew when it started. Another one means that the machine was started anew.
///
/// # Errors
/// There is no `/proc`, or it holds no such id.
pub fn boot_id() -> io::Result<String> {
    let path = "/proc/sys/kernel/random/boot_id";
    let text = std::fs::read_to_string(path).map_err(|e| about(path, &e))?;
    let id = text.trim();
    if id.is_empty() { Err(io::Error::other(format!("{path} is empty: expected an id"))) } else { Ok(id.to_owned()) }
}

/// What tells this machine from others: 64 hexadecimal digits, a hash of `/etc/machine-id`. Where there is none, it
/// is drawn once and kept in the data folder (0600).
///
/// # Errors
/// There is no machine id, and none can be kept in the data folder.
pub fn machine_id(data: &Data) -> io::Result<String> {
    machine_id_from(Path::new("/etc/machine-id"), &data.path().join("machine-id"))
}

fn machine_id_from(own: &Path, kept: &Path) -> io::Result<String> {
    if let Some(id) = std::fs::read_to_string(own).ok().as_deref().and_then(parse_machine_id) {
        return Ok(hashed(id));
    }
    let mut options = std::fs::OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(kept) {
        Ok(mut file) => {
            let drawn = data_encoding::HEXLOWER.encode(&rand::random::<[u8; 16]>());
            file.write_all(drawn.as_bytes())?;
            file.sync_all()?;
            Ok(hashed(&drawn))
        }
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
            let mut text = String::new();
            std::fs::File::open(kept)?.take(256).read_to_string(&mut text)?;
            let id = parse_machine_id(&text).ok_or_else(|| {
                let what = "expected 32 hexadecimal digits: remove the file, and a new id is drawn";
                io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", kept.display()))
            })?;
            Ok(hashed(id))
        }
        Err(e) => Err(about(&kept.display().to_string(), &e)),
    }
}

/// The id in the text of `/etc/machine-id`; None if it is empty, or the word that stands there before the first start.
fn parse_machine_id(text: &str) -> Option<&str> {
    let id = text.trim();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}

fn hashed(id: &str) -> String {
    let hash = Sha256::new().chain_update(MACHINE_PREFIX).chain_update(id).finalize();
    data_encoding::HEXLOWER.encode(&hash)
}

/// What the machine is called; `localhost` if it has no name.
#[must_use]
pub fn hostname() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = text.trim();
    if name.is_empty() || name == "(none)" { "localhost".to_owned() } else { name.to_owned() }
}

/// Since the machine was started, sleep included (CLOCK_BOOTTIME). It never goes back.
#[must_use]
pub fn now() -> Duration {
    clock(ClockId::Boottime)
}

/// Milliseconds since the epoch by the wall clock, which somebody may set: for display only.
#[must_use]
pub fn wall_ms() -> i64 {
    let ms = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => ms(after),
        Err(before) => -ms(before.duration()),
    }
}

/// Processor time that this process has used, all of its threads together, its children not.
#[must_use]
pub fn process_cpu() -> Duration {
    clock(ClockId::ProcessCPUTime)
}

fn clock(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    // these clocks never stand below zero
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Bytes that this process may still write to the disk that `path` lies on.
///
/// # Errors
/// There is no such path.
pub fn free_disk(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path).map_err(|e| about(&path.display().to_string(), &e.into()))?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Bytes as people read them: `17.3 GiB`.
#[must_use]
pub fn bytes_words(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// The same error, with the place where it happened.
fn about(place: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{place}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_known_again_and_its_id_not_told() {
        let scratch = tempfile::tempdir().unwrap();
        let (own, kept) = (scratch.path().join("machine-id"), scratch.path().join("kept"));
        std::fs::write(&own, "0123456789abcdef0123456789abcdef\n").unwrap();
        let id = machine_id_from(&own, &kept).unwrap();
        assert_eq!(id, machine_id_from(&own, &kept).unwrap());
        assert_eq!((id.len(), id.contains("0123456789abcdef"), kept.exists()), (64, false, false));
        std::fs::write(&own, "1123456789abcdef0123456789abcdef\n").unwrap();
        assert_ne!(id, machine_id_from(&own, &kept).unwrap());
    }

    #[test]
    fn a_machine_without_an_id_keeps_one() {
        use std::os::unix::fs::PermissionsExt;
        let scratch = tempfile::tempdir().unwrap();
        let (own, kept) = (scratch.path().join("machine-id"), scratch.path().join("kept"));
        let first = machine_id_from(&own, &kept).unwrap();
        for nothing in ["", "\n", "uninitialized\n", "not hexadecimal, 32 bytes long ..\n"] {
            std::fs::write(&own, nothing).unwrap();
            assert_eq!(machine_id_from(&own, &kept).unwrap(), first);
        }
        assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&kept, "garbage").unwrap();
        let refused = machine_id_from(&own, &kept).unwrap_err().to_string();
        assert!(refused.contains("kept: expected 32 hexadecimal digits"), "{refused}");
        assert!(machine_id_from(&own, &scratch.path().join("no/such/folder")).is_err());
    }

    #[test]
    fn this_machine_has_a_boot_a_name_and_clocks() {
        assert_eq!(boot_id().unwrap().len(), 36);
        assert!(!hostname().is_empty());
        let (before, cpu) = (now(), process_cpu());
        assert!(now() >= before && process_cpu() >= cpu && wall_ms() > 1_600_000_000_000);
        assert!(free_disk(Path::new("/")).unwrap() > 0);
        assert!(free_disk(Path::new("/no/such/place")).unwrap_err().to_string().contains("/no/such/place"));
    }

    #[test]
    fn bytes_have_words() {
        let words = [0, 1023, 1024, 8 << 20, 1 << 30, (1 << 30) - 1, u64::MAX].map(bytes_words);
        assert_eq!(
            words,
            ["0 bytes", "1023 bytes", "1.0 KiB", "8.0 MiB", "1.0 GiB", "1.0 GiB", "16384.0 PiB"].map(str::to_owned)
        );
    }
}
