//! How answers look where they go: how wide the terminal is, whether there may be colours; and the one way to standard
//! output, which takes it well that nobody reads.

use std::io::{IsTerminal, Write, stdout};

use hpl_spec::api::results::ResultTier;
use hpl_spec::job::JobState;

use crate::error::Error;

/// How wide a table may be where it goes into a file or a pipe: as wide as it is.
const ANY: usize = usize::MAX;

/// How answers look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub width: usize,
    /// Whether there may be colours. They say nothing that words do not say.
    pub colour: bool,
    /// Whether standard output is a terminal.
    pub terminal: bool,
}

/// What a colour is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// All is well.
    Good,
    /// Something is under way, or to be known.
    Live,
    /// Something is wrong.
    Bad,
}

impl Look {
    /// Looks at standard output and at `NO_COLOR`.
    pub fn here() -> Look {
        let terminal = stdout().is_terminal();
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        let columns = rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
        let width = if terminal && columns > 0 { columns } else { ANY };
        Look { width, colour: terminal && !plain, terminal }
    }

    /// That of a file.
    #[cfg(test)]
    pub fn plain() -> Look {
        Look { width: ANY, colour: false, terminal: false }
    }

    /// The text in that colour.
    pub fn paint(&self, text: &str, paint: Option<Paint>) -> String {
        let code = match paint {
            Some(Paint::Good) => 32,
            Some(Paint::Live) => 36,
            Some(Paint::Bad) => 31,
            None => return text.to_owned(),
        };
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The colour of a state.
pub fn of_state(state: JobState) -> Option<Paint> {
    match state {
        JobState::Done => Some(Paint::Good),
        JobState::Failed | JobState::Expired | JobState::Lost => Some(Paint::Bad),
        JobState::Draft | JobState::Held | JobState::Queued | JobState::Cancelled => None,
        _ => Some(Paint::Live),
    }
}

/// The colour of a tier.
pub fn of_tier(tier: ResultTier) -> Option<Paint> {
    match tier {
        ResultTier::Verified => Some(Paint::Good),
        ResultTier::Failed | ResultTier::Flagged => Some(Paint::Bad),
        ResultTier::Reported | ResultTier::Pending | ResultTier::Orphan => None,
    }
}

/// Writes to standard output.
///
/// # Errors
/// [`Error::Pipe`] where nobody reads; of the file system.
pub fn write(bytes: &[u8]) -> Result<(), Error> {
    let mut out = stdout().lock();
    out.write_all(bytes)?;
    Ok(out.flush()?)
}

/// Writes an answer of the service unchanged, with a line end after it.
///
/// # Errors
/// As [`write()`].
pub fn write_answer(answer: &[u8]) -> Result<(), Error> {
    write(answer)?;
    if answer.is_empty() || answer.ends_with(b"\n") { Ok(()) } else { write(b"\n") }
}

/// Says something beside the answer, on standard error. Where nobody reads there is nothing to be done about it.
pub fn remark(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
