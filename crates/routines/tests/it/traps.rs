//! The traps W1 to W18: what goes wrong in a published peer, done here.

use std::any::Any;
use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use routines::{Bindings, FutureExt, Kind, Local, RoutineBuilder, Snapshot, bind, thread};

use crate::support::{Drops, Hook, Log, OnDrop, caught, elsewhere, in_child, panic_of, poll_once, ready, yield_now};

#[test]
fn w01_a_value_whose_destructor_reads_the_context_does_not_find_it_borrowed() {
    static KEY: Local<Hook> = Local::new();
    static OTHER: Local<u32> = Local::new();
    let seen = Log::new();
    let log = seen.clone();
    OTHER.set(1);
    KEY.set(Hook::new(move || log.add((OTHER.get(), KEY.is_bound()))));
    let log = seen.clone();
    drop(KEY.set(Hook::new(move || log.add((OTHER.get(), KEY.is_bound())))));
    assert_eq!(seen.all(), [(Some(1), true)]);
    KEY.sync_scope(Hook::new(|| drop(OTHER.set(2))), || ());
    drop(KEY.remove());
    assert_eq!(seen.all(), [(Some(1), true), (Some(2), false)]);
}

#[test]
fn w02_a_guard_parked_in_a_thread_local_does_not_abort_the_process_at_thread_exit() {
    thread_local!(static PARKED: RefCell<Vec<Box<dyn Any>>> = const { RefCell::new(Vec::new()) });
    static KEY: Local<Hook> = Local::new();
    in_child("traps::w02_a_guard_parked_in_a_thread_local_does_not_abort_the_process_at_thread_exit", || {
        for ours in [true, false] {
            for parked_first in [true, false] {
                let park = move || {
                    if parked_first {
                        PARKED.with(|parked| parked.borrow_mut().push(Box::new(())));
                    }
                    let value = Hook::new(|| drop(KEY.sync_scope(Hook::new(|| ()), Snapshot::capture).enter()));
                    let guard = KEY.sync_scope(value, Snapshot::capture).enter();
                    PARKED.with(|parked| parked.borrow_mut().push(Box::new(guard)));
                };
                let joined = if ours { thread::spawn(park).join() } else { std::thread::spawn(park).join() };
                assert!(joined.is_ok());
            }
        }
    });
}

#[test]
fn w03_a_future_is_dropped_with_its_context() {
    static KEY: Local<u32> = Local::new();
    let seen = Log::new();
    let look = |seen: Log<Option<u32>>| OnDrop(move || seen.add(KEY.get()));
    let (unpolled, polled) = (look(seen.clone()), look(seen.clone()));
    let unpolled = KEY.scope(1, async move { drop(unpolled) });
    let mut polled = Box::pin(KEY.scope(2, async move {
        let _polled = polled;
        yield_now().await;
        yield_now().await;
    }));
    assert!(poll_once(polled.as_mut()).is_pending());
    elsewhere(|| drop((unpolled, polled)));
    assert_eq!(seen.all(), [Some(1), Some(2)]);
}

#[test]
fn w04_guards_dropped_out_of_order_leave_no_dead_value_current() {
    static KEY: Local<u32> = Local::new();
    let (one, two) = (KEY.sync_scope(1, Snapshot::capture), KEY.sync_scope(2, Snapshot::capture));
    let (first, second) = (one.enter(), two.enter());
    drop(first);
    assert_eq!(KEY.get(), Some(2));
    drop(second);
    assert_eq!(KEY.get(), None);
}

#[test]
fn w05_a_guard_cannot_leave_its_thread() {
    assert!(!crate::support::implements!(routines::Guard: Send));
    assert!(crate::support::implements!(routines::Snapshot: Send));
}

#[test]
fn w06_a_scope_can_be_entered_while_a_value_is_lent() {
    static KEY: Local<u32> = Local::new();
    KEY.set(1);
    let inner = KEY.with(|outer| {
        let polled = ready(KEY.scope(3, async { KEY.get() }));
        (*outer, KEY.sync_scope(2, || KEY.get()), polled)
    });
    assert_eq!(inner, Some((1, Some(2), Some(3))));
}

