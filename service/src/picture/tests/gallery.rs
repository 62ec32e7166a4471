//! All pictures on one page, to be looked at: `HPL_PICTURES=/tmp/pictures cargo nextest run -p service gallery` writes
//! `index.html` and the PNG of the preview there.

use hpl_spec::account::{Spent, Spread, Waterfall};
use hpl_spec::api::results::ResultTier;
use hpl_spec::params::RunParams;
use hpl_spec::report::Phases;

use super::check;
use crate::picture::axis::Scale;
use crate::picture::card::{Card, card};
use crate::picture::chart::{Along, Chart, Draw, Point, Series};
use crate::picture::layout::Layout;
use crate::picture::{badge, card, grid, heat, phases, png, responsive, step, waterfall};

/// A run with its way, and one whose products beat the measured peak.
fn way(multiply: f64, peak: f64) -> (Waterfall, f64) {
    let params = RunParams::new(40_000, 256, 2, 2);
    let spent = Spent { multiply, panel: 26.0, exchanging: 5.0, swap: 38.0, bcast: 15.0, solve: 14.0, imbalance: 22.0 };
    (Waterfall::new(&params, 200.0, peak, 4, &spent), params.flops())
}

fn rate(n: f64, nb: f64) -> f64 {
    230.0 * (1.0 - (-n / 9000.0).exp()) * (1.0 - ((nb - 220.0) / 420.0).powi(2))
}

fn chart(title: &str, along: Along, x_label: &str, upwards: Scale, series: Vec<Series>) -> Chart {
    Chart {
        title: title.to_owned(),
        description: String::new(),
        along,
        x_label: x_label.to_owned(),
        upwards,
        y_label: "Gflop/s".to_owned(),
        series,
        levels: vec![],
    }
}

fn series(name: &str, draw: Draw, points: Vec<Point>) -> Series {
    Series { name: name.to_owned(), draw, points }
}

fn live() -> Chart {
    let now = (0..5000).map(|i| {
        let t = f64::from(i) / 25.0;
        Point::new(t, 230.0 * (1.0 - (-t / 8.0).exp()) - 60.0 * (t / 200.0).powi(6) + f64::from(i * 7 % 13))
    });
    let so_far = (0..5000).map(|i| Point::new(f64::from(i) / 25.0, 215.0 * (1.0 - (-f64::from(i) / 300.0).exp())));
    let all = vec![series("now", Draw::Line, now.collect()), series("so far", Draw::Line, so_far.collect())];
    let levels = vec![(221.0, "your best: 221 Gflop/s".to_owned())];
    Chart { levels, ..chart("Gflop/s against time", Along::Values(Scale::FromZero), "seconds", Scale::FromZero, all) }
}

fn against_n() -> Chart {
    let all = [64.0, 128.0, 192.0, 256.0].map(|nb| {
        let points = (1..9).map(|i| f64::from(i) * 5000.0).map(|n| {
            let y = rate(n, nb);
            Point { x: n, y, range: Some((y * 0.96, y * 1.02)) }
        });
        series(&format!("NB {nb}"), Draw::Both, points.collect())
    });
    chart("Gflop/s against N", Along::Values(Scale::FromZero), "N", Scale::FromZero, all.to_vec())
}

fn by_grid() -> Chart {
    let values = [205.0, 213.0, 180.0].iter().zip([0.0, 1.0, 2.0]);
    let points = values.map(|(y, x)| Point { x, y: *y, range: Some((y - 9.0, y + 5.0)) }).collect();
    let names = ["1×4", "2×2", "4×1"].map(str::to_owned).to_vec();
    chart("Gflop/s by grid", Along::Categories(names), "P×Q", Scale::FromZero, vec![series("", Draw::Points, points)])
}

fn record() -> Chart {
    let days = [0.0, 3.0, 17.0, 40.0, 88.0].map(|day| 1_790_000_000.0 + day * 86_400.0);
    let points = days.into_iter().zip([80.0, 120.0, 150.0, 205.0, 213.4]).map(|(t, y)| Point::new(t, y)).collect();
    let all = vec![series("record", Draw::Stairs, points)];
    chart("The record", Along::Values(Scale::Date), "date", Scale::FromZero, all)
}

fn logarithms() -> Chart {
    let points = [(1e3, 3.0), (2e3, 12.0), (5e3, 60.0), (2e4, 190.0), (1e5, 1500.0), (1e6, 1e6)];
    let name = "a name that is far longer than anybody would call a series of results, or nearly";
    let all = vec![series(name, Draw::Both, points.map(|(x, y)| Point::new(x, y)).to_vec())];
    chart("Log", Along::Values(Scale::Log), "N", Scale::Log, all)
}

