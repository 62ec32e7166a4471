//! A node daemon in one screen: the whole protocol, call by call. The words are those of `hpl_spec::api::agent`.

use axum::{body::Body, http::Method};
use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::world::{Answer, World, evidence, golden_output, golden_result, node_info};

#[track_caller]
fn said((status, body): Answer) -> Value {
    assert!(status.is_success(), "{status} {body}");
    body
}

#[tokio::test]
async fn a_daemon_in_one_screen() {
    let world = World::new(&[]).await;
    let ada = world.user("ada").await;
    let job = world.submit(&ada).await;
    // It joins once, with the token of an administrator; whenever it starts it says what it is.
    let join = json!({"protocol": 1, "name": "node1", "machine_id": "m"});
    let joined = said(world.post("/agent/v1/join", &world.join_token(1).await, &join).await);
    let (hello_at, token) =
        (format!("/agent/v1/nodes/{}/hello", joined["node"].as_str().unwrap()), joined["token"].as_str().unwrap());
    let hello = json!({"protocol": 1, "version": "0", "machine_id": "m", "boot_id": "b", "info": node_info("node1"),
                       "free_disk": 1_u64 << 40});
    said(world.post(&hello_at, token, &hello).await);
    // It asks for a job, and waits for one. From here on it speaks with the attempt's token, and names its fence.
    let claim = json!({"boot_id": "b", "memory_available": 15_u64 << 30, "free_disk": 1_u64 << 40, "seq": 1});
    let given = said(world.post("/agent/v1/claim?wait=55", token, &claim).await);
    let (at, fence) = (format!("/agent/v1/attempts/{}", given["attempt"].as_str().unwrap()), &given["fence"]);
    let token = given["token"].as_str().unwrap();
    let event = |seq: u32, kind: &str| json!({"seq": seq, "at_ms": seq * 1000, "event": {"kind": kind}});
    let begun = json!({"fence": fence, "events": [event(1, "preparing"), event(2, "started")]});
    said(world.post(&format!("{at}/events"), token, &begun).await);
    // While the program runs on what was given, it beats; what the service wants stands in the answer.
    assert_eq!(given["inputs"][0]["name"], "HPL.dat");
    for seq in 1..=6 {
        world.advance(11_000);
        let beat = json!({"fence": fence, "seq": seq, "phase": "running"});
        assert_eq!(said(world.post(&format!("{at}/beat"), token, &beat).await)["commands"], json!([]));
    }
    let ended = json!({"fence": fence, "events": [event(3, "finishing")]});
    said(world.post(&format!("{at}/events"), token, &ended).await);
    // Files go up in pieces; the last one, here the only one, names length and hash of the whole.
    let mut files = vec![];
    for (path, bytes) in [("log/out", &b"it went well\n"[..]), ("artifacts/HPL.out", golden_output())] {
        let (length, sha256) = (bytes.len(), HEXLOWER.encode(&Sha256::digest(bytes)));
        let to = format!("{at}/{path}?fence={fence}&offset=0&length={length}&sha256={sha256}");
        said(world.send(Method::PUT, &to, token, Some(Body::from(bytes.to_vec())), false).await);
        files.push(json!({"path": path, "length": length, "sha256": sha256}));
    }
    // The end: the report, and what speaks for it. It may be said again until it is answered.
    let finish = json!({"fence": fence, "events": 3, "files": files, "evidence": evidence("b"),
                        "outcome": {"outcome": "completed", "result": golden_result()}});
    assert_eq!(said(world.post(&format!("{at}/finish"), token, &finish).await)["state"], "verifying");
    world.reap().await;
    assert_eq!(world.state(&ada, &job).await, "done");
}
