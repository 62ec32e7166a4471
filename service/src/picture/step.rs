//! One step of the factorization in four frames, on the reader's own blocks; and how much work is left.

use crate::picture::layout::Layout;
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, text};

/// Blocks in a row of a frame.
const SHOWN: u64 = 6;
/// The side of a block.
const CELL: f64 = 26.0;
/// The side of a frame.
const SIDE: f64 = SHOWN as f64 * CELL;
/// The height of a line of words.
const LINE: f64 = 18.0;

/// The share of the work that is done after that share of the columns: what is left is a cube.
#[must_use]
pub fn work_done(columns: f64) -> f64 {
    let left = if columns.is_nan() { 1.0 } else { 1.0 - columns.clamp(0.0, 1.0) };
    1.0 - left.powi(3)
}

/// A frame in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// A few words.
    pub name: &'static str,
    /// One or two sentences.
    pub sentence: String,
}

/// The frames of step `k` (from 0; one beyond the last is the last) in words; none without a matrix.
#[must_use]
pub fn frames(layout: &Layout, k: u64) -> Vec<Frame> {
    let blocks = layout.blocks();
    if blocks == 0 {
        return Vec::new();
    }
    let k = k.min(blocks - 1);
    let column = k % layout.q;
    // Only ranks that hold a block of the panel have a part in it.
    let owners: Vec<String> = (k..blocks)
        .take(usize::try_from(layout.p.min(9)).unwrap_or(9))
        .map(|block| layout.rank_of(block, k).to_string())
        .collect();
    let all = layout.p.min(blocks - k);
    let named =
        if all > 6 { format!("{} and {} more ranks", owners[..3].join(", "), all - 3) } else { text::list(&owners, 6) };
    let held = if all == 1 { format!("rank {named}") } else { format!("ranks {named}") };
    let left = blocks - 1 - k;
    let done = ((k + 1) as f64 * layout.nb as f64 / layout.n as f64).min(1.0);
    let broadcast = if layout.q == 1 {
        "Q is 1: nobody else needs the panel, so nothing is sent.".to_owned()
    } else if left == 0 {
        "This was the last panel: nothing is left that would need it.".to_owned()
    } else {
        "Each of them sends its part along its row of the grid. All ranks need it for the update.".to_owned()
    };
    let update = if left == 0 {
        "Nothing is left to update.".to_owned()
    } else {
        format!(
            "Pivot rows are swapped to the top, and every rank gets those of its columns. With them all ranks solve for U and update the {} × {} blocks that are left.",
            text::count(left),
            text::count(left)
        )
    };
    let last = if left == 0 {
        "All columns are factored. Back substitution then gives x.".to_owned()
    } else {
        format!(
            "{} of the columns are finished, and {} of the work. The next panel is that of column {} of the grid.",
            text::percent(done),
            text::percent(work_done(done)),
            (k + 1) % layout.q
        )
    };
    let panel = format!(
        "Block column {} is held by column {column} of the grid: {held}. Together they find the pivots.",
        text::count(k)
    );
    vec![
        Frame { name: "Factor the panel", sentence: panel },
        Frame { name: "Broadcast it", sentence: broadcast },
        Frame { name: "Swap and update", sentence: update },
        Frame { name: "One step done", sentence: last },
    ]
}

/// The part of the matrix that frames show.
struct Window {
    first: u64,
    shown: u64,
    k: u64,
}

impl Window {
    fn of(layout: &Layout, k: u64) -> Window {
        let blocks = layout.blocks();
        let k = k.min(blocks.saturating_sub(1));
        let shown = blocks.min(SHOWN);
        // One finished block is shown before the panel, where there is one.
        let first = k.saturating_sub(1).min(blocks - shown);
        Window { first, shown, k }
    }
}

