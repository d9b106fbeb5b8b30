//! Executors that are not tokio: smol's, those of `futures`, a thread-per-core one.

use async_executor::{Executor, LocalExecutor};
use futures::executor::{LocalPool, ThreadPool, block_on};
use futures::future::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::task::{LocalSpawnExt as _, SpawnExt as _};
use routines::{Carried, FutureExt, Snapshot};

use crate::cells::{USER, Until, Work, ways};

/// The work with the context it is to have.
fn carried(detach: bool, work: Work) -> Carried<Work> {
    if detach { FutureExt::detached(work) } else { FutureExt::inherit(work) }
}

fn smol(detach: bool, until: Until, work: Work) {
    smol_carried(until, carried(detach, work));
}

fn smol_on_another_thread(detach: bool, until: Until, work: Work) {
    let work = carried(detach, work);
    let run = move || smol_carried(until, work);
    std::thread::spawn(run).join().unwrap();
}

fn smol_carried(until: Until, work: Carried<Work>) {
    let executor = Executor::new();
    let task = executor.spawn(work);
    match until {
        Until::Done => return block_on(executor.run(task)),
        Until::Midway => assert!(executor.try_tick()),
        Until::Started => {}
    }
    drop(task);
    while executor.try_tick() {}
}

fn smol_local(detach: bool, until: Until, work: Work) {
    let executor = LocalExecutor::new();
    let task = executor.spawn(carried(detach, work));
    match until {
        Until::Done => return block_on(executor.run(task)),
        Until::Midway => assert!(executor.try_tick()),
        Until::Started => {}
    }
    drop(task);
    while executor.try_tick() {}
}

fn smol_unblock(detach: bool, _: Until, work: Work) {
    let work = carried(detach, work);
    block_on(blocking::unblock(move || block_on(work)));
}

fn local_pool(detach: bool, until: Until, work: Work) {
    let mut pool = LocalPool::new();
    pool.spawner().spawn_local(carried(detach, work)).unwrap();
    match until {
        Until::Done => pool.run(),
        Until::Midway => pool.run_until_stalled(),
        Until::Started => {}
    }
}

fn thread_pool(detach: bool, until: Until, work: Work) {
    let pool = ThreadPool::builder().pool_size(1).create().unwrap();
    let (begin, begun) = std::sync::mpsc::channel();
    let work = carried(detach, work).inspect(|()| ());
    let work = async move {
        let mut work = std::pin::pin!(work);
        std::future::poll_fn(|cx| {
            let polled = work.as_mut().poll(cx);
            let _ = begin.send(());
            polled
        })
        .await;
    };
    let handle = pool.spawn_with_handle(work).unwrap();
    match until {
        Until::Done => block_on(handle),
        Until::Midway => {
            begun.recv().unwrap();
            drop(handle);
        }
        Until::Started => drop(handle),
    }
}

fn unordered(detach: bool, until: Until, work: Work) {
    let mut all: FuturesUnordered<_> = [carried(detach, work)].into_iter().collect();
    match until {
        Until::Done => block_on(async { while all.next().await.is_some() {} }),
        Until::Midway => assert!(all.next().now_or_never().is_none()),
        Until::Started => {}
    }
}

fn plain_block_on(detach: bool, until: Until, work: Work) {
    let mut work = Box::pin(carried(detach, work));
    match until {
        Until::Done => block_on(work),
        Until::Midway => assert!(work.as_mut().now_or_never().is_none()),
        Until::Started => {}
    }
}

/// One thread, no `Send`, completion-based.
fn compio(detach: bool, until: Until, work: Work) {
    let work = carried(detach, work);
    compio::runtime::Runtime::new().unwrap().block_on(async {
        let task = compio::runtime::spawn(work);
        match until {
            Until::Done => drop(task.await),
            Until::Midway => {
                let mut yielded = false;
                std::future::poll_fn(|cx| {
                    cx.waker().wake_by_ref();
                    if std::mem::replace(&mut yielded, true) {
                        std::task::Poll::Ready(())
                    } else {
                        std::task::Poll::Pending
                    }
                })
                .await;
            }
            Until::Started => {}
        }
    });
}

ways! {
    smol_executor: super::smol, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    smol_executor_on_another_thread: super::smol_on_another_thread, [inherits detaches obeys_policies is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    smol_local_executor: super::smol_local, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    smol_unblock_jobs: super::smol_unblock, [inherits detaches obeys_policies survives_panics leaves_nothing];
    futures_local_pool: super::local_pool, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    futures_thread_pool: super::thread_pool, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    futures_unordered: super::unordered, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    futures_block_on: super::plain_block_on, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
    thread_per_core: super::compio, [inherits detaches obeys_policies survives_panics is_dropped_inside_midway is_dropped_inside_when_it_never_ran leaves_nothing];
}

#[test]
fn a_bare_task_reads_nothing_while_nobody_sets_outside_a_scope() {
    let executor = Executor::new();
    let wrapped = USER.sync_scope("ada", || {
        executor.spawn(
            async {
                USER.set("eve");
                futures::pending!();
            }
            .inherit(),
        )
    });
    let bare = executor.spawn(async { USER.get() });
    assert!(executor.try_tick());
    assert_eq!(block_on(executor.run(bare)), None);
    drop(wrapped);
}

/// No executor but tokio tells which task runs: this is what the README warns of.
#[test]
fn a_bare_task_sees_what_its_thread_has_outside_every_frame() {
    let executor = LocalExecutor::new();
    let bare = executor.spawn(async { USER.get() });
    assert_eq!(USER.sync_scope("host", || block_on(executor.run(bare))), Some("host"));
    let detached = executor.spawn(async { USER.get() }.detached());
    assert_eq!(USER.sync_scope("host", || block_on(executor.run(detached))), None);
}

#[test]
fn branches_of_one_task_keep_apart_and_share_its_routine() {
    let branch = |name: &'static str| {
        USER.scope(name, async move {
            let id = routines::id();
            for _ in 0..3 {
                assert_eq!((USER.get(), routines::id()), (Some(name), id));
                futures::pending!();
            }
        })
    };
    let mut all: FuturesUnordered<_> = ["one", "two", "three"].map(branch).into_iter().collect();
    for _ in 0..3 {
        assert!(all.next().now_or_never().is_none());
    }
    drop(Snapshot::capture());
    assert_eq!(USER.get(), None);
}
