//! One run on one node, every call by hand.

use data_encoding::HEXLOWER;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::client::{Caller, ask};
use crate::world::{Answer, evidence, golden_output, golden_result, node_info};

/// A run that has started.
pub struct Run {
    caller: Caller,
    join: String,
    /// The node's token.
    pub node: String,
    pub job: String,
    /// `/agent/v1/attempts/ID`.
    pub root: String,
    pub fence: i64,
    /// The attempt's token.
    pub token: String,
    events: u64,
}

/// Joins and says hello. Returns the node's token.
pub async fn join(caller: &Caller, join: &str, name: &str) -> String {
    let machine = format!("machine {name}");
    let body = json!({ "protocol": 1, "name": name, "machine_id": machine });
    let (status, joined) = post(caller, "/agent/v1/join", join, &body).await;
    assert_eq!(status, 201, "{joined}");
    let token = joined["token"].as_str().unwrap().to_owned();
    let hello = json!({
        "protocol": 1, "version": "test", "machine_id": machine, "boot_id": "boot", "info": node_info(name),
        "free_disk": 1u64 << 40, "holding": [],
    });
    let path = format!("/agent/v1/nodes/{}/hello", joined["node"].as_str().unwrap());
    let (status, body) = post(caller, &path, &token, &hello).await;
    assert_eq!(status, 200, "{body}");
    token
}

/// What a node says when it asks for a job.
pub fn claim_body(seq: u64) -> Value {
    json!({ "boot_id": "boot", "memory_available": 15u64 << 30, "free_disk": 1u64 << 40, "seq": seq })
}

async fn post(caller: &Caller, path: &str, token: &str, body: &Value) -> Answer {
    ask(caller.request(Method::POST, path).bearer_auth(token).json(body)).await.expect("no answer")
}

impl Run {
    /// Joins a node, claims the job that waits, and starts it.
    pub async fn begin(caller: &Caller, join_token: &str) -> Run {
        let node = join(caller, join_token, "first").await;
        let run = Run {
            caller: caller.clone(),
            join: join_token.into(),
            node,
            job: String::new(),
            root: String::new(),
            fence: 0,
            token: String::new(),
            events: 0,
        };
        run.next(1).await
    }

    /// The next job, on the same node.
    pub async fn next(mut self, seq: u64) -> Run {
        let (status, body) = post(&self.caller, "/agent/v1/claim?wait=5", &self.node, &claim_body(seq)).await;
        assert_eq!(status, 200, "{body}");
        self.job = body["job"].as_str().unwrap().to_owned();
        self.root = format!("/agent/v1/attempts/{}", body["attempt"].as_str().unwrap());
        self.fence = body["fence"].as_i64().unwrap();
        self.token = body["token"].as_str().unwrap().to_owned();
        self.events = 0;
        for kind in ["preparing", "started"] {
            let (status, body) = self.tell(kind).await;
            assert_eq!(status, 200, "{body}");
            self.events += 1;
        }
        self
    }

    /// Another node, which has nothing to do. Returns its token.
    pub async fn other_node(&self) -> String {
        join(&self.caller, &self.join, "second").await
    }

    async fn tell(&self, kind: &str) -> Answer {
        let event = json!({ "seq": self.events + 1, "at_ms": 1000, "event": { "kind": kind } });
        let body = json!({ "fence": self.fence, "events": [event] });
        post(&self.caller, &format!("{}/events", self.root), &self.token, &body).await
    }

    /// Tells that the program has ended.
    pub async fn tell_finishing(&mut self) -> Answer {
        let answer = self.tell("finishing").await;
        self.events += u64::from(answer.0 == 200);
        answer
    }

    /// A sign of life.
    pub fn beat(&self, seq: u64) -> RequestBuilder {
        let body = json!({ "fence": self.fence, "seq": seq, "phase": "running" });
        self.caller.request(Method::POST, &format!("{}/beat", self.root)).bearer_auth(&self.token).json(&body)
    }

    /// A piece of a file: `log/out`, `artifacts/NAME`.
    pub fn put(&self, file: &str, query: &str, bytes: &[u8]) -> RequestBuilder {
        let path = format!("{}/{file}?fence={}&{query}", self.root, self.fence);
        let request = self.caller.request(Method::PUT, &path).bearer_auth(&self.token);
        request.header("content-type", "application/octet-stream").body(bytes.to_vec())
    }

    /// The output that the result rests on, whole.
    pub fn put_output(&self) -> RequestBuilder {
        let hash = HEXLOWER.encode(&Sha256::digest(golden_output()));
        let query = format!("offset=0&length={}&sha256={hash}", golden_output().len());
        self.put("artifacts/HPL.out", &query, golden_output())
    }

    /// The end.
    pub async fn finish(&self) -> Answer {
        let body = json!({
            "fence": self.fence, "events": self.events, "files": [], "evidence": evidence("boot"),
            "outcome": { "outcome": "completed", "result": golden_result() },
        });
        post(&self.caller, &format!("{}/finish", self.root), &self.token, &body).await
    }
}
