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
use crate::table::{Displaced, Table};
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
enum Undo {
    /// Nothing to undo: the context belongs to this frame and ends with it.
    Owned,
    /// Nothing was set yet.
    Clean,
    /// The context to put back.
    Saved(Context),
}

/// An entered guard's view of what it replaced.
struct Held {
    number: u64,
    live: bool,
    location: &'static Location<'static>,
    outer: Outer,
}

/// What a frame puts back, besides the context itself.
struct Outer {
    id: u64,
    stamp: u64,
    undo: Undo,
    cx: Context,
}

pub(crate) struct Slot {
    /// The current id when no access needs the ownership check, else 0: the one load of the fast path.
    fast: Cell<u64>,
    id: Cell<u64>,
    /// The task that installed what is current, 0 outside every task.
    stamp: Cell<u64>,
    /// The thread's own id.
    base: Cell<u64>,
    life: Cell<Life>,
    clean: Cell<bool>,
    cx: RefCell<ManuallyDrop<Context>>,
    undo: RefCell<ManuallyDrop<Undo>>,
    live: RefCell<Option<ManuallyDrop<Live>>>,
    held: RefCell<ManuallyDrop<Vec<Held>>>,
    /// Mirrors `held.len()`.
    depth: Cell<usize>,
    /// Guards below this belong to frames further out.
    floor: Cell<usize>,
    numbers: Cell<u64>,
    block: Cell<Block>,
    spare: RefCell<ManuallyDrop<Spare>>,
    /// The address and size of a future being polled as the whole of a routine, for the future itself to recognise.
    root: Cell<(usize, usize)>,
}

const _: () = assert!(!mem::needs_drop::<Slot>(), "a slot with a destructor could not be read at thread exit");

thread_local! {
    static SLOT: Slot = const {
        Slot {
            fast: Cell::new(0),
            id: Cell::new(0),
            stamp: Cell::new(0),
            base: Cell::new(0),
            life: Cell::new(Life::New),
            clean: Cell::new(false),
            cx: RefCell::new(ManuallyDrop::new(Context::EMPTY)),
            undo: RefCell::new(ManuallyDrop::new(Undo::Owned)),
            live: RefCell::new(None),
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
        if !slot.owned() || RoutineId::from_u64(slot.id.get())?.is_foreign() {
            return None;
        }
        slot.live.try_borrow().ok()?.as_ref().map(|live| live.record())
    })
}

/// Names the current routine; `false` if it has no record.
pub(crate) fn rename(name: Option<Box<str>>) -> bool {
    SLOT.with(|slot| {
        let owned = slot.owned() && slot.id.get() & (1 << 63) == 0;
        match slot.live.borrow().as_ref().filter(|_| owned) {
            Some(live) => {
                drop(live.rename(name));
                true
            }
            None => false,
        }
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
        // Borrowed only by an allocator that reads locals while a context is being built: it sees nothing.
        slot.cx.try_borrow().ok()?.get(token, never, special).cloned()
    })
}

/// The named values of the current context.
pub(crate) fn published() -> Published {
    SLOT.with(|slot| {
        if !slot.owned() {
            return Published::NOTHING;
        }
        slot.refresh();
        slot.cx.try_borrow().map_or(Published::NOTHING, |cx| cx.special())
    })
}

/// The whole context, private values included.
pub(crate) fn context() -> Context {
    SLOT.with(|slot| {
        if !slot.owned() {
            return Context::EMPTY;
        }
        slot.refresh();
        slot.cx.try_borrow().map_or(Context::EMPTY, |cx| (**cx).clone())
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
        slot.cx.try_borrow().ok()?.shared.clone()
    })
}

// ===== writing =====

/// Binds or unbinds a key until the innermost frame ends. Drop the result when convenient: no borrow is held.
#[inline]
pub(crate) fn write(key: Key, value: Option<Value>) -> Result<Displaced, (Refusal, Option<Value>)> {
    SLOT.with(|slot| {
        if let Err(refusal) = slot.writable() {
            return Err((refusal, value));
        }
        slot.begin_write();
        Ok(slot.put(key, value))
    })
}

