//! API tokens: what they open, for how long, and from where they are taken.

use serde_json::{Value, json};
use service::limits::Rates;
use service::password::Passwords;

use crate::support::{Answer, DAY, MINUTE, PASSWORD, World, call, get, log_in, post};

async fn make(world: &World, cookie: &str, request: Value) -> Answer {
    post("/me/tokens", request).cookie(cookie).send(world).await
}

async fn verdict(world: &World, token: &str) -> (u16, String) {
    let answer = get("/me").bearer(token).send(world).await;
    (answer.status, answer.code().to_owned())
}

#[tokio::test]
async fn a_token_is_taken_from_the_header_and_from_nowhere_else() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let token = make(&world, &cookie, json!({"name": "ci", "scopes": ["read"]})).await.text("/token");
    assert!(token.starts_with("hpl_u_"));
    let me = get("/me").bearer(&token).send(&world).await;
    assert_eq!((me.status, &me.body["scopes"]), (200, &json!(["read"])));
    assert!(me.set_cookies().is_empty(), "a token begins no session");
    for cookie in [format!("hpl-session={token}"), format!("authorization={token}"), format!("token={token}")] {
        assert_eq!(get("/me").cookie(&cookie).send(&world).await.status, 401);
    }
    for query in ["token", "access_token", "authorization", "bearer"] {
        assert_eq!(get(&format!("/me?{query}={token}")).send(&world).await.status, 401);
    }
    assert_eq!(get("/me").header("x-authorization", &format!("Bearer {token}")).send(&world).await.status, 401);
}

/// Also where nobody needs to be known, and also beside a good cookie.
#[tokio::test]
async fn a_token_that_is_not_good_is_never_passed_over() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let token = make(&world, &cookie, json!({"name": "ci", "scopes": ["read"]})).await.text("/token");
    let mut mistyped = token.clone();
    mistyped.replace_range(10..11, if &token[10..11] == "x" { "y" } else { "x" });
    let foreign = token.replace("hpl_u_", "hpl_n_");
    let session = cookie.split_once('=').unwrap().1;
    for wrong in [mistyped.as_str(), &token[..50], &foreign, "", "hpl_u_", session] {
        let answer = get("/me").cookie(&cookie).bearer(wrong).send(&world).await;
        assert_eq!(answer.verdict(), (401, "unauthenticated"), "{wrong}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(wrong.len() < 10 || !answer.body.to_string().contains(wrong));
        assert_eq!(log_in("ada", "x").bearer(wrong).send(&world).await.code(), "unauthenticated");
    }
    assert_eq!(get("/me").cookie(&cookie).header("authorization", "Basic YTpi").send(&world).await.status, 401);
}

#[tokio::test]
async fn a_token_ends_and_can_be_revoked_by_its_owner_alone() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let eve = world.sign_up("eve").await.cookie();
    let made = make(&world, &cookie, json!({"name": "a", "scopes": ["read"], "expires_in_days": 2})).await;
    let (short, long) = (made.text("/token"), make(&world, &cookie, json!({"name": "b", "scopes": ["read"]})).await);
    world.advance(2 * DAY - 1);
    assert_eq!(verdict(&world, &short).await.0, 200);
    world.advance(1);
    assert_eq!(verdict(&world, &short).await, (401, "token_expired".into()));

    let (token, id) = (long.text("/token"), long.body["info"]["id"].as_i64().unwrap());
    let revoke = |cookie: &str| call("DELETE", &format!("/me/tokens/{id}")).cookie(cookie);
    assert_eq!(revoke(&eve).send(&world).await.verdict(), (404, "not_found"));
    assert_eq!(verdict(&world, &token).await.0, 200);
    assert_eq!(revoke(&cookie).send(&world).await.status, 204);
    assert_eq!(verdict(&world, &token).await, (401, "token_expired".into()));
    assert_eq!(revoke(&cookie).send(&world).await.status, 404);
    let audit = world.audit().await;
    assert_eq!(audit[0], format!("ada token.revoke ada token {id}"));
    assert!(audit[1].starts_with("ada token.create ada token "), "{audit:?}");
}

#[tokio::test]
async fn rotation_leaves_a_day_to_change_over() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let old = make(&world, &cookie, json!({"name": "ci", "scopes": ["submit", "read", "read"]})).await;
    let id = old.body["info"]["id"].as_i64().unwrap();
    let new = call("POST", &format!("/me/tokens/{id}/rotate")).bearer(&old.text("/token")).send(&world).await;
    assert_eq!(new.status, 201);
    assert_eq!(new.body["info"]["scopes"], json!(["read", "submit"]));
    assert_eq!(new.body["info"]["expires_at"], old.body["info"]["expires_at"]);
    let other = call("POST", &format!("/me/tokens/{id}/rotate")).bearer(&new.text("/token")).send(&world).await;
    assert_eq!(other.verdict(), (403, "forbidden"), "a token rotates itself and no other");
    world.advance(DAY - 1);
    assert_eq!(
        (verdict(&world, &old.text("/token")).await.0, verdict(&world, &new.text("/token")).await.0),
        (200, 200)
    );
    world.advance(1);
    assert_eq!(verdict(&world, &old.text("/token")).await, (401, "token_expired".into()));
    assert_eq!(verdict(&world, &new.text("/token")).await.0, 200);
    let again = call("POST", &format!("/me/tokens/{id}/rotate")).cookie(&cookie).send(&world).await;
    assert_eq!(again.verdict(), (404, "not_found"), "what has ended cannot be rotated");
}

