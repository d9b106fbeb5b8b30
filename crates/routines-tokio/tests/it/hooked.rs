//! Plain `tokio::spawn` under runtime hooks: the context arrives in code that nobody changed, and nothing stays behind.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use routines::{FutureExt, Inherit, Kind, Local, NamedValue, RoutineBuilder, RoutineId, Snapshot, State};
use routines_tokio::{Flow, Relation};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, yield_now};

static USER: Local<String> = Local::new().named("user");
static COUNT: Local<u64> = Local::new();
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);
static DEPTH: Local<u32> = Local::new().derive(|parent| parent + 1);

fn builder(multi: bool) -> Builder {
    let mut builder = if multi { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    builder.enable_all();
    if multi {
        builder.worker_threads(2);
    }
    builder
}

fn hooked(multi: bool, flow: Flow) -> Runtime {
    flow.install(&mut builder(multi)).build().expect("a runtime")
}

/// Both flavours.
fn on_each(test: impl AsyncFn() + Copy) {
    for multi in [false, true] {
        hooked(multi, Flow::new()).block_on(USER.scope("ada".to_owned(), test()));
    }
}

/// Waits until no routine of this set lives: terminate hooks run after joins resolve.
fn gone(ids: &[RoutineId]) {
    for _ in 0..10_000_000 {
        let live: HashSet<_> = routines::ids().into_iter().collect();
        if ids.iter().all(|id| !live.contains(id)) {
            return;
        }
        std::thread::yield_now();
    }
    panic!("still live: {ids:?}");
}

#[test]
fn a_plainly_spawned_task_inherits_and_so_do_its_children() {
    on_each(async || {
        let task = tokio::spawn(async {
            let child = tokio::spawn(async { (routines::id(), USER.get()) });
            (routines::id(), USER.get(), child.await.unwrap())
        });
        let (id, user, (child, childs_user)) = task.await.unwrap();
        assert_eq!((user.as_deref(), childs_user.as_deref()), (Some("ada"), Some("ada")));
        assert!(!id.is_foreign() && !child.is_foreign() && id != child);
        gone(&[id, child]);
    });
}

#[test]
fn the_id_stays_as_the_task_moves_between_workers() {
    let runtime = hooked(true, Flow::new());
    let ids = runtime.block_on(async {
        let task = tokio::spawn(async {
            let mut ids = HashSet::new();
            for _ in 0..1_000 {
                ids.insert(routines::id());
                tokio::task::yield_now().await;
            }
            ids
        });
        let busy: Vec<_> = (0..4)
            .map(|_| {
                tokio::spawn(async {
                    for _ in 0..1_000 {
                        yield_now().await
                    }
                })
            })
            .collect();
        for task in busy {
            task.await.unwrap();
        }
        task.await.unwrap()
    });
    assert_eq!(ids.len(), 1);
}

#[test]
fn what_a_task_sets_stays_in_it_across_polls_and_workers_and_crosses_to_its_children() {
    on_each(async || {
        let task = tokio::spawn(async {
            USER.set("eve".to_owned());
            COUNT.set(7);
            for _ in 0..100 {
                yield_now().await;
                assert_eq!((USER.get().as_deref(), COUNT.get()), (Some("eve"), Some(7)));
            }
            let child = tokio::spawn(async { (USER.get(), COUNT.get()) });
            USER.set("mallory".to_owned());
            child.await.unwrap()
        });
        let other = tokio::spawn(async {
            for _ in 0..100 {
                yield_now().await;
                assert_eq!((USER.get().as_deref(), COUNT.get()), (Some("ada"), None));
            }
        });
        assert_eq!(task.await.unwrap(), (Some("eve".to_owned()), Some(7)));
        other.await.unwrap();
        assert_eq!((USER.get().as_deref(), COUNT.get()), (Some("ada"), None));
    });
}

#[test]
fn policies_are_obeyed() {
    on_each(async || {
        DEPTH.set(1);
        SECRET.set(5);
        let seen = tokio::spawn(async {
            let child = tokio::spawn(async { DEPTH.get() }).await.unwrap();
            (DEPTH.get(), SECRET.get(), child)
        });
        assert_eq!(seen.await.unwrap(), (Some(2), None, Some(3)));
    });
}

#[test]
fn scopes_in_a_task_end_where_they_end_and_nest() {
    on_each(async || {
        tokio::spawn(async {
            USER.sync_scope("inner".to_owned(), || {
                assert_eq!(USER.get().as_deref(), Some("inner"));
                USER.set("set".to_owned());
                COUNT.sync_scope(1, || assert_eq!((USER.get().as_deref(), COUNT.get()), (Some("set"), Some(1))));
            });
            assert_eq!((USER.get().as_deref(), COUNT.get()), (Some("ada"), None));
            USER.scope("future".to_owned(), async {
                yield_now().await;
                assert_eq!(USER.get().as_deref(), Some("future"));
            })
            .await;
            let snapshot = Snapshot::capture();
            USER.set("later".to_owned());
            assert_eq!(snapshot.sync_scope(|| USER.get()).as_deref(), Some("ada"));
            snapshot.restore();
            assert_eq!(USER.get().as_deref(), Some("ada"));
            routines::flush();
            assert_eq!(USER.get(), None);
        })
        .await
        .unwrap();
        assert_eq!(USER.get().as_deref(), Some("ada"));
    });
}

#[test]
fn joined_branches_share_their_task_and_scopes_in_them_do_not_mix() {
    on_each(async || {
        tokio::spawn(async {
            let id = routines::id();
            let branch = |name: &'static str| {
                USER.scope(name.to_owned(), async move {
                    for _ in 0..10 {
                        assert_eq!(USER.get().as_deref(), Some(name));
                        assert_eq!(routines::id(), id);
                        yield_now().await;
                    }
                })
            };
            tokio::join!(branch("one"), branch("two"));
        })
        .await
        .unwrap();
    });
}

