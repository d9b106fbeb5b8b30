//! That lines have the values of the routine that logs, on whatever thread it runs. Owns the process's subscriber.

mod support;

use std::sync::OnceLock;

use routines::Local;
use routines_log::tracing::WithContext;
use support::Lines;

static ID: Local<String> = Local::new().named("request_id");

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| {
        let lines = Lines::default();
        let subscriber = lines.builder().map_event_format(WithContext::new).finish();
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
        lines
    })
}

fn with_id<R>(f: impl FnOnce() -> R) -> R {
    ID.sync_scope("req-7".into(), f)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap()
}

#[test]
fn a_thread_logs_the_values_it_inherits() {
    let lines = lines();
    with_id(|| routines::thread::spawn(|| tracing::info!("in a thread"))).join().unwrap();
    assert_eq!(lines.with("in a thread"), ["request_id=\"req-7\"  INFO in a thread"]);
}

#[test]
fn a_scoped_thread_logs_the_values_it_inherits() {
    let lines = lines();
    with_id(|| routines::thread::scope(|s| s.spawn(|| tracing::info!("in a scope")).join().unwrap()));
    assert_eq!(lines.with("in a scope"), ["request_id=\"req-7\"  INFO in a scope"]);
}

#[test]
fn a_detached_thread_logs_no_values() {
    let lines = lines();
    with_id(|| routines::thread::spawn_detached(|| tracing::info!("on its own"))).join().unwrap();
    assert_eq!(lines.with("on its own"), [" INFO on its own"]);
}

#[test]
fn a_task_logs_its_own_values_after_it_moved() {
    let lines = lines();
    runtime().block_on(async {
        let tasks = ["one", "two", "three"].map(|id| {
            let work = async {
                for step in 0..8 {
                    tokio::task::yield_now().await;
                    tracing::info!(step, "in a task of {}", ID.get().unwrap());
                }
            };
            ID.sync_scope(id.into(), || routines_tokio::spawn(work))
        });
        for task in tasks {
            task.await.unwrap();
        }
    });
    for id in ["one", "two", "three"] {
        let own = lines.with(&format!("in a task of {id}"));
        assert_eq!(own.len(), 8);
        assert!(own.iter().all(|line| line.starts_with(&format!("request_id=\"{id}\" "))), "{own:?}");
    }
}

#[test]
fn a_blocking_job_logs_the_values_it_inherits() {
    let lines = lines();
    runtime().block_on(async {
        with_id(|| routines_tokio::spawn_blocking(|| tracing::info!("in a job"))).await.unwrap();
    });
    assert_eq!(lines.with("in a job"), ["request_id=\"req-7\"  INFO in a job"]);
}

#[test]
fn a_plain_task_logs_nobodys_values() {
    let lines = lines();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    routines_tokio::install();
    with_id(|| runtime.block_on(async { tokio::spawn(async { tracing::info!("a bare task") }).await.unwrap() }));
    assert_eq!(lines.with("a bare task"), [" INFO a bare task"]);
}