/// Replaces the current frame's context.
pub(crate) fn replace(change: impl FnOnce(&Context) -> Context) -> Result<(), SetError> {
    SLOT.with(|slot| {
        slot.writable().map_err(SetError::new)?;
        slot.begin_write();
        let mut cx = change(&slot.cx.borrow());
        mem::swap(&mut **slot.cx.borrow_mut(), &mut cx);
        let unpublished = slot.publish_if(&cx);
        drop((cx, unpublished));
        Ok(())
    })
}

// ===== frames =====

/// Whose frame it is.
pub(crate) enum Who<'a> {
    /// The routine that is current anyway.
    Same,
    /// A routine of its own, whose record is lent to the thread meanwhile.
    Routine(&'a mut Option<Live>),
}

/// Runs `f` with `cx` as the context, then puts everything back as it was (R1), also on unwind (R10).
///
/// `cx` holds the frame's context again afterwards. A guard entered in `f` and still live is closed; if `suspends` tells
/// that `f` will be continued, it is reported.
#[inline]
pub(crate) fn run<R>(cx: &mut Context, who: Who<'_>, f: impl FnOnce() -> R, suspends: impl FnOnce(&R) -> bool) -> R {
    let frame = Frame::enter(cx, who);
    let result = f();
    if SLOT.with(|slot| slot.depth.get() != frame.mark) && suspends(&result) {
        report_live_guards(frame.mark);
    }
    drop(frame);
    result
}

/// Runs `f` with `cx` in the current routine, for the last time: the values die inside the frame.
pub(crate) fn run_once<R>(mut cx: Context, f: impl FnOnce() -> R) -> R {
    struct Values;
    impl Drop for Values {
        fn drop(&mut self) {
            drain();
        }
    }
    let announce = SLOT.with(|slot| cx.has_special() || slot.cx.borrow().has_special());
    let _outer = Announce(announce);
    let inner = || {
        let _values = Values;
        if announce {
            announce_current();
        }
        f()
    };
    run(&mut cx, Who::Same, inner, |_| false)
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

struct Frame<'a> {
    cx: &'a mut Context,
    who: Who<'a>,
    id: u64,
    stamp: u64,
    undo: Undo,
    clean: bool,
    mark: usize,
    floor: usize,
}

impl<'a> Frame<'a> {
    #[inline]
    fn enter(cx: &'a mut Context, mut who: Who<'a>) -> Self {
        SLOT.with(|slot| {
            let (id, stamp) = slot.identity();
            let outer = (slot.id.get(), slot.stamp.replace(stamp));
            match &mut who {
                Who::Same => slot.id.set(id),
                Who::Routine(live) => {
                    slot.id.set(live.as_ref().map_or(id, Live::id));
                    slot.lend(live);
                }
            }
            mem::swap(&mut **slot.cx.borrow_mut(), cx);
            let undo = mem::replace(&mut **slot.undo.borrow_mut(), Undo::Owned);
            let mark = slot.depth.get();
            let frame = Frame {
                cx,
                who,
                id: outer.0,
                stamp: outer.1,
                undo,
                clean: slot.clean.replace(false),
                mark,
                floor: slot.floor.replace(mark),
            };
            slot.settle_mode();
            slot.refresh();
            frame
        })
    }
}

impl Drop for Frame<'_> {
    #[inline]
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.close_guards(self.mark);
            slot.id.set(self.id);
            slot.stamp.set(self.stamp);
            slot.clean.set(self.clean);
            slot.floor.set(self.floor);
            if let Who::Routine(live) = &mut self.who {
                slot.lend(live);
            }
            mem::swap(&mut **slot.cx.borrow_mut(), self.cx);
            let undo = mem::replace(&mut self.undo, Undo::Owned);
            let garbage = mem::replace(&mut **slot.undo.borrow_mut(), undo);
            slot.settle_mode();
            slot.pop_dead_guards();
            drop(garbage);
        });
    }
}

