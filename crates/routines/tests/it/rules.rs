//! The rules R1 to R18 of the contract that need no runtime. R8 and what tokio adds to R9 and R15 are in `routines-tokio`.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use routines::{Bindings, FutureExt, Inherit, Kind, Local, RoutineBuilder, Snapshot, bind, bind_fn, flush, thread};

use crate::support::{
    Drops, Flag, Hook, Log, OnDrop, block_on, caught, caught_with_hook, elsewhere, in_child, panic_of, poll_once,
    ready, yield_now,
};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

// ===== R1 The routine owns its context, not the thread =====

/// Drives a worker with and without values of its own through `work`, and checks that it is as it was.
fn leaves_its_worker_as_it_was(key: &'static Local<u32>, work: impl Fn() + Send + Sync) {
    for own in [None, Some(7)] {
        elsewhere(|| {
            own.map(|own| key.set(own));
            let id = routines::id();
            work();
            assert_eq!(key.get(), own);
            assert_eq!(routines::id(), id);
            assert_eq!(Snapshot::capture().is_empty(), own.is_none());
        });
    }
}

#[test]
fn r01_a_worker_thread_is_clean_after_a_finished_poll() {
    static KEY: Local<u32> = Local::new();
    leaves_its_worker_as_it_was(&KEY, || {
        let task = RoutineBuilder::new(Kind::Task).detached().future(async { KEY.set(1) });
        assert!(elsewhere(|| ready(task)).is_none());
        assert_eq!(ready(KEY.scope(2, async { KEY.get() })), Some(2));
    });
}

#[test]
fn r01_a_worker_thread_is_clean_after_a_pending_poll() {
    static KEY: Local<u32> = Local::new();
    let work = async {
        KEY.set(3);
        yield_now().await;
        KEY.get()
    };
    let mut task = Box::pin(RoutineBuilder::new(Kind::Task).future(work));
    elsewhere(|| {
        assert!(poll_once(task.as_mut()).is_pending());
        assert_eq!(KEY.get(), None);
        KEY.set(9);
    });
    elsewhere(|| assert_eq!(poll_once(task.as_mut()), Poll::Ready(Some(3))));
}

#[test]
fn r01_a_worker_thread_is_clean_after_a_panicking_poll() {
    static KEY: Local<u32> = Local::new();
    leaves_its_worker_as_it_was(&KEY, || {
        let task = RoutineBuilder::new(Kind::Task).future(async {
            KEY.set(1);
            panic!("in a poll");
        });
        assert!(caught(|| ready(task)).is_err());
    });
}

#[test]
fn r01_a_worker_thread_is_clean_after_dropping_a_suspended_task() {
    static KEY: Local<u32> = Local::new();
    leaves_its_worker_as_it_was(&KEY, || {
        let mut task = Box::pin(KEY.scope(5, async {
            KEY.set(6);
            yield_now().await;
        }));
        assert!(poll_once(task.as_mut()).is_pending());
        drop(task);
        drop(KEY.scope(8, async {}));
    });
}

#[test]
fn r01_a_worker_thread_is_clean_after_a_bound_closure_panics() {
    static KEY: Local<u32> = Local::new();
    let job = Arc::new(KEY.sync_scope(4, || {
        bind_fn(|set: u32| {
            KEY.set(set);
            panic!("in a job");
        })
    }));
    leaves_its_worker_as_it_was(&KEY, move || assert!(caught(|| job(1)).is_err()));
}

// ===== R2 Capture is explicit and early =====

#[test]
fn r02_every_way_to_carry_captures_when_it_is_called_and_not_when_it_runs() {
    static KEY: Local<u32> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let read = || async { KEY.get() };
    KEY.set(1);
    let futures: Vec<Boxed<'_, Option<u32>>> = vec![
        Box::pin(read().inherit()),
        Box::pin(OTHER.scope(0, read())),
        Box::pin(Bindings::new().with(&OTHER, 0).scope(read())),
        Box::pin(Snapshot::capture().scope(read())),
        Box::pin(RoutineBuilder::new(Kind::Task).future(read())),
    ];
    let jobs: Vec<Box<dyn FnOnce() -> Option<u32> + Send>> = vec![
        Box::new(bind(|| KEY.get())),
        Box::new(RoutineBuilder::new(Kind::Job).job(|| KEY.get())),
        Box::new({
            let callback = bind_fn(|()| KEY.get());
            move || callback(())
        }),
    ];
    KEY.set(2);
    elsewhere(|| {
        KEY.set(3);
        futures.into_iter().for_each(|future| assert_eq!(block_on(future), Some(1)));
        jobs.into_iter().for_each(|job| assert_eq!(job(), Some(1)));
    });
}

#[test]
fn r02_a_thread_captures_when_spawn_is_called() {
    static KEY: Local<u32> = Local::new();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    KEY.set(1);
    let child = thread::spawn(move || {
        wait.recv().expect("the parent sends");
        KEY.get()
    });
    KEY.set(2);
    go.send(()).expect("the child listens");
    assert_eq!(child.join().expect("no panic"), Some(1));
}

#[test]
fn r02_a_scope_future_does_not_see_a_scope_entered_after_it_was_made() {
    static A: Local<u32> = Local::new();
    static B: Local<u32> = Local::new();
    let inner = B.scope(2, async { (A.get(), B.get()) });
    assert_eq!(ready(A.scope(1, inner)), (None, Some(2)));
    let nested = A.scope(1, async { B.scope(2, async { (A.get(), B.get()) }).await });
    assert_eq!(ready(nested), (Some(1), Some(2)));
}

// ===== R3 No feedback =====

#[test]
fn r03_after_capture_neither_side_sees_the_others_changes() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    let (to_child, from_parent) = std::sync::mpsc::channel::<()>();
    let (to_parent, from_child) = std::sync::mpsc::channel::<Option<u32>>();
    let child = thread::spawn(move || {
        KEY.set(10);
        to_parent.send(KEY.get()).expect("the parent listens");
        from_parent.recv().expect("the parent sends");
        KEY.get()
    });
    assert_eq!(from_child.recv(), Ok(Some(10)));
    assert_eq!(KEY.get(), Some(1));
    KEY.set(2);
    to_child.send(()).expect("the child listens");
    assert_eq!(child.join().expect("no panic"), Some(10));
}

