//! The system of equations, the panel cut in parts, a column of memory with its padding.

use super::{LETTER, arrow};
use crate::picture::svg::{Anchor, Svg};
use crate::picture::{Shape, responsive, text};

/// A·x = b, and what becomes of A.
pub fn system(n: u64) -> String {
    let about = format!(
        "A square matrix A of {0} rows and {0} columns, times the unknown column x, is the known column b. \
         A becomes the product of two triangles, L below and U above.",
        text::count(n)
    );
    let draw = |shape: Shape| {
        let wide = shape == Shape::Wide;
        let (width, height) = (shape.width(), if wide { 210.0 } else { 376.0 });
        let mut svg = Svg::new(width, height, &format!("{} system", shape.class()), "A times x is b", &about);
        let (side, top) = (130.0, 30.0);
        let named = |svg: &mut Svg, x: f64, y: f64, width: f64, class: &str, name: &str| {
            svg.rect(class, x, y, width, side);
            svg.text("large", x + width / 2.0, y + side / 2.0 + 6.0, Anchor::Middle, name);
        };
        let left = if wide { 34.0 } else { 46.0 };
        let middle = top + side / 2.0 + 6.0;
        named(&mut svg, left, top, side, "rank-0", "A");
        svg.text("large", left + side + 12.0, middle, Anchor::Middle, "·");
        named(&mut svg, left + side + 24.0, top, 26.0, "rank-1", "x");
        svg.text("large", left + side + 66.0, middle, Anchor::Middle, "=");
        named(&mut svg, left + side + 82.0, top, 26.0, "rank-5", "b");
        let size = format!("N = {}", text::count(n));
        svg.text("quiet", left + side / 2.0, top + side + 18.0, Anchor::Middle, &size);
        svg.text("quiet", left + side + 37.0, top + side + 18.0, Anchor::Middle, "wanted");
        svg.text("quiet", left + side + 97.0, top + side + 18.0, Anchor::Middle, "given");
        // Beside it on a desk, below it on a telephone.
        let (x, y) = if wide { (width - side - 96.0, top) } else { (left + 20.0, top + side + 56.0) };
        if wide {
            arrow(&mut svg, "whole", (left + side + 124.0, middle - 6.0), (x - 20.0, middle - 6.0));
        } else {
            arrow(&mut svg, "whole", (left + side / 2.0, top + side + 26.0), (x + side / 2.0, y - 8.0));
        }
        svg.polygon("rank-3", &[(x, y), (x, y + side), (x + side, y + side)]);
        svg.polygon("rank-2", &[(x + 5.0, y), (x + side + 5.0, y), (x + side + 5.0, y + side)]);
        svg.text("large", x + side * 0.3, y + side * 0.75 + 6.0, Anchor::Middle, "L");
        svg.text("large", x + side * 0.72 + 5.0, y + side * 0.3 + 6.0, Anchor::Middle, "U");
        svg.text("quiet", x + side / 2.0, y + side + 18.0, Anchor::Middle, "L · U, easy to solve");
        svg.finish()
    };
    responsive(draw)
}

/// The widths into which a panel of `width` columns is cut, level by level: the recursion of RFACT with NBMIN and NDIV.
pub fn levels(width: u64, nbmin: u64, ndiv: u64) -> Vec<Vec<u64>> {
    let (nbmin, ndiv) = (nbmin.max(1), ndiv.max(2));
    let mut levels = vec![vec![width.max(1)]];
    while let Some(last) = levels.last().filter(|level| level.iter().any(|part| *part > nbmin)) {
        let mut next = vec![];
        for part in last {
            if *part <= nbmin {
                next.push(*part);
                continue;
            }
            let each = part.div_ceil(nbmin).div_ceil(ndiv) * nbmin;
            let mut left = *part;
            while left > 0 {
                next.push(each.min(left));
                left -= each.min(left);
            }
        }
        levels.push(next);
    }
    levels
}

/// Parts of a line of the panel below which it is drawn whole.
const NARROWEST: f64 = 2.0;

