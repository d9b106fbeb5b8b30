//! Owns seats: the slot of a task that runs without a wrapper, found by its number (see [`super::place`]).

use std::{fmt, ptr};

use triomphe::Arc;
use try_lock::{Locked, TryLock};

use super::life::Life;
use super::place::{forget_found, on_thread};
use super::{Slot, Undo, end};
use crate::context::Context;
use crate::id::RoutineId;
use crate::registry::Live;

/// A routine that is not entered and left, but found: by the number of the task it is.
///
/// Made by [`RoutineBuilder::task`](crate::RoutineBuilder::task), found through
/// [`runtime::add_tasks`](crate::runtime::add_tasks), ended by [`end`](Self::end). While it lives, all code of its task reads
/// and writes the routine's own context, on whatever thread it runs.
///
/// Costs nothing per poll. An access in such a task costs one look-up when the thread comes to the task, and one
/// uncontended lock each time.
#[derive(Clone)]
pub struct Seat(Arc<Inner>);

struct Inner {
    id: RoutineId,
    /// Never contended: the code of a task runs on one thread at a time. Whoever finds it locked - an allocator that is called
    /// from within, say - finds nothing.
    slot: TryLock<Slot>,
}

impl Seat {
    pub(crate) fn new(task: u64, cx: Context, live: Live) -> Seat {
        let id = live.id();
        let slot = Slot::new();
        slot.id.set(id);
        slot.base.set(id);
        slot.stamp.set(task);
        slot.life.set(Life::Live);
        slot.undo.set(Undo::Owned);
        slot.untouched.set(true);
        slot.live.put(Some(live));
        slot.put_cx(cx);
        Seat(Arc::new(Inner { id: RoutineId::from_u64(id).unwrap_or(RoutineId::MAIN), slot: TryLock::new(slot) }))
    }

    pub(super) fn open(&self) -> Option<Locked<'_, Slot>> {
        self.0.slot.try_lock().filter(|slot| slot.life.get() == Life::Live)
    }

    /// The routine's id.
    pub fn id(&self) -> RoutineId {
        self.0.id
    }

    /// Shows profilers the labels of the task on this thread, until [`hide_labels`](Self::hide_labels): for hooks around its polls.
    ///
    /// Only where a [reader of labels](crate::label) is installed; a few nanoseconds.
    pub fn show_labels(&self) {
        let Some(slot) = self.open() else { return Seat::hide_labels() };
        on_thread(|thread| thread.shown_seat.set(ptr::from_ref::<Slot>(&slot).addr()));
        slot.show_labels();
    }

    /// Shows profilers the thread's own labels again: the poll of a task has ended.
    pub fn hide_labels() {
        on_thread(|thread| {
            thread.shown_seat.set(0);
            thread.slot.show_labels();
        });
    }

    /// Ends the routine: it is not listed any more, and its values are dropped, here.
    ///
    /// Doing it twice, or while the task's own code runs, does nothing. Code of the task that runs later has no context. A
    /// value whose destructor panics does so out of this call, when all else is done.
    pub fn end(&self) {
        let Some(slot) = self.open() else { return };
        slot.life.set(Life::Gone);
        let rest = slot.dismantle();
        let live = slot.live.take();
        drop(slot);
        // Whoever panics below leaves nothing behind.
        if let Some(live) = live {
            end(live);
        }
        drop(forget_found());
        drop(rest);
    }
}

impl fmt::Debug for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seat").field(&self.0.id).finish()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let slot = self.slot.try_lock();
        let Some(slot) = slot.filter(|slot| slot.life.get() == Life::Live) else { return };
        slot.life.set(Life::Gone);
        let rest = slot.dismantle();
        let live = slot.live.take();
        drop(slot);
        if let Some(live) = live {
            end(live);
        }
        drop(rest);
    }
}
