//! What `routines_tokio` starts, and carried futures given to tokio: R2, R6, R7, R9, R10, R11 on a real runtime.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use routines::{FutureExt, Inherit, Kind, Local, RoutineInfo, State};
use tokio::task::yield_now;

use crate::support::{current_thread, multi_thread, runtimes};

static KEY: Local<u32> = Local::new();

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

#[track_caller]
fn here() -> Option<String> {
    let here = Location::caller();
    Some(format!("{}:{}", here.file(), here.line()))
}

#[test]
fn r07_every_spawn_inherits_and_has_a_detached_twin() {
    for (name, runtime) in runtimes() {
        runtime.block_on(KEY.scope(1, async {
            let inherited = (
                routines_tokio::spawn(async { KEY.get() }).await.expect("no panic"),
                routines_tokio::spawn_blocking(|| KEY.get()).await.expect("no panic"),
            );
            let detached = (
                routines_tokio::spawn_detached(async { KEY.get() }).await.expect("no panic"),
                routines_tokio::spawn_blocking_detached(|| KEY.get()).await.expect("no panic"),
            );
            assert_eq!((inherited, detached), ((Some(1), Some(1)), (None, None)), "{name}");
        }));
    }
}

#[test]
fn r02_the_context_is_captured_when_spawn_is_called() {
    let runtime = current_thread();
    runtime.block_on(async {
        KEY.set(1);
        let (task, job) = (routines_tokio::spawn(async { KEY.get() }), routines_tokio::spawn_blocking(|| KEY.get()));
        let carried = tokio::spawn(async { KEY.get() }.inherit());
        KEY.set(2);
        assert_eq!(task.await.expect("no panic"), Some(1));
        assert_eq!(job.await.expect("no panic"), Some(1));
        assert_eq!(carried.await.expect("no panic"), Some(1));
        KEY.remove();
    });
}

#[test]
fn r09_a_task_has_one_id_its_spawner_as_parent_and_the_callers_line() {
    for (name, runtime) in runtimes() {
        let me = routines::id();
        runtime.block_on(async {
            let look = || async {
                let first = info();
                yield_now().await;
                assert_eq!(routines::id(), first.id);
                first
            };
            let (task, line) = (routines_tokio::spawn(look()), here());
            let seen = task.await.expect("no panic");
            assert_eq!((seen.parent, seen.kind, seen.spawned_at), (Some(me), Kind::Task, line), "{name}");
            let (task, line) = (routines_tokio::spawn_detached(look()), here());
            let seen = task.await.expect("no panic");
            assert_eq!((seen.parent, seen.kind, seen.spawned_at), (Some(me), Kind::Task, line), "{name}");
            let (task, line) = (routines_tokio::spawn_blocking(info), here());
            let seen = task.await.expect("no panic");
            assert_eq!((seen.parent, seen.kind, seen.spawned_at), (Some(me), Kind::Job, line), "{name}");
            let (task, line) = (routines_tokio::spawn_blocking_detached(info), here());
            let seen = task.await.expect("no panic");
            assert_eq!((seen.parent, seen.kind, seen.spawned_at), (Some(me), Kind::Job, line), "{name}");
        });
    }
}

#[test]
fn r09_a_scope_given_to_tokios_own_spawn_is_a_child_of_its_maker() {
    for (_, runtime) in runtimes() {
        let me = routines::id();
        runtime.block_on(async {
            let task = KEY.scope(1, async {
                let first = info();
                for _ in 0..10 {
                    yield_now().await;
                    assert_eq!((routines::id(), KEY.get()), (first.id, Some(1)));
                }
                first
            });
            let seen = tokio::spawn(task).await.expect("no panic");
            assert_eq!((seen.parent, seen.id == me, seen.id.is_foreign()), (Some(me), false, false));
        });
    }
}

#[test]
fn r09_a_wrapped_task_around_scopes_is_one_routine() {
    static OTHER: Local<u32> = Local::new();
    for (_, runtime) in runtimes() {
        runtime.block_on(async {
            let ids = Arc::new(AtomicUsize::new(0));
            let seen = ids.clone();
            let inner = OTHER.scope(
                2,
                KEY.scope(1, async move {
                    seen.store(info().id.as_u64() as usize, Ordering::SeqCst);
                    info().parent
                }),
            );
            let parent = routines_tokio::spawn(inner).await.expect("no panic");
            assert_eq!(parent, Some(routines::id()));
            let before = routines::ids().len();
            let nested = routines_tokio::spawn(async { (routines::ids().len(), info().id) }.inherit().inherit());
            // Other tests start routines meanwhile, so this is only a bound.
            assert!(nested.await.expect("no panic").0 < before + 100);
        });
    }
}

