//! Owns the W3C `traceparent` header: trace and span ids, flags.
