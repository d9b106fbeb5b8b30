//! Owns frames: a stretch of execution with a context of its own, entered and left, also on unwind.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guard::{AllPopped, report_live_guards};
use super::place::{Running, at, at_seat, on, on_thread, running};
use super::{Garbage, Slot, Undo, context, refresh};
use crate::context::{Context, Published};
use crate::key::{self, Key};
use crate::registry::Live;
use crate::table::{self, Bound};
use crate::value::Value;

/// The record of a routine, lent to the thread while it runs; `None` for work of the routine that is current anyway.
pub(crate) type Who<'a> = Option<&'a mut Option<Live>>;

/// Runs `f` with `cx` as the context, then puts everything back as it was (R1), also on unwind (R10).
///
/// `cx` holds the frame's context again afterwards. A guard entered in `f` and still live is closed; if `suspends` tells
/// that `f` will be continued, it is reported.
#[inline(always)]
pub(crate) fn run<R>(cx: &mut Context, who: Who<'_>, f: impl FnOnce() -> R, suspends: impl FnOnce(&R) -> bool) -> R {
    let running = running();
    if running.seated {
        return run_seated(running, cx, who, f, suspends);
    }
    let mut frame = OnThread(Frame::new(cx, who));
    on_thread(|thread| frame.0.enter(&thread.slot, running));
    let result = f();
    if on_thread(|thread| thread.slot.depth.get()) != frame.0.mark && suspends(&result) {
        report_live_guards(0, frame.0.mark);
    }
    result
}

/// As [`run`], in the seat of the running task. Apart from it, so that what is run on every poll stays in registers.
#[inline(never)]
fn run_seated<R>(
    running: Running,
    cx: &mut Context,
    who: Who<'_>,
    f: impl FnOnce() -> R,
    suspends: impl FnOnce(&R) -> bool,
) -> R {
    let mut frame = InSeat(Frame::new(cx, who), running.task);
    at_seat(running.task, |slot| frame.0.enter(slot, running));
    refresh();
    let result = f();
    let mark = frame.0.mark;
    if at(running.task, |slot| slot.depth.get() != mark).unwrap_or(false) && suspends(&result) {
        report_live_guards(running.task, mark);
    }
    result
}

/// Runs `f` with `cx` in the current routine, for the last time: the values die inside the frame.
#[inline]
pub(crate) fn run_once<R>(cx: &mut Context, f: impl FnOnce() -> R) -> R {
    let announce = cx.has_special() || shows();
    let outer = Announce(Cell::new(announce));
    let inner = || {
        let _values = Values(&outer.0);
        if announce {
            announce_current();
        }
        f()
    };
    run(cx, None, inner, |_| false)
}

/// Whether the current context has anything to show to dumps.
#[inline]
pub(crate) fn shows() -> bool {
    on(|slot, running| running.mine && slot.with_cx(|cx| cx.has_special()))
}

/// Drops the current frame's values when the frame's work ends, also on unwind.
pub(crate) struct Draining;

impl Drop for Draining {
    #[inline]
    fn drop(&mut self) {
        drain();
    }
}

/// As [`Draining`], for work that nothing has announced; first notes whether any were shown.
pub(crate) struct Values<'a>(pub(crate) &'a Cell<bool>);

impl Drop for Values<'_> {
    #[inline]
    fn drop(&mut self) {
        if shows() {
            self.0.set(true);
        }
        drain();
    }
}

/// Shows the outer context's values again when an inner frame ends.
struct Announce(Cell<bool>);

impl Drop for Announce {
    fn drop(&mut self) {
        if self.0.get() {
            announce_current();
        }
    }
}

/// What an open frame puts back. Entered and left where it stands: moving it would cost more than all it does, because
/// words that were just stored one by one cannot be forwarded to the wide loads of a copy.
struct Frame<'a> {
    cx: &'a mut Context,
    who: Who<'a>,
    id: u64,
    /// The bits in which the stamp differs from the frame's around it. Not that stamp: a coroutine may have been resumed by
    /// another task since.
    stamp: u64,
    undo: Undo,
    saved: Option<Box<Context>>,
    mark: usize,
    floor: usize,
}

impl<'a> Frame<'a> {
    #[inline]
    fn new(cx: &'a mut Context, who: Who<'a>) -> Self {
        Frame { cx, who, id: 0, stamp: 0, undo: Undo::Owned, saved: None, mark: 0, floor: 0 }
    }

