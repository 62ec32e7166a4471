//! The program itself, over TLS as by default: its cookies, and that no secret is in its log or its folder.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client, Response};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_hpl-service");
const PASSWORD: &str = "correct horse battery";
const BEGIN: Duration = Duration::from_secs(60);

/// The service as a process, ended when dropped.
struct Running {
    process: Child,
    folder: tempfile::TempDir,
    url: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What the test found matters more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Running {
    fn start(flags: &[&str]) -> Running {
        let folder = tempfile::tempdir().unwrap();
        let ready = folder.path().join("ready");
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--listen", "127.0.0.1:0", "--disk-low", "0", "--disk-critical", "0", "--log", "debug"]);
        command.arg("--data").arg(folder.path().join("data")).arg("--ready-file").arg(&ready).args(flags);
        let log = File::create(folder.path().join("log")).unwrap();
        let mut process = command.stdin(Stdio::null()).stderr(log).spawn().unwrap();
        let began = Instant::now();
        let url = loop {
            if let Some(url) = fs::read_to_string(&ready).ok().and_then(|text| text.lines().next().map(str::to_owned)) {
                break url;
            }
            assert!(process.try_wait().unwrap().is_none() && began.elapsed() < BEGIN, "it does not begin");
            std::thread::sleep(Duration::from_millis(50));
        };
        Running { process, folder, url }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    fn admin(&self, line: &[&str]) -> String {
        let mut command = Command::new(PROGRAM);
        command.arg("admin").arg("--data").arg(self.folder.path().join("data")).args(line);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let typed = format!("{PASSWORD}\n{PASSWORD}\n");
        process.stdin.take().unwrap().write_all(typed.as_bytes()).unwrap();
        let Output { status, stdout, .. } = process.wait_with_output().unwrap();
        assert!(status.success());
        String::from_utf8(stdout).unwrap()
    }
}

/// A client that takes the certificate that the service made for itself.
fn client() -> Client {
    // Another test of this process may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().tls_danger_accept_invalid_certs(true).build().unwrap()
}

async fn post(client: &Client, url: String, cookie: &str, body: Value) -> Response {
    let request = client.post(url).header("content-type", "application/json").header("sec-fetch-site", "same-origin");
    request.header("cookie", cookie).body(body.to_string()).send().await.unwrap()
}

async fn json(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

fn set_cookie(response: &Response) -> String {
    response.headers()["set-cookie"].to_str().unwrap().to_owned()
}

/// Every file below a folder that holds one of the texts.
fn holders(folder: &Path, texts: &[String]) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(holders(&path, texts));
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let has = |text: &&String| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        found.extend(texts.iter().filter(has).map(|text| format!("{text} in {}", path.display())));
    }
    found
}

#[tokio::test]
async fn over_tls_the_cookie_is_for_this_host_and_no_script() {
    let service = Running::start(&["--signup", "open"]);
    let account = json!({"username": "ada", "password": PASSWORD});
    let answer = post(&client(), format!("{}/api/v1/signup", service.url), "", account).await;
    assert_eq!(answer.status(), 201);
    assert!(answer.headers()["strict-transport-security"].to_str().unwrap().starts_with("max-age="));
    let cookie = set_cookie(&answer);
    assert!(cookie.starts_with("__Host-hpl="), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
    let session = cookie.split(';').next().unwrap();
    let out = post(&client(), format!("{}/api/v1/logout", service.url), session, json!(null)).await;
    assert_eq!(out.status(), 204);
    let gone = set_cookie(&out);
    assert!(gone.starts_with("__Host-hpl=;") && gone.contains("; Secure") && gone.contains("Max-Age=0"), "{gone}");
}

#[tokio::test]
async fn no_secret_is_in_the_log_or_in_the_folder() {
    let service = Running::start(&["--signup", "open"]);
    let (client, api) = (client(), format!("{}/api/v1", service.url));
    let mut secrets = vec![PASSWORD.to_owned(), "typed in the wrong field".to_owned()];
    let grace = service.admin(&["create-admin", "grace"]);
    secrets.extend(grace.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned));
    let joins = service.admin(&["join-token"]);
    let join = joins.split("hpl-join://").nth(1).unwrap().split('@').next().unwrap().to_owned();
    let invited = service.admin(&["invite"]);
    let invite = invited.split_whitespace().find(|word| word.starts_with("hpl_i_")).unwrap().to_owned();
    let account = json!({"username": "ada", "password": PASSWORD, "invite": invite});
    let signed_up = post(&client, format!("{api}/signup"), "", account).await;
    let cookie = set_cookie(&signed_up).split(';').next().unwrap().to_owned();
    secrets.push(cookie.split_once('=').unwrap().1.to_owned());
    let codes = json(signed_up).await["recovery_codes"].as_array().unwrap().clone();
    secrets.extend(codes.iter().map(|code| code.as_str().unwrap().to_owned()));
    let wrong = json!({"username": "typed in the wrong field", "password": PASSWORD});
    assert_eq!(post(&client, format!("{api}/login"), "", wrong).await.status(), 401);
    let asked = json!({"name": "ci", "scopes": ["read", "submit"]});
    let made = json(post(&client, format!("{api}/me/tokens"), &cookie, asked).await).await;
    let token = made["token"].as_str().unwrap().to_owned();
    for (header, path) in [(format!("Bearer {token}"), "/me".to_owned()), (String::new(), format!("/me?token={token}"))]
    {
        client.get(format!("{api}{path}")).header("authorization", header).send().await.unwrap();
    }
    let recovery = json!({"username": "ada", "recovery_code": codes[0], "new_password": "entirely new words"});
    assert_eq!(post(&client, format!("{api}/recover"), "", recovery).await.status(), 200);
    secrets.push("entirely new words".to_owned());
    let joined = client.post(format!("{}/agent/v1/join", service.url)).header("content-type", "application/json");
    let body = json!({"protocol": 1, "name": "node", "machine_id": "m"}).to_string();
    let joined = joined.header("authorization", format!("Bearer {join}")).body(body).send().await.unwrap();
    assert_eq!(joined.status(), 201);
    let node = json(joined).await["token"].as_str().unwrap().to_owned();
    // Of a token, its random part counts as much as the whole.
    secrets.extend([&token, &node, &join, &invite].iter().flat_map(|t| [(*t).clone(), t[6..40].to_owned()]));

    assert!(secrets.len() > 20 && secrets.iter().all(|secret| secret.len() >= 16), "{secrets:?}");
    let log = service.log();
    assert!(log.contains("answered") && log.contains("/api/v1/recover"), "{log}");
    for secret in &secrets {
        assert!(!log.contains(secret.as_str()), "{secret} is in the log");
    }
    let data = service.folder.path().join("data");
    assert_eq!(holders(&data, &secrets), Vec::<String>::new());
    // The search finds what is there.
    assert!(!holders(&data, &["$argon2id$".to_owned()]).is_empty());
}

#[tokio::test]
async fn the_id_that_an_answer_carries_stands_in_its_line_of_the_log() {
    let running = Running::start(&["--log-format", "json"]);
    let answer = client().get(format!("{}/api/v1/me", running.url)).send().await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(json(answer).await["request_id"], id.as_str());
    let log = running.log();
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let told: Vec<&Value> = lines.iter().filter(|line| line["message"] == "answered").collect();
    assert_eq!(told.len(), 1, "{log}");
    assert_eq!((&told[0]["span"]["id"], &told[0]["status"]), (&Value::from(id), &Value::from(401)));
    assert_eq!((&told[0]["route"], &told[0]["problem"]), (&"/api/v1/me".into(), &"unauthenticated".into()));
}
