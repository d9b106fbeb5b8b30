//! Owns the thread's slot: which routine is current on this thread, its context, and what is put back afterwards.
//!
//! This is the only thread-local state there is. No borrow of it is ever held while user code runs (R12): every
//! function that may free a value takes it out first and drops it after the borrow. The slot has no destructor, so it
//! can be read at any moment of a thread's life; [`Exit`] is the separate thread-local that cleans up.
//!
//! Each frame is one swap: [`run`] exchanges the slot's context with the frame's and exchanges them back, also on
//! unwind. Inside a frame the first `set` saves the context it began with ([`Undo`]), so that what is set there ends
//! there.
//!
//! **Ownership (R8).** With a task probe registered ([`crate::runtime::set_task_probe`]) the slot carries the task id of
//! the code that installed it. Every access compares it with the id of the task running now: code of any other task
//! that happens to run on this thread is a stranger, reads nothing and is refused writes.

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::context::{Context, Published};
use crate::error::{Refusal, SetError};
use crate::id::{self, Block, RoutineId};
use crate::key::Key;
use crate::registry::{self, Birth, Kind, Live, Spare};
use crate::table::{self, Bound, Displaced, Table};
use crate::value::Value;

/// The task the thread is running now, as a non-zero number, or 0 outside every task.
static PROBE: OnceLock<fn() -> u64> = OnceLock::new();

/// Registers the probe, once for the whole process.
pub(crate) fn set_probe(probe: fn() -> u64) -> bool {
    let first = PROBE.set(probe).is_ok();
    SLOT.with(Slot::settle_mode);
    first
}

/// Where a thread is in its life.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Never touched.
    New,
    /// Listed as a routine.
    Live,
    /// Its locals are being destroyed: reads find nothing, writes are refused.
    Gone,
}

/// How to undo what is set in the current frame.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Undo {
    /// Nothing to undo: the context belongs to this frame and ends with it.
    Owned,
    /// Nothing was set yet; the first write saves the context.
    Clean,
    /// The context to put back is in [`Slot::saved`].
    Saved,
}

/// An entered guard's view of what it replaced.
struct Held {
    number: u64,
    live: bool,
    location: &'static Location<'static>,
    id: u64,
    stamp: u64,
    outer: Outer,
    cx: Context,
}

/// What a frame sets aside of the frame around it.
struct Outer {
    undo: Undo,
    saved: Option<Box<Context>>,
}

impl Outer {
    const NONE: Outer = Outer { undo: Undo::Owned, saved: None };
}

/// One thread's state. Word-sized cells: a frame exchanges registers with them, and a pointer that is taken out is out of
/// everyone's reach until it is put back.
///
/// In this order, so that no two words of a context are neighbours here: the compiler would exchange them as one wide word,
/// which waits for the narrow stores before it (measured: 13 ns a poll).
#[repr(C)]
pub(crate) struct Slot {
    /// The current id when no access needs the ownership check, else 0: the one load of the fast path.
    fast: Cell<u64>,
    shared: Kept<Table>,
    id: Cell<u64>,
    private: Kept<Table>,
    /// The task that installed what is current, 0 outside every task.
    stamp: Cell<u64>,
    live: Kept<Live>,
    /// Mirrors `held.len()`.
    depth: Cell<usize>,
    saved: Kept<Box<Context>>,
    /// Guards below this belong to frames further out.
    floor: Cell<usize>,
    undo: Cell<Undo>,
    life: Cell<Life>,
    /// The thread's own id.
    base: Cell<u64>,
    held: RefCell<ManuallyDrop<Vec<Held>>>,
    numbers: Cell<u64>,
    block: Cell<Block>,
    spare: RefCell<ManuallyDrop<Spare>>,
    /// The address and size of a future being polled as the whole of a routine, for the future itself to recognise.
    root: Cell<(usize, usize)>,
}

const _: () = assert!(!mem::needs_drop::<Slot>(), "a slot with a destructor could not be read at thread exit");

/// An owned pointer in a cell without a destructor; [`Slot::exit`] empties it.
struct Kept<T>(Cell<Option<ManuallyDrop<T>>>);

impl<T> Kept<T> {
    const EMPTY: Self = Kept(Cell::new(None));

