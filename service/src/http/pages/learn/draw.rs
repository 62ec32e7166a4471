//! What the topics about the matrix show: its size, its blocks, its grid, how it lies in memory, how the work goes.

use hpl_spec::advice::{block_size, fraction_done, squarest_grid};
use hpl_spec::benchmark::figure;
use hpl_spec::params::{PROCESS, leading_dimension, numroc};

use super::numbers::Numbers;
use super::picture::{blocks, curve};
use super::shown::{Shown, Table, row};
use crate::http::pages::words::bytes;
use crate::ops::nodes::Largest;
use crate::picture::layout::Layout;
use crate::picture::{grid, text};

/// Ranks that a table lists.
const LISTED: u64 = 16;
/// Block sizes to compare with.
const NBS: [u64; 6] = [32, 64, 128, 192, 256, 384];

/// Operations in thousand millions.
pub fn gflop(numbers: &Numbers) -> f64 {
    numbers.params().flops() / 1e9
}

/// Bytes of all ranks together.
pub fn all_bytes(numbers: &Numbers) -> u64 {
    numbers.params().bytes_per_rank().saturating_add(PROCESS).saturating_mul(numbers.ranks())
}

/// Units of work, in Gflop.
const WORK: [(f64, &str); 5] = [(1e12, "Zflop"), (1e9, "Eflop"), (1e6, "Pflop"), (1e3, "Tflop"), (1.0, "Gflop")];
/// Units of memory, in bytes.
const MEMORY: [(f64, &str); 5] = [
    ((1_u64 << 50) as f64, "PiB"),
    ((1_u64 << 40) as f64, "TiB"),
    ((1_u64 << 30) as f64, "GiB"),
    ((1_u64 << 20) as f64, "MiB"),
    ((1_u64 << 10) as f64, "KiB"),
];