#[test]
fn a_guard_in_a_hooked_task_does_not_reach_its_neighbours() {
    let runtime = hooked(false, Flow::new());
    runtime.block_on(USER.scope("ada".to_owned(), async {
        let (enter, entered) = oneshot::channel();
        let (leave, left) = oneshot::channel::<()>();
        let local = tokio::task::LocalSet::new();
        let holder = async {
            // Not `Send`, so it cannot be spawned: what a task does within itself is its own affair.
            let guard = USER.sync_scope("guard".to_owned(), Snapshot::capture).enter();
            enter.send(()).unwrap();
            drop(guard);
            left.await.unwrap();
        };
        let neighbour = tokio::spawn(async move {
            entered.await.unwrap();
            let user = USER.get();
            leave.send(()).unwrap();
            user
        });
        local.run_until(holder).await;
        assert_eq!(neighbour.await.unwrap().as_deref(), Some("ada"));
    }));
}

/// Says what it sees when it is dropped.
struct Witness(Seen);

impl Drop for Witness {
    fn drop(&mut self) {
        self.0.lock().unwrap().push((routines::id(), USER.get()));
    }
}

type Seen = Arc<Mutex<Vec<(RoutineId, Option<String>)>>>;

fn users(seen: &Seen) -> Vec<Option<String>> {
    seen.lock().unwrap().iter().map(|(_, user)| user.clone()).collect()
}