    #[inline]
    fn replace(&self, value: Option<T>) -> Option<T> {
        self.0.replace(value.map(ManuallyDrop::new)).map(ManuallyDrop::into_inner)
    }

    #[inline]
    fn take(&self) -> Option<T> {
        self.replace(None)
    }

    /// Puts back what was taken.
    #[inline]
    fn put(&self, value: Option<T>) {
        self.0.set(value.map(ManuallyDrop::new));
    }

    /// Lends the value out. Code that looks meanwhile (only an allocator could) finds nothing.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut Option<T>) -> R) -> R {
        let mut value = self.take();
        let result = f(&mut value);
        self.put(value);
        result
    }
}

thread_local! {
    static SLOT: Slot = const {
        Slot {
            fast: Cell::new(0),
            id: Cell::new(0),
            stamp: Cell::new(0),
            base: Cell::new(0),
            life: Cell::new(Life::New),
            undo: Cell::new(Undo::Owned),
            saved: Kept::EMPTY,
            shared: Kept::EMPTY,
            private: Kept::EMPTY,
            live: Kept::EMPTY,
            held: RefCell::new(ManuallyDrop::new(Vec::new())),
            depth: Cell::new(0),
            floor: Cell::new(0),
            numbers: Cell::new(0),
            block: Cell::new(Block::EMPTY),
            spare: RefCell::new(ManuallyDrop::new(Vec::new())),
            root: Cell::new((0, 0)),
        }
    };
    static EXIT: Exit = const { Exit };
}

/// Ends the thread's routine when the thread ends.
struct Exit;

impl Drop for Exit {
    fn drop(&mut self) {
        // Nothing here panics: values are dropped by their own code, everything else is memory.
        SLOT.with(Slot::exit);
    }
}

// ===== identity =====

/// The current routine's id: one load and one predictable branch unless a task probe is registered.
#[inline]
pub(crate) fn id() -> RoutineId {
    match RoutineId::from_u64(SLOT.with(|slot| slot.fast.get())) {
        Some(id) => id,
        None => id_checked(),
    }
}

#[inline(never)]
fn id_checked() -> RoutineId {
    SLOT.with(|slot| {
        slot.touch();
        let own = RoutineId::from_u64(slot.id.get()).unwrap_or(RoutineId::MAIN);
        let Some(probe) = PROBE.get() else { return own };
        match probe() {
            task if task == slot.stamp.get() => own,
            0 => RoutineId::from_u64(slot.base.get()).unwrap_or(own),
            task => RoutineId::foreign(task),
        }
    })
}

/// The number of a routine to come.
#[inline]
pub(crate) fn next_id() -> u64 {
    SLOT.with(|slot| {
        let mut block = slot.block.get();
        let id = block.take();
        slot.block.set(block);
        id
    })
}

/// The current routine's record, if it is one of ours.
pub(crate) fn record() -> Option<triomphe::Arc<registry::Record>> {
    SLOT.with(|slot| {
        if !slot.owned() || slot.is_foreign() {
            return None;
        }
        slot.live.with(|live| live.as_ref().map(Live::record))
    })
}

/// Names the current routine; `false` if it has no record.
pub(crate) fn rename(name: Option<Box<str>>) -> bool {
    SLOT.with(|slot| {
        if !slot.owned() || slot.is_foreign() {
            return false;
        }
        slot.live.with(|live| live.as_ref().map(|live| live.rename(name))).is_some()
    })
}

// ===== reading =====

/// Lets go of cleared values in the current context.
pub(crate) fn refresh() {
    SLOT.with(Slot::refresh);
}

/// Copies a value out of the current context.
#[inline]
pub(crate) fn get(token: u64, never: bool, special: bool) -> Option<Value> {
    SLOT.with(|slot| {
        if slot.fast.get() == 0 && !slot.owned() {
            return None;
        }
        slot.half(never).with(|table| {
            let table = table.as_ref()?;
            let table = if special { table.special()? } else { table };
            table.get(token).cloned()
        })
    })
}

/// The named values of the current context.
pub(crate) fn published() -> Published {
    SLOT.with(|slot| {
        if !slot.owned() {
            return Published::NOTHING;
        }
        slot.refresh();
        slot.with_cx(|cx| cx.special())
    })
}

