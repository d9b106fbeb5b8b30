//! Every way tokio starts work, each with the same promises: the cells of docs/flow.md.
//!
//! A way is one line of the table at the end. What a way is given is a future; those that take closures block on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use routines::{Inherit, Local, RoutineId};
use routines_tokio::runtime::{Handle, Runtime};
use routines_tokio::task::{self, Builder, JoinSet, LocalSet};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;

static USER: Local<&str> = Local::new().named("user");
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);
static TOKEN: Local<Arc<()>> = Local::new();

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What was started: how to end it, and its end, which tells whether that was a regular one.
struct Started {
    abort: AbortHandle,
    end: Pin<Box<dyn Future<Output = bool>>>,
}

impl Started {
    fn of(handle: tokio::task::JoinHandle<()>) -> Started {
        Started { abort: handle.abort_handle(), end: Box::pin(async { handle.await.is_ok() }) }
    }

    fn of_set(mut set: JoinSet<()>, abort: AbortHandle) -> Started {
        Started { abort, end: Box::pin(async move { set.join_next().await.is_some_and(|end| end.is_ok()) }) }
    }
}

/// Runs the test where every way works: in a local set on a runtime with two workers.
fn on_tokio<R>(test: impl AsyncFnOnce() -> R) -> R {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, USER.scope("ada", test()))
}

/// Runs work in the given way and returns what `see` sees there.
async fn seen<R: Send + 'static>(way: impl FnOnce(Work) -> Started, see: impl FnOnce() -> R + Send + 'static) -> R {
    let (tell, told) = oneshot::channel();
    let started = way(Box::pin(async move { drop(tell.send(see())) }));
    let seen = told.await.unwrap();
    assert!(started.end.await);
    seen
}

async fn inherits(way: impl Fn(bool, Work) -> Started) {
    let me = routines::id();
    let (user, id) = seen(|work| way(false, work), || (USER.get(), routines::id())).await;
    assert_eq!(user, Some("ada"));
    assert!(id != me && !id.is_foreign(), "a routine of its own");
}

async fn detaches(way: impl Fn(bool, Work) -> Started) {
    assert_eq!(seen(|work| way(true, work), || (USER.get(), DEPTH.get())).await, (None, None));
}

async fn obeys_policies(way: impl Fn(bool, Work) -> Started) {
    DEPTH.set(1);
    SECRET.set(2);
    assert_eq!(seen(|work| way(false, work), || (DEPTH.get(), SECRET.get())).await, (Some(2), None));
    assert_eq!((DEPTH.get(), SECRET.get()), (Some(1), Some(2)));
}

async fn survives_panics(way: impl Fn(bool, Work) -> Started) {
    let (tell, told) = oneshot::channel();
    let started = way(
        false,
        Box::pin(async move {
            USER.set("mallory");
            tell.send(routines::id()).unwrap();
            std::panic::resume_unwind(Box::new("on purpose"));
        }),
    );
    let id = told.await.unwrap();
    assert!(!started.end.await, "the panic is the joiner's");
    gone(id);
    assert_eq!(USER.get(), Some("ada"));
    assert_eq!(seen(|work| way(true, work), || USER.get()).await, None, "no thread was left dirty");
}

/// Says what it reads when it is dropped.
struct Witness(Arc<Mutex<Vec<Option<&'static str>>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(USER.get());
    }
}

async fn is_dropped_inside_when_aborted(way: impl Fn(bool, Work) -> Started) {
    let seen = Arc::default();
    let witness = Witness(Arc::clone(&seen));
    let (begin, begun) = oneshot::channel::<()>();
    let (release, released) = oneshot::channel::<()>();
    let started = way(
        false,
        Box::pin(async move {
            let _witness = witness;
            drop(begin);
            let _ = released.await;
        }),
    );
    drop(begun.await);
    started.abort.abort();
    // Work that blocks cannot be aborted once it runs: it comes to its end.
    drop(release);
    started.end.await;
    assert_eq!(*seen.lock().unwrap(), [Some("ada")]);
}

