//! Nothing aborts when a thread ends, whatever its other thread-locals do meanwhile (R13).

use std::any::Any;
use std::cell::{Cell, RefCell};

use routines::{Bindings, FutureExt, Kind, Local, RoutineBuilder, Snapshot, State, bind, flush, thread};

use crate::support::{Counted, Drops, Flag, Hook, Log, OnDrop, in_child, poll_once, ready, yield_now};

thread_local! {
    static BEFORE: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
    static AFTER: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

static KEY: Local<u32> = Local::new();
static NAMED: Local<String> = Local::new().named("named of thread exit");
static DEFAULTED: Local<u32> = Local::with_default(|| 5);

/// Uses everything there is; nothing may panic.
fn use_everything() {
    let _ = (KEY.get(), NAMED.with(String::len), KEY.get_arc(), KEY.is_bound());
    assert_eq!(DEFAULTED.get(), Some(5));
    KEY.set(2);
    NAMED.set("late".into());
    let _ = KEY.try_set(3);
    drop(KEY.remove());
    assert_eq!(KEY.sync_scope(4, || NAMED.sync_scope("x".into(), || KEY.get())), Some(4));
    let snapshot = KEY.sync_scope(5, Snapshot::capture);
    assert_eq!(snapshot.sync_scope(|| KEY.get()), Some(5));
    snapshot.restore();
    let guard = snapshot.enter();
    assert_eq!(KEY.get(), Some(5));
    drop(guard);
    assert_eq!(Bindings::new().with(&KEY, 6).sync_scope(|| KEY.get()), Some(6));
    assert_eq!(ready(KEY.scope(7, async { KEY.get() })), Some(7));
    assert_eq!(bind(|| 8)(), 8);
    assert_eq!(RoutineBuilder::new(Kind::Job).job(|| KEY.sync_scope(9, || KEY.get()))(), Some(9));
    drop(RoutineBuilder::new(Kind::Task).future(async {}));
    drop(async {}.inherit());
    assert_eq!(thread::spawn(|| 10).join().expect("no panic"), 10);
    let _ = (routines::id(), routines::try_id(), routines::ids().len(), routines::all().len());
    let _ = (routines::current().info(), routines::set_name("late"));
    routines::for_each_named(|_, value| drop(value.to_string()));
    KEY.clear();
    flush();
    let dynamic: Local<Hook> = Local::new();
    dynamic.set(Hook::new(|| ()));
    drop(dynamic);
}

/// Parks `work` in a thread-local destroyed before ours, in one destroyed after, and runs threads that end with it.
fn at_exit(work: fn() -> Box<dyn Any>) {
    for (ours, touch) in [(false, false), (false, true), (true, false), (true, true)] {
        let park = move || {
            // Destructors run in the reverse order of first use, or the same; both are covered.
            BEFORE.with(|parked| parked.borrow_mut().push(Box::new(())));
            if touch {
                KEY.set(1);
                NAMED.set("early".into());
            }
            BEFORE.with(|parked| parked.borrow_mut().push(work()));
            AFTER.with(|parked| parked.borrow_mut().push(work()));
        };
        let joined = if ours { thread::spawn(park).join() } else { std::thread::spawn(park).join() };
        assert!(joined.is_ok(), "ours: {ours}, touched: {touch}");
    }
}

#[test]
fn every_call_works_in_destructors_that_run_before_and_after_ours() {
    static RUNS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    in_child("threads_exit::every_call_works_in_destructors_that_run_before_and_after_ours", || {
        at_exit(|| {
            Box::new(OnDrop(|| {
                use_everything();
                RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            }))
        });
        assert_eq!(RUNS.load(std::sync::atomic::Ordering::Relaxed), 8);
    });
}

#[test]
fn guards_and_snapshots_may_be_parked_in_thread_locals() {
    in_child("threads_exit::guards_and_snapshots_may_be_parked_in_thread_locals", || {
        at_exit(|| {
            let snapshot = NAMED.sync_scope("parked".into(), || KEY.sync_scope(1, Snapshot::capture));
            let guards = (snapshot.enter(), Snapshot::empty().enter(), snapshot.enter());
            Box::new((guards.1, snapshot, guards.0, guards.2))
        });
    });
}

#[test]
fn unfinished_futures_and_unrun_closures_may_be_parked_in_thread_locals() {
    in_child("threads_exit::unfinished_futures_and_unrun_closures_may_be_parked_in_thread_locals", || {
        at_exit(|| {
            let look = OnDrop(|| assert_eq!(KEY.get(), Some(1), "dropped inside its context"));
            let mut polled = Box::pin(KEY.scope(1, async move {
                let _look = look;
                yield_now().await;
            }));
            assert!(poll_once(polled.as_mut()).is_pending());
            let unpolled = RoutineBuilder::new(Kind::Task).future(async {});
            Box::new((polled, unpolled, KEY.sync_scope(1, || bind(use_everything))))
        });
    });
}

#[test]
fn a_value_may_use_everything_when_its_thread_ends() {
    static HELD: Local<Hook> = Local::new();
    static HELD_NAMED: Local<Shy> = Local::new().named("held of thread exit");
    struct Shy(#[expect(dead_code, reason = "held for its destructor")] Hook);
    impl std::fmt::Debug for Shy {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("shy")
        }
    }
    in_child("threads_exit::a_value_may_use_everything_when_its_thread_ends", || {
        at_exit(|| {
            HELD.set(Hook::new(use_everything));
            HELD_NAMED.set(Shy(Hook::new(use_everything)));
            Box::new(())
        });
    });
}

#[test]
fn a_leaked_guards_values_are_dropped_with_the_thread() {
    static HELD: Local<Counted<()>> = Local::new();
    for ours in [true, false] {
        let drops = Drops::new();
        let value = drops.value(());
        let leak = move || {
            let snapshot = HELD.sync_scope(value, Snapshot::capture);
            std::mem::forget(snapshot.enter());
            std::mem::forget(snapshot.enter());
        };
        if ours { thread::spawn(leak).join() } else { std::thread::spawn(leak).join() }.expect("no panic");
        assert_eq!(drops.alive(), 0, "ours: {ours}");
    }
}

#[test]
fn the_id_of_a_dying_thread_is_still_its_own() {
    let (seen, flag) = (Log::new(), Flag::default());
    for ours in [true, false] {
        let (log, up) = (seen.clone(), flag.clone());
        let park = move || {
            let id = routines::id();
            let look = OnDrop(move || {
                log.add(routines::id() == id);
                up.raise();
            });
            AFTER.with(|parked| parked.borrow_mut().push(Box::new(look)));
        };
        if ours { thread::spawn(park).join() } else { std::thread::spawn(park).join() }.expect("no panic");
    }
    assert!(flag.is_up());
    assert_eq!(seen.all(), [true, true]);
}

#[test]
fn a_thread_that_first_touches_us_while_it_dies_is_listed_no_longer_than_it_lives() {
    let handles = Log::new();
    let log = handles.clone();
    std::thread::spawn(move || {
        let first = OnDrop(move || log.add(routines::current()));
        AFTER.with(|parked| parked.borrow_mut().push(Box::new(first)));
    })
    .join()
    .expect("no panic");
    let handle = handles.all().pop().expect("the destructor ran");
    assert_eq!(handle.state(), State::Done);
    assert!(!routines::ids().contains(&handle.id()));
}

#[test]
fn the_result_of_a_thread_may_hold_values_of_its_locals() {
    static HELD: Local<Counted<u32>> = Local::new();
    let drops = Drops::new();
    let value = drops.value(3);
    let arc = thread::spawn(move || {
        HELD.set(value);
        HELD.get_arc()
    });
    let arc = arc.join().expect("no panic").expect("it was set");
    assert_eq!((arc.tag, drops.alive()), (3, 1));
    drop(arc);
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_process_may_exit_with_everything_still_open() {
    thread_local!(static OPEN: Cell<bool> = const { Cell::new(false) });
    let stderr = in_child("threads_exit::a_process_may_exit_with_everything_still_open", || {
        OPEN.set(true);
        KEY.set(1);
        std::mem::forget(NAMED.sync_scope("open".into(), Snapshot::capture).enter());
        std::mem::forget(RoutineBuilder::new(Kind::Task).future(async {}));
        drop(thread::spawn(|| KEY.sync_scope(2, std::thread::park)));
    });
    assert!(stderr.is_none_or(|text| !text.contains("panicked")));
}
