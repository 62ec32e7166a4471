//! The command line as a whole: `hpl` as people and scripts run it, with a real service over TLS, a daemon and `xhpl`.
//! From the log-in by a pinned key to runs, results and the log-out, and what goes wrong on the way.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hpl_spec::{RunParams, Sweep};
use serde_json::Value;
use validation::program::{hpl, hpl_service};
use validation::site::{PASSWORD, Site};

/// The user.
const ADA: &str = "ada";
/// How long something may take to come about.
const PATIENCE: Duration = Duration::from_secs(120);

/// A person at a terminal that is none: everything is a pipe.
struct Person<'s> {
    site: &'s Site,
}

/// What a command came to.
struct Said {
    status: i32,
    out: String,
    err: String,
}

impl Said {
    #[track_caller]
    fn good(self) -> String {
        assert_eq!(self.status, 0, "{}{}", self.out, self.err);
        self.out
    }

    #[track_caller]
    fn json(self) -> Value {
        let out = self.good();
        serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}"))
    }

    /// It was not done, and says all of this.
    #[track_caller]
    fn refused(self, words: &[&str]) {
        assert_eq!((self.status, self.out.as_str()), (2, ""), "{}", self.err);
        assert!(words.iter().all(|words| self.err.contains(words)), "expected {words:?}: {}", self.err);
        assert!(
            self.err.lines().any(|line| line.starts_with("hpl: ")) && !self.err.contains("panicked"),
            "{}",
            self.err
        );
    }
}

