//! Leaderboards.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use hpl_spec::api::results::{BoardEntry, Category, Measure, RecordHistory, ResultRow, Standing};
use hpl_spec::benchmark::{self, BENCHMARKS, Problem};
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::forms::{Fields, Wrong, query};
use super::visitor::{Frame, Visitor};
use super::words::{self, When};
use crate::app::Shared;
use crate::error::{Code, Error, Result};
use crate::http::caller::Scope;
use crate::http::extract::Path;
use crate::ops::accounts;
use crate::ops::results::{self, BoardQuery};
use crate::picture;
use crate::picture::axis::Scale;
use crate::picture::chart::{Along, Chart, Draw, Point, Series};

/// Entries of each board on the page of all of them.
const FIRST: u32 = 5;

#[derive(Template)]
#[template(path = "leaderboards.html")]
struct BoardsPage {
    frame: Frame,
    boards: Vec<Short>,
}

/// The top of a leaderboard.
struct Short {
    benchmark: &'static str,
    title: &'static str,
    about: &'static str,
    lines: Vec<Line>,
    /// Every way to order it: where that leaderboard is, by what, how many are in it.
    orders: Vec<(String, String, String)>,
}

#[derive(Template)]
#[template(path = "leaderboard.html")]
struct BoardPage {
    frame: Frame,
    benchmark: &'static str,
    order: Order,
    orders: Vec<Order>,
    /// Whether there is a column of the scores per watt, which few results have.
    watts: bool,
    asked: Fields,
    wrong: Wrong,
    kinds: Vec<String>,
    cores_choices: Vec<u32>,
    /// The visitor's cohort, or nothing.
    cohort: String,
    lines: Vec<Line>,
    entries: String,
    own: Option<Own>,
    /// The record as it grew, the latest first.
    record: Vec<RecordLine>,
    /// The same as a picture; empty where there is one step alone.
    record_picture: String,
    next: String,
    first: String,
    csv: String,
    json: String,
}

/// A measure as the page speaks of it.
#[derive(Clone)]
struct Order {
    name: &'static str,
    /// Among those to choose from.
    choice: String,
    /// Over the column of its values.
    head: &'static str,
    /// What such an order says, in a sentence, and where there is more.
    about: String,
    more: &'static str,
    /// Whether it is the one that is asked for.
    here: bool,
    /// Whether it takes a node that measures energy.
    of_energy: bool,
}

impl Order {
    fn of(measure: Measure, unit: &str, asked: Measure) -> Order {
        let (choice, head, about, more) = match measure {
            Measure::Score => (
                "score".to_owned(),
                "Score",
                format!("The order is by the score in {unit}: higher is better."),
                "/about-score",
            ),
            Measure::Percent => (
                "percent of peak".to_owned(),
                "Of peak",
                "The order is by percent of peak: a small node can be first.".to_owned(),
                "/about-score#percent",
            ),
            Measure::PerWatt => (
                measure.unit(unit),
                "Per watt",
                format!(
                    "The order is by {} of the processors, as their own counters tell it. The rest of the machine is \
                     not in it, so it does not compare with the Green500.",
                    measure.unit(unit)
                ),
                "/about-score#per-watt",
            ),
        };
        let of_energy = measure == Measure::PerWatt;
        Order { name: measure.name(), choice, head, about, more, here: measure == asked, of_energy }
    }
}

/// Where the visitor stands.
struct Own {
    text: String,
    result: String,
}

/// A step of the record.
struct RecordLine {
    id: String,
    owner: String,
    label: String,
    kind: String,
    value: String,
    /// How much more than the step before.
    more: String,
    when: When,
}

struct Line {
    rank: u32,
    owner: String,
    own: bool,
    score: String,
    percent: String,
    per_watt: String,
    label: String,
    kind: String,
    cores: u32,
    tier: &'static str,
    tier_class: &'static str,
    result: String,
    when: When,
}

