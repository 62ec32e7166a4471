//! What a plan says to a person.

use hpl_spec::plan::{RunPlan, gigabytes};

/// The columns of a usual terminal, less one.
const WIDTH: usize = 79;
/// Columns before a reason: a margin, the name, the value, gaps.
const BEFORE: usize = 2 + 7 + 11 + 3;

/// The answer: a line with what is expected, then a line for each choice, with its reason. `source` tells where the
/// expected time comes from.
pub fn text(plan: &RunPlan, source: &str) -> String {
    let p = &plan.params;
    let time = duration(plan.seconds);
    let rate = format!("{:.*} Gflop/s", if plan.gflops < 10.0 { 2 } else { 0 }, plan.gflops);
    let rows = [
        ("N", p.n.to_string(), plan.why.n.as_str()),
        ("NB", p.nb.to_string(), &plan.why.nb),
        ("P x Q", format!("{} x {}", p.p, p.q), &plan.why.grid),
        ("threads", plan.threads.to_string(), &plan.why.threads),
        ("memory", gigabytes(plan.bytes), "8 N² bytes, workspace, programs; all ranks together"),
        ("time", time.clone(), source),
        ("rate", rate.clone(), "2/3 N³ + 3/2 N² operations in that time"),
    ];
    let mut text = format!("\nN = {} is expected to take {time}, at {rate}.\n\n", p.n);
    for (name, value, why) in rows {
        let gap = format!("\n{:BEFORE$}", "");
        text += &format!("  {name:<7}{value:>11}   {}\n", wrapped(why, WIDTH - BEFORE).join(&gap));
    }
    text.push('\n');
    text
}

/// The lines of a text, broken at blanks so that none is wider than `width`, if its words are not.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
        } else {
            line.push_str(if line.is_empty() { "" } else { " " });
            line.push_str(word);
        }
    }
    lines
}

/// A time as a person says it: `0.31 s`, `22.5 s`, `5 min 16 s`, `3 h 12 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        s if s < 1.0 => format!("{s:.2} s"),
        s if s < 120.0 => format!("{s:.1} s"),
        s if s < 7200.0 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hpl_spec::plan::{Site, Wish, plan};
    use hpl_spec::rates::{Rates, Solve};

    #[test]
    fn times_are_said_in_their_own_units() {
        let said = [0.314, 22.51, 119.94, 120.0, 316.4, 7200.0, 100_000.0].map(duration);
        assert_eq!(said, ["0.31 s", "22.5 s", "119.9 s", "2 min 0 s", "5 min 16 s", "2 h 0 min", "27 h 46 min"]);
    }

    #[test]
    fn the_answer_fits_a_terminal() {
        let site = Site { ranks: 6, threads: 128, cores: 768, memory: Some(1 << 40), nb: None, p: None };
        let wish = Wish { n: None, memory_fraction: 0.8, minutes: Some(1234.5) };
        let rates = Rates { product: 9e4, solves: vec![Solve { n: 80_000, nb: 256, seconds: 5.0 }] };
        let text = text(&plan(&site, &wish, &rates).unwrap(), "from somewhere");
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        for shown in ["2 x 3", "dealt evenly", "Gflop/s", "from somewhere", "768 cores for 6 ranks"] {
            assert!(text.contains(shown), "{shown} is missing\n{text}");
        }
    }

    #[test]
    fn reasons_are_broken_at_blanks() {
        assert_eq!(wrapped("one two three", 7), ["one two", "three"]);
        assert_eq!(wrapped("a-very-long-word b", 4), ["a-very-long-word", "b"]);
        assert_eq!(wrapped("", 4), [""]);
    }
}
