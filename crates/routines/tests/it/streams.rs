//! Streams, sinks and HTTP bodies keep one set of promises; each test of it runs for all three.

use std::cell::Cell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::stream::FusedStream;
use futures_util::{Sink, SinkExt as _, Stream, StreamExt as _, future, sink, stream};
use http_body::{Body, Frame, SizeHint};
use routines::{
    Bindings, BodyExt, Carried, Inherit, Kind, Local, RoutineBuilder, RoutineId, RoutineInfo, SinkExt, Snapshot,
    StreamExt,
};

use crate::support::{Counted, Drops, Flag, Log, OnDrop, block_on, caught, elsewhere, panic_of, ready};

static KEY: Local<u32> = Local::new();

// ===== the three ways =====

/// Something that is a stream, a sink and a body; what its steps do is the test's.
struct Probe {
    /// The steps that are left; after the last it ends.
    steps: VecDeque<Box<dyn FnMut() + Send>>,
    hints: Log<Option<u32>>,
    _dropped: OnDrop<Box<dyn FnMut() + Send>>,
}

impl Probe {
    fn new() -> Self {
        Probe { steps: VecDeque::new(), hints: Log::new(), _dropped: OnDrop(Box::new(|| ())) }
    }

    fn step(mut self, step: impl FnMut() + Send + 'static) -> Self {
        self.steps.push_back(Box::new(step));
        self
    }

    fn dropped(mut self, drop: impl FnMut() + Send + 'static) -> Self {
        self._dropped = OnDrop(Box::new(drop));
        self
    }

    /// Makes the next step; whether there was one.
    fn go(&mut self) -> bool {
        self.steps.pop_front().map(|mut step| step()).is_some()
    }

    fn hint(&self) -> u64 {
        self.hints.add(KEY.get());
        self.steps.len() as u64
    }
}

impl Stream for Probe {
    type Item = ();

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
        Poll::Ready(self.go().then_some(()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.hint() as usize, None)
    }
}

/// It makes one step in each of its four.
impl Sink<()> for Probe {
    type Error = Infallible;

    fn poll_ready(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.go();
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, (): ()) -> Result<(), Infallible> {
        self.go();
        Ok(())
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.go();
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.go();
        Poll::Ready(Ok(()))
    }
}

impl Body for Probe {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.go().then(|| Ok(Frame::data(Bytes::new()))))
    }

    fn is_end_stream(&self) -> bool {
        self.hint() == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.hint())
    }
}

/// Makes the step of this number.
type Step = fn(Pin<&mut Carried<Probe>>, usize);

/// How one kind is wrapped and polled.
struct Way {
    inherit: fn(Probe) -> Carried<Probe>,
    detached: fn(Probe) -> Carried<Probe>,
    step: Step,
    /// Whether it knows an end of its own.
    ends: bool,
}

impl Way {
    fn step(&self, carried: &mut Carried<Probe>, number: usize) {
        (self.step)(Pin::new(carried), number);
    }

    /// Makes the first `steps`.
    fn go(&self, carried: &mut Carried<Probe>, steps: usize) {
        (0..steps).for_each(|number| self.step(carried, number));
    }
}

const STREAM: Way = Way {
    inherit: StreamExt::inherit,
    detached: StreamExt::detached,
    step: |carried, _| assert!(carried.poll_next(&mut Context::from_waker(Waker::noop())).is_ready()),
    ends: true,
};

const SINK: Way = Way {
    inherit: SinkExt::inherit,
    detached: SinkExt::detached,
    step: |carried, number| {
        let task_cx = &mut Context::from_waker(Waker::noop());
        match number % 4 {
            0 => assert!(carried.poll_ready(task_cx).is_ready()),
            1 => assert_eq!(carried.start_send(()), Ok(())),
            2 => assert!(carried.poll_flush(task_cx).is_ready()),
            _ => assert!(carried.poll_close(task_cx).is_ready()),
        }
    },
    ends: false,
};

const BODY: Way = Way {
    inherit: BodyExt::inherit,
    detached: BodyExt::detached,
    step: |carried, _| assert!(carried.poll_frame(&mut Context::from_waker(Waker::noop())).is_ready()),
    ends: true,
};

