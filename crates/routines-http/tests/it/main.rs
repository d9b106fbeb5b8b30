//! Owns the binary of this crate's tests: what is read from strangers, what is sent, and what never is.
#![allow(missing_docs, reason = "a test's name is its sentence")]

mod client;
mod formats_baggage;
mod formats_carrier;
mod formats_hostile;
mod formats_request_id;
mod formats_timeout;
mod formats_trace;
mod formats_trace_state;
#[cfg(tokio_unstable)]
mod hooked;
mod layers_client;
mod layers_ends;
#[cfg(tokio_unstable)]
mod layers_hooked;
mod layers_policies;
mod layers_server;
mod layers_support;
mod layers_trust;
mod propagation;
mod server;
mod support;
