//! Owns how the remaining time is written in headers.
