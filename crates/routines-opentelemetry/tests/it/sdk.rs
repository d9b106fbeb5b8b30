//! Against the propagators of `opentelemetry_sdk`: what they read and write as we do, and what they do not.

use std::collections::HashMap;

use opentelemetry::baggage::BaggageExt;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use routines_http::trace::TraceFlags;
use routines_http::{Baggage, TraceContext};
use routines_opentelemetry::{baggage_from_otel, baggage_to_otel, from_otel, to_otel};

use crate::support::{awkward, trace};

type Headers = HashMap<String, String>;

fn headers(name: &str, value: String) -> Headers {
    Headers::from([(name.to_owned(), value)])
}

fn sdk_reads(header: String) -> Baggage {
    let context = BaggagePropagator::new().extract_with_context(&Context::new(), &headers("baggage", header));
    baggage_from_otel(context.baggage())
}

fn sdk_writes(value: &'static str) -> String {
    let mut headers = Headers::new();
    let context = Context::new().with_baggage([KeyValue::new("key", value)]);
    BaggagePropagator::new().inject_context(&context, &mut headers);
    headers.remove("baggage").unwrap()
}

#[test]
fn it_reads_the_baggage_we_write_but_for_spaces_around_it() {
    for member in awkward().iter() {
        let mut ours = Baggage::new();
        ours.insert(member.name, member.value).unwrap();
        assert_eq!(sdk_reads(ours.header()).get(member.name), Some(member.value.trim()));
    }
}

#[test]
fn baggage_that_went_through_our_types_needs_our_header() {
    // What its own header does to the same values: see below.
    let theirs = baggage_to_otel(&awkward());
    assert_eq!(Baggage::parse([baggage_from_otel(&theirs).header()]).unwrap(), awkward());
}

#[test]
fn it_cuts_a_value_at_the_second_equals_sign_which_we_do_not() {
    let header = "token=YWJj==";
    assert_eq!(sdk_reads(header.into()).get("token"), Some("YWJj"));
    assert_eq!(Baggage::parse([header]).unwrap().get("token"), Some("YWJj=="));
}

#[test]
fn it_does_not_escape_percent_signs() {
    assert_eq!(sdk_writes("50%41"), "key=50%41");
    assert_eq!(Baggage::parse([sdk_writes("50%41")]).unwrap().get("key"), Some("50A"), "nobody can tell any more");
}

#[test]
fn it_drops_a_member_that_is_no_utf_8_of_which_we_take_what_is() {
    assert_eq!(sdk_reads("a=%FFx,b=2".into()).header(), "b=2");
    assert_eq!(Baggage::parse_lossy(["a=%FFx,b=2"]).0.get("a"), Some("\u{fffd}x"));
}

fn sdk_traces(ours: &TraceContext) -> (Headers, Option<TraceContext>) {
    let mut headers = Headers::new();
    let context = Context::new().with_remote_span_context(to_otel(ours));
    TraceContextPropagator::new().inject_context(&context, &mut headers);
    let back = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    (headers, from_otel(back.span().span_context()))
}

#[test]
fn it_writes_and_reads_our_traces() {
    for flags in ["00", "01"] {
        let (headers, back) = sdk_traces(&trace(flags));
        assert_eq!(headers["traceparent"], trace(flags).traceparent());
        assert_eq!(headers["tracestate"], trace(flags).state.header());
        assert_eq!(back, Some(trace(flags)));
    }
}

#[test]
fn it_clears_the_random_flag_which_the_conversion_keeps() {
    let (headers, back) = sdk_traces(&trace("03"));
    assert_eq!(headers["traceparent"], trace("01").traceparent());
    assert_eq!(back.unwrap().flags, TraceFlags::SAMPLED);
    assert!(from_otel(&to_otel(&trace("03"))).unwrap().flags.is_random());
}
