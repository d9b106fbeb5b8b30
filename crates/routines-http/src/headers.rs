//! Owns the names of headers, and how one is looked for among what came.

use http::HeaderName;

use crate::carrier::Extract;

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

/// A header of which there may be one.
pub(crate) enum Found {
    None,
    One(Vec<u8>),
    /// More than one, or too much.
    Bad,
}

/// More than any format here may have: what is further back is not looked at.
const MOST: usize = 16 * 1024;

pub(crate) fn find<C: Extract + ?Sized>(carrier: &C, name: &HeaderName) -> Found {
    let mut found = Found::None;
    carrier.each(name.as_str(), &mut |value| {
        found = match found {
            Found::None if value.len() <= MOST => Found::One(value.to_owned()),
            _ => Found::Bad,
        };
    });
    found
}
