//! OpenTelemetry contexts.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::Context;
use routines::bind;
use routines::companion::{self, Companion};

use crate::support::{assert_all, in_child, in_children, in_detached};

#[derive(Debug, Clone, Copy, PartialEq)]
struct Tenant(u32);

fn tenant() -> Option<Tenant> {
    Context::current().get().copied()
}

#[test]
fn every_child_has_the_context_its_parent_had() {
    routines_companions::install();
    let seen = {
        let _guard = Context::current_with_value(Tenant(4)).attach();
        in_children(tenant)
    };
    assert_all(&seen, &Some(Tenant(4)));
    assert_eq!(tenant(), None);
}

#[test]
fn detached_children_have_an_empty_context() {
    routines_companions::install();
    let _guard = Context::current_with_value(Tenant(4)).attach();
    assert_all(&in_detached(tenant), &None);
}

#[test]
fn an_empty_context_is_carried_too() {
    routines_companions::install();
    let job = bind(tenant);
    let _guard = Context::current_with_value(Tenant(4)).attach();
    assert_eq!((job(), tenant()), (None, Some(Tenant(4))));
}

#[test]
fn suppression_is_carried() {
    routines_companions::install();
    let _guard = Context::enter_telemetry_suppressed_scope();
    assert_all(&in_children(Context::is_current_telemetry_suppressed), &true);
}

#[test]
fn what_a_child_attaches_is_its_own() {
    routines_companions::install();
    let _guard = Context::current_with_value(Tenant(4)).attach();
    let job = bind(|| {
        let _guard = Context::current_with_value(Tenant(5)).attach();
        tenant()
    });
    assert_eq!((job(), tenant()), (Some(Tenant(5)), Some(Tenant(4))));
}

thread_local! {
    static AT_EXIT: AtExit = const { AtExit(Cell::new(None)) };
}

/// Runs a closure when its thread destroys its locals.
struct AtExit(Cell<Option<Box<dyn FnOnce()>>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(run) = self.0.take() {
            run();
        }
    }
}

/// Touches [`AT_EXIT`] before any other companion does anything.
struct Before;

impl Companion for Before {
    type State = ();
    type Guard = ();

    fn capture(&self) -> Option<()> {
        Some(())
    }

    fn enter(&self, (): &()) {
        let _ = AT_EXIT.try_with(|_| ());
    }
}

#[test]
fn work_may_be_started_run_and_dropped_while_a_thread_destroys_its_locals() {
    in_child("opentelemetry::work_may_be_started_run_and_dropped_while_a_thread_destroys_its_locals", || {
        companion::register(Before);
        routines_companions::install();
        let ran = Arc::new(AtomicUsize::new(0));
        for opentelemetry_first in [true, false] {
            let ran = ran.clone();
            let count = move || {
                ran.fetch_add(1, Ordering::SeqCst);
            };
            let [enter, run, dropped] = [(); 3].map(|()| bind(count.clone()));
            let exit = move || {
                run();
                drop(dropped);
                bind(count)();
            };
            let thread = move || {
                // A thread's locals are destroyed in the opposite order of their first use.
                if opentelemetry_first {
                    drop(Context::current());
                }
                enter();
                AT_EXIT.with(|at_exit| at_exit.0.set(Some(Box::new(exit))));
            };
            std::thread::spawn(thread).join().unwrap();
        }
        assert_eq!(ran.load(Ordering::SeqCst), 6);
    });
}
