//! Figures in words, and how wide words are.
//!
//! Nobody here knows the reader's font, so widths are those of DejaVu Sans, one of the widest in use: what fits with
//! them fits with others.

/// A number as people write it: three or four digits that count, thousands apart. Without a value: `unknown`.
#[must_use]
pub fn figure(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "unknown".to_owned();
    }
    if size >= 1e12 {
        return format!("{value:.1e}");
    }
    let decimals = match size {
        _ if size >= 1000.0 => 0,
        _ if size >= 10.0 => 1,
        _ if size >= 1.0 || size == 0.0 => 2,
        _ if size >= 0.001 => 3,
        _ => return format!("{value:.1e}"),
    };
    let text = format!("{value:.decimals$}");
    let short = if decimals > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    grouped(short)
}

/// A score or a peak without its unit. Four digits that count, zeros too, so that a column of them can be compared: the
/// same run again differs in the third. What is for programs has all of them.
#[must_use]
pub fn rate(value: f64) -> String {
    // Rounded first: 9.9996 is 10.00.
    let rounded = format!("{value:.3e}");
    let power = rounded.split_once('e').and_then(|(_, power)| power.parse().ok());
    let value = rounded.parse().unwrap_or(value);
    match power {
        Some(power @ -9..9) if value != 0.0 => {
            let decimals = usize::try_from(3_i32 - power).unwrap_or(0);
            grouped(&format!("{value:.decimals$}"))
        }
        _ => hpl_spec::benchmark::figure(value),
    }
}

/// A whole number with its thousands apart.
#[must_use]
pub fn count(value: u64) -> String {
    grouped(&value.to_string())
}

fn grouped(text: &str) -> String {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("−", rest));
    let (whole, decimals) = rest.split_once('.').map_or((rest, None), |(whole, decimals)| (whole, Some(decimals)));
    let mut out = String::from(sign);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(decimals) = decimals {
        out.push('.');
        out.push_str(decimals);
    }
    out
}

/// A share as a percentage: `70 %`, `4.2 %`.
#[must_use]
pub fn percent(share: f64) -> String {
    let hundredths = share * 100.0;
    match hundredths.abs() {
        _ if !hundredths.is_finite() => "unknown".to_owned(),
        size if size >= 1e6 => "over a million %".to_owned(),
        size if size >= 9.95 || size == 0.0 => format!("{} %", grouped(&format!("{hundredths:.0}"))),
        size if size < 0.05 => "under 0.1 %".to_owned(),
        _ => format!("{} %", grouped(&format!("{hundredths:.1}"))),
    }
}

/// Seconds as a span of time.
#[must_use]
pub fn seconds(value: f64) -> String {
    match value {
        v if !v.is_finite() => "unknown".to_owned(),
        v if (0.0005..1.0).contains(&v) => format!("{} ms", figure((v * 1e5).round() / 100.0)),
        v if v < 1000.0 => format!("{} s", figure((v * 100.0).round() / 100.0)),
        v => format!("{} s", figure(v)),
    }
}

/// Things named one after the other: `0, 1 and 2`; of more than `most`, how many are left out.
#[must_use]
pub fn list(things: &[String], most: usize) -> String {
    let shown = things.len().min(most.max(1));
    let left = things.len() - shown;
    match &things[..shown] {
        [] => String::new(),
        some if left > 0 => format!("{} and {left} more", some.join(", ")),
        [one] => one.clone(),
        [some @ .., last] => format!("{} and {last}", some.join(", ")),
    }
}

/// How wide a line of text is at a font size, at most.
#[must_use]
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(advance).sum::<f64>() * size
}

