//! Other libraries' ambient state travels with routines: the promises of `routines::companion`.

use std::cell::{Cell, RefCell};
use std::future::{pending, ready};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Once, OnceLock};
use std::task::Poll;

use futures_util::stream::{self, StreamExt};
use routines::companion::{self, Captured, Companion};
use routines::{
    Bindings, Carried, FutureExt, Kind, Local, RoutineBuilder, RoutineId, Snapshot, bind, bind_fn, bind_mut,
};

use crate::support::{
    Counted, Drops, Flag, Log, OnDrop, caught, elsewhere, in_child, message, poll_once, ready as now, yield_now,
};

// ===== two libraries with ambient state, and their companions =====

/// What is ambient in a library: a name, and what its companion does on the way.
#[derive(Clone)]
struct Tag {
    name: &'static str,
    act: Arc<dyn Fn(Step) + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Step {
    Capture,
    Enter,
    Leave,
}

impl Tag {
    fn new(name: &'static str) -> Tag {
        Tag { name, act: Arc::new(|_| ()) }
    }

    fn acting(name: &'static str, act: impl Fn(Step) + Send + Sync + 'static) -> Tag {
        Tag { name, act: Arc::new(act) }
    }

    /// Writes down when it is entered and left.
    fn logged(name: &'static str, log: &Log<String>) -> Tag {
        let log = log.clone();
        Tag::acting(name, move |step| match step {
            Step::Capture => {}
            Step::Enter => log.add(format!("enter {name}")),
            Step::Leave => log.add(format!("leave {name}")),
        })
    }

    fn panicking(name: &'static str, at: Step) -> Tag {
        Tag::acting(name, move |step| assert!(step != at, "{name} panics at {at:?}"))
    }
}

thread_local! {
    static AMBIENT: [RefCell<Vec<Tag>>; 2] = const { [RefCell::new(Vec::new()), RefCell::new(Vec::new())] };
}

struct Library(usize);

/// What the library itself gives its users.
#[must_use]
struct LibraryGuard(usize);

impl Library {
    fn enter(&self, tag: Tag) -> LibraryGuard {
        AMBIENT.with(|all| all[self.0].borrow_mut().push(tag));
        LibraryGuard(self.0)
    }
}

impl Drop for LibraryGuard {
    fn drop(&mut self) {
        AMBIENT.with(|all| all[self.0].borrow_mut().pop());
    }
}

/// The companion's guard: acts when the library's own is gone.
struct Left(Option<LibraryGuard>, Tag);

impl Drop for Left {
    fn drop(&mut self) {
        drop(self.0.take());
        (self.1.act)(Step::Leave);
    }
}

impl Companion for Library {
    type State = Tag;
    type Guard = Left;

    fn capture(&self) -> Option<Tag> {
        let tag = AMBIENT.with(|all| all[self.0].borrow().last().cloned())?;
        (tag.act)(Step::Capture);
        Some(tag)
    }

    fn enter(&self, tag: &Tag) -> Left {
        (tag.act)(Step::Enter);
        Left(Some(Library::enter(self, tag.clone())), tag.clone())
    }
}

const FIRST: Library = Library(0);
const SECOND: Library = Library(1);

/// What the first library says is ambient here.
fn ambient() -> Option<&'static str> {
    ambient_in(FIRST)
}

fn ambient_in(library: Library) -> Option<&'static str> {
    AMBIENT.try_with(|all| all[library.0].borrow().last().map(|tag| tag.name)).ok().flatten()
}

/// How often the first library was entered here.
fn depth() -> usize {
    AMBIENT.try_with(|all| all[0].borrow().len()).unwrap_or(0)
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        companion::register(FIRST);
        companion::register(SECOND);
    });
}

/// Runs `f` where `tag` is ambient in the first library.
fn within<R>(tag: Tag, f: impl FnOnce() -> R) -> R {
    install();
    let _guard = FIRST.enter(tag);
    f()
}

fn task<F: Future>(future: F) -> Carried<F> {
    RoutineBuilder::new(Kind::Task).future(future)
}