#[test]
fn r03_what_an_awaited_function_sets_is_visible_after_the_await() {
    static KEY: Local<u32> = Local::new();
    async fn deep() {
        yield_now().await;
        KEY.set(5);
        yield_now().await;
    }
    let work = async {
        KEY.set(1);
        deep().await;
        KEY.get()
    };
    assert_eq!(block_on(work.inherit()), Some(5));
}

#[test]
fn r03_a_future_moved_to_another_routine_half_way_keeps_what_it_set() {
    static KEY: Local<u32> = Local::new();
    static OTHER: Local<u32> = Local::new();
    static PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
    for private in [false, true] {
        private.then(|| PRIVATE.set(1));
        let work = || async {
            KEY.set(5);
            yield_now().await;
            KEY.get()
        };
        let works: [Boxed<'_, _>; 3] =
            [Box::pin(work().inherit()), Box::pin(OTHER.scope(1, work())), Box::pin(work().detached())];
        for (at, mut work) in works.into_iter().enumerate() {
            assert!(poll_once(work.as_mut()).is_pending());
            let seen = elsewhere(|| poll_once(work.as_mut()));
            assert_eq!(seen, Poll::Ready(Some(5)), "work {at}, with a private value in the maker: {private}");
        }
    }
    PRIVATE.remove();
}

#[test]
fn r03_join_branches_share_their_routine_and_scope_futures_do_not_share_with_siblings() {
    static KEY: Local<u32> = Local::new();
    static OTHER: Local<u32> = Local::new();
    KEY.set(0);
    let mut scoped = pin!(KEY.scope(1, async {
        OTHER.set(1);
        yield_now().await;
        (KEY.get(), OTHER.get())
    }));
    let mut plain = pin!(async {
        let before = OTHER.get();
        KEY.set(2);
        yield_now().await;
        (KEY.get(), before)
    });
    assert!(poll_once(scoped.as_mut()).is_pending());
    assert!(poll_once(plain.as_mut()).is_pending());
    assert_eq!(KEY.get(), Some(2), "the plain branch runs in this routine");
    assert_eq!(poll_once(scoped), Poll::Ready((Some(1), Some(1))));
    assert_eq!(poll_once(plain), Poll::Ready((Some(2), None)));
}

// ===== R4 One mechanism =====

#[test]
fn r04_what_is_set_inside_a_frame_ends_with_the_frame() {
    static KEY: Local<u32> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let write = || {
        KEY.set(99);
        OTHER.set(99);
        assert_eq!((KEY.get(), OTHER.get()), (Some(99), Some(99)));
    };
    for outer in [None, Some(1)] {
        KEY.remove();
        outer.map(|v| KEY.set(v));
        let frames: [(&str, &dyn Fn()); 9] = [
            ("sync_scope", &|| KEY.sync_scope(2, write)),
            ("sync_scope of another key", &|| OTHER.sync_scope(2, write)),
            ("scope", &|| ready(KEY.scope(2, async move { write() }))),
            ("inherit", &|| ready(async move { write() }.inherit())),
            ("bindings", &|| Bindings::new().with(&KEY, 2).sync_scope(write)),
            ("snapshot", &|| Snapshot::capture().sync_scope(write)),
            ("guard", &|| {
                let _guard = Snapshot::capture().enter();
                write();
            }),
            ("bind", &|| bind(write)()),
            ("bind_fn", &|| bind_fn(|()| write())(())),
        ];
        for (name, frame) in frames {
            frame();
            assert_eq!((KEY.get(), OTHER.get()), (outer, None), "{name}");
        }
    }
}

#[test]
fn r04_remove_flush_restore_and_defaults_inside_a_frame_end_with_it_too() {
    static KEY: Local<u32> = Local::new();
    static DEFAULTED: Local<u32> = Local::with_default(|| 4);
    static PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
    static FRAME: Local<()> = Local::new();
    KEY.set(1);
    PRIVATE.set(2);
    let changes: [&dyn Fn(); 4] =
        [&|| drop(KEY.remove()), &flush, &|| Snapshot::empty().restore(), &|| assert_eq!(DEFAULTED.get(), Some(4))];
    for change in changes {
        FRAME.sync_scope((), change);
        assert_eq!((KEY.get(), PRIVATE.get(), DEFAULTED.is_bound()), (Some(1), Some(2), false));
    }
    PRIVATE.remove();
}

// ===== R5 Unbound is not bound to nothing =====

#[test]
fn r05_a_local_with_a_default_never_reads_unbound() {
    static KEY: Local<u32> = Local::with_default(|| 3);
    assert_eq!(KEY.get(), Some(3));
    KEY.set(4);
    assert_eq!(KEY.with(|v| *v), Some(4));
    KEY.remove();
    assert_eq!(KEY.get_arc().as_deref(), Some(&3));
    KEY.clear();
    assert_eq!(KEY.get(), Some(3));
    flush();
    assert_eq!(elsewhere(|| KEY.get()), Some(3));
    assert_eq!(Snapshot::empty().sync_scope(|| KEY.get()), Some(3));
}

#[test]
fn r05_a_value_bound_to_none_is_bound() {
    static KEY: Local<Option<u32>> = Local::new();
    static FILLED: Local<Option<u32>> = Local::with_default(|| Some(1));
    assert_eq!((KEY.get(), FILLED.get()), (None, Some(Some(1))));
    KEY.sync_scope(None, || {
        FILLED.sync_scope(None, || {
            assert_eq!((KEY.get(), FILLED.get()), (Some(None), Some(None)));
            assert!(KEY.is_bound() && FILLED.is_bound());
        });
    });
    assert!(!KEY.is_bound());
}

#[test]
fn r05_removing_inside_a_scope_unbinds_although_an_outer_frame_has_a_value() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    KEY.sync_scope(2, || {
        assert_eq!(KEY.remove().map(|v| *v), Some(2));
        assert_eq!((KEY.get(), KEY.is_bound()), (None, false));
    });
    assert_eq!(KEY.get(), Some(1));
}

// ===== R6 Every key has an inheritance policy =====

