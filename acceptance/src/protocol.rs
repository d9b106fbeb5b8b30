//! Owns the messages that hops send each other, and the lines they print.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) type Values = BTreeMap<String, String>;

/// How a request came to a hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Http,
    Grpc,
    /// It began here.
    Origin,
}

/// What the last hop of a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Act {
    Answer,
    /// Waits until it is told to stop.
    Hang,
}

/// Where a hop sends the request on to.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Next {
    pub(crate) addr: String,
    pub(crate) protocol: Protocol,
}

/// The body of a request from hop to hop.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Work {
    pub(crate) route: Vec<Next>,
    pub(crate) act: Act,
    /// How long each hop works before it sends the request on.
    #[serde(default)]
    pub(crate) work_ms: u64,
    /// `shared`: Python is to use one gRPC connection for all calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<String>,
}

impl Work {
    /// The next hop and its body; `None` at the last.
    pub(crate) fn split(mut self) -> Result<(Next, Work), Work> {
        if self.route.is_empty() {
            return Err(self);
        }
        let next = self.route.remove(0);
        Ok((next, self))
    }
}

/// The body of `POST /start`: what the origin is to bind before it sends the first request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Start {
    pub(crate) request_id: String,
    pub(crate) baggage: Values,
    pub(crate) timeout_ms: u64,
    #[serde(flatten)]
    pub(crate) work: Work,
}

/// What one hop received.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) hop: String,
    pub(crate) protocol: Protocol,
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) request_id: Option<String>,
    pub(crate) baggage: Values,
    pub(crate) remaining_ms: Option<f64>,
    /// The deadline header as it came; only Rust sees it on gRPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) wire_timeout: Option<String>,
}

/// The first line of a hop: where it listens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Ports {
    pub(crate) http: u16,
    pub(crate) grpc: u16,
}

/// The other lines of a hop.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub(crate) enum Event {
    Arrived { hop: String, request_id: Option<String> },
    Cancelled { hop: String, request_id: Option<String>, cause: Reason, after_ms: f64 },
}

/// Why a hop was told to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reason {
    Disconnected,
    Deadline,
    Other,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Reason::Disconnected => "disconnected",
            Reason::Deadline => "deadline",
            Reason::Other => "other",
        })
    }
}
