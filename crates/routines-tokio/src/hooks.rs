//! Owns tokio's task hooks: a task that is spawned gets a seat, which is found by its id, and given up when it terminates.
//!
//! What the hooks tell is less than one would like, and each gap is closed here:
//! - A terminate may come for what was never told (blocking jobs, workers): unknown ids are ignored.
//! - On a runtime that is or is being shut down the terminate may come *before* the spawn, perhaps on another thread: a
//!   terminate of an unknown task leaves a note. Notes are few, so the last of a runtime's handles takes what was missed.
//! - A panic in a spawn hook would leave a task that never runs: nothing of ours or of the user's panics out of one.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use routines::companion::Captured;
use routines::runtime::{Seat, Tasks};
use routines::{Kind, RoutineBuilder, label};
use rustc_hash::FxBuildHasher;
use tokio::runtime::{Builder, TaskMeta};

use crate::flow::{Flow, Hook, Task};
use crate::policy::Relation;
use crate::{TASKS, task_number};

/// What a hooked task has.
struct Hooked {
    seat: Seat,
    companions: Captured,
    /// Whose task it is.
    hooks: usize,
}

/// The hooked tasks that live, by number, of one residue class: tasks spawned after each other are in different ones.
struct Shard {
    tasks: HashMap<u64, Hooked, FxBuildHasher>,
    /// Tasks that terminated last without having been told of, and where the next is written.
    unknown: ([u64; NOTES], usize),
}

/// Over all shards, five hundred blocking jobs may end between a task's early end and its spawn hook.
const NOTES: usize = 8;

const NOTHING: Shard = Shard { tasks: HashMap::with_hasher(FxBuildHasher), unknown: ([0; NOTES], 0) };
static SHARDS: [Mutex<Shard>; 64] = [const { Mutex::new(NOTHING) }; 64];

fn shard(task: u64) -> MutexGuard<'static, Shard> {
    SHARDS[(task % 64) as usize].lock().unwrap_or_else(PoisonError::into_inner)
}

/// The seat of a task.
pub(crate) fn find(task: u64) -> Option<Seat> {
    shard(task).tasks.get(&task).map(|hooked| hooked.seat.clone())
}

impl Shard {
    /// Lists a task; gives it back if it has ended already.
    fn insert(&mut self, task: u64, hooked: Hooked) -> Option<Hooked> {
        if self.unknown.0.contains(&task) {
            return Some(hooked);
        }
        self.tasks.insert(task, hooked)
    }

    /// Takes a task out, or notes that it ended.
    fn remove(&mut self, task: u64) -> Option<Hooked> {
        let hooked = self.tasks.remove(&task);
        match hooked {
            Some(_) => self.shrink(),
            None => {
                let (notes, next) = &mut self.unknown;
                notes[*next % NOTES] = task;
                *next += 1;
            }
        }
        hooked
    }

    fn shrink(&mut self) {
        if self.tasks.len() * 4 < self.tasks.capacity() {
            let room = self.tasks.len() * 2;
            self.tasks.shrink_to(room);
        }
    }
}

thread_local! {
    /// Whether the spawn being made is one of ours: the task is a routine already.
    static WRAPPED: Cell<bool> = const { Cell::new(false) };
    /// Whether a user's hook is running.
    static IN_HOOK: Cell<bool> = const { Cell::new(false) };
    /// The seats of the tasks being polled, whose labels profilers see.
    static LABELLED: RefCell<Vec<Option<Seat>>> = const { RefCell::new(Vec::new()) };
    /// The companions of the tasks being polled: a task may block on a runtime of its own.
    static ENTERED: RefCell<Vec<(u64, Captured)>> = const { RefCell::new(Vec::new()) };
}

/// While it lives, the next spawn is one whose future is a routine of its own making: the hook leaves it alone.
pub(crate) struct Wrapped {
    outer: bool,
}

impl Wrapped {
    pub(crate) fn begin() -> Self {
        Wrapped { outer: WRAPPED.replace(true) }
    }
}

impl Drop for Wrapped {
    fn drop(&mut self) {
        WRAPPED.set(self.outer);
    }
}

/// One set of hooks, which belongs to a runtime and all its handles.
struct Hooks(Flow);