/// A panel of NB columns, cut in parts until they are narrow enough.
pub fn recursion(nb: u64, nbmin: u64, ndiv: u64) -> String {
    let levels = levels(nb, nbmin, ndiv);
    let leaves = levels.last().map_or(0, Vec::len);
    let about = format!(
        "A panel of {nb} columns is cut into {ndiv} parts again and again, {} times, until {leaves} parts of at most \
         {nbmin} columns are left.",
        levels.len() - 1
    );
    responsive(|shape| {
        let width = shape.width();
        let line = 30.0;
        let height = levels.len() as f64 * line + 6.0;
        let mut svg =
            Svg::new(width, height, &format!("{} recursion", shape.class()), "The panel cut in parts", &about);
        for (row, level) in levels.iter().enumerate() {
            let (mut x, y) = (1.0, 2.0 + row as f64 * line);
            let last = row + 1 == levels.len();
            let each = |part: u64| part as f64 / nb.max(1) as f64 * (width - 2.0);
            if level.iter().all(|part| each(*part) < NARROWEST) {
                // So many that none could be seen.
                svg.rect(if last { "leaf" } else { "block" }, x, y, width - 2.0, line - 7.0);
                continue;
            }
            for part in level {
                let wide = each(*part);
                svg.rect(if last { "leaf" } else { "block" }, x, y, wide, line - 7.0);
                let words = part.to_string();
                if text::width(&words, LETTER) <= wide {
                    svg.text("on-cell", x + wide / 2.0, y + 16.5, Anchor::Middle, &words);
                }
                x += wide;
            }
        }
        svg.finish()
    })
}

/// A few columns of the local matrix in memory: `rows` that count, then padding up to `leading`.
pub fn padding(rows: u64, leading: u64) -> String {
    let pad = leading.saturating_sub(rows);
    let about = match pad {
        0 => format!("Columns of {} numbers follow each other without a gap.", text::count(rows)),
        _ => format!("Each column of {} numbers is followed by {} unused ones.", text::count(rows), text::count(pad)),
    };
    let draw = |shape: Shape| {
        let width = shape.width();
        let columns = 3;
        let each = (width - 2.0) / f64::from(columns);
        // Padding of a few in thousands could not be seen.
        let unused = if pad == 0 { 0.0 } else { (each * pad as f64 / leading.max(1) as f64).clamp(26.0, each * 0.5) };
        let mut svg = Svg::new(width, 62.0, &format!("{} padding", shape.class()), "Columns in memory", &about);
        for column in 0..columns {
            let x = 1.0 + f64::from(column) * each;
            svg.rect("cell rank-0", x, 2.0, each - unused, 34.0);
            svg.rect("empty", x + each - unused, 2.0, unused, 34.0);
            let words = format!("column {column}");
            let words = if text::width(&words, LETTER) <= each - unused { words } else { column.to_string() };
            svg.text("on-cell", x + (each - unused) / 2.0, 23.0, Anchor::Middle, &words);
        }
        let words = if pad == 0 { "no padding".to_owned() } else { format!("{pad} unused") };
        svg.text("quiet", width - 1.0, 56.0, Anchor::End, &words);
        svg.text("quiet", 1.0, 56.0, Anchor::Start, &format!("{} rows", text::count(rows)));
        svg.finish()
    };
    responsive(draw)
}

/// Parts of a hundred as bars: the words beside each, and how much.
pub fn bars(title: &str, lines: &[(String, f64)]) -> String {
    let told: Vec<String> = lines.iter().map(|(words, part)| format!("{words}: {part:.1} %")).collect();
    responsive(|shape| {
        let width = shape.width();
        let line = 44.0;
        let height = lines.len() as f64 * line;
        let mut svg = Svg::new(width, height, shape.class(), title, &text::list(&told, 12));
        for (row, (words, part)) in lines.iter().enumerate() {
            let y = row as f64 * line;
            let number = format!("{part:.1} %");
            let room = width - text::width(&number, LETTER) - 12.0;
            svg.text("", 0.0, y + 14.0, Anchor::Start, &text::fitting(words, LETTER, room));
            svg.text("strong", width, y + 14.0, Anchor::End, &number);
            svg.rect("bar-track", 0.0, y + 20.0, width, 12.0);
            svg.rect("bar-score", 0.0, y + 20.0, width * (part / 100.0).clamp(0.0, 1.0), 12.0);
        }
        svg.finish()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_in_thousands_of_parts_is_no_large_picture() {
        let large = recursion(10_000, 4, 2);
        assert!(large.len() < 120_000, "{}", large.len());
        assert!(large.contains("1250") || large.contains("1252"), "wide parts are still told");
    }

    #[test]
    fn panels_are_cut_as_hpl_cuts_them() {
        assert_eq!(levels(32, 8, 2), [vec![32], vec![16, 16], vec![8, 8, 8, 8]]);
        assert_eq!(levels(30, 4, 3), [vec![30], vec![12, 12, 6], vec![4, 4, 4, 4, 4, 4, 4, 2]]);
        assert_eq!(levels(8, 8, 2), [vec![8]]);
        for (nb, nbmin, ndiv) in [(1, 1, 2), (256, 1, 2), (100, 7, 3), (4096, 64, 9), (13, 100, 2)] {
            for level in levels(nb, nbmin, ndiv) {
                assert_eq!(level.iter().sum::<u64>(), nb);
            }
            assert!(levels(nb, nbmin, ndiv).last().unwrap().iter().all(|part| *part <= nbmin.max(1)));
        }
    }
}
