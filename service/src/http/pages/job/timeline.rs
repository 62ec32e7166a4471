//! What happened to a job: the way of its latest try from state to state, and all of it as a list.

use hpl_spec::api::jobs::Job;
use hpl_spec::job::{JobEvent, JobState};

use crate::db::forecast::Step;
use crate::http::pages::words::{self, When};

/// A station of a job's way.
pub(super) struct Station {
    pub(super) name: &'static str,
    /// `past`, `now`, `ahead` or `left-out`.
    pub(super) class: &'static str,
    /// The same for those who do not see it.
    pub(super) said: &'static str,
    pub(super) when: Option<When>,
    /// How long it took, or has taken so far.
    pub(super) took: String,
}

/// The stations, in order, and the states that belong to each; the last stands for all ends.
const STATIONS: [(&str, &[JobState]); 7] = [
    ("Submitted", &[]),
    ("Waiting", &[JobState::Held, JobState::Queued]),
    ("Taken", &[JobState::Claimed]),
    ("Getting ready", &[JobState::Preparing]),
    ("Running", &[JobState::Running, JobState::Lost]),
    ("Sending results", &[JobState::Finishing]),
    ("Being checked", &[JobState::Verifying]),
];

/// The way of the latest try, seen from `now`.
pub(super) fn stations(story: &[Step], job: &Job, now: i64) -> Vec<Station> {
    // For each station when it was come to and when it was left, both of the latest try.
    let mut spans: [Option<(i64, Option<i64>)>; STATIONS.len()] = [None; STATIONS.len()];
    let at_station = |state: JobState| STATIONS.iter().position(|(_, states)| states.contains(&state));
    let mut here: Option<usize> = None;
    for step in story {
        let submitted = matches!(&step.event, JobEvent::Submitted)
            || matches!(&step.event, JobEvent::Created { state } if *state != JobState::Draft);
        if submitted {
            spans[0] = Some((step.at, Some(step.at)));
        }
        let next = at_station(step.state);
        if next == here {
            continue;
        }
        if let Some(span) = here.and_then(|here| spans[here].as_mut()) {
            span.1 = Some(step.at);
        }
        if let Some(next) = next {
            // Who waits once more has all of the way before them again.
            spans[next..].fill(None);
            spans[next] = Some((step.at, None));
        }
        here = next;
    }
    let over = job.state.is_final();
    let mut stations: Vec<Station> = vec![];
    for (n, (name, _)) in STATIONS.iter().enumerate() {
        let now_here = here == Some(n) && !over;
        let lost = now_here && job.state == JobState::Lost;
        let (class, said) = match spans[n] {
            _ if now_here => ("now", "now: "),
            Some(_) => ("past", "done: "),
            // A node may tell of a later station first.
            None if here.is_some_and(|here| n < here) && !over => ("past", "done: "),
            None if over => ("left-out", "not reached: "),
            None => ("ahead", "ahead: "),
        };
        let took = spans[n].filter(|_| n > 0).map(|(from, to)| (to.unwrap_or(now) - from).max(0) as f64 / 1000.0);
        stations.push(Station {
            name: if lost { "Contact lost" } else { name },
            class,
            said,
            when: spans[n].map(|(from, _)| When::new(from, now)),
            took: took.map(|s| words::duration(s.round())).unwrap_or_default(),
        });
    }
    stations.push(Station {
        name: if over { words::state(job.state) } else { "Done" },
        class: match job.state {
            JobState::Done => "past good",
            _ if over => "past bad",
            _ => "ahead",
        },
        said: if over { "the end: " } else { "ahead: " },
        when: over.then(|| When::new(job.state_at, now)),
        took: String::new(),
    });
    stations
}

/// Something that happened, in words.
pub(super) struct Told {
    pub(super) when: When,
    pub(super) text: String,
    pub(super) detail: String,
}

/// All that happened, without the progress.
pub(super) fn told(story: &[Step], job: &Job, now: i64) -> Vec<Told> {
    let told = story.iter().filter_map(|step| {
        let (text, detail) = in_words(&step.event, job)?;
        Some(Told { when: When::new(step.at, now), text, detail })
    });
    told.collect()
}

