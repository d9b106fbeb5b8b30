//! Owns the W3C `tracestate` header: an ordered list of what vendors say.

use std::fmt;
use std::sync::Arc;

use crate::carrier::{Extract, split_once, trim};

/// How many members the specification allows.
///
/// ```
/// # use routines_http::trace_state::{MAX_MEMBERS, TraceState};
/// let many: Vec<_> = (0..=MAX_MEMBERS).map(|n| format!("v{n}=1")).collect();
/// assert!(TraceState::parse(&many).is_err());
/// assert!(TraceState::parse(&many[1..]).is_ok());
/// ```
pub const MAX_MEMBERS: usize = 32;

/// How long a header we pass on, as the specification asks every platform to document: 16 times what it has to pass on at least,
/// and as much as common servers take.
///
/// What is longer loses whole members: first those of more than 128 characters, then the last ones.
///
/// ```
/// # use routines_http::trace_state::{MAX_BYTES, TraceState};
/// let long: Vec<_> = (0..32).map(|n| format!("v{n}={}", "x".repeat(256))).collect();
/// assert!(TraceState::parse(&long)?.header().len() <= MAX_BYTES);
/// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
/// ```
pub const MAX_BYTES: usize = 8192;

/// What the longest valid header without white space has; longer input is not even looked at.
const MAX_READ: usize = MAX_MEMBERS * (2 * MAX_PART + 2);
/// How long a key or a value may be.
const MAX_PART: usize = 256;
/// Members longer than this are the first to go.
const LONG: usize = 128;

/// What tracing systems keep in a trace for themselves further down: ordered members, each a key and a value, newest first.
///
/// Cloning is cheap and an empty one has no memory of its own. Opaque to us: read to be passed on.
///
/// ```
/// use routines_http::trace_state::TraceState;
///
/// let mut state = TraceState::parse(["rojo=00f067aa0ba902b7", "congo=t61rcWkgMzE"])?;
/// state.insert("congo", "ucfJifl5GOE").unwrap();
/// assert_eq!(state.header(), "congo=ucfJifl5GOE,rojo=00f067aa0ba902b7");
/// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct TraceState(Option<Arc<str>>);

impl TraceState {
    /// One without members; allocates nothing.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// static NOTHING: TraceState = TraceState::new();
    /// assert!(NOTHING.is_empty());
    /// ```
    pub const fn new() -> TraceState {
        TraceState(None)
    }

    /// Reads the values of all `tracestate` headers of a request, in their order.
    ///
    /// Empty members are skipped. Of members with the same key the first one, the most recent, is kept, which the specification
    /// leaves to us (“Mutating the tracestate Field”).
    ///
    /// Errors: one malformed member, or too many, and the list cannot be trusted: go on without state, in the same trace. At most
    /// 16 KiB are looked at.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// let state = TraceState::parse(["fw529a3039@dt=FfAAAA, ,rojo= 1", ""])?;
    /// assert_eq!(state.get("rojo"), Some(" 1"), "white space before a value belongs to it");
    /// assert!(TraceState::parse(["Rojo=1"]).is_err());
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn parse<L: AsRef<[u8]>>(lines: impl IntoIterator<Item = L>) -> Result<TraceState, ParseTraceStateError> {
        let mut reader = Reader::default();
        lines.into_iter().try_for_each(|line| reader.line(line.as_ref()))?;
        Ok(reader.finish())
    }

    /// Reads all `tracestate` headers of a carrier, as [`parse`](TraceState::parse) does; without any, allocates nothing.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert_eq!(TraceState::extract(&[("tracestate", "a=1"), ("TraceState", "b=2")])?.as_str(), "a=1,b=2");
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn extract(carrier: &(impl Extract + ?Sized)) -> Result<TraceState, ParseTraceStateError> {
        let mut reader = Reader::default();
        let mut so_far = Ok(());
        carrier.each("tracestate", &mut |line| so_far = so_far.and_then(|()| reader.line(line)));
        so_far.map(|()| reader.finish())
    }

    /// What the system with this key has stored.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert_eq!(TraceState::parse(["a=1,b=2"])?.get("b"), Some("2"));
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// Stores a value at the front of the list, instead of what the key had; the last member goes when the list is full.
    ///
    /// Errors: a key or a value that the format cannot write; nothing changes.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// let mut state = TraceState::parse(["a=1,b=2"])?;
    /// state.insert("b", "3").unwrap();
    /// assert_eq!(state.header(), "b=3,a=1");
    /// assert!(state.insert("b", "3,c=4").is_err());
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn insert(&mut self, key: &str, value: &str) -> Result<(), ParseTraceStateError> {
        check(key.as_bytes(), value.as_bytes())?;
        let others = self.iter().filter(|(name, _)| *name != key).take(MAX_MEMBERS - 1);
        *self = collect(std::iter::once((key, value)).chain(others));
        Ok(())
    }

