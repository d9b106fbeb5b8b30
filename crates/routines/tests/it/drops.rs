//! Values are dropped exactly when promised, inside their context, whatever their own code does with locals.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use routines::{Bindings, FutureExt, Inherit, Kind, Local, RoutineBuilder, Snapshot, bind, bind_fn, flush, thread};

use crate::support::{Counted, Drops, Hook, Log, block_on, elsewhere, in_child, poll_once, ready, yield_now};

// ===== when =====

#[test]
fn a_displaced_value_is_given_back_and_dropped_by_whoever_got_it() {
    static KEY: Local<Counted<u32>> = Local::new();
    let drops = Drops::new();
    KEY.set(drops.value(1));
    let old = KEY.set(drops.value(2)).expect("it was bound");
    assert_eq!((old.tag, drops.count()), (1, 0));
    drop(old);
    assert_eq!(drops.count(), 1);
    let owned = KEY.remove().expect("it was bound").try_into_inner().expect("nobody shares it");
    assert_eq!((owned.tag, drops.count()), (2, 1));
    drop(owned);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_value_set_in_a_frame_is_dropped_when_the_frame_ends() {
    static KEY: Local<Counted<()>> = Local::new();
    static OTHER: Local<u32> = Local::new();
    type Frame = &'static dyn Fn(&dyn Fn());
    let frames: [(&str, Frame); 7] = [
        ("sync_scope", &|set| OTHER.sync_scope(1, set)),
        ("bindings", &|set| Bindings::new().with(&OTHER, 1).sync_scope(set)),
        ("snapshot", &|set| Snapshot::capture().sync_scope(set)),
        ("guard", &|set| {
            let _guard = Snapshot::capture().enter();
            set();
        }),
        ("scope", &|set| ready(OTHER.scope(1, async { set() }))),
        ("bind", &|set| bind(set)()),
        ("job", &|set| RoutineBuilder::new(Kind::Job).job(set)()),
    ];
    for (name, frame) in frames {
        let drops = Drops::new();
        frame(&|| {
            KEY.set(drops.value(()));
            assert_eq!(drops.alive(), 1);
        });
        assert_eq!(drops.alive(), 0, "{name}");
    }
}

#[test]
fn a_named_value_set_in_a_frame_is_gone_from_dumps_and_memory_when_the_frame_ends() {
    static NAMED: Local<Counted<u32>> = Local::new().named("set in a frame of drops");
    static OTHER: Local<u32> = Local::new();
    type Frame = &'static (dyn Fn(&dyn Fn()) + Sync);
    let frames: [(&str, Frame); 10] = [
        ("sync_scope", &|set| OTHER.sync_scope(1, set)),
        ("bindings", &|set| Bindings::new().with(&OTHER, 1).sync_scope(set)),
        ("snapshot", &|set| Snapshot::capture().sync_scope(set)),
        ("guard", &|set| {
            let _guard = Snapshot::capture().enter();
            set();
        }),
        ("scope", &|set| ready(OTHER.scope(1, async { set() }))),
        ("inherit", &|set| ready(async { set() }.inherit())),
        ("suspended scope", &|set| {
            block_on(OTHER.scope(1, async {
                yield_now().await;
                set();
                yield_now().await;
            }))
        }),
        ("bind", &|set| bind(set)()),
        ("bind_fn", &|set| bind_fn(|()| set())(())),
        ("job", &|set| RoutineBuilder::new(Kind::Job).job(set)()),
    ];
    for outer in [None, Some(9)] {
        for (name, frame) in frames {
            elsewhere(|| {
                let drops = Drops::new();
                outer.map(|tag| NAMED.set(drops.value(tag)));
                let shown = || routines::current().info().map_or(0, |info| info.values.len());
                let before = (isize::from(outer.is_some()), shown());
                frame(&|| {
                    NAMED.set(drops.value(1));
                    assert_eq!(shown(), 1);
                });
                assert_eq!((drops.alive_beside(before.0), shown()), before, "{name} over {outer:?}");
                assert_eq!(NAMED.with(|v| v.tag), outer, "{name}");
            });
        }
    }
}

#[test]
fn every_way_to_empty_a_frame_drops_its_values_at_once() {
    static KEY: Local<Counted<()>> = Local::new();
    static NAMED: Local<Counted<()>> = Local::new().named("named of drops");
    static PRIVATE: Local<Counted<()>> = Local::new().inherit(Inherit::Never);
    let drops = Drops::new();
    let fill = || {
        KEY.set(drops.value(()));
        NAMED.set(drops.value(()));
        PRIVATE.set(drops.value(()));
    };
    fill();
    flush();
    assert_eq!(drops.alive(), 0, "flush");
    fill();
    Snapshot::empty().restore();
    assert_eq!(drops.alive(), 1, "restore leaves private values alone");
    PRIVATE.remove();
    fill();
    KEY.clear();
    NAMED.clear();
    PRIVATE.clear();
    assert_eq!(drops.alive(), 0, "clear");
}

#[test]
fn a_snapshot_a_bound_closure_and_an_idle_future_each_keep_a_value_alive_and_the_last_one_frees_it() {
    static KEY: Local<Counted<()>> = Local::new();
    let drops = Drops::new();
    KEY.set(drops.value(()));
    let (snapshot, closure, future) = (Snapshot::capture(), bind(|| ()), async {}.inherit());
    let arc = KEY.get_arc();
    drop(KEY.remove());
    drop(snapshot);
    assert_eq!(drops.count(), 0);
    closure();
    assert_eq!(drops.count(), 0);
    drop(future);
    assert_eq!(drops.count(), 0);
    drop(arc);
    assert_eq!(drops.count(), 1);
}

#[test]
fn a_finished_future_holds_no_values_although_it_is_not_dropped_yet() {
    static KEY: Local<Counted<()>> = Local::new();
    static NAMED: Local<Counted<()>> = Local::new().named("named of a finished future");
    let drops = Drops::new();
    let both = Bindings::new().with(&KEY, drops.value(())).with(&NAMED, drops.value(()));
    let mut here = Box::pin(both.scope(async {}));
    let mut there = Box::pin(both.scope(async {}));
    drop(both);
    assert!(poll_once(here.as_mut()).is_ready());
    elsewhere(|| assert!(poll_once(there.as_mut()).is_ready()));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_future_that_leaves_its_maker_lets_go_of_its_makers_private_values() {
    static PRIVATE: Local<Counted<()>> = Local::new().inherit(Inherit::Never);
    static KEY: Local<u32> = Local::new();
    let drops = Drops::new();
    PRIVATE.set(drops.value(()));
    let mut left = Box::pin(KEY.scope(1, async {
        yield_now().await;
        yield_now().await;
    }));
    elsewhere(|| assert!(poll_once(left.as_mut()).is_pending()));
    drop(PRIVATE.remove());
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_threads_values_are_dropped_by_the_thread_before_join_returns_also_when_it_panics() {
    static KEY: Local<Hook> = Local::new();
    let by = Log::new();
    let log = by.clone();
    let child = thread::spawn(move || {
        let (log, me) = (log.clone(), (routines::id(), std::thread::current().id()));
        KEY.set(Hook::new(move || log.add(me == (routines::id(), std::thread::current().id()))));
        std::panic::resume_unwind(Box::new("on purpose"));
    });
    assert!(child.join().is_err());
    assert_eq!(by.all(), [true], "dropped in its own routine, once");
}

#[test]
fn a_plain_threads_values_are_dropped_before_join_returns() {
    static KEY: Local<Counted<()>> = Local::new();
    let drops = Drops::new();
    let value = drops.value(());
    std::thread::spawn(move || drop(KEY.set(value))).join().expect("no panic");
    assert_eq!(drops.alive(), 0);
}

#[test]
fn only_keeps_alive_what_it_keeps() {
    static A: Local<Counted<()>> = Local::new();
    static B: Local<Counted<()>> = Local::new().named("b of only");
    let (a, b) = (Drops::new(), Drops::new());
    let both = Bindings::new().with(&A, a.value(())).with(&B, b.value(())).sync_scope(Snapshot::capture);
    let (one, other) = (both.only(&[&A]), both.only(&[&B]));
    drop(both);
    assert_eq!((one.len(), other.len()), (1, 1));
    drop(other);
    assert_eq!((a.alive(), b.alive()), (1, 0));
    drop(one);
    assert_eq!(a.alive(), 0);
}

// ===== where =====

#[test]
fn a_scope_futures_value_is_dropped_in_the_futures_routine() {
    static KEY: Local<Hook> = Local::new();
    let by = Log::new();
    let log = by.clone();
    let future = KEY.scope(Hook::new(move || log.add(routines::id())), async { routines::id() });
    let id = elsewhere(|| ready(future));
    assert_eq!(by.all(), [id]);
}

#[test]
fn a_value_dropped_in_a_frame_does_not_find_itself_half_dead() {
    static KEY: Local<Hook> = Local::new();
    static ORDER: Local<u32> = Local::new();
    let seen = Log::new();
    for _ in 0..2 {
        let log = seen.clone();
        let value = Hook::new(move || log.add(KEY.with(|_| ()).is_some()));
        ORDER.sync_scope(1, || KEY.set(value));
        let log = seen.clone();
        ready(KEY.scope(Hook::new(move || log.add(KEY.with(|_| ()).is_some())), async {}));
    }
    assert_eq!(seen.all(), [false; 4]);
}

// ===== what their own code does =====

static BUSY: Local<u32> = Local::new();
static BUSY_NAMED: Local<String> = Local::new().named("busy of drops");
static BUSY_PRIVATE: Local<u32> = Local::new().inherit(Inherit::Never);
static BUSY_DEFAULT: Local<u32> = Local::with_default(|| 1);

/// Everything user code may do with the library, in an order that leaves nothing behind.
fn busy() {
    thread_local!(static NESTED: Cell<bool> = const { Cell::new(false) });
    // `Debug` and derive functions that are busy too would go on for ever.
    if !NESTED.replace(true) {
        busy_once();
        NESTED.set(false);
    }
}

fn busy_once() {
    let before = (BUSY.get(), BUSY_NAMED.get());
    BUSY.set(1);
    BUSY_NAMED.set("x".into());
    BUSY_PRIVATE.set(1);
    BUSY_DEFAULT.with(|_| BUSY_DEFAULT.remove());
    BUSY.sync_scope(2, || BUSY_NAMED.sync_scope("y".into(), || drop(BUSY.set(3))));
    let snapshot = Snapshot::capture();
    let guard = snapshot.enter();
    BUSY.clear();
    drop(guard);
    snapshot.sync_scope(flush);
    ready(BUSY.scope(1, async { drop(BUSY.remove()) }));
    RoutineBuilder::new(Kind::Job).job(|| drop(BUSY.set(1)))();
    bind(|| ())();
    drop(async {}.inherit());
    let dynamic: Local<Hook> = Local::new();
    dynamic.set(Hook::new(|| assert!(BUSY.get().is_none_or(|v| v < 100))));
    drop(dynamic);
    routines::for_each_named(|_, value| drop(value.to_string()));
    assert!(!routines::all().is_empty());
    BUSY_PRIVATE.remove();
    BUSY.remove();
    BUSY_NAMED.remove();
    before.0.map(|v| BUSY.set(v));
    before.1.map(|v| BUSY_NAMED.set(v));
}

#[test]
fn a_busy_destructor_may_run_wherever_a_value_is_dropped() {
    const MANY: usize = 14;
    static FILLER: [Local<u32>; MANY] = [const { Local::new() }; MANY];
    static KEY: Local<Hook> = Local::new();
    static NAMED: Local<Hooked> = Local::new().named("busy named of drops");
    struct Hooked(#[expect(dead_code, reason = "held for its destructor")] Hook);
    impl std::fmt::Debug for Hooked {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("hooked")
        }
    }
    // The layouts of a table: small, grown, and over a frozen base.
    for held in [0, 3, 6, MANY] {
        let runs = Arc::new(AtomicUsize::new(0));
        let value = || {
            Hook::new({
                let runs = runs.clone();
                move || {
                    runs.fetch_add(1, Ordering::Relaxed);
                    busy();
                }
            })
        };
        let ways: Vec<Box<dyn Fn() + Send + Sync + '_>> = vec![
            Box::new(|| KEY.sync_scope(value(), || ())),
            Box::new(|| KEY.sync_scope(value(), busy)),
            Box::new(|| NAMED.sync_scope(Hooked(value()), busy)),
            Box::new(|| {
                KEY.set(value());
                NAMED.set(Hooked(value()));
                KEY.set(value());
                KEY.remove();
                NAMED.clear();
            }),
            Box::new(|| {
                KEY.set(value());
                NAMED.set(Hooked(value()));
                flush();
            }),
            Box::new(|| {
                let snapshot = KEY.sync_scope(value(), || NAMED.sync_scope(Hooked(value()), Snapshot::capture));
                snapshot.restore();
                let (first, second) = (snapshot.enter(), snapshot.enter());
                drop((snapshot, first, second));
                Snapshot::empty().restore();
            }),
            Box::new(|| std::mem::forget(KEY.sync_scope(value(), Snapshot::capture).enter())),
            Box::new(|| ready(KEY.scope(value(), async { busy() }))),
            Box::new(|| drop(NAMED.scope(Hooked(value()), async {}))),
            Box::new(|| {
                let future = KEY.scope(value(), NAMED.scope(Hooked(value()), async {}));
                elsewhere(|| block_on(future));
            }),
            Box::new(|| {
                let value = value();
                drop(thread::spawn(move || KEY.set(value)).join());
            }),
            Box::new(|| {
                let value = value();
                elsewhere(|| drop(KEY.set(value)));
            }),
            Box::new(|| {
                let dynamic: Local<Hook> = Local::new();
                dynamic.set(value());
                drop(dynamic);
            }),
            Box::new(|| {
                let value = value();
                drop(bind(move || drop(value)));
            }),
            Box::new(|| Bindings::new().with(&KEY, value()).with(&NAMED, Hooked(value())).sync_scope(busy)),
        ];
        for (at, way) in ways.iter().enumerate() {
            runs.store(0, Ordering::Relaxed);
            elsewhere(|| {
                FILLER[..held].iter().for_each(|key| drop(key.set(7)));
                Snapshot::empty().sync_scope(|| ());
                way();
                assert!(FILLER[..held].iter().all(|key| key.get() == Some(7)) || [4, 5].contains(&at), "way {at}");
            });
            assert!(runs.load(Ordering::Relaxed) > 0, "way {at} with {held}");
        }
    }
}

#[test]
fn a_value_that_sets_its_own_key_again_when_dropped_does_not_hang_the_frame() {
    struct Phoenix(Arc<AtomicUsize>);
    impl Drop for Phoenix {
        fn drop(&mut self) {
            if self.0.fetch_add(1, Ordering::Relaxed) < 1000 {
                KEY.set(Phoenix(self.0.clone()));
            }
        }
    }
    static KEY: Local<Phoenix> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let drops = Arc::new(AtomicUsize::new(0));
    let phoenix = || Phoenix(drops.clone());
    OTHER.sync_scope(1, || KEY.set(phoenix()));
    ready(KEY.scope(phoenix(), async {}));
    RoutineBuilder::new(Kind::Job).job(|| KEY.set(phoenix()))();
    let value = phoenix();
    thread::spawn(move || KEY.set(value)).join().expect("no panic");
    assert!(drops.load(Ordering::Relaxed) >= 4);
    drops.store(1000, Ordering::Relaxed);
    flush();
}

#[test]
fn a_value_that_enters_guards_and_leaks_them_when_dropped_at_thread_exit_aborts_nothing() {
    struct Nasty(u32);
    impl Drop for Nasty {
        fn drop(&mut self) {
            if self.0 > 0 {
                KEY.set(Nasty(self.0 - 1));
                std::mem::forget(Snapshot::empty().enter());
                OTHER.set(Nasty(self.0 - 1));
                drop(Snapshot::capture().enter());
            }
        }
    }
    static KEY: Local<Nasty> = Local::new();
    static OTHER: Local<Nasty> = Local::new();
    in_child("drops::a_value_that_enters_guards_and_leaks_them_when_dropped_at_thread_exit_aborts_nothing", || {
        for depth in 0..12 {
            let set = move || drop((KEY.set(Nasty(depth)), OTHER.set(Nasty(depth))));
            std::thread::spawn(set).join().expect("no panic");
            thread::spawn(set).join().expect("no panic");
        }
    });
}

#[test]
fn clone_compare_and_debug_of_a_value_may_use_locals() {
    struct Chatty;
    impl Clone for Chatty {
        fn clone(&self) -> Self {
            busy();
            KEY.set(Chatty);
            Chatty
        }
    }
    impl PartialEq for Chatty {
        fn eq(&self, _: &Self) -> bool {
            busy();
            KEY.set(Chatty);
            true
        }
    }
    impl std::fmt::Debug for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            busy();
            KEY.set(Chatty);
            f.write_str("chatty")
        }
    }
    static KEY: Local<Chatty> = Local::new().named("chatty of drops");
    elsewhere(|| {
        KEY.set(Chatty);
        assert!(KEY.get().is_some());
        assert!(KEY.with(|v| *v == Chatty).is_some());
        assert!(KEY.set(Chatty).is_some_and(|old| old == Chatty));
        let snapshot = Snapshot::capture();
        assert!(format!("{snapshot:?}").contains("chatty"));
        let mut seen = 0;
        routines::for_each_named(|_, value| seen += value.to_string().len());
        assert_eq!(seen, "chatty".len());
        assert!(routines::all().iter().any(|info| info.id == routines::id() && info.values.len() == 1));
        assert!(KEY.set(Chatty).is_some_and(|old| old.into_inner() == Chatty));
    });
}