/// Runs `read` as every kind of child there is.
fn in_every_child<R: Send + 'static>(read: fn() -> R) -> Vec<(&'static str, R)> {
    static OTHER: Local<u32> = Local::new();
    let callback = bind_fn(move |()| read());
    vec![
        ("thread", thread::spawn(read).join().expect("no panic")),
        ("scoped thread", thread::scope(|s| s.spawn(read).join().expect("no panic"))),
        ("task", ready(RoutineBuilder::new(Kind::Task).future(async move { read() }))),
        ("task around inherit", ready(RoutineBuilder::new(Kind::Task).future(async move { read() }.inherit()))),
        ("task around scope", ready(RoutineBuilder::new(Kind::Task).future(OTHER.scope(1, async move { read() })))),
        ("inherit", {
            let child = async move { read() }.inherit();
            elsewhere(|| ready(child))
        }),
        ("inherit twice", {
            let child = async move { read() }.inherit().inherit();
            elsewhere(|| ready(child))
        }),
        ("scope", {
            let child = OTHER.scope(1, async move { read() });
            elsewhere(|| ready(child))
        }),
        ("bindings", {
            let child = Bindings::new().with(&OTHER, 1).scope(async move { read() });
            elsewhere(|| ready(child))
        }),
        ("snapshot scope", {
            let child = Snapshot::capture().scope(async move { read() });
            elsewhere(|| ready(child))
        }),
        ("snapshot", {
            let snapshot = Snapshot::capture();
            elsewhere(|| snapshot.sync_scope(read))
        }),
        ("bind", {
            let child = bind(read);
            elsewhere(child)
        }),
        ("bind_fn", elsewhere(|| callback(()))),
        ("job", {
            let child = RoutineBuilder::new(Kind::Job).job(read);
            elsewhere(child)
        }),
    ]
}

#[test]
fn r06_an_inherited_value_is_the_same_shared_value_in_every_child() {
    static KEY: Local<String> = Local::new();
    KEY.set("shared".into());
    let mine = Arc::as_ptr(&KEY.get_arc().expect("it was set")) as usize;
    for (name, theirs) in in_every_child(|| KEY.get_arc().map(|v| Arc::as_ptr(&v) as usize)) {
        assert_eq!(theirs, Some(mine), "{name}");
    }
}

#[test]
fn r06_a_never_value_reaches_no_child() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static NAMED_TX: Local<u32> = Local::new().named("tx of r06").inherit(Inherit::Never);
    TX.set(1);
    NAMED_TX.set(2);
    for (name, seen) in in_every_child(|| (TX.get(), NAMED_TX.get())) {
        assert_eq!(seen, (None, None), "{name}");
    }
    assert_eq!((TX.get(), NAMED_TX.get()), (Some(1), Some(2)));
}

#[test]
fn r06_a_never_value_stays_visible_in_frames_of_its_own_routine() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static OTHER: Local<u32> = Local::new();
    TX.set(1);
    let read = || TX.get();
    assert_eq!(OTHER.sync_scope(1, read), Some(1));
    assert_eq!(ready(OTHER.scope(1, async { TX.get() })), Some(1));
    assert_eq!(Bindings::new().with(&OTHER, 1).sync_scope(read), Some(1));
    assert_eq!(ready(Bindings::new().with(&OTHER, 1).scope(async { TX.get() })), Some(1));
    assert_eq!(Snapshot::capture().sync_scope(read), None, "a snapshot holds no private values");
}

#[test]
fn r06_a_never_value_bound_by_a_scope_goes_with_the_scope() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    let work = TX.scope(1, async {
        let grandchild = async { TX.get() }.inherit();
        (TX.get(), elsewhere(|| ready(grandchild)))
    });
    assert_eq!(elsewhere(|| ready(work)), (Some(1), None));
}

#[test]
fn r06_a_never_value_is_not_seen_by_work_dropped_unrun_in_another_routine() {
    static OTHER: Local<u32> = Local::new();
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    TX.set(1);
    let seen = Log::new();
    let look = || {
        OnDrop({
            let seen = seen.clone();
            move || seen.add(TX.get())
        })
    };
    let (future, closure, scoped) = (look(), look(), look());
    let future = async move { drop(future) }.inherit();
    let job = bind(move || drop(closure));
    let scoped = OTHER.scope(1, async move { drop(scoped) });
    elsewhere(|| drop((future, job, scoped)));
    assert_eq!(seen.all(), [None; 3]);
}

static DERIVED: Local<(u32, routines::RoutineId)> = Local::new().derive(|parent| (parent.0 + 1, routines::id()));

#[test]
fn r06_a_derived_value_is_made_once_per_capture_in_the_parent() {
    let me = routines::id();
    DERIVED.set((0, me));
    for (name, seen) in in_every_child(|| DERIVED.get()) {
        assert_eq!(seen, Some((1, me)), "{name}");
    }
    assert_eq!(DERIVED.get(), Some((0, me)), "the parent keeps its own");
}

#[test]
fn r06_derive_runs_once_per_capture_and_not_per_run() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static KEY: Local<u32> = Local::new().derive(|parent| {
        RUNS.fetch_add(1, Ordering::Relaxed);
        parent + 1
    });
    KEY.set(0);
    let callback = bind_fn(|()| KEY.get());
    assert_eq!(RUNS.load(Ordering::Relaxed), 1);
    elsewhere(|| (0..3).for_each(|_| assert_eq!(callback(()), Some(1))));
    let snapshot = Snapshot::capture();
    (0..3).for_each(|_| assert_eq!(snapshot.clone().sync_scope(|| KEY.get()), Some(1)));
    assert_eq!(RUNS.load(Ordering::Relaxed), 2);
}

#[test]
fn r06_a_grandchild_derives_from_the_child() {
    static KEY: Local<u32> = Local::new().derive(|parent| parent + 1);
    KEY.set(0);
    let depth = thread::spawn(|| (KEY.get(), thread::spawn(|| KEY.get()).join().expect("no panic")));
    assert_eq!(depth.join().expect("no panic"), (Some(1), Some(2)));
}

#[test]
fn r06_a_derived_value_is_derived_for_a_child_and_the_parents_own_in_the_parent() {
    static KEY: Local<u32> = Local::new().derive(|parent| parent + 1);
    KEY.set(0);
    static OTHER: Local<u32> = Local::new();
    let scoped = || OTHER.scope(1, async { KEY.get() });
    assert_eq!(ready(scoped()), Some(0), "a scope awaited in place is the same routine");
    let child = scoped();
    assert_eq!(elsewhere(|| ready(child)), Some(1));
}

