//! Numbers and times for people. Pure.

use std::time::{SystemTime, UNIX_EPOCH};

/// Where lines of prose are broken.
const WIDTH: usize = 78;
/// Where the second column of facts begins.
const INDENT: usize = 12;

/// Now, in milliseconds since the epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A span of time in two units at most, e.g. `2 min 5 s`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds > 0.0 && seconds < 9.995 {
        return format!("{seconds:.2} s");
    }
    let whole = seconds.round() as u64;
    let two = |large: u64, unit: &str, small: u64, smaller: &str| match small {
        0 => format!("{large} {unit}"),
        _ => format!("{large} {unit} {small} {smaller}"),
    };
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => two(whole / 60, "min", whole % 60, "s"),
        3600..86_400 => two(whole / 3600, "h", whole / 60 % 60, "min"),
        _ => two(whole / 86_400, "d", whole / 3600 % 24, "h"),
    }
}

/// A span of time that is only predicted.
pub fn rough(seconds: f64) -> String {
    match seconds {
        ..1.0 => "less than a second".to_owned(),
        1.0..9.5 => format!("about {seconds:.0} s"),
        _ => format!("about {}", duration(seconds.round())),
    }
}

/// How long ago a moment was, in one unit: `3 min ago`.
pub fn ago(at: i64, now: i64) -> String {
    match (now - at).max(0) / 1000 {
        0..5 => "just now".to_owned(),
        s @ 5..60 => format!("{s} s ago"),
        s @ 60..3600 => format!("{} min ago", s / 60),
        s @ 3600..172_800 => format!("{} h ago", s / 3600),
        s => format!("{} d ago", s / 86_400),
    }
}

/// A score without its unit.
pub fn rate(score: f64) -> String {
    if score > 0.0 && score < 0.1 { format!("{score:.4}") } else { format!("{score:.2}") }
}

/// A part of the peak.
pub fn percent(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.1} %"))
}

/// A size of memory.
pub fn bytes(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let (mut size, mut unit) = (bytes as f64, 0);
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{size:.1} {}", units[unit]) }
}

/// `1 run`, `2 runs`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Text of others, without what a terminal would take for orders.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The first so many characters, the last of them `…` where some are missing.
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// A name and what belongs to it, broken into lines below each other; ends with a line end.
pub fn fact(name: &str, value: &str) -> String {
    format!("  {name:<10}{}\n", broken(value, INDENT))
}

/// Text whose lines after the first begin at column `indent`, all of them short enough for a terminal.
pub fn broken(text: &str, indent: usize) -> String {
    let mut out = String::new();
    let mut column = indent;
    for (at, word) in plain(text).split(' ').filter(|word| !word.is_empty()).enumerate() {
        let length = word.chars().count();
        if at > 0 && column + 1 + length > WIDTH {
            out += &format!("\n{:indent$}", "");
            column = indent;
        } else if at > 0 {
            out.push(' ');
            column += 1;
        }
        out += word;
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_units_at_most() {
        let told = [0.0, 3.456, 59.6, 125.0, 3600.0, 90_000.0, -1.0, f64::NAN].map(duration);
        assert_eq!(told, ["0 s", "3.46 s", "1 min", "2 min 5 s", "1 h", "1 d 1 h", "unknown", "unknown"]);
        let told = [0, 30, 600, 7200, 900_000].map(|s| ago(0, s * 1000));
        assert_eq!(told, ["just now", "30 s ago", "10 min ago", "2 h ago", "10 d ago"]);
        let told = [0.2, 3.2, 9.7, 600.0].map(rough);
        assert_eq!(told, ["less than a second", "about 3 s", "about 10 s", "about 10 min"]);
        assert_eq!(ago(5000, 0), "just now", "clocks differ");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 0.0123, 9.5, 101.139].map(rate), ["0.00", "0.0123", "9.50", "101.14"]);
        assert_eq!([0, 1023, 1536, 25 << 30].map(bytes), ["0 B", "1023 B", "1.5 KiB", "25.0 GiB"]);
        assert_eq!((plural(1, "run"), plural(2, "run")), ("1 run".into(), "2 runs".into()));
        assert_eq!((percent(None), percent(Some(87.654))), ("-".into(), "87.7 %".into()));
    }

    #[test]
    fn prose_is_broken_below_itself_and_orders_no_terminal() {
        let text = fact("name", "word ".repeat(30).trim_end());
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().skip(1).all(|line| line.starts_with("            word")), "{text}");
        assert_eq!(fact("x", "a\u{1b}[31mb"), "  x         a [31mb\n");
        assert_eq!((cut("abcdef", 4), cut("abcd", 4)), ("abc…".into(), "abcd".into()));
    }
}