    /// Removes a member; whether there was one.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// let mut state = TraceState::parse(["a=1,b=2"])?;
    /// assert!(state.remove("a") && !state.remove("a"));
    /// assert_eq!(state.header(), "b=2");
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn remove(&mut self, key: &str) -> bool {
        let had = self.get(key).is_some();
        if had {
            *self = collect(self.iter().filter(|(name, _)| *name != key));
        }
        had
    }

    /// How many members there are.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert_eq!(TraceState::parse(["a=1,b=2"])?.len(), 2);
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is nothing to send; then send no header.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert!(TraceState::new().is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Keys and values, as they are sent.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// let state = TraceState::parse(["a=1,b=2"])?;
    /// assert_eq!(state.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.as_deref().into_iter().flat_map(|text| text.split(',')).filter_map(|member| member.split_once('='))
    }

    /// The value of the one header to send: visible ASCII, at most [`MAX_BYTES`].
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert_eq!(TraceState::parse([" a=1 ,, b=2 "])?.header(), "a=1,b=2");
    /// # Ok::<(), routines_http::trace_state::ParseTraceStateError>(())
    /// ```
    pub fn header(&self) -> String {
        self.as_str().to_owned()
    }

    /// The same, borrowed: the list is kept as it is written.
    ///
    /// ```
    /// # use routines_http::trace_state::TraceState;
    /// assert_eq!(TraceState::new().as_str(), "");
    /// ```
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Why a `tracestate` is not taken.
///
/// ```
/// # use routines_http::trace_state::{ParseTraceStateError, TraceState};
/// assert_eq!(TraceState::parse(["a=1,b"]), Err(ParseTraceStateError::Member));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseTraceStateError {
    /// A member without `=`.
    #[error("a member of a tracestate is `key=value`: write the `=`")]
    Member,
    /// Not 1 to 256 of the characters that keys may have.
    #[error("a key starts with a-z or 0-9 and has at most {MAX_PART} characters of a-z, 0-9 and `_-*/@`: rename it")]
    Key,
    /// Not 1 to 256 of the characters that values may have, or a blank at the end.
    #[error(
        "a value has 1 to {MAX_PART} printable ASCII characters without `,` and `=`, the last not a blank: encode it"
    )]
    Value,
    /// More than 32 members.
    #[error("a tracestate has at most {MAX_MEMBERS} members: drop the last ones before sending it")]
    TooMany,
    /// Longer than 32 members can be.
    #[error("a tracestate has at most {MAX_READ} characters: drop the last members before sending it")]
    TooLong,
}

/// Takes the lines of one request, and stops at the first thing wrong.
#[derive(Default)]
struct Reader {
    text: String,
    members: usize,
    read: usize,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), ParseTraceStateError> {
        self.read += line.len() + 1;
        if self.read > MAX_READ {
            return Err(ParseTraceStateError::TooLong);
        }
        line.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty()).try_for_each(|m| self.member(m))
    }

    fn member(&mut self, member: &[u8]) -> Result<(), ParseTraceStateError> {
        self.members += 1;
        if self.members > MAX_MEMBERS {
            return Err(ParseTraceStateError::TooMany);
        }
        let (key, value) = split_once(member, b'=').ok_or(ParseTraceStateError::Member)?;
        check(key, value)?;
        let is_known = self.text.split(',').any(|known| known.as_bytes().starts_with(&member[..=key.len()]));
        if !is_known {
            let comma = if self.text.is_empty() { "" } else { "," };
            self.text.extend([comma, str::from_utf8(member).map_err(|_| ParseTraceStateError::Value)?]);
        }
        Ok(())
    }

    fn finish(self) -> TraceState {
        fit(self.text)
    }
}

fn collect<'a>(members: impl Iterator<Item = (&'a str, &'a str)>) -> TraceState {
    let members: Vec<_> = members.map(|(key, value)| format!("{key}={value}")).collect();
    fit(members.join(","))
}

/// Shortens as “tracestate Limits” asks: long members first, from the end. The short ones always fit.
fn fit(mut text: String) -> TraceState {
    while text.len() > MAX_BYTES {
        let mut members: Vec<_> = text.split(',').collect();
        members.remove(members.iter().rposition(|member| member.len() > LONG).unwrap_or(members.len() - 1));
        text = members.join(",");
    }
    if text.is_empty() { TraceState(None) } else { TraceState(Some(text.into())) }
}

fn check(key: &[u8], value: &[u8]) -> Result<(), ParseTraceStateError> {
    let is_alnum = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_key = |byte: &u8| is_alnum(byte) || b"_-*/@".contains(byte);
    let is_value = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    if !key.first().is_some_and(is_alnum) || key.len() > MAX_PART || !key.iter().all(is_key) {
        return Err(ParseTraceStateError::Key);
    }
    if value.is_empty() || value.len() > MAX_PART || value.ends_with(b" ") || !value.iter().all(is_value) {
        return Err(ParseTraceStateError::Value);
    }
    Ok(())
}