#[test]
fn a_task_is_dropped_inside_its_context_when_it_completes_panics_is_aborted_or_never_polled() {
    on_each(async || {
        let seen = Seen::default();
        let witness = || Witness(Arc::clone(&seen));
        let completes = witness();
        tokio::spawn(async move { drop(completes) }).await.unwrap();
        let panics = witness();
        let panicked = tokio::spawn(async move {
            let _witness = panics;
            std::panic::resume_unwind(Box::new("on purpose"));
        });
        assert!(panicked.await.unwrap_err().is_panic());
        let (started, starts) = oneshot::channel();
        let aborted = witness();
        let task = tokio::spawn(async move {
            let _witness = aborted;
            started.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        starts.await.unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        let unpolled = witness();
        let task = tokio::spawn(async move { drop(unpolled) });
        task.abort();
        drop(task.await);
        assert_eq!(users(&seen), vec![Some("ada".to_owned()); 4]);
        assert!(seen.lock().unwrap().iter().all(|(id, _)| !id.is_foreign()));
    });
}

#[test]
fn a_runtime_shut_down_with_live_tasks_drops_them_inside_their_contexts_and_leaves_nothing() {
    for multi in [false, true] {
        let seen = Seen::default();
        let runtime = hooked(multi, Flow::new());
        runtime.block_on(USER.scope("ada".to_owned(), async {
            for _ in 0..10 {
                let witness = Witness(Arc::clone(&seen));
                let (started, starts) = oneshot::channel::<()>();
                tokio::spawn(async move {
                    let _witness = witness;
                    drop(started);
                    std::future::pending::<()>().await;
                });
                drop(starts.await);
            }
        }));
        // Whatever the thread that drops the runtime has current is not theirs.
        USER.sync_scope("host".to_owned(), || drop(runtime));
        assert_eq!(users(&seen), vec![Some("ada".to_owned()); 10], "multi: {multi}");
        let ids: Vec<_> = seen.lock().unwrap().iter().map(|(id, _)| *id).collect();
        gone(&ids);
    }
}

#[test]
fn a_spawn_on_a_runtime_that_is_shut_down_leaves_nothing() {
    let runtime = hooked(false, Flow::new());
    let handle = runtime.handle().clone();
    drop(runtime);
    let token = Arc::new(());
    static TOKEN: Local<Arc<()>> = Local::new();
    TOKEN.sync_scope(Arc::clone(&token), || {
        for _ in 0..100 {
            drop(handle.spawn(async {}));
        }
    });
    assert_eq!(Arc::strong_count(&token), 1, "a seat was made after its task had ended");
}

#[test]
fn ends_that_were_never_told_as_spawns_are_ignored() {
    let ended = Arc::new(AtomicUsize::new(0));
    let spawned = Arc::new(AtomicUsize::new(0));
    let flow = {
        let (ended, spawned) = (Arc::clone(&ended), Arc::clone(&spawned));
        Flow::new()
            .on_task_spawn(move |_| _ = spawned.fetch_add(1, Ordering::Relaxed))
            .on_task_terminate(move |_| _ = ended.fetch_add(1, Ordering::Relaxed))
    };
    let runtime = hooked(true, flow);
    runtime.block_on(USER.scope("ada".to_owned(), async {
        for _ in 0..10 {
            tokio::task::spawn_blocking(|| ()).await.unwrap();
            assert!(tokio::fs::try_exists("/").await.unwrap());
        }
        assert_eq!(USER.get().as_deref(), Some("ada"));
    }));
    drop(runtime);
    assert_eq!(spawned.load(Ordering::Relaxed), 0);
    assert!(ended.load(Ordering::Relaxed) >= 20);
}

#[test]
fn joins_may_resolve_before_the_end_and_the_entry_still_goes() {
    let runtime = hooked(true, Flow::new());
    let ids = runtime.block_on(async {
        let mut ids = Vec::new();
        for _ in 0..2_000 {
            ids.push(tokio::spawn(async { routines::id() }).await.unwrap());
        }
        ids
    });
    assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    gone(&ids);
}

#[test]
fn hooks_run_with_the_right_task_although_tokio_reports_another() {
    // Inside the terminate hook `try_id` is the worker's own task or none: ours go by the id they are given.
    let strange = Arc::new(AtomicBool::new(false));
    let flow = {
        let strange = Arc::clone(&strange);
        Flow::new().on_task_terminate(move |task| {
            if tokio::task::try_id() != Some(task.id()) {
                strange.store(true, Ordering::Relaxed);
            }
        })
    };
    let runtime = hooked(true, flow);
    let id =
        runtime.block_on(USER.scope("ada".to_owned(), async { tokio::spawn(async { routines::id() }).await.unwrap() }));
    drop(runtime);
    assert!(
        strange.load(Ordering::Relaxed),
        "tokio reports the ended task now: the comment in hooks.rs is out of date"
    );
    gone(&[id]);
}

#[test]
fn a_panicking_hook_policy_or_derive_function_never_costs_a_task() {
    static BOMB: Local<u32> = Local::new().derive(|_| panic!("on purpose: derive"));
    let flow = Flow::new()
        .on_task_spawn(|_| panic!("on purpose: spawn hook"))
        .on_task_terminate(|_| panic!("on purpose: terminate hook"))
        .decide(|_| panic!("on purpose: policy"));
    let runtime = hooked(false, flow);
    runtime.block_on(USER.scope("ada".to_owned(), async {
        assert_eq!(tokio::spawn(async { USER.get() }).await.unwrap().as_deref(), Some("ada"));
        let seen = BOMB.scope(1, async { tokio::spawn(async { (USER.get(), routines::id()) }).await.unwrap() }).await;
        assert_eq!(seen.0, None, "a context that could not be captured is empty, not half of one");
        assert!(!seen.1.is_foreign());
    }));
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

#[test]
fn a_value_whose_destructor_panics_at_the_end_of_a_task_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("on purpose: value");
            }
        }
    }
    static BOMB: Local<Arc<Bomb>> = Local::new().inherit(Inherit::Never);
    let runtime = hooked(true, Flow::new());
    let id = runtime.block_on(async {
        tokio::spawn(async {
            BOMB.set(Arc::new(Bomb));
            routines::id()
        })
        .await
        .unwrap()
    });
    gone(&[id]);
    runtime.block_on(async { tokio::spawn(async {}).await.unwrap() });
}

