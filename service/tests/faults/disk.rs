//! A disk that becomes low, critical and really full under the running program, and has room again.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::client::{Caller, api_token, client, submission};
use crate::program::{PASSWORD, Start, check, join_token, make_account, start, try_start};
use crate::run::Run;
use crate::small_disk::on_a_small_disk;

const MIB: u64 = 1 << 20;
/// Below 12 MiB logs are refused, below 6 MiB submissions.
const FLAGS: &[&str] =
    &["--plain-http", "--no-rate-limits", "--disk-low", "12582912", "--disk-critical", "6291456", "--running-max", "4"];
/// The program looks at the disk once a second.
const A_LOOK: Duration = Duration::from_millis(1100);

#[test]
fn a_full_disk_is_said_and_heals() {
    on_a_small_disk("disk::a_full_disk_is_said_and_heals", "24m", |disk| {
        tokio::runtime::Runtime::new().unwrap().block_on(fill(&disk));
    });
}

/// A file that takes up room.
struct Filler(PathBuf);

impl Filler {
    /// Leaves so many bytes free.
    fn leave(&self, bytes: u64) {
        let stat = rustix::fs::statvfs(self.0.parent().unwrap()).unwrap();
        let free = stat.f_bavail * stat.f_frsize;
        self.write(free.checked_sub(bytes).expect("the disk is fuller already"));
    }

    /// Leaves nothing.
    fn leave_nothing(&self) {
        self.write(u64::MAX);
    }