impl Hooks {
    /// Tells its tasks from others'.
    fn number(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

/// When nobody can spawn on the runtime any more no task of it lives.
impl Drop for Hooks {
    fn drop(&mut self) {
        let number = self.number();
        for shard in &SHARDS {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let left: Vec<_> = shard.tasks.extract_if(|_, hooked| hooked.hooks == number).collect();
            shard.shrink();
            drop(shard);
            left.iter().for_each(|(_, hooked)| quietly(|| hooked.seat.end()));
        }
    }
}

/// Sets the hooks.
pub(crate) fn install(flow: Flow, builder: &mut Builder) -> &mut Builder {
    let hooks = Arc::new(Hooks(flow));
    let ending = Arc::clone(&hooks);
    builder.on_task_spawn(move |meta| {
        let task = Task::new(meta.id(), meta.spawned_at());
        if !WRAPPED.replace(false) {
            quietly(|| spawned(&task, &hooks));
        }
        tell(&hooks.0.on_spawn, &task);
    });
    builder.on_task_terminate(move |meta| {
        quietly(|| terminated(task_number(meta.id())));
        tell(&ending.0.on_terminate, &Task::new(meta.id(), meta.spawned_at()));
    });
    if routines::companion::any() || label::is_installed() {
        builder.on_before_task_poll(|meta| quietly(|| enter(meta))).on_after_task_poll(|meta| quietly(|| leave(meta)));
    }
    builder
}

/// Runs what must not panic: the panic has been told of by the panic hook.
fn quietly(f: impl FnOnce()) {
    drop(catch_unwind(AssertUnwindSafe(f)));
}

/// Runs in the code that spawns.
fn spawned(task: &Task, hooks: &Hooks) {
    let Some(Some(tasks)) = TASKS.get().copied() else { return };
    let number = task_number(task.id());
    let routine = RoutineBuilder::new(Kind::Task).location(task.spawned_at());
    let inherits = hooks.0.policy.relation(task) == Relation::Inherit;
    let inherited = if inherits { inherit(routine.clone(), tasks, number) } else { None };
    let (seat, companions) = inherited.unwrap_or_else(|| (routine.detached().task(tasks, number), Captured::none()));
    let ended = shard(number).insert(number, Hooked { seat, companions, hooks: hooks.number() });
    if let Some(hooked) = ended {
        hooked.seat.end();
    }
}

/// `None` if a key's *derive* function, or a companion, panicked: the task then starts empty, rather than never.
fn inherit(routine: RoutineBuilder, tasks: Tasks, number: u64) -> Option<(Seat, Captured)> {
    let capture = || {
        let companions = Captured::capture();
        (routine.task(tasks, number), companions)
    };
    catch_unwind(AssertUnwindSafe(capture)).ok()
}

/// Runs in whatever code comes after the task.
fn terminated(task: u64) {
    let hooked = shard(task).remove(task);
    // Dropping the values runs user code: no lock is held.
    if let Some(hooked) = hooked {
        hooked.seat.end();
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
    let labelled = label::is_installed();
    let taken = shard(task).tasks.get_mut(&task).map(|hooked| {
        let companions = std::mem::replace(&mut hooked.companions, Captured::none());
        (hooked.seat.id(), labelled.then(|| hooked.seat.clone()), companions)
    });
    let (entered, seat) = taken.map_or((None, None), |(routine, seat, companions)| (Some((routine, companions)), seat));
    if labelled {
        seat.as_ref().map_or_else(Seat::hide_labels, Seat::show_labels);
        LABELLED.with_borrow_mut(|polled| polled.push(seat));
    }
    if let Some((routine, mut companions)) = entered.filter(|(_, companions)| !companions.is_none()) {
        companions.enter_for(routine);
        ENTERED.with_borrow_mut(|entered| entered.push((task, companions)));
    }
}

fn leave(meta: &TaskMeta<'_>) {
    let task = task_number(meta.id());
    if label::is_installed() {
        let (ended, outer) = LABELLED.with_borrow_mut(|polled| (polled.pop(), polled.last().cloned()));
        outer.flatten().as_ref().map_or_else(Seat::hide_labels, Seat::show_labels);
        drop(ended);
    }
    let entered = ENTERED.with_borrow_mut(|entered| entered.pop_if(|(entered, _)| *entered == task));
    if let Some((_, mut companions)) = entered {
        companions.leave();
        // The task may have terminated meanwhile.
        if let Some(hooked) = shard(task).tasks.get_mut(&task) {
            hooked.companions = companions;
        }
    }
}
