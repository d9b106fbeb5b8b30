//! A request's trace and values as an OpenTelemetry `Context`, and back.
//!
//! For programs that record spans with OpenTelemetry and let `routines` carry everything else: spans are opened in the trace that came
//! with the request, and calls to others name the span they are made in.
//!
//! ```
//! use opentelemetry::trace::{TraceContextExt, Tracer};
//! use routines_http::{Propagation, TRACE, TraceContext};
//! use routines_opentelemetry::{current_to_otel, sync_scope};
//! # use opentelemetry::trace::TracerProvider;
//! # let provider = opentelemetry_sdk::trace::SdkTracerProvider::builder().build();
//! # let tracer = provider.tracer("stock");
//!
//! let fleet = Propagation::new();
//! // As `ServerLayer` does for each request.
//! TRACE.sync_scope(TraceContext::new_root(), || {
//!     let outer = TRACE.get().unwrap();
//!     let parent = current_to_otel(&fleet);
//!     let span = tracer.start_with_context("reserve", &parent);
//!     sync_scope(parent.with_span(span), || {
//!         let inner = TRACE.get().unwrap();
//!         assert_eq!(inner.trace_id, outer.trace_id);
//!         assert_ne!(inner.span_id, outer.span_id, "what is called from here has this span as its parent");
//!     });
//! });
//! ```
//!
//! With `routines-companions`, feature `opentelemetry`, what is spawned inside has the span as its current one, too.
//!
//! # What is lost
//!
//! Of ours, in OpenTelemetry's types: the order of baggage; of values, those of keys with a header of their own. Request id and deadline
//! have no place there. Of `tracestate`, members that only `opentelemetry` finds wrong, such as a key with more than 13 characters
//! after its `@`.
//!
//! Of theirs, in ours: a context without a valid span has no trace; names of baggage no header can have; members over the limits of the
//! header, which count percent-encoded bytes here and plain ones there; properties no header can have. Whether a span context is remote.
//!
//! # What the propagators of `opentelemetry_sdk` do
//!
//! The conversion is of values, not of headers: take headers in and send them on with [`Propagation`](routines_http::Propagation). The
//! SDK's own propagators, as of 0.33.1,
//!
//! - cut a baggage value that comes with `=` in it at the first one: base64 loses its end;
//! - write `%` and `+` as they are: `50%41` is `50A` at the next hop;
//! - drop spaces around a value; drop members whose escapes are no UTF-8;
//! - look at the first `baggage` and `tracestate` header only;
//! - clear all flags of `traceparent` but *sampled*, also *random*, in both directions; write an empty `tracestate`.

mod baggage;
mod carrier;
mod scope;
mod trace;

pub use baggage::{baggage_from_otel, baggage_to_otel};
pub use carrier::{ContextExtractor, caller_to_otel, current_to_otel};
pub use scope::{scope, sync_scope};
pub use trace::{from_otel, to_otel};
