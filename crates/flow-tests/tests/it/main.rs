//! Executors and pools of others, with nothing but the core's `inherit`, `detached` and `bind`.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod cells;
mod executors;
mod pools;
