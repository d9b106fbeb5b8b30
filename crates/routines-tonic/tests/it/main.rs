//! Owns the binary of this crate's tests.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod cancelling;
mod carrying;
mod deadlines;
mod metadata;
mod statuses;
mod support;
