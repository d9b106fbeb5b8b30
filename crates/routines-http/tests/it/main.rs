//! Owns the binary of this crate's tests.
