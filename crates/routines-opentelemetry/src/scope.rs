//! Owns running work below an OpenTelemetry span.

use std::future::Future;

use opentelemetry::Context;
use opentelemetry::context::{FutureExt, WithContext};
use opentelemetry::trace::TraceContextExt;
use routines::Carried;
use routines_http::TRACE;

use crate::from_otel;

/// Runs `future` with this as the current OpenTelemetry context, and its span as the current trace: what is called from there names
/// that span as its parent.
///
/// A context without a valid span leaves the trace as it is.
///
/// ```
/// use opentelemetry::{Context, trace::TraceContextExt};
/// use routines_http::{TRACE, TraceContext};
/// use routines_opentelemetry::{from_otel, scope, to_otel};
///
/// # futures_lite::future::block_on(async {
/// let context = Context::new().with_remote_span_context(to_otel(&TraceContext::new_root()));
/// scope(context, async {
///     assert_eq!(TRACE.get(), from_otel(Context::current().span().span_context()));
/// }).await;
/// # });
/// ```
#[track_caller]
pub fn scope<F: Future>(context: Context, future: F) -> Carried<WithContext<F>> {
    let trace = from_otel(context.span().span_context());
    let future = future.with_context(context);
    match trace {
        Some(trace) => TRACE.scope(trace, future),
        None => routines::FutureExt::inherit(future),
    }
}

/// As [`scope`], for a closure.
pub fn sync_scope<R>(context: Context, f: impl FnOnce() -> R) -> R {
    let trace = from_otel(context.span().span_context());
    let inside = || {
        let _attached = context.attach();
        f()
    };
    match trace {
        Some(trace) => TRACE.sync_scope(trace, inside),
        None => inside(),
    }
}
