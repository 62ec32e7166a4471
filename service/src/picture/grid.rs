//! The block-cyclic map: the matrix in blocks, each in the colour and with the number of the rank that holds it.

use crate::picture::layout::Layout;
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{LETTER, Shape, text};

/// Room for the numbers of the grid's rows and columns.
const MARGIN: f64 = 26.0;
/// The height of a line of words.
const LINE: f64 = 18.0;
/// The side of the smallest cell.
const LEAST_CELL: f64 = 21.0;

/// What the map shows, in sentences: for the page, and for those who cannot see it.
#[must_use]
pub fn sentences(layout: &Layout) -> Vec<String> {
    let Layout { n, nb, p, q, .. } = *layout;
    if n == 0 {
        return vec!["N is 0: there is no matrix, so no rank has anything to do.".to_owned()];
    }
    let blocks = layout.blocks();
    let mut out = vec![format!(
        "A matrix of N = {} in blocks of NB = {} has {} × {} blocks, dealt out to {} like cards.",
        text::count(n),
        text::count(nb),
        text::count(blocks),
        text::count(blocks),
        if layout.ranks() == 1 {
            "one rank".to_owned()
        } else {
            format!("{} × {} ranks", text::count(p), text::count(q))
        },
    )];
    let last = layout.width_of(blocks - 1);
    if last < nb && blocks > 1 {
        out.push(format!(
            "The last block row and column have only {} of {} lines.",
            text::count(last),
            text::count(nb)
        ));
    }
    if layout.ranks() > 1 {
        if let Some(share) = layout.memory_imbalance() {
            out.push(format!("The fullest rank holds {} more than the mean.", text::percent(share)));
        }
        if let Some(share) = layout.work_imbalance() {
            out.push(format!(
                "In the updates, the busiest rank has {} more to do than the mean.",
                text::percent(share)
            ));
        }
    }
    match layout.idle_ranks() {
        0 => {}
        1 => out.push("One rank holds no block at all: it can only wait.".to_owned()),
        idle => out.push(format!("{} ranks hold no block at all: they can only wait.", text::count(idle))),
    }
    out
}

/// How the blocks are put on the picture.
struct View {
    /// Blocks shown in a row and in a column.
    shown: u64,
    /// The side of a whole block.
    cell: f64,
    /// The side of the last block shown.
    last: f64,
}

impl View {
    fn of(layout: &Layout, room: f64) -> View {
        let blocks = layout.blocks();
        let digits = text::width(&(layout.ranks() - 1).to_string(), LETTER);
        let least = LEAST_CELL.max(digits + 6.0);
        let most = (room / least).floor().max(1.0) as u64;
        let shown = blocks.min(most);
        let part =
            if shown == blocks && blocks > 0 { layout.width_of(blocks - 1) as f64 / layout.nb as f64 } else { 1.0 };
        // Few blocks are not blown up beyond what reads as a cell.
        let cell = (room / ((shown.max(1) - 1) as f64 + part)).min(96.0);
        View { shown, cell, last: cell * part }
    }

    fn side(&self) -> f64 {
        self.shown.saturating_sub(1) as f64 * self.cell + if self.shown > 0 { self.last } else { 0.0 }
    }

    fn size(&self, block: u64) -> f64 {
        if block + 1 == self.shown { self.last } else { self.cell }
    }
}

/// The map as a picture. Of too many blocks it shows the first and says so.
#[must_use]
pub fn map(layout: &Layout) -> String {
    let width = Shape::Tall.width();
    let view = View::of(layout, width - MARGIN - 2.0);
    let blocks = layout.blocks();
    let mut notes = Vec::new();
    if blocks == 0 {
        notes.push("N is 0: no blocks.".to_owned());
    } else if view.shown < blocks {
        let (shown, all) = (text::count(view.shown), text::count(blocks));
        notes.push(format!("The first {shown} × {shown} of {all} × {all} blocks. The pattern goes on like this."));
    }
    if blocks > 0 {
        notes.push(
            "The number in a block is its rank; along the edges, the row and column of the grid of ranks.".to_owned(),
        );
    }
    let notes: Vec<String> = notes.iter().flat_map(|note| text::wrapped(note, LETTER, width - 4.0)).collect();
    let top = MARGIN + view.side() + 22.0;
    let height = top + notes.len() as f64 * LINE - 8.0;
    let mut svg =
        Svg::new(width, height, "tall grid-map", "Which rank holds which block", &sentences(layout).join(" "));
    headings(&mut svg, layout, &view);
    for row in 0..view.shown {
        for column in 0..view.shown {
            cell(&mut svg, layout, &view, row, column);
        }
    }
    svg.lines("quiet", (2.0, top), LINE, &notes);
    svg.finish()
}

fn headings(svg: &mut Svg, layout: &Layout, view: &View) {
    for block in 0..view.shown {
        let middle = block as f64 * view.cell + view.size(block) / 2.0 + MARGIN;
        for (along, all) in [(true, layout.q), (false, layout.p)] {
            let label = (block % all).to_string();
            let room = if along { view.size(block) } else { MARGIN - 4.0 };
            if text::width(&label, LETTER) <= room && view.size(block) >= LETTER {
                let (x, y) = if along { (middle, MARGIN - 7.0) } else { (MARGIN / 2.0 - 1.0, middle + 4.5) };
                svg.text("quiet", x, y, Anchor::Middle, &label);
            }
        }
    }
}

fn cell(svg: &mut Svg, layout: &Layout, view: &View, row: u64, column: u64) {
    let (x, y) = (MARGIN + column as f64 * view.cell, MARGIN + row as f64 * view.cell);
    let (width, height) = (view.size(column), view.size(row));
    let colour = layout.colour_of(row, column);
    svg.rect(&format!("cell rank-{colour}"), x, y, width, height);
    let label = layout.rank_of(row, column).to_string();
    if text::width(&label, LETTER) <= width && height >= LETTER {
        svg.text("on-cell", x + width / 2.0, y + height / 2.0 + 4.5, Anchor::Middle, &label);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::tests::check;

    #[test]
    fn every_block_is_shown_with_its_rank() {
        let layout = Layout::new(1000, 128, 2, 3);
        let picture = map(&layout);
        let document = check(&picture);
        assert_eq!(document.matches("class=\"cell").count(), 8 * 8);
        for rank in 0..6 {
            assert!(picture.contains(&format!(">{rank}</text>")));
        }
        assert!(!picture.contains("The first"));
    }

    #[test]
    fn of_too_many_blocks_the_first_are_shown_and_the_picture_says_so() {
        let picture = map(&Layout::new(1_000_000, 1, 64, 64));
        check(&picture);
        assert!(picture.contains("of 1,000,000 × 1,000,000") && picture.contains("The first"), "{picture}");
        assert!(picture.len() < 100_000);
    }

    #[test]
    fn extremes_are_drawn() {
        for n in [0, 1, 2, 100, 129, 1_000_000] {
            for nb in [0, 1, 128, 1_000_000] {
                for (p, q) in [(0, 0), (1, 1), (1, 4096), (64, 64), (4096, 1)] {
                    check(&map(&Layout::new(n, nb, p, q)));
                }
            }
        }
    }

    #[test]
    fn sentences_name_what_is_uneven() {
        let all = sentences(&Layout::new(1000, 300, 5, 1)).join(" ");
        assert!(
            all.contains("4 × 4 blocks") && all.contains("only 100 of 300") && all.contains("One rank holds no block"),
            "{all}"
        );
        assert_eq!(sentences(&Layout::new(0, 1, 2, 2)).len(), 1);
    }
}
