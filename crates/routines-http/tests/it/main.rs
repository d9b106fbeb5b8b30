//! Owns the binary of this crate's tests.

mod client;
mod server;
mod support;