#[test]
fn w07_a_first_access_inside_a_first_access_works() {
    static INNER: Local<u32> = Local::with_default(|| 1);
    static MIDDLE: Local<u32> = Local::with_default(|| INNER.get().unwrap_or(0) + 10);
    static OUTER: Local<String> = Local::with_default(|| {
        MIDDLE.set(MIDDLE.get().unwrap_or(0) + 100);
        thread::spawn(|| MIDDLE.get()).join().expect("no panic").unwrap_or(0).to_string()
    });
    assert_eq!(OUTER.get().as_deref(), Some("111"));
    assert_eq!((INNER.get(), MIDDLE.get()), (Some(1), Some(111)));
}

// W8 needs tokio: `routines-tokio/tests/it/traps.rs`. This is what can be told without.
#[test]
fn w08_a_host_that_polls_foreign_carried_work_does_not_lend_it_its_values() {
    static KEY: Local<u32> = Local::new();
    let (detached, inherited) = (async { KEY.get() }.detached(), async { KEY.get() }.inherit());
    elsewhere(|| KEY.sync_scope(1, || assert_eq!((ready(detached), ready(inherited)), (None, None))));
}

#[test]
fn w09_no_value_stays_on_the_thread_after_a_panic() {
    static KEY: Local<u32> = Local::new();
    static NAMED: Local<u32> = Local::new().named("named of w09");
    let boom = || {
        KEY.set(9);
        NAMED.set(9);
        panic!("boom")
    };
    let frames: [&dyn Fn(); 7] = [
        &|| KEY.sync_scope(1, boom),
        &|| NAMED.sync_scope(1, boom),
        &|| Bindings::new().with(&KEY, 1).with(&NAMED, 1).sync_scope(boom),
        &|| Snapshot::empty().sync_scope(boom),
        &|| ready(KEY.scope(1, async { boom() })),
        &|| bind(boom)(),
        &|| RoutineBuilder::new(Kind::Job).job(boom)(),
    ];
    for frame in frames {
        assert!(caught(frame).is_err());
        assert_eq!((KEY.get(), NAMED.get()), (None, None));
        assert!(routines::current().info().expect("it lives").values.is_empty());
    }
}

#[test]
fn w10_a_guard_held_across_an_await_leaks_into_no_sibling_and_is_reported_once() {
    static KEY: Local<u32> = Local::new();
    let test = "traps::w10_a_guard_held_across_an_await_leaks_into_no_sibling_and_is_reported_once";
    let stderr = in_child(test, || {
        let branch = |value: u32| {
            async move {
                let guard = KEY.sync_scope(value, Snapshot::capture).enter();
                let before = KEY.get();
                yield_now().await;
                let after = KEY.get();
                drop(guard);
                (before, after)
            }
            .inherit()
        };
        for _ in 0..3 {
            let (mut a, mut b) = (pin!(branch(1)), pin!(branch(2)));
            assert!(poll_once(a.as_mut()).is_pending());
            assert!(poll_once(b.as_mut()).is_pending());
            assert_eq!(KEY.get(), None);
            assert_eq!(poll_once(a), std::task::Poll::Ready((Some(1), None)));
            assert_eq!(poll_once(b), std::task::Poll::Ready((Some(2), None)));
        }
    });
    if let Some(stderr) = stderr {
        assert_eq!(stderr.matches("was live while its task was suspended").count(), 1, "{stderr}");
        assert!(stderr.contains("tests/it/traps.rs:"), "{stderr}");
    }
}

#[test]
fn w11_a_child_and_its_parent_may_write_at_the_same_time() {
    static KEYS: [Local<String>; 12] = [const { Local::new() }; 12];
    KEYS.iter().for_each(|key| drop(key.set("parent".into())));
    let (rounds, together) = (if cfg!(miri) { 20 } else { 2000 }, Arc::new(Barrier::new(2)));
    let write = move |who: &'static str, together: Arc<Barrier>| {
        together.wait();
        for round in 0..rounds {
            KEYS[round % 12].set(format!("{who}{round}"));
            assert!(KEYS[round % 12].get().is_some_and(|v| v.starts_with(who)));
        }
    };
    let theirs = together.clone();
    let child = thread::spawn(move || write("child", theirs));
    write("mine", together);
    child.join().expect("no panic");
    assert!(KEYS.iter().all(|key| key.get().is_some_and(|v| v.starts_with("mine"))));
}

