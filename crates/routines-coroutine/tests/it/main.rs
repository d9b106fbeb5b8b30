//! What stackful coroutines add to the promises: frames that are open across a yield, and moves between threads.
#![allow(missing_docs, reason = "a test's name is its sentence")]

#[cfg(feature = "corosensei")]
mod coroutine;
#[cfg(feature = "may")]
mod may;
