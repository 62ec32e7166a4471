//! The commands of `hpl-node`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use hpl_spec::api::PROTOCOL;
use hpl_spec::api::agent::JoinRequest;
use hpl_spec::id::AttemptId;

use crate::client::{Client, Refusal};
use crate::daemon::{self, Ended, Options};
use crate::doctor::{Ability, State};
use crate::folder::{Data, RunFolder};
use crate::identity::{Identity, JoinString};
use crate::status::Status;
use crate::{doctor, host, orphans, sandbox, shim};

/// The daemon of a compute node: dials the service, runs what it is given, brings back what came out. It opens no port.
#[derive(Debug, Parser)]
#[command(
    name = "hpl-node",
    version,
    after_help = "A node in three commands:\n  hpl-node doctor\n  \
    hpl-node join 'hpl-join://…'      as `hpl-service admin join-token` prints it\n  hpl-node run"
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Folder {
    /// The data folder: who this node is, what runs, what is not delivered
    #[arg(long, value_name = "FOLDER", env = "HPL_NODE_DATA", default_value = "hpl-node-data")]
    data: PathBuf,
}

#[derive(Debug, Args)]
struct Programs {
    /// The benchmark [default: xhpl on the PATH, or beside this program]
    #[arg(long, value_name = "FILE", env = "HPL_NODE_XHPL")]
    xhpl: Option<PathBuf>,
    /// The launcher of MPI [default: mpirun on the PATH]
    #[arg(long, value_name = "FILE", env = "HPL_NODE_MPIRUN")]
    mpirun: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make this machine a node of a service
    Join {
        /// What `hpl-service admin join-token` printed, in quotes
        #[arg(value_name = "JOIN-STRING")]
        join: String,
        /// What the node is to be called [default: its host name]
        #[arg(long, env = "HPL_NODE_NAME")]
        name: Option<String>,
        #[command(flatten)]
        folder: Folder,
    },
    /// Claim jobs and run them, until SIGTERM; a run that is on goes on without the daemon
    #[command(after_help = "What is logged is set by HPL_NODE_LOG, e.g. `warn` or `debug`")]
    Run {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        programs: Programs,
        /// The profile of this CPU that `xhpl tune --profile FILE` wrote; without it, runs use none
        #[arg(long, value_name = "FILE", env = "HPL_NODE_PROFILE")]
        profile: Option<PathBuf>,
        /// A folder that runs may read besides, e.g. where MPI lies; may be named several times
        #[arg(long, value_name = "PATH", env = "HPL_NODE_READ", value_delimiter = ':')]
        read: Vec<PathBuf>,
        /// The user that runs have, `NAME` or `UID:GID`; only root can choose
        #[arg(long, value_name = "USER", env = "HPL_NODE_RUN_AS")]
        run_as: Option<String>,
        /// Other work may run on this machine beside ours; results say so
        #[arg(long, env = "HPL_NODE_SHARED")]
        shared: bool,
    },
    /// What this node can do, what it lacks, what that costs and how to mend it
    Doctor {
        #[command(flatten)]
        folder: Folder,
        #[command(flatten)]
        programs: Programs,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Claim nothing more; a run that is on comes to its end
    Drain {
        #[command(flatten)]
        folder: Folder,
        /// Claim again
        #[arg(long)]
        undo: bool,
        /// Come back when nothing runs any more
        #[arg(long, conflicts_with = "undo")]
        wait: bool,
    },
    /// How the daemon stands
    Status {
        #[command(flatten)]
        folder: Folder,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Runs that no attempt may bring any more, kept for a week
    Orphans {
        #[command(subcommand)]
        what: Orphans,
    },
    /// Watches over a run; the daemon starts it
    #[command(hide = true)]
    Shim {
        /// The folder of the attempt
        folder: PathBuf,
    },
    /// Leaves its network and its user to see whether it may; the doctor starts it
    #[command(hide = true, name = doctor::NAMESPACES_WORD)]
    TryNamespaces,
    /// Puts itself into the sandbox and becomes the launcher; the shim starts it
    #[command(hide = true)]
    Stage {
        /// The folder of the attempt
        folder: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
enum Orphans {
    /// Show them
    List {
        #[command(flatten)]
        folder: Folder,
    },
    /// Hand one in, or all that have a result; the service keeps them in no ranking
    Submit {
        #[command(flatten)]
        folder: Folder,
        /// The attempt, as `list` shows it
        attempt: Option<AttemptId>,
    },
}

/// Somebody has to do something: the daemon is not to be started again by itself.
const DISMISSED: u8 = 3;

/// Runs the command that was typed.
#[must_use]
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::TryNamespaces => return doctor::namespaces::child(),
        Command::Shim { folder } => return shim::shim(&RunFolder::at(folder)),
        Command::Stage { folder } => Err(sandbox::stage(&RunFolder::at(folder))),
        Command::Join { join, name, folder } => join_service(&folder, &join, name),
        Command::Run { folder, programs, profile, read, run_as, shared } => {
            run(folder, programs, profile, read, run_as, shared)
        }
        Command::Doctor { folder, programs, json } => return examine(&folder, &programs, json),
        Command::Drain { folder, undo, wait } => drain(&folder, undo, wait),
        Command::Status { folder, json } => status(&folder, json),
        Command::Orphans { what: Orphans::List { folder } } => list(&folder),
        Command::Orphans { what: Orphans::Submit { folder, attempt } } => submit(&folder, attempt.as_ref()),
    };
    done.unwrap_or_else(|why| {
        eprintln!("hpl-node: {why}");
        ExitCode::FAILURE
    })
}

type Done = Result<ExitCode, String>;

fn open(folder: &Folder) -> Result<Data, String> {
    Data::open(&folder.data).map_err(|e| format!("the data folder {}: {e}", folder.data.display()))
}

/// Like [`open`], but makes no folder: who only looks does not want one.
fn look_into(folder: &Folder) -> Result<Data, String> {
    if folder.data.is_dir() {
        return open(folder);
    }
    Err(format!("there is no data folder {}: name it with --data or HPL_NODE_DATA", folder.data.display()))
}

fn block_on<T>(work: impl Future<Output = T>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(|e| e.to_string())?.block_on(work))
}

fn join_service(folder: &Folder, join: &str, name: Option<String>) -> Done {
    let join: JoinString = join.parse().map_err(|e: crate::identity::BadJoinString| e.to_string())?;
    let data = open(folder)?;
    if daemon::is_running(&data) {
        return Err(format!("a daemon runs from {}: stop it before the node joins anew", data.path().display()));
    }
    let name = name.unwrap_or_else(host::hostname);
    let machine_id = host::machine_id(&data).map_err(|e| format!("this machine has no id: {e}"))?;
    let request = JoinRequest { protocol: PROTOCOL, name: name.clone(), machine_id };
    let client = Client::new(&join.reach)?;
    let answer = block_on(async {
        let mut left = 3;
        loop {
            left -= 1;
            match client.join(&join.token, &request).await {
                Err(Refusal::NoAnswer(_)) if left > 0 => tokio::time::sleep(Duration::from_secs(1)).await,
                answer => return answer,
            }
        }
    })?;
    let reply = answer.map_err(|e| format!("{} did not let this node in: {e}", join.reach.url))?;
    let identity = Identity { reach: join.reach, node: reply.node, token: reply.token, name };
    identity.save(&data).map_err(|e| format!("{}: {e}", data.node().display()))?;
    println!("{} is now node {} of {}", identity.name, identity.node, identity.reach.url);
    println!("next: hpl-node run --data {}", data.path().display());
    Ok(ExitCode::SUCCESS)
}

/// The benchmark: as named, on the PATH, or beside this program.
fn find_xhpl(programs: &Programs) -> PathBuf {
    let beside = || std::env::current_exe().ok().map(|us| us.with_file_name("xhpl")).filter(|path| path.is_file());
    let found = programs.xhpl.clone().or_else(|| on_path("xhpl")).or_else(beside);
    absolute(found.unwrap_or_else(|| "xhpl".into()))
}

fn find_mpirun(programs: &Programs) -> PathBuf {
    absolute(programs.mpirun.clone().or_else(|| on_path("mpirun")).unwrap_or_else(|| "mpirun".into()))
}

fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn run(
    folder: Folder,
    programs: Programs,
    profile: Option<PathBuf>,
    read: Vec<PathBuf>,
    run_as: Option<String>,
    shared: bool,
) -> Done {
    let filter = tracing_subscriber::EnvFilter::try_from_env("HPL_NODE_LOG");
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    // In a journal the time stands there already.
    let writer = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(std::io::stderr);
    // A line that cannot be written, on a full disk for one, is lost. The library would complain of it on the very same
    // standard error, and panic when that fails.
    let writer = writer.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).log_internal_errors(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        writer.without_time().init()
    } else {
        writer.init()
    }
    let xhpl = find_xhpl(&programs);
    if let Some(why) = host::preflight::not_executable("xhpl", &xhpl) {
        return Err(format!("{why}: name it with --xhpl or HPL_NODE_XHPL"));
    }
    let run_as = run_as.map(|user| user_of(&user)).transpose()?;
    if let Some(file) = profile.as_deref().filter(|file| !file.is_file()) {
        return Err(format!("there is no profile {}: `xhpl tune --profile FILE` writes one", file.display()));
    }
    let profile = profile.map(absolute);
    let options = Options { data: folder.data, xhpl, mpirun: find_mpirun(&programs), profile, read, run_as, shared };
    match daemon::run(options)? {
        Ended::Stopped => Ok(ExitCode::SUCCESS),
        Ended::Dismissed(why) => {
            eprintln!("hpl-node: the service wants nothing of this node any more: {why}");
            Ok(ExitCode::from(DISMISSED))
        }
    }
}

