//! Owns where the running code's slot is: the thread's own, or the seat of the task the code belongs to.
//!
//! A task that was started through us swaps its context into the thread's slot for each poll. One that was only announced
//! to us ([`super::seat`]) has a slot of its own, found by its number at the first access; nothing is done per poll.

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::ptr;
use std::sync::OnceLock;

use super::seat::Seat;
use super::{Root, Slot};
use crate::id::Block;
use crate::registry::Spare;

/// One thread's state.
#[repr(C)]
pub(super) struct Thread {
    pub(super) slot: Slot,
    pub(super) block: Cell<Block>,
    pub(super) spare: RefCell<ManuallyDrop<Spare>>,
    /// A future being polled as the whole of a routine, for the future itself to recognise.
    pub(super) root: Cell<Root>,
    /// The task looked up last, and what was found.
    found: RefCell<ManuallyDrop<(u64, Option<Seat>)>>,
    /// Where the labels are that profilers were shown last.
    pub(super) labels: Cell<usize>,
    /// The slot of the seat whose labels they are shown besides the thread's own.
    pub(super) shown_seat: Cell<usize>,
}

impl Thread {
    /// Whether profilers are to see the labels of `slot` on this thread.
    pub(super) fn shows(&self, slot: &Slot) -> bool {
        ptr::eq(slot, &self.slot) || self.shown_seat.get() == ptr::from_ref(slot).addr()
    }
}

const _: () = assert!(!mem::needs_drop::<Thread>(), "a slot with a destructor could not be read at thread exit");

thread_local! {
    static THREAD: Thread = const {
        Thread {
            slot: Slot::new(),
            block: Cell::new(Block::EMPTY),
            spare: RefCell::new(ManuallyDrop::new(Vec::new())),
            root: Cell::new(Root::NONE),
            found: RefCell::new(ManuallyDrop::new((0, None))),
            labels: Cell::new(0),
            shown_seat: Cell::new(0),
        }
    };
}

/// Runs `f` on the thread's state.
///
/// With stackful coroutines that move between threads this must not be inlined: the compiler may keep the address of a
/// thread-local in a function that a yield carries to another thread.
#[cfg_attr(feature = "stackful", inline(never))]
#[cfg_attr(not(feature = "stackful"), inline(always))]
pub(super) fn on_thread<R>(f: impl FnOnce(&Thread) -> R) -> R {
    THREAD.with(f)
}

/// A kind of task that can be asked for: what [`crate::runtime`] registers.
#[derive(Clone, Copy)]
pub(crate) struct Source {
    /// The task the thread is running now, as a non-zero number, or 0 outside every task.
    pub(crate) probe: fn() -> u64,
    /// The seat of a task.
    pub(crate) find: fn(u64) -> Option<Seat>,
}

/// Few: each runtime whose tasks can be asked for is one.
const SOURCES: usize = 4;
/// Numbers of different sources are told apart by these bits; the first source's are as it gave them.
const SOURCE_BITS: u32 = 60;

static ALL: [OnceLock<Source>; SOURCES] = [const { OnceLock::new() }; SOURCES];

/// Registers a kind of task, once for the whole process; returns its place, or `None` if there is no room.
pub(crate) fn add_source(source: Source) -> Option<usize> {
    let place = ALL.iter().position(|place| place.set(source).is_ok());
    on_thread(|thread| thread.slot.settle_mode());
    place
}

/// Registers a kind of task if it is the first of all.
pub(crate) fn set_first_source(source: Source) -> bool {
    let first = ALL[0].set(source).is_ok();
    on_thread(|thread| thread.slot.settle_mode());
    first
}

/// The number under which the core knows task `number` of the source at `place`.
pub(crate) fn task_number(place: usize, number: u64) -> u64 {
    if number == 0 { 0 } else { (number & ((1 << SOURCE_BITS) - 1)) | (place as u64) << SOURCE_BITS }
}

/// Whether tasks can be asked for.
#[inline]
pub(super) fn asks() -> bool {
    ALL[0].get().is_some()
}

/// The task running now, 0 outside every task.
#[inline]
fn task() -> u64 {
    let Some(first) = ALL[0].get() else { return 0 };
    match (first.probe)() {
        0 if ALL[1].get().is_some() => other_task(),
        task => task,
    }
}

#[inline(never)]
fn other_task() -> u64 {
    let ask = |(place, source): (usize, &OnceLock<Source>)| task_number(place, source.get().map_or(0, |s| (s.probe)()));
    ALL.iter().enumerate().skip(1).map(ask).find(|task| *task != 0).unwrap_or(0)
}

fn find(task: u64) -> Option<Seat> {
    let place = (task >> SOURCE_BITS) as usize;
    let source = ALL.get(place)?.get()?;
    (source.find)(task & ((1 << SOURCE_BITS) - 1))
}

/// The code that runs now, as seen from the slot it is given.
#[derive(Clone, Copy)]
pub(super) struct Running {
    /// Its task, 0 outside every task.
    pub(super) task: u64,
    /// Whether the slot is its own; otherwise it is a stranger, who finds nothing there (R8).
    pub(super) mine: bool,
    /// Whether the slot is a seat and not the thread's.
    pub(super) seated: bool,
}