static USER: Local<&str> = Local::new();
static OTHER: Local<u32> = Local::new();

// ===== what carries =====

#[test]
fn every_way_to_start_work_carries_what_was_ambient_at_the_call() {
    fn run_elsewhere<R: Send>(job: impl FnOnce() -> R + Send) -> R {
        elsewhere(|| {
            assert_eq!(ambient(), None);
            let result = job();
            assert_eq!(ambient(), None, "it was left");
            result
        })
    }
    let (future, job, bound, callback, inherited, scoped, bindings, envelope, thread) = within(Tag::new("a"), || {
        (
            task(async { ambient() }),
            RoutineBuilder::new(Kind::Job).job(ambient),
            bind(ambient),
            bind_fn(|()| ambient()),
            async { ambient() }.inherit(),
            USER.scope("ada", async { ambient() }),
            Bindings::new().with(&USER, "ada").scope(async { ambient() }),
            Carried::message("hello"),
            routines::thread::spawn(ambient),
        )
    });
    assert_eq!(ambient(), None);
    assert_eq!(run_elsewhere(|| now(future)), Some("a"));
    assert_eq!(run_elsewhere(job), Some("a"));
    assert_eq!(run_elsewhere(bound), Some("a"));
    assert_eq!(run_elsewhere(|| callback(())), Some("a"));
    assert_eq!(run_elsewhere(|| callback(())), Some("a"), "and again");
    assert_eq!(run_elsewhere(|| now(inherited)), Some("a"));
    assert_eq!(run_elsewhere(|| now(scoped)), Some("a"));
    assert_eq!(run_elsewhere(|| now(bindings)), Some("a"));
    assert_eq!(run_elsewhere(|| envelope.open(|text| (text, ambient()))), ("hello", Some("a")));
    assert_eq!(thread.join().unwrap(), Some("a"));
    let scoped_thread = || routines::thread::scope(|s| s.spawn(ambient).join().unwrap());
    assert_eq!(within(Tag::new("b"), scoped_thread), Some("b"));
}

#[test]
fn streams_carry_it_too() {
    let rows = || stream::poll_fn(|_| Poll::Ready(Some(ambient())));
    let (mut inherited, mut detached) =
        within(Tag::new("a"), || (routines::StreamExt::inherit(rows()), routines::StreamExt::detached(rows())));
    assert_eq!(elsewhere(|| now(inherited.next())), Some(Some("a")));
    assert_eq!(elsewhere(|| now(detached.next())), Some(None));
}

#[test]
fn detached_work_and_snapshots_carry_nothing() {
    let (future, job, thread, detached, snapshot, envelope) = within(Tag::new("a"), || {
        (
            RoutineBuilder::new(Kind::Task).detached().future(async { ambient() }),
            RoutineBuilder::new(Kind::Job).detached().job(ambient),
            routines::thread::spawn_detached(ambient),
            async { ambient() }.detached(),
            Snapshot::capture().scope(async { ambient() }),
            Carried::detached_message(()),
        )
    });
    assert_eq!(elsewhere(|| now(future)), None);
    assert_eq!(elsewhere(job), None);
    assert_eq!(thread.join().unwrap(), None);
    assert_eq!(elsewhere(|| now(detached)), None);
    assert_eq!(elsewhere(|| now(snapshot)), None);
    assert_eq!(elsewhere(|| envelope.open(|()| ambient())), None);
}

#[test]
fn a_child_of_a_child_carries_it_on() {
    let child = within(Tag::new("a"), || bind(|| bind(|| bind(ambient))));
    assert_eq!(elsewhere(elsewhere(elsewhere(child))), Some("a"));
}

#[test]
fn it_is_entered_around_each_poll_and_nowhere_else() {
    let log = Log::new();
    let future = within(Tag::logged("a", &log), || {
        let log = log.clone();
        task(async move {
            log.add("first".into());
            yield_now().await;
            log.add("second".into());
        })
    });
    let mut future = pin!(future);
    assert!(poll_once(future.as_mut()).is_pending());
    log.add("between".into());
    assert_eq!(ambient(), None);
    assert!(poll_once(future.as_mut()).is_ready());
    let expected = ["enter a", "first", "leave a", "between", "enter a", "second", "leave a"];
    assert_eq!(log.all(), expected);
}

