//! What samples promise: their sum, their labels, their stacks, and that the program survives them whatever it does.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![allow(missing_docs, reason = "a test's name is its sentence")]

#[macro_use]
mod support;

mod foreign_code;
mod images;
mod owners;
mod raw;
mod stacks;
mod storms;
mod threads;
mod weights;
