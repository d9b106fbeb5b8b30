//! The promises of the leak check: what it finds, what it waits for, whom it never blames.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod allow;
mod families;
#[cfg(tokio_unstable)]
mod hooked;
mod parallel;
mod patience;
mod report;
mod support;
mod ways;