/// The whole context, private values included.
pub(crate) fn context() -> Context {
    SLOT.with(|slot| {
        if !slot.owned() {
            return Context::EMPTY;
        }
        slot.refresh();
        slot.with_cx(|cx| cx.clone())
    })
}

/// The values that cross to children, before any policy function has run.
#[inline]
pub(crate) fn crossing() -> Option<Table> {
    SLOT.with(|slot| {
        if slot.fast.get() == 0 && !slot.owned() {
            return None;
        }
        slot.refresh();
        slot.shared.with(|table| table.clone())
    })
}

// ===== writing =====

/// Exchanges the bits bound under an unnamed key's token, if that can be done in place; `None` says to use [`write`].
#[inline]
pub(crate) fn exchange_bits(token: u64, never: bool, new: Bound<u64>) -> Option<Bound<u64>> {
    SLOT.with(|slot| {
        if slot.undo.get() == Undo::Clean || slot.writable().is_err() {
            return None;
        }
        slot.half(never).with(|table| table.as_mut()?.exchange_bits(token, new))
    })
}

/// Exchanges the value of an unnamed key, if that can be done in place; `Err` gives it back for [`write`].
#[inline]
pub(crate) fn exchange(token: u64, never: bool, new: Bound<Value>) -> Result<Bound<Value>, Bound<Value>> {
    SLOT.with(|slot| {
        if slot.undo.get() == Undo::Clean || slot.writable().is_err() {
            return Err(new);
        }
        slot.exchange(token, never, new)
    })
}

/// Binds or unbinds a key until the innermost frame ends. Drop the result when convenient: nothing is lent out.
pub(crate) fn write(key: Key, value: Option<Value>) -> Result<Displaced, (Refusal, Option<Value>)> {
    SLOT.with(|slot| {
        if let Err(refusal) = slot.writable() {
            return Err((refusal, value));
        }
        slot.begin_write();
        Ok(slot.bind(key, value))
    })
}

/// Replaces what `change` replaces of the current frame's context; it returns what was there.
#[inline]
pub(crate) fn replace(change: impl FnOnce(&mut Context) -> Context) -> Result<(), SetError> {
    SLOT.with(|slot| {
        slot.writable().map_err(SetError::new)?;
        slot.begin_write();
        let old = slot.with_cx(change);
        let unpublished = slot.publish_if(&old);
        drop((old, unpublished));
        Ok(())
    })
}

// ===== frames =====

/// The record of a routine, lent to the thread while it runs; `None` for work of the routine that is current anyway.
pub(crate) type Who<'a> = Option<&'a mut Option<Live>>;

/// Runs `f` with `cx` as the context, then puts everything back as it was (R1), also on unwind (R10).
///
/// `cx` holds the frame's context again afterwards. A guard entered in `f` and still live is closed; if `suspends` tells
/// that `f` will be continued, it is reported.
#[inline(always)]
pub(crate) fn run<R>(cx: &mut Context, who: Who<'_>, f: impl FnOnce() -> R, suspends: impl FnOnce(&R) -> bool) -> R {
    let mut frame = Frame { cx, who, id: 0, stamp: 0, outer: Outer::NONE, mark: 0, floor: 0 };
    frame.enter();
    let result = f();
    if SLOT.with(|slot| slot.depth.get() != frame.mark) && suspends(&result) {
        report_live_guards(frame.mark);
    }
    result
}

/// Runs `f` with `cx` in the current routine, for the last time: the values die inside the frame.
#[inline]
pub(crate) fn run_once<R>(cx: &mut Context, f: impl FnOnce() -> R) -> R {
    let announce = cx.has_special() || SLOT.with(|slot| slot.with_cx(|cx| cx.has_special()));
    let _outer = Announce(announce);
    let inner = || {
        let _values = Values;
        if announce {
            announce_current();
        }
        f()
    };
    run(cx, None, inner, |_| false)
}

/// Drops the current frame's values when the frame's work ends, also on unwind.
pub(crate) struct Values;

impl Drop for Values {
    fn drop(&mut self) {
        drain();
    }
}

/// Shows the outer context's values again when an inner frame ends.
struct Announce(bool);