#[test]
fn r06_a_panic_in_a_derive_function_reaches_the_caller_of_spawn_and_leaves_no_trace() {
    static KEY: Local<u32> = Local::new().derive(|_| panic!("cannot derive"));
    KEY.set(1);
    let before = routines::ids().len();
    assert!(caught(|| thread::spawn(|| ())).is_err());
    assert!(caught(|| drop(async {}.inherit())).is_err());
    assert_eq!(KEY.get(), Some(1));
    KEY.remove();
    assert!(thread::spawn(|| KEY.get()).join().expect("no panic").is_none());
    // Other tests start routines meanwhile: this only guards against a leak per attempt.
    (0..1000).for_each(|_| drop(caught(|| KEY.sync_scope(1, || thread::spawn(|| ())))));
    assert!(routines::ids().len() < before + 500);
}

// ===== R7 Two spawn relations beside each other =====

#[test]
fn r07_every_spawn_has_a_detached_twin_that_starts_empty() {
    static KEY: Local<u32> = Local::new();
    static NAMED: Local<u32> = Local::new().named("named of r07");
    KEY.set(1);
    NAMED.set(1);
    let look = || (KEY.get(), NAMED.get(), Snapshot::capture().len());
    let empty = (None, None, 0);
    assert_eq!(thread::spawn(look).join().expect("no panic"), (Some(1), Some(1), 2));
    assert_eq!(thread::spawn_detached(look).join().expect("no panic"), empty);
    assert_eq!(thread::Builder::new().detached().spawn(look).expect("a thread").join().expect("no panic"), empty);
    assert_eq!(ready(async move { look() }.detached()), empty);
    let future = async move { look() }.detached();
    assert_eq!(elsewhere(|| ready(future)), empty);
    assert_eq!(RoutineBuilder::new(Kind::Job).detached().job(look)(), empty);
    assert_eq!(ready(RoutineBuilder::new(Kind::Task).detached().future(async move { look() })), empty);
    assert_eq!(Snapshot::empty().sync_scope(look), empty);
}

#[test]
fn r07_a_detached_routine_pins_none_of_its_makers_values() {
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    let drops = Drops::new();
    KEY.set(drops.value(()));
    let future = async {}.detached();
    let builder = RoutineBuilder::new(Kind::Job).detached().job(|| ());
    KEY.remove();
    assert_eq!(drops.alive(), 0);
    drop((future, builder));
}

// ===== R8 without a runtime =====

#[test]
fn r08_a_plain_thread_or_future_inherits_nothing() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    assert_eq!(elsewhere(|| KEY.get()), None);
    let plain = async { KEY.get() };
    assert_eq!(elsewhere(|| ready(plain)), None);
}

// ===== R9 A carried future is a routine =====

#[test]
fn r09_a_carried_future_polled_by_its_maker_runs_in_its_maker() {
    static KEY: Local<u32> = Local::new();
    let me = routines::id();
    let work = || async { routines::id() };
    assert_eq!(ready(KEY.scope(1, work())), me);
    assert_eq!(ready(work().inherit()), me);
    assert_eq!(ready(work().detached()), me);
    assert_eq!(ready(Snapshot::capture().scope(work())), me);
    assert_eq!(ready(Bindings::new().with(&KEY, 1).scope(work())), me);
    assert_eq!(bind(routines::id)(), me);
    assert_eq!(bind_fn(|()| routines::id())(()), me);
}

#[test]
fn r09_a_carried_future_polled_elsewhere_is_a_child_of_its_maker() {
    static KEY: Local<u32> = Local::new();
    let me = routines::id();
    let look = || async { (routines::id(), routines::current().info().expect("it lives")) };
    let futures: Vec<Boxed<'_, _>> = vec![
        Box::pin(KEY.scope(1, look())),
        Box::pin(look().inherit()),
        Box::pin(look().detached()),
        Box::pin(Snapshot::capture().scope(look())),
        Box::pin(Bindings::new().scope(look())),
    ];
    for future in futures {
        let (host, (id, info)) = elsewhere(|| (routines::id(), ready(future)));
        assert!(id != me && id != host);
        assert_eq!((info.id, info.parent, info.kind), (id, Some(me), Kind::Task));
        assert!(!routines::ids().contains(&id), "it has ended");
    }
}

#[test]
fn r09_a_bound_closure_called_elsewhere_is_a_routine_of_its_own_and_a_child_of_its_binder() {
    let me = routines::id();
    let look = || (routines::id(), routines::current().info().expect("it lives"));
    let job = bind(look);
    let callback = bind_fn(move |()| look());
    elsewhere(|| {
        let host = routines::id();
        for (id, info) in [job(), callback(()), callback(())] {
            assert!(id != me && id != host, "{id} is a routine of its own");
            assert_eq!((info.parent, info.kind), (Some(me), Kind::Job));
        }
        assert_ne!(callback(()).0, callback(()).0, "each call is a routine");
    });
}

#[test]
fn r09_the_id_does_not_change_as_the_future_moves_between_threads() {
    static KEY: Local<u32> = Local::new();
    let mut work = Box::pin(KEY.scope(1, async {
        let mut ids = vec![routines::id()];
        for _ in 0..5 {
            yield_now().await;
            ids.push(routines::id());
        }
        ids
    }));
    let ids = loop {
        if let Poll::Ready(ids) = elsewhere(|| poll_once(work.as_mut())) {
            break ids;
        }
    };
    assert!(ids.len() == 6 && ids.iter().all(|id| *id == ids[0]));
    assert_ne!(ids[0], routines::id());
}

#[test]
fn r09_wrapping_twice_makes_one_routine_with_one_id() {
    static KEY: Local<u32> = Local::new();
    let inner = Log::new();
    let seen = inner.clone();
    let work = KEY.scope(1, async move { seen.add(routines::id()) }.inherit());
    let task = RoutineBuilder::new(Kind::Task).future(work.inherit());
    let id = task.routine_id();
    elsewhere(|| ready(task));
    assert_eq!(inner.all(), [id.expect("a built routine has its id at once")]);
}

#[test]
fn r09_a_scope_future_inside_a_box_is_a_routine_of_its_own_and_a_child_of_its_maker() {
    static KEY: Local<u32> = Local::new();
    let boxed: Boxed<'_, _> = Box::pin(KEY.scope(1, async { routines::current().info().expect("it lives") }));
    let task = RoutineBuilder::new(Kind::Task).future(boxed);
    let id = task.routine_id();
    let info = elsewhere(|| ready(task));
    assert_ne!(Some(info.id), id);
    assert_eq!(info.parent, Some(routines::id()));
}

