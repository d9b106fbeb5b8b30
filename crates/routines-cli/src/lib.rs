//! Owns the parts of the command `routines`, as a library for its tests: what it promises is the command, not these names.
//!
//! `address` → `client` → `wire` is the way in: everything that arrives is bounded there, and passes [`text::Plain`] before it
//! reaches a terminal. `fetch` makes the lines of a view of pages, `model` is a pure state machine over keys and answers, `view`
//! draws a model, `top` runs both on a terminal, `dump` prints for scripts.

pub mod address;
pub mod client;
mod columns;
pub mod dump;
pub mod fetch;
pub mod model;
pub mod query;
pub mod text;
pub mod top;
pub mod view;
pub mod wire;
