//! What the service bears: submissions, claims, heartbeats and event streams, each alone, then a tenth of all of them
//! at once. One table: the rate that was asked for and reached, how long the answers took, the service's memory.
//!
//! ```sh
//! cargo bench -p benches --bench load
//! ```
//! It starts `hpl-service` (`HPLAAS_SERVICE` names another than that of this workspace) on a fresh folder and speaks
//! TLS with it on loopback. Clients and service share the machine, as the figures have to be read. What they are held
//! against is in [`WANTED`]; a figure outside is marked, and is no failure: time on a shared machine is no verdict.
//! A call that goes wrong is a failure.
#![forbid(unsafe_code)]

mod streams;
mod table;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use benches::load::fleet::{self, Node};
use benches::load::pace::{Figures, all, paced};
use benches::load::people::{self, Person};
use benches::load::server::Server;
use benches::load::{raise_open_files, runtime};
use benches::{program, smoke};

use self::table::{Row, Table};

/// How long 99 of 100 answers may take, and how much memory the service, in bytes.
const WANTED: (Duration, u64) = (Duration::from_millis(50), 300_000_000);

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    people: usize,
    /// Nodes that claim and beat, a beat every ten seconds.
    nodes: usize,
    streams: usize,
    /// Jobs that the streams watch, and what each of them is fed a second.
    watched: usize,
    feed: f64,
    submissions: f64,
    claims: f64,
    /// Seconds of a run.
    seconds: f64,
}

impl Size {
    const FULL: Size = Size {
        people: 200,
        nodes: 10_000,
        streams: 1000,
        watched: 10,
        feed: 10.0,
        submissions: 300.0,
        claims: 300.0,
        seconds: 30.0,
    };
    /// To see that it works.
    const SMOKE: Size = Size {
        people: 4,
        nodes: 60,
        streams: 20,
        watched: 2,
        feed: 10.0,
        submissions: 60.0,
        claims: 60.0,
        seconds: 1.0,
    };

    fn beats(self) -> f64 {
        self.nodes as f64 / 10.0
    }

    /// Calls of a run at `rate`.
    fn calls(self, rate: f64) -> usize {
        (rate * self.seconds).round() as usize
    }