impl Drop for Announce {
    fn drop(&mut self) {
        if self.0 {
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
    stamp: u64,
    outer: Outer,
    mark: usize,
    floor: usize,
}

impl Frame<'_> {
    #[inline]
    fn enter(&mut self) {
        SLOT.with(|slot| {
            let (mut id, stamp) = slot.identity();
            if let Some(live) = &mut self.who {
                id = live.as_ref().map_or(id, Live::id);
                **live = slot.live.replace(live.take());
            }
            slot.swap_cx(self.cx);
            slot.begin_frame(Undo::Owned, &mut self.outer);
            self.id = slot.id.replace(id);
            self.stamp = slot.stamp.replace(stamp);
            self.mark = slot.depth.get();
            self.floor = slot.floor.replace(self.mark);
            slot.settle_mode();
            slot.refresh();
        });
    }
}

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.close_guards(self.mark);
            slot.id.set(self.id);
            slot.stamp.set(self.stamp);
            slot.floor.set(self.floor);
            if let Some(live) = &mut self.who {
                **live = slot.live.replace(live.take());
            }
            slot.swap_cx(self.cx);
            // A frame that owns its context saves nothing.
            let _none = slot.end_frame(&mut self.outer);
            slot.settle_mode();
            slot.pop_dead_guards();
        });
    }
}

/// Binds one key while `f` runs, in place: nothing is copied and, for a primitive, nothing is allocated.
#[inline]
pub(crate) fn scope<R>(token: &AtomicU64, key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    if SLOT.with(Slot::writable).is_err() {
        let mut cx = Context::EMPTY;
        drop(cx.write(key, Some(value)));
        return run_once(&mut cx, f);
    }
    let mut binding =
        Binding { token, key, bits: None, old: None, outer: Outer::NONE, mark: 0, floor: 0, never: key.class.never };
    binding.enter(value);
    f()
}

/// What an open scope puts back under its key. Not moved either: see [`Frame`].
struct Binding<'a> {
    token: &'a AtomicU64,
    key: Key,
    never: bool,
    /// What was bound, if it was exchanged in place.
    bits: Option<Bound<u64>>,
    /// What was bound otherwise.
    old: Option<Value>,
    outer: Outer,
    mark: usize,
    floor: usize,
}

impl Binding<'_> {
    #[inline]
    fn enter(&mut self, value: Value) {
        SLOT.with(|slot| {
            match value {
                Value::Bits(bits) if !self.key.class.special => {
                    let new = (Some(self.key.meta), bits);
                    self.bits = slot.half(self.never).with(|t| t.as_mut()?.exchange_bits(self.key.token, new));
                    if self.bits.is_none() {
                        self.old = slot.rebind(self.key, Some(Value::Bits(bits)));
                    }
                }
                value => self.old = slot.rebind(self.key, Some(value)),
            }
            slot.begin_frame(Undo::Clean, &mut self.outer);
            self.mark = slot.depth.get();
            self.floor = slot.floor.replace(self.mark);
        });
    }
}

impl Drop for Binding<'_> {
    #[inline]
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.close_guards(self.mark);
            slot.floor.set(self.floor);
            let set_inside = slot.end_frame(&mut self.outer);
            // A key that was cleared or dropped meanwhile has nothing to go back to.
            let current = self.token.load(Ordering::Acquire) == self.key.token;
            if let (Some(old), None, true) = (self.bits, &set_inside, current) {
                let half = slot.half(self.never);
                if half.with(|t| t.as_mut()?.exchange_bits(self.key.token, old)).is_some() {
                    return slot.pop_dead_guards();
                }
            }
            match set_inside {
                None if current => {
                    let (bits, old) = (self.bits, self.old.take());
                    let old = bits.map_or(old, |(meta, bits)| meta.map(|_| Value::Bits(bits)));
                    let ended = slot.rebind(self.key, old);
                    slot.pop_dead_guards();
                    drop(ended);
                }
                set_inside => self.put_back(slot, set_inside, current),
            }
        });
    }
}

impl Binding<'_> {
    #[inline(never)]
    fn put_back(&mut self, slot: &Slot, set_inside: Option<Box<Context>>, current: bool) {
        let replaced = set_inside.map(|saved| {
            let mut cx = *saved;
            slot.swap_cx(&mut cx);
            let unpublished = slot.publish_if(&cx);
            (cx, unpublished)
        });
        let old = match self.bits {
            Some((meta, bits)) => meta.map(|_| Value::Bits(bits)),
            None => self.old.take(),
        };
        let (old, outdated) = if current { (old, None) } else { (None, old) };
        let displaced = slot.bind(self.key, old);
        slot.pop_dead_guards();
        drop((replaced, outdated));
        drop(displaced);
    }
}

