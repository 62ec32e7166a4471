//! The end of a run as it is told: its files with their hashes, its evidence, its outcome.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use hpl_spec::api::agent::{AttemptOutcome, FileDigest, FinishRequest, Limits};
use hpl_spec::evidence::Evidence;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::outcome::{Left, outcome};
use super::program::Program;
use crate::agent::{Ending, FileToSend};
use crate::folder::RunFolder;
use crate::launch::{Exit, Launch};

/// A report is no larger: the protocol takes 4 MiB for the whole end.
const REPORT: u64 = 3 << 20;
/// Of the standard error so much is told with a failure.
const LAST_WORDS: u64 = 2000;
/// An attempt may have so many artifacts.
const ARTIFACTS: usize = 16;

/// What the daemon knows of the run beside what the shim wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Its fence.
    pub fence: i64,
    /// Events that it had.
    pub events: u64,
    /// SHA-256 of the program's file when the run began.
    pub binary_sha256: String,
    /// What the run stood on.
    pub environment: BTreeMap<String, String>,
    /// By how much the node's clock is ahead of the service's, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Whether more threads ran than there are cores.
    pub oversubscribed: bool,
    /// Joules that the node took meanwhile.
    pub energy_j: Option<f64>,
    /// Processor seconds of the daemon meanwhile, its shim not counted.
    pub daemon_cpu_s: f64,
    /// Samples of metrics and progress that were dropped.
    pub dropped_samples: u64,
}

/// The end of a run whose shim wrote `exit.json`.
#[must_use]
pub fn close(
    folder: &RunFolder,
    program: &Program,
    launch: &Launch,
    exit: &Exit,
    known: Known,
    limits: &Limits,
) -> FinishRequest {
    let work = folder.work();
    let events = work.join(program.events);
    let left = Left {
        report: report(&work.join(program.report)),
        began: events.metadata().is_ok_and(|meta| meta.len() > 0),
        said: last_words(&folder.err_log()),
        walltime_s: launch.walltime_s,
    };
    let artifacts = [program.row.output, program.events, program.report, "sandbox.json"];
    let files = digests(folder, &artifacts, limits.artifact_bytes);
    let finite = |value: f64| if value.is_finite() { value } else { 0.0 };
    let evidence = Evidence {
        elapsed_s: finite(exit.elapsed_s),
        cpu_s: exit.cpu_s.filter(|s| s.is_finite()),
        memory_peak: exit.memory_peak,
        energy_j: known.energy_j.filter(|j| j.is_finite()),
        binary_sha256: known.binary_sha256,
        launch: launch.argv.clone(),
        environment: known.environment,
        boot_id: exit.boot_id.clone(),
        clock_offset_ms: known.clock_offset_ms,
        oversubscribed: known.oversubscribed,
        network_open: exit.network_open,
        sandbox: exit.sandbox.clone(),
        daemon_cpu_s: finite(known.daemon_cpu_s + exit.shim_cpu_s),
        log_missing_bytes: exit.log_dropped.iter().sum(),
        dropped_samples: known.dropped_samples,
    };
    FinishRequest {
        fence: known.fence,
        events: known.events,
        outcome: outcome(exit, left),
        evidence: Some(evidence),
        files,
    }
}

/// The end of a run that came to nothing before its program began.
#[must_use]
pub fn without_run(fence: i64, events: u64, outcome: AttemptOutcome) -> FinishRequest {
    FinishRequest { fence, events, outcome, evidence: None, files: vec![] }
}

/// What the end means for what is sent.
#[must_use]
pub fn ending(finish: &FinishRequest) -> Ending {
    let files = finish.files.iter().map(|f| {
        let FileDigest { path, length, sha256 } = f.clone();
        FileToSend { path, length, sha256 }
    });
    Ending { is_result: matches!(finish.outcome, AttemptOutcome::Completed { .. }), files: files.collect() }
}

fn report(path: &Path) -> Result<Value, String> {
    let name = path.file_name().unwrap_or_default().display().to_string();
    let bytes = read_plain(path, REPORT).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => format!("the program ended without writing {name}"),
        _ => format!("its {name} cannot be read: {e}"),
    })?;
    serde_json::from_slice(&bytes).map_err(|e| format!("its {name} is not what it should be: {e}"))
}

/// Opens a file that a run may have made: no link, no device, no pipe.
fn open_plain(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("it is no plain file")) }
}

fn read_plain(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open_plain(path)?;
    let mut bytes = vec![];
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it has more than {most} bytes")));
    }
    Ok(bytes)
}

