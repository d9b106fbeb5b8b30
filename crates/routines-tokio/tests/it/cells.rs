//! Owns the promises that every way of starting work keeps on every host: the columns of the table.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use routines::{Bindings, Kind, Local};
use tokio::task::JoinError;

use crate::hosts::Host;
use crate::support::{current_thread, panic_of};
use crate::ways::FILE;
use crate::work::{LINEAGE, Lineage, PRIVATE, SHARED, Seen, Started, Work, children, look};

type Start = fn(&Host, Work) -> Started;

/// A way to start work: a row of the table.
pub(crate) struct Way {
    pub(crate) kind: Kind,
    pub(crate) hosts: fn() -> Vec<Host>,
    pub(crate) inherit: Start,
    pub(crate) detached: Start,
}

impl Way {
    /// Both forms, and what each sees of a 1 that is bound where it is started.
    fn forms(&self) -> [(Start, Option<u32>); 2] {
        [(self.inherit, Some(1)), (self.detached, None)]
    }

    /// Starts a form where a 1 is bound, on each host.
    fn on_each(&self, mut test: impl FnMut(Host, &dyn Fn(&Host, Work) -> Started, Option<u32>)) {
        for (start, expected) in self.forms() {
            for host in (self.hosts)() {
                test(host, &|host, work| SHARED.sync_scope(1, || start(host, work)), expected);
            }
        }
    }
}

pub(crate) fn the_context_is_captured_at_the_call(way: &Way) {
    for host in (way.hosts)() {
        host.run(SHARED.scope(1, async {
            let mut first = None;
            let act = move || {
                let seen = first.get_or_insert_with(look).clone();
                SHARED.set(3);
                PRIVATE.set(3);
                seen
            };
            let started = (way.inherit)(&host, Work::of(act));
            SHARED.set(2);
            let seen = started.join.await.expect("no panic");
            assert_eq!(seen.shared, Some(1), "{}", host.name);
            assert_eq!((SHARED.get(), PRIVATE.get()), (Some(2), None), "{}: nothing comes back", host.name);
        }));
    }
}

pub(crate) fn what_it_sets_stays_across_polls(way: &Way) {
    for host in (way.hosts)() {
        let mut first = true;
        let act = move || {
            if std::mem::take(&mut first) {
                SHARED.set(5);
            }
            look()
        };
        let seen = host.run(async { (way.detached)(&host, Work::of(act)).join.await.expect("no panic") });
        assert_eq!(seen.shared, Some(5), "{}", host.name);
    }
}

pub(crate) fn the_detached_twin_starts_empty(way: &Way) {
    for host in (way.hosts)() {
        let lineage = Lineage::default();
        let bound = Bindings::new().with(&SHARED, 1).with(&PRIVATE, 1).with(&LINEAGE, lineage.clone());
        let seen = host.run(bound.scope(async { (way.detached)(&host, Work::of(look)).join.await.expect("no panic") }));
        assert_eq!((seen.shared, seen.private, seen.generation), (None, None, None), "{}", host.name);
        assert_eq!(lineage.derived.load(Ordering::Relaxed), 0, "{}: nothing was captured", host.name);
    }
}

pub(crate) fn policies_are_obeyed(way: &Way) {
    for host in (way.hosts)() {
        let lineage = Lineage::default();
        let bound = Bindings::new().with(&SHARED, 1).with(&PRIVATE, 1).with(&LINEAGE, lineage.clone());
        let parent = routines::id();
        let seen = host.run(bound.scope(async { (way.inherit)(&host, Work::of(look)).join.await.expect("no panic") }));
        assert_eq!((seen.shared, seen.private), (Some(1), None), "{}", host.name);
        assert_eq!((seen.generation, seen.derived_by), (Some(1), Some(parent)), "{}: in the parent", host.name);
        assert_eq!(lineage.derived.load(Ordering::Relaxed), 1, "{}: once per start", host.name);
    }
}

pub(crate) fn it_is_one_routine_from_the_call_to_the_end(way: &Way) {
    let parent = routines::id();
    way.on_each(|host, start, _| {
        host.run(async {
            let gate = host.close();
            let act = move || {
                assert_eq!(children(parent).len(), 1, "while it runs");
                look()
            };
            let started = start(&host, Work::of(act));
            let listed = children(parent);
            assert_eq!(listed.len(), 1, "{}: before it runs", host.name);
            let line = listed[0].spawned_at.as_deref();
            assert!(line.is_some_and(|line| line.starts_with(FILE)), "{}: {line:?}", host.name);
            drop(gate);
            let seen = started.join.await.expect("no panic");
            let expected = (listed[0].id, Some(parent), way.kind);
            assert_eq!((seen.id, seen.parent, seen.kind), expected, "{}", host.name);
            assert_eq!(children(parent), [], "{}: when it is joined", host.name);
        });
    });
}