#[test]
fn r09_a_future_first_polled_by_its_maker_becomes_a_routine_when_it_leaves() {
    let me = routines::id();
    let mut work = Box::pin(
        async {
            let first = routines::id();
            yield_now().await;
            (first, routines::id(), routines::current().info().and_then(|i| i.parent))
        }
        .inherit(),
    );
    assert!(poll_once(work.as_mut()).is_pending());
    let Poll::Ready((first, second, parent)) = elsewhere(|| poll_once(work.as_mut())) else { panic!("ready") };
    assert_eq!((first, parent), (me, Some(me)));
    assert_ne!(second, me);
}

// ===== R10 Panics =====

#[test]
fn r10_the_old_context_is_back_before_the_panic_leaves_the_frame() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    let seen = Log::new();
    let look = || {
        OnDrop({
            let seen = seen.clone();
            move || seen.add(KEY.get())
        })
    };
    let outcome = caught(|| {
        let _outside = look();
        KEY.sync_scope(2, || {
            let _inside = look();
            panic!("in a scope");
        })
    });
    assert!(outcome.is_err());
    assert_eq!(seen.all(), [Some(2), Some(1)]);
}

#[test]
fn r10_a_panic_hook_sees_the_inner_context() {
    static KEY: Local<u32> = Local::new();
    static NAMED: Local<u32> = Local::new().named("named of r10");
    let frames: Vec<Box<dyn Fn()>> = vec![
        Box::new(|| KEY.sync_scope(2, || NAMED.sync_scope(3, || panic!("x")))),
        Box::new(|| ready(Bindings::new().with(&KEY, 2).with(&NAMED, 3).scope(async { panic!("x") }))),
        Box::new(|| {
            let both = KEY.sync_scope(2, || NAMED.sync_scope(3, Snapshot::capture));
            let _guard = both.enter();
            panic!("x");
        }),
    ];
    for frame in frames {
        let seen = Log::new();
        let log = seen.clone();
        let hook = move || {
            let mut named = Vec::new();
            routines::for_each_named(|name, value| named.push((name, value.to_string())));
            log.add((KEY.get(), named));
        };
        assert!(caught_with_hook(hook, frame).is_err());
        assert_eq!(seen.all(), [(Some(2), vec![("named of r10", "3".to_string())])]);
        assert_eq!((KEY.get(), NAMED.get()), (None, None));
    }
}

#[test]
fn r10_nothing_is_poisoned_by_a_panic_in_user_code() {
    struct Bad(Flag);
    impl Clone for Bad {
        fn clone(&self) -> Self {
            panic!("clone")
        }
    }
    impl std::fmt::Debug for Bad {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("debug")
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            if !self.0.is_up() {
                self.0.raise();
                panic!("drop");
            }
        }
    }
    static BAD: Local<Bad> = Local::new().named("bad of r10");
    static MADE: Local<u32> = Local::with_default(|| panic!("default"));
    elsewhere(|| {
        BAD.set(Bad(Flag::default()));
        assert!(caught(|| BAD.get()).is_err());
        assert!(caught(|| BAD.with(|_| panic!("closure"))).is_err());
        assert!(caught(|| routines::for_each_named(|_, value| drop(value.to_string()))).is_err());
        assert!(caught(|| MADE.get()).is_err());
        assert!(caught(|| drop(BAD.remove())).is_err());
        assert!(BAD.get().is_none());
        BAD.set(Bad(Flag::default()));
        assert!(caught(|| drop(BAD.set(Bad(Flag::default())))).is_err());
        BAD.with(|bad| bad.0.raise());
        MADE.set(1);
        assert_eq!(MADE.get(), Some(1));
        assert!(routines::ids().contains(&routines::id()));
    });
}

#[test]
fn r10_a_destructor_that_panics_at_the_end_of_a_frame_leaves_the_thread_as_it_was() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bomb");
        }
    }
    static KEY: Local<u32> = Local::new();
    static BOMB: Local<Bomb> = Local::new();
    KEY.set(1);
    let leak = || std::mem::forget(BOMB.sync_scope(Bomb, Snapshot::capture).enter());
    let frames: [(&str, &dyn Fn()); 7] = [
        ("bindings", &|| Bindings::new().with(&KEY, 2).sync_scope(|| drop(BOMB.set(Bomb)))),
        ("sync_scope", &|| KEY.sync_scope(2, || drop(BOMB.set(Bomb)))),
        ("value of a sync_scope", &|| BOMB.sync_scope(Bomb, || drop(KEY.set(2)))),
        ("scope", &|| ready(KEY.scope(2, async { drop(BOMB.set(Bomb)) }))),
        ("leaked guard in a sync_scope", &|| KEY.sync_scope(2, leak)),
        ("leaked guard in a snapshot", &|| Snapshot::empty().sync_scope(leak)),
        ("leaked guard in a future", &|| ready(KEY.scope(2, async { leak() }))),
    ];
    let id = routines::id();
    for (name, frame) in frames {
        assert!(caught(frame).is_err(), "{name}");
        assert_eq!((KEY.get(), BOMB.is_bound(), routines::id()), (Some(1), false, id), "{name}");
        KEY.sync_scope(3, || drop(KEY.set(4)));
        assert_eq!(KEY.get(), Some(1), "{name}");
    }
}

// ===== R11 Drop order =====

#[test]
fn r11_a_future_is_dropped_inside_its_context_also_when_never_polled() {
    static KEY: Local<u32> = Local::new();
    let seen = Log::new();
    let look = || {
        OnDrop({
            let seen = seen.clone();
            move || seen.add(KEY.get())
        })
    };
    let unpolled = look();
    drop(KEY.scope(1, async move { drop(unpolled) }));
    let suspended = look();
    let mut future = Box::pin(KEY.scope(2, async move {
        yield_now().await;
        drop(suspended);
    }));
    assert!(poll_once(future.as_mut()).is_pending());
    elsewhere(|| drop(future));
    let completed = look();
    ready(KEY.scope(3, async move {
        let _completed = completed;
    }));
    let (closure, job) = (look(), look());
    KEY.sync_scope(4, || drop(bind(move || drop(closure))));
    KEY.sync_scope(5, || drop(RoutineBuilder::new(Kind::Job).job(move || drop(job))));
    assert_eq!(seen.all(), [Some(1), Some(2), Some(3), Some(4), Some(5)]);
}

