//! `hpl compare` and `hpl sweep`: runs beside each other.

use client::door::with_query;
use hpl_spec::api::insight::Comparison;
use hpl_spec::api::results::ResultDetail;
use hpl_spec::api::sweeps::{SweepPoint, SweepView};
use hpl_spec::job::JobState;
use serde_json::Value;

use crate::error::Error;
use crate::look::{Look, Paint, of_state, write, write_answer};
use crate::results::counts;
use crate::site::Site;
use crate::table::{Side, Table};
use crate::words::{ago, broken, fact, now, plain, plural, rate, rough};

/// Runs side by side, each with all runs of its parameters on its kind of node.
///
/// # Errors
/// A job has no result that counts.
pub async fn compare(site: &Site, look: &Look, ids: &[String], json: bool) -> Result<(), Error> {
    let mut results = vec![];
    for id in ids {
        let job = site.job_meant(id).await?;
        let result: ResultDetail =
            site.look(&format!("look at the result of {id}"), &format!("/api/v1/jobs/{job}/result")).await?;
        if !counts(&result.row) {
            return Err(Error::Told(format!(
                "{id}: found a result that is {}; expected one that counts",
                result.row.tier
            )));
        }
        results.push(result.row.id.to_string());
    }
    let path = with_query("/api/v1/compare", &[("results", results.join(",").as_str())]);
    let answer = site.get("compare", &path).await?;
    if json {
        return write_answer(&answer);
    }
    let comparison: Comparison = site.read("compare", &answer)?;
    write(beside(&comparison, look).as_bytes())
}

/// How a group is called in the table and in the verdicts.
fn letter(at: usize) -> String {
    char::from_u32('A' as u32 + at as u32).unwrap_or('?').to_string()
}

fn beside(comparison: &Comparison, look: &Look) -> String {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("run", Side::Cut),
        ("runs", Side::Right),
        ("least", Side::Right),
        ("median", Side::Right),
        ("most", Side::Right),
        ("CPU", Side::Cut),
    ]);
    for (at, group) in comparison.groups.iter().enumerate() {
        let more = if group.more { "+" } else { "" };
        table.row([
            letter(at),
            group.label.clone(),
            format!("{}{more}", group.n),
            rate(group.scores.min),
            rate(group.scores.median),
            rate(group.scores.max),
            group.kind.clone(),
        ]);
    }
    let mut text = table.to_text(look);
    if comparison.groups.len() == 1 {
        return text + "\nAll of these are runs of the same parameters on the same kind of node: one group.\n";
    }
    text += &format!("\nScores in {}. What differs:\n", plain(&comparison.unit));
    for difference in &comparison.differences {
        let values = difference.values.iter().enumerate().map(|(at, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{} {value}", letter(at))
        });
        text += &fact(&difference.name, &values.collect::<Vec<_>>().join(", "));
    }
    text += "\nWhat can be said:\n";
    for verdict in &comparison.verdicts {
        let pair = format!("{}, {}", letter(verdict.first as usize), letter(verdict.second as usize));
        text += &fact(&pair, &verdict.text);
    }
    text
}

/// A sweep.
///
/// # Errors
/// There is none.
pub async fn sweep(site: &Site, look: &Look, id: &str, json: bool) -> Result<(), Error> {
    let answer = site.get("look at the sweep", &format!("/api/v1/sweeps/{id}")).await?;
    if json {
        return write_answer(&answer);
    }
    let sweep: SweepView = site.read("look at the sweep", &answer)?;
    write(points(&sweep, site.url(), look, now()).as_bytes())
}

fn points(sweep: &SweepView, url: &str, look: &Look, now: i64) -> String {
    let runs: usize = sweep.points.iter().map(|point| point.runs.len()).sum();
    let mut text = fact("sweep", &format!("{} of {}, {}", sweep.id, sweep.owner, ago(sweep.created_at, now)));
    if !sweep.title.is_empty() {
        text += &fact("title", &sweep.title);
    }
    text += &fact("page", &format!("{url}/sweeps/{}", sweep.id));
    let cost = sweep.cost.seconds.map(|seconds| format!(", {} in all", rough(seconds))).unwrap_or_default();
    let drafts = if sweep.drafts > 0 { format!(", {} not submitted", sweep.drafts) } else { String::new() };
    text += &fact("runs", &format!("{} of {runs} have ended{drafts}{cost}", sweep.over));
    text.push('\n');
    let varied: Vec<_> = sweep.varied.iter().map(|name| name.to_uppercase()).collect();
    let mut table = Table::new(&[
        ("", Side::Left),
        ("point", Side::Cut),
        ("state", Side::Left),
        ("runs", Side::Right),
        ("predicted", Side::Right),
        ("Gflop/s", Side::Right),
    ]);
    let best = sweep.best.as_ref().map(|best| best.point as usize);
    for (at, point) in sweep.points.iter().enumerate() {
        let (state, paint) = standing(point);
        let mark = if best == Some(at) { "*" } else { "" };
        table.painted([
            (mark.to_owned(), None),
            (named(point, &sweep.varied, &varied), None),
            (state, paint),
            (format!("{}/{}", point.scored, point.runs.len()), None),
            (point.predicted.map_or_else(|| "-".to_owned(), rate), None),
            (point.score.map_or_else(|| "-".to_owned(), rate), None),
        ]);
    }
    text += &table.to_text(look);
    if let Some(best) = &sweep.best {
        let runs = plural(best.runs.into(), "run");
        let sure = match best.sure {
            true => format!("the best, sure from {runs}: every one of them is above all other points"),
            false => format!(
                "the best so far, from {runs}: not told from the others yet, as equal runs differ by some percent"
            ),
        };
        text += &format!("\n* {}\n", broken(&sure, 2));
    }
    text
}