    /// Claims and submissions of the mixed run.
    fn tenth(self, rate: f64) -> usize {
        self.calls(rate / 10.0)
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        println!("load: benchmark");
        return ExitCode::SUCCESS;
    }
    if !program::wanted("load", &arguments) {
        return ExitCode::SUCCESS;
    }
    let size = if smoke() { Size::SMOKE } else { Size::FULL };
    match runtime().and_then(|runtime| runtime.block_on(load(size))) {
        Ok(table) if table.failed() == 0 => ExitCode::SUCCESS,
        Ok(table) => {
            eprintln!("load: {} calls went wrong", table.failed());
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("load: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Runs and prints all.
async fn load(size: Size) -> Result<Table, String> {
    raise_open_files((size.nodes + size.tenth(size.claims) + size.streams + 2 * size.people) as u64 + 100)?;
    // Beside cargo's own files: the folder for scratch may be in memory, where nothing is durable.
    let folder = tempfile::tempdir_in(program::target()?).map_err(|e| format!("no scratch folder: {e}"))?;
    let server = Server::start(&folder.path().join("data"))?;
    let began = Instant::now();
    let people = people::sign_up(&server.door, 0, size.people).await?;
    let extra = size.tenth(size.claims);
    let token = server.join_token(size.nodes + extra)?;
    let nodes = fleet::join(&server.door, &token, size.people, size.nodes + extra).await?;
    println!("\n{} people and {} nodes came in {:.0} s", people.len(), nodes.len(), began.elapsed().as_secs_f64());
    let (nodes, late) = nodes.split_at(size.nodes);

    let mut table = Table::new(WANTED);
    let submitted = size.calls(size.submissions);
    measure(&mut table, &server, "submissions", size.submissions, submissions(&people, 0, size.submissions, submitted))
        .await;
    // A job for every node, and some are left for the mixed run.
    let missing = (nodes.len() + late.len()).saturating_sub(submitted);
    all("more jobs", missing, 16, |n| submit(&people, submitted + n)).await?;
    let all_jobs = submitted + missing;

    let claimed = size.calls(size.claims).min(nodes.len());
    measure(&mut table, &server, "claims", size.claims, claims(nodes, size.claims, claimed)).await;
    all("more claims", nodes.len() - claimed, 16, |n| claim(&nodes[claimed + n])).await?;
    all("runs start", nodes.len(), 16, |n| start(&nodes[n])).await?;

    measure(&mut table, &server, "heartbeats", size.beats(), beats(nodes, size.beats(), size.calls(size.beats())))
        .await;

    let watch =
        streams::Watch { people: &people, nodes: &nodes[..size.watched], feed: size.feed, seconds: size.seconds };
    let watched = streams::Streams::open(&server.door, &watch, size.streams, size.people + size.nodes + extra).await?;
    let deliveries = size.feed * size.streams as f64;
    measure(&mut table, &server, "deliveries to streams", deliveries, watched.feed(&watch)).await;

    let watched = streams::Streams::open(&server.door, &watch, size.streams / 10, 0).await?;
    mixed(&mut table, &server, size, &people, nodes, late, all_jobs, watched, &watch).await;
    println!("\n{table}");
    server.stop()?;
    Ok(table)
}

/// All at once, at a tenth of each rate.
async fn mixed(
    table: &mut Table,
    server: &Server,
    size: Size,
    people: &[Arc<Person>],
    nodes: &[Arc<Node>],
    late: &[Arc<Node>],
    from: usize,
    watched: streams::Streams,
    watch: &streams::Watch<'_>,
) {
    let (submit, claim, beat) = (size.submissions / 10.0, size.claims / 10.0, size.beats() / 10.0);
    let cpu = server.cpu_seconds();
    let began = Instant::now();
    let (submitted, claimed, beaten, delivered) = tokio::join!(
        submissions(people, from, submit, size.calls(submit)),
        claims(late, claim, late.len()),
        beats(nodes, beat, size.calls(beat)),
        watched.feed(watch),
    );
    let busy = busy(server, cpu, began);
    let resident = server.resident_peak();
    let deliveries = size.feed * (size.streams / 10) as f64;
    for (name, wanted, figures) in [
        ("mixed: submissions", submit, submitted),
        ("mixed: claims", claim, claimed),
        ("mixed: heartbeats", beat, beaten),
        ("mixed: deliveries", deliveries, delivered),
    ] {
        table.add(Row { name, wanted, figures, busy, resident });
    }
}

async fn measure(
    table: &mut Table,
    server: &Server,
    name: &'static str,
    wanted: f64,
    run: impl Future<Output = Figures>,
) {
    let cpu = server.cpu_seconds();
    let began = Instant::now();
    let figures = run.await;
    let busy = busy(server, cpu, began);
    table.add(Row { name, wanted, figures, busy, resident: server.resident_peak() });
}

/// Cores that the service kept busy since it had used `cpu` seconds at `began`.
fn busy(server: &Server, cpu: Option<f64>, began: Instant) -> Option<f64> {
    Some((server.cpu_seconds()? - cpu?) / began.elapsed().as_secs_f64())
}

async fn submissions(people: &[Arc<Person>], from: usize, rate: f64, count: usize) -> Figures {
    paced("submissions", rate, count, |n| submit(people, from + n)).await
}

fn submit(people: &[Arc<Person>], n: usize) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let person = people[n % people.len()].clone();
    async move { person.submit(n).await.map(drop) }
}

async fn claims(nodes: &[Arc<Node>], rate: f64, count: usize) -> Figures {
    paced("claims", rate, count, |n| claim(&nodes[n])).await
}

fn claim(node: &Arc<Node>) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let node = node.clone();
    async move { node.claim(5).await }
}

fn start(node: &Arc<Node>) -> impl Future<Output = Result<(), String>> + Send + 'static {
    let node = node.clone();
    async move { node.start().await }
}

async fn beats(nodes: &[Arc<Node>], rate: f64, count: usize) -> Figures {
    paced("heartbeats", rate, count, |n| {
        let node = nodes[n % nodes.len()].clone();
        async move { node.beat().await }
    })
    .await
}
