//! Behind a proxy of the operator's: whose address counts, and what the browser is told.

use serde_json::json;
use service::limits::Rates;
use service::password::Passwords;

use crate::support::{Call, PASSWORD, World, at, get, post};

async fn world() -> World {
    let rates = Rates { sign_up_per_hour: 1, ..Rates::unlimited() };
    World::with(&["--plain-http", "--trusted-proxy", "10.0.0.0/8"], rates, Passwords::cheap().unwrap()).await
}

fn sign_up(name: &str, peer: &str, forwarded: &str) -> Call {
    let request = json!({"username": name, "password": PASSWORD});
    post("/signup", request).from(peer).header("x-forwarded-for", forwarded)
}

#[tokio::test]
async fn callers_are_told_apart_by_what_a_trusted_proxy_says() {
    let world = world().await;
    for (name, peer, forwarded, status) in [
        ("ada", "10.0.0.1", "203.0.113.9", 201),
        ("bob", "10.0.0.1", "203.0.113.9", 429),
        // What the caller began the header with is not believed.
        ("bob", "10.0.0.2", "198.51.100.1, 203.0.113.9", 429),
        ("bob", "10.0.0.2", "198.51.100.1, 203.0.113.10", 201),
        // Nobody else may speak for others.
        ("eve", "192.0.2.1", "203.0.113.11", 201),
        ("tom", "192.0.2.1", "203.0.113.12", 429),
    ] {
        let answer = sign_up(name, peer, forwarded).send(&world).await;
        assert_eq!(answer.status, status, "{name} {peer} {forwarded}: {}", answer.body);
    }
    let grace = world.admin("grace").await.cookie();
    let page = get("/admin/audit?action=user.signup").cookie(&grace).send(&world).await;
    let rows = page.body["entries"].as_array().unwrap();
    let rows: Vec<_> =
        rows.iter().map(|row| (row["actor"].as_str().unwrap(), row["address"].as_str().unwrap())).collect();
    assert_eq!(rows, [("eve", "192.0.2.1"), ("bob", "203.0.113.10"), ("ada", "203.0.113.9")]);
}

#[tokio::test]
async fn browsers_that_came_over_tls_are_told_to_do_so_again() {
    let world = world().await;
    let told = async |peer: &str, said: Option<&str>| {
        let call = get("/me").from(peer);
        let call = match said {
            Some(said) => call.header("x-forwarded-proto", said),
            None => call,
        };
        call.send(&world).await.headers.contains_key("strict-transport-security")
    };
    assert!(told("10.0.0.1", Some("https")).await);
    assert!(!told("10.0.0.1", Some("http")).await && !told("10.0.0.1", None).await);
    assert!(!told("192.0.2.1", Some("https")).await, "anybody could say so");
}

#[tokio::test]
async fn the_figures_are_for_the_machine_itself_and_for_tokens_of_their_scope() {
    let world = World::open().await;
    let grace = world.admin("grace").await.cookie();
    let token = async |scope: &str| {
        let request = json!({"name": scope, "scopes": [scope]});
        post("/me/tokens", request).cookie(&grace).send(&world).await.text("/token")
    };
    let (metrics, read) = (token("metrics").await, token("read").await);
    let figures = || at("GET", "/metrics");
    let shown = figures().bearer(&metrics).send(&world).await;
    assert_eq!(shown.status, 200, "{}", shown.body);
    assert!(shown.body.as_str().unwrap().contains("hpl_service_jobs"));
    assert_eq!(figures().bearer(&read).send(&world).await.verdict(), (403, "wrong_scope"));
    assert_eq!(get("/me").bearer(&metrics).send(&world).await.verdict(), (403, "wrong_scope"));
    assert_eq!(figures().send(&world).await.verdict(), (401, "unauthenticated"));
    assert_eq!(figures().from("127.0.0.1").send(&world).await.status, 200);
    let proxied = figures().from("127.0.0.1").header("x-forwarded-for", "127.0.0.1");
    assert_eq!(proxied.send(&world).await.verdict(), (401, "unauthenticated"));

    // A proxy on this machine speaks for everybody, whatever it says.
    let world = World::new(&["--plain-http", "--trusted-proxy", "127.0.0.0/8"]).await;
    assert_eq!(figures().from("127.0.0.1").send(&world).await.verdict(), (401, "unauthenticated"));
    assert_eq!(figures().from("::1").send(&world).await.status, 200);
}
