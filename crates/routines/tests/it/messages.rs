//! A message carries its sender's context to whoever opens it, in a routine linked to the sender.

use std::panic::Location;
use std::sync::mpsc;

use routines::{Carried, Inherit, Kind, Local, RoutineId, RoutineInfo, thread};

use crate::support::{
    Counted, Drops, Log, OnDrop, block_on, caught, elsewhere, implements, panic_of, poll_once, ready, yield_now,
};

static KEY: Local<u32> = Local::new();

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

#[track_caller]
fn here() -> Option<String> {
    let here = Location::caller();
    Some(format!("{}:{}", here.file(), here.line()))
}

/// The two ways to open a message, for a handler that does not await.
type Open<M, R> = fn(Carried<M>, fn(M) -> R) -> R;

fn ways<M, R>() -> [(&'static str, Open<M, R>); 2] {
    [
        ("open", |message, handler| message.open(handler)),
        ("open_async", |message, handler| ready(message.open_async(|value| async move { handler(value) }))),
    ]
}

#[test]
fn r02_the_consumer_sees_what_was_bound_when_the_message_was_made() {
    for (name, open) in ways() {
        let message = KEY.sync_scope(1, || Carried::message(7));
        let handled = KEY.sync_scope(2, || {
            let handled = elsewhere(|| KEY.sync_scope(3, || open(message, |number: u32| (number, KEY.get()))));
            assert_eq!(KEY.get(), Some(2));
            handled
        });
        assert_eq!(handled, (7, Some(1)), "{name}");
    }
}

#[test]
fn r02_one_inbox_serves_many_senders() {
    let (sender, inbox) = mpsc::channel::<Carried<usize>>();
    let actor = thread::spawn(move || {
        let mut handled: Vec<_> = inbox.into_iter().map(|message| message.open(|from| (from, KEY.get()))).collect();
        handled.sort_unstable();
        (handled, KEY.get())
    });
    std::thread::scope(|s| {
        for from in 0..8 {
            let sender = &sender;
            s.spawn(move || {
                KEY.sync_scope(from as u32, || sender.send(Carried::message(from)).expect("the actor lives"))
            });
        }
    });
    drop(sender);
    let (handled, left) = actor.join().expect("no panic");
    assert_eq!(handled, (0..8).map(|from| (from, Some(from as u32))).collect::<Vec<_>>());
    assert_eq!(left, None);
}

#[test]
fn r03_what_the_handler_sets_ends_with_it() {
    for (name, open) in ways() {
        let message = KEY.sync_scope(1, || Carried::message(2));
        elsewhere(|| {
            open(message, |number| drop(KEY.set(number)));
            assert_eq!(KEY.get(), None, "{name}");
        });
    }
}

#[test]
fn r06_never_values_stay_behind_and_derived_ones_are_made_once_in_the_sender() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static SPAN: Local<(u32, Option<RoutineId>)> = Local::new().derive(|parent| (parent.0 + 1, routines::try_id()));
    for (name, open) in ways() {
        let message = TX.sync_scope(1, || SPAN.sync_scope((0, None), || Carried::message(())));
        let seen = elsewhere(|| open(message, |()| (TX.get(), SPAN.get())));
        assert_eq!(seen, (None, Some((1, Some(routines::id())))), "{name}");
    }
}

#[test]
fn r07_a_detached_message_starts_empty_and_is_linked_to_its_sender() {
    for (name, open) in ways() {
        let message = KEY.sync_scope(1, || Carried::detached_message(()));
        let seen = elsewhere(|| KEY.sync_scope(2, || open(message, |()| (KEY.get(), info().parent))));
        assert_eq!(seen, (None, Some(routines::id())), "{name}");
    }
}