#[test]
fn r11_scope_values_drop_last_in_first_out() {
    static A: Local<Hook> = Local::new();
    static B: Local<Hook> = Local::new();
    static C: Local<Hook> = Local::new();
    let order = Log::new();
    let tell = |what: &'static str| {
        Hook::new({
            let order = order.clone();
            move || order.add(what)
        })
    };
    A.sync_scope(tell("a"), || {
        B.sync_scope(tell("b"), || C.sync_scope(tell("c"), || order.add("work")));
        order.add("between");
    });
    assert_eq!(order.all(), ["work", "c", "b", "between", "a"]);
}

#[test]
fn r11_a_scopes_value_is_gone_when_the_scope_ends_whatever_was_set_inside() {
    const MANY: usize = 20;
    static OTHERS: [Local<u32>; MANY] = [const { Local::new() }; MANY];
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    for held in 0..MANY {
        elsewhere(|| {
            let drops = Drops::new();
            OTHERS[..held].iter().for_each(|other| drop(other.set(1)));
            KEY.sync_scope(drops.value(()), || drop(OTHERS[0].set(2)));
            assert_eq!(drops.alive(), 0, "with {held} other values");
        });
    }
}

#[test]
fn r11_a_value_goes_when_the_last_snapshot_of_it_goes() {
    const MANY: usize = 20;
    static OTHERS: [Local<u32>; MANY] = [const { Local::new() }; MANY];
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    for held in 0..MANY {
        elsewhere(|| {
            let drops = Drops::new();
            OTHERS[..held].iter().for_each(|other| drop(other.set(1)));
            KEY.set(drops.value(()));
            let snapshot = Snapshot::capture();
            KEY.remove();
            assert_eq!(drops.alive(), 1, "with {held} other values, while a snapshot has it");
            drop(snapshot);
            assert_eq!(drops.alive(), 0, "with {held} other values");
        });
    }
}

#[test]
fn r11_a_routines_values_are_gone_when_join_returns() {
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    static NAMED: Local<crate::support::Counted<()>> = Local::new().named("counted of r11");
    let drops = Drops::new();
    let counts = drops.clone();
    let child = thread::spawn(move || {
        KEY.set(counts.value(()));
        NAMED.set(counts.value(()));
        routines::id()
    });
    let id = child.join().expect("no panic");
    assert_eq!((drops.count(), drops.alive()), (2, 0));
    assert!(!routines::ids().contains(&id));
}

#[test]
fn r11_a_routine_whose_future_panics_while_dropped_is_not_listed_any_more() {
    let bomb = || OnDrop(|| panic!("bomb"));
    let (in_future, in_job) = (bomb(), bomb());
    let future = RoutineBuilder::new(Kind::Task).name("ghost of r11").future(async move { drop(in_future) });
    let job = RoutineBuilder::new(Kind::Job).name("ghost of r11").job(move || drop(in_job));
    assert!(caught(|| drop(future)).is_err());
    assert!(caught(|| drop(job)).is_err());
    assert!(routines::all().iter().all(|info| info.name.as_deref() != Some("ghost of r11")));
}

// ===== R12 No user code while internal state is borrowed =====

#[test]
fn r12_a_key_may_be_set_while_its_value_is_lent() {
    static KEY: Local<String> = Local::new();
    KEY.set("old".into());
    KEY.with(|old| {
        KEY.set("new".into());
        assert_eq!(KEY.with(String::clone).as_deref(), Some("new"));
        KEY.remove();
        KEY.clear();
        flush();
        Snapshot::empty().restore();
        assert_eq!(old, "old");
    });
    assert_eq!(KEY.get(), None);
}

#[test]
fn r12_scopes_snapshots_and_spawns_work_while_a_value_is_lent() {
    static KEY: Local<String> = Local::new();
    KEY.set("old".into());
    KEY.with(|old| {
        assert_eq!(KEY.sync_scope("scope".into(), || KEY.get()).as_deref(), Some("scope"));
        assert_eq!(thread::spawn(|| KEY.get()).join().expect("no panic").as_deref(), Some("old"));
        let _guard = Snapshot::empty().enter();
        assert_eq!((KEY.get(), old.as_str()), (None, "old"));
    });
}

#[test]
fn r12_a_value_whose_destructor_uses_locals_works_wherever_it_is_dropped() {
    static KEY: Local<Hook> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let runs = Arc::new(AtomicUsize::new(0));
    let busy = || {
        Hook::new({
            let runs = runs.clone();
            move || {
                runs.fetch_add(1, Ordering::Relaxed);
                let before = OTHER.get();
                OTHER.set(1);
                assert_eq!(OTHER.sync_scope(2, || OTHER.get()), Some(2));
                OTHER.remove();
                KEY.with(|_| ());
                let snapshot = Snapshot::capture();
                assert_eq!(snapshot.sync_scope(|| OTHER.get()), None);
                drop(snapshot.enter());
                before.map(|v| OTHER.set(v));
            }
        })
    };
    let ways: [&dyn Fn(); 10] = [
        &|| KEY.sync_scope(busy(), || ()),
        &|| {
            KEY.set(busy());
            drop(KEY.set(busy()));
            drop(KEY.remove());
        },
        &|| {
            KEY.set(busy());
            KEY.clear();
        },
        &|| {
            KEY.set(busy());
            flush();
        },
        &|| {
            KEY.set(busy());
            Snapshot::empty().restore();
        },
        &|| ready(KEY.scope(busy(), async {})),
        &|| drop(KEY.scope(busy(), async {})),
        &|| drop(KEY.sync_scope(busy(), Snapshot::capture)),
        &|| Bindings::new().with(&KEY, busy()).with(&KEY, busy()).sync_scope(|| ()),
        &|| drop(KEY.sync_scope(busy(), Snapshot::capture).enter()),
    ];
    for (at, way) in ways.into_iter().enumerate() {
        runs.store(0, Ordering::Relaxed);
        way();
        assert!(runs.load(Ordering::Relaxed) > 0, "way {at}");
    }
    drop(KEY.remove());
}

// ===== R13 Nothing panics in Drop or at thread exit =====

