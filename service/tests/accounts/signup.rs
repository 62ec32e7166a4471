//! Who may have an account, and under what name and password.

use serde_json::json;
use service::limits::Rates;
use service::ops::accounts::{self as ops, By};
use service::password::Passwords;

use crate::support::{DAY, PASSWORD, World, get, log_in, post};

#[tokio::test]
async fn names_and_passwords_follow_the_rules() {
    let world = World::open().await;
    for (name, password, field) in [
        ("ab", PASSWORD, "username"),
        ("Ada", PASSWORD, "username"),
        ("a b c", PASSWORD, "username"),
        ("ada'--", PASSWORD, "username"),
        ("admin", PASSWORD, "username"),
        (&"a".repeat(33), PASSWORD, "username"),
        ("ada", "short", "password"),
        ("ada", "password123", "password"),
        ("ada", "1234567890", "password"),
        ("adalovelace", "adalovelace", "password"),
        ("ada", &"x7".repeat(65), "password"),
    ] {
        let answer = post("/signup", json!({"username": name, "password": password})).send(&world).await;
        assert_eq!(answer.verdict(), (422, "invalid"), "{name} {password}");
        assert_eq!(answer.body["errors"][0]["field"], field, "{}", answer.body);
        assert!(!answer.body.to_string().contains(password) || password.len() < 6);
    }
    let both = post("/signup", json!({"username": "A", "password": "b"})).send(&world).await;
    assert_eq!(both.body["errors"].as_array().unwrap().len(), 2);
    let unknown = post("/signup", json!({"username": "ada", "password": PASSWORD, "admin": true})).send(&world).await;
    assert_eq!(unknown.verdict(), (400, "malformed_json"));
}

#[tokio::test]
async fn a_new_account_has_recovery_codes_a_session_and_no_rights() {
    let world = World::open().await;
    let answer = world.sign_up("ada").await;
    assert_eq!(answer.body["recovery_codes"].as_array().unwrap().len(), 8);
    let me = get("/me").cookie(&answer.cookie()).send(&world).await;
    assert_eq!(
        (me.status, &me.body["user"]["username"], &me.body["user"]["admin"]),
        (200, &json!("ada"), &json!(false))
    );
    assert_eq!(me.body["recovery_codes_left"], 8);
    assert_eq!(me.body["quota"], json!({"running_max": 1, "queued_max": 20, "walltime_max_s": 1800}));
    let again = post("/signup", json!({"username": "ada", "password": PASSWORD})).send(&world).await;
    assert_eq!(again.verdict(), (409, "username_taken"));
    assert_eq!(world.audit().await, ["ada user.signup ada"]);
}

#[tokio::test]
async fn closed_is_closed_and_an_invitation_is_used_up() {
    let closed = World::new(&["--signup", "closed"]).await;
    let sign_up = |name: &str, invite: Option<&str>| {
        post("/signup", json!({"username": name, "password": PASSWORD, "invite": invite}))
    };
    assert_eq!(sign_up("ada", None).send(&closed).await.verdict(), (403, "signup_closed"));

    // Off loopback, an invitation is what is asked for by default.
    let world = World::new(&["--listen", "192.0.2.9:443"]).await;
    let invite = async |uses: u32| {
        let request = serde_json::from_value(json!({"uses": uses, "days": 2, "cohort": "hpc-101"})).unwrap();
        ops::create_invite(&world.app.db, By::console(), request).await.unwrap().invite
    };
    let (once, late) = (invite(1).await, invite(5).await);
    let forged = once.replace("hpl_i_", "hpl_u_");
    for wrong in [None, Some(""), Some("hpl_i_x"), Some(forged.as_str())] {
        assert_eq!(sign_up("ada", wrong).send(&world).await.verdict(), (403, "signup_closed"), "{wrong:?}");
    }
    let made = sign_up("ada", Some(&once)).send(&world).await;
    assert_eq!((made.status, &made.body["user"]["cohort"]), (201, &json!("hpc-101")));
    assert_eq!(sign_up("bob", Some(&once)).send(&world).await.verdict(), (403, "signup_closed"));
    // A name that is taken does not use an invitation up.
    let fresh = invite(1).await;
    assert_eq!(sign_up("ada", Some(&fresh)).send(&world).await.verdict(), (409, "username_taken"));
    assert_eq!(sign_up("bob", Some(&fresh)).send(&world).await.status, 201);
    world.advance(2 * DAY);
    assert_eq!(sign_up("eve", Some(&late)).send(&world).await.verdict(), (403, "signup_closed"));
}