/// The unit in which `most` is not a long number.
fn unit(units: [(f64, &'static str); 5], most: f64) -> (f64, &'static str) {
    units.into_iter().find(|(size, _)| most >= 2.0 * size).unwrap_or(units[4])
}

/// Work in words.
pub fn work_words(gflop: f64) -> String {
    let (size, name) = if gflop < 1e5 { WORK[4] } else { unit(WORK, gflop) };
    format!("{} {name}", text::figure(gflop / size))
}

/// N: the two curves.
pub fn n(numbers: Numbers, largest: &Largest) -> Shown {
    let mut shown = Shown::default();
    let Numbers { n, .. } = numbers;
    let most = n as f64 * 1.5;
    let here = |x: f64, words: String| [curve::Point { x, words }];
    let top = 8.0 * most * most;
    let (unit_size, name) = unit(MEMORY, top);
    let node = largest.roomiest.as_ref();
    let levels: Vec<curve::Level> = node
        .map(|(name, memory)| curve::Level { y: *memory as f64 * 0.8 / unit_size, words: format!("80 % of {name}") })
        .into_iter()
        .collect();
    let x = || curve::Axis { title: "N", most, words: &text::figure };
    let own = numbers.matrix_bytes() as f64 / unit_size;
    let memory = curve::picture(
        &curve::Curve {
            title: "Memory of the matrix against N",
            about: &format!(
                "It grows with the square of N. At N = {} it is {} {name}.",
                text::count(n),
                text::figure(own)
            ),
            x: x(),
            y: curve::Axis { title: &format!("memory, {name}"), most: top / unit_size, words: &text::figure },
            points: &here(n as f64, format!("{} {name}", text::figure(own))),
            levels: &levels,
        },
        |x| 8.0 * x * x / unit_size,
    );
    shown.figure("Memory: the square of N", memory, "Eight bytes for each of N·N entries.");
    let gflop = gflop(&numbers);
    let work_at = |x: f64| (2.0 / 3.0 * x + 1.5) * x * x / 1e9;
    let (work_size, work_name) = unit(WORK, work_at(most));
    let flops = |x: f64| work_at(x) / work_size;
    let work = curve::picture(
        &curve::Curve {
            title: "Work against N",
            about: &format!("It grows with the cube of N. At N = {} it is {}.", text::count(n), work_words(gflop)),
            x: x(),
            y: curve::Axis { title: &format!("work, {work_name}"), most: flops(most), words: &text::figure },
            points: &here(n as f64, work_words(gflop)),
            levels: &[],
        },
        flops,
    );
    shown.figure("Work: the cube of N", work, "A Gflop is a thousand million operations.");
    shown.fact("The matrix", bytes(numbers.matrix_bytes()));
    shown.fact("All ranks, with panels and programs", bytes(all_bytes(&numbers)));
    shown.fact("Work", work_words(gflop));
    if let Some((_, memory)) = node {
        let fits = ((*memory as f64 * 0.8 / 8.0).sqrt() / numbers.nb as f64).floor() * numbers.nb as f64;
        shown.fact("Matrix that fills 80 % of the largest node", format!("N = {}", text::count(fits as u64)));
    }
    shown.try_with(numbers, &[], format!("Run it with N = {}", text::count(n)));
    let double = Numbers { n: n * 2, ..numbers };
    let words = format!("Double it to {}: 4 times the memory, 8 times the work", text::count(double.n));
    shown.try_with(double, &[], words);
    shown
}

/// The work of the busiest rank above the mean.
fn imbalance(layout: &Layout) -> String {
    layout.work_imbalance().map_or_else(|| "no update".to_owned(), |share| format!("+{}", text::percent(share)))
}

/// The part of the work that is in the panels, which most ranks wait for.
fn panel_share(numbers: &Numbers) -> f64 {
    let (n, nb) = (numbers.n as f64, numbers.nb.min(numbers.n) as f64);
    let panels = numbers.panels() as f64;
    // Of a panel of m rows: m·NB² less a third of NB³; m falls from N in steps of NB.
    let rows = panels * n - nb * panels * (panels - 1.0) / 2.0;
    ((rows * nb * nb - panels * nb.powi(3) / 3.0) / (2.0 / 3.0 * n.powi(3))).clamp(0.0, 1.0)
}

fn map(shown: &mut Shown, layout: &Layout) {
    let sentences = grid::sentences(layout).join(" ");
    shown.figure("Which rank holds which block", grid::map(layout), sentences);
}

/// NB: the map and its neighbours.
pub fn nb(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    map(&mut shown, &numbers.layout());
    shown.fact("NB where none is named", block_size(numbers.n as usize).to_string());
    shown.fact("Panels, one after the other", text::count(numbers.panels()));
    shown.fact("A block", format!("{0} × {0}, {1}", numbers.nb, bytes(8 * numbers.nb * numbers.nb)));
    shown.fact("Part of the work that is in the panels", text::percent(panel_share(&numbers)));
    shown.fact("The busiest rank, above the mean", imbalance(&numbers.layout()));
    let mut choices = NBS.to_vec();
    choices.push(numbers.nb);
    choices.sort_unstable();
    choices.dedup();
    let line = |nb: u64| {
        let other = Numbers { nb, ..numbers };
        let cells = [
            nb.to_string(),
            text::count(other.panels()),
            text::percent(panel_share(&other)),
            imbalance(&other.layout()),
        ];
        row(nb == numbers.nb, cells)
    };
    shown.tables.push(Table {
        mark: "yours",
        caption: format!("Other block sizes for N = {} on {} × {} ranks", text::count(numbers.n), numbers.p, numbers.q),
        head: vec!["NB", "Panels", "Work in panels", "Busiest rank"],
        rows: choices.into_iter().map(line).collect(),
    });
    shown.try_with(numbers, &[], format!("Run it with NB = {}", numbers.nb));
    let half = Numbers { nb: (numbers.nb / 2).max(1), ..numbers };
    let words = format!("Halve it to {}: {} panels, each half as wide", half.nb, text::count(half.panels()));
    shown.try_with(half, &[], words);
    shown
}

/// P, Q and PMAP: the map, what each rank holds, other grids.
pub fn grid(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    let layout = numbers.layout();
    map(&mut shown, &layout);
    shown.fact("Ranks", text::count(numbers.ranks()));
    shown.fact(
        "The fullest rank, above the mean",
        layout.memory_imbalance().map_or(String::new(), |share| format!("+{}", text::percent(share))),
    );
    shown.fact("The busiest rank, above the mean", imbalance(&layout));
    let (listed, ranks) = (numbers.ranks().min(LISTED), numbers.ranks());
    let line = |rank: u64| {
        let (r, c) = (rank / numbers.q, rank % numbers.q);
        let (rows, columns) = (layout.local_rows(r), layout.local_columns(c));
        let held = layout.elements(r, c);
        let share = held as f64 / (numbers.n as f64 * numbers.n as f64);
        let other = numbers.by_columns().rank_at(r, c).to_string();
        let size = format!("{} × {}", text::count(rows), text::count(columns));
        row(false, [rank.to_string(), format!("{r}, {c}"), size, bytes(8 * held), text::percent(share), other])
    };
    let caption = match ranks > LISTED {
        true => format!("What the first {LISTED} of {} ranks hold", text::count(ranks)),
        false => "What each rank holds".to_owned(),
    };
    shown.tables.push(Table {
        mark: "yours",
        caption,
        head: vec!["Rank", "Row, column", "Its part", "Memory", "Of the matrix", "Its number by columns"],
        rows: (0..listed).map(line).collect(),
    });
    let shapes = (1..=ranks).filter(|p| ranks.is_multiple_of(*p)).map(|p| Numbers { p, q: ranks / p, ..numbers });
    let line = |other: Numbers| {
        let layout = other.layout();
        let rounds = if other.p == 1 { 0 } else { (other.p - 1).ilog2() + 1 };
        let cells =
            [format!("{} × {}", other.p, other.q), imbalance(&layout), rounds.to_string(), (other.q - 1).to_string()];
        row(other.p == numbers.p, cells)
    };
    shown.tables.push(Table {
        mark: "yours",
        caption: format!("All grids of {} ranks", text::count(ranks)),
        head: vec!["P × Q", "Busiest rank", "Rounds of a pivot search", "Hops of a panel in a ring"],
        rows: shapes.filter(|other| other.p <= 64 && other.q <= 64).map(line).collect(),
    });
    shown.try_with(numbers, &[], format!("Run it on {} × {} ranks", numbers.p, numbers.q));
    let (p, q) = squarest_grid(ranks as usize);
    if (p as u64, q as u64) != (numbers.p, numbers.q) {
        let other = Numbers { p: p as u64, q: q as u64, ..numbers };
        shown.try_with(other, &[], format!("The squarest grid of as many ranks: {p} × {q}"));
    } else if numbers.p != numbers.q {
        let other = Numbers { p: numbers.q, q: numbers.p, ..numbers };
        shown.try_with(other, &[], format!("The other way round, {} × {}: longer pivot searches", other.p, other.q));
    }
    if ranks > 1 {
        shown.try_with(numbers, &[("order", "column_major")], "Number the ranks by columns (PMAP)");
    }
    shown
}

/// L1, U and ALIGN: a column in memory.
pub fn storage(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    let rows = numroc(numbers.n as usize, numbers.nb as usize, 0, numbers.p as usize);
    let align = numbers.params().align;
    let leading = leading_dimension(rows, align);
    let caption = format!(
        "Rank 0 has {} rows. The next multiple of {align} that is no power of two is {}.",
        text::count(rows as u64),
        text::count(leading as u64)
    );
    shown.figure("Columns in the memory of rank 0", blocks::padding(rows as u64, leading as u64), caption);
    shown.fact("Rows of rank 0", text::count(rows as u64));
    shown.fact("From one column to the next", format!("{} numbers", text::count(leading as u64)));
    shown.fact("L1 of a panel", format!("{0} × {0}, {1}", numbers.nb, bytes(8 * numbers.nb * numbers.nb)));
    let columns = numbers.layout().local_columns(0);
    shown.fact("U of the first step, at most", bytes(8 * numbers.nb * columns));
    let line = |align: usize| {
        let leading = leading_dimension(rows, align);
        let unused = (leading - rows) as u64 * columns * 8;
        row(align == 8, [align.to_string(), text::count(leading as u64), bytes(unused)])
    };
    shown.tables.push(Table {
        mark: "usual",
        caption: "Other alignments for rank 0".to_owned(),
        head: vec!["ALIGN", "From column to column", "Unused in all"],
        rows: [1, 4, 8, 16, 32, 64].map(line).into(),
    });
    shown.try_with(
        numbers,
        &[("l1", "no_transposed"), ("u", "no_transposed")],
        "Keep L1 and U as they are, not transposed",
    );
    shown.try_with(numbers, &[("align", "16")], "Align columns to 16 numbers");
    shown
}

/// Why the work is ⅔·N³ and not even.
pub fn work(numbers: Numbers) -> Shown {
    let mut shown = Shown::default();
    let (gflop, panels) = (gflop(&numbers), numbers.panels());
    shown.fact("Work for your N", work_words(gflop));
    shown.fact("Panels", text::count(panels));
    shown.fact("Of it ⅔·N³", work_words(2.0 / 3.0 * (numbers.n as f64).powi(3) / 1e9));
    shown.fact("The rest, ³⁄₂·N²", format!("{} Gflop", figure(1.5 * (numbers.n as f64).powi(2) / 1e9)));
    let line = |tenth: u64| {
        let done = (panels * tenth).div_ceil(10);
        let part = fraction_done(done as usize, panels as usize);
        let columns = (done * numbers.nb).min(numbers.n);
        let percent = format!("{:.1} %", 100.0 * part);
        let cells = [text::count(done), text::count(columns), percent, work_words(gflop * (1.0 - part))];
        row(false, cells)
    };
    let mut rows: Vec<_> = [1, 2, 3, 5, 7, 9].map(line).into();
    rows.dedup_by(|a, b| a.cells == b.cells);
    shown.tables.push(Table {
        mark: "yours",
        caption: format!("How it goes for N = {} and NB = {}", text::count(numbers.n), numbers.nb),
        head: vec!["Panels done", "Columns done", "Work done", "Work left"],
        rows,
    });
    shown.try_with(numbers, &[], format!("Run it with N = {} and watch the progress", text::count(numbers.n)));
    shown
}
