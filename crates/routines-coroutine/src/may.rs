//! Owns the twins of `may`'s ways to start coroutines.
//!
//! A coroutine of `may` runs on any thread of its scheduler and may go on on another after each blocking call. It reads its
//! own values everywhere: the context is found by the coroutine's own local storage, at each access.
//!
//! ```
//! use routines::Local;
//! use routines_coroutine::may;
//!
//! static USER: Local<&str> = Local::new();
//!
//! let seen = USER.sync_scope("ada", || may::spawn(|| {
//!     ::may::coroutine::yield_now();
//!     USER.get()
//! }));
//! assert_eq!(seen.join().unwrap(), Some("ada"));
//! ```

use std::cell::RefCell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use may::coroutine::{Builder, JoinHandle};
use routines::runtime::{self, Seat, Tasks};
use routines::{Kind, RoutineBuilder};

may::coroutine_local!(static CURRENT: RefCell<Option<(u64, Seat)>> = RefCell::new(None));

/// The running coroutine's number; 0 on a thread, and in a coroutine that was not started here.
fn current() -> u64 {
    if !may::coroutine::is_coroutine() {
        return 0;
    }
    CURRENT.with(|current| current.borrow().as_ref().map_or(0, |(number, _)| *number))
}

fn seat(number: u64) -> Option<Seat> {
    CURRENT.with(|current| current.borrow().as_ref().filter(|(mine, _)| *mine == number).map(|(_, seat)| seat.clone()))
}

/// Lets the core ask `may` which coroutine is running. Once per process is enough, and every function here does it.
///
/// # Panics
///
/// If four other kinds of tasks were registered first: see [`runtime::add_tasks`].
pub fn install() {
    tasks();
}

fn tasks() -> Tasks {
    static TASKS: OnceLock<Option<Tasks>> = OnceLock::new();
    let tasks = TASKS.get_or_init(|| runtime::add_tasks(current, seat));
    tasks.expect("there is no room for may's coroutines: four other kinds of tasks were registered first")
}

/// Starts a coroutine that inherits the current context; otherwise `may::go!`.
///
/// # Panics
///
/// If there is no memory for its stack; [`spawn_with`] returns that error instead.
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(Builder::new(), RoutineBuilder::new(Kind::Coroutine), f).expect("failed to spawn a coroutine")
}

/// Starts a coroutine with an empty context; otherwise [`spawn`].
///
/// # Panics
///
/// If there is no memory for its stack.
#[track_caller]
pub fn spawn_detached<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(Builder::new(), RoutineBuilder::new(Kind::Coroutine).detached(), f).expect("failed to spawn a coroutine")
}

/// Starts a coroutine with a stack size and a name of the caller's choice, as the routine `routine` describes.
///
/// # Errors
///
/// As [`Builder::spawn`].
pub fn spawn_with<F, T>(builder: Builder, routine: RoutineBuilder, f: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    start(builder, routine, f)
}

fn start<F, T>(builder: Builder, routine: RoutineBuilder, f: F) -> io::Result<JoinHandle<T>>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: the number publishes nothing but itself.
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let ends = Ends(routine.task(tasks(), number));
    may::go!(builder, move || {
        CURRENT.with(|current| current.replace(Some((number, ends.0.clone()))));
        // Dropped in this order, also when the coroutine panics: what it captured, its values, its routine.
        let _ends = ends;
        let _values = Values;
        f()
    })
}

/// Ends the routine with its coroutine, also if that never ran.
struct Ends(Seat);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Drops the coroutine's values while they can still be read.
struct Values;

impl Drop for Values {
    fn drop(&mut self) {
        routines::flush();
    }
}