/// Step `k` as four frames: below each other in a tall picture, side by side in a wide one.
///
/// Frames are groups of the classes `frame frame-1` to `frame-4`; what happens in them is in groups of the class
/// `moving`, which the style sheet lets appear one after the other where motion is welcome.
#[must_use]
pub fn step(layout: &Layout, k: u64, shape: Shape) -> String {
    let words = frames(layout, k);
    let class = format!("{} factorization", shape.class());
    let title = format!("Step {} of the factorization", text::count(k.min(layout.blocks().saturating_sub(1))));
    if words.is_empty() {
        let mut svg = Svg::new(shape.width(), 40.0, &class, &title, "N is 0: there is nothing to factor.");
        svg.text("quiet", 0.0, 22.0, Anchor::Start, "N is 0: there is nothing to factor.");
        return svg.finish();
    }
    let window = Window::of(layout, k);
    let side = window.shown as f64 * CELL;
    let tall = shape == Shape::Tall;
    let room = if tall { shape.width() - side - 16.0 } else { SIDE };
    let texts: Vec<Vec<String>> = words.iter().map(|w| text::wrapped(&w.sentence, LETTER, room)).collect();
    let lines_height = |lines: &Vec<String>| lines.len() as f64 * LINE;
    // Below each other, each frame has its own height; side by side, all have that of the highest.
    let heights: Vec<f64> = if tall {
        texts.iter().map(|lines| (lines_height(lines) + 20.0).max(side) + 22.0).collect()
    } else {
        vec![texts.iter().map(lines_height).fold(0.0, f64::max) + side + 46.0]
    };
    let height = heights.iter().sum::<f64>() + note_height(layout, &window);
    let description: Vec<String> =
        words.iter().enumerate().map(|(i, w)| format!("{}: {}. {}", i + 1, w.name, w.sentence)).collect();
    let mut svg = Svg::new(shape.width(), height, &class, &title, &description.join(" "));
    for (i, (word, lines)) in words.iter().zip(&texts).enumerate() {
        let gap = (shape.width() - 4.0 * SIDE) / 3.0;
        let (x, y) = if tall { (1.0, heights[..i].iter().sum::<f64>() + 2.0) } else { (i as f64 * (SIDE + gap), 2.0) };
        svg.group(&format!("frame frame-{}", i + 1));
        draw_frame(&mut svg, layout, &window, i, (x, y));
        let (words_x, foot) = if tall { (x + side + 14.0, y + 13.0) } else { (x, y + side + 22.0) };
        svg.text("strong", words_x, foot, Anchor::Start, &format!("{} {}", i + 1, word.name));
        svg.lines("", (words_x, foot + LINE + 2.0), LINE, lines);
        svg.end();
    }
    if let Some(note) = note(layout, &window) {
        svg.text("quiet", 0.0, height - 6.0, Anchor::Start, &text::fitting(&note, LETTER, shape.width()));
    }
    svg.finish()
}

/// What is said where not all blocks are shown.
fn note(layout: &Layout, window: &Window) -> Option<String> {
    let (first, last, all) = (window.first, window.first + window.shown - 1, layout.blocks());
    (window.shown < all)
        .then(|| format!("Blocks {} to {} of {}.", text::count(first), text::count(last), text::count(all)))
}

fn note_height(layout: &Layout, window: &Window) -> f64 {
    if note(layout, window).is_some() { 20.0 } else { 0.0 }
}

/// What a block is doing in a frame.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Done,
    Quiet,
    Busy,
}

fn part(frame: usize, k: u64, row: u64, column: u64) -> Part {
    let busy = match frame {
        0 | 1 => column == k && row >= k,
        2 => column > k && row >= k,
        _ => column > k && row > k,
    };
    match () {
        () if busy => Part::Busy,
        () if row < k || column < k || (frame == 3 && (row == k || column == k)) => Part::Done,
        () => Part::Quiet,
    }
}

fn draw_frame(svg: &mut Svg, layout: &Layout, window: &Window, frame: usize, (x, y): (f64, f64)) {
    let at = |block: u64| (block - window.first) as f64 * CELL;
    let range = || window.first..window.first + window.shown;
    for row in range() {
        for column in range() {
            let (left, top) = (x + at(column), y + at(row));
            let colour = layout.colour_of(row, column);
            match part(frame, window.k, row, column) {
                Part::Done => svg.rect("block done", left, top, CELL, CELL),
                Part::Quiet => svg.rect(&format!("cell rank-{colour} faded"), left, top, CELL, CELL),
                Part::Busy => {
                    svg.group("moving");
                    svg.rect(&format!("cell rank-{colour}"), left, top, CELL, CELL);
                    let rank = layout.rank_of(row, column).to_string();
                    if text::width(&rank, LETTER) <= CELL - 1.0 {
                        svg.text("on-cell", left + CELL / 2.0, top + CELL / 2.0 + 4.5, Anchor::Middle, &rank);
                    }
                    svg.end();
                }
            }
        }
    }
    let end = at(window.first + window.shown);
    let (from, next) = (at(window.k), at(window.k) + CELL);
    svg.group("moving");
    match frame {
        0 => svg.rect("outline", x + from, y + from, CELL, end - from),
        1 if layout.q > 1 => {
            svg.rect("outline", x + from, y + from, CELL, end - from);
            for row in window.k..window.first + window.shown {
                arrow(svg, (x + next + 3.0, y + at(row) + CELL / 2.0), x + end - 3.0);
            }
        }
        2 => {
            svg.rect("outline", x + next, y + from, end - next, CELL);
            svg.rect("outline", x + next, y + next, end - next, end - next);
        }
        3 => svg.rect("outline", x + next, y + next, end - next, end - next),
        _ => {}
    }
    svg.end();
}

/// An arrow to the right; none where there is no room for one.
fn arrow(svg: &mut Svg, (x, y): (f64, f64), to: f64) {
    if to - x >= 12.0 {
        svg.line("arrow", (x, y), (to - 6.0, y));
        svg.polygon("arrow-head", &[(to, y), (to - 8.0, y - 4.0), (to - 8.0, y + 4.0)]);
    }
}