/// Drops the current frame's values while the frame is still current: their destructors may read and set locals.
#[inline]
pub(crate) fn drain() {
    // A destructor that sets again and again is cut off; the rest is dropped with the frame.
    for _ in 0..8 {
        let (shared, private) = SLOT.with(|slot| (slot.shared.take(), slot.private.take()));
        if shared.is_none() && private.is_none() {
            break;
        }
        drop(shared);
        drop(private);
    }
}

/// Makes the current routine's record show the current context.
pub(crate) fn announce_current() {
    drop(SLOT.with(Slot::publish));
}

// ===== routines =====

/// Lists a new routine.
#[inline]
pub(crate) fn start(birth: Birth, published: Published) -> Live {
    let id = next_id();
    let spare = SLOT.with(|slot| slot.spare.try_borrow_mut().ok().and_then(|mut spare| spare.pop()));
    Live::start(spare, id, birth, published)
}

/// Unlists a routine.
#[inline]
pub(crate) fn end(live: Live) {
    let held = SLOT.with(|slot| {
        let mut spare = slot.spare.try_borrow_mut().ok().filter(|_| slot.life.get() == Life::Live);
        live.end(spare.as_mut().map(|spare| &mut ***spare))
    });
    if held.is_some() {
        drop(held);
    }
}

/// Makes `live` the routine of this very thread until [`leave_thread`].
pub(crate) fn adopt_thread(live: Live) {
    SLOT.with(|slot| slot.begin(Some(live)));
}

/// Marks the future at this address and of this size as the whole of the routine that is current.
#[inline]
pub(crate) fn set_root(root: (usize, usize)) {
    SLOT.with(|slot| slot.root.set(root));
}

/// Whether the future at this address and of this size is the whole of the current routine. Answers once.
#[inline]
pub(crate) fn take_root(me: (usize, usize)) -> bool {
    SLOT.with(|slot| slot.root.replace((0, 0)) == me)
}

// ===== guards =====

/// Makes `cx` current until [`leave_guard`] or the end of the enclosing frame; returns the guard's number.
pub(crate) fn enter_guard(mut cx: Context, location: &'static Location<'static>) -> u64 {
    SLOT.with(|slot| {
        let (id, stamp) = slot.identity();
        let number = slot.numbers.get() + 1;
        slot.numbers.set(number);
        let (id, stamp) = (slot.id.replace(id), slot.stamp.replace(stamp));
        slot.swap_cx(&mut cx);
        let unpublished = slot.publish_if(&cx);
        let mut outer = Outer::NONE;
        slot.begin_frame(Undo::Owned, &mut outer);
        slot.held.borrow_mut().push(Held { number, live: true, location, id, stamp, outer, cx });
        slot.depth.set(slot.depth.get() + 1);
        slot.settle_mode();
        drop(unpublished);
        number
    })
}

/// Ends a guard. Whatever other guards are live keep their values current.
pub(crate) fn leave_guard(number: u64) {
    SLOT.with(|slot| {
        if let Some(held) = slot.held.borrow_mut().iter_mut().rev().find(|held| held.number == number) {
            held.live = false;
        }
        slot.pop_dead_guards();
    });
}

#[cold]
fn report_live_guards(mark: usize) {
    use std::collections::HashSet;
    use std::sync::Mutex;
    static REPORTED: Mutex<Option<HashSet<&'static Location<'static>>>> = Mutex::new(None);
    let live: Vec<_> =
        SLOT.with(|slot| slot.held.borrow().iter().skip(mark).filter(|h| h.live).map(|h| h.location).collect());
    for location in live {
        let mut reported = REPORTED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if reported.get_or_insert_default().insert(location) {
            drop(reported);
            eprintln!(
                "routines: the guard entered at {location} was live while its task was suspended; its values end there. \
                 Use `Snapshot::scope` around the future instead of holding a guard across `.await`."
            );
        }
    }
}

// ===== the slot =====

