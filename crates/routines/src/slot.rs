//! Owns the thread's slot: which routine is current on this thread, its context, and what is put back afterwards.
//!
//! No part of it is lent out while user code runs (R12): every function that may free a value takes it out first and drops
//! it when the slot is whole again. The slot has no destructor, so it can be read at any moment of a thread's life; a
//! separate thread-local in [`life`] cleans up.
//!
//! Each frame is one exchange ([`frame`]): the slot's context with the frame's, and back, also on unwind. Inside a frame the
//! first `set` saves the context it began with ([`Undo`]), so that what is set there ends there.
//!
//! **Ownership (R8).** With a task probe registered ([`crate::runtime::set_task_probe`]) the slot carries the task id of
//! the code that installed it. Every access compares it with the id of the task running now: code of any other task
//! that happens to run on this thread is a stranger, reads nothing and is refused writes.

mod frame;
mod guard;
mod life;
mod place;
mod seat;
mod stack;

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};

use crate::context::{Context, Published};
use crate::error::{Refusal, SetError};
use crate::id::RoutineId;
use crate::key::{self, Key};
use crate::label;
use crate::registry::{self, Birth, Live, Name};
use crate::strict;
use crate::table::{self, Bound, Displaced, Peek, Table};
use crate::value::Value;

use frame::drain;
pub(crate) use frame::{Draining, Values, Who, announce_current, run, run_once, scope, shows};
use guard::{AllPopped, Held};
pub(crate) use guard::{enter_guard, leave_guard};
use life::Life;
pub(crate) use life::{adopt_thread, leave_thread};
use place::{Running, asks, at_seat, first_in_seat, on, on_asked, on_thread, thread_is_mine};
pub(crate) use place::{Source, add_source, set_first_source, task_number};
pub use seat::Seat;
pub use stack::Stack;

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

/// What is current: in one thread, in one stack, or in one seat. Word-sized cells: a frame exchanges registers with them,
/// and a pointer that is taken out is out of everyone's reach until it is put back.
///
/// In this order, so that no two words of a context are neighbours here: the compiler would exchange them as one wide word,
/// which waits for the narrow stores before it (measured: 13 ns a poll).
#[repr(C)]
struct Slot {
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
    /// Whether nothing in this seat's task has looked at its context yet.
    untouched: Cell<bool>,
    /// The id of the thread, or seat, itself.
    base: Cell<u64>,
    held: RefCell<ManuallyDrop<Vec<Held>>>,
}

/// Values nobody can read any more, and what was shown of them.
type Garbage = ([Option<Table>; 4], Option<Published>);

/// What frames held that were open when their routine ended.
type Frames = (AllPopped, Option<Box<Context>>, Vec<Held>);

/// An owned pointer in a cell without a destructor; [`Slot::exit`] empties it.
struct Kept<T>(Cell<Option<ManuallyDrop<T>>>);

