//! Owns what a runtime's own crate tells the core: which task runs now, and where its routine is.

use crate::slot::{self, Source};
pub use crate::slot::{Seat, Stack};

/// Registers how to ask which task is running: a non-zero number below 2^60 that is stable for the task's life, or 0 outside
/// every task. Returns whether it was registered: only the first is, later calls change nothing.
///
/// From then on every access checks that the code running is the code the context belongs to (about two nanoseconds), so
/// that a task started without a context reads nothing instead of its thread's or its host's values. Register it before
/// starting threads: a thread that is already running begins to check at its next scope, poll or spawn.
///
/// A runtime whose tasks can also be found by number, or that lives beside another, uses [`add_tasks`].
pub fn set_task_probe(probe: fn() -> u64) -> bool {
    slot::set_first_source(Source { probe, find: |_| None })
}

/// As [`set_task_probe`], for tasks that need no wrapper: `find` tells the seat of a task, if it was announced with
/// [`RoutineBuilder::task`](crate::RoutineBuilder::task).
///
/// `find` is called with a number `probe` gave, when a thread comes to another task; it must not use any
/// [`Local`](crate::Local), nor block. Register each kind once: returns what to pass to that `task`, or `None` if there are four
/// kinds already. `routines_tokio::install` does it for tokio.
///
/// ```
/// use std::cell::RefCell;
///
/// use routines::runtime::{self, Seat};
/// use routines::{Kind, Local, RoutineBuilder};
///
/// static USER: Local<&str> = Local::new();
///
/// // A runtime with one task per thread at most.
/// thread_local! {
///     static TASK: RefCell<(u64, Option<Seat>)> = const { RefCell::new((0, None)) };
/// }
/// let tasks = runtime::add_tasks(
///     || TASK.try_with(|task| task.borrow().0).unwrap_or(0),
///     |_| TASK.try_with(|task| task.borrow().1.clone()).ok().flatten(),
/// ).unwrap();
///
/// // It starts a task, and runs it.
/// let seat = USER.sync_scope("ada", || RoutineBuilder::new(Kind::Task).task(tasks, 7));
/// TASK.with(|task| task.replace((7, Some(seat.clone()))));
/// assert_eq!((routines::id(), USER.get()), (seat.id(), Some("ada")));
///
/// // The task ends.
/// TASK.with(|task| task.replace((0, None)));
/// seat.end();
/// assert!(!routines::ids().contains(&seat.id()));
/// ```
pub fn add_tasks(probe: fn() -> u64, find: fn(u64) -> Option<Seat>) -> Option<Tasks> {
    slot::add_source(Source { probe, find }).map(Tasks)
}

/// A kind of tasks that are found by number: see [`add_tasks`].
#[derive(Debug, Clone, Copy)]
pub struct Tasks(pub(crate) usize);