impl Slot {
    /// Whether the code running now is the code this slot was installed for.
    #[inline]
    fn owned(&self) -> bool {
        if self.life.get() == Life::New {
            self.touch();
        }
        match PROBE.get() {
            None => true,
            Some(probe) => probe() == self.stamp.get(),
        }
    }

    /// Whether a `set` here reaches nobody but its own routine.
    #[inline]
    fn writable(&self) -> Result<(), Refusal> {
        if self.fast.get() == 0 && !self.owned() {
            return Err(Refusal::Foreign);
        }
        if self.life.get() == Life::Gone {
            return Err(Refusal::ThreadExit);
        }
        Ok(())
    }

    /// The id and stamp a frame of the running code gets.
    #[inline]
    fn identity(&self) -> (u64, u64) {
        if self.life.get() == Life::New {
            self.touch();
        }
        let Some(probe) = PROBE.get() else { return (self.id.get(), 0) };
        let task = probe();
        let id = match task {
            task if task == self.stamp.get() => self.id.get(),
            0 => self.base.get(),
            task => RoutineId::foreign(task).as_u64(),
        };
        (id, task)
    }

    /// Recomputes the fast path after the id, or the need to check it, changed.
    #[inline]
    fn settle_mode(&self) {
        self.fast.set(if PROBE.get().is_none() { self.id.get() } else { 0 });
    }

    #[inline]
    fn is_foreign(&self) -> bool {
        RoutineId::from_u64(self.id.get()).is_some_and(RoutineId::is_foreign)
    }

    #[inline]
    fn half(&self, never: bool) -> &Kept<Table> {
        if never { &self.private } else { &self.shared }
    }

    #[inline]
    fn take_cx(&self) -> Context {
        Context { shared: self.shared.take(), private: self.private.take() }
    }

    #[inline]
    fn swap_cx(&self, cx: &mut Context) {
        cx.shared = self.shared.replace(cx.shared.take());
        cx.private = self.private.replace(cx.private.take());
    }

    #[inline]
    fn with_cx<R>(&self, f: impl FnOnce(&mut Context) -> R) -> R {
        let mut cx = self.take_cx();
        let result = f(&mut cx);
        self.shared.put(cx.shared);
        self.private.put(cx.private);
        result
    }

    /// Opens a frame's own undo state and sets the outer frame's aside.
    #[inline]
    fn begin_frame(&self, undo: Undo, outer: &mut Outer) {
        outer.undo = self.undo.replace(undo);
        if outer.undo == Undo::Saved {
            outer.saved = self.saved.take();
        }
    }

    /// Puts the outer frame's undo state back; returns the context to go back to if the inner frame changed it.
    #[inline]
    fn end_frame(&self, outer: &mut Outer) -> Option<Box<Context>> {
        let saved = if self.undo.get() == Undo::Saved { self.saved.take() } else { None };
        self.undo.set(outer.undo);
        if outer.undo == Undo::Saved {
            self.saved.put(outer.saved.take());
        }
        saved
    }

    /// Saves the context the current frame began with before its first change.
    #[inline]
    fn begin_write(&self) {
        if self.undo.get() == Undo::Clean {
            self.saved.put(Some(Box::new(self.with_cx(|cx| cx.clone()))));
            self.undo.set(Undo::Saved);
        }
    }

    #[inline]
    fn exchange(&self, token: u64, never: bool, new: Bound<Value>) -> Result<Bound<Value>, Bound<Value>> {
        self.half(never).with(|table| match table {
            Some(table) => table.exchange(token, new),
            None => Err(new),
        })
    }

    /// Binds or unbinds a key and returns what was bound. Nothing else is displaced if that can be done in place.
    #[inline]
    fn rebind(&self, key: Key, value: Option<Value>) -> Option<Value> {
        if key.class.special {
            return self.bind(key, value).value.take();
        }
        match self.exchange(key.token, key.class.never, table::bound(key, value)) {
            Ok((meta, old)) => meta.map(|_| old),
            Err((meta, value)) => self.bind(key, meta.map(|_| value)).value.take(),
        }
    }

    #[inline(never)]
    fn bind(&self, key: Key, value: Option<Value>) -> Displaced {
        if key.class.special && !self.is_foreign() {
            return self.live.with(|live| match live {
                Some(live) => self.bind_published(live, key, value),
                None => self.with_cx(|cx| cx.write(key, value)),
            });
        }
        self.with_cx(|cx| cx.write(key, value))
    }