/// Binds one key while `f` runs, in place: nothing is copied and, for a primitive, nothing is allocated.
#[inline]
pub(crate) fn scope<R>(token: &AtomicU64, key: Key, value: Value, f: impl FnOnce() -> R) -> R {
    if SLOT.with(Slot::writable).is_err() {
        let mut cx = Context::EMPTY;
        drop(cx.write(key, Some(value)));
        return run_once(cx, f);
    }
    let binding = Binding::enter(token, key, value);
    let result = f();
    drop(binding);
    result
}

struct Binding<'a> {
    token: &'a AtomicU64,
    key: Key,
    old: Displaced,
    undo: Undo,
    clean: bool,
    mark: usize,
    floor: usize,
}

impl<'a> Binding<'a> {
    #[inline]
    fn enter(token: &'a AtomicU64, key: Key, value: Value) -> Self {
        SLOT.with(|slot| {
            let old = slot.put(key, Some(value));
            let mark = slot.depth.get();
            let clean = slot.clean.replace(true);
            let undo = match clean {
                true => Undo::Clean,
                false => mem::replace(&mut **slot.undo.borrow_mut(), Undo::Clean),
            };
            Binding { token, key, old, undo, clean, mark, floor: slot.floor.replace(mark) }
        })
    }
}

impl Drop for Binding<'_> {
    #[inline]
    fn drop(&mut self) {
        SLOT.with(|slot| {
            slot.close_guards(self.mark);
            slot.floor.set(self.floor);
            let untouched = slot.clean.replace(self.clean);
            let replaced = match untouched && self.clean {
                true => None,
                false => {
                    let undo = mem::replace(&mut self.undo, Undo::Owned);
                    let set_inside = mem::replace(&mut **slot.undo.borrow_mut(), undo);
                    match set_inside {
                        Undo::Saved(mut cx) => {
                            mem::swap(&mut **slot.cx.borrow_mut(), &mut cx);
                            let unpublished = slot.publish_if(&cx);
                            Some((cx, unpublished))
                        }
                        Undo::Owned | Undo::Clean => None,
                    }
                }
            };
            // A key that was cleared or dropped meanwhile has nothing to go back to.
            let current = self.token.load(Ordering::Acquire) == self.key.token;
            let old = self.old.value.take().filter(|_| current);
            let displaced = slot.put(self.key, old);
            slot.pop_dead_guards();
            drop(replaced);
            drop(displaced);
        });
    }
}

/// Drops the current frame's values while the frame is still current: their destructors may read and set locals.
pub(crate) fn drain() {
    // A destructor that sets again and again is cut off; the rest is dropped with the frame.
    for _ in 0..8 {
        let cx = SLOT.with(|slot| mem::take(&mut **slot.cx.borrow_mut()));
        if cx.is_empty() {
            break;
        }
        drop(cx);
    }
}

/// Makes the current routine's record show the current context.
pub(crate) fn announce_current() {
    SLOT.with(|slot| {
        if let Some(garbage) = slot.publish() {
            drop(garbage);
        }
    });
}

// ===== routines =====

/// Lists a new routine.
pub(crate) fn start(birth: Birth, published: Published) -> Live {
    let id = next_id();
    let spare = SLOT.with(|slot| slot.spare.try_borrow_mut().ok().and_then(|mut spare| spare.pop()));
    Live::start(spare, id, birth, published)
}

