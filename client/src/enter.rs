//! In and out: `login`, `logout`, `whoami`.

use std::path::Path;

use client::door::{Call, Caller, Door, Method, Reach, Refusal, address, is_pin, key_shown};
use hpl_spec::api::accounts::{LogInRequest, Me, NewToken, TokenRequest, TokenScope};
use hpl_spec::api::jobs::Estimate;
use serde_json::json;

use crate::args::Login as Asked;
use crate::ask;
use crate::error::{Error, refused};
use crate::keep::{self, Login};
use crate::look::{remark, write, write_answer};
use crate::site::{AGENT, Site};
use crate::words::{duration, fact};

/// The most characters of the name of a token.
const NAME: usize = 64;

/// Logs in and keeps a token; the session that it takes is ended again.
///
/// # Errors
/// The address is none, its key is not believed, the service refuses.
pub async fn login(asked: &Asked, path: &Path, json: bool) -> Result<(), Error> {
    let url = address(&asked.url).map_err(Error::Told)?;
    if let Some(pin) = asked.pin.as_deref().filter(|pin| !is_pin(pin)) {
        return Err(Error::Told(format!(
            "--pin: found `{pin}`; expected the hash of the service's key: 43 letters, digits, - and _, as the account \
             page shows it"
        )));
    }
    if url.starts_with("http://") && asked.pin.is_some() {
        return Err(Error::told("--pin: a service without TLS has no key; expected an address with https://"));
    }
    let pin = match &asked.pin {
        Some(pin) => Some(pin.clone()),
        None => key_to_believe(&url).await?,
    };
    if url.starts_with("http://") {
        remark("This service speaks plain HTTP: your password crosses the network unprotected.");
    }
    let username = match &asked.username {
        Some(name) => name.clone(),
        None if ask::somebody_is_there() => ask::line("Username: ")?,
        None => return Err(Error::told("expected a username: name it with --username, as nobody is there to type it")),
    };
    let password = ask::password(&username)?;
    let reach = Reach { url, pin };
    let (me, made) = token(&reach, &LogInRequest { username, password }).await?;
    let who: Me = serde_json::from_slice(&me).map_err(|why| Error::Told(format!("log in: {why}")))?;
    // The one before is of no more use, and its file is about to go. Best effort: it ends of itself.
    if let Ok(Some(before)) = keep::load(path)
        && before.reach == reach
    {
        let _ = give_back(&before).await;
    }
    let login = Login { reach, username: who.user.username, token: made.token, token_id: made.info.id };
    keep::save(path, &login)?;
    if json {
        return write_answer(&me);
    }
    let days = (made.info.expires_at - made.info.created_at) / 86_400_000;
    write(
        format!(
            "Logged in to {} as {}.\n{}{}{}",
            login.reach.url,
            login.username,
            fact("kept in", &path.display().to_string()),
            fact("token", &format!("ends in {days} days; `hpl logout` takes it back")),
            fact("next", "hpl submit --n 4000 --watch")
        )
        .as_bytes(),
    )
}

/// The key to believe at `url`, if it is not an authority that vouches for it: asks the person, once.
async fn key_to_believe(url: &str) -> Result<Option<String>, Error> {
    let reach = Reach { url: url.to_owned(), pin: None };
    let caller = Caller { agent: AGENT, known: "", renew: "" };
    let well = match Door::new(&reach, caller) {
        Ok(door) => door.is_well().await,
        // Without any authority on this system there is still the key itself.
        Err(why) => Err(why),
    };
    let Err(why) = well else { return Ok(None) };
    let shown = if url.starts_with("https://") { key_shown(url).await.map_err(Error::Told)? } else { None };
    let Some(shown) = shown else {
        return Err(refused("log in", url, &Refusal::NoAnswer(why), str::to_owned));
    };
    if !ask::somebody_is_there() {
        return Err(Error::Told(format!(
            "{url}: no authority vouches for its certificate, and nobody is there to ask\n  found the key {shown}\n  \
             expected that you know it: if it is the right one, --pin={shown}"
        )));
    }
    remark(&format!(
        "No authority vouches for the certificate of {url}.\nIts key has the hash\n  {shown}\nYour account page there, or \
         its operator, tells which one is right."
    ));
    match ask::is_yes("Is it this one?")? {
        true => Ok(Some(shown)),
        false => Err(Error::told("log in: the key was not the right one; nothing was sent")),
    }
}

