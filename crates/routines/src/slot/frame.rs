//! Owns frames: a stretch of execution with a context of its own, entered and left, also on unwind.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};

use super::guard::{AllPopped, report_live_guards};
use super::place::{at, on, on_asked};
use super::{Garbage, Outer, Slot, Undo, context};
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
    let mut frame = Frame { cx, who, id: 0, stamp: 0, outer: Outer::NONE, mark: 0, floor: 0, seat: 0 };
    frame.enter();
    let result = f();
    if frame.has_guards() && suspends(&result) {
        report_live_guards(frame.seat, frame.mark);
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
    outer: Outer,
    mark: usize,
    floor: usize,
    /// The task in whose seat it was opened, 0 for the thread's slot.
    seat: u64,
}

impl Frame<'_> {
    #[inline]
    fn enter(&mut self) {
        let garbage = on_asked(|slot, running| {
            let mut id = slot.id_of(running);
            if let Some(live) = &mut self.who {
                if let Some(live) = live {
                    id = live.id();
                    live.running();
                }
                **live = slot.live.replace(live.take());
            }
            slot.swap_cx(self.cx);
            slot.begin_frame(Undo::Owned, &mut self.outer);
            self.id = slot.id.replace(id);
            self.stamp = slot.stamp.replace(running.task) ^ running.task;
            self.mark = slot.depth.get();
            self.floor = slot.floor.replace(self.mark);
            self.seat = if running.seated { running.task } else { 0 };
            slot.settle_mode();
            slot.refresh()
        });
        drop(garbage);
    }

    #[inline]
    fn has_guards(&self) -> bool {
        at(self.seat, |slot| slot.depth.get() != self.mark).unwrap_or(false)
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
        let _none = slot.end_frame(&mut self.outer);
        slot.settle_mode();
    }

    #[cold]
    #[inline(never)]
    fn leave_with_guards(&mut self, slot: &Slot) -> Rest {
        let closed = slot.close_guards(self.mark);
        self.leave(slot);
        // The guards made dumps show their values.
        let unpublished = slot.publish();
        Some((Box::new((Some(slot.pop_dead_guards()), Some(closed))), unpublished))
    }
}

/// What guards that were left open held: dropping it runs user code.
type Guards = Box<(Option<AllPopped>, Option<AllPopped>)>;
type Rest = Option<(Guards, Option<Published>)>;

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        let rest: Option<(Rest, Garbage)> = at(self.seat, |slot| {
            let rest = if slot.has_guards(self.mark.min(self.floor)) {
                self.leave_with_guards(slot)
            } else {
                self.leave(slot);
                None
            };
            (rest, slot.refresh())
        });
        // User code may run from here on, and may panic: everything is back.
        drop(rest);
    }
}

/// Binds one key while `f` runs, in place: nothing is copied and, for a primitive, nothing is allocated.
#[inline]
pub(crate) fn scope<R>(token: &AtomicU64, key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    let mut binding = Binding { token, key, bits: None, old: None, outer: Outer::NONE, mark: 0, floor: 0, seat: 0 };
    if let Err(value) = binding.enter(value) {
        // It opened nothing, and has nothing to close.
        mem::forget(binding);
        let mut cx = context();
        drop(cx.write(key, Some(value)));
        return run_once(&mut cx, f);
    }
    f()
}

/// What an open scope puts back under its key. Not moved either: see [`Frame`].
struct Binding<'a> {
    token: &'a AtomicU64,
    key: Key,
    /// What was bound, if it was exchanged in place.
    bits: Option<Bound<u64>>,
    /// What was bound otherwise.
    old: Option<Value>,
    outer: Outer,
    mark: usize,
    floor: usize,
    /// As in [`Frame`].
    seat: u64,
}

impl Binding<'_> {
    /// Binds; gives the value back where nothing can be bound in place.
    #[inline]
    fn enter(&mut self, value: Value) -> Result<(), Value> {
        on(|slot, running| {
            if slot.writable(running).is_err() {
                return Err(value);
            }
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
            slot.begin_frame(Undo::Clean, &mut self.outer);
            self.mark = slot.depth.get();
            self.floor = slot.floor.replace(self.mark);
            self.seat = if running.seated { running.task } else { 0 };
            Ok(())
        })
    }
}

impl Drop for Binding<'_> {
    #[inline]
    fn drop(&mut self) {
        let rest = at(self.seat, |slot| {
            let plain = !slot.has_guards(self.mark.min(self.floor)) && slot.undo.get() == Undo::Clean;
            if !(plain && self.is_current() && self.exchange_back(slot)) {
                return self.leave(slot);
            }
            slot.floor.set(self.floor);
            let _none = slot.end_frame(&mut self.outer);
            (None, None, [None, None])
        });
        // Everything is back before user code runs, which may panic.
        drop(rest);
    }
}

/// What a scope's end leaves to be dropped.
type Ended = (Option<Guards>, Option<PutBack>, [Option<Value>; 2]);

impl Binding<'_> {
    /// A key that was cleared or dropped meanwhile has nothing to go back to.
    #[inline]
    fn is_current(&self) -> bool {
        self.token.load(Ordering::Acquire) == self.key.token
    }

    #[inline]
    fn exchange_back(&self, slot: &Slot) -> bool {
        let Some(old) = self.bits else { return false };
        slot.half(self.key.token).with(|t| t.as_mut().is_some_and(|t| t.exchange_bits(self.key.token, old).is_some()))
    }

    /// Leaves in all other cases.
    #[inline(never)]
    fn leave(&mut self, slot: &Slot) -> Ended {
        let closed = slot.has_guards(self.mark).then(|| slot.close_guards(self.mark));
        slot.floor.set(self.floor);
        let replaced = slot.end_frame(&mut self.outer).map(|saved| put_back(slot, *saved));
        let old = match self.bits {
            Some((meta, bits)) => meta.map(|_| Value::Bits(bits)),
            None => self.old.take(),
        };
        let (old, outdated) = if self.is_current() { (old, None) } else { (None, old) };
        let ended = slot.rebind(self.key, old);
        let dead = slot.has_guards(0).then(|| slot.pop_dead_guards());
        let guards = (closed.is_some() || dead.is_some()).then(|| Box::new((closed, dead)));
        (guards, replaced, [outdated, ended])
    }
}

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
