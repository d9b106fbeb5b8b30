//! fastrace's local parent.

use std::sync::{Mutex, Once};

use fastrace::collector::{Config, Reporter};
use fastrace::prelude::*;
use routines::companion::Companion;
use routines_companions::fastrace::Fastrace;

use crate::support::{assert_all, in_children, in_detached};

static REPORTED: Mutex<Vec<SpanRecord>> = Mutex::new(Vec::new());

struct Keep;

impl Reporter for Keep {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        REPORTED.lock().unwrap().extend(spans);
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| fastrace::set_reporter(Keep, Config::default()));
    routines_companions::install();
}

/// Runs `f` in a trace of its own and returns its spans.
fn traced<R>(f: impl FnOnce() -> R) -> (R, Vec<SpanRecord>) {
    install();
    let context = SpanContext::random();
    let result = {
        let root = Span::root("request", context);
        let _guard = root.set_local_parent();
        f()
    };
    fastrace::flush();
    let reported = REPORTED.lock().unwrap();
    (result, reported.iter().filter(|span| span.trace_id == context.trace_id).cloned().collect())
}

fn trace() -> Option<TraceId> {
    let _span = LocalSpan::enter_with_local_parent("work");
    SpanContext::current_local_parent().map(|context| context.trace_id)
}

#[test]
fn spans_of_every_child_are_collected_below_the_parents() {
    let (seen, spans) = traced(|| (SpanContext::current_local_parent().unwrap().trace_id, in_children(trace)));
    let (id, seen) = seen;
    assert_all(&seen, &Some(id));
    let named = |name: &str| spans.iter().filter(|span| span.name == name).collect::<Vec<_>>();
    let (root, routines, works) = (named("request"), named("routine"), named("work"));
    assert_eq!((root.len(), works.len()), (1, seen.len()));
    for work in works {
        let routine = routines.iter().find(|routine| routine.span_id == work.parent_id).expect("below a routine");
        assert_eq!(routine.parent_id, root[0].span_id);
    }
}

#[test]
fn detached_children_have_no_local_parent() {
    let (seen, spans) = traced(|| in_detached(trace));
    assert_all(&seen, &None);
    assert_eq!(spans.len(), 1, "the request alone: {spans:?}");
}

#[test]
fn a_child_of_a_child_is_below_it() {
    let ((), spans) = traced(|| {
        routines::bind(|| routines::thread::spawn(trace).join().unwrap())();
    });
    let parent = |span: &SpanRecord| spans.iter().find(|other| other.span_id == span.parent_id);
    let mut line = vec![spans.iter().find(|span| span.name == "work").unwrap()];
    while let Some(above) = parent(line[line.len() - 1]) {
        line.push(above);
    }
    let names: Vec<_> = line.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(names, ["work", "routine", "routine", "request"]);
}

#[test]
fn with_no_local_parent_nothing_is_carried() {
    install();
    assert!(Fastrace.capture().is_none());
}
