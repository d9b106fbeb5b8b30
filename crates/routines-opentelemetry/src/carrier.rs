//! Owns contexts as carriers: what the current routine would send, put into one, and what somebody else extracted, taken in.

use http::HeaderName;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::TraceContextExt;
use routines::Local;
use routines_cancel::sync_shield;
use routines_http::carrier::{Extract, Inject, Text};
use routines_http::{Baggage, CALLER_TRACE, Destination, Propagation, TRACE, TraceContext};

use crate::{baggage_from_otel, baggage_to_otel, from_otel, to_otel};

/// The current OpenTelemetry context, with the current trace as a remote span and the values of the propagation's keys as its baggage.
///
/// Without a current trace its span stays as it is. Of baggage that is there already, nothing stays.
///
/// ```
/// use opentelemetry::{baggage::BaggageExt, trace::TraceContextExt};
/// use routines_http::{Propagated, Propagation, TRACE, TraceContext};
/// use routines_opentelemetry::current_to_otel;
///
/// static TENANT: Propagated<String> = Propagated::baggage("tenant");
///
/// let fleet = Propagation::new().key(&TENANT);
/// let context = TRACE.sync_scope(TraceContext::new_root(), || {
///     TENANT.sync_scope("acme".into(), || current_to_otel(&fleet))
/// });
/// assert!(context.span().span_context().is_remote());
/// assert_eq!(context.baggage().get("tenant").unwrap().as_str(), "acme");
/// ```
pub fn current_to_otel(propagation: &Propagation) -> Context {
    with_span(propagation, &TRACE)
}

/// As [`current_to_otel`], with the caller's span instead: the context in which a service opens the span of a whole request.
///
/// The service's own place in the trace, which [`current_to_otel`] tells, is a span that nobody records.
///
/// ```
/// use std::collections::HashMap;
/// use opentelemetry::trace::TraceContextExt;
/// use routines_http::Propagation;
/// use routines_opentelemetry::caller_to_otel;
///
/// let fleet = Propagation::new();
/// let headers = HashMap::from([(
///     "traceparent".to_owned(),
///     "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
/// )]);
/// // As `ServerLayer` does for each request.
/// fleet.extract(&headers).sync_scope(|| {
///     assert_eq!(caller_to_otel(&fleet).span().span_context().span_id().to_string(), "00f067aa0ba902b7");
/// });
/// ```
pub fn caller_to_otel(propagation: &Propagation) -> Context {
    with_span(propagation, &CALLER_TRACE)
}

fn with_span(propagation: &Propagation, trace: &Local<TraceContext>) -> Context {
    let mut values = Values::default();
    // Also of a routine that is cancelled: a span that tells of that is opened all the same.
    let _nothing_cancels_it = sync_shield(|| propagation.inject(&mut values, &Destination::queue()));
    let context = Context::current().with_baggage(baggage_to_otel(&values.0));
    match trace.with(to_otel) {
        Some(span) => context.with_remote_span_context(span),
        None => context,
    }
}

/// Takes in what an OpenTelemetry propagator has extracted: of a context, the trace and the baggage.
///
/// ```
/// use opentelemetry::{Context, KeyValue, baggage::BaggageExt};
/// use routines_http::{Propagated, Propagation};
/// use routines_opentelemetry::ContextExtractor;
///
/// static TENANT: Propagated<String> = Propagated::baggage("tenant");
///
/// let context = Context::new().with_baggage([KeyValue::new("tenant", "acme")]);
/// let incoming = Propagation::new().key(&TENANT).extract(&ContextExtractor(&context));
/// incoming.sync_scope(|| assert_eq!(TENANT.get().as_deref(), Some("acme")));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct ContextExtractor<'a>(pub &'a Context);

impl Extract for ContextExtractor<'_> {
    fn each(&self, name: &str, visit: &mut dyn FnMut(&[u8])) {
        let header = match name {
            "baggage" => baggage_from_otel(self.0.baggage()).header(),
            "traceparent" => self.trace(|trace| trace.traceparent()),
            "tracestate" => self.trace(|trace| trace.state.header()),
            _ => return,
        };
        if !header.is_empty() {
            visit(header.as_bytes());
        }
    }
}

impl ContextExtractor<'_> {
    fn trace(&self, show: impl FnOnce(routines_http::TraceContext) -> String) -> String {
        from_otel(self.0.span().span_context()).map(show).unwrap_or_default()
    }
}

/// The values that would be sent, and nothing else.
#[derive(Default)]
struct Values(Baggage);

impl Inject for Values {
    fn put(&mut self, name: &HeaderName, value: Text<'_>) {
        if name == "baggage" {
            self.0 = Baggage::parse_lossy([&*value]).0;
        }
    }

    fn remove(&mut self, _: &HeaderName) {}
}