/// What `f` allocates, in number and bytes.
fn allocations(f: impl FnOnce()) -> (u64, u64) {
    let info = allocation_counter::measure(f);
    (info.count_total, info.bytes_total)
}

fn filled(keys: &[Local<u64>]) {
    keys.iter().for_each(|key| drop(key.set(1)));
}

#[test]
fn w12_capture_and_spawn_cost_the_same_for_one_local_and_for_ten_thousand() {
    let keys: Vec<Local<u64>> = (0..10_000).map(|_| Local::new()).collect();
    let cost = |held: usize| {
        elsewhere(|| {
            filled(&keys[..held]);
            drop(RoutineBuilder::new(Kind::Task).job(|| ()));
            let capture = allocations(|| drop(Snapshot::capture()));
            let spawn = allocations(|| drop(RoutineBuilder::new(Kind::Task).job(|| ())));
            let inherit = allocations(|| drop(async {}.inherit()));
            (capture, spawn, inherit)
        })
    };
    let one = cost(1);
    assert_eq!(one.0, (0, 0), "capturing allocates nothing");
    assert_eq!(cost(10_000), one);
}

#[test]
fn w12_the_first_write_after_a_capture_costs_the_same_for_ten_and_for_ten_thousand() {
    let keys: Vec<Local<u64>> = (0..10_000).map(|_| Local::new()).collect();
    let cost = |held: usize| {
        elsewhere(|| {
            filled(&keys[..held]);
            let _snapshot = Snapshot::capture();
            allocations(|| drop(keys[0].set(2)))
        })
    };
    assert_eq!(cost(10), cost(10_000));
}

#[test]
fn w13_reads_do_not_slow_down_with_nesting_depth() {
    static HIT: Local<u32> = Local::new();
    static MISS: Local<u32> = Local::new();
    static LEVEL: Local<usize> = Local::new();
    const DEPTH: usize = if cfg!(miri) { 50 } else { 10_000 };
    // Reads that walked the levels would take half a minute here; there is nothing else to see of their cost.
    fn down(level: usize) {
        for _ in 0..20 {
            assert_eq!((HIT.get(), MISS.get(), LEVEL.get()), (Some(1), None, level.checked_sub(1)));
        }
        if level < DEPTH {
            LEVEL.sync_scope(level, || down(level + 1));
        }
    }
    let deep = std::thread::Builder::new().stack_size(512 << 20);
    deep.spawn(|| HIT.sync_scope(1, || down(0))).expect("a thread").join().expect("no panic");
}

#[test]
fn w14_a_new_variable_does_not_read_the_value_of_a_dropped_one_whose_slot_it_got() {
    let (snapshot, bindings, idle);
    {
        let old: Local<u64> = Local::new();
        old.set(7);
        snapshot = Snapshot::capture();
        bindings = Bindings::new().with(&old, 8);
        idle = bind(|| (0..200).map(|_| Local::<u64>::new()).all(|new| new.get().is_none()));
    }
    // Among this many new keys is one with the old slot.
    let new: Vec<Local<u64>> = (0..200).map(|_| Local::new()).collect();
    new.iter().for_each(|key| assert!(key.sync_scope(1, || key.get()) == Some(1) && key.get().is_none()));
    assert!(new.iter().all(|key| key.get().is_none()));
    assert!(snapshot.sync_scope(|| new.iter().all(|key| key.get().is_none())));
    assert!(bindings.sync_scope(|| new.iter().all(|key| key.get().is_none())));
    assert!(new.iter().all(|key| snapshot.get(key).is_none() && bindings.get(key).is_none()));
    assert_eq!((snapshot.len(), bindings.len()), (0, 0));
    assert!(elsewhere(idle));
}