/// `NAME`, as in /etc/passwd, or `UID:GID`.
fn user_of(user: &str) -> Result<(u32, u32), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("--run-as: only root can choose the user of a run".into());
    }
    if let Some((uid, gid)) = user.split_once(':')
        && let (Ok(uid), Ok(gid)) = (uid.parse(), gid.parse())
    {
        return Ok((uid, gid));
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.find(|fields| fields.first() == Some(&user));
    let ids = found.and_then(|f| Some((f.get(2)?.parse().ok()?, f.get(3)?.parse().ok()?)));
    ids.ok_or_else(|| format!("--run-as: /etc/passwd knows no `{user}`; expected a name there, or UID:GID"))
}

fn examine(folder: &Folder, programs: &Programs, json: bool) -> ExitCode {
    let options = doctor::Options::new(&folder.data, &find_xhpl(programs), &find_mpirun(programs));
    doctor::run(&options, vec![reach(folder)], json)
}

/// Whether the service that this node belongs to can be reached.
fn reach(folder: &Folder) -> Ability {
    let costs = "a node without its service gets no jobs; what it holds is delivered later";
    let lacks = |found: String, mend: &str| Ability::lacks("service", State::Partly, found, costs, mend);
    let identity = look_into(folder).and_then(|data| Identity::load(&data).map_err(|e| e.to_string()));
    let identity = match identity {
        Ok(Some(identity)) => identity,
        Ok(None) | Err(_) => {
            return lacks("this node has not joined one".into(), "hpl-node join 'JOIN-STRING', from its administrator");
        }
    };
    let url = &identity.reach.url;
    let answer = Client::new(&identity.reach).and_then(|client| block_on(client.is_well()).and_then(|well| well));
    match answer {
        Ok(took) => Ability::has("service", format!("{url} answers in {} ms", took.as_millis())),
        Err(why) => {
            lacks(format!("{url}: {why}"), "let this machine dial out to that host and port; nothing has to come in")
        }
    }
}