#[test]
fn r06_a_never_value_stays_behind() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    for (_, runtime) in runtimes() {
        TX.sync_scope(1, || {
            runtime.block_on(async {
                assert_eq!(TX.get(), Some(1));
                assert_eq!(routines_tokio::spawn(async { TX.get() }).await.expect("no panic"), None);
                assert_eq!(routines_tokio::spawn(KEY.scope(1, async { TX.get() })).await.expect("no panic"), None);
                assert_eq!(tokio::spawn(KEY.scope(1, async { TX.get() })).await.expect("no panic"), None);
                assert_eq!(tokio::spawn(async { TX.get() }.inherit()).await.expect("no panic"), None);
                assert_eq!(routines_tokio::spawn_blocking(|| TX.get()).await.expect("no panic"), None);
            });
        });
    }
}

struct Look(Arc<std::sync::Mutex<Vec<Option<u32>>>>);

impl Drop for Look {
    fn drop(&mut self) {
        self.0.lock().expect("not poisoned").push(KEY.get());
    }
}

#[test]
fn r11_an_aborted_task_is_dropped_inside_its_context() {
    for (name, runtime) in runtimes() {
        let seen = Arc::default();
        runtime.block_on(KEY.scope(1, async {
            let look = Look(Arc::clone(&seen));
            let (started, wait) = tokio::sync::oneshot::channel();
            let task = routines_tokio::spawn(async move {
                let _look = look;
                started.send(()).expect("the test waits");
                std::future::pending::<()>().await;
            });
            wait.await.expect("it starts");
            KEY.set(2);
            task.abort();
            assert!(task.await.is_err_and(|e| e.is_cancelled()));
        }));
        assert_eq!(*seen.lock().expect("not poisoned"), [Some(1)], "{name}");
    }
}

#[test]
fn r11_a_task_dropped_with_its_runtime_is_dropped_inside_its_context_and_unlisted() {
    for (name, runtime) in runtimes() {
        let seen = Arc::default();
        let id = runtime.block_on(KEY.scope(1, async {
            let (look, unpolled) = (Look(Arc::clone(&seen)), Look(Arc::clone(&seen)));
            let (started, wait) = tokio::sync::oneshot::channel();
            drop(routines_tokio::spawn(async move {
                let _look = look;
                started.send(routines::id()).expect("the test waits");
                std::future::pending::<()>().await;
            }));
            let id = wait.await.expect("it starts");
            drop(routines_tokio::spawn(async move {
                let _unpolled = unpolled;
                std::future::pending::<()>().await;
            }));
            id
        }));
        assert!(routines::ids().contains(&id));
        drop(runtime);
        assert!(!routines::ids().contains(&id));
        assert_eq!(*seen.lock().expect("not poisoned"), [Some(1), Some(1)], "{name}");
    }
}

#[test]
fn r10_a_panicking_task_leaves_its_worker_clean_and_is_unlisted() {
    for (name, runtime) in runtimes() {
        runtime.block_on(async {
            let task = routines_tokio::spawn(async {
                KEY.set(1);
                yield_now().await;
                std::panic::resume_unwind(Box::new(routines::id().as_u64()));
            });
            let panic = task.await.expect_err("it panics").into_panic();
            let id = *panic.downcast::<u64>().expect("the id");
            assert!(routines::ids().iter().all(|live| live.as_u64() != id), "{name}");
            for _ in 0..10 {
                assert_eq!(routines_tokio::spawn(async { KEY.get() }).await.expect("no panic"), None);
                assert_eq!(tokio::spawn(async { KEY.get() }).await.expect("no panic"), None);
            }
        });
    }
}

#[test]
fn a_queued_blocking_job_is_listed_and_idle_until_it_runs() {
    let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().expect("a runtime");
    runtime.block_on(async {
        let (release, wait) = std::sync::mpsc::channel::<()>();
        let first = routines_tokio::spawn_blocking(move || wait.recv().is_ok());
        let (second, line) = (routines_tokio::spawn_blocking(info), here());
        let queued = routines::all().into_iter().find(|i| i.spawned_at == line).expect("it is listed");
        assert_eq!((queued.state, queued.kind), (State::Idle, Kind::Job));
        release.send(()).expect("the first job waits");
        assert!(first.await.expect("no panic"));
        assert_eq!(second.await.expect("no panic").id, queued.id);
        assert!(!routines::ids().contains(&queued.id));
    });
}

#[test]
fn thousands_of_tasks_have_their_own_values_and_leave_nothing() {
    static MINE: Local<usize> = Local::new().named("mine of wrapped");
    let runtime = multi_thread();
    let count = if cfg!(miri) { 20 } else { 2000 };
    let ids = runtime.block_on(async {
        let tasks: Vec<_> = (0..count)
            .map(|n| {
                tokio::spawn(MINE.scope(n, async move {
                    for _ in 0..5 {
                        assert_eq!(MINE.get(), Some(n));
                        MINE.set(n);
                        yield_now().await;
                    }
                    routines::id()
                }))
            })
            .collect();
        let mut ids = std::collections::HashSet::new();
        for task in tasks {
            ids.insert(task.await.expect("no panic"));
        }
        ids
    });
    assert_eq!(ids.len(), count);
    assert!(routines::ids().iter().all(|id| !ids.contains(id)));
}

#[test]
fn install_reports_only_the_first_call() {
    routines_tokio::install();
    assert!(!routines_tokio::install());
}
