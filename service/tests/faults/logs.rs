//! Logs over a network that loses and repeats, in pieces of any size, while the service is killed and started again:
//! what is read is what was written, byte for byte.

use data_encoding::HEXLOWER;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::client::{Caller, api_token, ask, client, submission};
use crate::load::FLAGS;
use crate::program::{Folder, Program, check, join_token, make_account, start};
use crate::run::Run;
use crate::world::{Answer, evidence, golden_result};

/// Random numbers that are the same in every run of the test.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Lines with all that a program may print, UTF-8 or not.
fn some_log(dice: &mut Dice, length: usize) -> Vec<u8> {
    let mut log: Vec<u8> = (0..length).map(|_| dice.below(256) as u8).collect();
    for _ in 0..length / 60 {
        let at = dice.below(length);
        log[at] = b'\n';
    }
    log.extend(b"the last line\n");
    log
}

fn hash(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

/// A piece of the log; the last one names length and hash of the whole.
fn piece(run: &Run, log: &[u8], from: usize, to: usize) -> RequestBuilder {
    let mut query = format!("offset={from}");
    if to == log.len() {
        query += &format!("&length={to}&sha256={}", hash(log));
    }
    run.put("log/out", &query, &log[from..to])
}

/// What becomes of a piece on its way.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Arrives,
    IsLost,
    AnswerIsLost,
    ComesTwice,
    ComesLate,
    ComesEarly,
    IsSpoiled,
}

const FATES: [Fate; 10] = [
    Fate::Arrives,
    Fate::Arrives,
    Fate::Arrives,
    Fate::Arrives,
    Fate::IsLost,
    Fate::AnswerIsLost,
    Fate::ComesTwice,
    Fate::ComesLate,
    Fate::ComesEarly,
    Fate::IsSpoiled,
];

/// The service, which comes and goes, and its owner.
struct Scene {
    folder: Folder,
    program: Option<Program>,
    place: watch::Sender<String>,
    caller: Caller,
    token: String,
}

impl Scene {
    async fn new() -> (Scene, Run) {
        let folder = Folder::new();
        make_account(&folder.data());
        let join = join_token(&folder.data(), 1);
        let program = start(&folder.data(), FLAGS);
        let place = watch::channel(program.url.clone()).0;
        let caller = Caller { client: client(), place: place.subscribe() };
        let token = api_token(&caller).await;
        let scene = Scene { folder, program: Some(program), place, caller, token };
        scene.submit().await;
        let run = Run::begin(&scene.caller, &join).await;
        (scene, run)
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.caller.request(method, &format!("/api/v1/jobs{path}")).bearer_auth(&self.token);
        ask(if body.is_null() { request } else { request.json(&body) }).await.unwrap()
    }

    async fn submit(&self) {
        assert_eq!(self.call(Method::POST, "", submission()).await.0, 201);
    }

    fn restart(&mut self, clean: bool) {
        let program = self.program.take().unwrap();
        if clean {
            program.stop()
        } else {
            program.kill()
        }
        let program = start(&self.folder.data(), FLAGS);
        self.place.send_replace(program.url.clone());
        self.program = Some(program);
    }

    /// What everybody reads of a job's log.
    async fn read(&self, job: &str) -> Vec<u8> {
        let response = self.caller.request(Method::GET, &format!("/api/v1/jobs/{job}/log/out")).send().await.unwrap();
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }

    async fn finish(&self, run: &Run, log: &[u8], outcome: Value) -> Value {
        let file = json!({"path": "log/out", "length": log.len(), "sha256": hash(log)});
        let body = json!({"fence": run.fence, "events": 3, "outcome": outcome, "evidence": evidence("boot"),
                          "files": [file]});
        let path = format!("{}/finish", run.root);
        let (status, said) =
            ask(self.caller.request(Method::POST, &path).bearer_auth(&run.token).json(&body)).await.unwrap();
        assert_eq!(status, 200, "{said}");
        said
    }

    async fn end(mut self) {
        self.program.take().unwrap().stop();
        check(&self.folder.data()).await;
    }
}