/// Whether the thread's slot is the running code's; if not, which task that is.
#[inline]
pub(super) fn thread_is_mine() -> Result<(), u64> {
    on_thread(|thread| {
        let slot = &thread.slot;
        if slot.fast.get() != 0 {
            return Ok(());
        }
        slot.touch();
        let task = task();
        if task == slot.stamp.get() || !asks() || slot.reclaim(task) { Ok(()) } else { Err(task) }
    })
}

/// Which slot is the running code's, for what opens a frame there: also when this thread has not begun to check.
#[inline]
pub(super) fn running() -> Running {
    on_thread(|thread| {
        let slot = &thread.slot;
        slot.touch();
        let task = task();
        if task == slot.stamp.get() || !asks() || slot.reclaim(task) {
            return Running { task, mine: true, seated: false };
        }
        let seated = has_seat(thread, task);
        Running { task, mine: seated, seated }
    })
}

#[inline(never)]
fn has_seat(thread: &Thread, task: u64) -> bool {
    seated(thread, task, |_| ()).is_some()
}

/// Runs `op` on the slot of the running code. `op` must not run user code: a seat is locked meanwhile.
#[inline]
pub(super) fn on<R>(op: impl FnOnce(&Slot, Running) -> R) -> R {
    on_thread(|thread| {
        if thread.slot.fast.get() != 0 {
            return op(&thread.slot, Running { task: 0, mine: true, seated: false });
        }
        ask(thread, op)
    })
}

/// As [`on`], for what opens a frame: also when this thread has not begun to check who is running.
#[inline]
pub(super) fn on_asked<R>(op: impl FnOnce(&Slot, Running) -> R) -> R {
    on_thread(|thread| ask(thread, op))
}

#[inline]
fn ask<R>(thread: &Thread, op: impl FnOnce(&Slot, Running) -> R) -> R {
    let slot = &thread.slot;
    slot.touch();
    let task = task();
    if task == slot.stamp.get() || !asks() || slot.reclaim(task) {
        return op(slot, Running { task, mine: true, seated: false });
    }
    // What the call below writes to must not be what the way above returns: it would keep that in memory.
    let (mut op, mut result) = (Some(op), None);
    elsewhere(thread, task, &mut |slot, running| result = op.take().map(|op| op(slot, running)));
    result.unwrap_or_else(|| unreachable!("every operation is run, on one slot or another"))
}

#[inline(never)]
fn elsewhere(thread: &Thread, task: u64, op: &mut dyn FnMut(&Slot, Running)) {
    let found = seated(thread, task, |slot| op(slot, Running { task, mine: true, seated: true }));
    if found.is_none() {
        op(&thread.slot, Running { task, mine: false, seated: false });
    }
}

/// Runs `op` on the seat of `task`, if it has one.
#[inline]
fn seated<R>(thread: &Thread, task: u64, op: impl FnOnce(&Slot) -> R) -> Option<R> {
    if task == 0 {
        return None;
    }
    if thread.found.try_borrow().is_ok_and(|found| found.0 != task) {
        look_up(thread, task);
    }
    let found = thread.found.try_borrow().ok().filter(|found| found.0 == task)?;
    let slot = found.1.as_ref()?.open()?;
    slot.untouched.set(false);
    Some(op(&slot))
}

#[cold]
#[inline(never)]
fn look_up(thread: &Thread, task: u64) {
    let seat = find(task);
    if let Ok(mut found) = thread.found.try_borrow_mut() {
        let before = mem::replace(&mut **found, (task, seat));
        drop(found);
        drop(before);
    }
}

/// Runs `op` on the slot where a frame was opened: the seat of `task`, or the thread's if that is 0. Nothing if the seat is
/// gone.
#[inline]
pub(super) fn at<R>(task: u64, op: impl FnOnce(&Slot) -> R) -> Option<R> {
    if task == 0 {
        return Some(on_thread(|thread| op(&thread.slot)));
    }
    let (mut op, mut result) = (Some(op), None);
    at_seat_apart(task, &mut |slot| result = op.take().map(|op| op(slot)));
    result
}

#[inline(never)]
fn at_seat_apart(task: u64, op: &mut dyn FnMut(&Slot)) {
    at_seat(task, op);
}

/// Runs `op` on the seat of `task`, if it has one.
#[inline]
pub(super) fn at_seat(task: u64, op: impl FnOnce(&Slot)) {
    on_thread(|thread| seated(thread, task, op));
}

/// Runs `op` on the seat of the running code if nothing in it has looked at its context before.
pub(super) fn first_in_seat<R>(op: impl FnOnce(&Slot, u64) -> R) -> Option<R> {
    on_thread(|thread| {
        let task = task();
        if task == 0 || task == thread.slot.stamp.get() {
            return None;
        }
        let slot = find(task)?;
        let slot = slot.open()?;
        slot.untouched.replace(false).then(|| op(&slot, task))
    })
}

/// Forgets the seat found last: its task has ended.
pub(super) fn forget_found() -> Option<Seat> {
    on_thread(|thread| thread.found.try_borrow_mut().ok().and_then(|mut found| mem::take(&mut **found).1))
}
