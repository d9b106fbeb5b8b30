//! Keys in numbers: every population, every layout of a table, deep nesting, dynamic keys that come and go, clears.

use routines::{Bindings, FutureExt, Inherit, Local, Snapshot, bind, bind_fn, thread};

use crate::support::{Counted, Drops, elsewhere, in_child, poll_once, ready, yield_now};

fn fresh(count: usize) -> Vec<Local<usize>> {
    (0..count).map(|_| Local::new()).collect()
}

fn all(keys: &[Local<usize>]) -> Vec<Option<usize>> {
    keys.iter().map(Local::get).collect()
}

fn numbered(count: usize, offset: usize) -> Vec<Option<usize>> {
    (0..count).map(|n| Some(n + offset)).collect()
}

// ===== populations =====

/// The keys as they are, by name and by policy: each has a table of its own.
fn populations(test: impl Fn(&[Local<usize>]) + Sync) {
    let largest = if cfg!(miri) { 18 } else { 64 };
    for count in 1..=largest {
        for make in [
            Local::new as fn() -> Local<usize>,
            || Local::new().named("populated"),
            || Local::new().inherit(Inherit::Never),
        ] {
            let keys: Vec<_> = (0..count).map(|_| make()).collect();
            elsewhere(|| test(&keys));
        }
    }
}

#[test]
fn every_population_is_set_read_missed_and_removed_key_by_key() {
    populations(|keys| {
        let count = keys.len();
        for (at, key) in keys.iter().enumerate() {
            assert_eq!(key.get(), None);
            assert!(key.set(at).is_none());
            assert_eq!(all(&keys[..=at]), numbered(at + 1, 0));
        }
        assert!(keys.iter().enumerate().all(|(at, key)| key.set(at + 100).is_some_and(|old| old == at)));
        assert_eq!(all(keys), numbered(count, 100));
        for (at, key) in keys.iter().enumerate() {
            assert!(key.remove().is_some_and(|old| old == at + 100));
            assert!(key.remove().is_none() && key.get().is_none());
            assert_eq!(all(&keys[at + 1..]), numbered(count - at - 1, at + 101));
        }
        assert!(Snapshot::capture().is_empty());
    });
}

#[test]
fn every_population_is_captured_and_stays_as_it_was_captured() {
    populations(|keys| {
        let crosses = keys[0].name().is_some() || !format!("{:?}", keys[0]).contains("Never");
        let expected = |offset| if crosses { numbered(keys.len(), offset) } else { vec![None; keys.len()] };
        keys.iter().enumerate().for_each(|(at, key)| drop(key.set(at)));
        let first = Snapshot::capture();
        let mut between = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            key.set(at + 100);
            between.push(Snapshot::capture());
            assert_eq!(all(&keys[..=at]), numbered(at + 1, 100));
            assert_eq!(all(&keys[at + 1..]), numbered(keys.len() - at - 1, at + 1));
        }
        let last = Snapshot::capture();
        keys.iter().for_each(|key| drop(key.remove()));
        assert_eq!(first.sync_scope(|| all(keys)), expected(0));
        assert_eq!(last.sync_scope(|| all(keys)), expected(100));
        for (at, snapshot) in between.iter().enumerate() {
            assert_eq!(snapshot.len(), if crosses { keys.len() } else { 0 });
            assert_eq!(snapshot.get(&keys[at]).map(|v| *v), expected(100)[at]);
        }
        assert!(keys.iter().all(|key| key.get().is_none()));
    });
}

#[test]
fn the_last_write_wins_in_every_layout_whatever_was_captured_and_let_go_in_between() {
    // Writes over a frozen base, and new keys that do not fit in it, folded back when the capture goes.
    let largest = if cfg!(miri) { 10 } else { 24 };
    for held in 1..=largest {
        for more in 0..=9 {
            for rewritten in 0..held.min(6) {
                let keys = fresh(held + more);
                elsewhere(|| {
                    keys[..held].iter().enumerate().for_each(|(at, key)| drop(key.set(at)));
                    let snapshot = Snapshot::capture();
                    keys[rewritten].set(1000);
                    (held..held + more).for_each(|at| drop(keys[at].set(at)));
                    drop(snapshot);
                    keys[held - 1].set(2000);
                    let mut expected = numbered(held + more, 0);
                    expected[rewritten] = Some(1000);
                    expected[held - 1] = Some(2000);
                    assert_eq!(all(&keys), expected, "{held} held, {more} more, {rewritten} rewritten");
                });
            }
        }
    }
}

#[test]
fn every_population_nests_and_unwinds() {
    fn nest(keys: &[Local<usize>], at: usize) {
        let Some(key) = keys.get(at) else { return assert_eq!(all(keys), numbered(keys.len(), 100)) };
        let before = all(keys);
        key.sync_scope(at + 100, || {
            nest(keys, at + 1);
            if at.is_multiple_of(3) {
                keys[0].set(5);
            }
        });
        assert_eq!(all(keys), before);
    }
    populations(|keys| {
        nest(keys, 0);
        keys.iter().for_each(|key| drop(key.set(1)));
        nest(keys, 0);
        assert_eq!(all(keys), vec![Some(1); keys.len()]);
    });
}

