//! What the live page promises: which routines it shows, in what order and form, to whom, and at what size.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod crowd;
mod escaping;
mod filter;
mod groups;
mod order;
mod query;
mod schema;
mod service;
mod support;
mod tree;
mod visitors;
