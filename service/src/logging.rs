//! What the service says of itself: lines on the standard error, for people or as JSON for programs.

use std::io::{IsTerminal, stderr};

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends all that is logged from now on to the standard error.
///
/// `filter` is in the language of `tracing-subscriber`, e.g. `info` or `warn,service=debug`.
///
/// # Errors
/// The filter cannot be read, or this was done before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), String> {
    let filter =
        EnvFilter::try_new(filter).map_err(|why| format!("the log filter `{filter}` cannot be read: {why}"))?;
    // A line that cannot be written, on a full disk for instance, is lost. The library would complain of it on the very
    // same standard error, and panic when that fails.
    let lines = fmt().with_env_filter(filter).with_writer(stderr).with_ansi(coloured()).log_internal_errors(false);
    let done = match format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).try_init(),
    };
    done.map_err(|why| format!("logging cannot be set up: {why}"))
}

/// Colours are for people at a terminal: a file or the journal would hold them as strange characters.
fn coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_filter_is_named() {
        assert!(init(LogFormat::Json, "service=loud").unwrap_err().contains("`service=loud`"));
    }
}
