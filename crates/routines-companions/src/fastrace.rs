//! Owns the companion of `fastrace`: the local parent.

use fastrace::Span;
use fastrace::local::LocalParentGuard;
use fastrace::prelude::SpanContext;
use routines::companion::Companion;

/// Carries fastrace's local parent: the routine becomes a span named `routine` below it, and is the local parent of what it
/// runs.
///
/// That span lasts until the routine ends. With no local parent set, or with fastrace not enabled, nothing is carried.
///
/// ```
/// use fastrace::prelude::*;
/// use routines_companions::fastrace::Fastrace;
///
/// routines::companion::register(Fastrace);
///
/// let request = SpanContext::random();
/// let root = Span::root("request", request);
/// let _guard = root.set_local_parent();
/// let worker = routines::thread::spawn(|| SpanContext::current_local_parent().unwrap().trace_id);
/// assert_eq!(worker.join().unwrap(), request.trace_id);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Fastrace;

impl Companion for Fastrace {
    type State = Span;
    type Guard = LocalParentGuard;

    fn capture(&self) -> Option<Span> {
        SpanContext::current_local_parent()?;
        Some(Span::enter_with_local_parent("routine"))
    }

    fn enter(&self, span: &Span) -> LocalParentGuard {
        span.set_local_parent()
    }
}