/// A point by the parameters that differ.
fn named(point: &SweepPoint, names: &[String], titles: &[String]) -> String {
    if names.is_empty() {
        return point.label.clone();
    }
    let value = |name: &String| match &point.parameters[name] {
        Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    let pairs = names.iter().zip(titles).map(|(name, title)| format!("{title}={}", value(name)));
    pairs.collect::<Vec<_>>().join(" ")
}

/// Where the runs of a point stand, in a word: that of the one that is under way, else of the last.
fn standing(point: &SweepPoint) -> (String, Option<Paint>) {
    let live = point.runs.iter().find(|run| run.state.has_attempt() || run.state == JobState::Verifying);
    let Some(run) = live.or(point.runs.last()) else { return (String::new(), None) };
    let words = match (&run.progress, &run.stopped) {
        (_, Some(_)) => "stopped early".to_owned(),
        (Some(progress), None) if run.state == JobState::Running => {
            format!("running {:.0} %", 100.0 * progress.fraction)
        }
        _ => run.state.to_string(),
    };
    (words, of_state(run.state))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn groups_are_lettered_and_verdicts_name_them() {
        let group = |key: &str, n: u32| {
            json!({"key": key, "result": null, "label": format!("N={n}"), "kind": "A Good CPU", "cores": 2,
                   "parameters": {}, "n": 1, "more": false, "runs": [], "scores": {"min": 90.0, "lower_quartile": null,
                   "median": 90.0, "upper_quartile": null, "max": 90.0, "interval": null}})
        };
        let comparison: Comparison = serde_json::from_value(json!({
            "benchmark": "hpl", "unit": "Gflop/s", "groups": [group("a", 1), group("b", 2)],
            "differences": [{"name": "n", "values": [1, 2]}],
            "verdicts": [{"first": 0, "second": 1, "outcome": "too_few", "p_value": null,
                          "median_change_percent": 0.0, "text": "one run each names no winner"}],
        }))
        .unwrap();
        let text = beside(&comparison, &Look::plain());
        assert!(text.contains("  A  N=1     1  90.00   90.00  90.00  A Good CPU\n"), "{text}");
        assert!(text.contains("  n         A 1, B 2\n") && text.contains("  A, B      one run each"), "{text}");
    }

    #[test]
    fn points_are_told_by_what_differs_and_the_best_is_marked() {
        let run = |state: &str, score: Value| {
            json!({"job": "01900000-0000-7000-8000-000000000000", "turn": 1, "state": state, "progress": null,
                   "score": score, "stopped": null, "failure": null})
        };
        let point = |nb: u32, state: &str, score: Value| {
            json!({"label": "x", "parameters": {"n": 100, "nb": nb}, "predicted": 80.0, "score": score,
                   "scored": 1, "runs": [run(state, score.clone())]})
        };
        let sweep: SweepView = serde_json::from_value(json!({
            "id": "01900000-0000-7000-8000-000000000000", "owner": "ada", "benchmark": "hpl", "title": "",
            "created_at": 0, "seed": 1, "stop_hopeless": false, "repeats": 1,
            "cost": {"runs": 2, "seconds": 4.0, "node_hours": 0.001, "walltime_s": 240}, "drafts": 0, "over": 1,
            "varied": ["nb"], "points": [point(64, "done", json!(90.0)), point(128, "queued", Value::Null)],
            "best": {"point": 0, "score": 90.0, "runs": 1, "sure": false},
        }))
        .unwrap();
        let text = points(&sweep, "https://a", &Look::plain(), 0);
        assert!(text.contains("  *  NB=64   done     1/1      80.00    90.00\n"), "{text}");
        assert!(text.contains("     NB=128  queued   1/1      80.00        -\n"), "{text}");
        assert!(text.contains("1 of 2 have ended, about 4 s in all") && text.contains("* the best so far"), "{text}");
    }
}