#[test]
fn a_thread_is_entered_once_and_left_before_it_can_be_joined() {
    let log = Log::new();
    let thread = within(Tag::logged("a", &log), || routines::thread::spawn(depth));
    assert_eq!(thread.join().unwrap(), 1);
    assert_eq!(log.all(), ["enter a", "leave a"]);
}

#[test]
fn companions_are_entered_in_the_order_of_registration_and_left_in_reverse() {
    let log = Log::new();
    let job = within(Tag::logged("first", &log), || {
        let _guard = SECOND.enter(Tag::logged("second", &log));
        bind(|| (ambient(), ambient_in(SECOND)))
    });
    assert_eq!(elsewhere(job), (Some("first"), Some("second")));
    assert_eq!(log.all(), ["enter first", "enter second", "leave second", "leave first"]);
}

#[test]
fn a_companion_with_nothing_to_carry_is_not_entered() {
    let job = within(Tag::new("a"), || bind(|| (ambient(), ambient_in(SECOND))));
    assert_eq!(elsewhere(job), (Some("a"), None));
    install();
    assert!(Captured::capture().is_none());
}

#[test]
fn a_callback_may_run_on_many_threads_at_once() {
    let together = Barrier::new(2);
    let callback = within(Tag::new("a"), || {
        bind_fn(|()| {
            together.wait();
            let seen = (ambient(), depth());
            together.wait();
            seen
        })
    });
    std::thread::scope(|s| {
        let callback = &callback;
        for running in [(); 2].map(|()| s.spawn(move || callback(()))) {
            assert_eq!(running.join().unwrap(), (Some("a"), 1));
        }
    });
}

// ===== whose run it is =====

#[test]
fn a_scope_awaited_by_its_maker_is_a_part_of_its_makers_run() {
    let log = Log::new();
    let (seen, future) = within(Tag::logged("a", &log), || {
        let seen = now(USER.scope("ada", async { (USER.get(), depth()) }));
        (seen, Box::pin(USER.scope("ada", async { ambient() })))
    });
    assert_eq!(seen, (Some("ada"), 1));
    assert_eq!(now(future), None, "its maker has left it by now");
    assert_eq!(log.all(), [""; 0]);
}

#[test]
fn a_scope_awaited_in_a_task_is_a_part_of_the_tasks_run() {
    let future = within(Tag::new("a"), || {
        task(async {
            USER.scope("ada", async {
                yield_now().await;
                depth()
            })
            .await
        })
    });
    let depth = elsewhere(|| {
        let mut future = pin!(future);
        assert!(poll_once(future.as_mut()).is_pending());
        now(future)
    });
    assert_eq!(depth, 1);
}

#[test]
fn what_inherits_explicitly_is_entered_in_its_makers_hands_too() {
    // As callbacks of an event loop are: it runs them on the thread that made them.
    let (job, callback, mut mutable, future) = within(Tag::new("a"), || {
        (bind(ambient), bind_fn(|()| ambient()), bind_mut(|()| ambient()), async { ambient() }.inherit())
    });
    assert_eq!(ambient(), None);
    assert_eq!(job(), Some("a"));
    assert_eq!(callback(()), Some("a"));
    assert_eq!(mutable(()), Some("a"));
    assert_eq!(now(future), Some("a"));
    assert_eq!(ambient(), None);
}

#[test]
fn wrappers_around_each_other_are_one_routine_and_enter_once() {
    let seen = async || (USER.get(), depth());
    let (scoped, twice, inherited) = within(Tag::new("a"), || {
        (
            task(USER.scope("ada", seen())),
            task(USER.scope("ada", OTHER.scope(1, seen()))),
            task(USER.sync_scope("ada", || seen().inherit())),
        )
    });
    assert_eq!(elsewhere(|| now(scoped)), (Some("ada"), 1));
    assert_eq!(elsewhere(|| now(twice)).1, 1);
    assert_eq!(elsewhere(|| now(inherited)), (Some("ada"), 1));
}