/// The advance of a character, in ems.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | 'I' | '\'' | '|' | '.' | ',' | ':' | ';' | ' ' | '\u{a0}' | '!' | '·' => 0.34,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '-' | '/' | '\\' | '"' => 0.42,
        's' | 'z' | 'c' | 'k' | 'v' | 'x' | 'y' | 'J' | '*' | '–' => 0.6,
        'm' | 'W' | 'M' | '@' | '%' | '…' | '—' => 1.0,
        'w' | '+' | '=' | '<' | '>' | '~' | '×' | '−' | '→' | '#' => 0.85,
        'Q' | 'O' | 'G' | 'D' | 'H' | 'N' | 'U' => 0.79,
        'A'..='Z' | '&' => 0.73,
        ' '..='~' => 0.64,
        '\u{300}'..='\u{36f}' => 0.0,
        '\u{a1}'..='\u{3ff}' | '₀'..='₉' => 0.8,
        _ => 1.15,
    }
}

/// The text, cut with an ellipsis where it is wider than `most`.
#[must_use]
pub fn fitting(text: &str, size: f64, most: f64) -> String {
    let clean: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if width(&clean, size) <= most {
        return clean;
    }
    let room = most - advance('…') * size;
    let mut used = 0.0;
    let mut out = String::new();
    for c in clean.chars() {
        used += advance(c) * size;
        if used > room {
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

/// The text in lines no wider than `most`; a word that is wider by itself is cut.
#[must_use]
pub fn wrapped(text: &str, size: f64, most: f64) -> Vec<String> {
    // A number stays with its sign.
    let glued = text.replace(" × ", "\u{a0}×\u{a0}").replace(" %", "\u{a0}%");
    let mut lines: Vec<String> = Vec::new();
    for word in glued.split([' ', '\n', '\t']).filter(|word| !word.is_empty()) {
        let word = fitting(word, size, most);
        match lines.last_mut() {
            Some(line) if width(line, size) + width(" ", size) + width(&word, size) <= most => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_the_digits_that_count() {
        for (value, text) in [
            (213.44, "213.4"),
            (1234.5, "1,234"),
            (1_000_000.0, "1,000,000"),
            (9.876, "9.88"),
            (0.0, "0"),
            (0.01234, "0.012"),
            (2.5e-7, "2.5e-7"),
            (-5.25, "−5.25"),
            (1e15, "1.0e15"),
            (f64::NAN, "unknown"),
            (f64::INFINITY, "unknown"),
        ] {
            assert_eq!(figure(value), text);
        }
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(
            [percent(0.7), percent(0.042), percent(0.0), percent(1e-9)],
            ["70 %", "4.2 %", "0 %", "under 0.1 %"]
        );
        assert_eq!(percent(f64::NAN), "unknown");
        assert_eq!([seconds(0.0123), seconds(75.0), seconds(0.0)], ["12.3 ms", "75 s", "0 s"]);
    }

    #[test]
    fn what_is_too_wide_is_cut_and_says_so() {
        let name = "a very long name indeed ".repeat(20);
        for most in [30.0, 100.0, 500.0] {
            let cut = fitting(&name, 14.0, most);
            assert!(width(&cut, 14.0) <= most && cut.ends_with('…'), "{cut}");
            let lines = wrapped(&name, 14.0, most);
            assert!(lines.iter().all(|line| width(line, 14.0) <= most), "{lines:?}");
        }
        assert_eq!(fitting("short", 14.0, 100.0), "short");
        let lines = wrapped("of 12 × 12 blocks 12 % are done", 14.0, 80.0);
        assert!(lines.iter().any(|l| l.contains("12 × 12")) && lines.iter().any(|l| l.contains("12 %")), "{lines:?}");
        assert_eq!(wrapped("", 14.0, 100.0), Vec::<String>::new());
        assert!(width(&fitting("漢字漢字漢字", 10.0, 40.0), 10.0) <= 40.0);
    }

    #[test]
    fn lists_read_like_a_sentence() {
        let things: Vec<String> = (0..5).map(|i| i.to_string()).collect();
        assert_eq!(list(&things[..1], 9), "0");
        assert_eq!(list(&things[..3], 9), "0, 1 and 2");
        assert_eq!(list(&things, 2), "0, 1 and 3 more");
        assert_eq!(list(&[], 2), "");
    }
}