impl<T> Kept<T> {
    const fn new() -> Self {
        Kept(Cell::new(None))
    }

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

// ===== identity =====

/// The current routine's id: one load and one predictable branch unless a task probe is registered.
#[inline]
pub(crate) fn id() -> RoutineId {
    match RoutineId::from_u64(on_thread(|thread| thread.slot.fast.get())) {
        Some(id) => id,
        None => id_checked(),
    }
}

#[inline(never)]
fn id_checked() -> RoutineId {
    let id = on_asked(|slot, running| slot.id_of(running));
    RoutineId::from_u64(id).unwrap_or(RoutineId::MAIN)
}

/// The number of a routine to come.
#[inline]
pub(crate) fn next_id() -> u64 {
    on_thread(|thread| {
        let mut block = thread.block.get();
        let id = block.take();
        thread.block.set(block);
        id
    })
}

/// The current routine's record, if it is one of ours.
pub(crate) fn record() -> Option<triomphe::Arc<registry::Record>> {
    on(|slot, running| {
        if !running.mine || slot.is_foreign() {
            return None;
        }
        slot.live.with(|live| live.as_ref().map(Live::record))
    })
}

/// Names the current routine; `false` if it has no record.
pub(crate) fn rename(name: Option<Name>) -> bool {
    let renamed = on(|slot, running| {
        if !running.mine || slot.is_foreign() {
            return None;
        }
        slot.live.with(|live| live.as_ref().map(|live| live.rename(name)))
    });
    renamed.is_some()
}

// ===== reading =====

/// Lets go of values nobody can read any more in the current context.
#[inline]
pub(crate) fn refresh() {
    if on(|slot, running| running.mine && slot.holds_garbage()) {
        refresh_now();
    }
}

/// Drops them when no slot is in use: their destructors may read and set locals.
#[cold]
#[inline(never)]
fn refresh_now() {
    drop(on_asked(|slot, running| if running.mine { slot.refresh() } else { None }));
}

/// Copies a value out of the current context.
#[inline]
pub(crate) fn get(token: u64) -> Option<Value> {
    match thread_is_mine() {
        Ok(()) => on_thread(|thread| thread.slot.get(token)),
        Err(task) => get_in_seat(task, token),
    }
}

#[inline(never)]
fn get_in_seat(task: u64, token: u64) -> Option<Value> {
    let mut found = None;
    let mut seated = false;
    at_seat(task, |slot| {
        seated = true;
        found = slot.get(token);
    });
    if !seated {
        strict::lost(task);
    }
    found
}

/// The named values of the current context.
pub(crate) fn published() -> Published {
    if strict::is_on() {
        on(|_, running| {
            if !running.mine {
                strict::lost(running.task)
            }
        });
    }
    look(|slot| slot.with_cx(|cx| cx.special()))
}

/// The whole context, private values included.
pub(crate) fn context() -> Context {
    look(|slot| slot.with_cx(|cx| cx.clone()))
}

/// The values that cross to children, before any policy function has run.
#[inline]
pub(crate) fn crossing() -> Option<Table> {
    look(|slot| slot.shared.with(|table| table.clone()))
}

/// What `f` finds in the slot of the running code once values that nobody can read any more are gone; nothing for a stranger.
#[inline]
fn look<R: Default>(f: impl Fn(&Slot) -> R) -> R {
    let mut dated = false;
    let found = on(|slot, running| {
        if !running.mine {
            return R::default();
        }
        dated = slot.holds_garbage();
        f(slot)
    });
    if !dated {
        return found;
    }
    drop(found);
    refresh_now();
    on(|slot, running| if running.mine { f(slot) } else { R::default() })
}

// ===== writing =====

/// Exchanges the bits bound under an unnamed key's token, if that can be done in place; `None` says to use [`write()`].
#[inline]
pub(crate) fn exchange_bits(token: u64, new: Bound<u64>) -> Option<Bound<u64>> {
    on(|slot, running| {
        if slot.undo.get() == Undo::Clean || slot.writable(running).is_err() {
            return None;
        }
        slot.half(token).with(|table| table.as_mut()?.exchange_bits(token, new))
    })
}

/// Exchanges the value of an unnamed key, if that can be done in place; `Err` gives it back for [`write()`].
#[inline]
pub(crate) fn exchange(token: u64, new: Bound<Value>) -> Result<Bound<Value>, Bound<Value>> {
    on(|slot, running| {
        if slot.undo.get() == Undo::Clean || slot.writable(running).is_err() {
            return Err(new);
        }
        slot.exchange(token, new)
    })
}

/// Binds or unbinds a key until the innermost frame ends. Drop the result when convenient: nothing is lent out.
pub(crate) fn write(key: Key, value: Option<Value>) -> Result<Displaced, (Refusal, Option<Value>)> {
    on(|slot, running| {
        if let Err(refusal) = slot.writable(running) {
            return Err((refusal, value));
        }
        slot.begin_write();
        Ok(slot.bind(key, value))
    })
}

/// Replaces what `change` replaces of the current frame's context; it returns what was there.
#[inline]
pub(crate) fn replace(change: impl FnOnce(&mut Context) -> Context) -> Result<(), SetError> {
    let rest = on(|slot, running| {
        slot.writable(running)?;
        slot.begin_write();
        let old = slot.with_cx(change);
        slot.show_labels();
        let unpublished = slot.publish_if(&old);
        // A seat is locked; what leaves it leaves it as one word.
        Ok(running.seated.then(|| Box::new((old, unpublished))))
    });
    rest.map(drop).map_err(SetError::new)
}

// ===== routines =====

/// Lists a new routine.
#[inline]
pub(crate) fn start(birth: Birth, published: Published) -> Live {
    let id = next_id();
    let spare = on_thread(|thread| thread.spare.try_borrow_mut().ok().and_then(|mut spare| spare.pop()));
    Live::start(spare, id, birth, published)
}

/// Unlists a routine.
#[inline]
pub(crate) fn end(live: Live) {
    let held = on_thread(|thread| {
        let mut spare = thread.spare.try_borrow_mut().ok().filter(|_| thread.slot.life.get() == Life::Live);
        live.end(spare.as_mut().map(|spare| &mut ***spare))
    });
    if held.is_some() {
        drop(held);
    }
}

/// Where the future is that is the whole of a routine: of this size, somewhere within its wrapper.
#[derive(Clone, Copy)]
pub(crate) struct Root {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) size: usize,
}

