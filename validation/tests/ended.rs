//! Runs that end before their time: Ctrl-C, signals, ranks that die, ranks that do nothing. No process is left, nothing
//! hangs, and what is known of the run is written down.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use hpl_spec::event::RunEvent;
use hpl_spec::report::Cancelled;
use rustix::process::Signal;
use validation::processes::signal;
use validation::{Job, Outcome, Running};

/// The arguments of a run of many seconds.
const LONG: [&str; 10] =
    ["--n", "9000", "--nb", "128", "--threads", "1", "--events", "events.jsonl", "--json", "report.json"];
/// From a signal to the last words of rank 0.
const LAST_WORDS: Duration = Duration::from_millis(800);
/// From a signal to the end of the launcher.
const END: Duration = Duration::from_secs(3);

/// A long run in the midst of its solve.
fn under_way(job: Job) -> Running {
    let mut running = job.args(&LONG).start();
    running.until("panel", |running| running.file("events.jsonl").contains("\"panel\":"));
    running
}

/// It ends, badly, and soon; that nothing is left is checked by [`Running::wait`].
fn ends(running: Running, what: &str, within: Duration) -> Outcome {
    let asked = Instant::now();
    let outcome = running.wait();
    println!("{what}: over after {:.1} s", asked.elapsed().as_secs_f64());
    assert_ne!(outcome.code, Some(0), "{what}\n{}", outcome.said());
    assert!(asked.elapsed() < within, "{what}: {:?}", asked.elapsed());
    assert!(!outcome.stdout.contains("End of Tests."), "{what}: it was over before\n{}", outcome.said());
    outcome
}

/// The report and the last event say the same, and so does a line for people.
fn last_words(outcome: &Outcome) -> Cancelled {
    let report = outcome.json();
    let cancelled = report.cancelled.clone().unwrap_or_else(|| panic!("not marked: {report:?}"));
    let events = outcome.file("events.jsonl").expect("events");
    let last = events.lines().last().expect("a line");
    assert_eq!(RunEvent::from_line(last).unwrap(), RunEvent::Cancelled(cancelled.clone()));
    assert!(outcome.stderr.contains(&format!("xhpl: {cancelled}")), "{}", outcome.said());
    let during = cancelled.during.as_ref().expect("a test was under way");
    assert_eq!((during.test, during.tests, during.params.n, during.panels), (1, 1, 9000, 71));
    assert!((1..71).contains(&during.panel) && during.seconds > 0.0 && during.gflops > 0.0, "{during:?}");
    assert!(report.reports.is_empty(), "nothing of it counts");
    cancelled
}

#[test]
fn a_signal_to_a_lone_rank_leaves_a_report() {
    for (asked, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let mut running = under_way(Job::xhpl());
        let sent = Instant::now();
        signal(running.pid(), asked);
        while running.runs() && sent.elapsed() < END {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(sent.elapsed() < LAST_WORDS, "{name}: {:?}", sent.elapsed());
        let outcome = ends(running, name, END);
        // Ended by the signal, as shells expect it.
        assert_eq!(outcome.code, None, "{name}");
        assert_eq!(last_words(&outcome).why, name);
    }
}

#[test]
fn a_signal_to_the_launcher_leaves_a_report() {
    for (asked, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let running = under_way(Job::xhpl().ranks(2));
        assert_eq!(running.processes("xhpl").len(), 2);
        signal(running.pid(), asked);
        // mpirun asks its ranks with SIGTERM, whatever it was asked with.
        let outcome = ends(running, &format!("{name} to mpirun"), END);
        assert_eq!(last_words(&outcome).why, "SIGTERM");
    }
}

#[test]
fn a_rank_that_is_asked_has_last_words_in_time() {
    let mut running = under_way(Job::xhpl().ranks(2));
    let mut ranks = running.processes("xhpl");
    ranks.sort_unstable();
    let sent = Instant::now();
    signal(ranks[0], Signal::TERM);
    running.until("last words", |running| {
        running.file("events.jsonl").contains("\"cancelled\"") && running.file("report.json").ends_with("}\n")
    });
    assert!(sent.elapsed() < LAST_WORDS, "{:?}", sent.elapsed());
    last_words(&ends(running, "SIGTERM to rank 0", END));
}

#[test]
fn a_rank_that_is_killed_ends_the_others() {
    for victim in [0, 1] {
        let running = under_way(Job::xhpl().ranks(2));
        let mut ranks = running.processes("xhpl");
        ranks.sort_unstable();
        signal(ranks[victim], Signal::KILL);
        let outcome = ends(running, "a rank was killed", Duration::from_secs(20));
        assert!(outcome.stderr.contains(&format!("rank {victim}")), "it is not named: {}", outcome.said());
        if victim == 1 {
            assert_eq!(last_words(&outcome).why, "SIGTERM");
        }
    }
}

#[test]
fn a_rank_that_does_nothing_is_named() {
    // Longer than a busy machine keeps a rank waiting that works.
    let running = under_way(Job::xhpl().ranks(2).args(&["--stall-timeout", "4"]));
    let mut ranks = running.processes("xhpl");
    ranks.sort_unstable();
    let &[_, second] = ranks.as_slice() else { panic!("two ranks should be there, not {}", ranks.len()) };
    signal(second, Signal::STOP);
    let outcome = ends(running, "a rank was stopped", Duration::from_secs(20));
    let said = outcome.stderr.lines().find(|line| line.contains("stalled: rank 0 waited 4.0 s for the "));
    let said = said.unwrap_or_else(|| panic!("{}", outcome.said()));
    assert!(said.contains(" rank 1, tag"), "{said}");
    assert!(
        ["(panel broadcast)", "(row swap)", "(pivot exchange)"].iter().any(|stage| said.ends_with(stage)),
        "{said}"
    );
    assert!(last_words(&outcome).why.starts_with("rank 0 (stalled"));
}

/// Start, agreement on the parameters, generation, solve: no moment is a bad one.
#[test]
#[ignore = "minutes: run by `cargo xtask soak`"]
fn soak_signals_at_any_moment() {
    for moment in 0..40 {
        let mut running = Job::xhpl().ranks(3).args(&LONG).start();
        let wait = Duration::from_millis(100 * moment);
        std::thread::sleep(wait);
        assert!(running.runs(), "over after {wait:?}");
        let ranks = running.processes("xhpl");
        match ranks.get(moment as usize % 4) {
            Some(&rank) => signal(rank, Signal::KILL),
            None => signal(running.pid(), Signal::INT),
        }
        ends(running, &format!("{} ranks after {wait:?}", ranks.len()), Duration::from_secs(20));
    }
}