fn drain(folder: &Folder, undo: bool, wait: bool) -> Done {
    let data = look_into(folder)?;
    let path = data.drain();
    let at = |e: std::io::Error| format!("{}: {e}", path.display());
    if undo {
        match std::fs::remove_file(&path) {
            Ok(()) => println!("the node claims jobs again"),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => println!("the node was not being drained"),
            Err(e) => return Err(at(e)),
        }
        return Ok(ExitCode::SUCCESS);
    }
    std::fs::write(&path, "").map_err(at)?;
    if !wait {
        println!("the node claims nothing more; `hpl-node drain --undo` ends that");
        return Ok(ExitCode::SUCCESS);
    }
    let began = Instant::now();
    loop {
        let held = std::fs::read_dir(data.runs()).map_err(|e| e.to_string())?.next().is_some();
        let status = Status::load(&data).map_err(|e| e.to_string())?.unwrap_or_default();
        let drained = !daemon::is_running(&data) || status.state == "drained";
        // A claim under way may still bring a job in the first moment.
        if !held && drained && began.elapsed() > Duration::from_secs(2) {
            println!("the node is drained: nothing runs, nothing is left to deliver");
            return Ok(ExitCode::SUCCESS);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn status(folder: &Folder, json: bool) -> Done {
    let data = look_into(folder)?;
    let status = Status::load(&data).map_err(|e| e.to_string())?;
    let Some(status) = status else {
        return Err(format!("no daemon has run from {} yet", data.path().display()));
    };
    let alive = daemon::is_running(&data);
    if json {
        let mut value = serde_json::to_value(&status).map_err(|e| e.to_string())?;
        value["alive"] = alive.into();
        println!("{}", serde_json::to_string_pretty(&value).map_err(|e| e.to_string())?);
    } else {
        print!("{}", status.text(alive, host::wall_ms()));
    }
    Ok(if alive { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn list(folder: &Folder) -> Done {
    let data = look_into(folder)?;
    let all = orphans::list(&data);
    for orphan in &all {
        println!("{}", orphan.text(host::wall_ms()));
    }
    if all.is_empty() {
        println!("there are no orphans: every run was delivered");
    }
    Ok(ExitCode::SUCCESS)
}

fn submit(folder: &Folder, attempt: Option<&AttemptId>) -> Done {
    let data = look_into(folder)?;
    let identity = Identity::load(&data).map_err(|e| e.to_string())?.ok_or("this node has not joined a service yet")?;
    let wanted = match attempt {
        Some(attempt) => {
            vec![orphans::find(&data, attempt).ok_or_else(|| format!("there is no orphan {attempt} here"))?]
        }
        None => orphans::list(&data).into_iter().filter(|o| !o.why.submitted && o.has_result()).collect(),
    };
    if wanted.is_empty() {
        println!("there is nothing to hand in");
        return Ok(ExitCode::SUCCESS);
    }
    let mut well = true;
    for orphan in wanted {
        let attempt = &orphan.taken.assignment.attempt;
        match block_on(orphan.submit(&identity))? {
            Ok(how) => println!("{attempt}: {how}"),
            Err(why) => {
                well = false;
                eprintln!("{attempt}: {why}");
            }
        }
    }
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
