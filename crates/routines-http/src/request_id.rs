//! Owns the id a request is known by in logs.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use const_hex::Buffer;

/// How long an id may be that somebody else made.
///
/// ```
/// # use routines_http::request_id::{MAX_BYTES, RequestId};
/// assert!(RequestId::parse("r".repeat(MAX_BYTES)).is_ok());
/// assert!(RequestId::parse("r".repeat(MAX_BYTES + 1)).is_err());
/// ```
pub const MAX_BYTES: usize = 128;

/// The id a request is known by in everybody's logs (`x-request-id`): short, and harmless wherever text is written.
///
/// Shown as it is, without quotes, also by `Debug`. Cloning is cheap.
///
/// ```
/// use routines_http::request_id::RequestId;
///
/// let id = RequestId::parse("7f0c-42")?;
/// assert_eq!(format!("{id} {id:?}"), "7f0c-42 7f0c-42");
/// # Ok::<(), routines_http::request_id::ParseRequestIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Makes an id that nobody else has: 32 lower-case hexadecimal digits of the thread's cryptographic generator.
    ///
    /// Panics only if the operating system cannot seed that generator.
    ///
    /// ```
    /// # use routines_http::request_id::RequestId;
    /// assert_ne!(RequestId::random(), RequestId::random());
    /// ```
    pub fn random() -> RequestId {
        RequestId(Buffer::<16>::new().format(&rand::random()).into())
    }

    /// Takes an id from outside if it is 1 to 128 visible ASCII characters, none of them `"`, `\` or `,`.
    ///
    /// These three would need escapes in JSON or in a list of headers, and an id has to look the same everywhere.
    ///
    /// Errors: anything else; make a [`random`](RequestId::random) one then. Looks at 128 bytes at most.
    ///
    /// ```
    /// # use routines_http::request_id::RequestId;
    /// assert_eq!(RequestId::parse("Root=1-67891233-abcdef")?.as_str(), "Root=1-67891233-abcdef");
    /// assert!(RequestId::parse("two words").is_err());
    /// assert!(RequestId::parse(b"line\nbreak").is_err());
    /// # Ok::<(), routines_http::request_id::ParseRequestIdError>(())
    /// ```
    pub fn parse(text: impl AsRef<[u8]>) -> Result<RequestId, ParseRequestIdError> {
        let text = text.as_ref();
        if text.is_empty() || text.len() > MAX_BYTES {
            return Err(ParseRequestIdError::Length);
        }
        if !text.iter().all(|byte| byte.is_ascii_graphic() && !b"\"\\,".contains(byte)) {
            return Err(ParseRequestIdError::Character);
        }
        str::from_utf8(text).map(|text| RequestId(text.into())).map_err(|_| ParseRequestIdError::Character)
    }

    /// The text.
    ///
    /// ```
    /// # use routines_http::request_id::RequestId;
    /// assert_eq!(RequestId::random().as_str().len(), 32);
    /// ```
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for RequestId {
    type Err = ParseRequestIdError;

    fn from_str(text: &str) -> Result<RequestId, ParseRequestIdError> {
        RequestId::parse(text)
    }
}

/// Why a request id is not taken.
///
/// ```
/// # use routines_http::request_id::{ParseRequestIdError, RequestId};
/// assert_eq!(RequestId::parse(""), Err(ParseRequestIdError::Length));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseRequestIdError {
    /// Empty, or too long.
    #[error("a request id has 1 to {MAX_BYTES} characters: send a UUID, or leave the header out to get one")]
    Length,
    /// A character that would have to be escaped somewhere.
    #[error("a request id has visible ASCII characters only, and none of `\"`, `\\` and `,`: send a UUID")]
    Character,
}
