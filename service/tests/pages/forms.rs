//! Forms: whose they are, what becomes of what was typed, and what they do.

use axum::http::StatusCode;
use service::db::testing;
use service::ops::operator::Reach;

use crate::site::{PASSWORD, site};

#[tokio::test]
async fn forms_of_others_are_refused() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let job = ada.submit("mine").await;
    let own = ada.get(&job).await.token();
    let mut bob = site.browser();
    bob.sign_up("bob").await;
    let foreign = bob.get("/account").await.token();
    let cancel = format!("{job}/cancel");
    for token in ["", "x", &foreign] {
        for path in [
            cancel.as_str(),
            &format!("{job}/delete"),
            &format!("{job}/visibility"),
            &format!("{job}/requeue"),
            "/logout",
            "/account/password",
            "/account/recovery-codes",
            "/account/tokens",
            "/account/sessions/others/end",
        ] {
            let page =
                ada.post(path, &[("csrf", token), ("visibility", "private"), ("name", "t"), ("scope", "read")]).await;
            assert_eq!(page.status, StatusCode::FORBIDDEN, "{path} with `{token}`");
        }
    }
    // The right token, sent from elsewhere.
    for origin in ["https://evil.example", "null", "http://here.example:81"] {
        let page = ada.post_from(origin, &cancel, &[("csrf", &own)]).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{origin}");
        assert!(page.has("The request came from another site"), "{}", page.text);
    }
    // Before there is a session the same holds.
    let mut new = site.browser();
    let page = new.post("/login", &[("username", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.has("value=\"ada\"") && !page.has(PASSWORD), "the name is kept, the password never");
    // Bob's own token does not make ada's job his.
    assert_eq!(bob.post(&cancel, &[("csrf", &foreign)]).await.status, StatusCode::FORBIDDEN);
    assert!(ada.get(&job).await.has("Waiting for a node"));
    let page = ada.post(&cancel, &[("csrf", &own)]).await;
    assert_eq!((page.status, page.location), (StatusCode::SEE_OTHER, format!("{job}?said=cancelled")));
}

#[tokio::test]
async fn one_comes_in_and_goes_out() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    let codes = ada.sign_up("ada").await;
    let code = codes.text.split("<li><code>").nth(1).unwrap().split('<').next().unwrap().to_owned();
    assert!(codes.has("Write these codes down now") && !codes.has("action=\"/logout\""));
    let home = ada.get("/").await;
    assert!(home.has("Logged in as") && home.has("action=\"/logout\""));
    let token = ada.get("/account").await.token();
    let out = ada.post("/logout", &[("csrf", &token)]).await;
    assert_eq!((out.status, out.location.as_str()), (StatusCode::SEE_OTHER, "/?said=out"));
    assert!(!ada.get("/").await.has("Logged in as"));

    let token = ada.get("/login?next=/jobs%3Fowner%3Dme").await.token();
    let wrong = [("csrf", token.as_str()), ("username", "ada"), ("password", "wrong"), ("next", "/jobs?owner=me")];
    let page = ada.post("/login", &wrong).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.has("role=\"alert\"") && page.has("value=\"ada\"") && page.has("value=\"/jobs?owner=me\""));

    let token = ada.get("/recover").await.token();
    let recover = |password: &'static str| {
        let (token, code) = (token.clone(), code.clone());
        [("csrf", token), ("username", "ada".into()), ("recovery_code", code), ("new_password", password.into())]
    };
    site.advance(5000);
    for (password, status) in
        [("short", StatusCode::UNPROCESSABLE_ENTITY), ("eight green teapots", StatusCode::SEE_OTHER)]
    {
        let fields = recover(password);
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = ada.post("/recover", &fields).await;
        assert_eq!(page.status, status, "{}", page.text);
        let told = page.has("value=\"ada\"") && page.has("id=\"wrong-new_password\"");
        assert_eq!(told, status.is_client_error());
    }
    let mut other = site.browser();
    let token = other.get("/signup").await.token();
    let page = other.post("/signup", &[("csrf", &token), ("username", "A B"), ("password", "x")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("id=\"wrong-username\"") && page.has("id=\"wrong-password\"") && page.has("value=\"A B\""));
}