#[test]
fn r13_access_from_a_thread_locals_destructor_gives_the_default_or_an_error() {
    static KEY: Local<u32> = Local::new();
    static DEFAULTED: Local<u32> = Local::with_default(|| 5);
    type Seen = (Option<u32>, Option<u32>, bool, Option<u32>);
    thread_local! {
        static PARKED: std::cell::RefCell<Option<Box<dyn std::any::Any>>> = const { std::cell::RefCell::new(None) };
    }
    let seen: Log<Seen> = Log::new();
    let log = seen.clone();
    thread::spawn(move || {
        KEY.set(1);
        let look = OnDrop(move || {
            let refused = KEY.try_set(2).is_err_and(|error| {
                error.error().is_thread_exit() && !error.error().is_foreign_task() && error.into_value() == Some(2)
            });
            KEY.set(3);
            KEY.remove();
            flush();
            Snapshot::capture().restore();
            log.add((KEY.get(), DEFAULTED.get(), refused, KEY.sync_scope(4, || KEY.get())));
        });
        PARKED.with(|parked| *parked.borrow_mut() = Some(Box::new(look)));
    })
    .join()
    .expect("no panic");
    assert_eq!(seen.all(), [(None, Some(5), true, Some(4))]);
}

// ===== R14 Guards =====

#[test]
fn r14_guards_dropped_in_any_order_leave_what_the_youngest_live_one_set_or_the_base() {
    static KEY: Local<usize> = Local::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        KEY.set(100);
        let snapshots: Vec<_> = (0..3).map(|n| KEY.sync_scope(n, Snapshot::capture)).collect();
        let mut guards: Vec<_> = snapshots.iter().map(|s| Some(s.enter())).collect();
        for next in order {
            guards[next] = None;
            let youngest = guards.iter().rposition(Option::is_some);
            assert_eq!(KEY.get(), Some(youngest.unwrap_or(100)), "{order:?} at {next}");
        }
    }
}

#[test]
fn r14_a_leaked_guard_lasts_until_its_frame_ends() {
    static KEY: Local<u32> = Local::new();
    KEY.sync_scope(1, || {
        std::mem::forget(KEY.sync_scope(2, Snapshot::capture).enter());
        assert_eq!(KEY.get(), Some(2));
    });
    assert_eq!(KEY.get(), None);
    thread::spawn(|| std::mem::forget(Snapshot::empty().enter())).join().expect("no panic");
}

#[test]
fn r14_a_guard_dropped_inside_a_younger_frame_takes_effect_when_that_frame_ends() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    let guard = KEY.sync_scope(2, Snapshot::capture).enter();
    KEY.sync_scope(3, || {
        drop(guard);
        assert_eq!(KEY.get(), Some(3));
    });
    assert_eq!(KEY.get(), Some(1));
}

#[test]
fn r14_a_guard_moved_out_of_its_frame_ends_with_the_frame() {
    static KEY: Local<u32> = Local::new();
    let snapshot = KEY.sync_scope(2, Snapshot::capture);
    let guard = KEY.sync_scope(1, || snapshot.enter());
    assert_eq!(KEY.get(), None);
    let younger = snapshot.enter();
    drop(guard);
    assert_eq!(KEY.get(), Some(2), "dropping a dead guard ends nothing else");
    drop(younger);
    assert_eq!(KEY.get(), None);
}

// ===== R15 Ids are never reused =====

#[test]
fn r15_ids_are_not_zero_not_foreign_and_never_used_twice() {
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let id = thread::spawn(routines::id).join().expect("no panic");
        assert!(id.as_u64() > 1 && !id.is_foreign());
        assert!(seen.insert(id));
        let task = RoutineBuilder::new(Kind::Task).future(async {}).routine_id().expect("it has an id at once");
        assert!(seen.insert(task));
    }
    assert_eq!(routines::try_id(), Some(routines::id()));
}

// ===== R16 Clear is thorough =====

#[test]
fn r16_after_clear_no_routine_reads_an_old_value() {
    static KEY: Local<u32> = Local::new();
    static NAMED: Local<u32> = Local::new().named("named of r16");
    static PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
    let read = || (KEY.get(), NAMED.get(), PRIVATE.get());
    let write = || {
        KEY.set(1);
        NAMED.set(2);
        PRIVATE.set(3);
    };
    write();
    let (ask, asked) = std::sync::mpsc::channel::<()>();
    let (ready_to, is_ready) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || {
        write();
        ready_to.send(()).expect("the test listens");
        asked.recv().expect("the test asks");
        read()
    });
    let mut idle = Box::pin(
        async {
            write();
            yield_now().await;
            read()
        }
        .inherit(),
    );
    elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
    let (unpolled, bound, callback) = (async { read() }.inherit(), bind(read), bind_fn(|()| read()));
    is_ready.recv().expect("the thread sends");
    KEY.clear();
    NAMED.clear();
    PRIVATE.clear();
    ask.send(()).expect("the thread listens");
    let nothing = (None, None, None);
    assert_eq!(read(), nothing);
    assert_eq!(other.join().expect("no panic"), nothing);
    assert_eq!(elsewhere(|| poll_once(idle.as_mut())), Poll::Ready(nothing));
    assert_eq!(elsewhere(|| ready(unpolled)), nothing);
    assert_eq!((bound(), callback(())), (nothing, nothing));
}

#[test]
fn r06_work_made_to_be_carried_gets_what_a_child_gets_also_in_its_makers_hands() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static SPAN: Local<u32> = Local::new().derive(|parent| parent + 1);
    TX.set(1);
    SPAN.set(0);
    let look = || (TX.get(), SPAN.get());
    assert_eq!(ready(async { look() }.inherit()), (None, Some(1)));
    assert_eq!(bind(look)(), (None, Some(1)));
    assert_eq!(bind_fn(|()| look())(()), (None, Some(1)));
}

