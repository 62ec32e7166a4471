//! Requests that another site made a browser send.

use axum::Router;
use axum::extract::State;
use axum::routing::get as route;
use serde_json::json;
use service::app::Shared;
use service::error::Result;
use service::http::auth;
use service::http::csrf::Guard;

use crate::support::{Call, HOST, PASSWORD, World, call, get, post};

#[tokio::test]
async fn a_cookie_alone_changes_nothing() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let token = |name: &str| post("/me/tokens", json!({"name": name, "scopes": ["read"]}));
    let ours = format!("http://{HOST}");
    for (headers, allowed) in [
        (&[][..], false),
        (&[("origin", "null")], false),
        (&[("origin", "http://evil.test")], false),
        (&[("origin", "https://here.test")], false),
        (&[("origin", "http://here.test:81")], false),
        (&[("origin", "http://here.test.evil.test")], false),
        (&[("sec-fetch-site", "cross-site")], false),
        (&[("sec-fetch-site", "same-site")], false),
        (&[("sec-fetch-site", "none")], false),
        (&[("sec-fetch-site", "cross-site"), ("origin", ours.as_str())], false),
        (&[("origin", ours.as_str())], true),
        (&[("sec-fetch-site", "same-origin")], true),
    ] {
        let with = |call: Call| headers.iter().fold(call.header("cookie", &cookie), |c, (n, v)| c.header(n, v));
        for call in [with(token("t")), with(call("DELETE", "/me/sessions")), with(call("DELETE", "/me/tokens/99"))] {
            let answer = call.send(&world).await;
            assert_eq!(answer.verdict() != (403, "cross_origin"), allowed, "{headers:?} {}", answer.body);
        }
    }
    let listed = get("/me/tokens").cookie(&cookie).send(&world).await;
    assert_eq!(listed.body["tokens"].as_array().unwrap().len(), 2);
}

/// Log-in and sign-up have no cookie yet, but a browser that is logged in as somebody else is a trap, too.
#[tokio::test]
async fn another_site_cannot_log_a_browser_in() {
    let world = World::open().await;
    world.sign_up("ada").await;
    let log_in = || post("/login", json!({"username": "ada", "password": PASSWORD}));
    for (name, value) in [("origin", "http://evil.test"), ("sec-fetch-site", "cross-site"), ("origin", "null")] {
        let answer = log_in().header(name, value).send(&world).await;
        assert_eq!(answer.verdict(), (403, "cross_origin"));
        assert!(answer.set_cookies().is_empty());
    }
    // A form of another site can only send types of body that are not taken.
    let text = call("POST", "/login").header("content-type", "text/plain").send(&world).await;
    assert_eq!(text.verdict(), (415, "unsupported_media_type"));
    assert_eq!(log_in().send(&world).await.status, 200, "a program has no cookies to be misused");
}

#[tokio::test]
async fn a_token_needs_no_origin_and_reading_needs_none_either() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let request = json!({"name": "t", "scopes": ["read"]});
    let made = post("/me/tokens", request).cookie(&cookie).send(&world).await;
    let (token, id) = (made.text("/token"), made.body["info"]["id"].to_string());
    let rotated = call("POST", &format!("/me/tokens/{id}/rotate")).bearer(&token).header("origin", "http://evil.test");
    assert_eq!(rotated.send(&world).await.status, 201);
    let foreign = get("/me").header("cookie", &cookie).header("sec-fetch-site", "cross-site").send(&world).await;
    assert_eq!(foreign.status, 200);
    assert_eq!(get("/logout").header("cookie", &cookie).send(&world).await.status, 405);
    assert_eq!(get("/me").cookie(&cookie).send(&world).await.status, 200);
}

/// A page with a form, and the place the form is sent to, which wants the token in a header here.
fn forms(world: &World) -> Router {
    async fn show(guard: Guard) -> String {
        guard.token()
    }
    async fn plain(_: Guard) -> &'static str {
        "no form here"
    }
    async fn take(State(_): State<Shared>, guard: Guard, headers: axum::http::HeaderMap) -> Result<String> {
        guard.check(headers.get("x-field").map_or("", |value| value.to_str().unwrap()))?;
        Ok("taken".into())
    }
    let routes = Router::new().route("/api/v1/form", route(show).post(take)).route("/api/v1/plain", route(plain));
    auth::protect(routes, &world.app).with_state(world.app.clone())
}

#[tokio::test]
async fn a_form_is_bound_to_the_session_or_to_the_window() {
    let world = World::open().await;
    let forms = forms(&world);
    assert!(get("/plain").send_to(&forms).await.set_cookies().is_empty(), "no cookie where there is no form");
    let shown = get("/form").send_to(&forms).await;
    let (before, cookie) = (shown.body.as_str().unwrap().to_owned(), shown.cookie());
    assert!(cookie.starts_with("hpl-form=") && shown.set_cookies()[0].contains("HttpOnly; SameSite=Lax"));
    assert!(!before.contains(cookie.split_once('=').unwrap().1), "the page does not give the cookie away");
    let again = get("/form").header("cookie", &cookie).send_to(&forms).await;
    let again = (again.body.as_str().unwrap().to_owned(), again.set_cookies().len());
    assert!(again.0 != before && again.1 == 0, "another token, good for the same cookie");

    let session = world.sign_up("ada").await.cookie();
    let inside = get("/form").cookie(&session).send_to(&forms).await.body.as_str().unwrap().to_owned();
    let eve = world.sign_up("eve").await.cookie();
    let eves = get("/form").cookie(&eve).send_to(&forms).await.body.as_str().unwrap().to_owned();
    let both = format!("{cookie}; {session}");
    for (cookie, field, taken) in [
        (cookie.as_str(), before.as_str(), true),
        (&cookie, &again.0, true),
        (&session, &inside, true),
        (&both, &inside, true),
        (&both, &before, false),
        (&session, &before, false),
        (&session, &eves, false),
        (&session, "", false),
        (&cookie, &inside, false),
        ("hpl-form=x", &before, false),
        ("a=b", &before, false),
    ] {
        let answer = call("POST", "/form").cookie(cookie).header("x-field", field).send_to(&forms).await;
        assert_eq!(answer.status == 200, taken, "{cookie} {field}");
    }
    let foreign = call("POST", "/form").header("cookie", &session).header("x-field", &inside);
    let foreign = foreign.header("origin", "http://evil.test").send_to(&forms).await;
    assert_eq!(foreign.verdict(), (403, "cross_origin"), "the token alone is not enough");
}

#[tokio::test]
async fn over_tls_the_form_cookie_is_of_this_host_alone() {
    let world = World::new(&[]).await;
    let shown = get("/form").send_to(&forms(&world)).await;
    let cookie = shown.set_cookies()[0];
    assert!(cookie.starts_with("__Host-hpl-form=") && cookie.contains("; Secure") && cookie.contains("; Path=/"));
}
