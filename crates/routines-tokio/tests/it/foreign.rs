//! R8 and R15: a task nobody wrapped reads unbound, is refused writes, and has an id made from tokio's.

use std::sync::Arc;

use routines::{Bindings, FutureExt, Inherit, Local, RoutineId, Snapshot, bind};
use tokio::sync::Barrier;
use tokio::task::{LocalSet, yield_now};

use crate::support::{bare, current_thread, multi_thread, panic_of, runtimes};

static KEY: Local<u32> = Local::new();
static NAMED: Local<u32> = Local::new().named("named of foreign");
static PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
static DEFAULTED: Local<u32> = Local::with_default(|| 5);

/// Everything a stranger could get hold of.
fn sees_nothing() -> bool {
    let mut named = 0;
    routines::for_each_named(|_, _| named += 1);
    (KEY.get(), NAMED.get(), PRIVATE.get(), named) == (None, None, None, 0)
        && DEFAULTED.get() == Some(5)
        && !DEFAULTED.is_bound()
        && Snapshot::capture().is_empty()
        && routines::try_id().is_none()
        && routines::current().info().is_none()
        && !routines::set_name("stolen")
        && KEY.remove().is_none()
}

/// Runs `f` where every kind of value is bound, on the thread that polls.
fn in_a_rich_host<R>(f: impl FnOnce() -> R) -> R {
    let all = Bindings::new().with(&KEY, 1).with(&NAMED, 2).with(&PRIVATE, 3).with(&DEFAULTED, 4);
    all.sync_scope(f)
}

#[test]
fn r08_a_bare_task_reads_unbound_on_every_flavour() {
    for (name, runtime) in runtimes() {
        let seen = in_a_rich_host(|| {
            runtime.block_on(async {
                assert_eq!((KEY.get(), PRIVATE.get()), (Some(1), Some(3)), "block_on is its caller's routine");
                let seen = bare(async { sees_nothing() }).await;
                assert_eq!((KEY.get(), DEFAULTED.get()), (Some(1), Some(4)));
                seen
            })
        });
        assert!(seen, "{name}");
    }
}

#[test]
fn r08_a_bare_task_reads_unbound_also_after_an_await_and_inside_others_scopes() {
    for (name, runtime) in runtimes() {
        let task = async {
            let mut seen = sees_nothing();
            for _ in 0..20 {
                yield_now().await;
                seen &= sees_nothing();
            }
            seen
        };
        let seen = in_a_rich_host(|| {
            runtime.block_on(async {
                let bare = tokio::spawn(task);
                let neighbours: Vec<_> = (0..10)
                    .map(|n| {
                        tokio::spawn(KEY.scope(n, async {
                            PRIVATE.set(9);
                            for _ in 0..20 {
                                yield_now().await;
                            }
                            KEY.get()
                        }))
                    })
                    .collect();
                for (n, neighbour) in neighbours.into_iter().enumerate() {
                    assert_eq!(neighbour.await.expect("no panic"), Some(n as u32));
                }
                bare.await.expect("no panic")
            })
        });
        assert!(seen, "{name}");
    }
}

#[test]
fn r08_a_bare_task_in_a_local_set_reads_unbound() {
    let runtime = current_thread();
    in_a_rich_host(|| {
        let set = LocalSet::new();
        set.block_on(&runtime, async {
            assert_eq!(KEY.get(), Some(1));
            let seen = tokio::task::spawn_local(async {
                let first = sees_nothing();
                yield_now().await;
                first && sees_nothing()
            });
            assert!(seen.await.expect("no panic"));
            assert_eq!(KEY.get(), Some(1));
        });
        let awaited = LocalSet::new();
        let inside = awaited.spawn_local(async { sees_nothing() });
        runtime.block_on(KEY.scope(7, async {
            awaited.await;
            assert!(inside.await.expect("no panic"));
            assert_eq!(KEY.get(), Some(7));
        }));
    });
}

#[test]
fn r08_a_local_set_polled_by_a_wrapped_task_lends_its_tasks_nothing() {
    let runtime = current_thread();
    let set = LocalSet::new();
    set.block_on(&runtime, async {
        let task = KEY.scope(7, async {
            let inner = tokio::task::spawn_local(async { sees_nothing() });
            (inner.await.expect("no panic"), KEY.get())
        });
        assert_eq!(tokio::task::spawn_local(task).await.expect("no panic"), (true, Some(7)));
    });
}

#[test]
fn r08_a_bare_blocking_job_reads_unbound() {
    for (name, runtime) in runtimes() {
        in_a_rich_host(|| {
            runtime.block_on(async {
                for _ in 0..5 {
                    assert!(tokio::task::spawn_blocking(sees_nothing).await.expect("no panic"), "{name}");
                }
            });
        });
    }
}