impl Person<'_> {
    fn file(&self) -> PathBuf {
        self.site.path().join("config/hplaas/client.json")
    }

    fn command(&self, program: &std::path::Path) -> Command {
        let mut command = Command::new(program);
        for name in ["HPL_URL", "HPL_PIN", "HPL_TOKEN"] {
            command.env_remove(name);
        }
        command.env("XDG_CONFIG_HOME", self.site.path().join("config")).current_dir(self.site.path());
        command
    }

    fn start(&self, line: &[&str], environment: &[(&str, &str)], input: &str) -> Child {
        let mut command = self.command(&hpl());
        command.args(line).envs(environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("hpl starts");
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child
    }

    fn end(child: Child) -> Said {
        let said = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { status: said.status.code().unwrap_or(-1), out: text(&said.stdout), err: text(&said.stderr) }
    }

    fn hpl_with(&self, line: &[&str], environment: &[(&str, &str)], input: &str) -> Said {
        Person::end(self.start(line, environment, input))
    }

    fn hpl(&self, line: &[&str]) -> Said {
        self.hpl_with(line, &[], "")
    }

    /// The state of a job.
    #[track_caller]
    fn until(&self, id: &str, states: &[&str]) -> Value {
        let began = Instant::now();
        loop {
            let job = self.hpl(&["job", id, "--json"]).json();
            if states.iter().any(|state| job["state"] == *state) {
                return job;
            }
            assert!(began.elapsed() < PATIENCE, "waited for {states:?}: {job}\n{}", self.site.log());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

#[test]
fn a_person_and_a_script_use_the_service_from_a_terminal() {
    let mut site = Site::start("desk");
    site.admin(&["create-user", ADA], &format!("{PASSWORD}\n"));
    enters(&Person { site: &site });
    let first = runs(&Person { site: &site });
    shows(&Person { site: &site }, &first);
    sweeps_and_cancels(&Person { site: &site });
    watches_through_a_restart(&mut site);
    goes_wrong_in_words(&Person { site: &site }, &first);
    leaves(&Person { site: &site });
}

/// Logs in, and not where somebody else shows another key.
fn enters(ada: &Person<'_>) {
    let (url, pin) = (ada.site.url(), ada.site.pin());
    ada.hpl(&["jobs"]).refused(&["you are not logged in", "client.json", "hpl login"]);
    ada.hpl(&["login", url, "--username", ADA]).refused(&["no authority vouches", &format!("--pin={pin}")]);
    let wrong = format!("--pin={}", "A".repeat(43));
    let login = |pin: &str, password: &str| {
        ada.hpl_with(&["login", url, pin, "--username", ADA], &[], &format!("{password}\n"))
    };
    login(&wrong, PASSWORD).refused(&["shows another key", pin, "somebody is in between"]);
    login("--pin=short", PASSWORD).refused(&["--pin: found `short`", "43"]);
    let right = format!("--pin={pin}");
    login(&right, "").refused(&["expected a password"]);
    login(&right, "not it").refused(&["log in: refused (401 wrong_password)"]);
    assert!(!ada.file().exists(), "nothing is kept of what did not work");
    // The one before makes the account wait for a second.
    std::thread::sleep(Duration::from_millis(1200));
    let said = login(&right, PASSWORD).good();
    assert!(said.contains("as ada") && said.contains("client.json"), "{said}");
    assert_eq!(ada.file().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let who = ada.hpl(&["whoami"]).good();
    assert!(who.contains("user      ada\n") && who.contains(url) && who.contains("0 of 1 at the same time"), "{who}");
    assert_eq!(ada.hpl(&["--json", "whoami"]).json()["scopes"], serde_json::json!(["read", "submit"]));
}

/// Submits a run and watches it; its id.
fn runs(ada: &Person<'_>) -> String {
    let wrong = ["submit", "--dry-run", "--n", "many", "-p", "0", "--bcast", "loud", "--walltime", "9999999"];
    ada.hpl(&wrong).refused(&["\n  --n: found", "\n  -p: found", "\n  --bcast: found", "cannot be submitted"]);
    let mut json = wrong.to_vec();
    json.push("--json");
    let estimate = ada.hpl(&json);
    assert_eq!((estimate.status, estimate.err.as_str()), (2, ""));
    assert_eq!(serde_json::from_str::<Value>(&estimate.out).unwrap()["ok"], false);
    ada.hpl(&["submit"]).refused(&["expected an HPL.dat, or at least --n"]);
    ada.hpl(&["submit", "missing.dat"]).refused(&["missing.dat", "expected an HPL.dat"]);
    ada.hpl(&["submit", "--n", "9", "--node", "moon"]).refused(&["--node: found `moon`"]);
    let dry = ada.hpl(&["submit", "--n", "1200", "--dry-run"]).good();
    assert!(dry.contains("run       N=1200") && dry.contains("memory") && dry.contains("Nothing was"), "{dry}");
    assert!(ada.hpl(&["jobs"]).good().contains("No jobs yet"));

    let said = ada.hpl(&["submit", "--n", "1200", "--nb", "64", "--title", "first light", "--watch"]);
    assert_eq!(said.status, 0, "{}{}\n{}", said.out, said.err, ada.site.log());
    for words in [
        "Submitted N=1200 NB=64",
        "/jobs/",
        "Gflop/s in",
        "passed, the limit is 16",
        "1 of 1 on the leaderboard",
        "at the FMA peak",
        "Why not faster",
        "trust     reported",
    ] {
        assert!(said.out.contains(words), "`{words}` is missing in\n{}", said.out);
    }
    let job = ada.hpl(&["job", "last", "--json"]).json();
    assert_eq!((&job["state"], &job["title"]), (&"done".into(), &"first light".into()), "{job}");
    job["id"].as_str().unwrap().to_owned()
}

/// Looks at what is there, in words and as the service says it.
fn shows(ada: &Person<'_>, first: &str) {
    let jobs = ada.hpl(&["jobs"]).good();
    assert!(jobs.lines().count() == 2 && jobs.contains("N=1200") && jobs.contains("done"), "{jobs}");
    assert!(!jobs.contains('\u{1b}'), "no colours in a pipe");
    assert_eq!(ada.hpl(&["jobs", "--json"]).json()["jobs"][0]["id"], first);
    assert_eq!(ada.hpl(&["job", &first[..13], "--json"]).json()["id"], first, "a beginning is enough");
    assert!(jobs.contains(&first[30..]), "{jobs}");
    assert_eq!(ada.hpl(&["job", &first[30..], "--json"]).json()["id"], first, "and so is the end");
    assert_eq!(ada.hpl(&["log", "--err"]).good(), "", "the program complains of nothing");
    let log = ada.hpl(&["log"]).good();
    assert!(log.contains("T/V"), "{log}");
    assert_eq!(ada.hpl(&["log", "last", "--file", "HPL.out"]).good(), log);
    ada.hpl(&["log", "last", "--file", "../x"]).refused(&["--file: found `../x`"]);
    assert!(ada.hpl(&["result"]).good().contains("figure    "));
    assert_eq!(ada.hpl(&["result", "last", "--json"]).json()["job"], first);
    let board = ada.hpl(&["board"]).good();
    assert!(board.contains("ada") && board.contains("N=1200") && board.contains("reported"), "{board}");
    assert_eq!(ada.hpl(&["board", "--measure", "percent", "--json"]).json()["category"]["measure"], "percent");
    assert!(ada.hpl(&["board", "--kind", "An Abacus"]).good().contains("Nobody is on this leaderboard"));
    let csv = ada.hpl(&["results", "--csv"]).good();
    assert!(csv.starts_with("\"id\",\"job\",\"owner\"") && csv.lines().count() == 2 && csv.contains(first), "{csv}");
    assert!(ada.hpl(&["results"]).good().contains("N=1200"));
    assert!(ada.hpl(&["nodes"]).good().contains("desk"));
    assert!(ada.hpl(&["queue"]).good().contains("Nothing waits."));

    let certificate = ada.hpl(&["certificate", "last", "-o", "mine.zip"]).good();
    assert!(certificate.contains("Wrote mine.zip"), "{certificate}");
    let mut verify = Command::new(hpl_service());
    let said = verify.args(["verify", "mine.zip"]).current_dir(ada.site.path()).output().unwrap();
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    assert!(text.contains("The bundle is as it was signed"), "{text}");

    ada.hpl(&["submit", "--n", "800", "--nb", "32", "--watch"]).good();
    let beside = ada.hpl(&["compare", first, "last"]).good();
    assert!(beside.contains("  A  N=1200") && beside.contains("  B  N=800") && beside.contains("A, B"), "{beside}");
    assert_eq!(ada.hpl(&["compare", first, "last", "--json"]).json()["groups"].as_array().unwrap().len(), 2);

    let mut pipe = ada.command(std::path::Path::new("bash"));
    pipe.args(["-c", "set -o pipefail; \"$0\" results --csv | true; echo $?; \"$0\" jobs | head -n 1"]).arg(hpl());
    let said = Person::end(pipe.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    assert!(
        said.err.is_empty() && said.out.starts_with("0\n") && said.out.contains("Gflop/s"),
        "{}{}",
        said.out,
        said.err
    );
}

/// A file with several runs, and a run that is ended.
fn sweeps_and_cancels(ada: &Person<'_>) {
    let mut dat = Sweep::of(RunParams::new(400, 32, 1, 1), 16.0);
    dat.nbs.push(64);
    std::fs::write(ada.site.path().join("HPL.dat"), dat.to_dat()).unwrap();
    ada.hpl(&["submit", "HPL.dat", "--n", "5"]).refused(&["both the file HPL.dat and parameters"]);
    ada.hpl(&["submit", "HPL.dat"]).refused(&["a sweep of 2 runs", "--yes"]);
    std::fs::write(ada.site.path().join("bad.dat"), dat.to_dat().replace("400", "4e2")).unwrap();
    ada.hpl(&["submit", "bad.dat", "--yes"]).refused(&["bad.dat, line 6: N: found", "expected"]);
    let said = ada.hpl(&["submit", "HPL.dat", "--yes", "--title", "two blocks"]).good();
    assert!(said.contains("Submitted a sweep of 2 runs") && said.contains("/sweeps/"), "{said}");
    let sweep = ada.hpl(&["sweep"]).good();
    assert!(sweep.contains("NB=32") && sweep.contains("NB=64") && sweep.contains("two blocks"), "{sweep}");
    let points = ada.hpl(&["sweep", "last", "--json"]).json();
    for point in points["points"].as_array().unwrap() {
        ada.until(point["runs"][0]["job"].as_str().unwrap(), &["done"]);
    }

    ada.hpl(&["submit", "--n", "12000", "--private"]).good();
    ada.until("last", &["running"]);
    let cancelled = ada.hpl(&["cancel", "last"]).good();
    assert!(cancelled.contains("N=12000"), "{cancelled}");
    let watched = ada.hpl(&["watch"]);
    assert_eq!(watched.status, 1, "{}{}", watched.out, watched.err);
    assert!(watched.out.contains("The run was cancelled."), "{}", watched.out);
    assert!(ada.hpl(&["jobs", "--state", "cancelled"]).good().contains("N=12000"));
    assert!(ada.hpl(&["cancel", "last"]).good().starts_with("Cancelled N=12000"), "said twice is done once");
    ada.hpl(&["compare", "last", "last"]).refused(&["look at the result of last: refused (404 not_found)"]);
    ada.hpl(&["jobs", "--state", "asleep"]).refused(&["--state: found `asleep`", "queued"]);
}

/// The service goes away and comes back while somebody watches.
fn watches_through_a_restart(site: &mut Site) {
    let ada = Person { site };
    ada.hpl(&["submit", "--n", "6000"]).good();
    let watching = ada.start(&["watch", "last"], &[], "");
    ada.until("last", &["running", "finishing", "verifying", "done"]);
    site.restart(Duration::from_secs(3));
    let said = Person::end(watching);
    assert_eq!(said.status, 0, "{}{}\n{}", said.out, said.err, site.log());
    assert!(said.out.contains("N=6000") && said.out.contains("passed"), "{}", said.out);
}

/// What cannot be done is told, and how to do better.
fn goes_wrong_in_words(ada: &Person<'_>, first: &str) {
    ada.hpl(&["job", "0190f5fe-7c00-7a3b-8b1e-0123456789ab"]).refused(&["404 not_found", "`hpl jobs` lists yours"]);
    ada.hpl(&["job", "my run"]).refused(&["found `my run`", "`last`"]);
    ada.hpl(&["job", "ffff"]).refused(&["no job of yours begins or ends with `ffff`"]);
    let most = ada.hpl(&["jobs", "--json"]).json()["jobs"].as_array().unwrap().len();
    ada.hpl(&["job", &first[..3]]).refused(&[&format!("{most} jobs begin or end with"), "expected more of the id"]);
    let away = [("HPL_URL", "https://127.0.0.1:1")];
    ada.hpl_with(&["nodes"], &away, "").refused(&["list the nodes: no answer from https://127.0.0.1:1", "refused"]);
    ada.hpl_with(&["nodes"], &[("HPL_URL", "gopher://x")], "").refused(&["HPL_URL: found `gopher://x`"]);
    let (wrong, url) = ("A".repeat(43), ada.site.url());
    ada.hpl_with(&["nodes"], &[("HPL_PIN", &wrong)], "").refused(&["another key", "the one you logged in with"]);
    ada.hpl_with(&["jobs"], &[("HPL_TOKEN", "hpl_u_x")], "").refused(&["401 unauthenticated", "hpl login https"]);
    let nobody = [("HPL_URL", url), ("HPL_PIN", ada.site.pin()), ("XDG_CONFIG_HOME", "/nowhere")];
    assert!(ada.hpl_with(&["nodes"], &nobody, "").good().contains("desk"), "who is not logged in sees what all see");
    let unread = ada.hpl(&["jobs", "--limit", "0"]);
    assert!(unread.status == 2 && unread.err.contains("--limit"), "{}", unread.err);
}

/// The token is taken back, and opens nothing any more.
fn leaves(ada: &Person<'_>) {
    let kept: Value = serde_json::from_slice(&std::fs::read(ada.file()).unwrap()).unwrap();
    assert!(ada.hpl(&["logout"]).good().contains("opens nothing any more"));
    assert!(!ada.file().exists());
    ada.hpl(&["logout"]).refused(&["you are not logged in"]);
    let token = kept["token"].as_str().unwrap();
    let environment = [("HPL_URL", ada.site.url()), ("HPL_PIN", ada.site.pin()), ("HPL_TOKEN", token)];
    ada.hpl_with(&["whoami"], &environment, "").refused(&["look who you are: refused (401", "hpl login"]);
}