#[tokio::test]
async fn sign_ups_of_one_address_are_limited() {
    let rates = Rates { sign_up_per_hour: 2, ..Rates::unlimited() };
    let world = World::with(&["--plain-http"], rates, Passwords::cheap().unwrap()).await;
    world.sign_up("one").await;
    world.sign_up("two").await;
    let third = json!({"username": "three", "password": PASSWORD});
    let refused = post("/signup", third.clone()).send(&world).await;
    assert_eq!(refused.verdict(), (429, "rate_limited"));
    assert!(refused.headers["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 600);
    assert_eq!(post("/signup", third).from("192.0.2.2").send(&world).await.status, 201);
}

#[tokio::test]
async fn the_rates_are_what_the_settings_say() {
    let world = World::by_settings(&["--plain-http", "--signups-per-hour", "1", "--logins-per-minute", "0"]).await;
    world.sign_up("one").await;
    let second = json!({"username": "two", "password": PASSWORD});
    assert_eq!(post("/signup", second).send(&world).await.verdict(), (429, "rate_limited"));
    for _ in 0..12 {
        assert_eq!(log_in("one", PASSWORD).send(&world).await.status, 200, "0 is no limit");
    }
}

#[tokio::test]
async fn a_recovery_code_sets_a_password_once_and_ends_all_sessions() {
    let world = World::open().await;
    let account = world.sign_up("ada").await;
    let (first, second) = (account.text("/recovery_codes/0"), account.text("/recovery_codes/1"));
    let recover = |name: &str, code: &str, address: &str| {
        let new = "another horse entirely";
        post("/recover", json!({"username": name, "recovery_code": code, "new_password": new})).from(address)
    };
    let wrong = recover("ada", "0000-0000-0000-0000", "192.0.2.3").send(&world).await;
    let nobody = recover("eve", &first, "192.0.2.4").send(&world).await;
    let rubbish = recover("ada", "?", "192.0.2.5").send(&world).await;
    assert_eq!(wrong.verdict(), (401, "wrong_password"));
    let wrong = wrong.without_id();
    assert_eq!(wrong, nobody.without_id());
    assert_eq!(wrong, rubbish.without_id());
    assert_eq!(recover("ada", &second, "192.0.2.3").send(&world).await.verdict(), (429, "rate_limited"));

    let done = recover("ada", &first.to_uppercase(), "192.0.2.6").send(&world).await;
    assert_eq!((done.status, &done.body["recovery_codes_left"]), (200, &json!(7)));
    assert_eq!(get("/me").cookie(&account.cookie()).send(&world).await.status, 401);
    assert_eq!(log_in("ada", PASSWORD).from("192.0.2.7").send(&world).await.status, 401);
    assert_eq!(log_in("ada", "another horse entirely").send(&world).await.status, 200);
    assert_eq!(recover("ada", &first, "192.0.2.8").send(&world).await.verdict(), (401, "wrong_password"));
    let audit = world.audit().await;
    assert!(audit.contains(&"ada password.recovered ada".to_owned()), "{audit:?}");
    assert!(audit.contains(&"anonymous password.recovery_refused ada".to_owned()), "{audit:?}");
}

#[tokio::test]
async fn recovery_codes_are_told_even_if_no_session_can_be_begun() {
    let world = World::open().await;
    // A cookie of an earlier session must not change that.
    let before = world.sign_up("bob").await.cookie();
    world.no_room_for_sessions().await;
    for (name, cookie) in [("ada", None), ("eve", Some(before))] {
        let sign_up = post("/signup", json!({"username": name, "password": PASSWORD}));
        let sign_up = match &cookie {
            Some(cookie) => sign_up.cookie(cookie),
            None => sign_up,
        };
        let made = sign_up.send(&world).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(made.body["recovery_codes"].as_array().unwrap().len(), 8);
        assert!(made.set_cookies().iter().all(|cookie| cookie.contains("Max-Age=0")), "{:?}", made.set_cookies());
        let code = made.text("/recovery_codes/0");
        let request = json!({"username": name, "recovery_code": code, "new_password": "another horse entirely"});
        assert_eq!(
            post("/recover", request).send(&world).await.status,
            200,
            "the account is there, and so are its codes"
        );
    }
}

#[tokio::test]
async fn new_recovery_codes_take_the_place_of_the_old_ones_and_want_the_password() {
    let world = World::open().await;
    let account = world.sign_up("ada").await;
    let (cookie, old) = (account.cookie(), account.text("/recovery_codes/0"));
    let scopes = json!({"name": "ci", "scopes": ["read", "submit"]});
    let token = post("/me/tokens", scopes).cookie(&cookie).send(&world).await.text("/token");
    let renew = |password: &str| post("/me/recovery-codes", json!({"password": password}));
    assert_eq!(renew(PASSWORD).send(&world).await.verdict(), (401, "unauthenticated"));
    assert_eq!(renew(PASSWORD).bearer(&token).send(&world).await.verdict(), (403, "forbidden"));
    assert_eq!(renew("a wrong guess").cookie(&cookie).send(&world).await.verdict(), (401, "wrong_password"));
    assert_eq!(renew(PASSWORD).cookie(&cookie).send(&world).await.verdict(), (429, "rate_limited"));
    world.advance(1000);
    let renewed = renew(PASSWORD).cookie(&cookie).send(&world).await;
    assert_eq!((renewed.status, renewed.body["recovery_codes"].as_array().unwrap().len()), (201, 8));
    assert_eq!(get("/me").cookie(&cookie).send(&world).await.body["recovery_codes_left"], 8, "the session goes on");

    let recover = |code: &str, address: &str| {
        let request = json!({"username": "ada", "recovery_code": code, "new_password": "another horse entirely"});
        post("/recover", request).from(address)
    };
    assert_eq!(recover(&old, "192.0.2.3").send(&world).await.verdict(), (401, "wrong_password"));
    assert_eq!(recover(&renewed.text("/recovery_codes/7"), "192.0.2.4").send(&world).await.status, 200);
    let audit = world.audit().await;
    assert!(audit.contains(&"ada recovery_codes.renewed ada".to_owned()), "{audit:?}");
    assert!(audit.contains(&"ada password.refused ada".to_owned()), "{audit:?}");
}

#[tokio::test]
async fn nobody_new_comes_in_while_the_disk_is_nearly_full() {
    let all = u64::MAX.to_string();
    let world = World::new(&["--plain-http", "--disk-low", &all, "--disk-critical", &all]).await;
    let refused = post("/signup", json!({"username": "ada", "password": PASSWORD})).send(&world).await;
    assert_eq!(refused.verdict(), (507, "disk_full"), "{}", refused.body);
    assert_eq!(refused.headers["retry-after"], "60");
    let detail = refused.text("/detail");
    assert!(detail.contains("new accounts") && detail.contains("new jobs"), "{detail}");
    // Who is there comes in, and may make room.
    world.admin("grace").await.cookie();
}
