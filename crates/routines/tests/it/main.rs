//! The promises of the core, one module per concern. Helpers are in `support`.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod drops;
#[cfg(feature = "dump")]
mod dump;
mod identity;
mod keys;
mod model;
mod rules;
mod support;
mod traps;
