//! Questions to the person at the terminal. Where there is none, answers are lines of standard input.

use std::io::{IsTerminal, Write, stderr, stdin};

use crate::error::Error;

/// Whether somebody is there to answer.
pub fn somebody_is_there() -> bool {
    stdin().is_terminal() && stderr().is_terminal()
}

/// A line that is typed, without its end; the question goes to standard error.
///
/// # Errors
/// Standard input ended, or cannot be read.
pub fn line(question: &str) -> Result<String, Error> {
    let mut out = stderr();
    // Without a reader there is nobody to answer either, which the next line finds out.
    let _ = write!(out, "{question}");
    let _ = out.flush();
    let mut line = String::new();
    match stdin().read_line(&mut line) {
        Ok(0) => Err(Error::told("expected an answer on standard input; it has ended")),
        Ok(_) => Ok(line.trim_end_matches(['\r', '\n']).to_owned()),
        Err(why) => Err(Error::Told(format!("standard input: {why}"))),
    }
}

/// A password: unseen on a terminal, else one line of standard input.
///
/// # Errors
/// There is none.
pub fn password(username: &str) -> Result<String, Error> {
    let password = if stdin().is_terminal() {
        let typed = rpassword::prompt_password(format!("Password of {username}: "));
        typed.map_err(|why| Error::Told(format!("the password cannot be read: {why}")))?
    } else {
        line("")?
    };
    match password.is_empty() {
        true => Err(Error::told("expected a password, on the terminal or as one line of standard input; found none")),
        false => Ok(password),
    }
}

/// Whether the person says yes. Everything but `y` and `yes` is no.
///
/// # Errors
/// Standard input ended, or cannot be read.
pub fn is_yes(question: &str) -> Result<bool, Error> {
    let answer = line(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
