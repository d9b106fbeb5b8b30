//! Owns the W3C `baggage` header.
