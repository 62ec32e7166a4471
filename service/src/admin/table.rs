//! Tables for people: columns as wide as they must be, all of it as wide as a terminal.

/// Most characters of a line.
const WIDTH: usize = 100;
/// No column is cut below this.
const LEAST: usize = 6;

/// A cell without anything that a terminal would obey.
fn plain(cell: &str) -> String {
    cell.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Cuts a cell to `width` characters; an ellipsis says that something is missing.
fn cut(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return cell.to_owned();
    }
    cell.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// A table with a head. Where it would be too wide, the widest column is cut first.
pub(super) fn table<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| plain(cell))).collect();
    let mut widths = head.map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    while widths.iter().sum::<usize>() + 2 * (N - 1) > WIDTH {
        let Some(widest) = widths.iter_mut().max() else { break };
        if *widest <= LEAST {
            break;
        }
        *widest -= 1;
    }
    let mut text = String::new();
    for row in std::iter::once(&head.map(str::to_owned)).chain(&rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, w)| format!("{:w$}", cut(cell, w))).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_the_terminal_and_cannot_move_its_cursor() {
        let rows = [["a".to_owned(), "ä".repeat(200)], ["\x1b[2Jb".to_owned(), "c".to_owned()]];
        let text = table(["WHO", "WHAT"], &rows);
        assert_eq!(text.lines().map(|l| l.chars().count()).max(), Some(WIDTH));
        assert!(text.contains("ä…") && text.contains("?[2Jb") && !text.contains('\x1b'), "{text}");
        assert_eq!(table(["A"], &[["x".into()]]), "A\nx\n");
    }
}
