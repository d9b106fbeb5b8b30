//! Ids, parents, spawn lines, kinds and states: who is listed, from when, until when.

use std::collections::HashSet;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, mpsc};

use routines::{
    FutureExt, Inherit, Kind, Local, RoutineBuilder, RoutineId, RoutineInfo, Snapshot, State, bind, bind_fn, thread,
};

use crate::support::{OnDrop, elsewhere, poll_once, ready, yield_now};

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

#[track_caller]
fn here() -> Option<String> {
    let here = Location::caller();
    Some(format!("{}:{}", here.file(), here.line()))
}

#[test]
fn ids_are_unique_across_threads_that_start_at_the_same_time() {
    let (threads, each) = if cfg!(miri) { (3, 70) } else { (16, 1000) };
    let start = Barrier::new(threads);
    let ids: Vec<Vec<RoutineId>> = std::thread::scope(|s| {
        let take = || {
            start.wait();
            let task = || RoutineBuilder::new(Kind::Task).future(async {}).routine_id().expect("at once");
            (0..each).map(|_| task()).chain([routines::id()]).collect()
        };
        let all: Vec<_> = (0..threads).map(|_| s.spawn(take)).collect();
        all.into_iter().map(|t| t.join().expect("no panic")).collect()
    });
    let all: HashSet<_> = ids.iter().flatten().collect();
    assert_eq!(all.len(), threads * (each + 1));
    assert!(!all.contains(&RoutineId::MAIN));
}

#[test]
fn the_id_does_not_change_in_any_frame_of_the_routine() {
    static KEY: Local<u32> = Local::new();
    let me = routines::id();
    KEY.sync_scope(1, || assert_eq!(routines::id(), me));
    Snapshot::empty().sync_scope(|| assert_eq!(routines::id(), me));
    let _guard = Snapshot::capture().enter();
    assert_eq!((routines::id(), routines::try_id(), routines::current().id()), (me, Some(me), me));
    routines::flush();
    assert_eq!(routines::id(), me);
}

#[test]
fn every_child_knows_its_parent_its_kind_and_the_line_that_started_it() {
    let me = Some(routines::id());
    let check = |seen: RoutineInfo, kind: Kind, line: Option<String>| {
        assert_eq!((seen.parent, seen.kind, seen.spawned_at), (me, kind, line));
    };
    let (child, line) = (thread::spawn(info), here());
    check(child.join().expect("no panic"), Kind::Thread, line);
    let (child, line) = (thread::spawn_detached(info), here());
    check(child.join().expect("no panic"), Kind::Thread, line);
    let (child, line) = (thread::Builder::new().spawn(info), here());
    check(child.expect("a thread").join().expect("no panic"), Kind::Thread, line);
    let (child, line) = (thread::Builder::default().spawn(info), here());
    check(child.expect("a thread").join().expect("no panic"), Kind::Thread, line);
    thread::scope(|s| {
        let (child, line) = (s.spawn(info), here());
        check(child.join().expect("no panic"), Kind::Thread, line);
    });
    let (child, line) = (bind(info), here());
    check(elsewhere(child), Kind::Job, line);
    let (child, line) = (bind_fn(|()| info()), here());
    check(elsewhere(|| child(())), Kind::Job, line);
    let (child, line) = (async { info() }.inherit(), here());
    check(elsewhere(|| ready(child)), Kind::Task, line);
    let (child, line) = (async { info() }.detached(), here());
    check(elsewhere(|| ready(child)), Kind::Task, line);
    let (child, line) = (Snapshot::capture().scope(async { info() }), here());
    check(elsewhere(|| ready(child)), Kind::Task, line);
    static KEY: Local<u32> = Local::new();
    let (child, line) = (KEY.scope(1, async { info() }), here());
    check(elsewhere(|| ready(child)), Kind::Task, line);
    let (child, line) = (RoutineBuilder::new(Kind::Coroutine).job(info), here());
    check(elsewhere(child), Kind::Coroutine, line);
}