impl Root {
    const NONE: Root = Root { start: 0, end: 0, size: 0 };
}

/// Marks this future as the whole of the routine that is current, for one poll.
#[inline]
pub(crate) fn mark_root(root: Root) -> RootMark {
    on_thread(|thread| thread.root.set(root));
    RootMark
}

/// Takes the mark away again, also when the poll panics.
pub(crate) struct RootMark;

impl Drop for RootMark {
    fn drop(&mut self) {
        on_thread(|thread| thread.root.set(Root::NONE));
    }
}

/// Whether the wrapper with a field at this address and of this size is the whole of the current routine: nothing else of
/// the marked future's size fits where that is. Answers once.
#[inline]
pub(crate) fn take_root((at, size): (usize, usize)) -> bool {
    on_thread(|thread| {
        let root = thread.root.replace(Root::NONE);
        (root.start..root.end).contains(&at) && root.size == size
    })
}

/// Whether this is the first thing a task with a seat does: a wrapper polled there is the whole of that task's routine.
/// Answers once.
#[inline]
pub(crate) fn begins_task(detached: bool) -> bool {
    if !asks() {
        return false;
    }
    // What was captured for the task is not to be kept by work that was told to keep nothing.
    let unused = first_in_seat(|slot, _| if detached { slot.take_cx() } else { Context::EMPTY });
    unused.map(drop).is_some()
}

/// Leaves the task to the routine that is about to run as its first thing: one task is one routine.
#[inline]
pub(crate) fn step_aside() {
    if asks()
        && let Some((live, unused)) = first_in_seat(Slot::hand_over)
    {
        if let Some(live) = live {
            end(live);
        }
        drop(unused);
    }
}

// ===== the slot =====

impl Slot {
    const fn new() -> Slot {
        Slot {
            fast: Cell::new(0),
            shared: Kept::new(),
            id: Cell::new(0),
            private: Kept::new(),
            stamp: Cell::new(0),
            live: Kept::new(),
            depth: Cell::new(0),
            saved: Kept::new(),
            floor: Cell::new(0),
            undo: Cell::new(Undo::Owned),
            life: Cell::new(Life::New),
            untouched: Cell::new(false),
            base: Cell::new(0),
            held: RefCell::new(ManuallyDrop::new(Vec::new())),
        }
    }

    /// Takes the slot back from the guard of a task that was suspended without leaving it, if `task` is the code below.
    #[inline]
    fn reclaim(&self, task: u64) -> bool {
        self.has_guards(self.floor.get()) && self.reclaim_from_guards(task)
    }

    /// Whether a `set` here reaches nobody but its own routine.
    #[inline]
    fn writable(&self, running: Running) -> Result<(), Refusal> {
        if !running.mine {
            return Err(Refusal::Foreign);
        }
        if self.life.get() == Life::Gone {
            return Err(Refusal::ThreadExit);
        }
        Ok(())
    }

    /// The id of the running code, which a frame of it gets.
    #[inline]
    fn id_of(&self, running: Running) -> u64 {
        match running.task {
            _ if running.mine => self.id.get(),
            0 => self.base.get(),
            task => RoutineId::foreign(task).as_u64(),
        }
    }