#[test]
fn a_default_and_a_derive_function_may_use_locals_and_spawn() {
    static RUN: AtomicBool = AtomicBool::new(false);
    static DEFAULT: Local<u32> = Local::with_default(|| {
        busy();
        thread::spawn(busy).join().expect("no panic");
        DEFAULT.set(9);
        1
    });
    static DERIVED: Local<u32> = Local::new().derive(|parent| {
        busy();
        if !RUN.swap(true, Ordering::Relaxed) {
            DERIVED.set(50);
            thread::spawn(busy).join().expect("no panic");
        }
        parent + 1
    });
    elsewhere(|| {
        assert_eq!(DEFAULT.get(), Some(1), "what the default returns is what counts");
        DERIVED.set(1);
        let child = RoutineBuilder::new(Kind::Job).job(|| DERIVED.get());
        assert_eq!((child(), DERIVED.get()), (Some(2), Some(50)));
    });
}

thread_local!(static LAST_SEEN: RefCell<Option<u32>> = const { RefCell::new(None) });

#[test]
fn a_destructor_run_by_a_dump_or_a_peer_runs_in_that_routine_without_a_lock() {
    static KEY: Local<Hooked> = Local::new().named("seen by a dump");
    struct Hooked(#[expect(dead_code, reason = "held for its destructor")] Hook);
    impl std::fmt::Debug for Hooked {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(if routines::ids().is_empty() { "" } else { "seen" })
        }
    }
    let value = Hooked(Hook::new(|| {
        LAST_SEEN.with(|seen| *seen.borrow_mut() = Some(1));
        assert!(!routines::all().is_empty());
    }));
    let mut idle = Box::pin(KEY.scope(value, yield_now()));
    elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
    let shown = || routines::all().iter().filter(|i| i.values.iter().any(|(name, _)| name == "seen by a dump")).count();
    assert_eq!(shown(), 1);
    KEY.clear();
    assert_eq!(shown(), 0);
    drop(idle);
    assert_eq!(LAST_SEEN.take(), Some(1), "dropped here, where the future was");
}
