//! Tasks that hyper starts run in the context that was chosen for them, over real connections.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod bodies;
mod executors;
mod pools;
mod support;