#[test]
fn r09_the_consumer_is_a_routine_linked_to_the_sender_even_when_that_is_gone() {
    for (name, open) in ways() {
        let kind = if name == "open" { Kind::Job } else { Kind::Task };
        let (sender, message, line) =
            thread::spawn(|| (routines::id(), Carried::message(()), here())).join().expect("no panic");
        assert!(!routines::ids().contains(&sender));
        let (consumer, seen) =
            thread::spawn(move || (routines::id(), open(message, |()| info()))).join().expect("no panic");
        assert_eq!((seen.parent, seen.kind, seen.spawned_at), (Some(sender), kind, line), "{name}");
        assert!(seen.id != sender && seen.id != consumer, "{name}");
        assert!(!routines::ids().contains(&seen.id), "{name}");
    }
}

#[test]
fn r09_a_message_to_oneself_is_handled_by_a_routine_of_its_own() {
    for (name, open) in ways() {
        let seen = open(Carried::message(()), |()| info());
        assert_eq!((seen.parent, seen.id == routines::id()), (Some(routines::id()), false), "{name}");
    }
}

#[test]
fn r09_an_awaiting_consumer_has_one_id_from_the_opening_to_its_end() {
    let message = KEY.sync_scope(1, || Carried::message(7));
    let look = async |number: u32| {
        let first = info().id;
        yield_now().await;
        (number, first == info().id, first, KEY.get())
    };
    let mut task = Box::pin(message.open_async(look));
    let id = task.routine_id().expect("it is one from the call");
    assert!(routines::ids().contains(&id));
    assert!(elsewhere(|| poll_once(task.as_mut()).is_pending()));
    assert_eq!(elsewhere(|| block_on(task)), (7, true, id, Some(1)));
    assert!(!routines::ids().contains(&id));
}

#[test]
fn r10_a_panicking_handler_leaves_the_consumer_as_it_was_and_drops_the_message_inside_its_context() {
    for (name, open) in ways() {
        let seen = Log::new();
        let log = seen.clone();
        let letter = OnDrop(move || log.add((KEY.get(), routines::id())));
        let message = KEY.sync_scope(1, || Carried::message(letter));
        let (parent, (handled, after)) = elsewhere(|| {
            let me = routines::id();
            let outcome = KEY.sync_scope(2, || {
                assert!(caught(|| open(message, |_letter| panic!("on purpose"))).is_err(), "{name}");
                (KEY.get(), routines::id())
            });
            (me, (seen.all(), outcome))
        });
        let [(value, id)] = handled[..] else { panic!("{name}: dropped once") };
        assert_eq!((value, after), (Some(1), (Some(2), parent)), "{name}");
        assert!(id != parent && !routines::ids().contains(&id), "{name}");
    }
}

#[test]
fn r11_a_message_nobody_opens_is_dropped_inside_its_context() {
    let seen = Log::new();
    let letter = || {
        let log = seen.clone();
        KEY.sync_scope(1, || Carried::message(OnDrop(move || log.add(KEY.get()))))
    };
    let (sender, inbox) = mpsc::channel();
    sender.send(letter()).expect("the inbox is open");
    elsewhere(|| drop(inbox)); // with what is in it
    assert!(elsewhere(|| sender.send(letter())).is_err()); // given back, dropped here
    drop(letter().open_async(|_letter| async {}));
    assert_eq!(seen.all(), [Some(1); 3]);
}

#[test]
fn r11_a_consumer_that_is_aborted_drops_the_message_inside_its_context_and_is_unlisted() {
    let seen = Log::new();
    let log = seen.clone();
    let letter = OnDrop(move || log.add((KEY.get(), routines::id())));
    let message = KEY.sync_scope(1, || Carried::message(letter));
    let mut task = Box::pin(message.open_async(|_letter| async move {
        KEY.set(2);
        let _letter = _letter;
        std::future::pending::<()>().await;
    }));
    let id = task.routine_id().expect("it is one from the call");
    assert!(elsewhere(|| poll_once(task.as_mut()).is_pending()));
    elsewhere(|| drop(task));
    assert_eq!((seen.all(), routines::ids().contains(&id)), (vec![(Some(2), id)], false));
}

