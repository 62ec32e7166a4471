//! Results: `result`, `results`, `board`, `certificate`. Comparisons are in `compare`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use client::door::with_query;
use hpl_spec::account::Waterfall;
use hpl_spec::api::insight::Diagnosis;
use hpl_spec::api::results::{Leaderboard, Measure, ResultDetail, ResultPage, ResultRow, ResultTier, Standing};
use hpl_spec::benchmark::Colour;
use hpl_spec::report::{RunReport, SweepReport};

use crate::args::Board;
use crate::error::Error;
use crate::look::{Look, Paint, of_tier, remark, write, write_answer};
use crate::parameters::{BENCHMARK, line_of};
use crate::site::{Site, telling};
use crate::table::{Side, Table};
use crate::words::{ago, broken, fact, now, percent, plain, plural, rate};

/// Causes of slowness that are shown.
const CAUSES: usize = 3;
/// Characters of the bars that show where the time went.
const BAR: f64 = 28.0;

/// The result of a job, in full.
///
/// # Errors
/// There is none.
pub async fn one(site: &Site, look: &Look, id: &str, json: bool) -> Result<(), Error> {
    if json {
        return write_answer(&site.get("look at the result", &format!("/api/v1/jobs/{id}/result")).await?);
    }
    show(site, look, id).await
}

/// The result of a job for people.
///
/// # Errors
/// There is none.
pub async fn show(site: &Site, look: &Look, id: &str) -> Result<(), Error> {
    let result: ResultDetail = site.look("look at the result", &format!("/api/v1/jobs/{id}/result")).await?;
    let mut text = figures(&result, look, now());
    if site.is_known() {
        let path = format!("/api/v1/leaderboards/{}/standing", result.row.benchmark);
        let standing: Standing = site.look("look at the leaderboard", &path).await?;
        text += &fact("rank", &rank(&result.row, &standing));
    }
    text += &fact("page", &format!("{}/results/{}", site.url(), result.row.id));
    if let Some(way) = report(&result).and_then(|report| report.account).map(|account| account.waterfall) {
        text += &format!("\n{}", waterfall(&way));
    }
    let path = format!("/api/v1/results/{}/diagnosis", result.row.id);
    let diagnosis: Diagnosis = site.look("look why", &path).await?;
    text += &format!("\n{}", why(&diagnosis));
    write(text.as_bytes())
}

/// What the program said of the run.
fn report(result: &ResultDetail) -> Option<RunReport> {
    let sweep: SweepReport = serde_json::from_value(result.report.clone()).ok()?;
    sweep.reports.into_iter().next()
}

fn figures(result: &ResultDetail, look: &Look, now: i64) -> String {
    let row = &result.row;
    let node = row.node.as_ref().map_or("a node", |node| node.name.as_str());
    let cores = plural(row.cores.into(), "core");
    let mut text = fact("run", &row.label);
    text += &fact("where", &format!("{node}, {}, {cores}, {}", row.kind, ago(row.created_at, now)));
    let seconds = if row.seconds < 100.0 { format!("{:.2} s", row.seconds) } else { format!("{:.1} s", row.seconds) };
    let peak = row.percent.map(|p| format!(", {p:.1} % of the measured peak")).unwrap_or_default();
    let figure = look.paint(&format!("{} Gflop/s", rate(row.score)), result.passed.then_some(Paint::Good));
    // Laid out without colours, which have no width.
    let line = fact("figure", &format!("{} Gflop/s in {seconds}{peak}", rate(row.score)));
    text += &line.replacen(&format!("{} Gflop/s", rate(row.score)), &figure, 1);
    if let Some(per_watt) = row.per_watt {
        text += &fact("power", &format!("{} Gflop/s per watt of the processors", rate(per_watt)));
    }
    text += &fact("residual", &check(result));
    text += &fact("trust", &row.trust()).replacen(row.tier.name(), &look.paint(row.tier.name(), of_tier(row.tier)), 1);
    for finding in result.findings.iter().filter(|finding| finding.colour != Colour::Green) {
        let colour = if finding.colour == Colour::Red { "RED" } else { "amber" };
        text += &fact(colour, &format!("{}: {}", finding.name, finding.text));
    }
    text
}

fn check(result: &ResultDetail) -> String {
    let Some(report) = report(result) else { return result.check.clone() };
    report.verdict.told(report.threshold)
}

