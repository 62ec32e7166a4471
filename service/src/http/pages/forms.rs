//! What browsers send: the fields of forms, the notes in addresses, the places to go to afterwards.

use axum::extract::{Form, FromRequest, Request};
use axum::response::{IntoResponse, Redirect, Response};
use hpl_spec::benchmark::Problem;

use super::words::sentence;
use crate::error::{Code, Error, Result};

/// The fields of a form that was sent.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// What stands in a field; nothing if it was not sent.
    pub(super) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// All values of a field that may be there several times.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// All fields, in their order.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What stands in a field without the blanks around it; None if that is nothing.
    pub(super) fn filled(&self, name: &str) -> Option<&str> {
        Some(self.get(name).trim()).filter(|value| !value.is_empty())
    }

    /// Adds a value to those of a field.
    pub(super) fn push(&mut self, name: &str, value: impl Into<String>) {
        self.0.push((name.to_owned(), value.into()));
    }

    /// Puts a value where none was sent.
    pub(super) fn prefill(&mut self, name: &str, value: impl Into<String>) {
        if !self.0.iter().any(|(n, _)| n == name) {
            self.push(name, value);
        }
    }

    /// A whole number; None where nothing was typed.
    pub(super) fn number<N: std::str::FromStr>(&self, name: &str, problems: &mut Vec<Problem>) -> Option<N> {
        let text = self.filled(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            let found: String = text.chars().take(60).collect();
            problems.push(Problem::new(name, format!("found `{found}`; expected a number, such as 600")));
        }
        number
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        match Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(Form(fields)) => Ok(Fields(fields)),
            Err(why) => {
                let code = match why.status().as_u16() {
                    413 => Code::TooLarge,
                    415 => Code::UnsupportedMediaType,
                    _ => Code::BadRequest,
                };
                Err(Error::new(code, format!("the form could not be read: {}", why.body_text())))
            }
        }
    }
}

/// What is wrong with a form: what concerns all of it, and what concerns a field.
#[derive(Debug, Default, Clone)]
pub(super) struct Wrong {
    /// In words, for the top of the form; empty if nothing is wrong.
    pub(super) summary: String,
    fields: Vec<Problem>,
}

impl Wrong {
    /// The words of an error; each of its fields is `renamed` to the field of the form.
    pub(super) fn of(error: &Error, renamed: impl Fn(&str) -> String) -> Wrong {
        let fields = error.errors.iter().map(|p| Problem::new(renamed(&p.field), p.message.clone()));
        let fields: Vec<Problem> = fields.collect();
        let summary = if fields.is_empty() { sentence(&error.detail) } else { error.code.row().2.to_owned() };
        Wrong { summary, fields }
    }

    /// What is wrong with a field; empty if nothing is.
    pub(super) fn at(&self, field: &str) -> String {
        let messages = self.fields.iter().filter(|p| p.field == field).map(|p| p.message.as_str());
        messages.collect::<Vec<_>>().join("; ")
    }

    /// Every field that something is wrong with.
    pub(super) fn fields(&self) -> &[Problem] {
        &self.fields
    }
}

/// The notes that a page can carry about the last action. An address carries only the code, so that nobody can put
/// words of their own on a page.
const NOTES: &[(&str, &str)] = &[
    ("submitted", "The job is submitted. This page shows what happens to it."),
    ("written", "The sweep is saved. Look at its cost, then start it."),
    ("started", "The sweep is started. Its runs go one by one."),
    ("sweep_cancelled", "Every run of the sweep that had not ended is cancelled."),
    ("cancelled", "The job is cancelled. A node that runs it needs a few seconds to stop."),
    ("again", "This is a new job with the same parameters."),
    ("deleted", "The job is deleted, with everything that belonged to it."),
    ("visibility", "You have changed who may see this job."),
    ("welcome", "You are logged in."),
    ("out", "You are logged out."),
    (
        "recovered",
        "The password is changed and every session is ended. Log in with the new one. The recovery code is used up.",
    ),
    ("password", "The password is changed. All other sessions are ended."),
    ("session", "The session is ended."),
    ("sessions", "All other sessions are ended."),
    ("draining", "The node gets no new jobs. What it runs goes on."),
    ("undrained", "The node gets jobs again."),
    ("revoked", "The node is revoked. Its token opens nothing any more, and what it ran is cut off."),
    ("join_revoked", "The join string is revoked. Nodes that have joined by it stay."),
    ("quota", "The quota is changed."),
    ("invite_revoked", "The invitation is revoked. Accounts that were made by it stay."),
    ("disabled", "The account is disabled: its sessions have ended, its tokens open nothing, its jobs are cancelled."),
    ("enabled", "The account is enabled again."),
    ("token", "The token is revoked. It opens nothing any more."),
];

/// The note that the query of an address asks for.
pub(super) fn said(query: &str) -> Option<&'static str> {
    let code = query.split('&').find_map(|pair| pair.strip_prefix("said="))?;
    NOTES.iter().find(|(known, _)| *known == code).map(|(_, words)| *words)
}

/// On to the page at `path`, with a note there.
pub(super) fn on_to(path: &str, note: &str) -> Response {
    let join = if path.contains('?') { '&' } else { '?' };
    Redirect::to(&format!("{path}{join}said={note}")).into_response()
}

/// A place of this service to go on to; the home page for everything else.
pub(super) fn local(next: &str) -> &str {
    let plain = next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if next.starts_with('/') && !next.starts_with("//") && plain { next } else { "/" }
}

/// A query out of names and values; pairs without a value are left out.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in pairs.iter().filter(|(_, value)| !value.is_empty()) {
        text.push(if text.is_empty() { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                text.push(char::from(byte));
            } else {
                text.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_only_sent_to_places_of_this_service() {
        for good in ["/", "/jobs?state=done", "/account#tokens"] {
            assert_eq!(local(good), good);
        }
        for bad in ["", "jobs", "//evil.example", "/\\evil.example", "https://evil.example", "/a\nb", "/\t/evil", "/é"]
        {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }

    #[test]
    fn notes_are_codes_never_words() {
        assert!(said("before=x&said=out").is_some());
        assert_eq!(said("said=You+won"), None);
        assert_eq!(said(""), None);
    }

    #[test]
    fn queries_carry_any_text() {
        assert_eq!(query(&[("a", ""), ("kind", "AMD EPYC&x=1"), ("n", "ö")]), "?kind=AMD%20EPYC%26x%3D1&n=%C3%B6");
        assert_eq!(query(&[("a", "")]), "");
    }
}
