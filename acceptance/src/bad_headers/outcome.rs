//! Owns what is shown of what somebody made of a header, short enough for a table.

use std::collections::BTreeMap;

use routines_http::{Baggage, TraceContext};
use serde::Deserialize;

use super::rows::PARENT;

/// What is said of a request without any time left: whether its handler ran is a race.
pub(crate) const OVER: &str = "over";

/// What a propagator printed.
#[derive(Debug, Deserialize)]
pub(crate) struct Outcome {
    #[serde(default)]
    trace_id: Option<String>,
    #[serde(default)]
    flags: Option<u8>,
    #[serde(default)]
    tracestate: String,
    #[serde(default)]
    baggage: BTreeMap<String, String>,
    #[serde(default)]
    error: Option<String>,
}

impl Outcome {
    /// As far as this header says it.
    pub(crate) fn text(&self, header: &str) -> String {
        match (&self.error, header) {
            (Some(error), _) => format!("raises {}", error.split('(').next().unwrap_or_default()),
            (None, "traceparent") => trace(self.trace_id.as_deref(), self.flags.unwrap_or_default()),
            (None, "tracestate") => state(&self.tracestate),
            (None, _) => baggage(self.baggage.iter().map(|(name, value)| (&**name, &**value)).collect()),
        }
    }
}

/// What we would send on.
pub(crate) fn ours(header: &str, sent: &BTreeMap<String, String>) -> String {
    let text = |name: &str| sent.get(name).map_or("", String::as_str);
    match header {
        "traceparent" => match TraceContext::parse(text("traceparent")) {
            Ok(context) => trace(Some(&context.trace_id.to_string()), context.flags.bits()),
            Err(_) => "nothing".into(),
        },
        "tracestate" => state(text("tracestate")),
        "baggage" => match Baggage::parse([text("baggage")]) {
            Ok(read) => baggage(read.iter().map(|member| (member.name, member.value)).collect()),
            Err(_) => "what nobody can read".into(),
        },
        "x-request-id" => id(text("x-request-id")),
        _ => unreachable!("no such row: {header}"),
    }
}

fn trace(id: Option<&str>, flags: u8) -> String {
    let is_same = id.is_some_and(|id| PARENT.contains(id));
    match (is_same, flags & 1) {
        (false, _) => "new".into(),
        (true, 0) => "same".into(),
        (true, _) => "same, sampled".into(),
    }
}

fn state(header: &str) -> String {
    match header.len() {
        0 => "none".into(),
        1..40 => header.into(),
        bytes => format!("{} members, {bytes} bytes", header.split(',').count()),
    }
}

fn baggage(members: Vec<(&str, &str)>) -> String {
    let show = |(name, value): &(&str, &str)| match value.len() {
        0..40 => format!("{name}={value}"),
        bytes => format!("{name}={bytes} bytes"),
    };
    match members.len() {
        0 => "none".into(),
        1..4 => members.iter().map(show).collect::<Vec<_>>().join(" "),
        many => format!("{many} members"),
    }
}

fn id(id: &str) -> String {
    match id.len() {
        0..100 if id.starts_with("req") => id.into(),
        100.. => format!("{} bytes", id.len()),
        _ => "new".into(),
    }
}

/// The time left of a request, in the words of `nominal` if it was to have that.
pub(crate) fn time(left_ms: Option<f64>, nominal: &str) -> String {
    let Some(left) = left_ms else { return "none".into() };
    let sent = nominal.strip_suffix(" ms").and_then(|ms| ms.parse::<f64>().ok());
    match sent {
        _ if left == 0.0 => OVER.into(),
        Some(sent) if left < sent + 1.0 && left > sent - 5_000.0 => nominal.into(),
        _ => format!("{left:.0} ms"),
    }
}