    #[inline]
    fn enter(&mut self, slot: &Slot, running: Running) {
        let mut id = slot.id_of(running);
        if let Some(live) = &mut self.who {
            if let Some(live) = live {
                id = live.id();
                live.running();
            }
            **live = slot.live.replace(live.take());
        }
        slot.swap_cx(self.cx);
        slot.begin_frame(Undo::Owned, &mut self.undo, &mut self.saved);
        self.id = slot.id.replace(id);
        self.stamp = slot.stamp.replace(running.task) ^ running.task;
        self.mark = slot.depth.get();
        self.floor = slot.floor.replace(self.mark);
        slot.settle_mode();
        if !running.seated {
            slot.refresh_thread();
        }
    }

    #[inline]
    fn leave(&mut self, slot: &Slot) {
        slot.id.set(self.id);
        slot.stamp.set(slot.stamp.get() ^ self.stamp);
        slot.floor.set(self.floor);
        if let Some(live) = &mut self.who {
            **live = slot.live.replace(live.take());
            if let Some(live) = live {
                live.idle();
            }
        }
        slot.swap_cx(self.cx);
        // A frame that owns its context saves nothing.
        let _none = slot.end_frame(self.undo, &mut self.saved);
        slot.settle_mode();
    }

    #[cold]
    #[inline(never)]
    fn leave_with_guards(&mut self, slot: &Slot) -> Rest {
        let closed = slot.close_guards(self.mark);
        self.leave(slot);
        // The guards made dumps show their values.
        let unpublished = slot.publish();
        (slot.pop_dead_guards(), closed, unpublished)
    }
}

/// What guards that were left open held: dropping it runs user code.
type Rest = (AllPopped, AllPopped, Option<Published>);

impl Open for Frame<'_> {
    type Rest = (Option<Rest>, Option<Garbage>);

    #[inline]
    fn close(&mut self, slot: &Slot) {
        if slot.has_guards(self.mark.min(self.floor)) {
            drop(self.leave_with_guards(slot));
        } else {
            self.leave(slot);
        }
        slot.refresh_thread();
    }

    fn close_locked(&mut self, slot: &Slot) -> Self::Rest {
        if slot.has_guards(self.mark.min(self.floor)) {
            return (Some(self.leave_with_guards(slot)), slot.refresh());
        }
        self.leave(slot);
        (None, slot.refresh())
    }
}

/// A frame, or a scope, that is open in some slot. Both ways to close it put everything back before user code runs, which
/// may panic.
trait Open {
    /// Closes it in the thread's slot, which may be used meanwhile.
    fn close(&mut self, slot: &Slot);

    /// Closes it in a seat, which is locked; dropping the result runs user code.
    fn close_locked(&mut self, slot: &Slot) -> Self::Rest;

    /// What is to be dropped when the lock is free.
    type Rest;
}

/// Open in the thread's slot until dropped.
struct OnThread<O: Open>(O);

impl<O: Open> Drop for OnThread<O> {
    #[inline]
    fn drop(&mut self) {
        on_thread(|thread| self.0.close(&thread.slot));
    }
}

/// Open in the seat of a task until dropped.
struct InSeat<O: Open>(O, u64);

impl<O: Open> Drop for InSeat<O> {
    fn drop(&mut self) {
        drop(at(self.1, |slot| self.0.close_locked(slot)));
    }
}

/// Binds one key while `f` runs, in place: nothing is copied and, for a primitive, nothing is allocated.
#[inline]
pub(crate) fn scope<R>(token: &AtomicU64, key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    let running = running();
    if running.seated {
        return scope_seated(running, token, key, value, f);
    }
    if on_thread(|thread| thread.slot.writable(running)).is_err() {
        return scope_apart(key, value, f);
    }
    let mut binding = OnThread(Binding::new(token, key));
    on_thread(|thread| binding.0.enter(&thread.slot, value));
    f()
}

/// As [`scope`], in the seat of the running task.
#[inline(never)]
fn scope_seated<R>(running: Running, token: &AtomicU64, key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    let mut binding = InSeat(Binding::new(token, key), running.task);
    at_seat(running.task, |slot| binding.0.enter(slot, value));
    f()
}

/// As [`scope`], where nothing can be bound in place: in a frame of its own.
#[inline(never)]
fn scope_apart<R>(key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    let mut cx = context();
    drop(cx.write(key, Some(value)));
    run_once(&mut cx, f)
}

/// What an open scope puts back under its key. Not moved either: see [`Frame`].
struct Binding<'a> {
    token: &'a AtomicU64,
    key: Key,
    /// What was bound, if it was exchanged in place.
    bits: Option<Bound<u64>>,
    /// What was bound otherwise.
    old: Option<Value>,
    undo: Undo,
    saved: Option<Box<Context>>,
    mark: usize,
    floor: usize,
}