fn in_words(event: &JobEvent, job: &Job) -> Option<(String, String)> {
    let none = String::new;
    Some(match event {
        JobEvent::Progress(_) => return None,
        JobEvent::Created { state: JobState::Draft } => ("It was saved as a draft.".into(), none()),
        JobEvent::Created { .. } => ("It was submitted and began to wait for a node.".into(), none()),
        JobEvent::Submitted => ("The draft was started.".into(), none()),
        JobEvent::Held { why } => ("It was put on hold.".into(), why.clone()),
        JobEvent::Released => ("It is on hold no longer.".into(), none()),
        JobEvent::Claimed { node, .. } => {
            let name = job.node.as_ref().filter(|known| known.id == *node).map(|known| known.name.clone());
            (format!("The node {} took it.", name.unwrap_or_else(|| node.to_string())), none())
        }
        JobEvent::Preparing => ("The node got ready.".into(), none()),
        JobEvent::Started => ("The program began to compute.".into(), none()),
        JobEvent::Finishing => ("The program ended.".into(), none()),
        JobEvent::ResultReceived => ("The result came in.".into(), none()),
        JobEvent::Verified { passed: true, check } => ("The answer was checked: it passed.".into(), check.clone()),
        JobEvent::Verified { passed: false, check } => {
            ("The answer was checked: it did not pass.".into(), check.clone())
        }
        JobEvent::Failed { class, detail, .. } => (format!("{}.", words::fail_class(*class)), detail.clone()),
        JobEvent::LeaseLost => ("The node was not heard of any more.".into(), none()),
        JobEvent::Returned { .. } => ("The node was heard of again.".into(), none()),
        JobEvent::Requeued { why } => ("It waits for a node once more.".into(), why.clone()),
        JobEvent::CancelRequested { by } => (format!("{} asked to cancel it.", words::sentence(by)), none()),
        JobEvent::Cancelled { by } => (format!("{} cancelled it.", words::sentence(by)), none()),
        JobEvent::Expired { why } => ("Its time was over.".into(), why.clone()),
    })
}

#[cfg(test)]
mod tests {
    use hpl_spec::job::FailClass;

    use super::*;

    fn job(state: JobState) -> Job {
        let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        let json = serde_json::json!({
            "id": id, "owner": "ada", "benchmark": "hpl", "parameters": {}, "label": "", "title": "", "state": state,
            "cancel_requested": false, "visibility": "public", "sweep": null, "needs": {}, "express": false,
            "walltime_s": 60, "estimate_s": null, "attempts": 1, "node": null, "progress": null, "waits": null,
            "failure": null, "score": null, "created_at": 0, "state_at": 9000, "started_at": null, "ended_at": null,
            "last_event": 9
        });
        serde_json::from_value(json).unwrap()
    }

    fn walk(events: Vec<JobEvent>) -> (Vec<Step>, JobState) {
        let (mut state, mut story) = (JobState::Queued, vec![]);
        for (n, event) in (0..).zip(events) {
            state = match &event {
                JobEvent::Created { state } => *state,
                other => state.after(other).unwrap(),
            };
            story.push(Step { seq: n + 1, at: n * 1000, state, event });
        }
        (story, state)
    }

    fn claimed() -> JobEvent {
        let id = "0190f5fe-7c00-7a3b-8b1e-0123456789ab";
        JobEvent::Claimed { attempt: id.parse().unwrap(), node: id.parse().unwrap(), fence: 1 }
    }

    fn classes(stations: &[Station]) -> Vec<&str> {
        stations.iter().map(|station| station.class).collect()
    }

    #[test]
    fn a_running_job_is_between_its_stations() {
        let created = JobEvent::Created { state: JobState::Queued };
        let (story, state) = walk(vec![created, claimed(), JobEvent::Started]);
        let stations = stations(&story, &job(state), 7000);
        assert_eq!(classes(&stations), ["past", "past", "past", "past", "now", "ahead", "ahead", "ahead"]);
        assert_eq!((stations[1].took.as_str(), stations[4].took.as_str()), ("1 s", "5 s"));
        assert!(stations[3].when.is_none(), "it was passed over");
    }

    #[test]
    fn a_second_try_has_the_way_before_it_again() {
        let created = JobEvent::Created { state: JobState::Queued };
        let again = JobEvent::Requeued { why: String::new() };
        let (story, state) = walk(vec![created, claimed(), JobEvent::Started, again]);
        let stations = stations(&story, &job(state), 7000);
        assert_eq!(classes(&stations), ["past", "now", "ahead", "ahead", "ahead", "ahead", "ahead", "ahead"]);
        assert_eq!(stations[1].took, "4 s");
    }

    #[test]
    fn an_early_end_leaves_stations_out() {
        let created = JobEvent::Created { state: JobState::Queued };
        let fails = JobEvent::Failed { class: FailClass::Infra, code: String::new(), detail: String::new() };
        let (story, state) = walk(vec![created, claimed(), JobEvent::Started, fails]);
        let stations = stations(&story, &job(state), 99_000);
        let expected = ["past", "past", "past", "left-out", "past", "left-out", "left-out", "past bad"];
        assert_eq!(classes(&stations), expected);
        assert_eq!((stations[4].took.as_str(), stations[7].name), ("1 s", "Failed"));
        let drafts = walk(vec![JobEvent::Created { state: JobState::Draft }]);
        assert!(super::stations(&drafts.0, &job(drafts.1), 1)[0].when.is_none());
    }
}
