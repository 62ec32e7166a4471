//! Groups of equal runs side by side, and what can be said of them.

use std::collections::BTreeSet;

use hpl_spec::api::insight::{
    Comparison, GroupDifference, GroupRun, MedianInterval, PairOutcome, PairVerdict, RunGroup, ScoreSummary,
};
use hpl_spec::benchmark;
use hpl_spec::id::AttemptId;
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::app::App;
use crate::db::Conn;
use crate::db::insight::{self as db, GroupKey, Member};
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Scope};
use crate::statistics::{self, Verdict};

/// Groups of one comparison.
const MOST_GROUPS: usize = 8;
/// Runs of a group, the latest.
const MOST_RUNS: usize = 1000;
/// Characters of `results`.
const LONGEST: usize = 4000;
/// Fewer numbers have no quartiles.
const QUARTILES: usize = 4;

/// Which groups to compare.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CompareQuery {
    /// One to eight groups, with commas between them. Each is named by the id of a result, which stands for all runs of the
    /// same parameters on the same kind of node, or by the `key` of a group. Two that name the same group are one.
    pub results: String,
}

/// What names a group.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Name {
    Result(AttemptId),
    Key(GroupKey),
}

/// Groups of runs side by side.
///
/// # Errors
/// A name is none, or of nothing that the caller may see; the results do not count, or are of several benchmarks; the
/// database fails.
pub async fn compare(app: &App, caller: &Caller, query: &CompareQuery) -> Result<Comparison> {
    let names = read_names(&query.results)?;
    let mut conn = app.db.read().await?;
    let mut groups: Vec<RunGroup> = Vec::new();
    let mut of: Option<String> = None;
    for name in names {
        let (group, benchmark) = one(&mut conn, caller, name).await?;
        match &of {
            Some(first) if *first != benchmark => {
                let message = format!("found runs of {first} and of {benchmark}, expected one benchmark");
                return Err(Error::field("results", message));
            }
            _ => of = Some(benchmark),
        }
        if !groups.iter().any(|other| other.key == group.key) {
            groups.push(group);
        }
    }
    let benchmark = of.unwrap_or_default();
    Ok(Comparison {
        unit: benchmark::find(&benchmark).map_or("", |row| row.unit).into(),
        benchmark,
        differences: differences(&groups),
        verdicts: verdicts(&groups),
        groups,
    })
}

/// The names in `text`. What is no name goes on with the key before it: a CPU model may have a comma in it.
fn read_names(text: &str) -> Result<Vec<Name>> {
    if text.len() > LONGEST {
        return Err(Error::field("results", format!("found {} characters, expected at most {LONGEST}", text.len())));
    }
    let mut names: Vec<Name> = Vec::new();
    for item in text.split(',') {
        match (read_name(item), names.last_mut()) {
            (Some(name), _) => names.push(name),
            (None, Some(Name::Key(key))) => {
                key.kind.push(',');
                key.kind.push_str(item);
            }
            (None, _) => {
                let shown: String = item.chars().take(64).collect();
                let message = format!("found `{shown}`, expected the id of a result or the key of a group");
                return Err(Error::field("results", message));
            }
        }
    }
    if names.len() > MOST_GROUPS {
        return Err(Error::field("results", format!("found {} groups, expected 1 to {MOST_GROUPS}", names.len())));
    }
    Ok(names)
}

fn read_name(item: &str) -> Option<Name> {
    if let Ok(id) = item.trim().parse() {
        return Some(Name::Result(id));
    }
    let mut parts = item.splitn(3, ':');
    let (hash, cores, kind) = (parts.next()?, parts.next()?, parts.next()?);
    let plain = (1..=64).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_alphanumeric());
    let key = GroupKey { spec_hash: hash.into(), kind: kind.into(), cores: cores.parse().ok()? };
    plain.then_some(Name::Key(key))
}

fn key_text(key: &GroupKey) -> String {
    format!("{}:{}:{}", key.spec_hash, key.cores, key.kind)
}

