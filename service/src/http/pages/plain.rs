//! Bytes that a program wrote, as text for a page: what moves cursors, colours letters or turns the order of words
//! about is taken out. The template escapes the rest.

/// The text of a log. Bytes that are no UTF-8 are shown as `�`. Of a line that was written over and over, as progress
/// bars do, the last state is left.
pub(super) fn text(bytes: &[u8]) -> String {
    let raw = String::from_utf8_lossy(bytes);
    let without = strip_sequences(&raw);
    let mut lines = Vec::new();
    for line in without.split('\n') {
        let line = line.trim_end_matches('\r');
        let last = line.rsplit('\r').next().unwrap_or_default();
        lines.push(last.chars().filter(|c| *c == '\t' || !is_hidden(*c)).collect::<String>());
    }
    lines.join("\n")
}

/// Takes out the control sequences of terminals: `ESC [ … letter`, `ESC ] … BEL`, `ESC P … ESC \` and the short ones.
fn strip_sequences(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let kind = match c {
            '\u{1b}' => chars.next(),
            '\u{9b}' => Some('['),
            '\u{9d}' => Some(']'),
            other => {
                out.push(other);
                continue;
            }
        };
        match kind {
            Some('[') => {
                while let Some(c) = chars.next_if(|c| ('\u{20}'..='\u{7e}').contains(c)) {
                    if ('@'..='~').contains(&c) {
                        break;
                    }
                }
            }
            // A string that never ends must not swallow the log: it ends with its line at the latest.
            Some(']' | 'P' | 'X' | '^' | '_') => {
                while let Some(c) = chars.next_if(|c| *c != '\n') {
                    if c == '\u{7}' || c == '\u{9c}' || c == '\u{1b}' && chars.next_if_eq(&'\\').is_some() {
                        break;
                    }
                }
            }
            Some(c) if ('\u{20}'..='\u{2f}').contains(&c) => {
                chars.next_if(|c| *c != '\n');
            }
            Some('\n') => out.push('\n'),
            _ => {}
        }
    }
    out
}

/// Controls, and the marks that change the direction of text or take no room.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_taken_out() {
        for (raw, plain) in [
            (&b"\x1b[1;31mred\x1b[0m"[..], "red"),
            (b"\x1b]0;title\x07after", "after"),
            (b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
            (b"\x1b]never ends\nnext", "\nnext"),
            (b"\x1b(Bx\x1bcy\x1b", "xy"),
            (b"10 %\r50 %\r100 %\nok\r\n", "100 %\nok\n"),
            (b"a\x00b\x08c\td", "abc\td"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("\u{9b}31mx\u{202e}txt".as_bytes(), "xtxt"),
            (b"<script>alert(1)</script>", "<script>alert(1)</script>"),
        ] {
            assert_eq!(text(raw), plain, "{:?}", String::from_utf8_lossy(raw));
        }
    }
}
