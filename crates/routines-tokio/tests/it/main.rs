//! What tokio adds to the promises: every way it starts work, tasks nobody wrapped (R8), every runtime flavour, ids made from
//! tokio's own.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod attributes;
mod branches;
mod cells;
mod foreign;
#[cfg(tokio_unstable)]
mod hooked;
mod hosts;
mod in_place;
mod one_line;
mod sets;
mod support;
mod traps;
mod ways;
mod work;
mod wrapped;
