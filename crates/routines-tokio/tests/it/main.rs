//! What tokio adds to the promises: tasks nobody wrapped (R8), every runtime flavour, ids made from tokio's own.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod foreign;
#[cfg(tokio_unstable)]
mod hooked;
mod support;
mod traps;
mod ways;
mod wrapped;
