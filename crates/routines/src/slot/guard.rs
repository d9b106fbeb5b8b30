//! Owns the stack of entered guards: dropped in any order, leaked or forgotten, each frame still gets back what it had (R14).

use std::collections::HashSet;
use std::panic::Location;
use std::sync::{Mutex, PoisonError};

use super::place::{at, on_asked};
use super::{Slot, Undo, next_id};
use crate::context::{Context, Published};
use crate::strict;

/// An entered guard's view of what it replaced.
pub(super) struct Held {
    number: u64,
    live: bool,
    location: &'static Location<'static>,
    id: u64,
    stamp: u64,
    undo: Undo,
    saved: Option<Box<Context>>,
    cx: Context,
}

/// Makes `cx` current until [`leave_guard`] or the end of the enclosing frame; returns the guard's number.
pub(crate) fn enter_guard(mut cx: Context, location: &'static Location<'static>) -> u64 {
    // Unique in the process: a guard may come to its end beside the guards of another slot.
    let number = next_id();
    let unpublished = on_asked(|slot, running| {
        let id = slot.id_of(running);
        let (id, stamp) = (slot.id.replace(id), slot.stamp.replace(running.task));
        slot.swap_cx(&mut cx);
        let unpublished = slot.publish_if(&cx);
        let (mut undo, mut saved) = (Undo::Owned, None);
        slot.begin_frame(Undo::Owned, &mut undo, &mut saved);
        slot.held.borrow_mut().push(Held { number, live: true, location, id, stamp, undo, saved, cx });
        slot.depth.set(slot.depth.get() + 1);
        slot.settle_mode();
        unpublished
    });
    drop(unpublished);
    number
}

/// Ends a guard. Whatever other guards are live keep their values current.
pub(crate) fn leave_guard(number: u64) {
    let popped = on_asked(|slot, _| {
        if let Some(held) = slot.held.borrow_mut().iter_mut().rev().find(|held| held.number == number) {
            held.live = false;
        }
        slot.pop_dead_guards()
    });
    drop(popped);
}

#[cold]
pub(super) fn report_live_guards(seat: u64, mark: usize) {
    let live = at(seat, |slot| slot.live_guards(mark)).unwrap_or_default();
    report(live);
}

fn report(live: Vec<&'static Location<'static>>) {
    static REPORTED: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);
    for location in live {
        strict::guard_at_suspend(location);
        let mut reported = REPORTED.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.get_or_insert_default().insert(location) {
            drop(reported);
            eprintln!(
                "routines: the guard entered at {location} was live while its task was suspended; its values end there. \
                 Use `Snapshot::scope` around the future instead of holding a guard across `.await`."
            );
        }
    }
}

/// A guard taken off the stack, with what was shown while it was current. Dropping it runs user code.
type Popped = (Held, Option<Published>);

/// Guards taken off the stack. The first stands apart, so that the usual single one needs no list.
pub(super) type AllPopped = (Option<Popped>, Vec<Popped>);

impl Slot {
    /// Whether guards above `mark` are on the stack, live or dead.
    #[inline]
    pub(super) fn has_guards(&self, mark: usize) -> bool {
        self.depth.get() > mark
    }

    /// Where the guards entered since `mark` were entered, if they live.
    fn live_guards(&self, mark: usize) -> Vec<&'static Location<'static>> {
        self.held.borrow().iter().skip(mark).filter(|held| held.live).map(|held| held.location).collect()
    }

    /// Closes every guard entered since `mark`. Drop the result when the slot is whole again.
    pub(super) fn close_guards(&self, mark: usize) -> AllPopped {
        self.pop_guards(|slot| slot.has_guards(mark))
    }

    /// Pops guards that were dropped while a younger one was current. Drop the result last.
    pub(super) fn pop_dead_guards(&self) -> AllPopped {
        let dead = |slot: &Slot| slot.held.borrow().last().is_some_and(|held| !held.live);
        self.pop_guards(|slot| slot.has_guards(slot.floor.get()) && dead(slot))
    }

    /// Closes the guards that were entered over the code of `task`: whoever entered them is suspended, since that code runs.
    #[cold]
    #[inline(never)]
    pub(super) fn reclaim_from_guards(&self, task: u64) -> bool {
        let mine = |held: &Held| held.stamp == task;
        let at = self.held.borrow().iter().skip(self.floor.get()).position(mine).map(|at| at + self.floor.get());
        let Some(mark) = at else { return false };
        report(self.live_guards(mark));
        drop(self.close_guards(mark));
        true
    }

    #[cold]
    fn pop_guards(&self, go_on: impl Fn(&Slot) -> bool) -> AllPopped {
        let first = if go_on(self) { self.pop_guard() } else { None };
        let mut rest = Vec::new();
        while go_on(self) {
            rest.extend(self.pop_guard());
        }
        (first, rest)
    }

    fn pop_guard(&self) -> Option<Popped> {
        let mut held = self.held.borrow_mut().pop()?;
        self.depth.set(self.depth.get() - 1);
        self.id.set(held.id);
        self.stamp.set(held.stamp);
        let _none = self.end_frame(held.undo, &mut held.saved);
        self.swap_cx(&mut held.cx);
        self.settle_mode();
        let unpublished = self.publish_if(&held.cx);
        Some((held, unpublished))
    }
}
