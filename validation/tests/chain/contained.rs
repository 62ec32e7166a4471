//! Programs that do what no run may: each is contained and told by a typed reason, and nothing of it is left.

use serde_json::{Value, json};

use super::audit::Audit;
use super::fake::Play;
use super::node::Node;
use super::site::{Site, User};

struct Cage {
    // Before the folder in which its log lies.
    node: Node,
    play: Play,
    ada: User,
    site: Site,
}

impl Cage {
    fn new() -> Cage {
        let site = Site::start(&[]);
        let ada = site.user("ada");
        let play = Play::new(site.path());
        let node = Node::joined(&site, "n1", Some(&play), None);
        Cage { node, play, ada, site }
    }

    /// Runs this script; the job that came of it, and what it said.
    #[track_caller]
    fn run(&self, n: u32, script: &str, walltime_s: u32) -> (Value, String) {
        self.play.act(n, script);
        let parameters = json!({ "n": n, "nb": 64, "p": 1, "q": 1 });
        let job = self.site.submit_with(&self.ada, parameters, walltime_s);
        let ended = self.site.until_final(&job);
        Audit::of(&self.site, &self.node, &self.ada, &[&job]).hold();
        let log = |stream| String::from_utf8_lossy(&self.site.log(&job, stream).body).into_owned();
        let said = format!("{}{}", log("out"), log("err"));
        println!("{n}: {} {}\n{said:.500}", ended["state"], ended["failure"]);
        (ended, said)
    }

    /// The same for a script that has to fail in one of these ways.
    #[track_caller]
    fn fails(&self, n: u32, script: &str, ways: &[&str]) -> String {
        // A program that said nothing of itself counts as not started, and is tried again.
        let (ended, said) = self.run(n, &format!("echo begun >> events.jsonl; {script}"), 60);
        let failure = &ended["failure"];
        let (class, code) = (failure["class"].as_str().unwrap_or("-"), failure["code"].as_str().unwrap_or("-"));
        let way = format!("{class}/{code}");
        assert!(ways.contains(&way.as_str()), "{way} is none of {ways:?}\n{ended:#}\n{said:.2000}");
        // By this a script says that it got what it should not get.
        assert!(!failure["detail"].as_str().unwrap_or_default().contains("status 9"), "{ended:#}\n{said:.2000}");
        said
    }
}

/// Whether runs are kept apart here as they should be: as root, with control groups.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("without root some bounds cannot be set: skipped");
    }
    root
}

#[test]
fn programs_that_take_too_much() {
    let mut cage = Cage::new();
    cage.node.start();
    if is_root() {
        // Every child forks on; the first of them sees the bound and fails.
        let bomb = "perl -e 'while (1) { defined(fork) or exit 1 }'; exit 1";
        cage.fails(600, bomb, &["policy/too_many_processes"]);
    }
    // The main part ends well, what it set apart does not want to.
    let apart = "for i in 1 2 3; do setsid perl -e '$SIG{TERM} = \"IGNORE\"; sleep 600' > /dev/null 2>&1 & done";
    let (ended, _) = cage.run(601, apart, 60);
    assert_eq!(ended["state"], "done", "{ended:#}");
    let (ended, _) = cage.run(602, "trap '' TERM INT HUP; while :; do sleep 0.05; done", 2);
    assert_eq!(ended["failure"]["code"], "walltime", "{ended:#}");
    let files = "for i in 1 2 3 4 5; do head -c 100M /dev/zero > file$i || exit 1; done; sleep 30; exit 1";
    cage.fails(603, files, &["policy/work_folder_full"]);
    // A file that is too large is ended by a signal, or refused.
    cage.fails(604, "head -c 1G /dev/zero > file; exit 1", &["benchmark/exit_status", "policy/work_folder_full"]);
    let (ended, said) = cage.run(605, "lines 200000", 120);
    assert_eq!(ended["state"], "done", "{ended:#}");
    let result = cage.site.result(ended["id"].as_str().unwrap()).good();
    let missing = result["evidence"]["log_missing_bytes"].as_u64().unwrap();
    assert!(missing > 0 && said.len() <= 8 << 20 && said.len() > 7 << 20, "{missing} missing of {}", said.len());
}

#[test]
fn a_program_that_eats_memory() {
    let Some(group) = small_group() else { return };
    let mut cage = Cage::new();
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.0.display());
    cage.node.start_by(&["sh", "-c", &enter]);
    cage.node.start();
    let eat = "perl -e 'my @all; push @all, \"x\" x (16 << 20) while 1'; exit 1";
    cage.fails(606, eat, &["benchmark/out_of_memory"]);
    // The node is well after it.
    let (ended, _) = cage.run(607, "", 60);
    assert_eq!(ended["state"], "done", "{ended:#}");
    drop(cage);
}

/// A control group of 2 GB below our own: a run on this node is not to eat the whole machine. Removed when dropped.
struct SmallGroup(std::path::PathBuf);

impl Drop for SmallGroup {
    fn drop(&mut self) {
        for _ in 0..50 {
            match std::fs::remove_dir(&self.0) {
                Ok(()) => return,
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(100)),
            }
        }
    }
}

