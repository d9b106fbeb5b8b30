//! What the crate promises, on threads, tokio and smol.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod bridges;
mod callbacks;
mod deep;

mod races;
mod running;
mod shown;
mod support;
mod timers;
mod tree;
mod waiting;
mod ways;
