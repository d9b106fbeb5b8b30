//! Owns what is logged at each hop, and how it reads on the other side: JSON lines of `tracing`, with the context that is bound.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use routines_cancel::{Cause, after_cancel};
use serde::Deserialize;
use tracing::info;

/// The request has come to a hop.
pub(super) const ARRIVED: &str = "arrived";
/// Its work there is finished.
pub(super) const DONE: &str = "done";
/// Its work there is cancelled.
pub(super) const TOLD: &str = "told";

/// Logs a step of an order, with the time it has left.
pub(super) fn log(order: u64, step: &str) {
    info!(order, left_ns = left(routines_cancel::deadline()), at_us = now_us(), "{step}");
}

/// Logs that an order has arrived and, should its work here be cancelled, why.
pub(super) fn log_arrival(order: u64) {
    log(order, ARRIVED);
    if !tracing::enabled!(tracing::Level::INFO) {
        return;
    }
    let deadline = routines_cancel::deadline();
    let tell =
        after_cancel(move |cause| info!(order, cause = %cause, left_ns = left(deadline), at_us = now_us(), "{TOLD}"));
    // The handler may be dropped by then: it goes with the request and not with the handler.
    tell.detach();
}

/// Logs that a neighbour was told before this hop was, if it was: over the network both have the same deadline.
pub(super) fn log_answer_of_cancelled(order: u64, cause: Option<Cause>) {
    if let Some(cause) = cause
        && !routines_cancel::is_cancelled()
    {
        info!(order, cause = %cause, left_ns = left(routines_cancel::deadline()), at_us = now_us(), "{TOLD}");
    }
}

fn left(deadline: Option<Instant>) -> Option<u64> {
    deadline.map(|at| at.saturating_duration_since(Instant::now()).as_nanos() as u64)
}

/// Microseconds since 1970, by the clock that all processes of a machine share.
pub(super) fn now_us() -> u64 {
    let now: Duration = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_micros() as u64
}

/// A line as the checker reads it: what the code said that logged, and what was bound.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Line {
    pub(super) message: String,
    pub(super) order: Option<u64>,
    pub(super) left_ns: Option<u64>,
    #[serde(default)]
    pub(super) at_us: u64,
    pub(super) cause: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) tenant: Option<String>,
}

impl Line {
    /// Whether it carries what only requests have.
    pub(super) fn is_owned(&self) -> bool {
        self.request_id.is_some() || self.trace_id.is_some() || self.tenant.is_some()
    }
}