/// Where it stands among all users.
fn rank(row: &ResultRow, standing: &Standing) -> String {
    match &standing.entry {
        _ if !row.ranked => "none: this result is not ranked".to_owned(),
        None => "none of yours yet".to_owned(),
        Some(entry) => {
            let place = format!("{} of {} on the leaderboard", entry.rank, standing.category.entries);
            if entry.result.id == row.id {
                return place;
            }
            // The standing is the caller's; the result may be somebody else's.
            let whose = if entry.result.owner == row.owner { "by an earlier or better run" } else { "yours, by a run" };
            format!("{place}, {whose} with {} Gflop/s", rate(entry.result.score))
        }
    }
}

/// Where the time went, from the peak down to the score.
fn waterfall(way: &Waterfall) -> String {
    let all: f64 = way.losses.iter().map(|loss| loss.seconds).sum();
    let threads = plural(way.threads as u64, "thread");
    let mut text = format!("Where {all:.2} s of {threads} went (FMA peak {:.1} Gflop/s)\n", way.peak);
    for loss in &way.losses {
        let part = if all > 0.0 { loss.seconds / all } else { 0.0 };
        let bar = "█".repeat((BAR * part).clamp(0.0, BAR).round() as usize);
        let line = format!("  {:<17}{:>9.2} s {:>6.1} %  {bar}", plain(&loss.what), loss.seconds, 100.0 * part);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

/// Why it was not faster, and what to try.
fn why(diagnosis: &Diagnosis) -> String {
    let mut text = format!("Why not faster\n  {}\n", broken(&diagnosis.summary, 2));
    for cause in diagnosis.causes.iter().take(CAUSES) {
        let cost = cause.cost_percent.map(|cost| format!(", {cost:.1} % of the time")).unwrap_or_default();
        let _ = writeln!(text, "\n  {}", broken(&format!("{}{cost}: {}", cause.severity.name(), cause.headline), 4));
        for next in &cause.next {
            let _ = writeln!(text, "    try: {}", broken(&next.text, 9));
            if let Some(line) = next.query.as_deref().and_then(line_of) {
                let _ = writeln!(text, "         {line}");
            }
        }
    }
    match diagnosis.causes.len().saturating_sub(CAUSES) {
        0 => text,
        more => text + &format!("\n  and {}: see its page\n", plural(more as u64, "smaller cause")),
    }
}

/// The list of results.
///
/// # Errors
/// The service refuses.
pub async fn list(site: &Site, look: &Look, all: bool, csv: bool, limit: u32, json: bool) -> Result<(), Error> {
    let (name, limit) = (if all { String::new() } else { site.username().await? }, limit.to_string());
    let mut query = if all { vec![] } else { vec![("user", name.as_str())] };
    if csv {
        let mut flow = site.open("fetch the table", &with_query("/api/v1/results.csv", &query)).await?;
        while let Some(bytes) = flow.next().await.map_err(|refusal| site.refused("fetch the table", &refusal))? {
            write(&bytes)?;
        }
        return Ok(());
    }
    query.push(("limit", &limit));
    let answer = site.get("list the results", &with_query("/api/v1/results", &query)).await?;
    if json {
        return write_answer(&answer);
    }
    let page: ResultPage = site.read("list the results", &answer)?;
    if page.results.is_empty() {
        return write(b"No results yet: hpl submit --n 4000 --watch\n");
    }
    write(table(&page.results, all, look, now()).as_bytes())?;
    if page.next.is_some() {
        remark("  … and older ones: --limit 200 shows more, --csv all");
    }
    Ok(())
}

fn table(results: &[ResultRow], owners: bool, look: &Look, now: i64) -> String {
    let ids: Vec<&str> = results.iter().map(|row| row.job.as_str()).collect();
    let first = if owners { ("who", Side::Cut) } else { ("job", Side::Left) };
    let mut table = Table::new(&[
        first,
        ("run", Side::Cut),
        ("Gflop/s", Side::Right),
        ("of peak", Side::Right),
        ("trust", Side::Left),
        ("node", Side::Cut),
        ("when", Side::Right),
    ]);
    for (row, id) in results.iter().zip(telling(&ids)) {
        let owner = || row.owner.clone().unwrap_or_else(|| "-".to_owned());
        table.painted([
            (if owners { owner() } else { id }, None),
            (row.label.clone(), None),
            (rate(row.score), None),
            (percent(row.percent), None),
            (row.tier.to_string(), of_tier(row.tier)),
            (row.node.as_ref().map_or_else(|| "-".to_owned(), |node| node.name.clone()), None),
            (ago(row.created_at, now), None),
        ]);
    }
    table.to_text(look)
}

/// The leaderboard.
///
/// # Errors
/// The service refuses.
pub async fn board(site: &Site, look: &Look, asked: &Board, json: bool) -> Result<(), Error> {
    let measure = Measure::from(asked.measure).name();
    let (limit, cores) = (asked.limit.to_string(), asked.cores.map(|cores| cores.to_string()));
    let mut query = vec![("measure", measure), ("limit", limit.as_str())];
    query.extend(asked.kind.as_deref().map(|kind| ("kind", kind)));
    query.extend(cores.as_deref().map(|cores| ("cores", cores)));
    query.extend(asked.verified.then_some(("verified", "true")));
    let path = with_query(&format!("/api/v1/leaderboards/{BENCHMARK}"), &query);
    let answer = site.get("look at the leaderboard", &path).await?;
    if json {
        return write_answer(&answer);
    }
    let board: Leaderboard = site.read("look at the leaderboard", &answer)?;
    if board.entries.is_empty() {
        let words = if asked.kind.is_some() || asked.cores.is_some() || asked.verified {
            "Nobody is on this leaderboard yet; `hpl board` shows that of all."
        } else {
            "Nobody is on the leaderboard yet."
        };
        return write(format!("{words}\n").as_bytes());
    }
    write(ranks(&board, look, now()).as_bytes())
}

fn ranks(board: &Leaderboard, look: &Look, now: i64) -> String {
    // What hardly a node measures takes a column where it is what counts.
    let by_watt = board.category.measure == Measure::PerWatt;
    let mut table = Table::new(&[
        ("rank", Side::Right),
        ("who", Side::Cut),
        ("Gflop/s", Side::Right),
        (if by_watt { "per W" } else { "of peak" }, Side::Right),
        ("run", Side::Cut),
        ("cores", Side::Right),
        ("trust", Side::Left),
        ("when", Side::Right),
        ("CPU", Side::Cut),
    ]);
    for entry in &board.entries {
        let row = &entry.result;
        table.painted([
            (entry.rank.to_string(), None),
            (row.owner.clone().unwrap_or_else(|| "-".to_owned()), None),
            (rate(row.score), None),
            (if by_watt { row.per_watt.map(rate).unwrap_or_default() } else { percent(row.percent) }, None),
            (row.label.clone(), None),
            (row.cores.to_string(), None),
            (row.tier.to_string(), of_tier(row.tier)),
            (ago(row.created_at, now), None),
            (row.kind.clone(), None),
        ]);
    }
    let more = u64::from(board.category.entries).saturating_sub(board.entries.len() as u64);
    let more = if more > 0 { format!("  and {more} more\n") } else { String::new() };
    table.to_text(look) + &more
}

/// Fetches a certificate.
///
/// # Errors
/// There is none; the file cannot be written, or is there already and was not named.
pub async fn certificate(site: &Site, id: &str, output: Option<&Path>) -> Result<(), Error> {
    let what = "fetch the certificate";
    let mut flow = site.open(what, &format!("/api/v1/jobs/{id}/certificate")).await?;
    let given = flow.header("content-disposition").and_then(|header| header.split('"').nth(1)).unwrap_or_default();
    let file = output.map_or_else(|| file_name(given), Path::to_owned);
    let mut bytes = vec![];
    while let Some(more) = flow.next().await.map_err(|refusal| site.refused(what, &refusal))? {
        bytes.extend(more);
    }
    if file.as_os_str() == "-" {
        return write(&bytes);
    }
    let at = |why: std::io::Error| Error::Told(format!("{}: {why}", file.display()));
    if output.is_none() && file.exists() {
        return Err(Error::Told(format!("{} is there already: name another file with --output", file.display())));
    }
    std::fs::write(&file, &bytes).map_err(at)?;
    let key = format!("{}/api/v1/key", site.url());
    write(
        format!(
            "Wrote {}.\n`hpl-service verify {} --key HEX` checks it without the service; {key} has the key.\n",
            file.display(),
            file.display()
        )
        .as_bytes(),
    )
}

/// A name that the service gave, as far as it is a plain one: it decides where nothing is written.
fn file_name(given: &str) -> PathBuf {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let fits = !given.is_empty() && !given.starts_with('.') && given.bytes().all(plain);
    PathBuf::from(if fits { given } else { "certificate.zip" })
}

/// Whether a result can be compared: it must count.
pub fn counts(row: &ResultRow) -> bool {
    row.accepted && matches!(row.tier, ResultTier::Verified | ResultTier::Reported)
}

#[cfg(test)]
mod tests {
    use hpl_spec::account::Loss;
    use serde_json::{Value, json};

    use super::*;

    fn row(more: Value) -> ResultRow {
        let mut row = json!({
            "id": "01900000-0000-7000-8000-000000000001", "job": "01900000-0000-7000-8000-000000000000",
            "owner": "ada", "benchmark": "hpl", "label": "N=4000 NB=128 1x1", "tier": "reported", "accepted": true,
            "ranked": true, "visibility": "public", "score": 90.352, "seconds": 0.47, "size": 4000.0, "percent": 82.14,
            "node": {"id": "01900000-0000-7000-8000-000000000002", "name": "desk"}, "kind": "A Good CPU", "cores": 2,
            "flag_why": "", "created_at": 0,
        });
        row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn the_figures_say_what_they_rest_on() {
        let result = ResultDetail {
            row: row(json!({})),
            check: "residual 0.005".into(),
            passed: true,
            findings: vec![hpl_spec::benchmark::Finding::amber("energy", "energy was not measured")],
            reproduced: 0,
            parameters: json!({}),
            report: json!({}),
            evidence: None,
            files: vec![],
        };
        let expected = "\
\x20 run       N=4000 NB=128 1x1
\x20 where     desk, A Good CPU, 2 cores, 1 min ago
\x20 figure    90.35 Gflop/s in 0.47 s, 82.1 % of the measured peak
\x20 residual  residual 0.005
\x20 trust     reported - nothing speaks against it, but not all could be told
\x20 amber     energy: energy was not measured
";
        assert_eq!(figures(&result, &Look::plain(), 60_000), expected);
        let painted = figures(&result, &Look { colour: true, ..Look::plain() }, 60_000);
        assert!(painted.contains("\u{1b}[32m90.35 Gflop/s\u{1b}[0m in 0.47 s"), "{painted}");
    }

    #[test]
    fn the_rank_is_that_of_the_best() {
        let standing = |entry: Value| -> Standing {
            let category = json!({"benchmark": "hpl", "measure": "score", "kind": null, "cores": null, "entries": 3});
            serde_json::from_value(json!({"category": category, "entry": entry, "percentile": null})).unwrap()
        };
        let mine = row(json!({}));
        let entry = |row: &ResultRow| json!({"rank": 2, "result": row});
        assert_eq!(rank(&mine, &standing(entry(&mine))), "2 of 3 on the leaderboard");
        let better = row(json!({"id": "01900000-0000-7000-8000-000000000009", "score": 95.0}));
        let told = rank(&mine, &standing(entry(&better)));
        assert_eq!(told, "2 of 3 on the leaderboard, by an earlier or better run with 95.00 Gflop/s");
        assert_eq!(rank(&row(json!({"ranked": false})), &standing(entry(&mine))), "none: this result is not ranked");
        assert_eq!(rank(&mine, &standing(Value::Null)), "none of yours yet");
    }

    #[test]
    fn the_way_down_fits_a_terminal() {
        let loss = |what: &str, seconds| Loss { what: what.to_owned(), seconds };
        let losses = vec![loss("at the FMA peak", 1.0), loss("idle", 0.25), loss("kernel shortfall", 0.0)];
        let text = waterfall(&Waterfall { peak: 110.0, threads: 2, losses });
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.starts_with("Where 1.25 s of 2 threads went") && text.contains("  20.0 %  ██████\n"), "{text}");
    }

    #[test]
    fn a_name_that_is_given_leads_nowhere_else() {
        assert_eq!(file_name("hpl-01.zip"), Path::new("hpl-01.zip"));
        for strange in ["", "../x", "a/b", ".bashrc", "a b"] {
            assert_eq!(file_name(strange), Path::new("certificate.zip"), "{strange}");
        }
    }
}