impl<'a> Binding<'a> {
    #[inline]
    fn new(token: &'a AtomicU64, key: Key) -> Self {
        Binding { token, key, bits: None, old: None, undo: Undo::Owned, saved: None, mark: 0, floor: 0 }
    }

    #[inline]
    fn enter(&mut self, slot: &Slot, value: Value) {
        match value {
            Value::Bits(bits) if !key::is_special(self.key.token) => {
                let new = (Some(self.key.meta), bits);
                self.bits = slot.half(self.key.token).with(|t| t.as_mut()?.exchange_bits(self.key.token, new));
                if self.bits.is_none() {
                    self.old = slot.rebind(self.key, Some(Value::Bits(bits)));
                }
            }
            value => self.old = slot.rebind(self.key, Some(value)),
        }
        slot.begin_frame(Undo::Clean, &mut self.undo, &mut self.saved);
        self.mark = slot.depth.get();
        self.floor = slot.floor.replace(self.mark);
    }

    /// A key that was cleared or dropped meanwhile has nothing to go back to.
    #[inline]
    fn is_current(&self) -> bool {
        self.token.load(Ordering::Acquire) == self.key.token
    }

    /// Leaves if nothing but bits has to be exchanged.
    #[inline]
    fn leave_plainly(&mut self, slot: &Slot) -> bool {
        let plain = !slot.has_guards(self.mark.min(self.floor)) && slot.undo.get() == Undo::Clean;
        if !(plain && self.is_current() && self.exchange_back(slot)) {
            return false;
        }
        slot.floor.set(self.floor);
        let _none = slot.end_frame(self.undo, &mut self.saved);
        true
    }

    #[inline]
    fn exchange_back(&self, slot: &Slot) -> bool {
        let Some(old) = self.bits else { return false };
        slot.half(self.key.token).with(|t| t.as_mut().is_some_and(|t| t.exchange_bits(self.key.token, old).is_some()))
    }

    /// Leaves in all other cases. Dropping the result runs user code.
    #[inline(always)]
    fn leave(&mut self, slot: &Slot) -> Ended {
        let closed = slot.has_guards(self.mark).then(|| slot.close_guards(self.mark));
        slot.floor.set(self.floor);
        let replaced = slot.end_frame(self.undo, &mut self.saved).map(|saved| put_back(slot, *saved));
        let old = match self.bits {
            Some((meta, bits)) => meta.map(|_| Value::Bits(bits)),
            None => self.old.take(),
        };
        let (old, outdated) = if self.is_current() { (old, None) } else { (None, old) };
        let ended = slot.rebind(self.key, old);
        let dead = slot.has_guards(0).then(|| slot.pop_dead_guards());
        ([closed, dead], replaced, [outdated, ended])
    }

    #[inline(never)]
    fn leave_and_drop(&mut self, slot: &Slot) {
        drop(self.leave(slot));
    }
}

impl Open for Binding<'_> {
    type Rest = Option<Ended>;

    #[inline]
    fn close(&mut self, slot: &Slot) {
        if !self.leave_plainly(slot) {
            self.leave_and_drop(slot);
        }
    }

    fn close_locked(&mut self, slot: &Slot) -> Self::Rest {
        if self.leave_plainly(slot) { None } else { Some(self.leave(slot)) }
    }
}

/// What a scope's end leaves to be dropped.
type Ended = ([Option<AllPopped>; 2], Option<PutBack>, [Option<Value>; 2]);

/// A context that was replaced, and what was shown of it.
type PutBack = (Context, Option<Published>);

/// Puts back the context that was saved before the first `set` inside a scope. Dropping the result runs user code.
fn put_back(slot: &Slot, mut cx: Context) -> PutBack {
    slot.swap_cx(&mut cx);
    // Otherwise the next write would find the saved context captured by the one it replaces.
    table::detach(&mut cx.shared);
    table::detach(&mut cx.private);
    let unpublished = slot.publish_if(&cx);
    (cx, unpublished)
}

/// Drops the current frame's values while the frame is still current: their destructors may read and set locals.
#[inline]
pub(crate) fn drain() {
    drain_by(|| on(|slot, running| if running.mine { slot.take_cx() } else { Context::EMPTY }));
}

/// Drops what `take` takes. A destructor that sets again and again is cut off; the rest is dropped with the frame.
#[inline]
pub(super) fn drain_by(take: impl Fn() -> Context) {
    for _ in 0..8 {
        let cx = take();
        if cx.shared.is_none() && cx.private.is_none() {
            break;
        }
        drop(cx);
    }
}

/// Makes the current routine's record show the current context.
pub(crate) fn announce_current() {
    drop(on(|slot, running| if running.mine { slot.publish() } else { None }));
}