    /// Gives up being the routine of its task; returns the record, and what was captured for it.
    fn hand_over(&self, task: u64) -> (Option<Live>, Context) {
        let foreign = RoutineId::foreign(task).as_u64();
        self.id.set(foreign);
        self.base.set(foreign);
        (self.live.take(), self.take_cx())
    }

    /// Exchanges everything with another stack's.
    fn exchange_stack(&self, other: &Slot) {
        for (mine, theirs) in [(&self.id, &other.id), (&self.stamp, &other.stamp)] {
            mine.swap(theirs);
        }
        for (mine, theirs) in [(&self.depth, &other.depth), (&self.floor, &other.floor)] {
            mine.swap(theirs);
        }
        self.shared.0.swap(&other.shared.0);
        self.private.0.swap(&other.private.0);
        self.live.0.swap(&other.live.0);
        self.saved.0.swap(&other.saved.0);
        self.undo.swap(&other.undo);
        self.held.swap(&other.held);
        self.show_labels();
        self.settle_mode();
    }

    /// Recomputes the fast path after the id, or the need to check it, changed.
    #[inline]
    fn settle_mode(&self) {
        self.fast.set(if asks() { 0 } else { self.id.get() });
    }

    #[inline]
    fn is_foreign(&self) -> bool {
        RoutineId::from_u64(self.id.get()).is_some_and(RoutineId::is_foreign)
    }

    #[inline]
    fn half(&self, token: u64) -> &Kept<Table> {
        if key::is_never(token) { &self.private } else { &self.shared }
    }

    fn put_cx(&self, cx: Context) {
        self.shared.put(cx.shared);
        self.private.put(cx.private);
    }

    #[inline]
    fn take_cx(&self) -> Context {
        let cx = Context { shared: self.shared.take(), private: self.private.take() };
        self.show_labels();
        cx
    }

    #[inline]
    fn swap_cx(&self, cx: &mut Context) {
        cx.shared = self.shared.replace(cx.shared.take());
        cx.private = self.private.replace(cx.private.take());
        self.show_labels();
    }

    /// Shows profilers the labels of the context that is current now. Whatever changes the context of a thread's slot ends with
    /// this, before anything that it replaced is freed.
    #[inline]
    fn show_labels(&self) {
        if label::is_installed() {
            self.show_labels_now();
        }
    }

    #[inline]
    fn show_labels_now(&self) {
        self.shared.with(|table| {
            let labels = table.as_ref().and_then(Table::labels);
            let at = labels.map_or(0, |labels| labels.as_ptr().addr());
            let is_new = on_thread(|thread| thread.shows(self) && thread.labels.replace(at) != at);
            if is_new {
                label::switch(labels);
            }
        });
    }

    #[inline]
    fn with_cx<R>(&self, f: impl FnOnce(&mut Context) -> R) -> R {
        let mut cx = Context { shared: self.shared.take(), private: self.private.take() };
        let result = f(&mut cx);
        self.put_cx(cx);
        result
    }

    /// Opens a frame's own undo state and sets the outer frame's aside.
    #[inline]
    fn begin_frame(&self, undo: Undo, outer: &mut Undo, saved: &mut Option<Box<Context>>) {
        *outer = self.undo.replace(undo);
        if *outer == Undo::Saved {
            *saved = self.saved.take();
        }
    }

