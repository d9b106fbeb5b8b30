//! What the panic report writes, and that it never makes a panic worse. A hook is the whole process's, and so is standard
//! error: each test runs its scenario in a process of its own, this binary again.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod bad_states;
mod chain;
mod form;
mod page;
mod support;

/// What lets a scenario run out of memory.
#[global_allocator]
static MEMORY: cap::Cap<std::alloc::System> = cap::Cap::new(std::alloc::System, usize::MAX);
