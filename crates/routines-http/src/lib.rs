//! A request's ids, trace, baggage and remaining time, from process to process.

pub mod baggage;
pub mod carrier;
pub mod request_id;
pub mod timeout;
pub mod trace;
pub mod trace_state;