#[test]
fn the_users_own_hooks_run_beside_ours_and_see_the_routine() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let flow = (0..2).fold(Flow::new(), |flow, number| {
        let log = Arc::clone(&log);
        flow.on_task_spawn(move |task| {
            // Spawning here must not recurse without end.
            tokio::spawn(async {});
            log.lock().unwrap().push((number, task.id(), task.spawned_at().file().ends_with("hooked.rs")));
        })
    });
    let runtime = hooked(false, flow);
    let id = runtime.block_on(async {
        let task = tokio::spawn(async {});
        let id = task.id();
        task.await.unwrap();
        id
    });
    let log = log.lock().unwrap();
    assert_eq!(*log, [(0, id, true), (1, id, true)]);
}

#[test]
fn hooks_are_told_the_users_line_of_wrapped_spawns_too() {
    let files = Arc::new(Mutex::new(HashSet::new()));
    let flow = {
        let files = Arc::clone(&files);
        Flow::new().on_task_spawn(move |task| _ = files.lock().unwrap().insert(task.spawned_at().file()))
    };
    let runtime = routines_tokio::runtime::Runtime::from(hooked(false, flow));
    runtime.block_on(async {
        let mut set = routines_tokio::task::JoinSet::new();
        set.spawn(async {});
        set.build_task().name("named").spawn(async {}).unwrap();
        set.join_all().await;
        routines_tokio::spawn(async {}).await.unwrap();
        routines_tokio::task::TaskTracker::new().spawn_detached(async {}).await.unwrap();
        routines_tokio::runtime::Handle::current().spawn(async {}).await.unwrap();
        runtime.spawn(async {}).await.unwrap();
    });
    assert_eq!(*files.lock().unwrap(), HashSet::from([file!()]));
}

#[test]
fn places_and_callbacks_decide_who_inherits() {
    let here = file!();
    let name = here.rsplit('/').next().unwrap();
    let user = |flow: Flow| {
        hooked(false, flow)
            .block_on(USER.scope("ada".to_owned(), async { tokio::spawn(async { USER.get() }).await.unwrap() }))
    };
    assert_eq!(user(Flow::new()).as_deref(), Some("ada"));
    assert_eq!(user(Flow::new().detach(name)), None);
    assert_eq!(user(Flow::new().detach(name).inherit("it/hooked.rs")).as_deref(), Some("ada"));
    assert_eq!(user(Flow::new().decide(|_| Some(Relation::Detached))), None);
    let by_name =
        move |task: &routines_tokio::Task| task.spawned_at().file().ends_with("hooked.rs").then_some(Relation::Inherit);
    assert_eq!(user(Flow::new().detach(name).decide(by_name)).as_deref(), Some("ada"));
}

