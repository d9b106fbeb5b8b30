//! Owns tokio's task hooks: a task that is spawned gets a seat, which is found by its id, and given up when it terminates.
//!
//! What the hooks tell is less than one would like, and each gap is closed here:
//! - A terminate may come for what was never told (blocking jobs, workers): unknown ids are ignored.
//! - On a runtime that is shut down the terminate comes *before* the spawn, on the same thread: the terminate leaves a note.
//! - A panic in a spawn hook would leave a task that never runs: nothing of ours or of the user's panics out of one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use routines::companion::Captured;
use routines::runtime::{Seat, Tasks};
use routines::{Kind, RoutineBuilder};
use rustc_hash::FxBuildHasher;
use tokio::runtime::{Builder, TaskMeta};

use crate::flow::{Flow, Hook, Task};
use crate::policy::Relation;
use crate::{TASKS, task_number};

/// What a hooked task has.
struct Hooked {
    seat: Seat,
    companions: Captured,
}

/// The hooked tasks that live, by number. Tasks of one thread mostly have numbers of different shards.
static SHARDS: [Mutex<Shard>; 64] = [const { Mutex::new(HashMap::with_hasher(FxBuildHasher)) }; 64];

type Shard = HashMap<u64, Hooked, FxBuildHasher>;

fn shard(task: u64) -> MutexGuard<'static, Shard> {
    SHARDS[(task % 64) as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

/// The seat of a task.
pub(crate) fn find(task: u64) -> Option<Seat> {
    shard(task).get(&task).map(|hooked| hooked.seat.clone())
}

fn remove(task: u64) -> Option<Hooked> {
    let mut shard = shard(task);
    let hooked = shard.remove(&task)?;
    if shard.len() * 4 < shard.capacity() {
        let room = shard.len() * 2;
        shard.shrink_to(room);
    }
    Some(hooked)
}

thread_local! {
    /// Whether the spawn being made is one of ours: the task is a routine already.
    static WRAPPED: Cell<bool> = const { Cell::new(false) };
    /// Whether a user's hook is running.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
    /// The task that terminated last without having been told of.
    static UNKNOWN: Cell<u64> = const { Cell::new(0) };
    /// The companions of the tasks being polled: a task may block on a runtime of its own.
    static ENTERED: RefCell<Vec<(u64, Captured)>> = const { RefCell::new(Vec::new()) };
}

/// Makes a spawn whose future is a routine of its own making: the hook leaves it alone.
pub(crate) fn wrapped<R>(spawn: impl FnOnce() -> R) -> R {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            WRAPPED.set(self.0);
        }
    }
    let _reset = Reset(WRAPPED.replace(true));
    spawn()
}

/// Sets the hooks.
pub(crate) fn install(flow: Flow, builder: &mut Builder) -> &mut Builder {
    let Flow { policy, on_spawn, on_terminate } = flow;
    builder.on_task_spawn(move |meta| {
        let task = Task::new(meta.id(), meta.spawned_at());
        if !WRAPPED.replace(false) {
            quietly(|| spawned(&task, policy.relation(&task)));
        }
        tell(&on_spawn, &task);
    });
    builder.on_task_terminate(move |meta| {
        quietly(|| terminated(task_number(meta.id())));
        tell(&on_terminate, &Task::new(meta.id(), meta.spawned_at()));
    });
    if routines::companion::any() {
        builder.on_before_task_poll(|meta| quietly(|| enter(meta))).on_after_task_poll(|meta| quietly(|| leave(meta)));
    }
    builder
}

/// Runs what must not panic: the panic has been told of by the panic hook.
fn quietly(f: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(f)));
}

/// Runs in the code that spawns.
fn spawned(task: &Task, relation: Relation) {
    let number = task_number(task.id());
    let Some(Some(tasks)) = TASKS.get().copied() else { return };
    if UNKNOWN.get() == number {
        return;
    }
    let routine = RoutineBuilder::new(Kind::Task).location(task.spawned_at());
    let inherits = relation == Relation::Inherit;
    let hooked = if inherits { inherit(routine.clone(), tasks, number) } else { None };
    let hooked =
        hooked.unwrap_or_else(|| Hooked { seat: routine.detached().task(tasks, number), companions: Captured::none() });
    shard(number).insert(number, hooked);
}

/// `None` if a key's *derive* function, or a companion, panicked: the task then starts empty, rather than never.
fn inherit(routine: RoutineBuilder, tasks: Tasks, number: u64) -> Option<Hooked> {
    let capture = || Hooked { companions: Captured::capture(), seat: routine.task(tasks, number) };
    catch_unwind(AssertUnwindSafe(capture)).ok()
}

/// Runs in whatever code comes after the task.
fn terminated(task: u64) {
    match remove(task) {
        // Dropping the values runs user code: no lock is held.
        Some(hooked) => hooked.seat.end(),
        None => UNKNOWN.set(task),
    }
}

fn tell(hooks: &[Hook], task: &Task) {
    if hooks.is_empty() || IN_HOOK.replace(true) {
        return;
    }
    hooks.iter().for_each(|hook| quietly(|| hook(task)));
    IN_HOOK.set(false);
}

fn enter(meta: &TaskMeta<'_>) {
    let task = task_number(meta.id());
    let taken = shard(task).get_mut(&task).map(|hooked| std::mem::replace(&mut hooked.companions, Captured::none()));
    if let Some(mut companions) = taken.filter(|taken| !taken.is_none()) {
        companions.enter();
        ENTERED.with_borrow_mut(|entered| entered.push((task, companions)));
    }
}

fn leave(meta: &TaskMeta<'_>) {
    let task = task_number(meta.id());
    let entered = ENTERED.with_borrow_mut(|entered| entered.pop_if(|(entered, _)| *entered == task));
    if let Some((_, mut companions)) = entered {
        companions.leave();
        // The task may have terminated meanwhile.
        if let Some(hooked) = shard(task).get_mut(&task) {
            hooked.companions = companions;
        }
    }
}