    fn write(&self, mut more: u64) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(&self.0).unwrap();
        let piece = [0; 4096];
        while more > 0 {
            let length = piece.len().min(usize::try_from(more).unwrap_or(usize::MAX));
            match file.write(&piece[..length]) {
                Ok(written) => more -= written as u64,
                Err(why) => return assert_eq!(why.kind(), std::io::ErrorKind::StorageFull, "{why}"),
            }
        }
    }

    fn remove(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Sends a request that may succeed or be refused for want of room, in the proper words. Whether it succeeded.
async fn taken(what: &str, request: RequestBuilder) -> bool {
    let response = request.send().await.expect(what);
    let (status, headers) = (response.status(), response.headers().clone());
    let text = response.text().await.unwrap();
    if status.is_success() {
        return true;
    }
    assert_eq!(status, 507, "{what}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["code"], "disk_full", "{what}: {text}");
    assert_eq!(headers["content-type"], "application/problem+json", "{what}");
    assert!(headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0, "{what}");
    false
}

/// A user and a node of a service on a small disk.
struct Scene {
    caller: Caller,
    token: String,
    /// Submissions that were taken.
    submitted: usize,
}

impl Scene {
    async fn submit(&mut self, key: &str) -> bool {
        let request = self.caller.request(Method::POST, "/api/v1/jobs").bearer_auth(&self.token);
        let taken = taken("submission", request.header("idempotency-key", key).json(&submission())).await;
        self.submitted += usize::from(taken);
        taken
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let request = self.caller.request(Method::GET, path).bearer_auth(&self.token);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn becomes_done(&self, job: &str) {
        let began = Instant::now();
        loop {
            let (status, text) = self.get(&format!("/api/v1/jobs/{job}")).await;
            assert_eq!(status, 200, "{text}");
            let job: Value = serde_json::from_str(&text).unwrap();
            if job["state"] == "done" {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(15), "{job:#}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    fn login(&self) -> RequestBuilder {
        let login = json!({ "username": "ada", "password": PASSWORD });
        Client::new().post(format!("{}/api/v1/login", *self.caller.place.borrow())).json(&login)
    }
}

async fn fill(disk: &Path) {
    let data = disk.join("data");
    make_account(&data);
    let join = join_token(&data, 2);
    let mut program = start(&data, FLAGS);
    let caller = Caller { client: client(), place: watch::channel(program.url.clone()).1 };
    let mut scene = Scene { token: api_token(&caller).await, caller, submitted: 0 };
    let filler = Filler(disk.join("filler"));
    assert!(scene.submit("one").await);
    let run = Run::begin(&scene.caller, &join).await;
    assert!(taken("log", run.put("log/out", "offset=0", b"a line\n")).await);

    filler.leave(9 * MIB);
    sleep(A_LOOK).await;
    let run = low(&mut scene, run).await;

    filler.leave(4 * MIB);
    sleep(A_LOOK).await;
    let run = critical(&mut scene, run).await;

    filler.leave_nothing();
    full(&mut scene, &run, &filler).await;
    assert!(program.ended().is_none(), "it lives");

    filler.remove();
    sleep(A_LOOK).await;
    healed(&mut scene, run).await;

    filler.leave_nothing();
    program.terminate();
    assert_eq!(program.wait(Duration::from_secs(10)).code(), Some(0), "a full disk keeps nobody from stopping");
    filler.leave_nothing();
    match try_start(&data, FLAGS, None) {
        Start::Ended(status) => assert_eq!(status.code(), Some(1), "it says what is wrong and ends"),
        Start::Ready(_) => panic!("nothing can be written, and it takes requests"),
    }
    filler.remove();
    start(&data, FLAGS).stop();
    check(&data).await;
}

async fn low(scene: &mut Scene, run: Run) -> Run {
    assert!(!taken("log", run.put("log/out", "offset=7", b"another\n")).await);
    assert!(!taken("artifact", run.put("artifacts/other.txt", "offset=0", b"text")).await);
    assert!(taken("output", run.put_output()).await);
    assert!(scene.submit("two").await);
    assert_eq!(scene.get("/readyz").await.0, 200);
    run
}

async fn critical(scene: &mut Scene, mut run: Run) -> Run {
    assert!(!scene.submit("refused").await);
    assert_eq!(scene.get("/readyz").await.0, 503);
    assert_eq!(run.tell_finishing().await.0, 200);
    let (status, body) = run.finish().await;
    assert_eq!(status, 200, "{body}");
    scene.becomes_done(&run.job.clone()).await;
    run.next(2).await
}

/// Whatever is asked is done or refused in the proper words, until nothing is done any more.
async fn full(scene: &mut Scene, run: &Run, filler: &Filler) {
    let began = Instant::now();
    let mut refused = 0;
    for round in 1.. {
        filler.leave_nothing();
        let submitted = scene.submit(&format!("full {round}").replace(' ', "-")).await;
        assert!(!submitted, "submissions are refused early");
        refused += u32::from(!taken("beat", run.beat(round)).await);
        if refused >= 20 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "the disk is full and takes everything");
    }
    taken("login", scene.login()).await;
    taken("output", run.put_output()).await;
    taken("log", run.put("log/out", "offset=0", b"a line\n")).await;
    let beats = (0..8).map(|i| taken("beat", run.beat(1_000_000 + i)));
    futures_util::future::join_all(beats).await;
    let (status, jobs) = scene.get("/api/v1/jobs").await;
    assert_eq!(status, 200, "reading needs no room: {jobs}");
    assert_eq!(scene.get("/healthz").await, (200, "ok\n".into()));
    assert_eq!(scene.get("/readyz").await, (503, "not ok\n".into()));
}

async fn healed(scene: &mut Scene, mut run: Run) {
    assert_eq!(scene.get("/readyz").await, (200, "ok\n".into()));
    assert!(taken("login", scene.login()).await);
    assert!(scene.submit("three").await);
    assert!(taken("log", run.put("log/out", "offset=0", b"a line\n")).await);
    assert!(taken("output", run.put_output()).await);
    assert!(taken("beat", run.beat(2_000_000)).await);
    assert_eq!(run.tell_finishing().await.0, 200);
    assert_eq!(run.finish().await.0, 200);
    scene.becomes_done(&run.job).await;
    let (_, text) = scene.get("/api/v1/jobs").await;
    let page: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(page["jobs"].as_array().unwrap().len(), scene.submitted, "jobs there, submissions taken");
}