#[test]
fn ten_thousand_keys_are_held_captured_and_removed_at_once() {
    let count = if cfg!(miri) { 200 } else { 10_000 };
    let keys = fresh(count);
    elsewhere(|| {
        keys.iter().enumerate().for_each(|(at, key)| drop(key.set(at)));
        let snapshot = Snapshot::capture();
        keys.iter().step_by(2).for_each(|key| drop(key.remove()));
        assert!(keys.iter().enumerate().all(|(at, key)| key.get() == (at % 2 == 1).then_some(at)));
        assert_eq!(snapshot.len(), count);
        assert_eq!(snapshot.sync_scope(|| all(&keys)), numbered(count, 0));
    });
}

// ===== depth =====

const DEPTH: usize = if cfg!(miri) { 30 } else { 10_000 };

/// Runs `f` on a stack of the size every thread has.
fn on_a_usual_stack(f: impl FnOnce() + Send + 'static) {
    let usual = std::thread::Builder::new().stack_size(8 << 20);
    usual.spawn(f).expect("a thread").join().expect("no panic");
}

static DEEP: Local<usize> = Local::new();

#[test]
fn ten_thousand_nested_scopes_fit_a_stack_of_eight_megabytes() {
    fn down(level: usize) {
        if level == DEPTH {
            return;
        }
        DEEP.sync_scope(level, || down(level + 1));
        assert_eq!(DEEP.get(), level.checked_sub(1));
    }
    in_child("keys::ten_thousand_nested_scopes_fit_a_stack_of_eight_megabytes", || on_a_usual_stack(|| down(0)));
}

#[test]
fn ten_thousand_nested_snapshot_frames_fit_a_stack_of_eight_megabytes() {
    fn down(level: usize) {
        if level == DEPTH {
            return;
        }
        DEEP.set(level);
        Snapshot::capture().sync_scope(|| down(level + 1));
        assert_eq!(DEEP.get(), Some(level));
    }
    in_child("keys::ten_thousand_nested_snapshot_frames_fit_a_stack_of_eight_megabytes", || {
        on_a_usual_stack(|| down(0));
    });
}

#[test]
fn ten_thousand_guards_may_be_live_and_dropped_in_any_order() {
    on_a_usual_stack(|| {
        let snapshots: Vec<_> = (0..DEPTH).map(|n| DEEP.sync_scope(n, Snapshot::capture)).collect();
        for order in [0, 1, 2] {
            let mut guards: Vec<_> = snapshots.iter().map(Snapshot::enter).collect();
            assert_eq!(DEEP.get(), Some(DEPTH - 1));
            match order {
                0 => guards.drain(..).for_each(drop),
                1 => guards.drain(..).rev().for_each(drop),
                _ => {
                    let last = guards.pop();
                    drop(guards.drain(..).step_by(2));
                    assert_eq!(DEEP.get(), Some(DEPTH - 1), "the youngest is live");
                    drop(last);
                }
            }
            assert_eq!(DEEP.get(), None, "order {order}");
        }
    });
}

#[test]
fn a_deeply_nested_future_is_polled_and_dropped() {
    type Nested = std::pin::Pin<Box<dyn Future<Output = usize> + Send>>;
    let depth = if cfg!(miri) { 20 } else { 1000 };
    let make = || {
        let innermost: Nested = Box::pin(async {
            yield_now().await;
            DEEP.get().unwrap_or(usize::MAX)
        });
        (0..depth).fold(innermost, |inner, level| Box::pin(DEEP.scope(level, inner)))
    };
    let (mut polled, mut dropped) = (make(), make());
    assert!(poll_once(polled.as_mut()).is_pending() && poll_once(dropped.as_mut()).is_pending());
    assert_eq!(poll_once(polled.as_mut()), std::task::Poll::Ready(0));
    drop(dropped);
    assert_eq!(DEEP.get(), None);
}

// ===== dynamic keys =====

#[test]
fn a_dropped_key_frees_its_values_wherever_they_are_when_they_are_next_looked_at() {
    let drops = Drops::new();
    for others in [0, 3, 6, 14] {
        let filler = fresh(others);
        elsewhere(|| {
            filler.iter().for_each(|key| drop(key.set(1)));
            let key: Local<Counted<u32>> = Local::new();
            key.set(drops.value(1));
            let (snapshot, bindings) = (Snapshot::capture(), Bindings::new().with(&key, drops.value(2)));
            let (job, callback) = (bind(|| ()), bind_fn(|()| ()));
            let mut idle = Box::pin(async { yield_now().await }.inherit());
            elsewhere(|| assert!(poll_once(idle.as_mut()).is_pending()));
            drop(key);
            assert_eq!((snapshot.len(), bindings.len()), (others, 0));
            snapshot.sync_scope(|| ());
            bindings.sync_scope(|| ());
            job();
            callback(());
            elsewhere(|| assert!(poll_once(idle.as_mut()).is_ready()));
            drop((snapshot, bindings, callback));
            assert_eq!(drops.alive(), 0, "with {others} others");
        });
    }
}