#[test]
fn a_scope_spawned_detached_carries_what_it_captured_itself() {
    let future = within(Tag::new("a"), || {
        RoutineBuilder::new(Kind::Task).detached().future(USER.scope("ada", async { (ambient(), depth()) }))
    });
    // Also where some other routine, around all this, carries something.
    let host = within(Tag::new("host"), || bind(move || now(future)));
    assert_eq!(elsewhere(host), (Some("a"), 2));
}

#[test]
fn routines_that_run_inside_each_other_nest_like_brackets() {
    let inner = within(Tag::new("inner"), || bind(ambient));
    let outer = within(Tag::new("outer"), || bind(move || [ambient(), inner(), ambient()]));
    assert_eq!(elsewhere(outer), [Some("outer"), Some("inner"), Some("outer")]);
}

// ===== the end =====

/// Says what was ambient where it was dropped.
fn witness(log: &Log<(Option<&'static str>, usize)>) -> OnDrop<impl FnMut() + Send + use<>> {
    let log = log.clone();
    OnDrop(move || log.add((ambient(), depth())))
}

#[test]
fn unfinished_work_is_dropped_with_what_it_carries() {
    let log = Log::new();
    let never = |witness| async move {
        let _witness = witness;
        pending::<()>().await;
    };
    let suspended = |mut future: Pin<Box<dyn Future<Output = ()> + Send>>| {
        elsewhere(move || {
            assert!(poll_once(future.as_mut()).is_pending());
            // As an abort does, on another worker.
            elsewhere(move || drop(future));
        });
    };
    within(Tag::new("a"), || {
        suspended(Box::pin(task(never(witness(&log)))));
        suspended(Box::pin(USER.scope("ada", never(witness(&log)))));
        suspended(Box::pin(task(USER.scope("ada", never(witness(&log))))));
        suspended(Box::pin(never(witness(&log)).inherit()));
    });
    assert_eq!(log.all(), [(Some("a"), 1); 4]);
}

#[test]
fn work_that_never_ran_is_dropped_with_what_it_carries() {
    let log = Log::new();
    let never = |witness: OnDrop<_>| async move {
        let _witness = witness;
    };
    let job = |witness: OnDrop<_>| move || drop(witness);
    within(Tag::new("a"), || {
        let all = (
            task(never(witness(&log))),
            task(USER.scope("ada", never(witness(&log)))),
            USER.scope("ada", never(witness(&log))),
            never(witness(&log)).inherit(),
            RoutineBuilder::new(Kind::Job).job(job(witness(&log))),
            bind(job(witness(&log))),
            Carried::message(witness(&log)),
        );
        elsewhere(|| drop(all));
        let callback = witness(&log);
        let callback = bind_mut(move |()| {
            let _kept = &callback;
        });
        elsewhere(|| drop(callback));
    });
    assert_eq!(log.all(), [(Some("a"), 1); 8]);
}

#[test]
fn what_is_carried_is_released_when_the_routine_ends() {
    let drops = Drops::new();
    let tag = |drops: &Drops| {
        let held: Counted<()> = drops.value(());
        Tag::acting("a", move |_| {
            let _held = &held;
        })
    };
    let mut future = Box::pin(within(tag(&drops), || task(ready(()))));
    assert_eq!(drops.alive(), 1);
    assert!(poll_once(future.as_mut()).is_ready());
    assert_eq!(drops.alive(), 0, "though the future is still here");

    within(tag(&drops), || routines::thread::spawn(|| ())).join().unwrap();
    within(tag(&drops), || bind(|| ()))();
    drop(within(tag(&drops), || bind_fn(|()| ())));
    drop(within(tag(&drops), || USER.scope("ada", ready(()))));
    assert_eq!(drops.alive(), 0);
}

#[test]
fn a_panic_of_the_work_leaves_first() {
    let log = Log::new();
    let job = within(Tag::logged("a", &log), || bind(|| -> () { panic!("of the work") }));
    let panic = caught(job).unwrap_err();
    assert_eq!(message(&*panic), "of the work");
    assert_eq!((ambient(), log.all()), (None, vec!["enter a".into(), "leave a".into()]));
}

// ===== companions that misbehave =====

#[test]
fn a_panic_in_capture_goes_to_whoever_starts_the_work_and_leaves_nothing() {
    within(Tag::panicking("a", Step::Capture), || {
        let drops = Drops::new();
        let value = drops.value(());
        let (line, panic) = (line!(), caught(|| RoutineBuilder::new(Kind::Job).job(|| drop(value))).err().unwrap());
        assert_eq!(message(&*panic), "a panics at Capture");
        assert!(caught(|| async {}.inherit()).is_err());
        assert!(caught(|| USER.scope("ada", async {})).is_err());
        assert_eq!(drops.alive(), 0);
        let here = format!("{}:{line}", file!());
        assert!(!routines::all().iter().any(|info| info.spawned_at.as_ref() == Some(&here)));
    });
    assert!(Captured::capture().is_none(), "what is captured later is not affected");
    assert_eq!(elsewhere(within(Tag::new("b"), || bind(ambient))), Some("b"));
}

#[test]
fn a_panic_in_enter_ends_the_run_and_leaves_what_was_entered() {
    let log = Log::new();
    let ran = Flag::default();
    let job = within(Tag::logged("first", &log), || {
        let _guard = SECOND.enter(Tag::panicking("second", Step::Enter));
        let ran = ran.clone();
        bind(move || ran.raise())
    });
    let seen = elsewhere(|| {
        let panic = caught(job).unwrap_err();
        (message(&*panic), ambient(), ambient_in(SECOND))
    });
    assert_eq!(seen, ("second panics at Enter".into(), None, None));
    assert!(!ran.is_up());
    assert_eq!(log.all()[..2], ["enter first", "leave first"]);
}

#[test]
fn work_is_dropped_though_its_companion_panics_in_enter() {
    let log = Log::new();
    let (future, job) = within(Tag::panicking("a", Step::Enter), || {
        let (one, two) = (witness(&log), witness(&log));
        (task(async move { drop(one) }), bind(move || drop(two)))
    });
    elsewhere(|| assert!(caught(|| drop((future, job))).is_ok()));
    assert_eq!(log.all(), [(None, 0); 2]);
}

#[test]
fn a_panic_in_leave_comes_when_all_others_are_left() {
    let log = Log::new();
    let job = within(Tag::logged("first", &log), || {
        let _guard = SECOND.enter(Tag::panicking("second", Step::Leave));
        bind(|| ())
    });
    let seen = elsewhere(|| {
        let panic = caught(job).unwrap_err();
        (message(&*panic), ambient(), ambient_in(SECOND))
    });
    assert_eq!(seen, ("second panics at Leave".into(), None, None));
    assert_eq!(log.all(), ["enter first", "leave first"]);
}

#[test]
fn a_panic_in_leave_does_not_abort_a_panic_of_the_work() {
    let job = within(Tag::panicking("a", Step::Leave), || bind(|| -> () { panic!("of the work") }));
    let panic = elsewhere(|| caught(job).map_err(|panic| message(&*panic)));
    assert_eq!(panic, Err("of the work".into()));
}

#[test]
fn companions_run_inside_the_routine_they_run_for() {
    let log = Log::new();
    let tag = {
        let log = log.clone();
        Tag::acting("a", move |step| log.add((step, routines::id(), USER.get())))
    };
    let parent = routines::id();
    let (job, child) = USER.sync_scope("ada", || {
        within(tag, || {
            let future = task(async { routines::id() });
            let id = future.routine_id().unwrap();
            (future, id)
        })
    });
    assert_eq!(elsewhere(|| now(job)), child);
    let expected = [
        (Step::Capture, parent, Some("ada")),
        (Step::Enter, child, Some("ada")),
        // Its values are gone by then: it has ended.
        (Step::Leave, child, None),
    ];
    assert_eq!(log.all(), expected);
}

#[test]
fn a_companion_may_set_locals() {
    let tag = Tag::acting("a", |step| {
        if step == Step::Enter {
            USER.set("of the companion");
        }
    });
    let job = within(tag, || bind(|| USER.get()));
    elsewhere(|| {
        assert_eq!(job(), Some("of the companion"));
        assert_eq!(USER.get(), None, "it ended with the run");
    });
}

#[test]
fn work_that_a_companion_starts_carries_no_companion() {
    let log = Log::new();
    let tag = {
        let log = log.clone();
        Tag::acting("a", move |step| {
            let seen = std::thread::spawn(bind(ambient)).join().unwrap();
            let in_place = RoutineBuilder::new(Kind::Job).job(depth)();
            log.add((step, seen, in_place <= 1));
        })
    };
    let job = within(tag, || bind(depth));
    assert_eq!(elsewhere(job), 1);
    assert_eq!(log.all(), [Step::Capture, Step::Enter, Step::Leave].map(|step| (step, None, true)));
}

#[test]
fn a_companion_may_run_work_that_carries_itself() {
    let logger = within(Tag::new("logger"), || bind_fn(|()| ambient()));
    let logger = Arc::new(logger);
    let tag = Tag::acting("a", move |step| {
        if step == Step::Enter {
            assert_eq!(logger(()), None, "nothing is entered inside a companion");
        }
    });
    assert_eq!(elsewhere(within(tag, || bind(ambient))), Some("a"));
}

#[test]
fn a_companion_may_call_the_callback_it_is_entered_for() {
    type Callback = Box<dyn Fn(()) -> Option<&'static str> + Send + Sync>;
    let callback: Arc<OnceLock<Callback>> = Arc::default();
    let again = Arc::downgrade(&callback);
    let tag = Tag::acting("again", move |step| {
        if step != Step::Capture {
            again.upgrade().unwrap().get().unwrap()(());
        }
    });
    let bound = within(Tag::new("a"), || {
        let _guard = SECOND.enter(tag);
        bind_fn(|()| ambient())
    });
    callback.set(Box::new(bound)).ok().unwrap();
    assert_eq!(elsewhere(|| callback.get().unwrap()(())), Some("a"));
}

#[test]
fn a_callback_in_itself_leaves_only_what_it_entered() {
    let entered = Arc::new(AtomicUsize::new(0));
    let tag = Tag::acting("a", move |step| {
        assert!(step != Step::Enter || entered.fetch_add(1, Ordering::SeqCst) != 1, "the second time");
    });
    type Callback = Box<dyn Fn(bool) -> usize + Send + Sync>;
    let callback: Arc<OnceLock<Callback>> = Arc::default();
    let again = Arc::downgrade(&callback);
    let bound = within(tag, || {
        bind_fn(move |outer: bool| {
            assert!(!outer || caught(|| again.upgrade().unwrap().get().unwrap()(false)).is_err());
            depth()
        })
    });
    callback.set(Box::new(bound)).ok().unwrap();
    assert_eq!(elsewhere(|| callback.get().unwrap()(true)), 1);
}

// ===== for runtimes =====

#[test]
fn a_runtime_may_capture_enter_and_leave_by_itself() {
    let mut captured = within(Tag::new("a"), Captured::capture);
    assert!(!captured.is_none());
    elsewhere(move || {
        for _ in 0..2 {
            captured.enter();
            assert_eq!(ambient(), Some("a"));
            captured.leave();
            assert_eq!(ambient(), None);
        }
        captured.leave();
        assert_eq!(ambient(), None, "leaving what is not entered does nothing");
    });
}

#[test]
fn leaving_on_another_thread_does_nothing() {
    let mut captured = within(Tag::new("a"), Captured::capture);
    let mut other = captured.clone();
    captured.enter();
    elsewhere(|| {
        other.leave();
        assert_eq!(ambient(), None);
    });
    assert_eq!(ambient(), Some("a"));
    captured.leave();
    assert_eq!(ambient(), None);
}

#[test]
fn what_is_left_out_of_order_leaves_its_own_guard() {
    let log = Log::new();
    let mut one = within(Tag::logged("one", &log), Captured::capture);
    let mut two = within(Tag::logged("two", &log), Captured::capture);
    one.enter();
    two.enter();
    one.leave();
    two.leave();
    assert_eq!(log.all(), ["enter one", "enter two", "leave one", "leave two"]);
    assert_eq!(depth(), 0);
}

#[test]
fn what_a_hook_entered_for_a_routine_is_not_entered_again_by_its_scope() {
    // A task that a hook made a routine has no wrapper of its own.
    let spawn = || {
        let unwrapped = RoutineBuilder::new(Kind::Task).detached();
        (Captured::capture(), unwrapped.future(USER.scope("ada", async { (ambient(), depth()) })))
    };
    let run = |enter: fn(&mut Captured, RoutineId)| {
        let (mut captured, future) = within(Tag::new("a"), spawn);
        elsewhere(|| {
            enter(&mut captured, future.routine_id().unwrap());
            let seen = now(future);
            captured.leave();
            assert_eq!(ambient(), None);
            seen
        })
    };
    assert_eq!(run(|captured, id| captured.enter_for(id)), (Some("a"), 1));
    assert_eq!(run(|captured, _| captured.enter()), (Some("a"), 2), "for the hook's own thread");
}

// ===== the end of a thread =====

thread_local! {
    static KEPT: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

#[test]
#[cfg_attr(miri, ignore = "it leaks the guard, as it says")]
fn a_guard_that_is_never_left_is_not_dropped_at_thread_exit() {
    let left = Flag::default();
    let tag = {
        let left = left.clone();
        Tag::acting("a", move |step| {
            if step == Step::Leave {
                left.raise();
            }
        })
    };
    let mut captured = within(tag, Captured::capture);
    elsewhere(move || captured.enter());
    assert!(!left.is_up());
}

/// Is always carried, and uses no thread-local.
struct Silent;

impl Companion for Silent {
    type State = ();
    type Guard = ();

    fn capture(&self) -> Option<()> {
        Some(())
    }

    fn enter(&self, (): &()) {}
}

#[test]
fn work_may_be_dropped_while_a_thread_destroys_its_locals() {
    in_child("companions::work_may_be_dropped_while_a_thread_destroys_its_locals", || {
        install();
        companion::register(Silent);
        let silent = bind_fn(|()| ());
        let library = || assert_eq!(ambient(), None);
        // A thread's locals are destroyed in the opposite order of their first use.
        let exit = |before: &(dyn Fn() + Sync), after: &(dyn Fn() + Sync)| {
            let log = Log::new();
            let witness = witness(&log);
            let job = within(Tag::new("a"), || bind(move || drop(witness)));
            elsewhere(move || {
                before();
                KEPT.set(Some(Box::new(job)));
                after();
            });
            log.all()
        };
        let all_there = exit(&|| (silent(()), library()).0, &|| ());
        let guards_gone = exit(&|| (), &|| silent(()));
        let library_gone = exit(&|| silent(()), &library);
        assert_eq!([all_there, guards_gone, library_gone], [[(Some("a"), 1)], [(None, 0)], [(None, 0)]]);
    });
}

// ===== the price =====

#[test]
#[cfg_attr(miri, ignore = "needs a process of its own")]
fn nothing_is_paid_while_none_is_registered() {
    in_child("companions::nothing_is_paid_while_none_is_registered", || {
        assert!(!companion::any());
        let run = || {
            let mut captured = Captured::capture();
            captured.enter();
            captured.leave();
            captured
        };
        let mut none = Captured::none();
        let paid = allocation_counter::measure(|| none = run());
        assert_eq!((paid.count_total, none.is_none()), (0, true));
        assert_eq!(size_of::<Captured>(), size_of::<usize>());
    });
}

#[test]
fn a_poll_that_enters_allocates_nothing() {
    let future = within(Tag::new("a"), || task(std::future::poll_fn(|_| Poll::<()>::Pending)));
    let mut future = pin!(future);
    assert!(poll_once(future.as_mut()).is_pending());
    let paid = allocation_counter::measure(|| assert!(poll_once(future.as_mut()).is_pending()));
    assert_eq!(paid.count_total, 0);
}
