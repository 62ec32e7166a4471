//! Which part of a file is wanted (RFC 9110, section 14): one range of bytes. Several at once, other units and what
//! cannot be read are passed over, as the RFC allows, and the whole file is sent.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};

use crate::error::{Code, Error};

/// Which part of a file is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it from a byte on, as an answer of its own.
    All {
        /// The first byte; at most the file's length.
        from: u64,
    },
    /// Part of it, as an answer that says which.
    Range {
        /// The first byte.
        from: u64,
        /// The last byte, inside the file.
        to: u64,
    },
    /// Part of it, of which nothing is there.
    Beyond,
}

/// What the request wants of a file of `total` bytes.
pub(super) fn wanted(headers: &HeaderMap, total: u64) -> Wanted {
    let all = Wanted::All { from: 0 };
    // A range that depends on a validator is void, as none is given out.
    if headers.contains_key(header::IF_RANGE) {
        return all;
    }
    let asked = headers.get(header::RANGE).and_then(|value| value.to_str().ok()).and_then(parse);
    let range = match asked {
        None => return all,
        Some(Asked::From(from, to)) => (from, to.unwrap_or(u64::MAX).min(total.saturating_sub(1))),
        Some(Asked::Last(0)) => (total, total),
        Some(Asked::Last(count)) => (total.saturating_sub(count), total.saturating_sub(1)),
    };
    if range.0 < total { Wanted::Range { from: range.0, to: range.1 } } else { Wanted::Beyond }
}

/// The answer where nothing of the range is there.
pub(super) fn beyond(total: u64) -> Response {
    let detail = format!("the file has {total} bytes so far, and none in that range");
    let mut response = Error::new(Code::RangeNotSatisfiable, detail).with("length", total).into_response();
    response.headers_mut().insert(header::CONTENT_RANGE, content_range(None, total));
    response
}

/// `Content-Range` of a part, or of a file of which the part is not there.
pub(super) fn content_range(part: Option<(u64, u64)>, total: u64) -> HeaderValue {
    let text = match part {
        Some((from, to)) => format!("bytes {from}-{to}/{total}"),
        None => format!("bytes */{total}"),
    };
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("bytes */*"))
}

#[derive(Debug, PartialEq, Eq)]
enum Asked {
    From(u64, Option<u64>),
    Last(u64),
}

fn parse(text: &str) -> Option<Asked> {
    let number = |text: &str| if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None };
    let (unit, range) = text.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (from, to) = range.trim().split_once('-')?;
    match (from, to) {
        ("", count) => Some(Asked::Last(number(count)?)),
        (from, "") => Some(Asked::From(number(from)?, None)),
        (from, to) => {
            let (from, to) = (number(from)?, number(to)?);
            (from <= to).then_some(Asked::From(from, Some(to)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str, total: u64) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        wanted(&headers, total)
    }

    #[test]
    fn ranges_are_cut_to_the_file() {
        let part = |from, to| Wanted::Range { from, to };
        for (text, expected) in [
            ("bytes=0-0", part(0, 0)),
            ("bytes=2-5", part(2, 5)),
            ("bytes=2-", part(2, 9)),
            ("bytes=2-99", part(2, 9)),
            ("bytes=-3", part(7, 9)),
            ("bytes=-99", part(0, 9)),
            ("Bytes=9-", part(9, 9)),
            ("bytes=10-", Wanted::Beyond),
            ("bytes=10-12", Wanted::Beyond),
            ("bytes=-0", Wanted::Beyond),
        ] {
            assert_eq!(ask(text, 10), expected, "{text}");
        }
        assert_eq!(ask("bytes=0-", 0), Wanted::Beyond);
        assert_eq!(ask("bytes=-5", 0), Wanted::Beyond);
    }

    #[test]
    fn what_is_no_single_range_gets_the_whole_file() {
        for text in [
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "lines=0-1",
            "bytes=+1-2",
            "bytes",
            "bytes=a-b",
            "bytes=0-99999999999999999999999",
        ] {
            assert_eq!(ask(text, 10), Wanted::All { from: 0 }, "{text}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_static("bytes=1-2"));
        headers.insert(header::IF_RANGE, HeaderValue::from_static("\"x\""));
        assert_eq!(wanted(&headers, 10), Wanted::All { from: 0 });
    }
}