    /// Binds a named value, and shows it.
    fn bind_published(&self, live: &Live, key: Key, value: Option<Value>) -> Displaced {
        let never = key.class.never;
        self.half(never).with(|half| {
            live.publish(never, |shown| {
                // With the record's own reference gone the write is in place, unless someone else captured the values.
                let same = |shown: &mut Table| half.as_ref().and_then(Table::special).is_some_and(|t| t.same(shown));
                // Never the last reference: the context holds one.
                drop(shown.take_if(same));
                let kept = shown.take();
                let displaced = match table::exchange_special(half, key.token, table::bound(key, value)) {
                    Ok((meta, old)) => Displaced::of(meta.map(|_| old)),
                    Err((meta, value)) => table::write_special(half, key, meta.map(|_| value)),
                };
                *shown = half.as_ref().and_then(Table::special).cloned();
                displaced.and_published(kept)
            })
        })
    }

    /// Shows the current context if it or the one it replaced has anything to show. Returns what was shown before.
    #[inline]
    fn publish_if(&self, replaced: &Context) -> Option<Published> {
        let shows = replaced.has_special() || self.with_cx(|cx| cx.has_special());
        if shows { self.publish() } else { None }
    }

    fn publish(&self) -> Option<Published> {
        if self.is_foreign() {
            return None;
        }
        let published = self.with_cx(|cx| cx.special());
        self.live.with(|live| live.as_ref().map(|live| live.publish_all(published)))
    }

    /// Lets go of values whose key was cleared.
    #[inline]
    fn refresh(&self) {
        if self.with_cx(|cx| cx.is_dated()) {
            self.refresh_dated();
        }
    }

    #[cold]
    #[inline(never)]
    fn refresh_dated(&self) {
        let garbage = self.with_cx(|cx| cx.refresh());
        let unpublished = garbage.iter().any(Option::is_some).then(|| self.publish());
        drop((garbage, unpublished));
    }

    /// Closes every guard entered since `mark`.
    #[inline]
    fn close_guards(&self, mark: usize) {
        while self.depth.get() > mark {
            self.pop_guard();
        }
    }

    /// Pops guards that were dropped while a younger one was current.
    #[inline]
    fn pop_dead_guards(&self) {
        while self.depth.get() > self.floor.get() && self.held.borrow().last().is_some_and(|held| !held.live) {
            self.pop_guard();
        }
    }

    #[cold]
    fn pop_guard(&self) {
        let Some(mut held) = self.held.borrow_mut().pop() else { return };
        self.depth.set(self.depth.get() - 1);
        self.id.set(held.id);
        self.stamp.set(held.stamp);
        let _none = self.end_frame(&mut held.outer);
        self.swap_cx(&mut held.cx);
        self.settle_mode();
        let unpublished = self.publish_if(&held.cx);
        drop((held, unpublished));
    }

    /// Makes an untouched thread a routine.
    #[cold]
    #[inline(never)]
    fn touch_slow(&self) {
        self.begin(None);
    }

    #[inline]
    fn touch(&self) {
        if self.life.get() == Life::New {
            self.touch_slow();
        }
    }

    fn begin(&self, live: Option<Live>) {
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

    /// Ends the thread's routine: its values, its record and the records it kept for others.
    fn exit(&self) {
        if self.life.get() != Life::Live {
            return;
        }
        self.floor.set(0);
        self.close_guards(0);
        drain();
        self.life.set(Life::Gone);
        let rest = (self.take_cx(), self.saved.take());
        if let Some(live) = self.live.take() {
            drop(live.end(None));
        }
        registry::release(mem::take(&mut **self.spare.borrow_mut()));
        drop(mem::take(&mut **self.held.borrow_mut()));
        drop(rest);
    }
}

/// Ends the current thread's routine before the thread itself ends.
pub(crate) fn leave_thread() {
    SLOT.with(Slot::exit);
}

/// The record of a thread that nobody started through us.
fn start_thread() -> Live {
    let name = std::thread::current().name().map(Box::from);
    let birth = Birth { parent: 0, kind: Kind::Thread, location: None, name };
    let id = if id::on_main_thread() { RoutineId::MAIN.as_u64() } else { next_id() };
    Live::start(None, id, birth, Published::NOTHING)
}