#[tokio::test]
async fn nothing_typed_is_lost_and_wrong_fields_say_so() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let form = ada.get("/submit").await;
    let (token, once) = (form.token(), form.field("once"));
    let fields = [
        ("csrf", token.as_str()),
        ("once", &once),
        ("way", "fields"),
        ("n", "many"),
        ("nb", "100"),
        ("p", "3"),
        ("q", "1"),
        ("depth", "-1"),
        ("bcast", "long"),
        ("title", "my \"best\" run"),
        ("visibility", "private"),
        ("walltime_s", "soon"),
        ("labels", "a,b"),
    ];
    for what in ["check", "submit"] {
        let sent = [&fields[..11], &[("walltime_s", "90"), ("labels", "a,b"), ("do", what)]].concat();
        let page = ada.post("/submit", &sent).await;
        assert_eq!(page.status.is_client_error(), what == "submit", "{what}");
        for kept in [
            "value=\"many\"",
            "value=\"100\"",
            "value=\"-1\"",
            "<option value=\"long\" selected>",
            "value=\"a,b\"",
            "value=\"my &#34;best&#34; run\"",
            "<option value=\"private\" selected>",
            "value=\"90\"",
        ] {
            assert!(page.has(kept), "{what}: {kept} is lost: {}", page.text);
        }
        assert!(
            page.has("id=\"wrong-n\"") && page.has("id=\"wrong-depth\"") && page.has("<details open>"),
            "{}",
            page.text
        );
        assert!(page.has("<a href=\"#f-n\">N</a>"));
    }
    let page = ada.post("/submit", &[&fields[..], &[("do", "submit")]].concat()).await;
    assert!(page.has("id=\"wrong-walltime_s\"") && page.has("value=\"soon\"") && page.has("value=\"many\""));
    // A token that is of no use any more costs nothing that was typed.
    let page = ada.post("/submit", &[&[("csrf", "old")][..], &fields[1..]].concat()).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.has("value=\"many\"") && page.token() != "old");
    // Nor does being logged out.
    let mut stranger = site.browser();
    let token = stranger.get("/submit").await.token();
    let page = stranger.post("/submit", &[("csrf", &token), ("way", "fields"), ("do", "submit"), ("n", "1234")]).await;
    assert_eq!(page.status, StatusCode::UNAUTHORIZED);
    assert!(page.has("value=\"1234\""));
}

#[tokio::test]
async fn a_check_costs_nothing_and_a_form_counts_once() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let form = ada.get("/submit").await;
    let (token, once) = (form.token(), form.field("once"));
    let fields = [("csrf", token.as_str()), ("once", &once), ("way", "fields"), ("n", "2000"), ("p", "1"), ("q", "1")];
    let page = ada.post("/submit", &[&fields[..], &[("do", "check")]].concat()).await;
    assert_eq!(page.status, StatusCode::OK);
    for part in
        ["What it would take", "Memory of each rank", "no node has joined yet", "The exact HPL.dat", "HPLinpack"]
    {
        assert!(page.has(part), "{part}: {}", page.text);
    }
    assert!(ada.get("/jobs").await.has("There is no job yet"));
    let submit = [&fields[..], &[("do", "submit")]].concat();
    let (first, second) = (ada.post("/submit", &submit).await, ada.post("/submit", &submit).await);
    assert_eq!(first.status, StatusCode::SEE_OTHER);
    assert_eq!(first.location, second.location, "pressed twice is pressed once");
}

#[tokio::test]
async fn a_pasted_file_is_a_sweep_that_is_started_when_its_cost_was_seen() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let dat = include_str!("../../../validation/browser/two-runs.dat");
    let form = ada.get("/submit").await;
    let token = form.token();
    let send = |what: &'static str, text: &'static str| {
        [
            ("csrf".to_owned(), String::new()),
            ("way".into(), "paste".into()),
            ("do".into(), what.into()),
            ("input".into(), text.into()),
        ]
    };
    let with = |mut fields: [(String, String); 4], token: &str| {
        fields[0].1 = token.to_owned();
        fields
    };
    let wrong = with(send("check", "not an HPL.dat <b>"), &token);
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let page = ada.post("/submit", &wrong).await;
    assert!(page.has("id=\"wrong-input\"") && page.has("not an HPL.dat &#60;b&#62;"), "{}", page.text);
    let right = with(send("submit", dat), &token);
    let right: Vec<(&str, &str)> = right.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    let made = ada.post("/submit", &right).await;
    assert!(made.status == StatusCode::SEE_OTHER && made.location.starts_with("/sweeps/"), "{}", made.text);
    let sweep = made.location.split('?').next().unwrap().to_owned();
    let page = ada.get(&sweep).await;
    assert!(page.has("<button>Start these ") && page.has("Draft"), "{}", page.text);
    assert!(!site.browser().get(&sweep).await.has("<button>Start"), "only its owner starts it");
    let started = ada.post(&format!("{sweep}/submit"), &[("csrf", &page.token())]).await;
    assert_eq!(started.status, StatusCode::SEE_OTHER);
    let page = ada.get(&sweep).await;
    assert!(page.has("Waiting for a node") && page.has("On hold") && !page.has("<button>Start"), "{}", page.text);
}