#[test]
fn r08_block_in_place_stays_in_its_task() {
    let runtime = multi_thread();
    in_a_rich_host(|| {
        runtime.block_on(async {
            assert!(bare(async { tokio::task::block_in_place(sees_nothing) }).await);
            let wrapped = tokio::spawn(KEY.scope(7, async {
                let seen = tokio::task::block_in_place(|| {
                    KEY.sync_scope(8, || ());
                    (KEY.get(), PRIVATE.get(), routines::id())
                });
                yield_now().await;
                (seen, KEY.get(), routines::id())
            }));
            let ((key, private, id), after, id_after) = wrapped.await.expect("no panic");
            assert_eq!((key, private, after, id), (Some(7), None, Some(7), id_after));
        });
    });
}

#[test]
fn r08_block_on_inside_block_in_place_stays_in_its_task() {
    let runtime = multi_thread();
    let handle = runtime.handle().clone();
    runtime.block_on(async {
        let nested = move || {
            tokio::task::block_in_place(|| {
                handle.block_on(async {
                    let bare = bare(async { sees_nothing() }).await;
                    (bare, KEY.get())
                })
            })
        };
        let task = routines_tokio::spawn(KEY.scope(7, async move { nested() }));
        assert_eq!(task.await.expect("no panic"), (true, Some(7)));
    });
}

#[test]
fn r08_an_unscoped_set_in_a_bare_task_is_refused_and_gives_the_value_back() {
    static TEXT: Local<String> = Local::new();
    for (name, runtime) in runtimes() {
        let seen = runtime.block_on(bare(async {
            let error = TEXT.try_set("mine".into()).expect_err("refused");
            assert!(error.error().is_foreign_task() && !error.error().is_thread_exit());
            assert!(error.to_string().contains("routines_tokio::spawn"), "the remedy: {error}");
            let number = KEY.try_set(7).expect_err("refused").into_value();
            (error.into_value(), number, Snapshot::empty().try_restore().is_err(), TEXT.get())
        }));
        assert_eq!(seen, (Some("mine".into()), Some(7), true, None), "{name}");
    }
}

#[test]
fn r08_an_unscoped_set_in_a_bare_task_panics_at_the_callers_line_saying_the_remedy() {
    static TEXT: Local<String> = Local::new().named("text of foreign");
    for (name, runtime) in runtimes() {
        let (set, small, restore) = runtime.block_on(bare(async {
            let set = (panic_of(|| TEXT.set("x".into())), line!());
            let small = (panic_of(|| KEY.set(1)), line!());
            let restore = (panic_of(|| Snapshot::empty().restore()), line!());
            (set, small, restore)
        }));
        assert!(set.0.0.contains("`text of foreign`"), "which local: {}", set.0.0);
        for ((message, file, line), here) in [set, small, restore] {
            assert_eq!((file.as_str(), line), (file!(), here), "{name}");
            assert!(message.contains("routines_tokio::spawn") && message.contains("scope"), "the remedy: {message}");
        }
    }
}

#[test]
fn r08_a_scope_in_a_bare_task_works_and_so_does_a_set_inside_it() {
    for (name, runtime) in runtimes() {
        let seen = in_a_rich_host(|| {
            runtime.block_on(bare(async {
                let in_scope = KEY.sync_scope(7, || {
                    let outer = (KEY.get(), PRIVATE.get(), NAMED.get());
                    KEY.set(8);
                    PRIVATE.set(9);
                    let child = routines::thread::spawn(|| KEY.get()).join().expect("no panic");
                    (outer, KEY.get(), PRIVATE.get(), child)
                });
                let carried = KEY.scope(10, async {
                    yield_now().await;
                    PRIVATE.set(11);
                    (KEY.get(), PRIVATE.get(), NAMED.get(), routines::try_id())
                });
                (in_scope, carried.await, sees_nothing())
            }))
        });
        let in_scope = ((Some(7), None, None), Some(8), Some(9), Some(8));
        assert_eq!(seen, (in_scope, (Some(10), Some(11), None, None), true), "{name}");
    }
}

#[test]
fn r08_snapshots_guards_and_bound_closures_work_in_a_bare_task() {
    for (name, runtime) in runtimes() {
        let snapshot = KEY.sync_scope(7, Snapshot::capture);
        let job = KEY.sync_scope(8, || bind(|| KEY.get()));
        let seen = runtime.block_on(bare(async move {
            let entered = {
                let _guard = snapshot.enter();
                KEY.get()
            };
            (snapshot.sync_scope(|| KEY.get()), entered, job(), sees_nothing())
        }));
        assert_eq!(seen, (Some(7), Some(7), Some(8), true), "{name}");
    }
}

