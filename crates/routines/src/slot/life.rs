//! Owns a thread's life as a routine: its first touch, and its end (R13).

use std::mem;

use super::frame::drain_by;
use super::place::{Thread, forget_found, on_thread};
use super::{Slot, next_id};
use crate::context::Published;
use crate::id::{self, RoutineId};
use crate::registry::{self, Birth, Kind, Live, Name};

/// Where a thread is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// Never touched.
    New,
    /// Listed as a routine.
    Live,
    /// Its locals are being destroyed: reads find nothing, writes are refused.
    Gone,
}

thread_local! {
    static EXIT: Exit = const { Exit };
}

/// Ends the thread's routine when the thread ends.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        // Nothing here panics: values are dropped by their own code, everything else is memory.
        on_thread(Thread::exit);
    }
}

/// Makes `live` the routine of this very thread until [`leave_thread`].
pub(crate) fn adopt_thread(live: Live) {
    on_thread(|thread| thread.slot.begin(Some(live)));
}

/// Ends the current thread's routine before the thread itself ends.
pub(crate) fn leave_thread() {
    on_thread(Thread::exit);
}

/// The record of a thread that nobody started through us.
fn start_thread() -> Live {
    let name = std::thread::current().name().map(Name::from);
    let birth = Birth { parent: 0, kind: Kind::Thread, location: None, name };
    let id = if id::on_main_thread() { RoutineId::MAIN.as_u64() } else { next_id() };
    Live::start(None, id, birth, Published::NOTHING)
}

impl Slot {
    /// Makes an untouched thread a routine.
    #[cold]
    #[inline(never)]
    fn touch_slow(&self) {
        self.begin(None);
    }

    #[inline]
    pub(super) fn touch(&self) {
        if self.life.get() == Life::New {
            self.touch_slow();
        }
    }

    pub(super) fn begin(&self, live: Option<Live>) {
        let alive = EXIT.try_with(|_| ()).is_ok();
        self.life.set(if alive { Life::Live } else { Life::Gone });
        let live = live.or_else(|| alive.then(start_thread));
        let id = live.as_ref().map_or_else(next_id, Live::id);
        self.base.set(id);
        self.id.set(id);
        if let Some(live) = &live {
            live.running();
        }
        self.live.put(live);
        self.settle_mode();
    }
}

impl Thread {
    /// Ends the thread's routine: its values, its record and the records it kept for others.
    fn exit(&self) {
        if self.slot.life.get() != Life::Live {
            return;
        }
        self.slot.floor.set(0);
        drop(self.slot.close_guards(0));
        drain_by(|| self.slot.take_cx());
        self.slot.life.set(Life::Gone);
        let rest = (self.slot.take_cx(), self.slot.saved.take());
        if let Some(live) = self.slot.live.take() {
            drop(live.end(None));
        }
        let spare = mem::take(&mut **self.spare.borrow_mut());
        registry::release(spare);
        drop(forget_found());
        // Taken out first: dropping them may enter guards.
        let held = mem::take(&mut **self.slot.held.borrow_mut());
        self.slot.depth.set(0);
        drop(held);
        drop(rest);
    }
}