#[test]
fn the_parent_is_the_routine_that_spawned_and_not_the_thread_it_ran_on() {
    let task = RoutineBuilder::new(Kind::Task).future(async {
        let grandchild = thread::spawn(info).join().expect("no panic");
        (routines::id(), grandchild.parent)
    });
    let (id, parent) = elsewhere(|| ready(task));
    assert_eq!(parent, Some(id));
}

#[test]
fn a_thread_nobody_started_through_us_is_listed_from_its_first_touch_until_it_ends() {
    let (touch, touched) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let thread = std::thread::Builder::new().name("a stranger".into()).spawn(move || {
        touched.recv().expect("the test sends");
        tell.send(routines::id()).expect("the test listens");
        touched.recv().expect("the test sends");
    });
    let named = || routines::all().into_iter().find(|i| i.name.as_deref() == Some("a stranger"));
    assert!(named().is_none(), "not touched yet");
    touch.send(()).expect("it listens");
    let id = told.recv().expect("it sends");
    let listed = named().expect("touched");
    assert_eq!((listed.id, listed.parent, listed.kind, listed.spawned_at), (id, None, Kind::Thread, None));
    assert_eq!(listed.state, State::Running);
    touch.send(()).expect("it listens");
    thread.expect("a thread").join().expect("no panic");
    assert!(named().is_none() && !routines::ids().contains(&id));
}

#[test]
fn a_routine_is_listed_from_its_start_until_it_ends_or_is_dropped() {
    let listed = |id: Option<RoutineId>| routines::ids().contains(&id.expect("it has an id at once"));
    let task = RoutineBuilder::new(Kind::Task).future(async {});
    let id = task.routine_id();
    assert!(listed(id));
    drop(task);
    assert!(!listed(id));
    let mut task = Box::pin(RoutineBuilder::new(Kind::Task).future(yield_now()));
    let id = task.routine_id();
    let handle = |id: Option<RoutineId>| routines::all().into_iter().find(|i| Some(i.id) == id);
    assert_eq!(handle(id).map(|i| (i.state, i.polls)), Some((State::Idle, 0)));
    assert!(poll_once(task.as_mut()).is_pending());
    assert_eq!(handle(id).map(|i| (i.state, i.polls)), Some((State::Idle, 1)));
    assert!(poll_once(task.as_mut()).is_ready());
    assert!(!listed(id), "it has ended although the future still exists");
}

#[test]
fn a_handle_tells_the_state_and_that_the_routine_has_ended() {
    let (tell, told) = mpsc::channel();
    let mut task = Box::pin(RoutineBuilder::new(Kind::Task).name("handled").future(async move {
        tell.send(routines::current()).expect("the test listens");
        assert_eq!(routines::current().state(), State::Running);
        yield_now().await;
    }));
    elsewhere(|| assert!(poll_once(task.as_mut()).is_pending()));
    let handle = told.recv().expect("the task sends");
    assert_eq!((handle.state(), handle.name().as_deref()), (State::Idle, Some("handled")));
    drop(task);
    assert_eq!((handle.state(), handle.info(), handle.name()), (State::Done, None, None));
    // The record is used again by others; the handle must not show them.
    let others: Vec<_> = (0..200).map(|_| RoutineBuilder::new(Kind::Job).job(|| ())).collect();
    assert_eq!((handle.state(), handle.info()), (State::Done, None));
    drop(others);
}

#[test]
fn a_routine_may_be_named_at_its_start_or_later() {
    assert_eq!(RoutineBuilder::new(Kind::Job).name("early").job(|| info().name)().as_deref(), Some("early"));
    let later = thread::spawn(|| (routines::set_name("later"), info().name));
    assert_eq!(later.join().expect("no panic"), (true, Some("later".into())));
    let named =
        thread::Builder::new().name("both").spawn(|| (info().name, std::thread::current().name().map(str::to_owned)));
    assert_eq!(named.expect("a thread").join().expect("no panic"), (Some("both".into()), Some("both".into())));
    assert!(thread::Builder::new().name("nul\0").spawn(|| ()).is_err());
}

