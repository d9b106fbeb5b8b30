//! Bound callbacks run, again and again, in the context they were bound in.

use routines::{Inherit, Kind, Local, RoutineId, RoutineInfo, Snapshot, bind_fn, bind_mut};

use crate::support::{Counted, Drops, Log, OnDrop, caught, elsewhere};

static KEY: Local<u32> = Local::new();

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

/// Binds a callback in one of the ways.
type Bind<R> = fn(Box<dyn Fn() -> R + Send>) -> Box<dyn FnMut() -> R + Send>;

fn by_ref<R: 'static>(f: Box<dyn Fn() -> R + Send>) -> Box<dyn FnMut() -> R + Send> {
    let f = bind_fn(move |()| f());
    Box::new(move || f(()))
}

fn by_mut<R: 'static>(f: Box<dyn Fn() -> R + Send>) -> Box<dyn FnMut() -> R + Send> {
    let mut f = bind_mut(move |()| f());
    Box::new(move || f(()))
}

fn ways<R: 'static>() -> [(&'static str, Bind<R>); 2] {
    [("bind_fn", by_ref), ("bind_mut", by_mut)]
}

#[test]
fn r02_each_call_sees_what_was_bound_when_the_callback_was() {
    for (name, bind) in ways() {
        let mut callback = KEY.sync_scope(1, || bind(Box::new(|| KEY.get())));
        let seen = elsewhere(|| KEY.sync_scope(2, || [callback(), callback(), KEY.get()]));
        assert_eq!((seen, callback()), ([Some(1), Some(1), Some(2)], Some(1)), "{name}");
    }
}

#[test]
fn r03_what_a_call_sets_ends_with_the_call() {
    for (name, bind) in ways() {
        let mut callback = KEY.sync_scope(1, || bind(Box::new(|| KEY.set(2).as_deref().copied())));
        assert_eq!(([callback(), callback()], KEY.get()), ([Some(1); 2], None), "{name}");
    }
}

#[test]
fn r06_never_values_stay_behind_and_derived_ones_are_made_once_in_the_binder() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static SPAN: Local<(u32, Option<RoutineId>)> = Local::new().derive(|parent| (parent.0 + 1, routines::try_id()));
    for (name, bind) in ways() {
        let look = || bind(Box::new(|| (TX.get(), SPAN.get())));
        let mut callback = TX.sync_scope(1, || SPAN.sync_scope((0, None), look));
        let expected = (None, Some((1, Some(routines::id()))));
        assert_eq!([elsewhere(&mut callback), elsewhere(&mut callback), callback()], [expected; 3], "{name}");
    }
}

#[test]
fn r07_bound_in_an_empty_snapshot_it_starts_empty() {
    for (name, bind) in ways() {
        let look = || bind(Box::new(|| KEY.get()));
        let mut callback = KEY.sync_scope(1, || Snapshot::empty().sync_scope(look));
        assert_eq!(KEY.sync_scope(2, &mut callback), None, "{name}");
    }
}

#[test]
fn r09_called_by_its_binder_it_runs_there_and_elsewhere_each_call_is_a_child() {
    for (name, bind) in ways() {
        let mut callback = bind(Box::new(info));
        assert_eq!(callback().id, routines::id(), "{name}");
        let [first, second] = elsewhere(|| [callback(), callback()]);
        assert_ne!(first.id, second.id, "{name}");
        for seen in [first, second] {
            assert_eq!((seen.parent, seen.kind), (Some(routines::id()), Kind::Job), "{name}");
            assert!(!routines::ids().contains(&seen.id), "{name}");
        }
    }
}

#[test]
fn a_callback_says_where_it_was_bound() {
    let (by_ref, line) = (bind_fn(|()| info().spawned_at), line!());
    let mut by_mut = bind_mut(|()| info().spawned_at);
    let at = |line: u32| Some(format!("{}:{line}", file!()));
    assert_eq!((elsewhere(|| by_ref(())), elsewhere(|| by_mut(()))), (at(line), at(line + 1)));
}

#[test]
fn r10_after_a_panic_the_caller_is_as_it_was_and_the_callback_can_be_called_again() {
    for (name, bind) in ways() {
        let fails = Log::new();
        let log = fails.clone();
        let call = move || {
            log.add((KEY.get(), routines::id()));
            assert_ne!(log.all().len(), 1, "on purpose");
        };
        let mut callback = KEY.sync_scope(1, || bind(Box::new(call)));
        elsewhere(|| {
            let me = routines::id();
            KEY.sync_scope(2, || {
                assert!(caught(&mut callback).is_err(), "{name}");
                assert_eq!((KEY.get(), routines::id()), (Some(2), me), "{name}");
                callback();
            });
        });
        let [(first, one), (second, two)] = fails.all()[..] else { panic!("{name}: two calls") };
        assert_eq!((first, second), (Some(1), Some(1)), "{name}");
        assert!(!routines::ids().iter().any(|id| [one, two].contains(id)), "{name}");
    }
}

#[test]
fn r11_a_callback_is_dropped_inside_its_context_called_or_not() {
    for (name, bind) in ways() {
        for calls in [0, 2] {
            let seen = Log::new();
            let log = seen.clone();
            let dropped = OnDrop(move || log.add(KEY.get()));
            let owns = move || {
                let _ = &dropped;
            };
            let callback = KEY.sync_scope(1, || bind(Box::new(owns)));
            elsewhere(|| {
                let mut callback = callback;
                (0..calls).for_each(|_| callback());
            });
            assert_eq!(seen.all(), [Some(1)], "{name}");
        }
    }
}

#[test]
fn r11_a_callback_leaves_no_value_behind() {
    static HELD: Local<Counted<u32>> = Local::new().named("held by a callback");
    for (name, bind) in ways() {
        for away in [false, true] {
            let drops = Drops::new();
            let made = drops.clone();
            let set = move || drop(HELD.set(made.value(2)));
            let mut callback = HELD.sync_scope(drops.value(1), || bind(Box::new(set)));
            if away {
                elsewhere(|| (0..3).for_each(|_| callback()))
            } else {
                (0..3).for_each(|_| callback())
            }
            assert_eq!(drops.alive_beside(1), 1, "{name}");
            drop(callback);
            assert_eq!((drops.alive(), info().values.len()), (0, 0), "{name}");
        }
    }
}

#[test]
fn a_callback_keeps_what_it_changes() {
    let mut sum = 0;
    let mut add = bind_mut(|n: u32| {
        sum += n;
        sum
    });
    assert_eq!([add(1), elsewhere(|| add(2)), add(3)], [1, 3, 6]);
}