#[test]
fn r11_a_message_leaves_no_value_behind() {
    static HELD: Local<Counted<u32>> = Local::new().named("held by a message");
    type End = fn(Carried<u32>);
    let ends: [(&str, End); 6] = [
        ("opened", |message| message.open(|_| ())),
        ("awaited", |message| ready(message.open_async(async |_| ()))),
        ("panicked", |message| drop(caught(|| message.open(|_| panic!("on purpose"))))),
        ("dropped", drop),
        ("task dropped", |message| drop(message.open_async(async |_| ()))),
        ("taken out", |message| assert_eq!(message.into_inner(), 7)),
    ];
    for (name, end) in ends {
        let drops = Drops::new();
        let message = HELD.sync_scope(drops.value(1), || Carried::message(7));
        assert_eq!(drops.alive_beside(1), 1, "{name}");
        elsewhere(|| {
            end(message);
            assert!(info().values.is_empty(), "{name}");
        });
        assert_eq!(drops.alive(), 0, "{name}");
    }
}

#[test]
fn a_message_taken_out_is_handled_in_the_callers_context() {
    let message = KEY.sync_scope(1, || Carried::message(7));
    assert_eq!(*message.get_ref(), 7);
    assert_eq!(message.snapshot().get(&KEY).as_deref(), Some(&1));
    let number = KEY.sync_scope(2, || (message.into_inner(), KEY.get()));
    assert_eq!(number, (7, Some(2)));
}

#[test]
fn a_snapshot_of_a_message_is_what_its_consumer_will_see() {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    let message = TX.sync_scope(5, || KEY.sync_scope(1, || Carried::message(())));
    assert_eq!(message.snapshot().len(), 1);
    assert!(Carried::detached_message(()).snapshot().is_empty());
    let both = KEY.sync_scope(1, || message.snapshot().sync_scope(|| KEY.get()));
    assert_eq!(both, Some(1));
}

#[test]
fn a_future_can_be_a_message() {
    let message = KEY.sync_scope(1, || Carried::message(async { (KEY.get(), info().parent) }));
    assert_eq!(elsewhere(|| ready(message)), (Some(1), Some(routines::id())));
    let message = KEY.sync_scope(1, || Carried::message(async { KEY.get() }));
    assert_eq!(ready(message.open_async(|future| future)), Some(1));
}

#[test]
fn what_was_awaited_to_its_end_cannot_be_opened() {
    let opens: [fn(Carried<std::future::Ready<()>>); 4] = [
        |done| drop(done.get_ref().clone()),
        |done| drop(done.into_inner()),
        |done| done.open(|_| ()),
        |done| drop(done.open_async(|future| future)),
    ];
    for open in opens {
        let mut done = Carried::message(std::future::ready(()));
        ready(&mut done);
        let (text, ..) = panic_of(|| open(done));
        assert!(text.starts_with("carried work was polled after it completed"), "{text}");
    }
}

#[test]
fn a_message_shows_itself_and_its_named_values() {
    static USER: Local<&str> = Local::new().named("user of messages");
    let message = USER.sync_scope("ada", || KEY.sync_scope(1, || Carried::message(7)));
    let shown = r#"Carried { inner: Some(7), context: Snapshot { user of messages: "ada", unnamed: 1 } }"#;
    assert_eq!(format!("{message:?}"), shown);
}

#[test]
fn messages_are_as_sendable_as_what_they_carry() {
    assert!(implements!(Carried<String>: Send));
    assert!(implements!(Carried<String>: Sync));
    assert!(implements!(Carried<String>: Unpin));
    assert!(!implements!(Carried<std::rc::Rc<()>>: Send));
    fn is_send<T: Send>(_: &T) -> bool {
        true
    }
    assert!(is_send(&Carried::message(String::new()).open_async(async |text| drop(text))));
}
