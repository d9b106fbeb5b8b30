//! What the command `routines` promises: what it shows, what it asks, and that nothing a server says can harm a terminal.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod address;
mod dump;
mod end_to_end;
mod hostile;
mod keys;
#[cfg(unix)]
mod process;
mod screen;
mod support;
