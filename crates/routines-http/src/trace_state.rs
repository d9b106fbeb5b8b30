//! Owns the W3C `tracestate` header: an ordered list of what vendors say.