#[tokio::test]
async fn tokens_and_sessions_are_made_and_ended() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    ada.sign_up("ada").await;
    let page = ada.get("/account").await;
    assert!(!page.has("From a terminal"), "while the service does not know where it is");
    let csrf = page.token();
    let pin = "-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP".to_owned();
    let reach = Reach { host: "hpl.example".into(), port: 8443, pin: Some(pin), plain: false };
    site.app.reach.set(reach).unwrap();
    let line = "hpl login https://hpl.example:8443 --pin=-abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOP --username ada";
    let page = ada.get("/account").await;
    assert!(page.has(line), "{}", page.text);
    let none = [("csrf", csrf.as_str()), ("name", "my <i>laptop</i>"), ("expires_in_days", "x")];
    let page = ada.post("/account/tokens", &none).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.has("value=\"my &#60;i&#62;laptop") && page.has("id=\"wrong-expires_in_days\""), "{}", page.text);
    let fields =
        [("csrf", csrf.as_str()), ("name", "laptop"), ("scope", "read"), ("scope", "submit"), ("expires_in_days", "7")];
    let page = ada.post("/account/tokens", &fields).await;
    assert!(page.status == StatusCode::CREATED && page.has("<code>hpl_u_"), "{}", page.text);
    let account = ada.get("/account").await;
    assert!(account.has("laptop") && account.has("read submit") && !account.has("hpl_u_"));
    let path = account.text.split("action=\"/account/tokens/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = ada.post(&format!("/account/tokens/{path}"), &[("csrf", &csrf)]).await;
    assert_eq!(page.location, "/account?said=token");
    assert!(ada.get("/account").await.has("revoked"));

    let mut second = site.browser();
    let token = second.get("/login").await.token();
    second.post("/login", &[("csrf", &token), ("username", "ada"), ("password", PASSWORD)]).await;
    assert!(second.get("/account").await.has("Another browser"));
    let page = ada.post("/account/sessions/others/end", &[("csrf", &csrf)]).await;
    assert_eq!(page.location, "/account?said=sessions");
    assert_eq!(second.get("/account").await.status, StatusCode::UNAUTHORIZED);
    let new = "eight green teapots";
    let change = [("csrf", csrf.as_str()), ("password", "not it"), ("new_password", new)];
    assert!(ada.post("/account/password", &change).await.status.is_client_error());
    site.advance(5000);
    let change = [("csrf", csrf.as_str()), ("password", PASSWORD), ("new_password", new)];
    assert_eq!(ada.post("/account/password", &change).await.location, "/account?said=password");
    assert_eq!(ada.get("/account").await.status, StatusCode::OK);
}

#[tokio::test]
async fn who_signs_up_sees_the_codes_even_if_no_session_can_be_begun() {
    let site = site(&[]).await;
    site.app.db.write(|tx| Box::pin(async move { testing::no_room_for_sessions(tx).await })).await.unwrap();
    let mut ada = site.browser();
    let codes = ada.sign_up("ada").await;
    assert_eq!(codes.text.matches("<li><code>").count(), 8, "{}", codes.text);
    assert!(codes.has("href=\"/login\">I wrote them down") && !codes.has("Logged in as"), "{}", codes.text);
}

#[tokio::test]
async fn the_account_page_makes_new_recovery_codes() {
    let site = site(&[]).await;
    let mut ada = site.browser();
    let first = ada.sign_up("ada").await;
    let old = first.text.split("<li><code>").nth(1).unwrap().split('<').next().unwrap();
    let token = ada.get("/account").await.token();
    let wrong = ada.post("/account/recovery-codes", &[("csrf", &token), ("password", "wrong")]).await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.has("role=\"alert\"") && wrong.has("action=\"/account/recovery-codes\""), "{}", wrong.text);
    site.advance(5000);
    let page = ada.post("/account/recovery-codes", &[("csrf", &token), ("password", PASSWORD)]).await;
    assert_eq!((page.status, page.text.matches("<li><code>").count()), (StatusCode::CREATED, 8), "{}", page.text);
    assert!(page.has("work no longer") && page.has("href=\"/account\">I wrote them down") && !page.has(old));
}