fn small_group() -> Option<SmallGroup> {
    if !is_root() {
        return None;
    }
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let of = |wanted: &str| {
        let line =
            own.lines().find(|line| line.split(':').nth(1).is_some_and(|c| c.split(',').any(|c| c == wanted)))?;
        line.rsplit(':').next().map(|path| path.trim_start_matches('/').to_owned())
    };
    let mounts = std::fs::read_to_string("/proc/mounts").ok()?;
    let one = |kind: &str, with: &str| {
        let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mut found = fields.filter(|f| f[2] == kind && f[3].split(',').any(|option| option == with));
        found.next().map(|f| std::path::PathBuf::from(f[1]))
    };
    let name = format!("chain-test-{}", std::process::id());
    let v1 =
        one("cgroup", "memory").zip(of("memory")).map(|(at, own)| (at.join(own).join(&name), "memory.limit_in_bytes"));
    let v2 = one("cgroup2", "rw").zip(of("")).map(|(at, own)| (at.join(own).join(&name), "memory.max"));
    for (group, limit) in [v1, v2].into_iter().flatten() {
        if std::fs::create_dir(&group).is_err() {
            continue;
        }
        let group = SmallGroup(group);
        if std::fs::write(group.0.join(limit), "2147483648").is_ok() {
            return Some(group);
        }
    }
    println!("no memory control group can be made here: skipped");
    None
}

#[test]
fn programs_that_reach_out() {
    let mut cage = Cage::new();
    cage.node.start();
    // Each says what it got; 5 if it got nothing, 9 if it got something.
    let outside = cage.site.path().join("outside");
    let home = std::env::var("HOME").unwrap_or_else(|_| "/root".into());
    let write = format!(
        "got=5; for at in '{0}' /tmp/outside-$nonce '{1}/outside-$nonce' /etc/outside-$nonce '{2}/outside' /usr/outside; do \
         echo x > \"$at\" && got=9; done; exit $got",
        outside.display(),
        home,
        cage.node.data().display()
    );
    let said = cage.fails(610, &write, &["benchmark/exit_status"]);
    assert!(said.contains("denied") && !outside.exists(), "{said}");

    let token = cage.node.data().join("node.json");
    let read = format!(
        "got=5; for at in '{0}' '{1}' /etc/shadow /root/.bash_history ../assignment.json; do cat \"$at\" && got=9; done; \
         ln -s '{0}' HPL.out; cat HPL.out && got=9; ls '{2}' && got=9; exit $got",
        token.display(),
        cage.site.data().join("tls").display(),
        cage.node.data().display()
    );
    let said = cage.fails(611, &read, &["benchmark/exit_status"]);
    let secret: Value = serde_json::from_slice(&std::fs::read(&token).unwrap()).unwrap();
    assert!(!said.contains(secret["token"].as_str().unwrap()), "the token is in the log");
    assert!(said.contains("denied"), "{said}");

    // The daemon itself cannot be reached, and no signal gets out of the cage.
    let signal = "got=5; for pid in /proc/[0-9]*; do pid=${pid#/proc/}; grep -q 'hpl-node.run' /proc/$pid/cmdline && \
                  kill -9 $pid && got=9; done; kill -9 1 && got=9; exit $got";
    cage.fails(612, signal, &["benchmark/exit_status", "benchmark/signal"]);

    let port = cage.site.port;
    let connect = format!("(exec 3<> /dev/tcp/127.0.0.1/{port}) && exit 9; exit 5");
    if is_root() {
        cage.fails(613, &connect, &["benchmark/exit_status"]);
    }
    // What it leaves as its output is no output.
    let (ended, _) = cage.run(614, "ln -s /etc/passwd HPL.out; mkfifo report.json; exit 0", 60);
    assert_eq!(ended["failure"]["code"], "no_report", "{ended:#}");
    // A forbidden call ends it, or is refused: it gets nothing by it.
    let mount = "unshare --mount --map-root-user mount -t tmpfs none /tmp && exit 9; exit 5";
    cage.fails(615, mount, &["benchmark/exit_status", "policy/forbidden_call"]);
    // After all that, the node is what it was.
    let (ended, _) = cage.run(616, "", 60);
    assert_eq!(ended["state"], "done", "{ended:#}");
}

#[test]
fn programs_that_fail() {
    let mut cage = Cage::new();
    cage.node.start();
    let said = |script: &str, n, ways: &[&str]| cage.fails(n, script, ways);
    said("exit 3", 620, &["benchmark/exit_status"]);
    said("kill -SEGV $$", 621, &["benchmark/signal", "benchmark/exit_status"]);
    said("exit 0", 622, &["benchmark/no_report"]);
    said("echo '{\"a\":' > report.json; exit 0", 623, &["benchmark/no_report"]);
    // A report that says nothing is a result that does not pass.
    let (ended, _) = cage.run(624, "echo '{}' > report.json; exit 0", 60);
    assert_eq!(ended["state"], "failed", "{ended:#}");
}