#[test]
fn a_named_routine_leaves_its_name_to_nobody() {
    for _ in 0..100 {
        RoutineBuilder::new(Kind::Job).name("left behind").job(|| routines::set_name("left behind"))();
        assert_eq!(RoutineBuilder::new(Kind::Job).job(|| info().name)(), None);
    }
}

#[test]
fn ids_may_be_listed_while_thousands_start_and_stop() {
    let rounds = if cfg!(miri) { 5 } else { 2000 };
    let done = Arc::new(AtomicBool::new(false));
    let steady: Vec<_> = (0..50).map(|_| RoutineBuilder::new(Kind::Task).future(async {})).collect();
    let steady_ids: HashSet<_> = steady.iter().filter_map(|task| task.routine_id()).collect();
    std::thread::scope(|s| {
        for _ in 0..3 {
            let done = done.clone();
            s.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let burst: Vec<_> =
                        (0..100).map(|_| RoutineBuilder::new(Kind::Job).name("burst").job(|| ())).collect();
                    // Ended here, and elsewhere than begun.
                    let mut burst = burst.into_iter();
                    burst.by_ref().take(50).for_each(|job| job());
                    elsewhere(move || drop(burst.collect::<Vec<_>>()));
                }
            });
        }
        for _ in 0..rounds / 10 {
            let ids = routines::ids();
            let unique: HashSet<_> = ids.iter().copied().collect();
            assert_eq!(unique.len(), ids.len(), "no id twice");
            assert!(steady_ids.is_subset(&unique), "who lives all the time is listed all the time");
            assert!(unique.contains(&routines::id()));
            let all = routines::all();
            assert!(all.is_sorted_by(|a, b| a.id < b.id));
            assert!(all.iter().all(|i| i.state != State::Done));
        }
        done.store(true, Ordering::Relaxed);
    });
    drop(steady);
    assert!(routines::ids().iter().all(|id| !steady_ids.contains(id)));
}

#[test]
fn an_id_is_text_and_back() {
    let id = routines::id();
    assert_eq!(id.to_string().parse(), Ok(id));
    assert_eq!(format!("{id:?}"), format!("RoutineId({id})"));
    assert_eq!(RoutineId::from_u64(0), None);
    let foreign = RoutineId::from_u64(1 << 63 | 7).expect("not zero");
    assert_eq!((foreign.to_string().as_str(), foreign.is_foreign()), ("foreign-7", true));
    assert_eq!("foreign-7".parse(), Ok(foreign));
}

#[test]
fn a_poll_that_panics_is_not_shown_as_running_for_ever() {
    let mut task = Box::pin(RoutineBuilder::new(Kind::Task).future(async { panic!("in a poll") }));
    let id = task.routine_id().expect("at once");
    assert!(crate::support::caught(|| poll_once(task.as_mut())).is_err());
    let state = routines::all().into_iter().find(|i| i.id == id).map(|i| i.state);
    assert_ne!(state, Some(State::Running));
    drop(task);
    assert!(!routines::ids().contains(&id));
}

#[test]
fn what_an_idle_routine_shows_is_its_innermost_scope_entered_last() {
    static OUTER: Local<u32> = Local::new().named("outer of identity");
    static INNER: Local<u32> = Local::new().named("inner of identity");
    let task = OUTER.scope(1, async {
        INNER.scope(2, yield_now()).await;
        yield_now().await;
    });
    let mut task = Box::pin(task);
    let names = || {
        let all = routines::all();
        let mine = all.iter().find(|i| i.values.iter().any(|(name, _)| name == "outer of identity"));
        mine.map(|i| i.values.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())
    };
    elsewhere(|| assert!(poll_once(task.as_mut()).is_pending()));
    assert_eq!(names(), Some(vec!["outer of identity".into(), "inner of identity".into()]));
    elsewhere(|| assert!(poll_once(task.as_mut()).is_pending()));
    assert_eq!(names(), Some(vec!["outer of identity".into()]));
    drop(task);
    assert_eq!(names(), None);
}

