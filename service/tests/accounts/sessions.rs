//! Sessions: their cookie, their end, and who can see them.

use serde_json::json;
use service::db::sessions;
use service::ops::accounts::{self as ops, By};

use crate::support::{Answer, DAY, MINUTE, PASSWORD, World, call, get, log_in, post};

async fn status(world: &World, cookie: &str) -> u16 {
    get("/me").cookie(cookie).send(world).await.status
}

async fn list(world: &World, cookie: &str) -> Answer {
    get("/me/sessions").cookie(cookie).send(world).await
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let tls = World::new(&[]).await;
    let cookie = tls.sign_up("ada").await.set_cookies()[0].to_owned();
    assert!(cookie.starts_with("__Host-hpl="), "{cookie}");
    for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/", "; Max-Age=2592000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    assert!(!cookie.contains("Domain"));
    let id = cookie["__Host-hpl=".len()..].split(';').next().unwrap().to_owned();
    assert_eq!(id.len(), 22, "128 bits in base64url");
    // A cookie that is good for nothing is taken away, in the one form that a browser obeys.
    let gone = get("/me").cookie("__Host-hpl=AAAAAAAAAAAAAAAAAAAAAA").send(&tls).await;
    assert_eq!(gone.status, 401);
    let taken = gone.set_cookies()[0];
    assert!(taken.starts_with("__Host-hpl=;") && taken.contains("; Secure") && taken.contains("Path=/"), "{taken}");
    assert!(taken.contains("Max-Age=0"), "{taken}");

    let plain = World::open().await;
    let cookie = plain.sign_up("ada").await.set_cookies()[0].to_owned();
    assert!(cookie.starts_with("hpl-session=") && !cookie.contains("Secure"), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    let proxied = World::new(&["--plain-http", "--trusted-proxy", "127.0.0.1/32"]).await;
    assert!(proxied.sign_up("ada").await.set_cookies()[0].starts_with("__Host-hpl="));
}

#[tokio::test]
async fn the_id_changes_at_log_in_and_a_planted_one_is_worth_nothing() {
    let world = World::open().await;
    let first = world.sign_up("ada").await.cookie();
    let second = log_in("ada", PASSWORD).cookie(&first).send(&world).await.cookie();
    assert_ne!(first, second);
    assert_eq!((status(&world, &first).await, status(&world, &second).await), (401, 200));
    let planted = "hpl-session=AAAAAAAAAAAAAAAAAAAAAA";
    let third = log_in("ada", PASSWORD).cookie(planted).send(&world).await.cookie();
    assert_ne!(third, planted);
    assert_eq!((status(&world, planted).await, status(&world, &third).await), (401, 200));
}

#[tokio::test]
async fn a_session_ends_after_a_week_of_idleness_and_after_a_month_in_any_case() {
    let world = World::open().await;
    let idle = world.sign_up("ada").await.cookie();
    world.advance(7 * DAY - 1);
    assert_eq!(status(&world, &idle).await, 200);
    world.advance(7 * DAY);
    assert_eq!(status(&world, &idle).await, 401);

    let busy = log_in("ada", PASSWORD).send(&world).await.cookie();
    for _ in 0..4 {
        world.advance(6 * DAY);
        assert_eq!(status(&world, &busy).await, 200);
    }
    world.advance(6 * DAY - 1);
    assert_eq!(status(&world, &busy).await, 200);
    world.advance(1);
    assert_eq!(status(&world, &busy).await, 401);
    let swept = world.app.db.write(|tx| Box::pin(async move { sessions::sweep(tx).await })).await;
    assert_eq!(swept, Ok(2));
}

#[tokio::test]
async fn use_is_noted_once_a_minute() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let begun = world.app.clock.now();
    let seen = async || list(&world, &cookie).await.body["sessions"][0]["seen_at"].as_i64().unwrap() - begun;
    world.advance(MINUTE - 1);
    assert_eq!(seen().await, 0);
    world.advance(1);
    assert_eq!(seen().await, MINUTE);
    world.advance(MINUTE / 2);
    assert_eq!(seen().await, MINUTE);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let world = World::open().await;
    let here = world.sign_up("ada").await.cookie();
    let there = log_in("ada", PASSWORD).from("192.0.2.77").header("user-agent", "Foo\u{e9}/1").send(&world).await;
    let there = there.cookie();
    let eve = world.sign_up("eve").await.cookie();
    let listed = list(&world, &here).await;
    let rows = listed.body["sessions"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    let other = rows.iter().find(|row| row["current"] == false).unwrap();
    assert_eq!((&other["address"], &other["agent"]), (&json!("192.0.2.77"), &json!("")));
    let id = other["id"].as_str().unwrap();
    assert!(!there.contains(id));
    let end = |cookie: &str| call("DELETE", &format!("/me/sessions/{id}")).cookie(cookie);
    assert_eq!(end(&eve).send(&world).await.verdict(), (404, "not_found"));
    assert_eq!(status(&world, &there).await, 200);
    assert_eq!(end(&here).send(&world).await.status, 204);
    assert_eq!((status(&world, &there).await, status(&world, &here).await), (401, 200));

    let third = log_in("ada", PASSWORD).send(&world).await.cookie();
    let ended = call("DELETE", "/me/sessions").cookie(&third).send(&world).await;
    assert_eq!((ended.status, &ended.body["ended"]), (200, &json!(1)));
    assert_eq!((status(&world, &here).await, status(&world, &third).await), (401, 200));
    let out = call("POST", "/logout").cookie(&third).send(&world).await;
    assert_eq!(out.status, 204);
    assert!(out.set_cookies()[0].starts_with("hpl-session=;"), "{:?}", out.set_cookies());
    assert_eq!((status(&world, &third).await, status(&world, &eve).await), (401, 200));
    let audit = world.audit().await;
    for action in ["ada session.end ada", "ada session.revoke_others ada", "ada session.revoke ada"] {
        assert!(audit.contains(&action.to_owned()), "{action}: {audit:?}");
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions_and_renews_this_one() {
    let world = World::open().await;
    let here = world.sign_up("ada").await.cookie();
    let there = log_in("ada", PASSWORD).send(&world).await.cookie();
    let change =
        |old: &str, new: &str| post("/me/password", json!({"password": old, "new_password": new})).cookie(&here);
    assert_eq!(change(PASSWORD, "short").send(&world).await.verdict(), (422, "invalid"));
    assert_eq!(change("a wrong guess", "entirely new words").send(&world).await.verdict(), (401, "wrong_password"));
    assert_eq!(change(PASSWORD, "entirely new words").send(&world).await.verdict(), (429, "rate_limited"));
    assert_eq!(status(&world, &there).await, 200);
    world.advance(1000);
    let changed = change(PASSWORD, "entirely new words").send(&world).await;
    assert_eq!((changed.status, &changed.body["ended"]), (200, &json!(1)));
    let renewed = changed.cookie();
    assert_eq!((status(&world, &here).await, status(&world, &there).await), (401, 401));
    assert_eq!(status(&world, &renewed).await, 200);
    assert_eq!(log_in("ada", PASSWORD).from("192.0.2.5").send(&world).await.status, 401);
    assert_eq!(log_in("ada", "entirely new words").send(&world).await.status, 200);
}

#[tokio::test]
async fn who_is_disabled_loses_everything_at_once() {
    let world = World::open().await;
    let cookie = world.sign_up("ada").await.cookie();
    let request = json!({"name": "ci", "scopes": ["read"]});
    let token = post("/me/tokens", request).cookie(&cookie).send(&world).await.text("/token");
    ops::set_disabled(&world.app.db, By::console(), "ada", true).await.unwrap();
    assert_eq!(status(&world, &cookie).await, 401);
    assert_eq!(get("/me").bearer(&token).send(&world).await.verdict(), (401, "unauthenticated"));
    assert_eq!(log_in("ada", PASSWORD).send(&world).await.status, 401);
    ops::set_disabled(&world.app.db, By::console(), "ada", false).await.unwrap();
    assert_eq!(status(&world, &cookie).await, 401, "the session has ended for good");
    assert_eq!(get("/me").bearer(&token).send(&world).await.status, 200);
}

#[tokio::test]
async fn a_user_has_fifty_sessions_at_most() {
    let world = World::open().await;
    let first = world.sign_up("ada").await.cookie();
    for _ in 0..50 {
        world.advance(1);
        log_in("ada", PASSWORD).send(&world).await.cookie();
    }
    let last = log_in("ada", PASSWORD).send(&world).await.cookie();
    assert_eq!(status(&world, &first).await, 401);
    assert_eq!(list(&world, &last).await.body["sessions"].as_array().unwrap().len(), 50);
}

#[tokio::test]
async fn a_session_for_which_there_is_no_room_is_refused_as_that() {
    let world = World::open().await;
    let here = world.sign_up("ada").await.cookie();
    world.no_room_for_sessions().await;
    let refused = log_in("ada", PASSWORD).send(&world).await;
    assert_eq!(refused.verdict(), (507, "disk_full"), "{}", refused.body);
    assert_eq!(refused.headers["retry-after"], "60");
    assert!(refused.set_cookies().is_empty());
    assert_eq!(status(&world, &here).await, 200, "those that are there go on");
}
