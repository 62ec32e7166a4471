//! What has to be true at the end of every test, whatever was done to the processes and the network.
//!
//! - every job has one final state: `done` with one accepted result, or a typed failure, or a cancel;
//! - no program ran twice for an attempt, and the result that counts and its log come from one start;
//! - the log that the service has is the node's, byte by byte, or the evidence says how much is missing;
//! - `hpl-service admin check` finds nothing;
//! - nothing is left: no process, no control group, no scratch folder, nothing to deliver.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::node::Node;
use super::site::{Site, User, eventually};

/// The end of a test, as it has to be.
pub struct Audit<'a> {
    pub site: &'a Site,
    pub nodes: Vec<&'a Node>,
    /// Who submitted what.
    pub jobs: Vec<(&'a User, String)>,
    /// Whether the service was to refuse files, so that only what it has can be compared.
    pub files_refused: bool,
}

impl<'a> Audit<'a> {
    /// Of one user's jobs on one node.
    pub fn of(site: &'a Site, node: &'a Node, user: &'a User, jobs: &[&str]) -> Audit<'a> {
        let jobs = jobs.iter().map(|&job| (user, job.to_owned())).collect();
        Audit { site, nodes: vec![node], jobs, files_refused: false }
    }

    /// Looks at all of it.
    #[track_caller]
    pub fn hold(&self) {
        for (user, job) in &self.jobs {
            let ended = self.site.until_final(job);
            self.one_end(user, job, &ended);
        }
        for node in &self.nodes {
            eventually(&format!("{} has delivered all", node.name), || node.folders("runs").is_empty());
            nothing_left(node);
        }
        for (_, job) in &self.jobs {
            self.log_is_whole(job);
        }
        let said = self.site.admin(&["check"], "");
        assert!(!said.to_lowercase().contains("broken"), "{said}");
    }

    fn one_end(&self, user: &User, job: &str, ended: &Value) {
        let kinds = self.site.kinds(job);
        let ends = ["verified", "failed", "cancelled", "expired"];
        let final_moves = kinds.iter().filter(|kind| ends.contains(&kind.as_str())).count();
        assert_eq!(final_moves, 1, "{job} ends once: {kinds:?}");
        let rows = self.site.results(user);
        let of_job: Vec<_> = rows.iter().filter(|row| row["job"] == *job).collect();
        let accepted = of_job.iter().filter(|row| row["accepted"] == true).count();
        assert_eq!(accepted, usize::from(ended["state"] == "done"), "{job}: {ended:#} {of_job:#?}");
        for row in of_job.iter().filter(|row| row["accepted"] != true) {
            assert!(["orphan", "failed"].contains(&row["tier"].as_str().unwrap_or_default()), "{row:#}");
        }
        if ended["state"] == "failed" {
            // The failure is typed, or there is a result that did not pass its check.
            let (class, code) = (ended["failure"]["class"].as_str(), ended["failure"]["code"].as_str());
            let typed = class.is_some() && code.is_some_and(|code| !code.is_empty());
            assert!(typed || kinds.iter().any(|kind| kind == "verified"), "{ended:#}");
        }
    }

    /// The log of the latest attempt, if it was seen on a node, is in the service as it was there.
    fn log_is_whole(&self, job: &str) {
        let mut claims = self.site.history(job).into_iter().filter(|(kind, _)| kind == "claimed");
        let Some((_, claimed)) = claims.next_back() else { return };
        let attempt = claimed["data"]["attempt"].as_str();
        let attempt = attempt.unwrap_or_else(|| panic!("{claimed}"));
        let result = self.site.result(job);
        let result = (result.status == 200).then(|| result.json());
        if let Some(result) = &result {
            assert_eq!(result["id"], attempt, "the result is of the attempt that came last");
        }
        let missing = result.as_ref().and_then(|r| r["evidence"]["log_missing_bytes"].as_u64()).unwrap_or(0);
        for node in &self.nodes {
            let found = node.witness.seen(|book| book.get(attempt).map(|seen| [seen.log(0), seen.log(1)]));
            let Some(logs) = found else { continue };
            for (stream, ours) in ["out", "err"].into_iter().zip(&logs) {
                let theirs = self.site.log(job, stream).body;
                if self.files_refused || (result.is_none() && theirs.is_empty()) {
                    assert!(ours.starts_with(&theirs), "{job} {stream}: what is there is a beginning");
                    continue;
                }
                let same = theirs == *ours;
                assert!(same, "{job} {stream}: {} bytes here, {} there, {missing} missing", ours.len(), theirs.len());
                if let Some(result) = &result {
                    digest_fits(result, &format!("log/{stream}"), &theirs);
                }
            }
            one_start(&logs[0], missing);
        }
    }
}

fn digest_fits(result: &Value, path: &str, bytes: &[u8]) {
    use sha2::{Digest, Sha256};
    let files = result["files"].as_array().cloned().unwrap_or_default();
    let told = files.iter().find(|file| file["path"] == path).unwrap_or_else(|| panic!("{path} in {files:?}"));
    let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(bytes));
    assert_eq!((&told["sha256"], &told["length"]), (&hash.into(), &bytes.len().into()), "{path}");
}