/// How much of the work is done after how many of the columns; with a mark at `here`, or else at a third.
#[must_use]
pub fn work_left(here: Option<f64>, shape: Shape) -> String {
    let here = here.filter(|h| h.is_finite()).map_or(1.0 / 3.0, |h| h.clamp(0.0, 1.0));
    let said = format!("{} of the columns, {} of the work", text::percent(here), text::percent(work_done(here)));
    let (width, high) = (shape.width(), if shape == Shape::Tall { 200.0 } else { 260.0 });
    let (left, right, top) = (52.0, width - 22.0, 34.0);
    let bottom = top + high;
    let place = |f: f64| (left + (right - left) * f, bottom - high * work_done(f));
    let class = format!("{} work-left", shape.class());
    let title = "Work done against columns done";
    let mut svg = Svg::new(
        width,
        bottom + 46.0,
        &class,
        title,
        &format!("{said} are done. The first columns cost most, the last ones almost nothing."),
    );
    svg.text("strong", 0.0, 14.0, Anchor::Start, &said);
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let (x, y) = (left + (right - left) * share, bottom - high * share);
        svg.line("ruling", (left, y), (right, y));
        svg.text("quiet", left - 6.0, y + 4.5, Anchor::End, &text::percent(share));
        svg.text("quiet", x, bottom + 19.0, Anchor::Middle, &text::percent(share));
    }
    let curve: Vec<(f64, f64)> = (0..=60).map(|i| place(f64::from(i) / 60.0)).collect();
    let mut area: Vec<(f64, f64)> = (0..=30).map(|i| place(here * f64::from(i) / 30.0)).collect();
    area.push((place(here).0, bottom));
    area.push((left, bottom));
    svg.polygon("work-area", &area);
    svg.polyline("work-curve", &curve);
    let (x, y) = place(here);
    svg.line("reference", (x, y), (x, bottom));
    svg.line("reference", (left, y), (x, y));
    svg.circle("here", x, y, 6.0);
    svg.text("quiet", width, bottom + 38.0, Anchor::End, "columns that are factored");
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::check;

    #[test]
    fn a_third_of_the_columns_is_seventy_percent_of_the_work() {
        assert!((work_done(1.0 / 3.0) - 19.0 / 27.0).abs() < 1e-12);
        assert_eq!([work_done(0.0), work_done(1.0), work_done(f64::NAN), work_done(7.0)], [0.0, 1.0, 0.0, 1.0]);
        let picture = work_left(None, Shape::Tall);
        check(&picture);
        assert!(picture.contains("33 % of the columns, 70 % of the work"), "{picture}");
        for here in [Some(0.0), Some(1.0), Some(-3.0), Some(f64::NAN), Some(0.5)] {
            check(&work_left(here, Shape::Wide));
        }
    }

    #[test]
    fn the_panel_belongs_to_the_column_k_mod_q() {
        let layout = Layout::new(1000, 100, 2, 3);
        let words = frames(&layout, 4);
        assert!(
            words[0].sentence.contains("Block column 4 is held by column 1 of the grid: ranks 1 and 4."),
            "{words:?}"
        );
        assert!(
            words[2].sentence.contains("all ranks solve for U") && words[2].sentence.contains("5 × 5 blocks"),
            "{words:?}"
        );
        assert!(words[3].sentence.contains("50 % of the columns") && words[3].sentence.contains("88 % of the work"));
        assert!(words[3].sentence.contains("column 2 of the grid"));
        // The last block of a panel may be that of one rank alone.
        assert!(frames(&layout, 9)[0].sentence.contains("rank 3."), "{:?}", frames(&layout, 9));
        assert!(frames(&layout, 99)[2].sentence.contains("Nothing is left"));
    }

    #[test]
    fn frames_have_classes_that_a_style_sheet_can_move() {
        let picture = step(&Layout::new(1000, 100, 2, 2), 1, Shape::Wide);
        check(&picture);
        for frame in 1..=4 {
            assert!(picture.contains(&format!("class=\"frame frame-{frame}\"")));
        }
        assert!(picture.contains("Blocks 0 to 5 of 10.") && picture.contains("arrow-head"));
    }

    #[test]
    fn extremes_are_drawn() {
        for n in [0, 1, 5, 1000, 1_000_000] {
            for nb in [1, 7, 128, 2_000_000] {
                for (p, q) in [(1, 1), (2, 2), (1, 4096), (4096, 1), (64, 64)] {
                    for k in [0, 1, 5, u64::MAX] {
                        for shape in [Shape::Tall, Shape::Wide] {
                            check(&step(&Layout::new(n, nb, p, q), k, shape));
                        }
                    }
                }
            }
        }
    }
}