    /// Puts the outer frame's undo state back; returns the context to go back to if the inner frame changed it.
    #[inline]
    fn end_frame(&self, outer: Undo, outer_saved: &mut Option<Box<Context>>) -> Option<Box<Context>> {
        let saved = if self.undo.get() == Undo::Saved { self.saved.take() } else { None };
        self.undo.set(outer);
        if outer == Undo::Saved {
            self.saved.put(outer_saved.take());
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
    fn get(&self, token: u64) -> Option<Value> {
        if token & (key::NEVER | key::SPECIAL) == 0
            && let Peek::Found(value) =
                self.shared.with(|t| t.as_ref().map_or(Peek::Found(None), |table| table.peek(token)))
        {
            return value;
        }
        self.get_elsewhere(token)
    }

    #[inline(never)]
    fn get_elsewhere(&self, token: u64) -> Option<Value> {
        self.half(token).with(|table| {
            let table = table.as_ref()?;
            let table = if key::is_special(token) { table.special()? } else { table };
            table.get(token).cloned()
        })
    }

    #[inline]
    fn exchange(&self, token: u64, new: Bound<Value>) -> Result<Bound<Value>, Bound<Value>> {
        self.half(token).with(|table| match table {
            Some(table) => table.exchange(token, new),
            None => Err(new),
        })
    }

    /// Binds or unbinds a key and returns what was bound. Nothing else is displaced if that can be done in place.
    #[inline]
    fn rebind(&self, key: Key, value: Option<Value>) -> Option<Value> {
        if key::is_special(key.token) {
            return self.bind(key, value).value.take();
        }
        match self.exchange(key.token, table::bound(key, value)) {
            Ok((meta, old)) => meta.map(|_| old),
            Err((meta, value)) => self.bind(key, meta.map(|_| value)).value.take(),
        }
    }

    #[inline(never)]
    fn bind(&self, key: Key, value: Option<Value>) -> Displaced {
        let displaced = self.bind_quietly(key, value);
        self.show_labels();
        displaced
    }

    fn bind_quietly(&self, key: Key, value: Option<Value>) -> Displaced {
        if key::is_special(key.token) && !self.is_foreign() {
            return self.live.with(|live| match live {
                Some(live) => self.bind_published(live, key, value),
                None => self.with_cx(|cx| cx.write(key, value)),
            });
        }
        self.with_cx(|cx| cx.write(key, value))
    }

    /// Binds a named value, and shows it.
    fn bind_published(&self, live: &Live, key: Key, value: Option<Value>) -> Displaced {
        self.half(key.token).with(|half| {
            live.publish(key::is_never(key.token), |shown| {
                // With the record's own reference gone the write is in place, unless someone else captured the values.
                let same = |shown: &mut Table| half.as_ref().and_then(Table::special).is_some_and(|t| t.same(shown));
                // Never the last reference: the context holds one.
                drop(shown.take_if(same));
                let kept = shown.take();
                let displaced = match table::exchange_special(half, key.token, table::bound(key, value)) {
                    Ok((meta, old)) => Displaced::of(meta.map(|_| old)).and_labels(table::relabel(half, key)),
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

    /// Whether there are values that nobody can read any more.
    #[inline]
    fn holds_garbage(&self) -> bool {
        self.with_cx(|cx| cx.holds_garbage())
    }

    /// Lets go of them, if there are any. Dropping the result runs user code.
    fn refresh(&self) -> Option<Garbage> {
        if !self.holds_garbage() {
            return None;
        }
        let garbage = self.with_cx(|cx| cx.refresh());
        self.show_labels();
        let showed = garbage.iter().flatten().any(|table| table.special().is_some());
        let unpublished = if showed { self.publish() } else { None };
        Some((garbage, unpublished))
    }

    /// Lets go of them in the thread's slot, which may be used meanwhile.
    #[inline]
    fn refresh_thread(&self) {
        if self.holds_garbage() {
            self.refresh_thread_now();
        }
    }

    #[cold]
    #[inline(never)]
    fn refresh_thread_now(&self) {
        drop(self.refresh());
    }

    /// Takes out everything that frames left open hold.
    fn dismantle_frames(&self) -> Frames {
        self.floor.set(0);
        let closed = self.close_guards(0);
        let held = mem::take(&mut **self.held.borrow_mut());
        self.depth.set(0);
        self.undo.set(Undo::Owned);
        (closed, self.saved.take(), held)
    }

    /// Takes everything out, the empty list of guards too.
    fn dismantle(&self) -> (Context, Option<Box<Frames>>, Vec<Held>) {
        let open = self.has_guards(0) || self.undo.get() == Undo::Saved;
        let frames = open.then(|| Box::new(self.dismantle_frames()));
        (self.take_cx(), frames, mem::take(&mut **self.held.borrow_mut()))
    }
}