/// What a fake program says tells by itself whether it was started once and is whole.
fn one_start(log: &[u8], missing: u64) {
    let text = String::from_utf8_lossy(log);
    let Some(nonce) = text.lines().next().and_then(|line| line.strip_prefix("begin ")) else { return };
    assert_eq!(text.lines().filter(|line| line.starts_with("begin ")).count(), 1, "it was started once");
    let numbered = text.lines().filter_map(|line| line.strip_prefix(nonce)?.trim().strip_prefix("line "));
    let numbers: Vec<u32> = numbered.filter_map(|rest| rest.split(' ').next()?.parse().ok()).collect();
    let expected = 1..=u32::try_from(numbers.len()).unwrap();
    assert!(missing > 0 || numbers.iter().copied().eq(expected), "no line is missing, none is there twice");
}

/// Nothing of any run of this node is left.
#[track_caller]
pub fn nothing_left(node: &Node) {
    let runs: Vec<(String, PathBuf, String)> = node
        .witness
        .seen(|book| book.iter().map(|(id, seen)| (id.clone(), seen.tmp.clone(), seen.group.clone())).collect());
    for (attempt, shims) in
        node.witness.seen(|book| book.iter().map(|(id, seen)| (id.clone(), seen.shims.len())).collect::<Vec<_>>())
    {
        assert!(shims <= 1, "attempt {attempt} was started {shims} times");
    }
    for (attempt, tmp, group) in &runs {
        let mut left = vec![];
        for _ in 0..200 {
            left = left_of(attempt, tmp, group);
            if left.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(left.is_empty(), "of attempt {attempt} there is left: {left:#?}");
    }
}

/// What is left of an attempt, in words.
pub fn left_of(attempt: &str, tmp: &Path, group: &str) -> Vec<String> {
    let mut left = vec![];
    let tmp_is = format!("TMPDIR={}", tmp.display());
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let line = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let of_tmp = !tmp.as_os_str().is_empty() && read("environ").split(|&b| b == 0).any(|v| v == tmp_is.as_bytes());
        let place = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let is_test = pid == std::process::id();
        if !is_test && (line.contains(attempt) || of_tmp || place.to_string_lossy().contains(attempt)) {
            left.push(format!("process {pid}: {line}"));
        }
    }
    if !tmp.as_os_str().is_empty() && tmp.exists() {
        left.push(format!("the folder {}", tmp.display()));
    }
    if !group.is_empty() {
        groups_named(group, Path::new("/sys/fs/cgroup"), 8, &mut left);
    }
    left
}

fn groups_named(name: &str, below: &Path, depth: u32, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(below).into_iter().flatten().flatten() {
        if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            continue;
        }
        if entry.file_name() == name {
            found.push(format!("the control group {}", entry.path().display()));
        } else if depth > 0 {
            groups_named(name, &entry.path(), depth - 1, found);
        }
    }
}
