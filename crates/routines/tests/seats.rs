//! Seats and stacks, with a runtime made up for the purpose. A binary of its own: the tasks it registers are the process's.
#![allow(missing_docs, reason = "a test's name is its sentence")]

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use routines::runtime::{self, Seat, Tasks};
use routines::{FutureExt, Inherit, Kind, Local, RoutineBuilder, Snapshot, State};

static USER: Local<String> = Local::new().named("user");
static COUNT: Local<u64> = Local::new();
static SECRET: Local<u32> = Local::new().inherit(Inherit::Never);

thread_local! {
    static RUNNING: Cell<u64> = const { Cell::new(0) };
}

static SEATS: Mutex<Option<HashMap<u64, Seat>>> = Mutex::new(None);

fn find(task: u64) -> Option<Seat> {
    SEATS.lock().unwrap().as_ref()?.get(&task).cloned()
}

fn tasks() -> Tasks {
    static TASKS: OnceLock<Tasks> = OnceLock::new();
    *TASKS.get_or_init(|| runtime::add_tasks(|| RUNNING.try_with(Cell::get).unwrap_or(0), find).unwrap())
}

/// A task, which runs wherever it is asked to.
struct Task(u64, Seat);

impl Task {
    fn spawn() -> Task {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let seat = RoutineBuilder::new(Kind::Task).task(tasks(), number);
        SEATS.lock().unwrap().get_or_insert_default().insert(number, seat.clone());
        Task(number, seat)
    }

    /// A task nobody announced.
    fn bare() -> u64 {
        1 << 40
    }

    fn poll<R>(&self, f: impl FnOnce() -> R) -> R {
        run(self.0, f)
    }

    fn end(&self) {
        drop(SEATS.lock().unwrap().as_mut().and_then(|seats| seats.remove(&self.0)));
        self.1.end();
    }
}

fn run<R>(task: u64, f: impl FnOnce() -> R) -> R {
    struct Back(u64);
    impl Drop for Back {
        fn drop(&mut self) {
            RUNNING.set(self.0);
        }
    }
    let _back = Back(RUNNING.replace(task));
    f()
}

fn user() -> Option<String> {
    USER.get()
}

fn as_ada<R>(f: impl FnOnce() -> R) -> R {
    tasks();
    USER.sync_scope("ada".to_owned(), f)
}

#[test]
fn a_task_reads_and_writes_its_own_context_on_every_thread() {
    let task = as_ada(Task::spawn);
    let id = task.1.id();
    task.poll(|| {
        assert_eq!((routines::id(), user().as_deref()), (id, Some("ada")));
        USER.set("eve".to_owned());
        SECRET.set(7);
    });
    assert_eq!(user(), None);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            task.poll(|| assert_eq!((routines::id(), user().as_deref(), SECRET.get()), (id, Some("eve"), Some(7))));
            assert_eq!((user(), SECRET.get()), (None, None));
        });
    });
    task.end();
    assert!(!routines::ids().contains(&id));
    task.poll(|| assert_eq!((user(), COUNT.try_set(1).is_err()), (None, true)));
}

#[test]
fn tasks_on_one_thread_keep_apart_and_strangers_find_nothing() {
    let tasks: Vec<_> = (0..3).map(|n| COUNT.sync_scope(n, Task::spawn)).collect();
    for round in 0..3 {
        for (n, task) in tasks.iter().enumerate() {
            task.poll(|| {
                assert_eq!(COUNT.get(), Some(n as u64 + round * 10));
                COUNT.set(n as u64 + (round + 1) * 10);
            });
            run(Task::bare(), || assert_eq!(COUNT.get(), None));
        }
    }
    tasks.iter().for_each(Task::end);
}

#[test]
fn frames_in_a_seat_nest_and_end_also_by_a_panic() {
    let task = as_ada(Task::spawn);
    task.poll(|| {
        COUNT.sync_scope(1, || {
            USER.set("in the scope".to_owned());
            Snapshot::empty().sync_scope(|| assert_eq!((user(), COUNT.get()), (None, None)));
            assert_eq!((user().as_deref(), COUNT.get()), (Some("in the scope"), Some(1)));
        });
        assert_eq!((user().as_deref(), COUNT.get()), (Some("ada"), None));
        let panicked = std::panic::catch_unwind(|| COUNT.sync_scope(1, || std::panic::resume_unwind(Box::new(()))));
        assert!(panicked.is_err());
        assert_eq!((user().as_deref(), COUNT.get()), (Some("ada"), None));
        let guard = Snapshot::empty().enter();
        assert_eq!(user(), None);
        drop(guard);
        assert_eq!(user().as_deref(), Some("ada"));
    });
    task.end();
}

#[test]
fn a_frame_that_outlives_its_seat_is_left_all_the_same() {
    let task = as_ada(Task::spawn);
    task.poll(|| {
        USER.sync_scope("inner".to_owned(), || task.end());
        COUNT.sync_scope(1, || ());
        assert_eq!(user(), None);
    });
    assert_eq!((user(), COUNT.get()), (None, None));
}

#[test]
fn a_wrapper_polled_first_is_the_tasks_routine() {
    let task = as_ada(Task::spawn);
    let mut scope = Box::pin(USER.scope("scope".to_owned(), async { (routines::id(), user()) }));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = task.poll(|| scope.as_mut().poll(&mut cx));
    assert_eq!(polled, std::task::Poll::Ready((task.1.id(), Some("scope".to_owned()))));
    // A second one is a routine of its own, as anywhere.
    let mut second = Box::pin(async { routines::id() }.inherit());
    let polled = task.poll(|| second.as_mut().poll(&mut cx));
    assert!(matches!(polled, std::task::Poll::Ready(id) if id != task.1.id()));
    task.end();
}

#[test]
fn a_seat_is_shown_and_frees_its_values_when_it_ends() {
    static TOKEN: Local<Arc<()>> = Local::new();
    let token = Arc::new(());
    let task = TOKEN.sync_scope(Arc::clone(&token), || as_ada(Task::spawn));
    let info = || routines::all().into_iter().find(|info| info.id == task.1.id());
    assert_eq!(info().map(|info| (info.state, info.polls)), Some((State::Alive, 0)));
    task.poll(|| TOKEN.sync_scope(Arc::clone(&token), || ()));
    assert_eq!(Arc::strong_count(&token), 2);
    task.end();
    assert!(info().is_none());
    assert_eq!(Arc::strong_count(&token), 1);
}

#[test]
fn a_stack_resumed_by_different_tasks_on_different_threads_keeps_what_it_has_open() {
    tasks();
    let mut stack = as_ada(|| RoutineBuilder::new(Kind::Coroutine).stack());
    let task = Task::spawn();
    // What a coroutine leaves open when it yields: here a guard.
    let snapshot = COUNT.sync_scope(5, Snapshot::capture);
    let guard = task.poll(|| stack.run(|| snapshot.enter()));
    assert_eq!((user(), COUNT.get()), (None, None));
    assert_eq!(stack.run(|| (user(), COUNT.get())), (None, Some(5)));
    stack.run(|| drop(guard));
    std::thread::scope(|scope| {
        scope.spawn(|| run(Task::bare(), || assert_eq!(stack.run(user).as_deref(), Some("ada"))));
    });
    task.end();
}
