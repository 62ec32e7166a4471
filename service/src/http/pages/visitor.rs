//! Who looks at a page, and the frame that all pages share.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::assets::{self, Script};
use super::forms;
use crate::error::{Error, Result};
use crate::http::caller::{Caller, Proof};
use crate::http::csrf::Guard;

/// Who looks at a page.
pub(super) struct Visitor {
    pub(super) caller: Caller,
    pub(super) guard: Guard,
    said: Option<&'static str>,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let guard = Guard::from_request_parts(parts, state).await?;
        Ok(Visitor { caller, guard, said: forms::said(parts.uri.query().unwrap_or_default()) })
    }
}

impl Visitor {
    /// The token that forms of the page to be shown must carry.
    pub(super) fn token(&self) -> String {
        self.guard.token()
    }

    /// The username, if somebody is logged in.
    pub(super) fn name(&self) -> Option<&str> {
        self.caller.user.as_ref().map(|user| user.name.as_str())
    }

    /// Whether `owner`, or an administrator, looks.
    pub(super) fn may_change(&self, owner: &str) -> bool {
        self.name() == Some(owner) || self.caller.is_admin()
    }

    /// The frame of a page under the entry `here` of the navigation.
    pub(super) fn frame(&self, title: impl Into<String>, here: &'static str) -> Frame {
        let mut frame = Frame::new(title, here);
        frame.user = self.name().map(str::to_owned);
        if matches!(self.caller.user.as_ref().map(|user| &user.proof), Some(Proof::Session(_))) {
            frame.csrf = self.token();
        }
        frame.said = self.said;
        frame.admin = self.caller.is_admin();
        frame
    }
}

/// What all pages have around what they are about.
pub(super) struct Frame {
    pub(super) title: String,
    /// The entry of the navigation that the page belongs to.
    pub(super) here: &'static str,
    /// Who is logged in.
    pub(super) user: Option<String>,
    /// Whether an administrator is logged in.
    pub(super) admin: bool,
    /// The token of the log-out button; empty where there is none.
    pub(super) csrf: String,
    pub(super) style: String,
    /// What lives on the page, where the program was built with its scripts.
    pub(super) scripts: Vec<Script>,
    /// What programs call for the same.
    pub(super) calls: Vec<Call>,
    /// How the page shows itself where its address is shared.
    pub(super) share: Option<Share>,
    /// Where to go in five seconds.
    pub(super) refresh: Option<String>,
    /// What came of the last action.
    pub(super) said: Option<&'static str>,
}

/// A call of the API.
pub(super) struct Call {
    pub(super) method: &'static str,
    /// With its query.
    pub(super) path: String,
}

/// A page as other sites preview it. Addresses are whole, with the host.
pub(super) struct Share {
    pub(super) title: String,
    pub(super) about: String,
    pub(super) page: String,
    /// A picture of 1200 by 630.
    pub(super) image: String,
}

impl Frame {
    /// The frame for somebody who is not known.
    pub(super) fn new(title: impl Into<String>, here: &'static str) -> Frame {
        Frame {
            title: title.into(),
            here,
            user: None,
            admin: false,
            csrf: String::new(),
            style: assets::style(),
            scripts: assets::script("all").into_iter().collect(),
            calls: vec![],
            share: None,
            refresh: None,
            said: None,
        }
    }

    /// With the script `entry` of `service/web/src/pages`, where the program was built with it.
    pub(super) fn with_script(mut self, entry: &str) -> Frame {
        self.scripts.extend(assets::script(entry));
        self
    }

    /// Whether a script of its own keeps the page up to date.
    pub(super) fn lives(&self) -> bool {
        self.scripts.len() > usize::from(assets::script("all").is_some())
    }

    /// With the call that gives a program what the page shows.
    pub(super) fn with_call(mut self, method: &'static str, path: impl Into<String>) -> Frame {
        self.calls.push(Call { method, path: path.into() });
        self
    }

    /// The entries of the navigation: address, words, whether the page belongs to it.
    pub(super) fn entries(&self) -> Vec<(&'static str, &'static str, bool)> {
        let entries = [
            ("/learn", "Learn"),
            ("/submit", "Submit"),
            ("/jobs", "Jobs"),
            ("/results", "Results"),
            ("/explore", "Explore"),
            ("/leaderboard", "Leaderboard"),
        ];
        entries.map(|(address, words)| (address, words, address == self.here)).to_vec()
    }
}
