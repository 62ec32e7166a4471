//! The console on a data folder.

use std::path::Path;

use clap::Parser;
use serde_json::json;
use service::admin::{Admin, run};
use service::clock::Clock;
use service::error::{Code, Error};
use service::ops::operator::Reach;

use crate::support::{PASSWORD, World, get, log_in, post};

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Admin,
}

fn reach() -> Reach {
    Reach { host: "2001:db8::1".into(), port: 8443, pin: Some("PIN".into()), plain: false }
}

async fn admin(data: &Path, line: &str) -> Result<String, Error> {
    admin_reached(data, line, &reach()).await
}

async fn admin_reached(data: &Path, line: &str, reach: &Reach) -> Result<String, Error> {
    let command = Cli::try_parse_from(std::iter::once("x").chain(line.split(' '))).unwrap().command;
    run(data, Clock::manual(1_800_000_000_000).0, command, reach, |_| Ok(PASSWORD.to_owned())).await
}

#[tokio::test]
async fn the_first_administrator_is_made_before_and_beside_the_service() {
    let world = World::open().await;
    let folder = world.folder.path();
    let said = admin(folder, "create-admin grace").await.unwrap();
    assert_eq!(said.lines().filter(|line| line.starts_with("  ")).count(), 8, "{said}");
    assert!(!said.contains(PASSWORD));
    let cookie = log_in("grace", PASSWORD).send(&world).await.cookie();
    assert_eq!(get("/admin/users").cookie(&cookie).send(&world).await.status, 200);
    assert_eq!(admin(folder, "create-admin grace").await.unwrap_err().code, Code::UsernameTaken);
    assert_eq!(admin(folder, "create-admin root").await.unwrap_err().code, Code::Invalid);
    admin(folder, "create-user ada --cohort team").await.unwrap();
    admin(folder, "set-quota --cohort team --running 3").await.unwrap();
    let cookie = log_in("ada", PASSWORD).send(&world).await.cookie();
    let me = get("/me").cookie(&cookie).send(&world).await;
    assert_eq!((&me.body["quota"]["running_max"], &me.body["user"]["admin"]), (&3.into(), &false.into()));
    admin(folder, "disable-user ada").await.unwrap();
    assert_eq!(get("/me").cookie(&cookie).send(&world).await.status, 401);
    assert!(world.audit().await.contains(&"console user.disable ada".to_owned()));

    assert!(admin(folder, "check").await.unwrap().contains("as it must be"));

    let new = tempfile::tempdir().unwrap();
    let mistyped = admin(&new.path().join("mistyped"), "nodes").await.unwrap_err();
    assert!(mistyped.detail.contains("no database") && !new.path().join("mistyped").exists());
    admin(&new.path().join("not/yet"), "create-admin grace").await.unwrap();
}