#[test]
fn keys_that_come_and_go_use_no_more_slots_and_read_no_old_value() {
    let rounds = if cfg!(miri) { 40 } else { 5000 };
    let (_, info) = {
        let drops = Drops::new();
        let counts = drops.clone();
        let run = move || {
            for round in 0..rounds {
                let key: Local<Counted<usize>> = Local::new();
                assert!(key.get().is_none());
                key.set(counts.value(round));
                assert!(key.with(|v| v.tag == round).unwrap_or(false));
                if round % 3 == 0 {
                    drop(Snapshot::capture());
                }
            }
        };
        // What stays allocated after thousands of keys is a few tables, not a slot per key.
        let info = allocation_counter::measure(run);
        assert_eq!(drops.alive(), 0);
        (drops, info)
    };
    assert!(info.bytes_current < 4096, "{info:?}");
}

#[test]
fn keys_are_made_used_and_dropped_by_many_threads_at_once() {
    let rounds = if cfg!(miri) { 10 } else { 500 };
    let drops = Drops::new();
    thread::scope(|s| {
        for _ in 0..4 {
            let drops = drops.clone();
            s.spawn(move || {
                for round in 0..rounds {
                    let keys: Vec<Local<Counted<usize>>> = (0..5).map(|_| Local::new()).collect();
                    keys.iter().for_each(|key| assert!(key.set(drops.value(round)).is_none()));
                    let snapshot = Snapshot::capture();
                    keys.iter().for_each(|key| assert_eq!(key.with(|v| v.tag), Some(round)));
                    drop(keys);
                    assert_eq!(snapshot.len(), 0);
                }
            });
        }
    });
    assert_eq!(drops.alive(), 0);
}

#[test]
fn one_static_key_is_registered_once_by_threads_that_touch_it_first_together() {
    static KEYS: [Local<usize>; 200] = [const { Local::new() }; 200];
    let start = std::sync::Barrier::new(4);
    std::thread::scope(|s| {
        for thread in 0..4 {
            let start = &start;
            s.spawn(move || {
                start.wait();
                KEYS.iter().enumerate().for_each(|(at, key)| drop(key.set(at + thread * 1000)));
                assert_eq!(all(&KEYS), numbered(200, thread * 1000));
            });
        }
    });
}

// ===== clear =====

#[test]
fn a_clear_reaches_every_layout_and_every_holder() {
    for held in [1, 3, 4, 5, 6, 12, 13, 14, 30] {
        for frozen in [false, true] {
            let keys = fresh(held);
            elsewhere(|| {
                keys.iter().enumerate().for_each(|(at, key)| drop(key.set(at)));
                let snapshot = Snapshot::capture();
                let holds = frozen.then(|| snapshot.clone());
                // A delta over the frozen base, and a value below it.
                keys[0].set(100);
                let (idle, job, callback) =
                    (async { all(&keys) }.inherit(), bind(|| all(&keys)), bind_fn(|()| all(&keys)));
                let last = held - 1;
                keys[last].clear();
                let mut expected = numbered(held, 0);
                expected[0] = Some(100);
                expected[last] = None;
                assert_eq!(all(&keys), expected);
                assert_eq!((ready(idle), job(), callback(())), (expected.clone(), expected.clone(), expected.clone()));
                keys[last].set(7);
                expected[last] = Some(7);
                assert_eq!(all(&keys), expected);
                assert_eq!(snapshot.sync_scope(|| all(&keys)), numbered(held, 0), "a snapshot keeps its values");
                drop(holds);
            });
        }
    }
}

#[test]
fn clears_while_others_set_and_read_lose_nothing_else() {
    static CLEARED: Local<Counted<u32>> = Local::new();
    static KEPT: Local<u32> = Local::new();
    let (rounds, drops) = (if cfg!(miri) { 20 } else { 5000 }, Drops::new());
    thread::scope(|s| {
        for _ in 0..2 {
            let drops = drops.clone();
            s.spawn(move || {
                for round in 0..rounds {
                    KEPT.set(round);
                    CLEARED.set(drops.value(round));
                    assert!(CLEARED.with(|v| v.tag).is_none_or(|seen| seen == round));
                    assert_eq!(KEPT.get(), Some(round));
                    CLEARED.sync_scope(drops.value(round), || drop(KEPT.set(round + 1)));
                    assert_eq!(KEPT.get(), Some(round));
                }
            });
        }
        (0..rounds).for_each(|_| CLEARED.clear());
    });
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_clear_gives_a_key_that_children_inherit_again() {
    static KEY: Local<u32> = Local::new().derive(|parent| parent + 1).named("again of keys");
    for round in 0..3 {
        KEY.set(round);
        assert_eq!(thread::spawn(|| KEY.get()).join().expect("no panic"), Some(round + 1));
        KEY.clear();
        assert_eq!(thread::spawn(|| KEY.get()).join().expect("no panic"), None);
    }
}