impl Line {
    fn new(entry: BoardEntry, me: Option<&str>, now: i64) -> Line {
        let row = entry.result;
        let [score, percent, per_watt] = Measure::ALL.map(|measure| words::value(measure, &row));
        let owner = row.owner.unwrap_or_default();
        Line {
            rank: entry.rank,
            own: me == Some(owner.as_str()),
            owner,
            score,
            percent,
            per_watt,
            label: row.label,
            kind: row.kind,
            cores: row.cores,
            tier: words::tier(row.tier),
            tier_class: words::tier_class(row.tier),
            result: row.id.to_string(),
            when: When::new(row.created_at, now),
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/leaderboard", get(boards)).route("/leaderboard/{benchmark}", get(board))
}

async fn boards(State(app): State<Shared>, visitor: Visitor) -> Result<Response> {
    let now = app.clock.now();
    let categories = results::leaderboards(&app).await?;
    let people = |benchmark: &str, measure: Measure| {
        let all = |category: &&Category| category.kind.is_none() && category.cores.is_none();
        let mut of = categories.iter().filter(|c| c.benchmark == benchmark && c.measure == measure).filter(all);
        match of.next().map_or(0, |category| category.entries) {
            0 => "nobody yet".to_owned(),
            some => words::count(some, "person", "people"),
        }
    };
    let mut boards = vec![];
    for row in BENCHMARKS {
        let wanted = BoardQuery { limit: Some(FIRST), ..BoardQuery::default() };
        let board = results::leaderboard(&app, &visitor.caller, row.name, &wanted).await?;
        let lines = board.entries.into_iter().map(|entry| Line::new(entry, visitor.name(), now)).collect();
        let orders = Measure::ALL.map(|measure| {
            let address = format!("/leaderboard/{}?measure={}", row.name, measure.name());
            (address, Order::of(measure, row.unit, Measure::Score).choice, people(row.name, measure))
        });
        boards.push(Short { benchmark: row.name, title: row.title, about: row.about, lines, orders: orders.to_vec() });
    }
    let frame = visitor.frame("Leaderboards", "/leaderboard").with_call("GET", "/api/v1/leaderboards");
    super::page(&BoardsPage { frame, boards })
}

/// The filters of the form, as they are named in the address.
const FILTERS: [&str; 6] = ["measure", "kind", "cores", "verified", "on", "cohort"];

/// What the address asks for.
fn wanted(asked: &Fields) -> Result<BoardQuery> {
    let mut problems = vec![];
    let offered = |name: &str| Problem::new(name, "expected one of those that the page offers");
    let measure = asked.filled("measure").map_or(Some(Measure::Score), Measure::from_name).unwrap_or_else(|| {
        problems.push(offered("measure"));
        Measure::Score
    });
    let after = asked.filled("after").map(|id| id.parse().map_err(|_| problems.push(offered("after")))).transpose();
    let at = asked.filled("on").and_then(|day| {
        let end = day.parse::<Date>().and_then(|day| day.tomorrow()).and_then(|next| next.to_zoned(TimeZone::UTC));
        let end = end.map(|zoned| zoned.timestamp().as_millisecond());
        end.map_err(|_| problems.push(Problem::new("on", "expected a day such as 2026-11-30"))).ok()
    });
    let query = BoardQuery {
        measure,
        kind: asked.filled("kind").map(str::to_owned),
        cores: asked.number("cores", &mut problems),
        at,
        verified: asked.get("verified") == "yes",
        cohort: asked.filled("cohort").map(str::to_owned),
        after: after.unwrap_or_default(),
        limit: Some(super::ROWS),
    };
    if problems.is_empty() { Ok(query) } else { Err(Error::invalid(problems)) }
}

/// The CPU models and the numbers of cores that a benchmark has entries for.
fn choices(categories: &[Category], benchmark: &str) -> (Vec<String>, Vec<u32>) {
    let of = || categories.iter().filter(|category| category.benchmark == benchmark);
    let mut kinds: Vec<String> = of().filter_map(|category| category.kind.clone()).collect();
    let mut cores: Vec<u32> = of().filter_map(|category| category.cores).collect();
    kinds.sort();
    kinds.dedup();
    cores.sort_unstable();
    cores.dedup();
    (kinds, cores)
}

/// Where the visitor stands, in a sentence, and the result that brought them there.
fn own(standing: Standing) -> Own {
    let Some(entry) = standing.entry else {
        return Own { text: "You have no result in this leaderboard yet.".to_owned(), result: String::new() };
    };
    let text = format!(
        "You are number {} of {}: as good as or better than {:.0} % of all.",
        entry.rank,
        standing.category.entries,
        standing.percentile.unwrap_or(0.0)
    );
    Own { text, result: entry.result.id.to_string() }
}

/// What a leaderboard is ordered by.
fn value(measure: Measure, row: &ResultRow) -> f64 {
    row.value(measure).unwrap_or(0.0)
}

/// The unit in which a span of so many milliseconds is a number that one can read, and its milliseconds.
fn time_unit(span: i64) -> (&'static str, f64) {
    let units = [("days", 86_400e3), ("hours", 3600e3), ("minutes", 60e3)];
    units.into_iter().find(|(_, ms)| span as f64 >= 2.0 * ms).unwrap_or(("seconds", 1e3))
}

/// The record from its first day until now, as stairs.
fn record_picture(history: &RecordHistory, now: i64) -> String {
    let (Some(first), true) = (history.steps.first(), history.steps.len() > 1) else { return String::new() };
    let (unit, ms) = time_unit(now - first.created_at);
    let since = |at: i64| (at - first.created_at) as f64 / ms;
    let of = |row: &ResultRow| value(history.category.measure, row);
    let mut points: Vec<Point> = history.steps.iter().map(|row| Point::new(since(row.created_at), of(row))).collect();
    points.extend(history.steps.last().map(|last| Point::new(since(now), of(last))));
    let chart = Chart {
        title: "History of the record".to_owned(),
        description: String::new(),
        along: Along::Values(Scale::Linear),
        x_label: format!("{unit} since the first record"),
        upwards: Scale::Linear,
        y_label: history.category.measure.unit(&history.unit),
        series: vec![Series { name: "the record".to_owned(), draw: Draw::Stairs, points }],
        levels: vec![],
    };
    picture::responsive(|shape| chart.picture(shape))
}

fn record_lines(history: RecordHistory, now: i64) -> Vec<RecordLine> {
    let measure = history.category.measure;
    let mut before: Option<f64> = None;
    let mut lines: Vec<RecordLine> = vec![];
    for row in history.steps {
        let now_is = value(measure, &row);
        let more =
            before.filter(|before| *before > 0.0).map(|before| format!("+{:.1} %", 100.0 * (now_is / before - 1.0)));
        before = Some(now_is);
        lines.push(RecordLine {
            id: row.id.to_string(),
            value: words::value(measure, &row),
            more: more.unwrap_or_default(),
            owner: row.owner.unwrap_or_default(),
            kind: format!("{}, {} cores", row.kind, row.cores),
            label: row.label,
            when: When::new(row.created_at, now),
        });
    }
    lines.reverse();
    lines
}

async fn board(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(name): Path<String>,
    asked: Fields,
) -> Result<Response> {
    let row = benchmark::find(&name).ok_or_else(|| Error::new(Code::NotFound, "no benchmark of that name is there"))?;
    let (wanted, wrong) = match wanted(&asked) {
        Ok(wanted) => (wanted, Wrong::default()),
        Err(error) => (BoardQuery::default(), Wrong::of(&error, str::to_owned)),
    };
    let status = if wrong.summary.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let ones_own = async {
        let Ok(user) = visitor.caller.user(Scope::Read) else { return Ok(Default::default()) };
        let standing = results::standing(&app, &visitor.caller, row.name, &wanted).await?;
        Ok((Some(own(standing)), accounts::me(&app, user.key, None).await?.user.cohort))
    };
    // Beside each other: the leaderboard of a day is put together out of all results, once for each of these.
    let (board, categories, (own, cohort), history) = tokio::try_join!(
        results::leaderboard(&app, &visitor.caller, row.name, &wanted),
        results::leaderboards(&app),
        ones_own,
        results::record(&app, row.name, &wanted),
    )?;
    let (kinds, cores_choices) = choices(&categories, row.name);
    let now = app.clock.now();
    let pairs = FILTERS.map(|name| (name, asked.get(name)));
    let here = |after: &str| format!("/leaderboard/{name}{}", query(&[&pairs[..], &[("after", after)]].concat()));
    let at = wanted.at.map(|at| at.to_string()).unwrap_or_default();
    let verified = if wanted.verified { "true" } else { "" };
    let filters =
        query(&[&pairs[..3], &[("verified", verified), ("at", &at), ("cohort", asked.get("cohort"))]].concat());
    let json = format!("/api/v1/leaderboards/{name}{filters}");
    let frame = visitor.frame(format!("Leaderboard: {}", row.title), "/leaderboard").with_call("GET", json.clone());
    let record = format!("/api/v1/leaderboards/{name}/record{}", query(&pairs[..3]));
    let page = BoardPage {
        frame: frame.with_call("GET", record),
        benchmark: row.name,
        order: Order::of(wanted.measure, row.unit, wanted.measure),
        orders: Measure::ALL.map(|measure| Order::of(measure, row.unit, wanted.measure)).to_vec(),
        watts: wanted.measure == Measure::PerWatt || board.entries.iter().any(|entry| entry.result.per_watt.is_some()),
        wrong,
        kinds,
        cores_choices,
        cohort,
        lines: board.entries.into_iter().map(|entry| Line::new(entry, visitor.name(), now)).collect(),
        entries: match board.category.entries {
            0 => "Nobody is in this leaderboard".to_owned(),
            1 => "1 person is in this leaderboard, with their best result".to_owned(),
            many => format!(
                "{} people are in this leaderboard, each with their best result",
                picture::text::count(many.into())
            ),
        },
        own,
        record_picture: record_picture(&history, now),
        record: record_lines(history, now),
        next: board.next.map(|id| here(id.as_str())).unwrap_or_default(),
        first: if wanted.after.is_some() { here("") } else { String::new() },
        csv: format!("/api/v1/leaderboards/{name}.csv{filters}"),
        json,
        asked,
    };
    super::show(status, &page)
}
