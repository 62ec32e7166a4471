//! How the abilities are shown: one table, and below what is lacking what it costs and how to mend it.

use super::{Ability, State};

/// The narrowest and the widest that text is laid out for, in characters.
const WIDTHS: (usize, usize) = (60, 100);
/// Where nothing says how wide the terminal is.
const USUAL: usize = 80;
/// Before the second line of an explanation.
const INDENT: usize = 6;

/// How wide the text may be: the terminal, within reason.
#[must_use]
pub fn width(terminal: bool) -> usize {
    let size = terminal.then(|| rustix::termios::tcgetwinsize(std::io::stdout()).ok()).flatten();
    let columns = size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0).unwrap_or(USUAL);
    columns.clamp(WIDTHS.0, WIDTHS.1)
}

/// The table.
#[must_use]
pub fn render(abilities: &[Ability], width: usize, colours: bool) -> String {
    let names = abilities.iter().map(|ability| ability.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for ability in abilities {
        let (mark, colour) = match ability.state {
            State::Yes => ("ok  ", "32"),
            State::Partly => ("part", "33"),
            State::No => ("no  ", "31"),
        };
        let paint = |words: &str, colour: &str| match colours {
            true => format!("\x1b[{colour}m{words}\x1b[0m"),
            false => words.to_owned(),
        };
        let head = format!("{}  {:<names$}  ", paint(mark, colour), ability.name);
        let indent = 4 + 2 + names + 2;
        text += &paragraph(&head, indent, &ability.found, width);
        for (word, said) in [("costs:", &ability.costs), ("mend: ", &ability.mend)] {
            if !said.is_empty() {
                let head = format!("{}{} ", " ".repeat(INDENT), paint(word, "1"));
                text += &paragraph(&head, INDENT + 7, said, width);
            }
        }
    }
    text + "\n" + &closing(abilities) + "\n"
}

/// Text after a heading, broken between words so that no line is longer than `width`, later lines below the first.
fn paragraph(head: &str, indent: usize, said: &str, width: usize) -> String {
    let room = width.saturating_sub(indent).max(20);
    let mut lines = vec![String::new()];
    let mut length = 0;
    for word in said.split_whitespace() {
        let letters = word.chars().count();
        if length > 0 && length + 1 + letters > room {
            lines.push(String::new());
            length = 0;
        }
        // there is always a last line
        if let Some(line) = lines.last_mut() {
            if length > 0 {
                line.push(' ');
                length += 1;
            }
            line.push_str(word);
            length += letters;
        }
    }
    let body = lines.join(&format!("\n{}", " ".repeat(indent)));
    format!("{head}{body}").trim_end().to_owned() + "\n"
}

/// What it all means.
fn closing(abilities: &[Ability]) -> String {
    let count = |state| abilities.iter().filter(|ability| ability.state == state).count();
    let stops: Vec<&str> = abilities.iter().filter(|a| a.stops()).map(|a| a.name.as_str()).collect();
    let verdict = match stops.as_slice() {
        [] => "this node can run jobs.".to_owned(),
        names => format!("this node can run no job for want of {}.", names.join(", ")),
    };
    let mut counts = vec![format!("{} of {} ok", count(State::Yes), abilities.len())];
    for (state, word) in [(State::Partly, "in part"), (State::No, "missing")] {
        if count(state) > 0 {
            counts.push(format!("{} {word}", count(state)));
        }
    }
    format!("{}: {verdict}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Vec<Ability> {
        vec![
            Ability::has("mpi", "Open MPI 4.1.4, starts two ranks"),
            Ability::lacks(
                "cgroup",
                State::Partly,
                "version 2: a group with pids can be made; not with memory, cpu (not given to /sys/fs/cgroup/x)",
                "results stay amber at `memory`",
                "run the daemon by the unit in node-daemon/ (it has Delegate=yes), or as root",
            ),
            Ability::lacks("user_namespaces", State::No, "EPERM", "network open", "sysctl user.max_user_namespaces=1"),
        ]
    }

    #[test]
    fn the_table_is_aligned_and_broken_between_words() {
        let expected = "\
ok    mpi              Open MPI 4.1.4, starts two ranks
part  cgroup           version 2: a group with pids can be made; not
                       with memory, cpu (not given to
                       /sys/fs/cgroup/x)
      costs: results stay amber at `memory`
      mend:  run the daemon by the unit in node-daemon/ (it has
             Delegate=yes), or as root
no    user_namespaces  EPERM
      costs: network open
      mend:  sysctl user.max_user_namespaces=1

1 of 3 ok, 1 in part, 1 missing: this node can run jobs.
";
        assert_eq!(render(&some(), 70, false), expected);
        assert!(render(&some(), 100, false).lines().all(|line| line.chars().count() <= 100));
    }

    #[test]
    fn colours_change_nothing_but_colours() {
        let mut plain = render(&some(), 80, true);
        for code in ["\x1b[32m", "\x1b[33m", "\x1b[31m", "\x1b[1m", "\x1b[0m"] {
            assert!(plain.contains(code));
            plain = plain.replace(code, "");
        }
        assert_eq!(plain, render(&some(), 80, false));
    }

    #[test]
    fn a_node_that_can_run_nothing_is_told_why() {
        let mut all = some();
        all[0].state = State::No;
        let text = render(&all, 80, false);
        assert!(
            text.ends_with("0 of 3 ok, 1 in part, 2 missing: this node can run no job for want of mpi.\n"),
            "{text}"
        );
        assert_eq!(render(&[], 80, false), "\n0 of 0 ok: this node can run jobs.\n");
        assert!((60..=100).contains(&width(false)));
        // a word that is too long stays whole
        assert!(render(&[Ability::has("x", "y".repeat(300))], 80, false).contains(&"y".repeat(300)));
    }
}