/// One group, and its benchmark.
async fn one(conn: &mut Conn, caller: &Caller, name: Name) -> Result<(RunGroup, String)> {
    let viewer = caller.user(Scope::Read).ok().map(|user| user.key);
    let (result, key) = match name {
        Name::Key(key) => (None, key),
        Name::Result(id) => {
            let member = db::member(conn, &id).await?.filter(|member| sees(caller, viewer, member));
            let member = member.ok_or_else(|| Error::not_found("result"))?;
            if !member.counts {
                let message = format!("the result {id} is flagged, failed or late: it cannot be compared");
                return Err(Error::field("results", message));
            }
            (Some(id), member.group)
        }
    };
    let limit = u32::try_from(MOST_RUNS + 1).unwrap_or(u32::MAX);
    let mut runs = db::group(conn, &key, viewer, caller.is_admin(), limit).await?;
    let more = runs.len() > MOST_RUNS;
    runs.truncate(MOST_RUNS);
    // All runs of a group have the same parameters; the latest speaks for them.
    let latest = match runs.first() {
        Some(run) => db::member(conn, &run.id).await?,
        None => None,
    };
    let Some((member, scores)) = latest.zip(summary(&runs)) else {
        return Err(Error::field("results", format!("no run of the group {} is there for you to see", key_text(&key))));
    };
    let group = RunGroup {
        key: key_text(&key),
        result,
        label: member.label,
        kind: key.kind,
        cores: key.cores,
        parameters: member.parameters,
        n: u32::try_from(runs.len()).unwrap_or(u32::MAX),
        more,
        scores,
        runs,
    };
    Ok((group, member.benchmark))
}

fn sees(caller: &Caller, viewer: Option<i64>, member: &Member) -> bool {
    member.public || caller.is_admin() || viewer.is_some() && viewer == member.owner
}

fn scores(runs: &[GroupRun]) -> Vec<f64> {
    statistics::sorted(&runs.iter().map(|run| run.score).collect::<Vec<_>>())
}

fn summary(runs: &[GroupRun]) -> Option<ScoreSummary> {
    let sorted = scores(runs);
    let quartile = |share: f64| statistics::quantile(&sorted, share).filter(|_| sorted.len() >= QUARTILES);
    let interval = statistics::median_interval(&sorted);
    Some(ScoreSummary {
        min: *sorted.first()?,
        lower_quartile: quartile(0.25),
        median: statistics::median(&sorted)?,
        upper_quartile: quartile(0.75),
        max: *sorted.last()?,
        interval: interval.map(|found| MedianInterval {
            low: found.low,
            high: found.high,
            confidence_percent: 100.0 * found.confidence,
        }),
    })
}

/// The parameters, and facts about the node, that are not the same in all groups.
fn differences(groups: &[RunGroup]) -> Vec<GroupDifference> {
    let objects = groups.iter().filter_map(|group| group.parameters.as_object());
    let names: BTreeSet<&String> = objects.flat_map(|object| object.keys()).collect();
    let parameters = names.into_iter().map(|name| GroupDifference {
        name: name.clone(),
        values: groups.iter().map(|group| group.parameters[name.as_str()].clone()).collect(),
    });
    let node = |name: &str, of: fn(&RunGroup) -> Value| GroupDifference {
        name: name.into(),
        values: groups.iter().map(of).collect(),
    };
    let all = parameters.chain([node("kind", |g| g.kind.clone().into()), node("cores", |g| g.cores.into())]);
    all.filter(|difference| difference.values.windows(2).any(|pair| pair[0] != pair[1])).collect()
}