#[tokio::test]
async fn scopes_bound_what_a_token_may_do() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    for (request, field) in [
        (json!({"name": "x", "scopes": []}), "scopes"),
        (json!({"name": "x", "scopes": ["admin"]}), "scopes"),
        (json!({"name": "x", "scopes": ["read", "metrics"]}), "scopes"),
        (json!({"name": "", "scopes": ["read"]}), "name"),
        (json!({"name": "a\u{1b}[2J", "scopes": ["read"]}), "name"),
        (json!({"name": "x".repeat(65), "scopes": ["read"]}), "name"),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "x", "scopes": ["read"], "expires_in_days": 367}), "expires_in_days"),
    ] {
        let answer = make(&world, &cookie, request).await;
        assert_eq!((answer.status, &answer.body["errors"][0]["field"]), (422, &json!(field)));
    }
    assert_eq!(make(&world, &cookie, json!({"name": "x", "scopes": ["root"]})).await.code(), "malformed_json");

    let admin = world.admin("grace").await.cookie();
    let all = make(&world, &admin, json!({"name": "x", "scopes": ["read", "submit", "metrics"]})).await.text("/token");
    let made = make(&world, &admin, json!({"name": "x", "scopes": ["admin"]})).await;
    let (root, root_path) = (made.text("/token"), format!("/me/tokens/{}", made.body["info"]["id"]));
    assert_eq!(get("/admin/users").bearer(&all).send(&world).await.verdict(), (403, "wrong_scope"));
    assert_eq!(get("/admin/users").bearer(&root).send(&world).await.status, 200);
    assert_eq!(get("/me").bearer(&root).send(&world).await.verdict(), (403, "wrong_scope"));
    // A token must not make itself at home: no new tokens, no password, no sessions, no end of another token.
    for call in [
        post("/me/tokens", json!({"name": "x", "scopes": ["read"]})),
        post("/me/password", json!({"password": "x", "new_password": "y"})),
        post("/me/recovery-codes", json!({"password": PASSWORD})),
        get("/me/sessions"),
        get("/me/tokens"),
        call("DELETE", "/me/sessions"),
        call("DELETE", &root_path),
        call("POST", &format!("{root_path}/rotate")),
        call("POST", "/logout"),
    ] {
        assert_eq!(call.bearer(&all).send(&world).await.verdict(), (403, "forbidden"));
    }
}

#[tokio::test]
async fn use_is_noted_once_a_minute_and_the_number_is_bounded() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let token = make(&world, &cookie, json!({"name": "ci", "scopes": ["read"]})).await.text("/token");
    let begun = world.app.clock.now();
    let used = async || {
        let listed = get("/me/tokens").cookie(&cookie).send(&world).await;
        assert!(!listed.body.to_string().contains("hpl_u_"));
        listed.body["tokens"].as_array().unwrap().last().unwrap()["last_used_at"].as_i64()
    };
    assert_eq!(used().await, None);
    for (after, noted) in [(0, 0), (MINUTE - 1, 0), (1, MINUTE)] {
        world.advance(after);
        assert_eq!(verdict(&world, &token).await.0, 200);
        assert_eq!(used().await, Some(begun + noted));
    }
    for _ in 1..50 {
        assert_eq!(make(&world, &cookie, json!({"name": "x", "scopes": ["read"]})).await.status, 201);
    }
    assert_eq!(make(&world, &cookie, json!({"name": "x", "scopes": ["read"]})).await.verdict(), (409, "conflict"));
}

#[tokio::test]
async fn calls_are_counted_by_token_by_user_and_by_address() {
    let rates = Rates { api_per_hour: 3, anonymous_per_minute: 4, ..Rates::unlimited() };
    let world = World::with(&["--plain-http"], rates, Passwords::cheap().unwrap()).await;
    let cookie = world.sign_up("ada").await.cookie();
    let token = make(&world, &cookie, json!({"name": "ci", "scopes": ["read"]})).await.text("/token");
    for _ in 0..3 {
        assert_eq!(verdict(&world, &token).await.0, 200);
    }
    let refused = get("/me").bearer(&token).from("192.0.2.9").send(&world).await;
    assert_eq!(refused.verdict(), (429, "rate_limited"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(get("/me").cookie(&cookie).send(&world).await.status, 200, "the session has its own count");
    for _ in 0..3 {
        assert_eq!(verdict(&world, "hpl_u_x").await.0, 401);
    }
    assert_eq!(verdict(&world, "hpl_u_x").await.0, 429, "guesses are counted as strangers are");
    assert_eq!(get("/me").send(&world).await.status, 429);
    assert_eq!(get("/me").from("192.0.2.10").send(&world).await.status, 401);
}