/// Sends all of a log as a node does that believes only answers. `restart` is called now and then.
async fn deliver(scene: &mut Scene, run: &Run, log: &[u8], dice: &mut Dice) {
    let (mut known, mut pieces, mut spoiled) = (0, 0, false);
    loop {
        pieces += 1;
        if pieces % 12 == 0 {
            scene.restart(pieces % 24 == 0);
        }
        let from = known.min(log.len());
        let to = log.len().min(from + 1 + dice.below(12_000));
        let fate = FATES[dice.below(FATES.len())];
        let (status, said) = match fate {
            Fate::IsLost => continue,
            Fate::AnswerIsLost => {
                ask(piece(run, log, from, to)).await.unwrap();
                continue;
            }
            Fate::ComesTwice => {
                ask(piece(run, log, from, to)).await.unwrap();
                let (status, said) = ask(piece(run, log, from, to)).await.unwrap();
                assert!(status == 200 && said["dup"] == true || status == 422, "{status} {said}");
                (status, said)
            }
            Fate::ComesLate => {
                let late = dice.below(from + 1);
                let end = late + dice.below(from - late + 1);
                ask(piece(run, log, late, end)).await.unwrap()
            }
            Fate::ComesEarly => {
                let early = from + 1 + dice.below(log.len() - from + 1);
                let (status, said) = ask(piece(run, log, early.min(log.len()), log.len())).await.unwrap();
                assert!(status == 416 || early >= log.len(), "{status} {said}");
                (status, said)
            }
            Fate::IsSpoiled if !spoiled && to < log.len() => {
                spoiled = true;
                let mut wrong = log[from..to].to_vec();
                wrong[0] ^= 1;
                ask(run.put("log/out", &format!("offset={from}"), &wrong)).await.unwrap()
            }
            Fate::Arrives | Fate::IsSpoiled => ask(piece(run, log, from, to)).await.unwrap(),
        };
        match status.as_u16() {
            200 if said["complete"] == true => return,
            200 => known = said["length"].as_u64().unwrap() as usize,
            // Behind, ahead, or another hash than was promised: the service says where to go on.
            416 | 422 => known = said["offset"].as_u64().unwrap() as usize,
            _ => panic!("{status} {said}"),
        }
        assert!(pieces < 2000, "it was never whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_is_the_same_bytes_however_it_came() {
    let (mut scene, mut run) = Scene::new().await;
    for seed in 0..4 {
        let mut dice = Dice(seed);
        let length = 20_000 + dice.below(80_000);
        let log = some_log(&mut dice, length);
        deliver(&mut scene, &run, &log, &mut dice).await;
        assert!(scene.read(&run.job).await == log, "seed {seed}: it was read before the end");
        assert_eq!(run.put_output().send().await.unwrap().status(), 200);
        assert_eq!(run.tell_finishing().await.0, 200);
        let outcome = json!({"outcome": "completed", "result": golden_result()});
        let said = scene.finish(&run, &log, outcome).await;
        assert_eq!(said["incomplete"], json!([]), "seed {seed}: length and hash are those of the node");
        scene.restart(false);
        let read = scene.read(&run.job).await;
        assert_eq!((read.len(), hash(&read)), (log.len(), hash(&log)), "seed {seed}");
        scene.submit().await;
        run = run.next(seed + 2).await;
    }
    scene.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_keeps_the_last_line_through_a_restart() {
    let (mut scene, mut run) = Scene::new().await;
    let log = some_log(&mut Dice(7), 5000);
    for (seq, late) in [(2, false), (3, true)] {
        assert_eq!(ask(piece(&run, &log, 0, 3000)).await.unwrap().0, 200);
        assert_eq!(scene.call(Method::POST, &format!("/{}/cancel", run.job), Value::Null).await.0, 200);
        scene.restart(late);
        let (_, heard) = ask(run.beat(1)).await.unwrap();
        assert_eq!(heard["commands"][0]["command"], "cancel", "{heard}");
        assert_eq!(run.tell_finishing().await.0, 200);
        // The rest comes before the end is told, or in the quarter of an hour after it.
        if !late {
            assert_eq!(ask(piece(&run, &log, 3000, log.len())).await.unwrap().1["complete"], true);
        }
        let said = scene.finish(&run, &log, json!({"outcome": "cancelled"})).await;
        let missing = if late { json!(["log/out"]) } else { json!([]) };
        assert_eq!((&said["state"], &said["incomplete"]), (&json!("cancelled"), &missing));
        if late {
            scene.restart(false);
            let (status, said) = ask(piece(&run, &log, 3000, log.len())).await.unwrap();
            assert!(status == 200 && said["complete"] == true, "{status} {said}");
        }
        let read = scene.read(&run.job).await;
        assert!(read == log && read.ends_with(b"the last line\n"));
        scene.submit().await;
        run = run.next(seq).await;
    }
    scene.end().await;
}
