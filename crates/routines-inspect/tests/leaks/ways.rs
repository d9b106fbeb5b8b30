//! Every way to start work is seen while it lives, by its kind, its place and its end.

use routines::{FutureExt, Kind, RoutineBuilder, bind, thread};
use routines_rayon::ThreadPoolExt;
use routines_tokio::task::JoinSet;

use crate::support::{check, current_thread, multi_thread, only, until_told};

#[test]
fn a_thread_is_found_until_it_is_joined() {
    let check = check();
    let (end, wait) = until_told();
    let worker = thread::spawn(wait);
    let found = only(check.try_verify());
    assert_eq!((found.kind, found.parent), (Kind::Thread, Some(routines::id())));
    assert!(found.spawned_at.unwrap().contains("ways.rs:"));
    drop(end);
    worker.join().unwrap();
    check.verify();
}

#[test]
fn a_task_is_found_until_it_is_awaited_on_both_runtimes() {
    for runtime in [current_thread(), multi_thread()] {
        runtime.block_on(async {
            let check = check();
            let (end, wait) = tokio::sync::oneshot::channel::<()>();
            let task = routines_tokio::spawn(wait);
            assert_eq!(only(check.try_verify_async().await).kind, Kind::Task);
            drop(end);
            assert!(task.await.unwrap().is_err());
            check.verify_async().await;
        });
    }
}

#[test]
fn the_tasks_of_a_join_set_are_found_until_they_are_shut_down() {
    multi_thread().block_on(async {
        let check = check();
        let mut set = JoinSet::new();
        for _ in 0..3 {
            set.spawn(std::future::pending::<()>());
        }
        assert_eq!(check.try_verify_async().await.unwrap_err().routines().len(), 3);
        set.shutdown().await;
        check.verify_async().await;
    });
}

#[test]
fn a_blocking_job_is_found_until_it_ends() {
    current_thread().block_on(async {
        let check = check();
        let (end, wait) = until_told();
        let job = routines_tokio::spawn_blocking(wait);
        assert_eq!(only(check.try_verify()).kind, Kind::Job);
        drop(end);
        job.await.unwrap();
        check.verify_async().await;
    });
}

#[test]
fn a_job_on_a_rayon_pool_is_found_until_it_ends_and_the_pool_is_not() {
    let check = check();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    let (end, wait) = until_told();
    let (ended, joined) = std::sync::mpsc::channel::<()>();
    pool.spawn_inherited(move || {
        // The pool's other thread has been a routine of its own ever since it looked.
        assert_ne!(routines_rayon::join(routines::id, routines::id).0.as_u64(), 0);
        wait();
        drop(ended);
    });
    assert_eq!(only(check.try_verify()).kind, Kind::Job);
    drop(end);
    assert!(joined.recv().is_err());
    // The job's routine ends after its closure: the default patience covers that.
    check.patience(std::time::Duration::from_secs(10)).verify();
    drop(pool);
}

#[test]
fn work_that_was_bound_is_found_while_it_runs_elsewhere() {
    let check = check();
    let (end, wait) = until_told();
    let (begun, running) = std::sync::mpsc::channel();
    let work = bind(move || {
        begun.send(()).unwrap();
        wait();
    });
    let host = std::thread::spawn(work);
    running.recv().unwrap();
    assert_eq!(only(check.try_verify()).kind, Kind::Job);
    drop(end);
    host.join().unwrap();
    check.verify();
}

#[test]
fn a_future_that_was_made_and_never_run_is_found_until_it_is_dropped() {
    let check = check();
    let never_run = RoutineBuilder::new(Kind::Task).name("never run").future(std::future::pending::<()>());
    assert_eq!(only(check.try_verify()).name.as_deref(), Some("never run"));
    drop(never_run);
    check.verify();
}

#[test]
fn what_is_given_to_plain_tokio_spawn_is_found_when_it_carries_the_context() {
    current_thread().block_on(async {
        let check = check();
        let carried = tokio::spawn(std::future::pending::<()>().inherit());
        tokio::task::yield_now().await;
        assert_eq!(only(check.try_verify_async().await).kind, Kind::Task);
        carried.abort();
        assert!(carried.await.unwrap_err().is_cancelled());
        check.verify_async().await;
    });
}
