//! Owns the conversion of trace contexts.

use opentelemetry::trace::{SpanContext, TraceState as OtelTraceState};
use opentelemetry::{SpanId as OtelSpanId, TraceFlags as OtelTraceFlags, TraceId as OtelTraceId};
use routines_http::trace::{SpanId, TraceContext, TraceFlags, TraceId};
use routines_http::trace_state::TraceState;

/// The same place in the same trace, as a remote span context: a parent for spans that are opened here.
///
/// ```
/// use routines_http::TraceContext;
/// use routines_opentelemetry::to_otel;
///
/// let ours = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
/// let theirs = to_otel(&ours);
/// assert_eq!(theirs.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// assert!(theirs.is_sampled() && theirs.is_remote());
/// ```
pub fn to_otel(trace: &TraceContext) -> SpanContext {
    SpanContext::new(
        OtelTraceId::from_bytes(trace.trace_id.to_bytes()),
        OtelSpanId::from_bytes(trace.span_id.to_bytes()),
        OtelTraceFlags::new(trace.flags.bits()),
        true,
        state_to_otel(&trace.state),
    )
}

/// The same place in the same trace; `None` if it is not a valid one.
///
/// ```
/// use opentelemetry::trace::SpanContext;
/// use routines_http::TraceContext;
/// use routines_opentelemetry::{from_otel, to_otel};
///
/// let ours = TraceContext::new_root();
/// assert_eq!(from_otel(&to_otel(&ours)), Some(ours));
/// assert_eq!(from_otel(&SpanContext::NONE), None);
/// ```
pub fn from_otel(span: &SpanContext) -> Option<TraceContext> {
    Some(TraceContext {
        trace_id: TraceId::from_bytes(span.trace_id().to_bytes())?,
        span_id: SpanId::from_bytes(span.span_id().to_bytes())?,
        flags: TraceFlags::from_bits(span.trace_flags().to_u8()),
        state: state_from_otel(span.trace_state()),
    })
}

fn state_to_otel(state: &TraceState) -> OtelTraceState {
    // One bad member would cost all the others.
    let good = state.iter().filter(|member| OtelTraceState::from_key_value([*member]).is_ok());
    OtelTraceState::from_key_value(good).unwrap_or_default()
}

fn state_from_otel(theirs: &OtelTraceState) -> TraceState {
    let mut members: Vec<_> = theirs.into_iter().collect();
    let mut state = TraceState::new();
    // Each one goes to the front.
    while let Some((key, value)) = members.pop() {
        let _no_header_can_have_it = state.insert(key, value);
    }
    state
}