#[test]
fn w15_a_contexts_size_follows_the_values_held_and_not_the_highest_index() {
    let keys: Vec<Local<u64>> = (0..4096).map(|_| Local::new()).collect();
    keys.iter().for_each(|key| key.sync_scope(0, || ()));
    let held = |held: &[usize]| {
        elsewhere(|| {
            // The thread's own record is not what is weighed.
            let _touch = routines::id();
            allocations(|| held.iter().for_each(|at| drop(keys[*at].set(1))))
        })
    };
    let low = held(&[0]);
    assert!(low.1 < 256, "{low:?}");
    assert_eq!(held(&[1023]), low);
    assert_eq!(held(&[4095]), low);
    // Indices that agree in their low bits, the worst case for a table.
    let apart = held(&[0, 1024, 2048, 3072]);
    assert!(apart.1 < 4096, "{apart:?}");
}

#[test]
fn w16_a_default_that_reads_its_own_variable_is_a_clear_error() {
    static KEY: Local<u32> = Local::with_default(|| KEY.get().unwrap_or(0) + 1).named("self of w16");
    static RING_A: Local<u32> = Local::with_default(|| RING_B.get().unwrap_or(0));
    static RING_B: Local<u32> = Local::with_default(|| RING_A.get().unwrap_or(0));
    let (message, file, _) = panic_of(|| KEY.get());
    assert!(message.contains("`self of w16`") && file.ends_with("traps.rs"), "{message} at {file}");
    assert!(!KEY.is_bound());
    assert!(panic_of(|| RING_A.get()).0.contains("default"));
    KEY.set(1);
    assert_eq!(KEY.get(), Some(1));
}

#[test]
fn w16_a_default_that_panics_stores_nothing_and_runs_again() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static KEY: Local<usize> = Local::with_default(|| match RUNS.fetch_add(1, Ordering::Relaxed) {
        run if run < 2 => panic!("not yet"),
        run => run,
    });
    assert!(caught(|| KEY.get()).is_err());
    assert!(!KEY.is_bound());
    assert!(caught(|| KEY.with(|_| ())).is_err());
    assert_eq!((KEY.get(), KEY.get()), (Some(2), Some(2)));
}

#[test]
fn w17_wrapping_twice_on_one_thread_deletes_nothing_of_the_outer_at_the_inner_exit() {
    static KEY: Local<u32> = Local::new();
    static OTHER: Local<u32> = Local::new();
    bind(|| {
        KEY.set(1);
        bind(|| OTHER.set(2))();
        assert_eq!((KEY.get(), OTHER.get()), (Some(1), None));
        ready(async { KEY.set(3) }.inherit());
        RoutineBuilder::new(Kind::Job).job(|| KEY.remove())();
        assert_eq!(KEY.get(), Some(1));
    })();
    assert_eq!(KEY.get(), None);
}

#[test]
fn w18_the_values_of_a_live_routine_are_never_swept() {
    static KEY: Local<String> = Local::new();
    static STOP: AtomicBool = AtomicBool::new(false);
    let (tell, told) = mpsc::channel();
    let long_lived = thread::spawn(move || {
        KEY.set("mine".into());
        tell.send(()).expect("the test listens");
        while !STOP.load(Ordering::Relaxed) {
            assert_eq!(KEY.with(|v| v == "mine"), Some(true));
            std::thread::yield_now();
        }
        (KEY.get(), routines::ids().contains(&routines::id()))
    });
    told.recv().expect("the thread sends");
    KEY.set("kept".into());
    for _ in 0..if cfg!(miri) { 3 } else { 300 } {
        drop(thread::spawn(|| KEY.set("child".into()).is_some()).join());
        drop(RoutineBuilder::new(Kind::Task).job(|| KEY.remove().is_some()));
    }
    STOP.store(true, Ordering::Relaxed);
    assert_eq!(long_lived.join().expect("no panic"), (Some("mine".into()), true));
    assert_eq!(KEY.get().as_deref(), Some("kept"));
}

#[test]
fn w03_drops_of_a_context_are_counted_once() {
    static KEY: Local<crate::support::Counted<()>> = Local::new();
    let drops = Drops::new();
    let future = KEY.scope(drops.value(()), async {});
    let mut future = Box::pin(future);
    assert!(poll_once(future.as_mut()).is_ready());
    assert_eq!((drops.count(), drops.alive()), (1, 0));
    drop(future);
    assert_eq!(drops.count(), 1);
}