#[test]
fn r08_a_bare_task_spawns_children_that_have_only_what_it_bound() {
    for (_, runtime) in runtimes() {
        let seen = in_a_rich_host(|| {
            runtime.block_on(bare(async {
                let nothing = routines_tokio::spawn(async { (KEY.get(), NAMED.get()) }).await.expect("no panic");
                let bound = NAMED.scope(8, async { routines_tokio::spawn(async { (KEY.get(), NAMED.get()) }).await });
                (nothing, bound.await.expect("no panic"))
            }))
        });
        assert_eq!(seen, ((None, None), (None, Some(8))));
    }
}

#[test]
fn r08_a_bare_task_leaves_nothing_of_its_own_to_the_next_one_on_the_thread() {
    let runtime = current_thread();
    runtime.block_on(async {
        for n in 0..20 {
            assert!(bare(async move { KEY.sync_scope(n, || KEY.get()) == Some(n) && sees_nothing() }).await);
            let panicked = tokio::spawn(async move {
                KEY.sync_scope(n, || {
                    KEY.set(99);
                    std::panic::resume_unwind(Box::new("on purpose"));
                })
            });
            assert!(panicked.await.is_err());
            assert!(bare(async { sees_nothing() }).await);
        }
        assert_eq!(KEY.get(), None);
    });
}

#[test]
fn r08_block_on_inside_a_sync_scope_reads_the_callers_values_and_may_set_them() {
    for (name, runtime) in runtimes() {
        KEY.sync_scope(1, || {
            runtime.block_on(async {
                assert_eq!(KEY.get(), Some(1), "{name}");
                KEY.set(2);
                yield_now().await;
            });
            assert_eq!(KEY.get(), Some(2), "{name}: block_on's future is its caller's routine");
        });
        assert_eq!(KEY.get(), None);
    }
}

#[test]
fn a_foreign_id_is_the_number_tokio_prints() {
    for (name, runtime) in runtimes() {
        let (id, printed) = runtime.block_on(bare(async { (routines::id(), tokio::task::id().to_string()) }));
        assert!(id.is_foreign(), "{name}");
        assert_eq!(id.to_string(), format!("foreign-{printed}"), "{name}");
        assert_eq!(id.as_u64() ^ 1 << 63, printed.parse::<u64>().expect("tokio prints a number"), "{name}");
    }
}

#[test]
fn r15_a_foreign_id_is_stable_for_the_tasks_life_differs_from_all_others_and_is_not_listed() {
    for (name, runtime) in runtimes() {
        let ids: Vec<RoutineId> = runtime.block_on(async {
            let together = Arc::new(Barrier::new(50));
            let tasks: Vec<_> = (0..50)
                .map(|_| {
                    let together = together.clone();
                    tokio::spawn(async move {
                        let id = routines::id();
                        together.wait().await;
                        for _ in 0..5 {
                            assert_eq!((routines::id(), routines::current().id(), routines::try_id()), (id, id, None));
                            yield_now().await;
                        }
                        assert!(!routines::ids().contains(&id));
                        assert_eq!(routines::current().state(), routines::State::Done, "nothing is known of it");
                        id
                    })
                })
                .collect();
            let mut ids = Vec::new();
            for task in tasks {
                ids.push(task.await.expect("no panic"));
            }
            ids
        });
        let unique: std::collections::HashSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{name}");
        assert!(ids.iter().all(|id| id.is_foreign()));
    }
}

#[test]
fn r15_a_scope_awaited_in_a_bare_task_keeps_the_tasks_foreign_id() {
    for (_, runtime) in runtimes() {
        let (outside, inside, synchronous, own) = runtime.block_on(bare(async {
            let inside = KEY.scope(1, async {
                yield_now().await;
                routines::id()
            });
            let synchronous = KEY.sync_scope(1, routines::id);
            (routines::id(), inside.await, synchronous, tokio::spawn(async { routines::id() }.inherit()).await)
        }));
        assert!(outside == inside && outside == synchronous);
        assert!(!own.expect("no panic").is_foreign(), "spawned, it is a routine");
    }
}

#[test]
fn r08_a_guard_left_by_a_suspended_bare_task_does_not_rob_its_host() {
    let runtime = current_thread();
    let snapshot = KEY.sync_scope(7, Snapshot::capture);
    KEY.sync_scope(1, || {
        let set = LocalSet::new();
        set.block_on(&runtime, async {
            let task = tokio::task::spawn_local(async move {
                let _guard = snapshot.enter();
                std::future::pending::<()>().await;
            });
            yield_now().await;
            assert!(
                tokio::task::spawn_local(async { sees_nothing() }).await.expect("no panic"),
                "strangers see nothing"
            );
            let host = KEY.get();
            task.abort();
            assert!(task.await.is_err());
            assert_eq!(host, Some(1), "the host's own value, while a task's guard is live");
        });
        assert_eq!(KEY.get(), Some(1), "and afterwards");
    });
}