fn last_words(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = open_plain(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LAST_WORDS)))?;
        let mut bytes = vec![];
        file.take(LAST_WORDS).read_to_end(&mut bytes)?;
        let text: String = String::from_utf8_lossy(&bytes).chars().map(clean).collect();
        Ok(text)
    };
    // Without it the failure is told all the same.
    read().unwrap_or_default()
}

fn clean(c: char) -> char {
    if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }
}

/// Where a file of the protocol lies.
#[must_use]
pub fn place(folder: &RunFolder, path: &str) -> Option<PathBuf> {
    match path.split_once('/')? {
        ("log", "out") => Some(folder.out_log()),
        ("log", "err") => Some(folder.err_log()),
        ("artifacts", "sandbox.json") => Some(folder.sandbox()),
        ("artifacts", name) if !name.contains('/') && !name.starts_with('.') => Some(folder.work().join(name)),
        _ => None,
    }
}

/// A piece of a file, as it is to be sent; shorter where the file is.
///
/// # Errors
/// Of the file system.
pub fn piece(folder: &RunFolder, path: &str, offset: u64, length: u64) -> io::Result<Vec<u8>> {
    let place = place(folder, path).ok_or_else(|| io::Error::other(format!("there is no file `{path}`")))?;
    let mut file = open_plain(&place)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = vec![];
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The files that are there, what people read first, then the logs; no more of the rest than the service takes.
fn digests(folder: &RunFolder, artifacts: &[&str], most: u64) -> Vec<FileDigest> {
    let mut digests = vec![];
    let mut left = most;
    let (output, rest) = artifacts.split_first().map_or(("", &[][..]), |(first, rest)| (*first, rest));
    let paths = [format!("artifacts/{output}"), "log/out".into(), "log/err".into()];
    let rest = rest.iter().map(|name| format!("artifacts/{name}"));
    for path in paths.into_iter().chain(rest).take(ARTIFACTS) {
        let Some(Ok((length, sha256))) = place(folder, &path).map(|place| digest(&place)) else { continue };
        if path.starts_with("artifacts/") {
            if length > left {
                continue;
            }
            left -= length;
        }
        digests.push(FileDigest { path, length, sha256 });
    }
    digests
}

/// Length and SHA-256 of a file.
///
/// # Errors
/// Of the file system; it is no plain file.
pub fn digest(path: &Path) -> io::Result<(u64, String)> {
    let mut file = open_plain(path)?;
    let mut hash = Sha256::new();
    let (mut length, mut buffer) = (0, vec![0; 64 << 10]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((length, HEXLOWER.encode(&hash.finalize()))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                length += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => (),
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_pipes_are_not_read() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = RunFolder::at(scratch.path());
        std::fs::create_dir(folder.work()).unwrap();
        let secret = scratch.path().join("secret");
        std::fs::write(&secret, "token").unwrap();
        std::os::unix::fs::symlink(&secret, folder.work().join("HPL.out")).unwrap();
        let pipe = folder.work().join("events.jsonl");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
        std::fs::write(folder.out_log(), "hello\n").unwrap();
        std::fs::write(folder.work().join("report.json"), "{}").unwrap();
        let told = digests(&folder, &["HPL.out", "events.jsonl", "report.json", "absent"], 1 << 20);
        assert_eq!(told.iter().map(|d| d.path.as_str()).collect::<Vec<_>>(), ["log/out", "artifacts/report.json"]);
        assert!(piece(&folder, "artifacts/HPL.out", 0, 10).is_err());
        assert_eq!(piece(&folder, "log/out", 2, 2).unwrap(), b"ll");
        assert!(place(&folder, "artifacts/../assignment.json").is_none());
        assert!(place(&folder, "etc/passwd").is_none());
        let small = digests(&folder, &["report.json"], 1);
        assert_eq!(small.len(), 1, "what does not fit is left out: {small:?}");
    }

    #[test]
    fn a_report_that_cannot_be_read_is_told() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("report.json");
        assert_eq!(report(&path).unwrap_err(), "the program ended without writing report.json");
        std::fs::write(&path, "{").unwrap();
        assert!(report(&path).unwrap_err().starts_with("its report.json is not what it should be"));
        std::fs::write(scratch.path().join("err.log"), "a\u{1b}[31mred\n").unwrap();
        assert_eq!(last_words(&scratch.path().join("err.log")), "a\u{fffd}[31mred\n");
    }
}
