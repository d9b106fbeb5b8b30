//! What profilers are shown of tasks, in a binary of its own: a process has one reader of labels.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::cell::RefCell;

use routines::Local;
use routines::label::{self, Labels, Reader, Record};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;

static TENANT: Local<u64> = Local::new().named("tenant").labelled();

thread_local!(static SHOWN: RefCell<Option<u64>> = const { RefCell::new(None) });

fn record(labels: &Labels<'_>) -> Record {
    let mut words = Vec::new();
    labels.for_each(|_, value| words.extend(value.to_string().parse::<u64>()));
    Record::from(&words[..])
}

fn switch(record: Option<&Record>) {
    let _ = SHOWN.try_with(|shown| *shown.borrow_mut() = record.and_then(|words| words.first().copied()));
}

fn shown() -> Option<u64> {
    SHOWN.with_borrow(|shown| *shown)
}

fn installed() -> Builder {
    label::install(Reader { record, switch });
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    builder
}

/// Polls many times, on whatever thread, and looks at each.
async fn keeps_showing(tenant: u64) {
    for _ in 0..100 {
        assert_eq!(shown(), Some(tenant));
        yield_now().await;
    }
}

fn run(runtime: &Runtime, work: impl Future<Output = ()> + Send + 'static) {
    runtime.block_on(async { routines_tokio::spawn_detached(work).await.unwrap() });
}

#[test]
fn wrapped_tasks_show_their_labels_at_every_poll_and_leave_workers_without() {
    let runtime = installed().build().unwrap();
    run(&runtime, async {
        let children: Vec<_> =
            (0..8).map(|tenant| TENANT.sync_scope(tenant, || routines_tokio::spawn(keeps_showing(tenant)))).collect();
        for child in children {
            child.await.unwrap();
        }
        let bare = tokio::spawn(async { shown() });
        assert_eq!(bare.await.unwrap(), None);
        let job = TENANT.sync_scope(9, || routines_tokio::spawn_blocking(shown));
        assert_eq!(job.await.unwrap(), Some(9));
    });
}

#[cfg(tokio_unstable)]
#[test]
fn hooked_tasks_show_theirs_too() {
    let mut builder = installed();
    let runtime = routines_tokio::Flow::new().install(&mut builder).build().unwrap();
    run(&runtime, async {
        let children: Vec<_> =
            (0..8).map(|tenant| TENANT.sync_scope(tenant, || tokio::spawn(keeps_showing(tenant)))).collect();
        for child in children {
            child.await.unwrap();
        }
        let sets = tokio::spawn(async {
            for tenant in 0..100 {
                TENANT.set(tenant);
                assert_eq!(shown(), Some(tenant));
                yield_now().await;
                assert_eq!(shown(), Some(tenant));
                TENANT.sync_scope(tenant + 1, || assert_eq!(shown(), Some(tenant + 1)));
                assert_eq!(shown(), Some(tenant));
            }
        });
        sets.await.unwrap();
        assert_eq!(tokio::spawn(async { shown() }).await.unwrap(), None);
    });
}
