//! `block_on`, `block_in_place`, `run_until`: they start nothing, so they stay in the routine that calls them.

use std::future::Future;
use std::pin::Pin;

use routines::{Inherit, Kind, Local, RoutineId};
use routines_tokio::runtime::{Handle, LocalRuntime, Runtime};
use routines_tokio::task::{LocalSet, block_in_place, spawn_local, yield_now};
use routines_tokio::{spawn, spawn_blocking};
use tokio::runtime::Builder;

use crate::hosts::{hosts, local_sets};
use crate::support::multi_thread;

static KEY: Local<u32> = Local::new();
static TX: Local<u32> = Local::new().inherit(Inherit::Never);

type Blocked = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Sets a 1 and a private 1, and blocks on what must read them, and whose 2 must be there when the call returns.
fn stays_in_its_routine(block_on: impl FnOnce(Blocked)) {
    KEY.set(1);
    TX.set(1);
    let me = routines::id();
    block_on(Box::pin(reads_one_and_sets_two(me)));
    assert_eq!((KEY.get(), TX.get(), routines::id()), (Some(2), None, me));
}

async fn reads_one_and_sets_two(me: RoutineId) {
    yield_now().await;
    assert_eq!((KEY.get(), TX.get(), routines::id()), (Some(1), Some(1), me));
    let child = spawn(async { (KEY.get(), TX.get(), routines::current().info()) });
    let (shared, private, info) = child.await.expect("no panic");
    assert_eq!((shared, private), (Some(1), None));
    assert_eq!(info.and_then(|info| info.parent), Some(me));
    KEY.set(2);
    TX.remove();
}

#[test]
fn block_on_is_its_threads_routine() {
    for host in hosts() {
        stays_in_its_routine(|blocked| host.run(blocked));
        let handle = host.handle().clone();
        let thread = routines::thread::spawn(move || stays_in_its_routine(|blocked| handle.block_on(blocked)));
        // What it spawns runs here.
        host.run(async {
            while !thread.is_finished() {
                yield_now().await;
            }
        });
        thread.join().expect("no panic");
    }
}

#[test]
fn block_on_through_a_handle_inside_a_job_is_the_jobs_routine() {
    for host in hosts() {
        let job = || {
            stays_in_its_routine(|blocked| Handle::current().block_on(blocked));
            routines::current().info().expect("it is a routine").kind
        };
        let kind = host.run(async { spawn_blocking(job).await.expect("no panic") });
        assert_eq!(kind, Kind::Job, "{}", host.name);
    }
}

#[test]
fn block_on_of_a_runtime_inside_a_job_is_the_jobs_routine() {
    for host in hosts() {
        let job = || {
            let runtime = Runtime::from(Builder::new_current_thread().build().expect("a runtime"));
            stays_in_its_routine(|blocked| runtime.block_on(blocked));
            let runtime = LocalRuntime::new().expect("a runtime");
            stays_in_its_routine(|blocked| runtime.block_on(blocked));
        };
        host.run(async { spawn_blocking(job).await.expect("no panic") });
    }
}

#[test]
fn block_on_inside_block_in_place_is_the_tasks_routine() {
    let runtime = Runtime::from(multi_thread());
    let task = async {
        stays_in_its_routine(|blocked| block_in_place(|| Handle::current().block_on(blocked)));
        yield_now().await;
        KEY.get()
    };
    assert_eq!(runtime.block_on(async { spawn(task).await.expect("no panic") }), Some(2));
}

#[test]
fn block_in_place_keeps_the_routine_and_what_it_starts_is_its_child() {
    let runtime = Runtime::from(multi_thread());
    runtime.block_on(async {
        let task = spawn(KEY.scope(1, async {
            let me = routines::id();
            for n in 1..20 {
                let child = block_in_place(|| {
                    assert_eq!((KEY.get(), routines::id()), (Some(n), me));
                    KEY.set(n + 1);
                    spawn(async { (KEY.get(), routines::current().info().and_then(|info| info.parent)) })
                });
                // Another worker may have taken over.
                yield_now().await;
                assert_eq!((KEY.get(), routines::id()), (Some(n + 1), me));
                assert_eq!(child.await.expect("no panic"), (Some(n + 1), Some(me)));
            }
        }));
        task.await.expect("no panic");
    });
}

#[test]
fn a_panic_in_block_in_place_leaves_the_thread_clean() {
    let runtime = Runtime::from(multi_thread());
    runtime.block_on(async {
        let task = spawn(async {
            block_in_place(|| {
                KEY.set(9);
                std::panic::resume_unwind(Box::new(routines::id()));
            })
        });
        let panic = task.await.expect_err("it panics").into_panic();
        let id = panic.downcast::<RoutineId>().expect("its id");
        assert!(!routines::ids().contains(&id));
        for _ in 0..10 {
            assert_eq!(tokio::spawn(async { KEY.get() }).await.expect("no panic"), None);
        }
    });
}

#[test]
fn run_until_is_the_routine_that_awaits_it() {
    for host in local_sets() {
        stays_in_its_routine(|blocked| host.run(blocked));
        let task = KEY.sync_scope(1, || {
            host.set().spawn_local(async {
                TX.set(1);
                let inner = LocalSet::new();
                inner.run_until(reads_one_and_sets_two(routines::id())).await;
                (KEY.get(), inner.run_until(async { spawn_local(async { KEY.get() }).await }).await.expect("no panic"))
            })
        });
        assert_eq!(host.run(task).expect("no panic"), (Some(2), Some(2)), "{}", host.name);
    }
}