/// Unlists a routine.
pub(crate) fn end(live: Live) {
    let held = SLOT.with(|slot| {
        let mut spare = slot.spare.try_borrow_mut().ok().filter(|_| slot.life.get() == Life::Live);
        live.end(spare.as_mut().map(|spare| &mut ***spare))
    });
    drop(held);
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
pub(crate) fn enter_guard(cx: Context, location: &'static Location<'static>) -> u64 {
    SLOT.with(|slot| {
        let (id, stamp) = slot.identity();
        let number = slot.numbers.get() + 1;
        slot.numbers.set(number);
        let outer = Outer {
            id: slot.id.replace(id),
            stamp: slot.stamp.replace(stamp),
            undo: mem::replace(&mut **slot.undo.borrow_mut(), Undo::Owned),
            cx: mem::replace(&mut **slot.cx.borrow_mut(), cx),
        };
        // `clean` is saved by being recomputed from `undo` when the guard is popped.
        slot.clean.set(false);
        let unpublished = slot.publish_if(&outer.cx);
        slot.held.borrow_mut().push(Held { number, live: true, location, outer });
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

    /// Saves the context the current frame began with before its first change.
    #[inline]
    fn begin_write(&self) {
        if self.clean.replace(false) {
            let saved = (**self.cx.borrow()).clone();
            **self.undo.borrow_mut() = Undo::Saved(saved);
        }
    }

    #[inline]
    fn put(&self, key: Key, value: Option<Value>) -> Displaced {
        if key.class.special {
            return self.put_published(key, value);
        }
        self.cx.borrow_mut().write(key, value)
    }

    /// Writes a named value, and shows it.
    #[inline(never)]
    fn put_published(&self, key: Key, value: Option<Value>) -> Displaced {
        let live = self.live.borrow();
        let Some(live) = live.as_ref().filter(|_| self.id.get() & (1 << 63) == 0) else {
            return self.cx.borrow_mut().write(key, value);
        };
        live.publish(|published| {
            let mut cx = self.cx.borrow_mut();
            // With the record's reference gone the write is in place, unless someone else captured the values.
            let kept = published.release(&cx);
            let displaced = cx.write(key, value);
            (cx.special(), displaced.and_published(kept))
        })
    }

    /// Shows the current context if it or the one it replaced has anything to show. Returns what was shown before.
    #[inline]
    fn publish_if(&self, replaced: &Context) -> Option<Published> {
        if replaced.has_special() || self.cx.borrow().has_special() { self.publish() } else { None }
    }

    fn publish(&self) -> Option<Published> {
        if self.id.get() & (1 << 63) != 0 {
            return None;
        }
        let live = self.live.borrow();
        let published = self.cx.borrow().special();
        live.as_ref().map(|live| live.publish(|old| (published, old)))
    }

    /// Exchanges the thread's record with a frame's.
    #[inline]
    fn lend(&self, live: &mut Option<Live>) {
        let mine = self.live.replace(live.take().map(ManuallyDrop::new));
        *live = mine.map(ManuallyDrop::into_inner);
    }

    /// Lets go of values whose key was cleared.
    #[inline]
    fn refresh(&self) {
        let dated = self.cx.try_borrow().is_ok_and(|cx| cx.is_dated());
        if dated {
            let garbage = self.cx.borrow_mut().refresh();
            let unpublished = garbage.iter().any(Option::is_some).then(|| self.publish());
            drop((garbage, unpublished));
        }
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
        let Some(held) = self.held.borrow_mut().pop() else { return };
        self.depth.set(self.depth.get() - 1);
        let Outer { id, stamp, undo, mut cx } = held.outer;
        self.id.set(id);
        self.stamp.set(stamp);
        self.clean.set(matches!(undo, Undo::Clean));
        let undo = mem::replace(&mut **self.undo.borrow_mut(), undo);
        mem::swap(&mut **self.cx.borrow_mut(), &mut cx);
        self.settle_mode();
        let unpublished = self.publish_if(&cx);
        drop((undo, cx, unpublished));
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
        *self.live.borrow_mut() = live.map(ManuallyDrop::new);
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
        let rest = mem::take(&mut **self.cx.borrow_mut());
        let live = self.live.take().map(ManuallyDrop::into_inner);
        if let Some(live) = live {
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
