//! What can go wrong, in words: where, what was found, what was expected, what to do.

use hpl_spec::benchmark::Problem;

use client::door::{Refusal, Said};

/// Why a command was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// In words.
    #[error("{0}")]
    Told(String),
    /// Whoever read standard output reads no more. Nothing is wrong.
    #[error("nobody reads standard output any more")]
    Pipe,
}

impl Error {
    /// In words.
    pub fn told(words: impl Into<String>) -> Error {
        Error::Told(words.into())
    }
}

impl From<std::io::Error> for Error {
    /// Of writing to standard output.
    fn from(error: std::io::Error) -> Error {
        match error.kind() {
            std::io::ErrorKind::BrokenPipe => Error::Pipe,
            _ => Error::Told(format!("standard output: {error}")),
        }
    }
}

/// A refusal of the service at `url`, asked to `what`; `place` says where a person finds a field.
pub fn refused(what: &str, url: &str, refusal: &Refusal, place: impl Fn(&str) -> String) -> Error {
    match refusal {
        Refusal::NoAnswer(why) => Error::Told(format!(
            "{what}: no answer from {url}\n  {}\n  expected the service there: is it up, and is the address right?",
            innermost(why)
        )),
        Refusal::Problem(said) => {
            let Said { status, code, detail, errors, retry_after, .. } = &**said;
            let fields = fields(errors, place);
            let detail = if errors.is_empty() { format!(": {detail}") } else { String::new() };
            let advice = advice(code, url, *retry_after).map(|words| format!("\n  {words}")).unwrap_or_default();
            Error::Told(format!("{what}: refused ({status} {code}){detail}{fields}{advice}"))
        }
    }
}

/// Mistakes, each on a line of its own, at the place where a person made it.
pub fn fields(problems: &[Problem], place: impl Fn(&str) -> String) -> String {
    let line = |problem: &Problem| match problem.field.as_str() {
        "" => format!("\n  {}", problem.message),
        field => format!("\n  {}: {}", place(field), problem.message),
    };
    problems.iter().map(line).collect()
}

fn advice(code: &str, url: &str, retry_after: Option<u64>) -> Option<String> {
    match code {
        "unauthenticated" => Some(format!("the token is not known there, or was taken back: hpl login {url}")),
        "token_expired" => Some(format!("log in again: hpl login {url}")),
        "wrong_scope" => Some("make a token with the scopes read and submit, or log in: hpl login".to_owned()),
        "not_found" => Some("`hpl jobs` lists yours, `hpl jobs --all` everybody's".to_owned()),
        "rate_limited" | "unavailable" => {
            let seconds = retry_after.map_or_else(|| "in a while".to_owned(), |s| format!("in {s} s"));
            Some(format!("try again {seconds}"))
        }
        _ => None,
    }
}

/// The HTTP client tells its whole chain of causes; people want the last ones.
fn innermost(why: &str) -> &str {
    const BEFORE: &str = "client error (Connect): ";
    why.find(BEFORE).map_or(why, |at| &why[at + BEFORE.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str, errors: Vec<Problem>) -> Refusal {
        let (detail, code) = ("so it is".to_owned(), code.to_owned());
        let said = Said { status: 400, code, detail, errors, retry_after: Some(7), ..Said::default() };
        Refusal::Problem(Box::new(said))
    }

    #[test]
    fn a_refusal_says_what_where_and_what_to_do() {
        let text = |refusal: &Refusal| refused("look", "https://x", refusal, |f| format!("--{f}")).to_string();
        assert_eq!(
            text(&said("token_expired", vec![])),
            "look: refused (400 token_expired): so it is\n  log in again: hpl login https://x"
        );
        assert!(text(&said("rate_limited", vec![])).ends_with("try again in 7 s"));
        let wrong = vec![Problem::new("n", "found 0"), Problem::new("", "too many")];
        assert_eq!(text(&said("invalid", wrong)), "look: refused (400 invalid)\n  --n: found 0\n  too many");
        let away = "error sending request for url (https://x/a): client error (Connect): tcp connect error: refused";
        let away = text(&Refusal::NoAnswer(away.into()));
        assert!(away.starts_with("look: no answer from https://x\n  tcp connect error: refused\n"), "{away}");
    }

    #[test]
    fn a_reader_that_left_is_no_fault() {
        assert!(matches!(Error::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe)), Error::Pipe));
        assert!(Error::from(std::io::Error::other("x")).to_string().contains("standard output"));
    }
}
