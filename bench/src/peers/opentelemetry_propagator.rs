//! OpenTelemetry's propagators: from headers to a `Context` and back. They know no request id and no deadline.

use std::hint::black_box;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapCompositePropagator, TextMapPropagator};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};

use crate::group::Group;
use crate::measure::Case;
use crate::peers::ours_http::{FIVE, TRACEPARENT, request_headers};

const PEER: &str = "opentelemetry_sdk";
/// It does less there.
const LESS: &str = "opentelemetry_sdk, trace and baggage only";

/// The smallest carrier: one header, so that what is measured is the format.
struct One(&'static str, String);

impl Extractor for One {
    fn get(&self, key: &str) -> Option<&str> {
        (key == self.0).then_some(&*self.1)
    }

    fn keys(&self) -> Vec<&str> {
        vec![self.0]
    }
}

impl Injector for One {
    fn set(&mut self, key: &str, value: String) {
        if key == self.0 {
            self.1 = value;
        }
    }
}

/// A request's headers.
struct Headers(HeaderMap);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (key.parse::<HeaderName>(), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

fn both() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![Box::new(TraceContextPropagator::new()), Box::new(BaggagePropagator::new())])
}

/// A case that reads these headers.
fn extract(
    name: &'static str,
    peer: &'static str,
    propagator: impl TextMapPropagator + 'static,
    from: impl Extractor + 'static,
) -> Case {
    Case::op(Group::Wire, name, peer, move || propagator.extract_with_context(&Context::new(), black_box(&from)))
}

/// A case that writes into fresh headers what these hold.
fn inject<C: Injector + Extractor + 'static>(
    name: &'static str,
    peer: &'static str,
    propagator: impl TextMapPropagator + 'static,
    from: C,
    fresh: fn() -> C,
) -> Case {
    let context = propagator.extract_with_context(&Context::new(), &from);
    Case::op(Group::Wire, name, peer, move || {
        let mut headers = fresh();
        propagator.inject_context(&context, &mut headers);
        headers
    })
}

/// With a runtime, as ours; it makes no difference to these.
pub(crate) fn tasks(cases: &mut Vec<Case>) {
    let traceparent = || One("traceparent", TRACEPARENT.to_owned());
    let baggage = || One("baggage", FIVE.to_owned());
    cases.push(extract("traceparent: parse", PEER, TraceContextPropagator::new(), traceparent()));
    cases.push(inject("traceparent: format", PEER, TraceContextPropagator::new(), traceparent(), || {
        One("traceparent", String::new())
    }));
    let headers = || Headers(request_headers());
    cases.push(extract("traceparent, tracestate: extract", PEER, TraceContextPropagator::new(), headers()));
    cases.push(extract("5 members of baggage: parse", PEER, BaggagePropagator::new(), baggage()));
    cases.push(inject("5 members of baggage: format", PEER, BaggagePropagator::new(), baggage(), || {
        One("baggage", String::new())
    }));
    cases.push(extract("a whole request: extract", LESS, both(), headers()));
    cases.push({
        let (propagator, headers) = (both(), headers());
        Case::op(Group::Wire, "a whole request: extract, enter and leave its frame", LESS, move || {
            let _guard = propagator.extract_with_context(&Context::new(), black_box(&headers)).attach();
            black_box(())
        })
    });
    cases.push(inject("a whole request: inject", LESS, both(), headers(), || Headers(HeaderMap::new())));
}
