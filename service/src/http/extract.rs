//! Bodies, queries and paths, with errors in our words.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Code, Error};

/// JSON in a request, or in an answer.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// Whether the body says that it is JSON.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(media_type) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.starts_with("application/") && essence.ends_with("+json")
}

/// What is told of a body that did not come whole.
pub(crate) fn body_error(why: BytesRejection) -> Error {
    match why {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Error::new(Code::TooLarge, "the body is larger than this address takes; send less")
        }
        other => Error::new(Code::BadRequest, format!("the body could not be read: {}", other.body_text())),
    }
}

/// Most characters that an answer says of a text that cannot be read.
const SAID_CHARS: usize = 300;

/// The words of our libraries for types, and what they mean to those who know only the wire.
const WORDS: [(&str, &str); 12] = [
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u32", "a whole number from 0 to 4294967295"),
    ("u64", "a whole number from 0"),
    ("usize", "a whole number from 0"),
    ("i32", "a whole number"),
    ("i64", "a whole number of 64 bits"),
    ("f64", "a number"),
    ("struct", "an object"),
    ("enum", "a word"),
    ("map", "an object"),
    ("sequence", "a list"),
];

/// What a library says of text that it cannot read, without the names of our types: they are nobody's business, and
/// change.
fn in_plain_words(said: &str) -> String {
    let said = said.strip_prefix("Failed to deserialize query string: ").unwrap_or(said);
    if let Some(at) = said.find(" of untagged enum ") {
        return format!("{} of those that are expected", &said[..at]);
    }
    let Some((before, expected)) = said.rsplit_once(", expected ") else { return shortened(said) };
    let (expected, place) = match expected.find(" at line ") {
        Some(at) => expected.split_at(at),
        None => (expected, ""),
    };
    let expected = expected.strip_prefix("internally tagged ").unwrap_or(expected);
    let first = expected.split(' ').next().unwrap_or_default();
    let known = WORDS.iter().find(|(word, _)| *word == expected.strip_prefix("a ").unwrap_or(first));
    format!("{}, expected {}{place}", shortened(before), known.map_or(expected, |(_, plain)| plain))
}

/// The text without the middle that makes it too long: what was sent is in it.
fn shortened(text: &str) -> String {
    let length = text.chars().count();
    if length <= SAID_CHARS {
        return text.to_owned();
    }
    let begin: String = text.chars().take(SAID_CHARS / 2).collect();
    let end: String = text.chars().skip(length - SAID_CHARS / 2).collect();
    format!("{begin} … {end}")
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        if !is_json(request.headers()) {
            let detail = "send the body as JSON, with `Content-Type: application/json`";
            return Err(Error::new(Code::UnsupportedMediaType, detail));
        }
        let body = Bytes::from_request(request, state).await.map_err(body_error)?;
        let value = serde_json::from_slice(&body)
            .map_err(|why| Error::new(Code::MalformedJson, in_plain_words(&why.to_string())))?;
        Ok(Json(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response(),
            Err(why) => Error::internal(why).into_response(),
        }
    }
}

/// The body as it came.
#[derive(Debug, Clone)]
pub struct Body(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        Bytes::from_request(request, state).await.map(Body).map_err(body_error)
    }
}

/// The query of the address.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(value)) => Ok(Query(value)),
            Err(why) => Err(Error::new(
                Code::BadRequest,
                format!("the query of the address: {}", in_plain_words(&why.body_text())),
            )),
        }
    }
}

/// The variable parts of the path. What cannot be one is not there.
#[derive(Debug, Clone, Copy)]
pub struct Path<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Path(value)),
            // What the library says names our types.
            Err(_) => Err(Error::new(Code::NotFound, "nothing has this address; a name or id in it cannot be one")),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Small {
        n: u8,
    }

    async fn read(media_type: &str, body: impl Into<Body>) -> Result<u8, Error> {
        let request = Request::builder().header("content-type", media_type).body(body.into()).unwrap();
        Json::<Small>::from_request(request, &()).await.map(|Json(small)| small.n)
    }

    #[tokio::test]
    async fn bodies_are_json_of_the_right_shape_or_say_where_not() {
        assert_eq!(read("application/json; charset=utf-8", r#"{"n": 3}"#).await, Ok(3));
        assert_eq!(read("text/plain", r#"{"n": 3}"#).await.unwrap_err().code, Code::UnsupportedMediaType);
        assert_eq!(
            read("application/x-www-form-urlencoded", "n=3").await.unwrap_err().code,
            Code::UnsupportedMediaType
        );
        for (body, says) in [
            (&b"{\"n\":\n300}"[..], "line 2 column 3"),
            (b"{\"n\": 3, \"m\": 4}", "unknown field `m`"),
            (b"{\"n\": \"\xff\"}", "column"),
            (b"[]", "invalid length 0, expected an object"),
            (b"7", "invalid type: integer `7`, expected an object at line 1"),
            (b"{\"n\": -1}", "expected a whole number from 0 to 255 at line 1"),
            (b"", "EOF"),
            (b"{\"n\": 3} x", "trailing characters"),
        ] {
            let error = read("application/json", body.to_vec()).await.unwrap_err();
            assert_eq!(error.code, Code::MalformedJson);
            assert!(error.detail.contains(says), "{}", error.detail);
        }
        let large = read("application/json", vec![b' '; 3 << 20]).await.unwrap_err();
        assert_eq!(large.code, Code::TooLarge);
    }
}
