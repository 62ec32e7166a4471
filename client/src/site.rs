//! The service as one command asks it: paths in, answers out, refusals in words; and which job a person means.

use client::door::{Answer, Call, Caller, Door, Flow, Method, Refusal, read, with_query};
use hpl_spec::api::accounts::Me;
use hpl_spec::api::jobs::{Job, JobPage};
use hpl_spec::api::nodes::NodeView;
use hpl_spec::id::JobId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, refused};
use crate::keep::Known;

/// Who we are to the service.
pub const AGENT: &str = concat!("hpl/", env!("CARGO_PKG_VERSION"));
/// Pages of 100 jobs that are looked through for one that is named by its beginning.
const PAGES: usize = 10;
/// Nodes that the service tells at once.
const NODES: usize = 1000;
/// Characters of an id.
const ID_CHARS: usize = 36;

/// The service, asked by somebody.
pub struct Site {
    door: Door,
    known: Known,
}

impl Site {
    /// The service that is known.
    ///
    /// # Errors
    /// The HTTP client cannot be set up.
    pub fn new(known: Known) -> Result<Site, Error> {
        let caller =
            Caller { agent: AGENT, known: "the one you logged in with", renew: "log in again with the new one" };
        let door = Door::new(&known.reach, caller).map_err(Error::Told)?;
        Ok(Site { door, known })
    }

    /// Where it is, e.g. `https://hpl.example.org`.
    pub fn url(&self) -> &str {
        &self.known.reach.url
    }

    /// Whether we can prove who we are.
    pub fn is_known(&self) -> bool {
        self.known.token.is_some()
    }

    /// A call in our name.
    pub fn call(&self, method: Method, path: &str) -> Call {
        let call = Call::new(method, path);
        match &self.known.token {
            Some(token) => call.token(token),
            None => call,
        }
    }

    /// Makes a call; None of 204.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn send(&self, call: Call) -> Answer<Option<Vec<u8>>> {
        self.door.send(call).await
    }

    /// A refusal in words, of a call without fields.
    pub fn refused(&self, what: &str, refusal: &Refusal) -> Error {
        refused(what, self.url(), refusal, str::to_owned)
    }

    /// The answer of a GET, as it came.
    ///
    /// # Errors
    /// A refusal, in words that begin with `what`.
    pub async fn get(&self, what: &str, path: &str) -> Result<Vec<u8>, Error> {
        let answer = self.send(self.call(Method::Get, path)).await;
        answer.map(Option::unwrap_or_default).map_err(|refusal| self.refused(what, &refusal))
    }

    /// The answer of a GET, read.
    ///
    /// # Errors
    /// As [`Site::get`]; the answer is of another shape.
    pub async fn look<T: DeserializeOwned>(&self, what: &str, path: &str) -> Result<T, Error> {
        self.read(what, &self.get(what, path).await?)
    }

    /// The answer of a POST, as it came.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub async fn post(&self, what: &str, path: &str, body: &impl Serialize) -> Result<Vec<u8>, Error> {
        let answer = self.send(self.call(Method::Post, path).json(body)).await;
        answer.map(Option::unwrap_or_default).map_err(|refusal| self.refused(what, &refusal))
    }

    /// Opens an answer that comes bit by bit.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub async fn open(&self, what: &str, path: &str) -> Result<Flow, Error> {
        self.try_open(path).await.map_err(|refusal| self.refused(what, &refusal))
    }

    /// The same, for who makes something of the refusal.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn try_open(&self, path: &str) -> Answer<Flow> {
        self.door.open(self.call(Method::Get, path)).await
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// It is of another shape.
    pub fn read<T: DeserializeOwned>(&self, what: &str, answer: &[u8]) -> Result<T, Error> {
        read(answer).map_err(|refusal| self.refused(what, &refusal))
    }

    /// Who we are; asks where that was not kept.
    ///
    /// # Errors
    /// We are nobody.
    pub async fn username(&self) -> Result<String, Error> {
        if let Some(name) = &self.known.username {
            return Ok(name.clone());
        }
        let me: Me = self.look("look who you are", "/api/v1/me").await?;
        Ok(me.user.username)
    }

    /// All nodes, of which the service tells a part at a time.
    ///
    /// # Errors
    /// As [`Site::get`].
    pub async fn nodes(&self, what: &str) -> Result<Vec<NodeView>, Error> {
        let mut all: Vec<NodeView> = vec![];
        loop {
            let (limit, offset) = (NODES.to_string(), all.len().to_string());
            let path = with_query("/api/v1/nodes", &[("limit", &limit), ("offset", &offset)]);
            let part: Vec<NodeView> = self.look(what, &path).await?;
            let is_last = part.len() < NODES;
            all.extend(part);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The job that a person means: a whole id, `last`, or a beginning or end that only one of their own jobs
    /// has; else, that only one of the latest jobs has that they can see.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub async fn job_meant(&self, named: &str) -> Result<String, Error> {
        if named.parse::<JobId>().is_ok() {
            return Ok(named.to_owned());
        }
        self.one_of_mine("job", named, |job| Some(job.id.to_string())).await
    }

    /// The sweep that a person means, in the same way.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub async fn sweep_meant(&self, named: &str) -> Result<String, Error> {
        if named.len() == ID_CHARS {
            return Ok(named.to_owned());
        }
        self.one_of_mine("sweep", named, |job| job.sweep.as_ref().map(ToString::to_string)).await
    }

    async fn one_of_mine(&self, noun: &str, named: &str, id: impl Fn(&Job) -> Option<String>) -> Result<String, Error> {
        let word = |c: char| c.is_ascii_hexdigit() || c == '-';
        if named != "last" && (named.is_empty() || !named.chars().all(word)) {
            return Err(Error::Told(format!(
                "found `{named}`; expected the id of a {noun}, its beginning or end, or `last`: see `hpl jobs`"
            )));
        }
        let mut found = vec![];
        if self.is_known() {
            found = self.named_so(named, Some("me"), PAGES, &id).await?;
        }
        if found.is_empty() && named != "last" {
            found = self.named_so(named, None, 1, &id).await?;
        }
        meant(noun, named, &found)
    }

    /// The ids that begin or end so, among so many pages of somebody's jobs or of all that can be seen, the latest first; of
    /// `last` one that is there is enough.
    async fn named_so(
        &self,
        named: &str,
        owner: Option<&str>,
        pages: usize,
        id: impl Fn(&Job) -> Option<String>,
    ) -> Result<Vec<String>, Error> {
        let mut found: Vec<String> = vec![];
        let mut before: Option<JobId> = None;
        for _ in 0..pages {
            let mut query = vec![("limit", "100")];
            query.extend(owner.map(|owner| ("owner", owner)));
            query.extend(before.as_ref().map(|id| ("before", id.as_str())));
            let page: JobPage = self.look("look for your jobs", &with_query("/api/v1/jobs", &query)).await?;
            let ids = page.jobs.iter().filter_map(&id);
            for id in ids.filter(|id| named == "last" || id.starts_with(named) || id.ends_with(named)) {
                if !found.contains(&id) {
                    found.push(id);
                }
            }
            before = page.next;
            if before.is_none() || named == "last" && !found.is_empty() {
                break;
            }
        }
        Ok(found)
    }
}