/// What can be said of each two groups. All pairs are looked at together, so that one of them does not win by chance.
fn verdicts(groups: &[RunGroup]) -> Vec<PairVerdict> {
    let pairs: Vec<(usize, usize)> =
        (0..groups.len()).flat_map(|first| (first + 1..groups.len()).map(move |second| (first, second))).collect();
    let verdict = |&(first, second): &(usize, usize)| {
        let (a, b) = (scores(&groups[first].runs), scores(&groups[second].runs));
        let found = statistics::compare(&a, &b, pairs.len());
        let change = statistics::median(&a).zip(statistics::median(&b)).map(|(a, b)| 100.0 * (b / a - 1.0));
        let (outcome, p_value, text) = words(&found, (first + 1, a.len()), (second + 1, b.len()));
        PairVerdict {
            first: u32::try_from(first).unwrap_or(u32::MAX),
            second: u32::try_from(second).unwrap_or(u32::MAX),
            outcome,
            p_value,
            median_change_percent: change.filter(|change| change.is_finite()),
            text,
        }
    };
    pairs.iter().map(verdict).collect()
}

/// A verdict in words; the groups by their number and how many runs they have.
fn words(verdict: &Verdict, first: (usize, usize), second: (usize, usize)) -> (PairOutcome, Option<f64>, String) {
    let ((first, n), (second, m)) = (first, second);
    let sizes = format!("n={n} and n={m}");
    let chance = |p: f64| if p < 0.001 { "p < 0.001".to_owned() } else { format!("p = {p:.3}") };
    match *verdict {
        Verdict::TooFew { first, second } => {
            let text = format!("Too few runs to tell: {sizes}. With n={first} and n={second} it could be told.");
            (PairOutcome::TooFew, None, text)
        }
        Verdict::NoDifference { p } => {
            let text = format!("No difference that chance could not make: {sizes}, {}.", chance(p));
            (PairOutcome::NoDifference, Some(p), text)
        }
        Verdict::Differ { p, first_is_larger } => {
            let (faster, outcome) =
                if first_is_larger { (first, PairOutcome::FirstFaster) } else { (second, PairOutcome::SecondFaster) };
            (outcome, Some(p), format!("Group {faster} is faster: {sizes}, {}.", chance(p)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ids_or_keys_and_models_have_commas() {
        let id = "0190f5fe-7c00-7a3b-8b1e-aa0000000001";
        let text = format!("{id},abc:4:Some CPU, the second: @ 2 GHz,{id}");
        let key = GroupKey { spec_hash: "abc".into(), kind: "Some CPU, the second: @ 2 GHz".into(), cores: 4 };
        let names = read_names(&text).unwrap();
        assert_eq!(
            names,
            [Name::Result(id.parse().unwrap()), Name::Key(key.clone()), Name::Result(id.parse().unwrap())]
        );
        assert_eq!(read_names(&key_text(&key)).unwrap(), [Name::Key(key)], "a key is a name");
        for wrong in ["", ",", "x", "abc:4", "abc:x:kind", ":4:kind", "a b:4:kind", &format!("{id},x")] {
            let error = read_names(wrong).unwrap_err();
            assert_eq!(error.errors[0].field, "results", "{wrong}");
        }
        assert!(read_names(&[id; 9].join(",")).is_err() && read_names(&"a:1:b".repeat(2000)).is_err());
    }

    #[test]
    fn verdicts_say_how_many_runs_there_were() {
        let (outcome, p, text) = words(&statistics::compare(&[9.0], &[1.0], 1), (1, 1), (2, 1));
        assert_eq!((outcome, p), (PairOutcome::TooFew, None));
        assert_eq!(text, "Too few runs to tell: n=1 and n=1. With n=4 and n=4 it could be told.");
        let (_, _, text) = words(&Verdict::Differ { p: 0.02857, first_is_larger: false }, (1, 4), (3, 4));
        assert_eq!(text, "Group 3 is faster: n=4 and n=4, p = 0.029.");
        let (_, _, text) = words(&Verdict::NoDifference { p: 0.0612 }, (1, 4), (2, 9));
        assert!(text.ends_with("n=4 and n=9, p = 0.061."), "{text}");
    }
}
