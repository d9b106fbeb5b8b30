//! One file for each peer; each knows that peer's way to do what the tables compare.

pub(crate) mod dcontext_store;
pub(crate) mod emit_frame;
pub(crate) mod fastrace_span;
pub(crate) mod floors;
pub(crate) mod log_mdc_map;
pub(crate) mod opentelemetry_context;
pub(crate) mod opentelemetry_propagator;
pub(crate) mod ours;
pub(crate) mod ours_cancel;
pub(crate) mod ours_http;
pub(crate) mod per_object;
pub(crate) mod scoped_ref;
pub(crate) mod sentry_hub;
pub(crate) mod standard;
pub(crate) mod tokio_cancel;
pub(crate) mod tokio_inherit;
pub(crate) mod tokio_task_local;
pub(crate) mod tracing_span;

use crate::measure::Case;

/// Sets up what some peers want once for the whole process. None of it starts a thread.
pub(crate) fn set_up() {
    tracing_span::set_up();
    emit_frame::set_up();
    dcontext_store::set_up();
}

/// Every case that needs no runtime.
pub(crate) fn plain() -> Vec<Case> {
    let mut cases = Vec::new();
    for add in [
        floors::plain,
        ours::plain,
        standard::plain,
        tokio_task_local::plain,
        opentelemetry_context::plain,
        tracing_span::plain,
        fastrace_span::plain,
        emit_frame::plain,
        dcontext_store::plain,
        tokio_inherit::plain,
        scoped_ref::plain,
        per_object::plain,
        log_mdc_map::plain,
        sentry_hub::plain,
        ours_cancel::plain,
        tokio_cancel::plain,
    ] {
        add(&mut cases);
    }
    cases
}

/// Every case that has to do with a tokio runtime.
pub(crate) fn tasks() -> Vec<Case> {
    let mut cases = Vec::new();
    for add in [
        floors::yardsticks,
        ours::tasks,
        standard::tasks,
        tokio_task_local::tasks,
        opentelemetry_context::tasks,
        tracing_span::tasks,
        fastrace_span::tasks,
        emit_frame::tasks,
        dcontext_store::tasks,
        tokio_inherit::tasks,
        sentry_hub::tasks,
        ours_cancel::tasks,
        tokio_cancel::tasks,
        ours_http::tasks,
        opentelemetry_propagator::tasks,
    ] {
        add(&mut cases);
    }
    cases
}