/// The one of those found, the latest first.
fn meant(noun: &str, named: &str, found: &[String]) -> Result<String, Error> {
    match found {
        [] if named == "last" => Err(Error::Told(format!("you have no {noun} yet: hpl submit --help"))),
        [] => Err(Error::Told(format!("no {noun} of yours begins or ends with `{named}`: see `hpl jobs`"))),
        [one] => Ok(one.clone()),
        [latest, ..] if named == "last" => Ok(latest.clone()),
        more => Err(Error::Told(format!(
            "{} {noun}s begin or end with `{named}`; expected more of the id:\n  {}",
            more.len(),
            more.iter().take(5).cloned().collect::<Vec<_>>().join("\n  ")
        ))),
    }
}

/// As much of the end of these ids as tells them from each other; a few characters at the least, so that it does for a
/// while. Their beginnings are much alike: they are the time.
pub fn telling(ids: &[&str]) -> Vec<String> {
    const LEAST: usize = 6;
    let end = |id: &str, length: usize| id.chars().skip(ID_CHARS.saturating_sub(length)).collect::<String>();
    let differ = |length: &usize| {
        let ends: std::collections::BTreeSet<String> = ids.iter().map(|id| end(id, *length)).collect();
        ends.len() == ids.iter().collect::<std::collections::BTreeSet<_>>().len()
    };
    let length = (LEAST..ID_CHARS).find(differ).unwrap_or(ID_CHARS);
    ids.iter().map(|id| end(id, length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_must_be_of_one_only() {
        let ids = ["01aa-1".to_owned(), "01aa-2".to_owned()];
        assert_eq!(meant("job", "01aa-2", &ids[1..]).unwrap(), "01aa-2");
        assert_eq!(meant("job", "last", &ids).unwrap(), "01aa-1");
        let why = meant("job", "01aa", &ids).unwrap_err().to_string();
        assert!(why.starts_with("2 jobs begin or end with `01aa`") && why.contains("\n  01aa-1"), "{why}");
        assert!(meant("sweep", "02", &[]).unwrap_err().to_string().starts_with("no sweep of yours"));
        assert!(meant("job", "last", &[]).unwrap_err().to_string().contains("no job yet"));
    }

    #[test]
    fn ids_are_shown_as_far_as_they_differ() {
        let (a, b) = ("01901234-aaaa-7000-8000-000000000001", "01901234-aaaa-7000-8000-000000000102");
        assert_eq!(telling(&[a, b, a]), ["000001", "000102", "000001"]);
        assert_eq!(telling(&[a, "01901234-aaaa-7000-8000-000010000001"])[1], "10000001");
        assert!(telling(&[]).is_empty());
    }
}