#[test]
fn a_task_both_wrapped_and_hooked_is_one_routine() {
    on_each(async || {
        let me = routines::id();
        let new = move || routines::all().iter().filter(|info| info.parent == Some(me)).count();
        // Ours, the builder's, `inherit`, a scope future: each spawned by tokio itself but for the first.
        let check = |way: &'static str, new: usize| assert_eq!(new, 1, "{way}");
        let seen = { routines_tokio::spawn(async move { (new(), USER.get(), routines::id()) }).await.unwrap() };
        check("wrapped", seen.0);
        gone(&[seen.2]);
        let seen = {
            tokio::spawn(RoutineBuilder::new(Kind::Task).future(async move { (new(), USER.get(), routines::id()) }))
                .await
                .unwrap()
        };
        check("builder", seen.0);
        assert_eq!(seen.1.as_deref(), Some("ada"));
        gone(&[seen.2]);
        let seen = { tokio::spawn(async move { (new(), USER.get(), routines::id()) }.inherit()).await.unwrap() };
        check("inherit", seen.0);
        gone(&[seen.2]);
        let seen = {
            tokio::spawn(USER.scope("eve".to_owned(), async move { (new(), USER.get(), routines::id()) }))
                .await
                .unwrap()
        };
        check("scope", seen.0);
        assert_eq!(seen.1.as_deref(), Some("eve"));
        gone(&[seen.2]);
    });
}

#[test]
fn a_hooked_task_is_listed_from_the_spawn_with_its_parent_line_and_values() {
    let runtime = hooked(false, Flow::new());
    runtime.block_on(USER.scope("ada".to_owned(), async {
        let me = routines::id();
        let task = tokio::spawn(async {
            USER.set("eve".to_owned());
            yield_now().await;
            std::future::pending::<()>().await;
        });
        let find = || {
            let mine = |info: &routines::RoutineInfo| {
                info.parent == Some(me) && info.spawned_at.as_deref().is_some_and(|at| at.contains("hooked.rs"))
            };
            routines::all().into_iter().find(mine)
        };
        let info = find().expect("listed before its first poll");
        assert_eq!((info.kind, info.state), (Kind::Task, State::Alive));
        assert_eq!(info.values, [("user".to_owned(), NamedValue::Str("ada".to_owned()))]);
        yield_now().await;
        assert_eq!(find().unwrap().values, [("user".to_owned(), NamedValue::Str("eve".to_owned()))]);
        task.abort();
        drop(task.await);
        assert!(find().is_none());
    }));
}

#[test]
fn one_runtime_with_hooks_and_one_without_do_not_mix() {
    let with = hooked(true, Flow::new());
    let without = builder(true).build().unwrap();
    USER.sync_scope("ada".to_owned(), || {
        let (a, b) = (with.spawn(async { USER.get() }), without.spawn(async { USER.get() }));
        assert_eq!(with.block_on(a).unwrap().as_deref(), Some("ada"));
        assert_eq!(without.block_on(b).unwrap(), None);
    });
}

#[test]
fn a_block_on_inside_block_in_place_keeps_the_task_and_spawns_its_children() {
    let runtime = hooked(true, Flow::new());
    runtime.block_on(USER.scope("ada".to_owned(), async {
        tokio::spawn(async {
            let id = routines::id();
            tokio::task::block_in_place(|| {
                assert_eq!((routines::id(), USER.get().as_deref()), (id, Some("ada")));
                let handle = tokio::runtime::Handle::current();
                handle.block_on(async {
                    assert_eq!((routines::id(), USER.get().as_deref()), (id, Some("ada")));
                    let child = tokio::spawn(async { USER.get() });
                    assert_eq!(child.await.unwrap().as_deref(), Some("ada"));
                });
            });
        })
        .await
        .unwrap();
    }));
}

#[test]
fn join_sets_and_handles_are_hooked_too() {
    on_each(async || {
        let mut set = JoinSet::new();
        set.spawn(async { USER.get() });
        tokio::runtime::Handle::current().spawn(async {}).await.unwrap();
        assert_eq!(set.join_next().await.unwrap().unwrap().as_deref(), Some("ada"));
    });
}

#[test]
fn values_are_freed_when_the_task_ends_and_clear_reaches_a_hooked_task() {
    static TOKEN: Local<Arc<()>> = Local::new();
    let runtime = hooked(false, Flow::new());
    runtime.block_on(async {
        let token = Arc::new(());
        let (go, going) = oneshot::channel::<()>();
        let task = TOKEN.sync_scope(Arc::clone(&token), || {
            tokio::spawn(async {
                going.await.unwrap();
                TOKEN.get().is_some()
            })
        });
        yield_now().await;
        assert_eq!(Arc::strong_count(&token), 2);
        TOKEN.clear();
        go.send(()).unwrap();
        assert!(!task.await.unwrap());
        assert_eq!(Arc::strong_count(&token), 1);
    });
}