async fn is_dropped_inside_when_it_never_ran(way: impl Fn(bool, Work) -> Started) {
    let seen = Arc::default();
    let witness = Witness(Arc::clone(&seen));
    let started = way(false, Box::pin(async move { drop(witness) }));
    started.abort.abort();
    started.end.await;
    assert_eq!(*seen.lock().unwrap(), [Some("ada")]);
}

async fn leaves_nothing(way: impl Fn(bool, Work) -> Started) {
    let token = Arc::new(());
    TOKEN.set(Arc::clone(&token));
    let id = seen(
        |work| way(false, work),
        || {
            TOKEN.set(TOKEN.get().unwrap());
            routines::id()
        },
    )
    .await;
    gone(id);
    TOKEN.remove();
    assert_eq!(Arc::strong_count(&token), 1);
}

fn gone(id: RoutineId) {
    for _ in 0..10_000_000 {
        if !routines::ids().contains(&id) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("routine {id} is still listed");
}

/// Makes a module of tests of each way: a function of whether to detach, and of the work.
macro_rules! ways {
    ($($name:ident: $way:expr;)*) => {$(
        mod $name {
            use super::*;

            fn way(detach: bool, work: Work) -> Started {
                let way: fn(bool, Work) -> Started = $way;
                way(detach, work)
            }

            #[test]
            fn inherits() {
                on_tokio(async || super::inherits(way).await);
            }
            #[test]
            fn detaches() {
                on_tokio(async || super::detaches(way).await);
            }
            #[test]
            fn obeys_policies() {
                on_tokio(async || super::obeys_policies(way).await);
            }
            #[test]
            fn survives_panics() {
                on_tokio(async || super::survives_panics(way).await);
            }
            #[test]
            fn is_dropped_inside_when_aborted() {
                on_tokio(async || super::is_dropped_inside_when_aborted(way).await);
            }
            #[test]
            fn is_dropped_inside_when_it_never_ran() {
                on_tokio(async || super::is_dropped_inside_when_it_never_ran(way).await);
            }
            #[test]
            fn leaves_nothing() {
                on_tokio(async || super::leaves_nothing(way).await);
            }
        }
    )*};
}

fn blocking(work: Work) -> impl FnOnce() + Send {
    let handle = tokio::runtime::Handle::current();
    move || handle.block_on(work)
}

fn handle() -> Handle {
    Handle::current()
}

/// A runtime of its own, which ends when the work has.
fn on_its_own(work: Work, start: impl FnOnce(&Runtime, Work) -> tokio::task::JoinHandle<()>) -> Started {
    let runtime = Runtime::from(tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap());
    let handle = start(&runtime, work);
    let abort = handle.abort_handle();
    let end = async {
        let end = handle.await.is_ok();
        runtime.into_inner().shutdown_background();
        end
    };
    Started { abort, end: Box::pin(end) }
}

fn in_set(start: impl FnOnce(&mut JoinSet<()>) -> AbortHandle) -> Started {
    let mut set = JoinSet::new();
    let abort = start(&mut set);
    Started::of_set(set, abort)
}

ways! {
    spawn: |detach, work| Started::of(if detach { task::spawn_detached(work) } else { task::spawn(work) });
    spawn_local: |detach, work| Started::of(if detach { task::spawn_local_detached(work) } else { task::spawn_local(work) });
    spawn_blocking: |detach, work| {
        let work = blocking(work);
        Started::of(if detach { task::spawn_blocking_detached(work) } else { task::spawn_blocking(work) })
    };
    handle_spawn: |detach, work| Started::of(if detach { handle().spawn_detached(work) } else { handle().spawn(work) });
    handle_spawn_blocking: |detach, work| {
        let work = blocking(work);
        Started::of(if detach { handle().spawn_blocking_detached(work) } else { handle().spawn_blocking(work) })
    };
    runtime_spawn: |detach, work| on_its_own(work, |runtime, work| {
        if detach { runtime.spawn_detached(work) } else { runtime.spawn(work) }
    });
    runtime_spawn_blocking: |detach, work| {
        let work = blocking(work);
        on_its_own(Box::pin(async {}), |runtime, _| {
            if detach { runtime.spawn_blocking_detached(work) } else { runtime.spawn_blocking(work) }
        })
    };
    join_set_spawn: |detach, work| in_set(|set| if detach { set.spawn_detached(work) } else { set.spawn(work) });
    join_set_spawn_on: |detach, work| in_set(|set| {
        let handle = tokio::runtime::Handle::current();
        if detach { set.spawn_on_detached(work, &handle) } else { set.spawn_on(work, &handle) }
    });
    join_set_spawn_local: |detach, work| {
        in_set(|set| if detach { set.spawn_local_detached(work) } else { set.spawn_local(work) })
    };
    join_set_spawn_blocking: |detach, work| {
        let work = blocking(work);
        in_set(|set| if detach { set.spawn_blocking_detached(work) } else { set.spawn_blocking(work) })
    };
    join_set_build_task: |detach, work| in_set(|set| {
        let builder = set.build_task().name("built");
        if detach { builder.detached().spawn(work) } else { builder.spawn(work) }
    });
    local_set: |detach, work| {
        let set = LocalSet::new();
        let handle = if detach { set.spawn_local_detached(work) } else { set.spawn_local(work) };
        let abort = handle.abort_handle();
        // Another task drives it.
        let driver = tokio::task::spawn_local(async move { set.run_until(async { handle.await.is_ok() }).await });
        Started { abort, end: Box::pin(async { driver.await.unwrap() }) }
    };
    builder: |detach, work| {
        let builder = Builder::new().name("built");
        Started::of(if detach { builder.detached().spawn(work) } else { builder.spawn(work) }.unwrap())
    };
    builder_spawn_blocking: |detach, work| {
        let (builder, work) = (Builder::new().name("built"), blocking(work));
        Started::of(if detach { builder.detached().spawn_blocking(work) } else { builder.spawn_blocking(work) }.unwrap())
    };
}

#[cfg(feature = "tokio-util")]
mod tracked {
    use super::*;
    use routines_tokio::task::TaskTracker;

    ways! {
        tracker_spawn: |detach, work| {
            let tracker = TaskTracker::new();
            Started::of(if detach { tracker.spawn_detached(work) } else { tracker.spawn(work) })
        };
        tracker_spawn_local: |detach, work| {
            let tracker = TaskTracker::new();
            Started::of(if detach { tracker.spawn_local_detached(work) } else { tracker.spawn_local(work) })
        };
        tracker_spawn_blocking: |detach, work| {
            let (tracker, work) = (TaskTracker::new(), blocking(work));
            Started::of(if detach { tracker.spawn_blocking_detached(work) } else { tracker.spawn_blocking(work) })
        };
    }
}

/// The same on a runtime with hooks: one routine, not two, and the same values.
#[cfg(tokio_unstable)]
mod with_hooks {
    use super::*;

    fn on_tokio<R>(test: impl AsyncFnOnce() -> R) -> R {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        routines_tokio::Flow::new().install(builder.worker_threads(2).enable_all());
        tokio::task::LocalSet::new().block_on(&builder.build().unwrap(), USER.scope("ada", test()))
    }

    fn local(detach: bool, work: Work) -> Started {
        Started::of(if detach { task::spawn_local_detached(work) } else { task::spawn_local(work) })
    }

    ways! {
        spawn: |detach, work| Started::of(if detach { task::spawn_detached(work) } else { task::spawn(work) });
        spawn_local: super::local;
        spawn_blocking: |detach, work| {
            let work = blocking(work);
            Started::of(if detach { task::spawn_blocking_detached(work) } else { task::spawn_blocking(work) })
        };
    }

    mod local_runtime {
        use super::*;
        use routines_tokio::runtime::LocalRuntime;

        #[test]
        fn inherits_and_detaches() {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            routines_tokio::Flow::new().install(&mut builder);
            let runtime = LocalRuntime::from(builder.build_local(tokio::runtime::LocalOptions::default()).unwrap());
            USER.sync_scope("ada", || {
                let wrapped = runtime.spawn_local(async { USER.get() });
                let detached = runtime.spawn_local_detached(async { USER.get() });
                let plain = runtime.as_ref_plain().spawn_local(async { USER.get() });
                let seen =
                    runtime.block_on(async { (wrapped.await.unwrap(), detached.await.unwrap(), plain.await.unwrap()) });
                assert_eq!(seen, (Some("ada"), None, Some("ada")));
            });
        }

        trait Plain {
            fn as_ref_plain(&self) -> &tokio::runtime::LocalRuntime;
        }

        impl Plain for LocalRuntime {
            fn as_ref_plain(&self) -> &tokio::runtime::LocalRuntime {
                self
            }
        }
    }
}

#[test]
fn a_name_given_to_a_builder_is_the_routines() {
    on_tokio(async || {
        let name = || routines::current().name();
        let named = Builder::new().name("one").spawn(async move { name() }).unwrap().await.unwrap();
        let mut set = JoinSet::new();
        set.build_task().name("two").spawn_blocking(name);
        assert_eq!((named.as_deref(), set.join_next().await.unwrap().unwrap().as_deref()), (Some("one"), Some("two")));
    });
}

#[test]
fn block_in_place_keeps_the_routine_and_its_values() {
    on_tokio(async || {
        routines_tokio::spawn(async {
            let id = routines::id();
            task::block_in_place(|| {
                assert_eq!((routines::id(), USER.get()), (id, Some("ada")));
                USER.set("eve");
                assert_eq!(handle().block_on(async { (routines::id(), USER.get()) }), (id, Some("eve")));
            });
            assert_eq!((routines::id(), USER.get()), (id, Some("eve")));
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_future_blocked_on_runs_in_its_host_and_detached_it_sees_nothing() {
    let runtime = Runtime::from(tokio::runtime::Builder::new_current_thread().build().unwrap());
    USER.sync_scope("ada", || {
        let id = routines::id();
        assert_eq!(runtime.block_on(async { (routines::id(), USER.get()) }), (id, Some("ada")));
        assert_eq!(runtime.block_on_detached(async { (routines::id(), USER.set("eve").is_none()) }), (id, true));
        assert_eq!(runtime.handle().block_on(async { USER.get() }), Some("ada"));
        assert_eq!(runtime.handle().block_on_detached(async { USER.get() }), None);
    });
}

#[test]
fn branches_of_select_and_join_share_their_routine() {
    on_tokio(async || {
        let id = routines::id();
        let ((), ()) = tokio::join!(async { assert_eq!(routines::id(), id) }, async {
            USER.set("eve");
        });
        assert_eq!(USER.get(), Some("eve"));
        tokio::select! {
            biased;
            () = USER.scope("branch", async { assert_eq!((routines::id(), USER.get()), (id, Some("branch"))) }) => {}
            () = std::future::pending() => {}
        }
        assert_eq!(USER.get(), Some("eve"));
    });
}

#[test]
fn a_runtime_shut_down_drops_what_lives_inside_its_context() {
    let seen = Arc::default();
    let runtime = Runtime::from(tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap());
    let ids: Vec<_> = (0..20)
        .map(|_| {
            let witness = Witness(Arc::clone(&seen));
            let (tell, told) = std::sync::mpsc::channel();
            let work = async move {
                let _witness = witness;
                tell.send(routines::id()).unwrap();
                std::future::pending::<()>().await;
            };
            drop(USER.sync_scope("ada", || runtime.spawn(work)));
            told.recv().unwrap()
        })
        .collect();
    USER.sync_scope("host", || drop(runtime));
    assert_eq!(*seen.lock().unwrap(), [Some("ada"); 20]);
    ids.into_iter().for_each(gone);
}

#[test]
fn a_spawn_on_a_runtime_that_is_shut_down_drops_inside_and_leaves_nothing() {
    let runtime = Runtime::from(tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap());
    let handle = runtime.handle();
    drop(runtime);
    let (seen, token) = (Arc::default(), Arc::new(()));
    TOKEN.sync_scope(Arc::clone(&token), || {
        USER.sync_scope("ada", || {
            let (one, two) = (Witness(Arc::clone(&seen)), Witness(Arc::clone(&seen)));
            drop(handle.spawn(async move { drop(one) }));
            drop(handle.spawn_blocking(move || drop(two)));
        });
    });
    assert_eq!(*seen.lock().unwrap(), [Some("ada"); 2]);
    assert_eq!(Arc::strong_count(&token), 1);
}
