//! Owns stacks: the slot of a stackful coroutine, exchanged whole with the thread's at each resume and yield.

use std::fmt;

use super::life::Life;
use super::place::{on_asked, on_thread};
use super::{Slot, Undo, drain, end};
use crate::companion::Captured;
use crate::context::Context;
use crate::id::RoutineId;
use crate::registry::Live;

/// A routine with a stack of its own: a stackful coroutine.
///
/// Frames that are open when it yields - scopes, entered guards - stay open in it and nowhere else, and are found again when
/// it is resumed, on whatever thread that is. Made by [`RoutineBuilder::stack`](crate::RoutineBuilder::stack).
///
/// ```
/// use routines::{Kind, Local, RoutineBuilder};
///
/// static USER: Local<&str> = Local::new();
///
/// let mut stack = USER.sync_scope("ada", || RoutineBuilder::new(Kind::Coroutine).stack());
/// stack.run(|| USER.set("eve"));                       // the first resume, until it yields
/// assert_eq!(USER.get(), None);
/// assert_eq!(stack.run(|| USER.get()), Some("eve"));   // the second
/// ```
pub struct Stack {
    id: RoutineId,
    slot: Slot,
    companions: Captured,
}

impl Stack {
    pub(crate) fn new(cx: Context, live: Live, companions: Captured) -> Stack {
        let id = RoutineId::from_u64(live.id()).unwrap_or(RoutineId::MAIN);
        let slot = Slot::new();
        slot.id.set(id.as_u64());
        slot.life.set(Life::Live);
        slot.undo.set(Undo::Owned);
        slot.live.put(Some(live));
        slot.put_cx(cx);
        Stack { id, slot, companions }
    }

    /// The routine's id.
    pub fn id(&self) -> RoutineId {
        self.id
    }

    /// Runs one stretch of the coroutine, from a resume to the next yield, or the drop of an unfinished one.
    ///
    /// The thread's own context is back afterwards, also on panic. About 20 ns.
    pub fn run<R>(&mut self, resume: impl FnOnce() -> R) -> R {
        struct Resumed<'a>(&'a Slot);
        impl Drop for Resumed<'_> {
            fn drop(&mut self) {
                on_thread(|thread| thread.slot.exchange_stack(self.0));
                self.0.live.with(|live| live.as_ref().map(Live::idle));
            }
        }
        // Whoever runs here is the coroutine, whatever task resumed it.
        let task = on_asked(|_, running| running.task);
        self.slot.stamp.set(task);
        self.slot.live.with(|live| live.as_ref().map(Live::running));
        on_thread(|thread| thread.slot.exchange_stack(&self.slot));
        let _resumed = Resumed(&self.slot);
        let _riding = self.companions.ride();
        resume()
    }
}

impl fmt::Debug for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stack").field(&self.id).finish()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        struct Ends(Option<Live>);
        impl Drop for Ends {
            fn drop(&mut self) {
                if let Some(live) = self.0.take() {
                    end(live);
                }
            }
        }
        // Also when a value's destructor panics.
        let _ends = Ends(self.slot.live.take());
        let rest = self.slot.dismantle_frames();
        self.run(drain);
        drop(rest);
    }
}
