//! Asked by a watch: every capture, shown or not.

use std::sync::mpsc::channel;

use routines::{Carried, FutureExt, Local, Snapshot, bind, thread};
use routines_inspect::held::{self, Through, Watch};

static SHOWN: Local<u32> = Local::new().named("shown");

/// A watch whose context has been left, and what captured it there.
fn captured<T>(capture: impl FnOnce() -> T) -> (Watch, T) {
    SHOWN.sync_scope(1, || (held::watch(), capture()))
}

/// That what is `captured` holds the context until it is dropped, without any routine's help.
#[track_caller]
fn stored_until_dropped<T>(capture: impl FnOnce() -> T) {
    let (watch, captured) = captured(capture);
    let held = watch.held();
    assert!(held.is_alive() && held.routines().is_empty(), "{held}");
    assert_eq!(held.stored().iter().map(|stored| stored.by).collect::<Vec<_>>(), [routines::id()]);
    assert!(held.to_string().contains(&format!("captured by routine {}", routines::id())), "{held}");
    drop(captured);
    assert_eq!(watch.held().to_string(), "not held\n");
}

#[test]
fn a_snapshot_is_told_until_it_is_dropped() {
    let _turn = crate::turn();
    stored_until_dropped(Snapshot::capture);
}

#[test]
fn a_bound_closure_is_told_until_it_is_dropped() {
    let _turn = crate::turn();
    stored_until_dropped(|| bind(|| ()));
}

#[test]
fn a_message_is_told_until_it_is_dropped() {
    let _turn = crate::turn();
    stored_until_dropped(|| Carried::message(1));
}

#[test]
fn a_future_that_was_not_polled_is_told_until_it_is_dropped() {
    let _turn = crate::turn();
    stored_until_dropped(|| async {}.inherit());
}

#[test]
fn nothing_is_held_where_nothing_captured() {
    let _turn = crate::turn();
    let (watch, ()) = captured(|| ());
    assert!(!watch.held().is_alive());
}

#[test]
fn the_routine_that_watches_is_told_while_it_is_in_the_frame() {
    let _turn = crate::turn();
    SHOWN.sync_scope(1, || {
        let watch = held::watch();
        let held = watch.held();
        assert_eq!(
            held.routines().iter().map(|holder| (holder.routine.id, holder.through)).collect::<Vec<_>>(),
            [(routines::id(), Through::Itself)]
        );
        assert!(held.stored().is_empty(), "{held}");
    });
}

#[test]
fn children_of_any_generation_are_told_by_their_parents_also_when_those_have_ended() {
    let _turn = crate::turn();
    let (end, wait) = channel::<()>();
    let (watch, child) = captured(|| {
        thread::spawn(move || (routines::id(), thread::spawn(move || wait.recv().is_ok()))).join().unwrap()
    });
    let (parent, grandchild) = child;
    let held = watch.held();
    let through: Vec<_> = held.routines().iter().map(|holder| holder.through).collect();
    assert_eq!((through, held.stored().len()), (vec![Through::Parent(parent)], 0), "{held}");
    drop(end);
    grandchild.join().unwrap();
    assert!(!watch.held().is_alive());
}

#[test]
fn a_strangers_thread_in_a_scope_of_a_snapshot_is_told_with_who_captured_it() {
    let _turn = crate::turn();
    let (watch, snapshot) = captured(Snapshot::capture);
    let (end, wait) = channel::<()>();
    let (begun, running) = channel();
    let stranger = std::thread::spawn(move || {
        snapshot.sync_scope(|| {
            begun.send(routines::id()).unwrap();
            wait.recv().is_ok()
        })
    });
    let stranger_id = running.recv().unwrap();
    let held = watch.held();
    let [holder] = held.routines() else { panic!("{held}") };
    assert_eq!((holder.routine.id, holder.through), (stranger_id, Through::Captured(routines::id())));
    drop(end);
    stranger.join().unwrap();
    assert!(!watch.held().is_alive());
}

#[test]
fn two_watches_of_one_context_both_know() {
    let _turn = crate::turn();
    let (end, wait) = channel::<()>();
    let begin = || (held::watch(), Snapshot::capture(), thread::spawn(move || wait.recv().is_ok()));
    let (outer, (inner, snapshot, child)) = captured(begin);
    for watch in [&outer, &inner] {
        let held = watch.held();
        assert_eq!((held.routines().len(), held.stored().len()), (1, 1), "{held}");
    }
    drop((snapshot, end));
    child.join().unwrap();
    assert!(!outer.held().is_alive() && !inner.held().is_alive());
}

#[test]
fn a_watch_goes_on_when_the_one_around_it_is_over() {
    let _turn = crate::turn();
    let (outer, (inner, snapshot)) = captured(|| {
        let outer = held::watch();
        let inner = held::watch();
        drop(outer);
        (inner, Snapshot::capture())
    });
    drop(outer);
    assert_eq!(inner.held().stored().len(), 1);
    drop(snapshot);
    assert!(!inner.held().is_alive());
}

#[test]
fn a_watch_that_is_over_leaves_the_context_as_it_was() {
    let _turn = crate::turn();
    SHOWN.sync_scope(1, || {
        let outer = held::watch();
        drop(held::watch());
        let snapshot = Snapshot::capture();
        assert_eq!(outer.held().stored().len(), 1);
        drop(outer);
        assert_eq!(snapshot.len(), 2, "the value and the mark");
        assert_eq!(Snapshot::capture().len(), 1);
    });
}

#[test]
fn captures_that_are_gone_take_no_room() {
    let _turn = crate::turn();
    let (watch, ()) = captured(|| (0..10_000).for_each(|_| drop(Snapshot::capture())));
    assert!(!watch.held().is_alive());
    assert_eq!(format!("{watch:?}"), "Watch { captures: 0 }");
}
