//! Strict mode, in a binary of its own: it watches the whole process.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::panic::{AssertUnwindSafe, catch_unwind};

use routines::strict::{Finding, watch};
use routines::{Local, Snapshot};
use tokio::runtime::{Builder, Runtime};

static USER: Local<&str> = Local::new().named("user");

fn runtime() -> Runtime {
    routines_tokio::watch_workers(Builder::new_multi_thread().worker_threads(1)).build().unwrap()
}

#[test]
fn a_bare_task_that_reads_or_logs_is_found_with_the_place() {
    let watch = watch();
    let runtime = runtime();
    USER.sync_scope("ada", || {
        runtime.block_on(runtime.spawn(async { assert_eq!(USER.get(), None) })).unwrap();
        runtime.block_on(runtime.spawn(async { routines::for_each_named(|_, _| ()) })).unwrap();
    });
    let findings = watch.findings();
    assert_eq!(findings.len(), 2, "{findings:?}");
    for finding in &findings {
        let text = finding.to_string();
        assert!(text.contains("context lost"), "{text}");
        // An optimised build without debug information has no names for what it inlined.
        assert!(!cfg!(debug_assertions) || text.contains("a_bare_task_that_reads"), "{text}");
    }
    let verdict = catch_unwind(AssertUnwindSafe(|| watch.verify())).unwrap_err();
    assert!(verdict.downcast_ref::<String>().unwrap().starts_with("strict mode found 2:"));
}

#[test]
fn what_carries_its_context_is_not_found_and_neither_is_what_is_allowed() {
    let watch = watch().allow("known_to_need_none");
    let runtime = runtime();
    #[inline(never)]
    fn known_to_need_none() -> Option<&'static str> {
        USER.get()
    }
    USER.sync_scope("ada", || {
        runtime.block_on(async {
            assert_eq!(routines_tokio::spawn(async { USER.get() }).await.unwrap(), Some("ada"));
            assert_eq!(routines_tokio::spawn_detached(async { USER.get() }).await.unwrap(), None);
            assert_eq!(tokio::spawn(USER.scope("eve", async { USER.get() })).await.unwrap(), Some("eve"));
            if cfg!(debug_assertions) {
                assert_eq!(tokio::spawn(async { known_to_need_none() }).await.unwrap(), None);
            }
        });
    });
    watch.verify();
}

#[test]
fn a_guard_held_across_a_suspend_is_found_with_its_line() {
    let watch = watch();
    let runtime = Builder::new_current_thread().build().unwrap();
    let task = async {
        let guard = USER.sync_scope("ada", Snapshot::capture).enter();
        tokio::task::yield_now().await;
        drop(guard);
    };
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, USER.scope("host", task));
    match &watch.findings()[..] {
        [Finding::GuardAtSuspend { entered }] => assert!(entered.file().ends_with("strict.rs")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_worker_that_keeps_values_while_it_has_nothing_to_do_is_found() {
    let watch = watch();
    let runtime = routines_tokio::watch_workers(Builder::new_multi_thread().worker_threads(1))
        .on_thread_start(|| _ = USER.set("left behind"))
        .build()
        .unwrap();
    runtime.block_on(async { tokio::spawn(async {}).await.unwrap() });
    drop(runtime);
    let findings = watch.findings();
    assert!(matches!(findings.first(), Some(Finding::DirtyThread { values: 1, name: Some(_), .. })), "{findings:?}");
}

#[test]
fn a_new_watch_begins_with_nothing() {
    let first = watch();
    let runtime = runtime();
    runtime.block_on(runtime.spawn(async { USER.get() })).unwrap();
    assert_eq!(first.findings().len(), 1);
    drop((runtime, first));
    watch().verify();
}