#[test]
fn a_detached_wrapper_in_a_hooked_task_keeps_nothing_of_the_spawner() {
    static HELD: Local<Arc<()>> = Local::new();
    let runtime = hooked(false, Flow::new());
    runtime.block_on(async {
        let held = Arc::new(());
        let tasks = HELD.sync_scope(Arc::clone(&held), || {
            let routine = RoutineBuilder::new(Kind::Task).detached();
            [
                tokio::spawn(std::future::pending::<()>().detached()),
                tokio::spawn(routine.future(std::future::pending())),
            ]
        });
        for _ in 0..10 {
            yield_now().await;
        }
        assert_eq!(Arc::strong_count(&held), 1);
        tasks.iter().for_each(|task| task.abort());
    });
}

/// A value whose destructor looks around: it must find the task it is dropped in, whatever freed it.
struct Looks(Seen);

impl Drop for Looks {
    fn drop(&mut self) {
        COUNT.set(COUNT.get().unwrap_or(0) + 1);
        self.0.lock().unwrap().push((routines::id(), USER.get()));
    }
}

#[test]
fn destructors_run_when_the_task_can_be_used_again_whatever_frees_a_value() {
    static ONE: Local<Arc<Looks>> = Local::new();
    static NAMED: Local<Arc<Looks>> = Local::new().inherit(Inherit::Never);
    static MANY: [Local<u64>; 40] = [const { Local::new() }; 40];
    on_each(async || {
        let seen = Seen::default();
        let looks = || Arc::new(Looks(Arc::clone(&seen)));
        let values: Vec<_> = (0..12).map(|_| looks()).collect();
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut values = values.into_iter();
            let mut next = || values.next().unwrap();
            let id = routines::id();
            let mut freed = 0;
            let mut check = |more: usize, what: &str| {
                freed += more;
                assert_eq!(log.lock().unwrap().len(), freed, "{what}");
            };
            ONE.set(next());
            ONE.set(next());
            check(1, "set over it");
            ONE.remove();
            check(1, "removed");
            ONE.sync_scope(next(), || ());
            check(1, "a scope's end");
            ONE.sync_scope(next(), || drop(ONE.set(next())));
            check(2, "set in a scope, and the scope's end");
            NAMED.set(next());
            NAMED.set(next());
            check(1, "a private one");
            ONE.set(next());
            routines::flush();
            check(2, "flushed");
            USER.set("ada".to_owned());
            // Many values, captured: the table is copied, and replaced values die with the snapshot.
            MANY.iter().for_each(|key| drop(key.set(1)));
            ONE.set(next());
            let snapshot = Snapshot::capture();
            ONE.set(next());
            MANY.iter().for_each(|key| drop(key.set(2)));
            drop(snapshot);
            MANY[0].sync_scope(3, || ());
            MANY[0].set(4);
            yield_now().await;
            check(1, "replaced after a capture");
            ONE.clear();
            MANY[0].sync_scope(3, || ());
            USER.scope("ada".to_owned(), yield_now()).await;
            check(1, "cleared");
            ONE.set(next());
            assert!(COUNT.get().is_some());
            let log = log.lock().unwrap();
            assert!(log.iter().all(|(seen, _)| *seen == id), "{log:?}");
            // Those that were flushed saw what a flush leaves.
            assert_eq!(log.iter().filter(|(_, user)| user.as_deref() != Some("ada")).count(), 2, "{log:?}");
        });
        let result = task.await;
        assert!(result.is_ok(), "{:?}", seen.lock().unwrap());
    });
}

#[test]
fn the_line_of_a_wrapped_spawn_is_the_users_also_for_tokio() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&lines);
    let runtime = hooked(false, Flow::new().on_task_spawn(move |task| told.lock().unwrap().push(task.spawned_at())));
    let here = runtime.block_on(async {
        routines_tokio::spawn(async {}).await.unwrap();
        let mut set = routines_tokio::task::JoinSet::new();
        set.spawn(async {});
        set.join_all().await;
        std::panic::Location::caller()
    });
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines.iter().all(|line| line.file() == here.file()), "{lines:?}");
}