#[test]
fn a_frame_without_named_values_shows_none() {
    static NAMED: Local<u32> = Local::new().named("hidden in a frame of identity");
    let shown = || info().values.len();
    let (job, callback) = (bind(shown), bind_fn(|()| shown()));
    let future = async { shown() }.inherit();
    let detached = async { shown() }.detached();
    NAMED.sync_scope(1, || {
        assert_eq!((job(), callback(()), ready(future), ready(detached)), (0, 0, 0, 0));
        assert_eq!(Snapshot::empty().sync_scope(shown), 0);
        assert_eq!(shown(), 1);
    });
}

#[test]
fn dropping_work_of_others_does_not_change_what_a_routine_shows() {
    static MINE: Local<u32> = Local::new().named("mine of identity");
    static THEIRS: Local<u32> = Local::new().named("theirs of identity");
    static PRIVATE: Local<u32> = Local::new().named("private of identity").inherit(Inherit::Never);
    static OTHER: Local<u32> = Local::new();
    static FILLER: [Local<u32>; 8] = [const { Local::new() }; 8];
    let look = || OnDrop(|| routines::for_each_named(|_, value| assert!(!value.to_string().is_empty())));
    let make = || -> Vec<(&str, Box<dyn Send>)> {
        let mut polled = Box::pin(OTHER.scope(1, yield_now()));
        elsewhere(|| assert!(poll_once(polled.as_mut()).is_pending()));
        let mut detached = Box::pin(async { yield_now().await }.detached());
        elsewhere(|| assert!(poll_once(detached.as_mut()).is_pending()));
        let with = |look: OnDrop<_>| async move { drop(look) };
        let run = |look: OnDrop<_>| move || drop(look);
        vec![
            ("scope", Box::new(OTHER.scope(1, with(look())))),
            ("inherit", Box::new(with(look()).inherit())),
            ("detached", Box::new(with(look()).detached())),
            ("snapshot", Box::new(Snapshot::empty().scope(with(look())))),
            ("task", Box::new(RoutineBuilder::new(Kind::Task).future(with(look())))),
            ("detached task", Box::new(RoutineBuilder::new(Kind::Task).detached().future(with(look())))),
            ("job", Box::new(RoutineBuilder::new(Kind::Job).job(run(look())))),
            ("bind", Box::new(bind(run(look())))),
            ("bind_fn", Box::new(bind_fn(|()| ()))),
            ("polled", Box::new(polled)),
            ("polled detached", Box::new(detached)),
        ]
    };
    for case in 0..16 {
        let [named, private, cleared, inherited] = [1, 2, 4, 8].map(|bit| case & bit != 0);
        let scope = |on: bool, key: &Local<u32>, f: &dyn Fn() -> Vec<_>| if on { key.sync_scope(2, f) } else { f() };
        // In a frame that ends: then nobody else holds the values that the works captured.
        let works = Snapshot::empty().sync_scope(|| {
            FILLER.iter().for_each(|key| drop(key.set(1)));
            scope(named, &THEIRS, &|| scope(private, &PRIVATE, &make))
        });
        if cleared {
            THEIRS.clear();
            PRIVATE.clear();
            OTHER.clear();
        }
        for (name, work) in works {
            let drop_it = || {
                drop(work);
                let values = info().values;
                assert!(values.len() == 1 && values[0].0 == "mine of identity", "{name} in case {case}: {values:?}");
            };
            if inherited {
                MINE.sync_scope(1, || elsewhere(RoutineBuilder::new(Kind::Job).job(drop_it)));
            } else {
                elsewhere(|| MINE.sync_scope(1, drop_it));
            }
        }
    }
}
