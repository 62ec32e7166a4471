//! Logging in: what a stranger learns by trying, and how often he may.

use std::time::{Duration, Instant};

use serde_json::json;
use service::db::users;
use service::limits::Rates;
use service::ops::accounts::{self as ops, By};
use service::password::Passwords;

use crate::support::{PASSWORD, SECOND, World, get, log_in, post};

/// Status, body and headers are the same, and the time is about the same, for a wrong password, for a name that
/// nobody has, and for an account that is disabled and whose password is right.
#[tokio::test]
async fn nobody_learns_which_names_exist() {
    let world = World::with(&["--plain-http"], Rates::unlimited(), Passwords::new(1).unwrap()).await;
    world.sign_up("ada").await;
    world.sign_up("gone").await;
    ops::set_disabled(&world.app.db, By::console(), "gone", true).await.unwrap();
    let cases = [("ada", "wrong wrong wrong"), ("nobody-here", PASSWORD), ("gone", PASSWORD), ("no such; name", "x")];
    let mut times = [const { vec![] }; 4];
    let mut answers = vec![];
    for round in 0..15 {
        for (case, (name, password)) in cases.into_iter().enumerate() {
            let call = log_in(name, password).from(&format!("192.0.2.{}", 10 + round));
            let begin = Instant::now();
            let answer = call.send(&world).await;
            times[case].push(begin.elapsed());
            assert!(answer.set_cookies().is_empty());
            answers.push(answer.without_id());
        }
    }
    assert_eq!((answers[0].0, &answers[0].2["code"]), (401, &json!("wrong_password")));
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let medians = times.map(|mut times: Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 2]
    });
    let (least, most) = (medians.iter().min().unwrap(), medians.iter().max().unwrap());
    assert!(*most < 2 * *least, "{medians:?}");
    // What was typed as a name that nobody has may be a password; it is not kept.
    let audit = world.audit().await;
    assert!(audit.contains(&"anonymous session.refused ada".to_owned()));
    assert!(audit.contains(&"anonymous session.refused ".to_owned()), "{audit:?}");
    assert_eq!(world.files_hold(&["no such; name"]).await, Vec::<String>::new());
}

#[tokio::test]
async fn delays_grow_and_lock_nobody_out_elsewhere() {
    let world = World::open().await;
    world.sign_up("ada").await;
    let stranger = "203.0.113.9";
    for delay in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        assert_eq!(log_in("ada", "a wrong guess").from(stranger).send(&world).await.status, 401);
        // Not even the right password is listened to now, however it is spelt.
        for name in ["ada", " ADA"] {
            let waits = log_in(name, PASSWORD).from(stranger).send(&world).await;
            assert_eq!(waits.verdict(), (429, "rate_limited"));
            assert_eq!(waits.headers["retry-after"], delay.to_string().as_str());
        }
        assert_eq!(log_in("ada", PASSWORD).send(&world).await.status, 200, "its owner comes in from elsewhere");
        world.advance(delay * SECOND);
    }
    assert_eq!(log_in("ada", PASSWORD).from(stranger).send(&world).await.status, 200);
    assert_eq!(log_in("ada", "a wrong guess").from(stranger).send(&world).await.status, 401);
    let waits = log_in("ada", PASSWORD).from(stranger).send(&world).await;
    assert_eq!(waits.headers["retry-after"], "1", "a success forgives");
}

#[tokio::test]
async fn log_ins_of_one_address_are_limited_whatever_the_names() {
    let world = World::with(&["--plain-http"], Rates::default(), Passwords::cheap().unwrap()).await;
    world.sign_up("ada").await;
    for n in 0..10 {
        assert_eq!(log_in(&format!("name{n}"), "a wrong guess").send(&world).await.status, 401);
    }
    let refused = log_in("ada", PASSWORD).send(&world).await;
    assert_eq!(refused.verdict(), (429, "rate_limited"));
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(log_in("ada", PASSWORD).from("192.0.2.2").send(&world).await.status, 200);
}

#[tokio::test]
async fn what_can_open_a_door_is_nowhere_in_the_files() {
    let world = World::open().await;
    let account = world.sign_up("ada").await;
    let cookie = account.cookie();
    let session = cookie.split_once('=').unwrap().1.to_owned();
    let code = account.text("/recovery_codes/0");
    let bare_code = code.replace('-', "");
    let request = json!({"name": "ci", "scopes": ["read"]});
    let token = post("/me/tokens", request).cookie(&cookie).send(&world).await.text("/token");
    assert_eq!(get("/me").bearer(&token).send(&world).await.status, 200);
    let request = serde_json::from_value(json!({})).unwrap();
    let invite = ops::create_invite(&world.app.db, By::console(), request).await.unwrap().invite;
    let name = "ada user.signup";
    let texts = [PASSWORD, &session, &code, &bare_code, &token, &token[6..40], &invite, &invite[6..40]];
    let in_the_log = world.audit().await;
    assert!(
        in_the_log.iter().any(|line| line.starts_with(name)) && !in_the_log.iter().any(|l| texts.contains(&l.as_str()))
    );
    // The search itself finds what is there.
    let found = world.files_hold(&[&texts[..], &["user.signup", "$argon2id$v=19$"]].concat()).await;
    assert!(found.iter().all(|text| !texts.contains(&text.as_str())), "{found:?}");
    assert!(found.contains(&"user.signup".to_owned()) && found.contains(&"$argon2id$v=19$".to_owned()));
}

#[tokio::test]
async fn a_hash_weaker_than_todays_is_made_anew_at_log_in() {
    let world = World::with(&["--plain-http"], Rates::unlimited(), Passwords::new(1).unwrap()).await;
    let request = serde_json::from_value(json!({"username": "ada", "password": PASSWORD})).unwrap();
    ops::create_user(&world.app.db, &Passwords::cheap().unwrap(), By::console(), request).await.unwrap();
    let stored = async || users::credentials(&mut world.app.db.read().await.unwrap(), "ada").await.unwrap().unwrap().1;
    let weak = stored().await;
    assert_eq!(log_in("ada", "a wrong guess").from("192.0.2.2").send(&world).await.status, 401);
    assert_eq!(stored().await, weak);
    assert_eq!(log_in("ada", PASSWORD).send(&world).await.status, 200);
    assert!(stored().await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    assert_eq!(log_in("ada", PASSWORD).send(&world).await.status, 200);
}