macro_rules! promises {
    ($($test:ident,)*) => {
        mod a_stream {
            $(#[test] fn $test() { super::$test(&super::STREAM); })*
        }
        mod a_sink {
            $(#[test] fn $test() { super::$test(&super::SINK); })*
        }
        mod a_body {
            $(#[test] fn $test() { super::$test(&super::BODY); })*
        }
    };
}

promises! {
    r02_it_sees_what_was_bound_when_it_was_made,
    r03_what_a_step_sets_is_there_in_the_next_and_nowhere_else,
    r06_never_values_stay_behind_and_derived_ones_are_made_once_in_the_maker,
    r07_detached_it_starts_empty,
    r09_used_by_its_maker_it_runs_in_its_maker,
    r09_used_elsewhere_it_is_a_child_of_its_maker_with_one_id_for_life,
    r09_within_a_task_it_is_not_taken_for_the_task,
    r10_a_panicking_step_leaves_the_thread_as_it_was,
    r11_dropped_midway_it_is_dropped_inside_its_context_and_unlisted,
    r11_dropped_before_its_first_step_it_is_dropped_inside_its_context,
    r11_it_leaves_no_value_behind,
    r14_a_guard_that_is_left_open_ends_with_the_step,
}

fn info() -> RoutineInfo {
    routines::current().info().expect("the current routine lives")
}

fn r02_it_sees_what_was_bound_when_it_was_made(way: &Way) {
    let seen = Log::new();
    let look = |seen: &Log<_>| {
        let seen = seen.clone();
        move || seen.add(KEY.get())
    };
    let probe = (0..4).fold(Probe::new(), |probe, _| probe.step(look(&seen)));
    let mut carried = KEY.sync_scope(1, || (way.inherit)(probe));
    elsewhere(|| {
        KEY.sync_scope(2, || {
            way.go(&mut carried, 4);
            assert_eq!(KEY.get(), Some(2));
        });
    });
    assert_eq!(seen.all(), [Some(1); 4]);
}

fn r03_what_a_step_sets_is_there_in_the_next_and_nowhere_else(way: &Way) {
    let seen = Log::new();
    let add = |seen: &Log<_>| {
        let seen = seen.clone();
        move || seen.add(KEY.set(KEY.get().unwrap_or_default() + 1).as_deref().copied())
    };
    let probe = (0..4).fold(Probe::new(), |probe, _| probe.step(add(&seen)));
    let mut carried = KEY.sync_scope(1, || (way.inherit)(probe));
    for number in 0..4 {
        elsewhere(|| {
            way.step(&mut carried, number);
            assert_eq!(KEY.get(), None);
        });
    }
    assert_eq!((seen.all(), KEY.get()), ([1, 2, 3, 4].map(Some).to_vec(), None));
}

fn r06_never_values_stay_behind_and_derived_ones_are_made_once_in_the_maker(way: &Way) {
    static TX: Local<u32> = Local::new().inherit(Inherit::Never);
    static SPAN: Local<(u32, Option<RoutineId>)> = Local::new().derive(|parent| (parent.0 + 1, routines::try_id()));
    let seen = Log::new();
    let look = |seen: &Log<_>| {
        let seen = seen.clone();
        move || seen.add((TX.get(), SPAN.get()))
    };
    let me = routines::id();
    for at_home in [true, false] {
        let probe = Probe::new().step(look(&seen)).step(look(&seen));
        let mut carried = TX.sync_scope(1, || SPAN.sync_scope((0, None), || (way.inherit)(probe)));
        if at_home {
            way.go(&mut carried, 2);
        } else {
            elsewhere(|| way.go(&mut carried, 2));
        }
    }
    assert_eq!(seen.all(), [(None, Some((1, Some(me)))); 4]);
}

fn r07_detached_it_starts_empty(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let probe = Probe::new().step(move || log.add(KEY.get()));
    let mut carried = KEY.sync_scope(1, || (way.detached)(probe));
    KEY.sync_scope(2, || way.go(&mut carried, 1));
    assert_eq!(seen.all(), [None]);
}

fn r09_used_by_its_maker_it_runs_in_its_maker(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let mut carried = (way.inherit)(Probe::new().step(move || log.add(routines::id())));
    way.go(&mut carried, 1);
    assert_eq!((seen.all(), carried.routine_id()), (vec![routines::id()], None));
}

#[track_caller]
fn here() -> Option<String> {
    let here = Location::caller();
    Some(format!("{}:{}", here.file(), here.line()))
}

fn r09_used_elsewhere_it_is_a_child_of_its_maker_with_one_id_for_life(way: &Way) {
    let seen = Log::new();
    let look = |seen: &Log<_>| {
        let seen = seen.clone();
        move || seen.add(info())
    };
    let me = routines::id();
    let probe = (0..4).fold(Probe::new(), |probe, _| probe.step(look(&seen)));
    let mut carried = (way.inherit)(probe);
    for number in 0..3 {
        elsewhere(|| way.step(&mut carried, number));
    }
    way.step(&mut carried, 3); // its maker is just another place by now
    let id = carried.routine_id().expect("it is a routine by now");
    assert_ne!(id, me);
    for (polls, info) in (1..).zip(seen.all()) {
        assert_eq!((info.id, info.parent, info.kind, info.polls), (id, Some(me), Kind::Task, polls));
    }
    assert!(routines::ids().contains(&id));
    way.step(&mut carried, 4);
    assert_eq!(routines::ids().contains(&id), !way.ends, "a stream is over when it says so");
    drop(carried);
    assert!(!routines::ids().contains(&id));
}

fn r09_within_a_task_it_is_not_taken_for_the_task(way: &Way) {
    /// As large as what it owns, and at the same address.
    struct Only(Carried<Probe>);
    thread_local! {
        static STEP: Cell<Option<Step>> = const { Cell::new(None) };
    }
    impl Future for Only {
        type Output = RoutineInfo;
        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<RoutineInfo> {
            STEP.get().expect("it is set")(Pin::new(&mut self.0), 0);
            Poll::Ready(info())
        }
    }
    let seen = Log::new();
    let log = seen.clone();
    let only = Only((way.inherit)(Probe::new().step(move || log.add(info()))));
    let task = RoutineBuilder::new(Kind::Task).future(only);
    let task = elsewhere(|| {
        STEP.set(Some(way.step));
        ready(task)
    });
    let stream = seen.all().remove(0);
    assert_eq!((task.parent, stream.parent), (Some(routines::id()), Some(routines::id())));
    assert_ne!(task.id, stream.id);
}

fn r10_a_panicking_step_leaves_the_thread_as_it_was(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let probe = Probe::new().step(|| panic!("on purpose")).dropped(move || log.add((KEY.get(), routines::id())));
    let mut carried = KEY.sync_scope(1, || (way.inherit)(probe));
    elsewhere(|| {
        let me = routines::id();
        KEY.sync_scope(2, || {
            assert!(caught(|| way.go(&mut carried, 1)).is_err());
            assert_eq!((KEY.get(), routines::id()), (Some(2), me));
        });
        assert_eq!(KEY.get(), None);
    });
    let id = carried.routine_id().expect("it ran elsewhere");
    drop(carried);
    assert_eq!((seen.all(), routines::ids().contains(&id)), (vec![(Some(1), id)], false));
}

fn r11_dropped_midway_it_is_dropped_inside_its_context_and_unlisted(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let probe =
        Probe::new().step(|| drop(KEY.set(2))).step(|| ()).dropped(move || log.add((KEY.get(), routines::id())));
    let mut carried = KEY.sync_scope(1, || (way.inherit)(probe));
    elsewhere(|| way.go(&mut carried, 1));
    let id = carried.routine_id().expect("it ran elsewhere");
    elsewhere(|| drop(carried));
    assert_eq!((seen.all(), routines::ids().contains(&id)), (vec![(Some(2), id)], false));
}

fn r11_dropped_before_its_first_step_it_is_dropped_inside_its_context(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let carried = KEY.sync_scope(1, || (way.inherit)(Probe::new().dropped(move || log.add(KEY.get()))));
    elsewhere(|| drop(carried));
    assert_eq!(seen.all(), [Some(1)]);
}

fn r11_it_leaves_no_value_behind(way: &Way) {
    static HELD: Local<Counted<u32>> = Local::new().named("held by a stream");
    for (steps, over) in [(0, false), (1, false), (2, false), (3, way.ends)] {
        let drops = Drops::new();
        let made = drops.clone();
        let probe = Probe::new().step(move || drop(HELD.set(made.value(2)))).step(|| ());
        let mut carried = HELD.sync_scope(drops.value(1), || (way.inherit)(probe));
        elsewhere(|| way.go(&mut carried, steps));
        assert_eq!(drops.alive_beside(isize::from(!over)), isize::from(!over), "{steps} steps");
        drop(carried);
        assert_eq!(drops.alive(), 0, "{steps} steps");
    }
    assert!(info().values.is_empty());
}

fn r14_a_guard_that_is_left_open_ends_with_the_step(way: &Way) {
    let seen = Log::new();
    let log = seen.clone();
    let leave_open = || std::mem::forget(KEY.sync_scope(2, Snapshot::capture).enter());
    let probe = Probe::new().step(leave_open).step(move || log.add(KEY.get()));
    let mut carried = KEY.sync_scope(1, || (way.inherit)(probe));
    way.step(&mut carried, 0);
    assert_eq!(KEY.get(), None);
    way.step(&mut carried, 1);
    assert_eq!(seen.all(), [Some(1)]);
}

// ===== what only some do =====

#[test]
fn r09_a_stream_or_body_that_ended_stays_ended_and_is_dropped_inside_its_context() {
    for way in [STREAM, BODY] {
        let seen = Log::new();
        let log = seen.clone();
        let mut carried =
            KEY.sync_scope(1, || (way.inherit)(Probe::new().dropped(move || log.add((KEY.get(), routines::id())))));
        let id = elsewhere(|| {
            way.step(&mut carried, 0);
            seen.all()[0].1
        });
        assert_ne!(id, routines::id());
        assert_eq!(seen.all(), [(Some(1), id)]);
        let task_cx = &mut Context::from_waker(Waker::noop());
        assert!(matches!(Pin::new(&mut carried).poll_next(task_cx), Poll::Ready(None)));
        assert!(matches!(Pin::new(&mut carried).poll_frame(task_cx), Poll::Ready(None)));
        assert!(carried.is_terminated() && carried.is_end_stream());
        assert_eq!((Stream::size_hint(&carried), Body::size_hint(&carried).exact()), ((0, Some(0)), Some(0)));
    }
}

#[test]
fn hints_are_given_inside_the_context_and_decide_nothing() {
    let probe = Probe::new().step(|| ());
    let hints = probe.hints.clone();
    let mut carried = KEY.sync_scope(1, || BodyExt::inherit(probe));
    elsewhere(|| {
        let carried = &mut carried;
        assert_eq!(Stream::size_hint(carried), (1, None));
        assert_eq!((Body::size_hint(carried).exact(), carried.is_end_stream()), (Some(1), false));
    });
    assert_eq!((hints.all(), carried.routine_id()), (vec![Some(1); 3], None));
    assert!(!carried.is_terminated());
}

#[test]
fn a_hint_that_sets_leaves_nothing_behind() {
    struct Sets(Drops);
    static HELD: Local<Counted<u32>> = Local::new().named("set by a hint");
    impl Stream for Sets {
        type Item = ();
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            Poll::Pending
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            HELD.set(self.0.value(1));
            (0, None)
        }
    }
    let drops = Drops::new();
    assert_eq!(Sets(drops.clone()).inherit().size_hint(), (0, None));
    assert_eq!((drops.alive(), info().values.len()), (0, 0));
}

#[test]
fn a_sink_whose_stream_has_ended_says_so() {
    let mut both = StreamExt::inherit(Probe::new());
    STREAM.step(&mut both, 0);
    let (text, ..) = panic_of(|| SINK.step(&mut both, 0));
    assert!(text.contains("a sink goes with the stream it is part of"), "{text}");
}

#[test]
fn closing_a_sink_does_not_end_it() {
    let dropped = Flag::default();
    let flag = dropped.clone();
    let mut both = StreamExt::inherit(Probe::new().dropped(move || flag.raise()));
    SINK.step(&mut both, 3);
    assert!(!dropped.is_up());
    STREAM.step(&mut both, 0);
    assert!(dropped.is_up());
}

// ===== scopes of streams =====

static TX: Local<u32> = Local::new().inherit(Inherit::Never);

#[test]
fn r09_a_scoped_stream_sees_all_its_maker_does_at_home_and_what_crosses_elsewhere() {
    type Scope = &'static (dyn Fn(Probe) -> Carried<Probe> + Sync);
    let scopes: [(&str, Scope, bool); 3] = [
        ("local", &|probe| KEY.scope_stream(1, probe), true),
        ("bindings", &|probe| Bindings::new().with(&KEY, 1).scope_stream(probe), true),
        // What a snapshot never held, it does not show.
        ("snapshot", &|probe| KEY.sync_scope(1, Snapshot::capture).scope_stream(probe), false),
    ];
    for (name, scope, private) in scopes {
        TX.sync_scope(5, || {
            let seen = Log::new();
            let look = |seen: &Log<_>| {
                let seen = seen.clone();
                move || seen.add((KEY.get(), TX.get(), routines::id()))
            };
            let (log, hints) = (seen.clone(), Log::new());
            let mut probe = Probe::new()
                .step(look(&seen))
                .step(look(&seen))
                .dropped(move || log.add((KEY.get(), TX.get(), routines::id())));
            probe.hints = hints.clone();
            let mut carried = scope(probe);
            STREAM.step(&mut carried, 0);
            assert_eq!(seen.all(), [(Some(1), private.then_some(5), routines::id())], "{name}");
            elsewhere(|| {
                Stream::size_hint(&carried);
                STREAM.step(&mut carried, 1);
                drop(carried);
            });
            let (step, end) = (seen.all()[1], seen.all()[2]);
            assert_eq!((step.0, step.1, step.2 == routines::id()), (Some(1), None, false), "{name}");
            assert_eq!((step, hints.all()), (end, vec![Some(1)]), "{name}");
        });
    }
}

#[test]
fn r06_a_hint_given_elsewhere_sees_no_private_value() {
    struct Looks(Log<Option<u32>>);
    impl Stream for Looks {
        type Item = ();
        fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<()>> {
            Poll::Pending
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            self.0.add(TX.get());
            (0, None)
        }
    }
    let seen = Log::new();
    let carried = TX.sync_scope(5, || KEY.scope_stream(1, Looks(seen.clone())));
    carried.size_hint();
    elsewhere(|| carried.size_hint());
    assert_eq!(seen.all(), [Some(5), None]);
}

#[test]
fn a_stream_says_where_it_was_made() {
    let look = || Box::pin(stream::once(async { info().spawned_at }));
    let ways: [(_, Option<String>); 5] = [
        (look().inherit(), here()),
        (look().detached(), here()),
        (KEY.scope_stream(1, look()), here()),
        (Bindings::new().scope_stream(look()), here()),
        (Snapshot::empty().scope_stream(look()), here()),
    ];
    for (stream, line) in ways {
        let mut stream = pin!(stream);
        assert_eq!(elsewhere(|| ready(stream.next())), Some(line));
    }
}

// ===== with the adapters people use =====

#[test]
fn r09_a_stream_of_pending_items_keeps_its_context_between_polls() {
    let (made, seen) = (Arc::new(AtomicUsize::new(0)), Log::new());
    let (count, log) = (made.clone(), seen.clone());
    let rows = stream::poll_fn(move |task_cx| {
        log.add(KEY.get());
        // Pending every other time.
        if count.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
            task_cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(()))
    });
    let rows = KEY.sync_scope(1, || rows.take(3).inherit());
    assert_eq!(elsewhere(|| block_on(rows.count())), 3);
    assert_eq!((seen.all(), made.load(Ordering::SeqCst)), (vec![Some(1); 6], 6));
}

#[test]
fn r03_merged_streams_do_not_see_each_other() {
    let numbered = |n: u32| KEY.scope_stream(n, stream::repeat(()).map(|()| KEY.get()).take(3));
    let merged = elsewhere(|| ready(stream::select(numbered(1), numbered(2)).collect::<Vec<_>>()));
    assert_eq!(merged, [1, 2, 1, 2, 1, 2].map(Some));
}

#[test]
fn r02_a_sink_is_fed_by_whoever_comes_later() {
    let seen = Log::new();
    let log = seen.clone();
    let out = sink::unfold((), move |(), line: u32| {
        log.add((line, KEY.get()));
        future::ready(Ok::<_, Infallible>(()))
    });
    let mut out = Box::pin(KEY.sync_scope(1, || out.inherit()));
    elsewhere(|| assert_eq!(ready(out.send(7)), Ok(())));
    KEY.sync_scope(2, || assert_eq!(ready(out.send(8)), Ok(())));
    assert_eq!(seen.all(), [(7, Some(1)), (8, Some(1))]);
}

#[test]
fn carried_streams_are_as_sendable_and_movable_as_what_they_carry() {
    use crate::support::implements;
    assert!(implements!(Carried<Probe>: Send));
    assert!(implements!(Carried<stream::Iter<std::vec::IntoIter<String>>>: Sync));
    assert!(implements!(Carried<stream::Empty<()>>: Unpin));
    assert!(!implements!(Carried<stream::Empty<std::rc::Rc<()>>>: Send));
}
