//! The promises of the core, one module per concern. Helpers are in `support`.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod autotraits;
mod carried_callbacks;
mod companions;
mod drops;
#[cfg(feature = "dump")]
mod dump;
mod identity;
mod keys;
mod managers;
mod messages;
mod model;
mod rules;
mod streams;
mod support;
mod threads_exit;
mod traps;
