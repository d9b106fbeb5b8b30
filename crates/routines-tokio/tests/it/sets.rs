//! What sets, trackers and handles add to the functions that start work: collecting, hosting, waiting, naming.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use routines::{FutureExt, Inherit, Local, RoutineInfo, Snapshot};
use routines_tokio::runtime::{Handle, LocalRuntime, Runtime};
use routines_tokio::task::{Builder, JoinSet, LocalSet, TaskTracker, spawn_local, yield_now};
use tokio::task::AbortHandle;

use crate::hosts::{hosts, local_hosts, local_sets};
use crate::support::current_thread;

static KEY: Local<u32> = Local::new();
static TX: Local<u32> = Local::new().inherit(Inherit::Never);

#[test]
fn a_join_set_collected_or_extended_captures_the_context_there() {
    for host in hosts() {
        host.run(async {
            let mut set: JoinSet<_> = KEY.sync_scope(1, || (0..3).map(|_| async { KEY.get() }).collect());
            KEY.sync_scope(2, || set.extend((0..2).map(|_| async { KEY.get() })));
            let mut seen = set.join_all().await;
            seen.sort_unstable();
            assert_eq!(seen, [Some(1), Some(1), Some(1), Some(2), Some(2)], "{}", host.name);
        });
    }
}

/// Counts those that are dropped where a 1 is bound.
struct Witness(Arc<AtomicUsize>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.fetch_add(usize::from(KEY.get() == Some(1)), Ordering::Relaxed);
    }
}

#[test]
fn a_join_set_that_is_dropped_or_shut_down_aborts_its_tasks_inside_their_contexts() {
    for host in hosts() {
        let dropped = Arc::new(AtomicUsize::new(0));
        let set = || {
            let mut set = JoinSet::new();
            for _ in 0..5 {
                let witness = Witness(Arc::clone(&dropped));
                KEY.sync_scope(1, || {
                    set.spawn(async {
                        let _witness = witness;
                        std::future::pending::<()>().await;
                    })
                });
            }
            set
        };
        host.run(async {
            set().shutdown().await;
            assert_eq!(dropped.load(Ordering::Relaxed), 5, "{}", host.name);
            drop(set());
            while dropped.load(Ordering::Relaxed) < 10 {
                yield_now().await;
            }
        });
    }
}

#[test]
fn detaching_all_tasks_of_a_set_leaves_them_their_context() {
    for host in hosts() {
        host.run(async {
            let (told, mut tells) = tokio::sync::mpsc::unbounded_channel();
            let mut set = JoinSet::new();
            KEY.sync_scope(1, || {
                set.spawn(async move {
                    yield_now().await;
                    told.send(KEY.get()).expect("the test waits");
                })
            });
            set.detach_all();
            assert_eq!(tells.recv().await, Some(Some(1)), "{}", host.name);
        });
    }
}

fn spawned_here(info: &RoutineInfo) -> bool {
    info.spawned_at.as_deref().is_some_and(|at| at.starts_with(file!()))
}

/// What a task on a set must not see of the set's host.
fn sees_nothing() -> bool {
    (KEY.get(), TX.get()) == (None, None) && Snapshot::capture().is_empty()
}

#[test]
fn a_local_sets_tasks_do_not_see_the_values_of_its_host() {
    for host in local_sets() {
        let set = LocalSet::new();
        // Spawned where nothing is bound, bare and wrapped, and before and while the host runs.
        let before = (set.spawn_local(async { sees_nothing() }), {
            let bare: &tokio::task::LocalSet = &set;
            bare.spawn_local(async { sees_nothing() })
        });
        let driver = host.set().spawn_local_detached(KEY.scope(7, async move {
            TX.set(7);
            let inside = async {
                let bare = tokio::task::spawn_local(async { sees_nothing() });
                (bare.await.expect("no panic"), KEY.get(), TX.get())
            };
            let inside = set.run_until(inside).await;
            let before = (before.0.await.expect("no panic"), before.1.await.expect("no panic"));
            (inside, before, KEY.get())
        }));
        let seen = host.run(driver).expect("no panic");
        assert_eq!(seen, ((true, Some(7), Some(7)), (true, true), Some(7)), "{}", host.name);
    }
}

#[test]
fn a_local_set_that_is_awaited_runs_its_tasks_in_their_own_contexts() {
    let runtime = current_thread();
    let set = LocalSet::new();
    let one = KEY.sync_scope(1, || set.spawn_local(async { (KEY.get(), spawn_local(async { KEY.get() }).await) }));
    runtime.block_on(KEY.scope(2, async {
        set.await;
        let (own, childs) = one.await.expect("no panic");
        assert_eq!((own, childs.expect("no panic"), KEY.get()), (Some(1), Some(1), Some(2)));
    }));
}

#[test]
fn a_local_set_dropped_after_its_runtime_drops_its_tasks_inside_their_contexts() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let set = LocalSet::new();
    let runtime = current_thread();
    let witness = || Witness(Arc::clone(&dropped));
    let (polled, unpolled) = (witness(), witness());
    let spawn = |witness| {
        KEY.sync_scope(1, || {
            drop(set.spawn_local(async {
                let _witness = witness;
                std::future::pending::<()>().await;
            }));
        })
    };
    spawn(polled);
    set.block_on(&runtime, yield_now());
    spawn(unpolled);
    drop(runtime);
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    let me = routines::id();
    KEY.sync_scope(2, || drop(set));
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
    assert!(routines::all().iter().all(|info| info.parent != Some(me)), "none is listed");
}

