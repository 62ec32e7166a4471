//! A database of a million jobs: how long lists, claims and leaderboards take to answer. One table: the middle, 99 of
//! 100 and the slowest answer of each question, and the service's memory.
//!
//! ```sh
//! cargo bench -p benches --bench million -- million
//! ```
//! The database takes about 3 GB and some minutes to write; it is kept in cargo's folder for the next time. So this
//! one runs only if it is named. Each question is asked over TLS on loopback, one at a time, with other filters and
//! other places to go on from each time. What the answers are held against is in [`WANTED`]; a slower one is marked,
//! and is no failure: time on a shared machine is no verdict.
#![forbid(unsafe_code)]

mod questions;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::load::client::{Ask, Line};
use benches::load::crowd::database;
use benches::load::pace::Times;
use benches::load::people::Person;
use benches::load::server::Server;
use benches::load::{fleet, people, runtime};
use benches::{program, smoke};
use service::db::testing::crowd::Crowd;

use self::questions::{Question, questions};

/// How long an answer may take, and how much memory the service, in bytes.
const WANTED: (Duration, u64) = (Duration::from_millis(50), 300_000_000);
/// What is in the database.
const FULL: Crowd = Crowd { jobs: 1_000_000, users: 20_000, nodes: 2000 };
/// To see that it works.
const SMALL: Crowd = Crowd { jobs: 30_000, users: 1000, nodes: 1700 };

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        println!("million: benchmark");
        return ExitCode::SUCCESS;
    }
    let named = arguments.iter().any(|a| !a.starts_with('-')) && program::wanted("million", &arguments);
    if !named && !smoke() {
        println!(
            "million: writes 3 GB, so it runs only if it is named: cargo bench -p benches --bench million -- million"
        );
        return ExitCode::SUCCESS;
    }
    match runtime().and_then(|runtime| runtime.block_on(ask_all())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("million: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn ask_all() -> Result<(), String> {
    let (crowd, times) = if smoke() { (SMALL, 5) } else { (FULL, 200) };
    let data = database(crowd).await?;
    let server = Server::start(&data)?;
    let caller = usize::try_from(std::process::id()).unwrap_or(0);
    let person = people::sign_up(&server.door, &format!("asker-{caller}"), 0, 1).await?.remove(0);
    let nodes = fleet::join(&server.door, &server.join_token(times)?, 1, times).await?;
    println!("\n{} jobs of {} users on {} nodes: answers in ms, one at a time\n", crowd.jobs, crowd.users, crowd.nodes);
    println!("{:44} {:>8} {:>8} {:>8}", "", "middle", "99 %", "slowest");
    let mut line = server.door.connect(0).await?;
    for question in questions(crowd) {
        let answers = ask(&mut line, &person, &question, times).await?;
        tell(&question.what, answers);
    }
    let mut claims = vec![];
    for node in &nodes {
        let began = Instant::now();
        Arc::clone(node).claim(0).await?;
        claims.push(began.elapsed());
    }
    tell("claim of a job", Times::of(claims));
    let mut submissions = vec![];
    for n in 0..times {
        let began = Instant::now();
        person.submit(caller.wrapping_mul(1000) + n).await?;
        submissions.push(began.elapsed());
    }
    tell("submission of a job", Times::of(submissions));
    let (within, memory) = WANTED;
    let peak = server.resident_peak().map_or("?".into(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6));
    println!("\nwanted: within {} ms; memory {peak} of {:.0} MB allowed", within.as_millis(), memory as f64 / 1e6);
    server.stop()
}

fn tell(what: &str, times: Times) {
    let slow = if times.quantile(0.99) > WANTED.0 { "  <- slow" } else { "" };
    println!("{what:44} {times}{slow}");
}

async fn ask(line: &mut Line, person: &Person, question: &Question, times: usize) -> Result<Times, String> {
    let mut took = vec![];
    for n in 0..times {
        let token = if question.known { person.token.as_str() } else { "" };
        let path = (question.path)(n as i64);
        let ask = match question.body {
            None => Ask::get(path, token),
            Some(body) => Ask::post(path, token, &body(n as i64)),
        };
        let began = Instant::now();
        let answer = line.ask(&ask).await?;
        took.push(began.elapsed());
        if !answer.status.is_success() {
            let told = String::from_utf8_lossy(&answer.body).into_owned();
            return Err(format!("{}: {} {told}", ask.path, answer.status));
        }
    }
    Ok(Times::of(took))
}