#[tokio::test]
async fn a_join_string_names_the_token_the_place_and_the_pin() {
    let folder = tempfile::tempdir().unwrap();
    admin(folder.path(), "create-admin grace").await.unwrap();
    let line = "join-token --label gpu --label room-3 --trusted --nodes 2 --minutes 5";
    let said = admin(folder.path(), line).await.unwrap();
    let string = said.lines().next().unwrap();
    assert!(string.starts_with("hpl-join://hpl_j_") && string.ends_with("@[2001:db8::1]:8443#sha256=PIN"), "{string}");
    let plain = Reach { host: "lab".into(), port: 8080, pin: None, plain: true };
    let said = admin_reached(folder.path(), "join-token", &plain).await.unwrap();
    let string = said.lines().next().unwrap();
    assert!(string.starts_with("hpl-join+http://hpl_j_") && string.ends_with("@lab:8080"), "{string}");
    admin(folder.path(), "revoke-join-token 2").await.unwrap();
    let listed = admin(folder.path(), "list-join-tokens").await.unwrap();
    assert!(listed.contains("gpu room-3") && listed.contains("2027-01-15 08:05:00"), "{listed}");
    assert!(!listed.contains("hpl_j_"));
    assert!(admin(folder.path(), "revoke-join-token 1").await.unwrap().contains("revoked"));
    assert_eq!(admin(folder.path(), "revoke-join-token 1").await.unwrap_err().code, Code::NotFound);
    assert_eq!(admin(folder.path(), "list-join-tokens").await.unwrap().lines().count(), 1);
    for wrong in ["join-token --label GPU", "join-token --nodes 0", "join-token --minutes 0"] {
        assert_eq!(admin(folder.path(), wrong).await.unwrap_err().code, Code::Invalid, "{wrong}");
    }
    assert_eq!(admin(folder.path(), "revoke-node a").await.unwrap_err().code, Code::NotFound);
    assert_eq!(admin(folder.path(), "drain-node a").await.unwrap_err().code, Code::NotFound);
    assert!(admin(folder.path(), "nodes").await.unwrap().starts_with("NAME"));
    let audit = admin(folder.path(), "audit").await.unwrap();
    let told =
        |action: &str| audit.lines().filter(|line| line.contains(action) && line.contains("join token 1")).count();
    assert_eq!((told(" join_token.create "), told(" join_token.revoke ")), (1, 1), "{audit}");
}

#[tokio::test]
async fn the_audit_log_fits_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    admin(folder.path(), "create-admin grace").await.unwrap();
    admin(folder.path(), "invite --uses 3 --days 2 --cohort a-cohort-with-quite-a-long-name").await.unwrap();
    admin(folder.path(), "join-token --label a-label-that-is-very-long-indeed --label and-another-one").await.unwrap();
    let said = admin(folder.path(), "audit --limit 5").await.unwrap();
    assert_eq!(said.lines().count(), 4);
    assert!(said.lines().all(|line| line.chars().count() <= 100), "{said}");
    assert!(said.contains("join_token.create") && said.contains("console"), "{said}");
    let one = admin(folder.path(), "audit --action invite.create").await.unwrap();
    assert_eq!(one.lines().count(), 2);
    assert_eq!(admin(folder.path(), "audit --action nothing").await.unwrap().lines().count(), 1);
}

#[tokio::test]
async fn invitations_are_listed_and_revoked() {
    let world = World::new(&["--plain-http", "--signup", "invite"]).await;
    let folder = world.folder.path();
    let sign_up = async |name: &str, invite: &str| {
        let request = json!({"username": name, "password": PASSWORD, "invite": invite});
        post("/signup", request).send(&world).await.status
    };
    let invite = async |line: &str| admin(folder, line).await.unwrap().lines().next().unwrap().to_owned();
    let (many, once) = (invite("invite --uses 2 --days 2 --cohort hpc-101").await, invite("invite").await);
    assert_eq!(sign_up("ada", &many).await, 201);
    let listed = admin(folder, "list-invites").await.unwrap();
    let lines: Vec<Vec<&str>> = listed.lines().skip(1).map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[1], ["1", "1", "hpc-101", "2027-01-17", "08:00:00", "console"], "{listed}");
    assert_eq!(lines[0][..2], ["2", "1"], "{listed}");
    assert!(!listed.contains("hpl_i_"));

    assert!(admin(folder, "revoke-invite 1").await.unwrap().contains("revoked"));
    assert_eq!(sign_up("bob", &many).await, 403);
    assert_eq!(admin(folder, "revoke-invite 1").await.unwrap_err().code, Code::NotFound);
    assert_eq!(admin(folder, "revoke-invite 9").await.unwrap_err().code, Code::NotFound);
    assert_eq!(sign_up("bob", &once).await, 201);
    assert_eq!(admin(folder, "list-invites").await.unwrap().lines().count(), 1, "revoked and used up ones are gone");
    assert!(world.audit().await.contains(&"console invite.revoke invite 1".to_owned()));
}