pub(crate) fn a_panic_leaves_the_thread_clean_and_no_routine(way: &Way) {
    way.on_each(|host, start, _| {
        host.run(async {
            let act = || {
                SHARED.set(9);
                PRIVATE.set(9);
                resume_unwind(Box::new(look()));
            };
            let started = start(&host, Work::of(act));
            let panic = started.join.await.expect_err("it panics").into_panic();
            let seen = panic.downcast::<Seen>().expect("what it saw");
            assert_eq!((seen.shared, seen.private), (Some(9), Some(9)));
            assert!(!routines::ids().contains(&seen.id), "{}", host.name);
            let values = || (SHARED.get(), PRIVATE.get(), LINEAGE.get().is_some());
            for _ in 0..4 {
                assert_eq!(tokio::spawn(async move { values() }).await.expect("no panic"), (None, None, false));
                assert_eq!(tokio::task::spawn_blocking(values).await.expect("no panic"), (None, None, false));
                assert_eq!(values(), (None, None, false), "{}", host.name);
            }
        });
    });
}

/// Work that was stopped where it can be: tokio lets a job that runs end by itself.
fn stopped(way: &Way, outcome: Result<Seen, JoinError>, expected: Option<u32>, host: &str) {
    match way.kind {
        Kind::Job => assert_eq!(outcome.expect("no panic").shared, expected, "{host}"),
        _ => assert!(outcome.is_err_and(|error| error.is_cancelled()), "{host}"),
    }
}

pub(crate) fn an_abort_ends_it_inside_its_context(way: &Way) {
    let parent = routines::id();
    way.on_each(|host, start, expected| {
        let (work, mut report, release) = Work::held();
        let outcome = host.run(async {
            let started = start(&host, work);
            report.start().await;
            started.abort.abort();
            drop(release);
            started.join.await
        });
        stopped(way, outcome, expected, host.name);
        assert_eq!(report.dropped_in(parent), expected, "{}", host.name);
    });
}

pub(crate) fn aborted_before_it_runs_it_is_dropped_inside_its_context(way: &Way) {
    let parent = routines::id();
    way.on_each(|host, start, expected| {
        let (work, mut report) = Work::witnessed();
        let outcome = host.run(async {
            let gate = host.close();
            let started = start(&host, work);
            started.abort.abort();
            drop(gate);
            started.join.await
        });
        assert!(outcome.is_err_and(|error| error.is_cancelled()), "{}", host.name);
        assert!(!report.ran(), "{}", host.name);
        assert_eq!(report.dropped_in(parent), expected, "{}", host.name);
    });
}

pub(crate) fn a_shutdown_ends_it_inside_its_context(way: &Way) {
    let parent = routines::id();
    way.on_each(|mut host, start, expected| {
        let (work, mut report, release) = Work::held();
        let started = host.run(async {
            let started = start(&host, work);
            report.start().await;
            started
        });
        SHARED.sync_scope(2, || host.shut_down());
        drop(release);
        stopped(way, current_thread().block_on(started.join), expected, host.name);
        assert_eq!(report.dropped_in(parent), expected, "{}", host.name);
    });
}

pub(crate) fn started_after_a_shutdown_it_is_dropped_inside_its_context(way: &Way) {
    let parent = routines::id();
    way.on_each(|host, start, expected| {
        let name = host.name;
        let (work, mut report) = Work::witnessed();
        let started = host.after_shutdown(|host| start(host, work));
        let outcome = current_thread().block_on(started.join);
        assert!(outcome.is_err_and(|error| error.is_cancelled()), "{name}");
        assert!(!report.ran(), "{name}");
        assert_eq!(report.dropped_in(parent), expected, "{name}");
    });
}

pub(crate) fn started_outside_a_runtime_it_is_dropped_inside_its_context(way: &Way) {
    let parent = routines::id();
    way.on_each(|host, start, expected| {
        let (work, mut report) = Work::witnessed();
        let (message, file, _) = panic_of(|| start(&host, work));
        assert!(message.contains("runtime") && file == FILE, "{}: {message} at {file}", host.name);
        assert!(!report.ran(), "{}", host.name);
        assert_eq!(report.dropped_in(parent), expected, "{}", host.name);
    });
}

pub(crate) fn when_it_is_joined_nothing_of_it_is_left(way: &Way) {
    static TOKEN: Local<Arc<()>> = Local::new();
    let parent = routines::id();
    way.on_each(|host, start, expected| {
        let (outer, inner) = (Arc::new(()), Arc::new(()));
        host.run(async {
            let started: Vec<_> = (0..20)
                .map(|_| {
                    let inner = Arc::clone(&inner);
                    let act = move || {
                        TOKEN.set(Arc::clone(&inner));
                        look()
                    };
                    TOKEN.sync_scope(Arc::clone(&outer), || start(&host, Work::of(act)))
                })
                .collect();
            for started in started {
                assert_eq!(started.join.await.expect("no panic").shared, expected);
            }
            assert_eq!((Arc::strong_count(&outer), Arc::strong_count(&inner)), (1, 1), "{}", host.name);
            assert_eq!(children(parent), [], "{}", host.name);
        });
    });
}
