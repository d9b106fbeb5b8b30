//! Spans that are opened below our trace.

use std::collections::HashMap;

use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, SpanId as OtelSpanId};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracer, SdkTracerProvider};
use routines_http::{Destination, TRACE};
use routines_opentelemetry::{current_to_otel, from_otel, scope, sync_scope, to_otel};

use crate::support::{fleet, trace};

/// A tracer, and the spans it recorded.
fn recorder() -> (SdkTracer, InMemorySpanExporter, SdkTracerProvider) {
    let spans = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    (provider.tracer("test"), spans, provider)
}

/// The context of a new span below the current trace.
fn open(tracer: &SdkTracer) -> Context {
    let parent = current_to_otel(&fleet());
    let span = tracer.start_with_context("reserve", &parent);
    parent.with_span(span)
}

#[test]
fn a_span_is_a_child_of_the_current_trace_and_what_is_sent_a_child_of_the_span() {
    let (tracer, spans, _provider) = recorder();
    let mut sent = HashMap::<String, String>::new();
    TRACE.sync_scope(trace("01"), || {
        sync_scope(open(&tracer), || fleet().inject(&mut sent, &Destination::host("stock")).unwrap());
        assert_eq!(TRACE.get(), Some(trace("01")), "as before");
    });
    let spans = spans.get_finished_spans().unwrap();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(span.span_context.trace_id(), to_otel(&trace("01")).trace_id());
    assert_eq!(span.parent_span_id, to_otel(&trace("01")).span_id());
    assert!(span.parent_span_is_remote);
    assert_eq!(sent["traceparent"], from_otel(&span.span_context).unwrap().traceparent());
    assert_eq!(sent["tracestate"], "zeta=1,vendor@system=a:b");
}

#[test]
fn a_span_in_a_span_has_it_as_its_parent() {
    let (tracer, spans, _provider) = recorder();
    TRACE.sync_scope(trace("01"), || {
        sync_scope(open(&tracer), || sync_scope(open(&tracer), || ()));
    });
    let spans = spans.get_finished_spans().unwrap();
    let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(inner.parent_span_id, outer.span_context.span_id());
}

#[test]
fn a_trace_that_is_not_sampled_records_nothing_and_goes_on() {
    let (tracer, spans, _provider) = recorder();
    TRACE.sync_scope(trace("00"), || {
        sync_scope(open(&tracer), || {
            let inner = TRACE.get().unwrap();
            assert_eq!((inner.trace_id, inner.flags), (trace("00").trace_id, trace("00").flags));
        });
    });
    assert!(spans.get_finished_spans().unwrap().is_empty());
}

/// The span that is current for us, and for OpenTelemetry.
fn current() -> (Option<OtelSpanId>, OtelSpanId) {
    (TRACE.with(to_otel).map(|span| span.span_id()), Context::current().span().span_context().span_id())
}

#[test]
fn what_is_spawned_inside_is_in_the_span_too() {
    routines_companions::install();
    let (tracer, _spans, _provider) = recorder();
    let work = async {
        let thread = routines::thread::spawn(current);
        futures_lite::future::yield_now().await;
        (current(), thread.join().unwrap())
    };
    let context = TRACE.sync_scope(trace("01"), || open(&tracer));
    let span = context.span().span_context().span_id();
    let (here, there) = futures_lite::future::block_on(scope(context, work));
    assert_eq!(here, (Some(span), span));
    assert_eq!(there, (Some(span), span));
}

#[test]
fn a_closure_is_in_the_span_too_and_the_code_after_it_is_not() {
    let (tracer, _spans, _provider) = recorder();
    let context = TRACE.sync_scope(trace("01"), || open(&tracer));
    let span = context.span().span_context().span_id();
    assert_eq!(sync_scope(context, current), (Some(span), span));
    assert_eq!(current(), (None, OtelSpanId::INVALID));
}

#[test]
fn a_context_without_a_span_leaves_the_trace_as_it_is() {
    TRACE.sync_scope(trace("01"), || {
        sync_scope(Context::new(), || assert_eq!(TRACE.get(), Some(trace("01"))));
        let later = scope(Context::new(), async { TRACE.get() });
        assert_eq!(futures_lite::future::block_on(later), Some(trace("01")));
    });
}