fn charts() -> Vec<(&'static str, String)> {
    let nothing = chart("None", Along::Values(Scale::Linear), "N", Scale::FromZero, vec![]);
    [
        ("Live", live()),
        ("Against N", against_n()),
        ("Against the grid", by_grid()),
        ("Record", record()),
        ("Logarithms", logarithms()),
        ("Nothing", nothing),
    ]
    .map(|(name, chart)| (name, responsive(|shape| chart.picture(shape))))
    .to_vec()
}

fn pictures() -> Vec<(&'static str, String)> {
    let mut all = vec![
        ("Map, small", grid::map(&Layout::new(1000, 128, 2, 3))),
        ("Map, large", grid::map(&Layout::new(1_000_000, 256, 8, 8))),
        ("Map, 4096 ranks", grid::map(&Layout::new(1_000_000, 256, 64, 64))),
        ("Map, two blocks", grid::map(&Layout::new(150, 128, 2, 2))),
    ];
    for (name, n, k) in [("Step", 1000, 3), ("Step 7 of many", 1_000_000, 7), ("Small", 300, 1)] {
        all.push((name, responsive(|shape| step::step(&Layout::new(n, 100, 2, 2), k, shape))));
    }
    all.push(("Work left", responsive(|shape| step::work_left(None, shape))));
    for (name, multiply, peak) in
        [("Waterfall", 640.0, 280.0), ("With a gain", 500.0, 280.0), ("Without a peak", 640.0, 0.0)]
    {
        let (way, flops) = way(multiply, peak);
        all.push((name, responsive(|shape| waterfall::picture(&way, flops, shape))));
    }
    all.extend(charts());
    let map = |columns, rows| {
        heat::tests::heat(columns, rows, |row, column| {
            (row + 2 * column != 5).then(|| rate((column as f64 + 1.0) * 5000.0, (row as f64 + 1.0) * 64.0))
        })
        .picture()
    };
    all.extend([("Heat", map(4, 5)), ("Wide heat", map(12, 5))]);
    let rank = |scale: f64| Phases {
        pfact: 15.0 * scale,
        pivot: 4.0 / scale,
        bcast: 9.0 * scale * scale,
        swap: 21.0,
        update: 150.0 / scale,
        backsolve: 0.05,
    };
    let spread = Spread::of(&[rank(1.0), rank(1.1), rank(1.25), rank(0.95)]);
    all.push(("Phases", responsive(|shape| phases::picture(&spread.max, Some(&spread), shape))));
    all.push(("Phases of the slowest", responsive(|shape| phases::picture(&spread.max, None, shape))));
    for tier in ResultTier::ALL {
        all.push(("Badge", badge::badge("HPL", Some((213.44, "Gflop/s")), tier)));
    }
    all
}

#[test]
fn all_pictures_are_drawn_on_one_page() {
    let all = pictures();
    for (name, picture) in &all {
        for part in picture.split("<svg").skip(1) {
            let svg = part.rsplit_once("</svg>").map_or(part, |(inside, _)| inside);
            check(&format!("<svg{svg}</svg>"));
            assert!(picture.len() < 150_000, "{name}: {} bytes", picture.len());
        }
    }
    let (way, flops) = way(640.0, 280.0);
    let steps = waterfall::steps(&way, flops);
    let example = card::tests::example(&steps);
    let cards = [
        example,
        Card {
            figure: Some(1_234_567.0),
            user: "Wolfeschlegelsteinhausenbergerdorff-Senior-the-Third",
            tier: ResultTier::Flagged,
            ..example
        },
        Card {
            way: &[],
            figure: None,
            tier: ResultTier::Failed,
            share_of_peak: None,
            residual: "The residual is 4,711, not below 16: the answer is wrong.",
            ..example
        },
    ];
    let drawn: Vec<Vec<u8>> = cards.iter().map(|one| png::png(&card(one)).unwrap()).collect();
    let Ok(folder) = std::env::var("HPL_PICTURES") else { return };
    let body: String =
        all.iter().map(|(name, picture)| format!("<section><h2>{name}</h2>{picture}</section>")).collect();
    let page = format!(
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Pictures</title>\
         <style>{}\n{}</style><main>{body}</main>",
        include_str!("../../../styles/tokens.css"),
        include_str!("../../../styles/picture.css"),
    );
    let write = |name: &str, bytes: &[u8]| std::fs::write(std::path::Path::new(&folder).join(name), bytes).unwrap();
    write("index.html", page.as_bytes());
    for (i, (png, one)) in drawn.iter().zip(&cards).enumerate() {
        write(&format!("card-{i}.png"), png);
        write(&format!("card-{i}.svg"), card(one).as_bytes());
    }
}
