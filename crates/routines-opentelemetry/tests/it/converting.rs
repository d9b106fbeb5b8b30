//! Both ways, between values.

use opentelemetry::baggage::{Baggage as OtelBaggage, BaggageExt};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceState as OtelTraceState};
use opentelemetry::{Context, KeyValue, SpanId, TraceFlags, TraceId};
use routines_cancel::with_cancel;
use routines_http::{Baggage, REQUEST_ID, RequestId, TRACE, TraceContext};
use routines_opentelemetry::{
    ContextExtractor, baggage_from_otel, baggage_to_otel, current_to_otel, from_otel, to_otel,
};

use crate::support::{REGION, TENANT, awkward, fleet, trace};

#[test]
fn a_trace_comes_back_as_it_was() {
    for flags in ["00", "01", "02", "03"] {
        assert_eq!(from_otel(&to_otel(&trace(flags))), Some(trace(flags)));
    }
    let mut full = trace("01");
    for at in 0..40 {
        full.state.insert(&format!("vendor{at}"), "1").unwrap();
    }
    assert_eq!(full.state.len(), 32);
    assert_eq!(from_otel(&to_otel(&full)), Some(full));
}

#[test]
fn a_span_context_without_an_id_is_no_trace() {
    let (trace, span) = (TraceId::from(7), SpanId::from(7));
    for (trace, span) in [(TraceId::INVALID, span), (trace, SpanId::INVALID)] {
        let invalid = SpanContext::new(trace, span, TraceFlags::SAMPLED, false, OtelTraceState::NONE);
        assert_eq!(from_otel(&invalid), None);
    }
}

#[test]
fn of_a_tracestate_only_what_the_other_side_cannot_have_is_lost() {
    // `opentelemetry` wants at most 13 characters after the `@`.
    let mut ours = trace("01");
    ours.state.insert("a@system-with-a-long-name", "x").unwrap();
    assert_eq!(to_otel(&ours).trace_state().header(), "zeta=1,vendor@system=a:b");
    // It lets any character into values.
    let theirs = OtelTraceState::from_key_value([("first", "1"), ("bad", "\u{e9}"), ("last", "2")]).unwrap();
    let span = SpanContext::new(TraceId::from(7), SpanId::from(7), TraceFlags::SAMPLED, false, theirs);
    assert_eq!(from_otel(&span).unwrap().state.header(), "first=1,last=2");
}

#[test]
fn baggage_comes_back_as_it_was_but_for_its_order() {
    assert_eq!(baggage_from_otel(&baggage_to_otel(&awkward())), awkward());
    let properties = Baggage::parse(["a=1;ttl=5;secret,b=2"]).unwrap();
    assert_eq!(baggage_from_otel(&baggage_to_otel(&properties)), properties);
    let unordered = Baggage::parse(["b=2,a=1"]).unwrap();
    assert_eq!(baggage_from_otel(&baggage_to_otel(&unordered)).header(), "a=1,b=2");
}

#[test]
fn properties_no_header_can_have_are_left_out_and_the_value_stays() {
    let mut theirs = OtelBaggage::new();
    theirs.insert_with_metadata("a", "1", "not a property, is it");
    assert_eq!(baggage_from_otel(&theirs).header(), "a=1");
}

#[test]
fn what_exceeds_a_header_is_left_out_and_the_rest_stays() {
    // 3000 characters that are three times as long when they are written.
    let theirs = OtelBaggage::from_iter([
        KeyValue::new("a", "1"),
        KeyValue::new("b", "=".repeat(3000)),
        KeyValue::new("c", "2"),
    ]);
    assert_eq!(theirs.len(), 3);
    assert_eq!(baggage_from_otel(&theirs).header(), "a=1,c=2");
}

#[test]
fn the_current_context_has_the_trace_and_the_values_of_the_listed_keys() {
    let bound = || TENANT.sync_scope("acme".into(), || REGION.sync_scope("eu".into(), || current_to_otel(&fleet())));
    let context = TRACE.sync_scope(trace("01"), bound);
    assert_eq!(from_otel(context.span().span_context()), Some(trace("01")));
    assert_eq!(context.baggage().get("tenant").unwrap().as_str(), "acme");
    assert_eq!(context.baggage().len(), 1, "a header of its own has no place there");
}

#[test]
fn a_cancelled_routine_has_a_current_context_all_the_same() {
    let token = with_cancel();
    token.cancel();
    let bound = || TENANT.sync_scope("acme".into(), || current_to_otel(&fleet()));
    let context = token.sync_scope(|| TRACE.sync_scope(trace("01"), bound));
    assert_eq!(from_otel(context.span().span_context()), Some(trace("01")));
    assert_eq!(context.baggage().get("tenant").unwrap().as_str(), "acme");
}

#[test]
fn other_values_of_the_current_context_stay() {
    #[derive(Debug, PartialEq)]
    struct Other(u32);
    let _attached = Context::new().with_value(Other(7)).attach();
    assert_eq!(current_to_otel(&fleet()).get(), Some(&Other(7)));
    assert!(!current_to_otel(&fleet()).span().span_context().is_valid(), "no trace is current");
}

#[test]
fn a_context_can_be_taken_in_as_a_request_is() {
    let context = Context::new().with_remote_span_context(to_otel(&trace("01")));
    let context = context.with_baggage([KeyValue::new("tenant", "a=b%20+"), KeyValue::new("undeclared", "1")]);
    let id = RequestId::parse("req-7").unwrap();
    REQUEST_ID.sync_scope(id, || {
        let incoming = fleet().extract(&ContextExtractor(&context));
        assert_eq!(incoming.remote(), Some(&trace("01")));
        incoming.sync_scope(|| {
            assert_eq!(TENANT.get().as_deref(), Some("a=b%20+"));
            assert_eq!(TRACE.get().unwrap().trace_id, trace("01").trace_id);
        });
    });
    let nothing = fleet().extract(&ContextExtractor(&Context::new()));
    assert_eq!((nothing.remote(), fleet().ignored().total()), (None::<&TraceContext>, 0));
}
