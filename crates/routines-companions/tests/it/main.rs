//! The promises of the companions, one module per library.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod fastrace;
#[cfg(tokio_unstable)]
mod hooked;
mod opentelemetry;
mod support;
mod tracing;
