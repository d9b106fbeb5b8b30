//! Owns the names of headers, the clock of the one with a moment, and how one is looked for among what came.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, header};

use crate::carrier::Extract;
use crate::ignored::Counter;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
pub(crate) const BAGGAGE: HeaderName = HeaderName::from_static("baggage");
pub(crate) const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
pub(crate) const MILLIS_LEFT: HeaderName = HeaderName::from_static("x-request-timeout-ms");
pub(crate) const MOMENT: HeaderName = HeaderName::from_static("x-request-deadline-unix-ms");

/// Whether this library writes that header itself.
pub(crate) fn is_own(name: &HeaderName) -> bool {
    [TRACEPARENT, TRACESTATE, BAGGAGE, REQUEST_ID_HEADER, GRPC_TIMEOUT, MOMENT].contains(name)
}

/// Whether a message would mean something else with another value of it.
pub(crate) fn is_of_http(name: &HeaderName) -> bool {
    const SEMANTIC: [HeaderName; 9] = [
        header::CONNECTION,
        header::CONTENT_ENCODING,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::HOST,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    SEMANTIC.contains(name) || ["keep-alive", "proxy-connection", "trailer"].contains(&name.as_str())
}

/// The clock that moments are told by, since 1970.
pub(crate) fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A header of which there may be one.
pub(crate) enum Found<T> {
    None,
    One(T),
    /// More than one, too much, or nothing that can be read.
    Bad,
}

impl<T> Found<T> {
    /// What was found, if it is good; counted, if it is bad.
    pub(crate) fn good(self, counter: &Counter) -> Option<T> {
        match self {
            Found::None => None,
            Found::One(value) => Some(value),
            Found::Bad => {
                counter.add();
                None
            }
        }
    }
}

/// More than any format here may have: what is further back is not looked at.
const MOST: usize = 16 * 1024;

pub(crate) fn find<C: Extract + ?Sized, T>(carrier: &C, name: &str, read: impl Fn(&[u8]) -> Option<T>) -> Found<T> {
    let mut found = Found::None;
    carrier.each(name, &mut |value| {
        found = match found {
            Found::None if value.len() <= MOST => read(value).map_or(Found::Bad, Found::One),
            _ => Found::Bad,
        };
    });
    found
}