#[test]
fn r16_an_old_value_is_freed_when_its_routine_next_runs() {
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    let drops = Drops::new();
    let counts = drops.clone();
    let mut idle = Box::pin(
        async move {
            KEY.set(counts.value(()));
            yield_now().await;
            yield_now().await;
        }
        .inherit(),
    );
    elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
    KEY.clear();
    elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn r16_an_outer_frames_value_is_freed_when_the_frame_goes_on() {
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let drops = Drops::new();
    KEY.set(drops.value(()));
    Snapshot::empty().sync_scope(|| KEY.clear());
    assert!(!KEY.is_bound());
    OTHER.set(1);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn r16_snapshots_and_bindings_made_before_keep_their_values() {
    static KEY: Local<u32> = Local::new();
    static NAMED: Local<u32> = Local::new().named("kept of r16");
    let bindings = Bindings::new().with(&KEY, 1).with(&NAMED, 2);
    let snapshot = bindings.sync_scope(Snapshot::capture);
    for round in 0..3 {
        KEY.clear();
        NAMED.clear();
        assert_eq!((KEY.get(), NAMED.get()), (None, None));
        assert_eq!(snapshot.sync_scope(|| (KEY.get(), NAMED.get())), (Some(1), Some(2)), "round {round}");
        assert_eq!(bindings.sync_scope(|| (KEY.get(), NAMED.get())), (Some(1), Some(2)), "round {round}");
        assert_eq!((snapshot.len(), bindings.len()), (2, 2));
        assert_eq!((snapshot.get(&KEY).map(|v| *v), bindings.get(&NAMED).map(|v| *v)), (Some(1), Some(2)));
    }
    snapshot.restore();
    assert_eq!(KEY.get(), Some(1));
    KEY.clear();
    assert_eq!(KEY.get(), None, "restored values are the routine's own again");
}

#[test]
fn r16_bindings_hold_one_value_per_key_whatever_was_cleared_while_they_were_made() {
    static KEYS: [Local<usize>; 20] = [const { Local::new() }; 20];
    static NAMED: [Local<usize>; 20] = [const { Local::new().named("many of r16") }; 20];
    for (keys, held) in [&KEYS, &NAMED].into_iter().flat_map(|keys| (1..20).map(move |held| (keys, held))) {
        let mut bindings = Bindings::new();
        let mut kept = Vec::new();
        for round in [100, 200] {
            for (at, key) in keys[..held].iter().enumerate() {
                bindings = bindings.with(key, round + at);
                kept.push(bindings.clone());
                key.clear();
            }
        }
        let expected: Vec<_> = (0..held).map(|at| Some(200 + at)).collect();
        let read = || keys[..held].iter().map(Local::get).collect::<Vec<_>>();
        assert_eq!((bindings.sync_scope(read), bindings.len()), (expected, held));
        let snapshot = bindings.sync_scope(Snapshot::capture);
        assert_eq!((snapshot.len(), kept.iter().all(|b| b.len() <= held)), (held, true));
    }
}

#[test]
fn r16_a_value_removed_under_a_snapshot_does_not_come_back_after_a_clear() {
    static KEYS: [Local<usize>; 16] = [const { Local::new().named("back of r16") }; 16];
    let shown = || {
        let mut all = Vec::new();
        routines::for_each_named(|_, value| all.push(value.to_string()));
        all
    };
    for held in 1..KEYS.len() {
        elsewhere(|| {
            KEYS[..held].iter().for_each(|key| drop(key.set(1)));
            let _frozen = Snapshot::capture();
            KEYS[0].remove();
            KEYS[0].clear();
            assert_eq!(shown(), vec!["1"; held - 1]);
            KEYS[0].set(2);
            assert_eq!((shown().len(), Snapshot::capture().len()), (held, held), "with {held} keys: {:?}", shown());
        });
    }
}

#[test]
fn r16_a_value_set_after_a_clear_is_seen() {
    static KEY: Local<u32> = Local::new();
    KEY.sync_scope(1, || {
        KEY.clear();
        assert_eq!(KEY.get(), None);
        KEY.set(2);
        assert_eq!(KEY.get(), Some(2));
        assert_eq!(thread::spawn(|| KEY.get()).join().expect("no panic"), Some(2));
    });
    assert_eq!(KEY.get(), None);
}

// ===== R17 Off is free =====

#[test]
fn r17_capturing_nothing_gives_nothing() {
    elsewhere(|| {
        assert!(Snapshot::capture().is_empty());
        assert_eq!(Snapshot::capture().len(), 0);
        assert_eq!(size_of::<Snapshot>(), size_of::<usize>());
    });
}

#[test]
fn r17_with_nothing_bound_reading_capturing_and_carrying_allocate_no_context() {
    static KEY: Local<u32> = Local::new();
    static HEAP: Local<String> = Local::new().named("heap of r17");
    let allocations = |f: &dyn Fn()| allocation_counter::measure(f).count_total;
    // Clears by other tests make contexts be looked through again: this is counted where there are none.
    in_child("rules::r17_with_nothing_bound_reading_capturing_and_carrying_allocate_no_context", || {
        // The first routine on a thread makes a record, the first guard a list; keys are registered once.
        drop(Snapshot::empty().enter());
        KEY.sync_scope(1, || HEAP.sync_scope(String::new(), || ()));
        drop(RoutineBuilder::new(Kind::Job).job(|| ()));
        let free: [(&str, &dyn Fn()); 6] = [
            ("read", &|| assert!(KEY.get().is_none() && HEAP.with(|_| ()).is_none())),
            ("capture", &|| drop(Snapshot::capture())),
            ("frame", &|| Snapshot::capture().sync_scope(|| drop(Snapshot::empty().enter()))),
            ("job", &|| RoutineBuilder::new(Kind::Job).job(|| ())()),
            ("task", &|| ready(RoutineBuilder::new(Kind::Task).future(async {}))),
            ("identity", &|| assert!(routines::id() == routines::current().id())),
        ];
        for (name, work) in free {
            assert_eq!(allocations(work), 0, "{name}");
        }
    });
}

// ===== R18 Debug and release behave alike =====

#[test]
fn r18_nothing_in_the_source_depends_on_the_profile_or_on_unstable_flags() {
    let mut places = vec![std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = 0;
    while let Some(path) = places.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("the crate has its source");
            places.extend(entries.map(|entry| entry.expect("a readable entry").path()));
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("a source file is text");
        files += 1;
        for banned in ["debug_assertions", "debug_assert", "tokio_unstable", "#![feature"] {
            assert!(!text.contains(banned), "{} uses {banned}", path.display());
        }
    }
    assert!(files > 10);
}

#[test]
fn r18_misuse_is_reported_at_the_callers_line() {
    static KEY: Local<u32> = Local::with_default(|| KEY.get().unwrap_or(0));
    let ((message, file, line), here) = (panic_of(|| KEY.get()), line!());
    assert!(message.contains("default"), "{message}");
    // The default's own read is the one at fault.
    assert_eq!((file.as_str(), line), (file!(), here - 1));
}