/// A new token, by way of a session; and who we are, as it was answered.
async fn token(reach: &Reach, who: &LogInRequest) -> Result<(Vec<u8>, NewToken), Error> {
    let renew = "take the new one from your account page";
    let caller = Caller { agent: AGENT, known: "the one that was named", renew };
    let door = Door::with_cookies(reach, caller).map_err(Error::Told)?;
    let url = &reach.url;
    // A cookie that changes something has to come with the word that it comes from the service's own pages.
    let post = |path: &str| Call::new(Method::Post, path).header("origin", url.as_str());
    let no = |what: &'static str| move |refusal: Refusal| refused(what, url, &refusal, str::to_owned);
    let me = door.send(post("/api/v1/login").json(who)).await.map_err(no("log in"))?.unwrap_or_default();
    let scopes = vec![TokenScope::Read, TokenScope::Submit];
    let request = TokenRequest { name: token_name(), scopes, expires_in_days: None };
    let made = door.ask(post("/api/v1/me/tokens").json(&request)).await.map_err(no("make a token"));
    // Whatever became of the token, the session is not needed any more; it ends of itself, too.
    let _ = door.send(post("/api/v1/logout").json(&json!({}))).await;
    Ok((me, made?))
}

/// What the token is called in the list of the account's tokens.
fn token_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| std::env::var("HOSTNAME").ok());
    let host = host.unwrap_or_default();
    let name = match host.trim() {
        "" => "hpl".to_owned(),
        host => format!("hpl on {host}"),
    };
    name.chars().filter(|c| !c.is_control()).take(NAME).collect()
}

/// Takes the token back.
async fn give_back(login: &Login) -> Result<(), Error> {
    let known = keep::known(Some(login.clone()), Path::new(""), keep::Environment::default())?;
    let site = Site::new(known)?;
    let call = site.call(Method::Delete, &format!("/api/v1/me/tokens/{}", login.token_id));
    site.send(call).await.map(drop).map_err(|refusal| site.refused("take the token back", &refusal))
}

/// Takes the token back and removes the file.
///
/// # Errors
/// There is no login; the file cannot be removed. A token that cannot be taken back is told, and the file goes all the same.
pub async fn logout(path: &Path, json: bool) -> Result<(), Error> {
    let Some(login) = keep::load(path)? else {
        return Err(Error::Told(format!("you are not logged in: {} is not there", path.display())));
    };
    let given = give_back(&login).await;
    keep::remove(path)?;
    match given {
        // The service answers nothing to that.
        Ok(()) if json => Ok(()),
        Ok(()) => write(format!("Logged out of {}: the token opens nothing any more.\n", login.reach.url).as_bytes()),
        Err(why) => Err(Error::Told(format!(
            "{why}\n  {} is removed, but the token may still open your account until it ends: revoke it under \
             {}/account",
            path.display(),
            login.reach.url
        ))),
    }
}

/// Shows who is logged in where, and what is left of the quota.
///
/// # Errors
/// Nobody is.
pub async fn whoami(site: &Site, json: bool) -> Result<(), Error> {
    let answer = site.get("look who you are", "/api/v1/me").await?;
    if json {
        return write_answer(&answer);
    }
    let me: Me = site.read("look who you are", &answer)?;
    // What is used of a quota is told with every estimate; that of the smallest run will do.
    let smallest = json!({ "benchmark": "hpl", "parameters": { "n": 1 } });
    let estimate = site.post("look at your quota", "/api/v1/estimate", &smallest).await?;
    let quota = site.read::<Estimate>("look at your quota", &estimate)?.quota;
    let administrator = if me.user.admin { ", an administrator" } else { "" };
    let cohort = if me.user.cohort.is_empty() { String::new() } else { format!(", of {}", me.user.cohort) };
    let text = fact("user", &format!("{}{administrator}{cohort}", me.user.username))
        + &fact("service", site.url())
        + &fact("running", &format!("{} of {} at the same time", quota.running, quota.running_max))
        + &fact("waiting", &format!("{} of {} jobs and sweeps", quota.queued, quota.queued_max))
        + &fact("longest", &format!("{} a run", duration(quota.walltime_max_s.into())))
        + &fact("used", &format!("{:.3} node hours lately; who used less goes first", quota.recent_node_hours));
    write(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_token_is_one_that_the_service_takes() {
        let name = token_name();
        assert!((1..=NAME).contains(&name.chars().count()) && name.starts_with("hpl"), "{name}");
    }
}
