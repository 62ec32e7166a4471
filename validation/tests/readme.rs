//! The README's curl lines, run: from the sign-up of a user to a job that is done and on the leaderboard, and the calls
//! of other lives: a sweep, a cancel, another try, an orphan.
//!
//! Every block that opens with "```sh life" is a piece of one script. It meets a service that was just started, with
//! a certificate of its own making, and plays the node with the real `xhpl`. Needs `bash` and `curl`.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use validation::program;

/// How long the service may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_life_of_a_job_is_as_the_readme_tells() {
    let folder = tempfile::tempdir().unwrap();
    let (bin, work, data) = (folder.path().join("bin"), folder.path().join("work"), folder.path().join("data"));
    fs::create_dir(&bin).unwrap();
    fs::create_dir(&work).unwrap();
    symlink(program::hpl_service(), bin.join("hpl-service")).unwrap();
    symlink(program::xhpl(), bin.join("xhpl")).unwrap();
    let script = folder.path().join("life.sh");
    fs::write(&script, life(&readme())).unwrap();

    make_administrator(&bin.join("hpl-service"), &data, &first_administrator(&readme()));
    let (service, url) = Service::start(&bin.join("hpl-service"), &data, folder.path());
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let mut bash = Command::new("bash");
    bash.args(["-euo", "pipefail"]).arg(&script).current_dir(&work).stdin(Stdio::null());
    bash.env("PATH", path).env("URL", url).env("DATA", &data);
    let said = bash.output().expect("bash runs");
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        said.status.success(),
        "{}\n{}\n{}\nthe service's log:\n{}",
        said.status,
        told(&said.stdout),
        told(&said.stderr),
        service.log()
    );

    let json = |name: &str| -> Value { serde_json::from_slice(&fs::read(work.join(name)).unwrap()).unwrap() };
    let (job, board) = (json("job.json"), json("leaderboard.json"));
    assert_eq!(job["state"], "done", "{job}");
    let entry = &board["entries"][0];
    assert_eq!((&entry["rank"], &entry["result"]["job"]), (&1.into(), &job["id"]), "{board}");
    assert_eq!(entry["result"]["owner"], "ada");
    let sweep = json("sweep.json");
    let states: Vec<_> = sweep["jobs"].as_array().unwrap().iter().map(|job| &job["state"]).collect();
    assert_eq!(states, ["queued", "cancelled"], "{sweep}");
    for words in [
        "event: verified",
        "s in all",
        "\"tier\":\"reported\"",
        "The bundle is as it was signed",
        "\"command\":\"cancel\"",
        "\"job_known\":true",
        "\"tier\":\"orphan\"",
    ] {
        assert!(told(&said.stdout).contains(words), "`{words}` is missing in\n{}", told(&said.stdout));
    }
    service.stop();
}

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Whom the first of the two commands makes.
fn first_administrator(readme: &str) -> String {
    let named = readme.split(" create-admin ").nth(1).and_then(|rest| rest.split_whitespace().next());
    named.expect("the README makes an administrator").to_owned()
}

fn make_administrator(program: &Path, data: &Path, name: &str) {
    let mut command = Command::new(program);
    command.arg("admin").arg("--data").arg(data).args(["create-admin", name]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("hpl-service starts");
    child.stdin.take().unwrap().write_all(b"seven purple kettles\n").unwrap();
    let said = child.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

/// The marked blocks, one after the other.
fn life(readme: &str) -> String {
    let blocks = readme.split("\n```sh life\n").skip(1);
    let script: String =
        blocks.filter_map(|block| block.split("\n```").next()).map(|code| format!("{code}\n")).collect();
    assert!(script.contains("/finish"), "the README tells the life of a job in blocks that open with ```sh life");
    script
}

/// A service on a port of its own; killed when dropped.
struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it and waits until it takes requests; returns its address, too.
    fn start(program: &Path, data: &Path, folder: &Path) -> (Service, String) {
        let (ready, log) = (folder.join("ready"), folder.join("log"));
        let mut command = Command::new(program);
        command.args(["serve", "--listen", "127.0.0.1:0", "--disk-low", "0", "--disk-critical", "0"]);
        command.arg("--data").arg(data).arg("--ready-file").arg(&ready);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let mut service = Service { child: command.spawn().expect("hpl-service starts"), log };
        let began = Instant::now();
        while !ready.exists() {
            let ended = service.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "{ended:?}\n{}", service.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        let url = fs::read_to_string(&ready).unwrap().lines().next().unwrap().to_owned();
        (service, url)
    }

    fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Asks it to stop, which it has to do of itself and well.
    fn stop(mut self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::TERM).unwrap();
        let began = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                Some(status) => break assert!(status.success(), "{status}\n{}", self.log()),
                None => assert!(began.elapsed() < PATIENCE, "it does not stop\n{}", self.log()),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Where it has stopped already there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_blocks_are_found() {
    let text = "a\n```sh life\none\ntwo\n```\nb\n```sh\nno\n```\nc\n```sh life\n/finish\n```\n";
    assert_eq!(life(text), "one\ntwo\n/finish\n");
}
