//! Owns the binary of this crate's tests.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod converting;
mod sdk;
mod spans;
mod support;