#[test]
fn when_a_tracker_is_done_waiting_none_of_its_routines_is_listed() {
    for host in hosts() {
        host.run(async {
            let me = routines::id();
            let tracker = TaskTracker::new();
            let gate = host.close();
            for _ in 0..20 {
                drop(tracker.spawn(yield_now()));
                drop(tracker.spawn_blocking(|| ()));
            }
            assert_eq!(tracker.len(), 40, "{}", host.name);
            drop(gate);
            tracker.close();
            tracker.wait().await;
            let mine = |info: &RoutineInfo| info.parent == Some(me) && spawned_here(info);
            assert!(!routines::all().iter().any(mine), "{}", host.name);
            assert!(TaskTracker::ptr_eq(&tracker, &tracker.clone()));
        });
    }
}

#[test]
fn a_named_task_shows_its_name_in_the_dump_until_it_ends() {
    for host in local_sets() {
        host.run(async {
            let gate = host.close();
            let (mut set, handle, local_set) = (JoinSet::new(), host.handle(), host.set());
            let spawned: [(&str, AbortHandle); 12] = [
                ("b1", abort(Builder::new().name("sets-b1").spawn(idle()))),
                ("b2", abort(Builder::new().name("sets-b2").spawn_on(idle(), handle))),
                ("b3", abort(Builder::new().name("sets-b3").spawn_local(idle()))),
                ("b4", abort(Builder::new().name("sets-b4").spawn_local_on(idle(), local_set))),
                ("b5", abort(Builder::new().name("sets-b5").spawn_blocking(|| ()))),
                ("b6", abort(Builder::new().name("sets-b6").detached().spawn_blocking_on(|| (), handle))),
                ("s1", set.build_task().name("sets-s1").spawn(idle()).expect("started")),
                ("s2", set.build_task().name("sets-s2").spawn_on(idle(), handle).expect("started")),
                ("s3", set.build_task().name("sets-s3").spawn_local(idle()).expect("started")),
                ("s4", set.build_task().name("sets-s4").spawn_local_on(idle(), local_set).expect("started")),
                ("s5", set.build_task().name("sets-s5").spawn_blocking(|| ()).expect("started")),
                ("s6", set.build_task().name("sets-s6").detached().spawn_blocking_on(|| (), handle).expect("started")),
            ];
            let me = routines::id();
            let names = || {
                let mine = routines::all().into_iter().filter(|info| info.parent == Some(me));
                mine.filter_map(|info| info.name).collect::<Vec<_>>()
            };
            let dump = routines::dump().to_string();
            for (way, _) in &spawned {
                assert!(dump.contains(&format!("sets-{way}")), "{}: {way} in {dump}", host.name);
                assert!(names().contains(&format!("sets-{way}")), "{}: {way}", host.name);
            }
            spawned.iter().for_each(|(_, abort)| abort.abort());
            drop(gate);
            while spawned.iter().any(|(_, abort)| !abort.is_finished()) {
                yield_now().await;
            }
            assert_eq!(names(), Vec::<String>::new(), "{}", host.name);
        });
    }
}

fn abort(spawned: std::io::Result<tokio::task::JoinHandle<()>>) -> AbortHandle {
    spawned.expect("started").abort_handle()
}

async fn idle() {
    std::future::pending::<()>().await;
}

#[test]
fn handles_are_the_current_ones_and_there_is_none_outside() {
    assert!(Handle::try_current().is_err());
    for host in local_hosts() {
        let (current, tried) = host.run(async { (Handle::current().id(), Handle::try_current().map(|h| h.id())) });
        assert_eq!((Some(current), current), (tried.ok(), host.handle().id()), "{}", host.name);
    }
}

#[test]
fn a_twin_is_made_from_tokios_own_and_given_back() {
    let runtime = Runtime::from(current_thread());
    let id = runtime.handle().id();
    let handle: tokio::runtime::Handle = runtime.handle().clone().into();
    assert_eq!(Handle::from(handle).id(), id);
    let runtime: tokio::runtime::Runtime = runtime.into();
    assert_eq!(runtime.handle().id(), id);
    let local = LocalRuntime::new().expect("a runtime");
    let id = local.handle().id();
    assert_eq!(tokio::runtime::LocalRuntime::from(local).handle().id(), id);
    let set: tokio::task::JoinSet<()> = JoinSet::from(tokio::task::JoinSet::new()).into();
    let tracker: tokio_util::task::TaskTracker = TaskTracker::from(tokio_util::task::TaskTracker::new()).into();
    assert!(set.is_empty() && tracker.is_empty());
    let set = tokio::task::LocalSet::new();
    let id = set.id();
    assert_eq!(tokio::task::LocalSet::from(LocalSet::from(set)).id(), id);
}

#[test]
fn what_takes_a_future_and_has_no_twin_carries_one_that_inherits() {
    let runtime = current_thread();
    runtime.block_on(KEY.scope(1, async {
        let mut map = tokio_util::task::JoinMap::new();
        map.spawn("inherits", async { KEY.get() }.inherit());
        map.spawn("detached", async { KEY.get() }.detached());
        let mut seen = Vec::new();
        while let Some((key, value)) = map.join_next().await {
            seen.push((key, value.expect("no panic")));
        }
        seen.sort_unstable();
        assert_eq!(seen, [("detached", None), ("inherits", Some(1))]);

        let pool = tokio_util::task::LocalPoolHandle::new(1);
        let carried = async { KEY.get() }.inherit();
        let (inherits, stranger) = (pool.spawn_pinned(|| carried), pool.spawn_pinned(|| async { KEY.get() }));
        assert_eq!((inherits.await.expect("no panic"), stranger.await.expect("no panic")), (Some(1), None));
    }));
}
