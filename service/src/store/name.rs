//! What a file of an attempt may be called. A name that passed here can be put into a path: it holds no
//! separator, no dot at its start and no `..`.

use std::fmt;
use std::str::FromStr;

/// The two logs of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stream {
    /// What the program wrote to its standard output.
    Out,
    /// What it wrote to its standard error.
    Err,
}

impl Stream {
    /// All streams.
    pub const ALL: [Stream; 2] = [Stream::Out, Stream::Err];

    /// The name in URLs and on disk: `out` or `err`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Stream::Out => "out",
            Stream::Err => "err",
        }
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no stream and no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Not a stream.
    #[error("`{found}` is no log stream; expected `out` or `err`")]
    Stream {
        /// What was found, cut to 80 characters.
        found: String,
    },
    /// Not an artifact's name.
    #[error(
        "`{found}` cannot name an artifact; expected at most 64 letters, digits, `.`, `_` and `-`, \
         beginning with a letter or digit, without `..`"
    )]
    Artifact {
        /// What was found, cut to 80 characters.
        found: String,
    },
    /// A name whose ending is not on the list.
    #[error("`{found}` has no ending that artifacts may have; expected one of {}", endings())]
    Ending {
        /// What was found.
        found: String,
    },
}

/// The beginning of a strange text, safe to print.
fn excerpt(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

impl FromStr for Stream {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Stream, NameError> {
        Stream::ALL
            .into_iter()
            .find(|stream| stream.as_str() == text)
            .ok_or_else(|| NameError::Stream { found: excerpt(text) })
    }
}

/// The endings that artifacts may have, and the content type each is served with.
const CONTENT_TYPES: [(&str, &str); 8] = [
    ("out", "text/plain; charset=utf-8"),
    ("dat", "text/plain; charset=utf-8"),
    ("txt", "text/plain; charset=utf-8"),
    ("log", "text/plain; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("trace", "application/octet-stream"),
];

fn endings() -> String {
    CONTENT_TYPES.map(|(ending, _)| format!(".{ending}")).join(" ")
}

/// The longest name of an artifact, in bytes.
const LONGEST_NAME: usize = 64;

/// The name of a file that a run left behind, such as `HPL.out`: a letter or digit, then at most 63 of
/// `A-Z a-z 0-9 . _ -`, no `..`, and one of the endings out, dat, txt, log, csv, json, jsonl, trace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactName {
    text: String,
    content_type: &'static str,
}

impl ArtifactName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The content type to serve it with, always as an attachment.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        self.content_type
    }
}

impl FromStr for ArtifactName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<ArtifactName, NameError> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
        if text.len() > LONGEST_NAME
            || !text.starts_with(|c: char| c.is_ascii_alphanumeric())
            || !text.bytes().all(plain)
            || text.contains("..")
        {
            return Err(NameError::Artifact { found: excerpt(text) });
        }
        let ending = text.rsplit_once('.').map_or("", |(_, ending)| ending);
        let (_, content_type) = CONTENT_TYPES
            .into_iter()
            .find(|(known, _)| *known == ending)
            .ok_or_else(|| NameError::Ending { found: excerpt(text) })?;
        Ok(ArtifactName { text: text.to_owned(), content_type })
    }
}

impl fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One file of an attempt that is sent in pieces and sealed with a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FileName {
    /// A log.
    Log(Stream),
    /// An artifact.
    Artifact(ArtifactName),
}

impl FileName {
    /// As it stands in addresses: `log/out`, `log/err` or `artifacts/NAME`.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            FileName::Log(stream) => format!("log/{stream}"),
            FileName::Artifact(name) => format!("artifacts/{name}"),
        }
    }

    /// The content type to serve it with.
    #[must_use]
    pub fn content_type(&self) -> &'static str {
        match self {
            FileName::Log(_) => "text/plain; charset=utf-8",
            FileName::Artifact(name) => name.content_type(),
        }
    }
}

impl FromStr for FileName {
    type Err = NameError;

    /// Reads a [`FileName::path`].
    fn from_str(text: &str) -> Result<FileName, NameError> {
        match text.split_once('/') {
            Some(("log", stream)) => stream.parse().map(FileName::Log),
            Some(("artifacts", name)) => name.parse().map(FileName::Artifact),
            _ => Err(NameError::Artifact { found: excerpt(text) }),
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Log(stream) => write!(f, "log `{stream}`"),
            FileName::Artifact(name) => write!(f, "artifact `{name}`"),
        }
    }
}

impl From<Stream> for FileName {
    fn from(stream: Stream) -> FileName {
        FileName::Log(stream)
    }
}

impl From<ArtifactName> for FileName {
    fn from(name: ArtifactName) -> FileName {
        FileName::Artifact(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_are_kept_with_their_type() {
        for (name, content_type) in [
            ("HPL.out", "text/plain; charset=utf-8"),
            ("a.b-c_d.json", "application/json"),
            ("0.trace", "application/octet-stream"),
        ] {
            let parsed: ArtifactName = name.parse().unwrap();
            assert_eq!((parsed.as_str(), parsed.content_type()), (name, content_type));
            let file = FileName::Artifact(parsed);
            assert_eq!(file.path().parse(), Ok(file));
        }
        let longest = format!("{}.out", "a".repeat(60));
        assert!(longest.parse::<ArtifactName>().is_ok());
        assert!(format!("a{longest}").parse::<ArtifactName>().is_err());
    }

    #[test]
    fn path_tricks_are_no_names() {
        for bad in [
            "",
            ".",
            "..",
            "../x.out",
            "/etc/passwd",
            "a/b.out",
            "a\\b.out",
            ".hidden.out",
            "-rf.out",
            "a..out",
            "a\0.out",
            "a\n.out",
            "\u{1b}[31m.out",
            "a .out",
            "é.out",
            "%2e%2e%2fx.out",
            "CON:.out",
        ] {
            assert!(matches!(bad.parse::<ArtifactName>(), Err(NameError::Artifact { .. })), "{bad:?}");
        }
        for bad in ["a", "a.", "a.sh", "a.html", "a.OUT", "a.svg", "out"] {
            assert!(matches!(bad.parse::<ArtifactName>(), Err(NameError::Ending { .. })), "{bad:?}");
        }
        for bad in ["", "OUT", "out.log", "../out", "stdout"] {
            assert!(bad.parse::<Stream>().is_err(), "{bad:?}");
        }
        let said = "\u{1b}[2J".parse::<ArtifactName>().unwrap_err().to_string();
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}
