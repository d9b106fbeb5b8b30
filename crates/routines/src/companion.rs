//! Owns companions: other libraries' ambient state, which travels with routines.
//!
//! Tracing spans, OpenTelemetry contexts and their like live in thread-locals of their own libraries, so they are lost at
//! every spawn. A [`Companion`] says how to take such state along: register it once, in `main`, and everything that inherits a
//! context here carries it too, in code that was never told. The crate `routines-companions` has those of `tracing`,
//! `opentelemetry` and `fastrace`.
//!
//! ```
//! use std::cell::RefCell;
//!
//! use routines::companion::{self, Companion};
//!
//! // Some library's ambient state, and its guard.
//! thread_local!(static INDENT: RefCell<String> = const { RefCell::new(String::new()) });
//!
//! struct Indented(String);
//!
//! fn indent(by: String) -> Indented {
//!     Indented(INDENT.replace(by))
//! }
//!
//! impl Drop for Indented {
//!     fn drop(&mut self) {
//!         INDENT.set(std::mem::take(&mut self.0));
//!     }
//! }
//!
//! // Its companion.
//! struct Indent;
//!
//! impl Companion for Indent {
//!     type State = String;
//!     type Guard = Indented;
//!
//!     fn capture(&self) -> Option<String> {
//!         Some(INDENT.with_borrow(String::clone)).filter(|indent| !indent.is_empty())
//!     }
//!
//!     fn enter(&self, state: &String) -> Indented {
//!         indent(state.clone())
//!     }
//! }
//!
//! companion::register(Indent);
//! let _guard = indent("  ".into());
//! let child = routines::thread::spawn(|| INDENT.with_borrow(String::clone));
//! assert_eq!(child.join().unwrap(), "  ");
//! ```
//!
//! # What carries them
//!
//! | work | captured | entered |
//! |---|---|---|
//! | `spawn`, `spawn_blocking`, `thread::spawn`, [`RoutineBuilder`](crate::RoutineBuilder) | at the call | around each poll, the job, the thread, the drop of what did not end |
//! | [`bind`](crate::bind), [`bind_fn`](crate::bind_fn), `.inherit()`, [`Carried::message`](crate::Carried::message) | at the call | the same, wherever it runs |
//! | [`Local::scope`](crate::Local::scope), [`Bindings::scope`](crate::Bindings::scope) | at the call | where it runs as a routine of its own; awaited by its maker it is a part of its maker's run |
//! | `.detached()`, `spawn_detached` and its like, [`Snapshot`](crate::Snapshot) | never | never |
//!
//! Work that captured nothing runs with whatever its thread has. State stays alive until the routine that carries it ends.
//!
//! # Cost
//!
//! One load per spawn and one branch per run while none is registered. Otherwise two allocations per spawn, one more for
//! each companion that has something to carry; and about 20 ns per run, and 5 for each further companion, beside what their
//! libraries do. A run allocates nothing.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::iter::successors;
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind, resume_unwind};
use std::sync::OnceLock;
use std::thread::panicking;

use triomphe::Arc;

use crate::id::RoutineId;
use crate::slot;

/// Another library's ambient state, to be carried along by everything that inherits a context.
///
/// Its functions run inside the routine they run for, and may read and set locals, start work and panic. A panic in
/// [`capture`](Self::capture) goes to whoever starts the work; one in [`enter`](Self::enter), or in the guard's drop, ends
/// the run as a panic of the work would, except that work which is dropped is dropped in any case. Inside these functions
/// nothing is captured and nothing entered: carrying a companion there would have no end.
pub trait Companion: Send + Sync + 'static {
    /// What is taken along. It may be entered on several threads at a time, as [`bind_fn`](crate::bind_fn)'s is.
    type State: Send + Sync + 'static;
    /// Keeps the state current until dropped, on the same thread. Work that a stackful coroutine takes to another thread in
    /// the middle of a run leaves it behind, never dropped.
    type Guard: 'static;

    /// Takes what is current now, in the parent; `None` if there is nothing to carry, which costs the child nothing.
    fn capture(&self) -> Option<Self::State>;

    /// Makes it current, around a run of the child.
    fn enter(&self, state: &Self::State) -> Self::Guard;
}

// ===== registered companions =====

static FIRST: OnceLock<Box<Node>> = OnceLock::new();

struct Node {
    companion: Box<dyn Capture>,
    next: OnceLock<Box<Node>>,
}

/// A [`Companion`] of any type.
trait Capture: Send + Sync {
    fn capture(&'static self, number: usize) -> Option<Box<dyn Passenger>>;
}

impl<C: Companion> Capture for C {
    fn capture(&'static self, number: usize) -> Option<Box<dyn Passenger>> {
        let state = Companion::capture(self)?;
        Some(Box::new(Aboard { companion: self, number, state }))
    }
}

/// Registers a companion, behind those there are and for the rest of the process.
///
/// Work started from now on carries it; it is entered after those registered before, and left before them. Registering the
/// same thing twice carries it twice.
pub fn register(companion: impl Companion) {
    let mut node = Box::new(Node { companion: Box::new(companion), next: OnceLock::new() });
    let mut place = &FIRST;
    while let Err(refused) = place.set(node) {
        node = refused;
        place = place.get().map_or(place, |taken| &taken.next);
    }
}

/// Whether any companion is registered.
#[inline]
pub fn any() -> bool {
    FIRST.get().is_some()
}

// ===== what was captured =====

/// What all companions captured, for a runtime's own crate: to be entered and left around each run of a routine.
///
/// All else that starts routines does it by itself. To be left on the thread it was entered on, before it is dropped.
///
/// ```
/// use routines::companion::Captured;
///
/// let mut captured = Captured::capture(); // where work is started
/// captured.enter();                       // where it runs
/// captured.leave();
/// ```
#[derive(Clone, Default)]
pub struct Captured(Option<Arc<Vec<Box<dyn Passenger>>>>);

/// The state of one companion.
trait Passenger: Send + Sync + UnwindSafe + RefUnwindSafe {
    fn enter(&self);
    fn leave(&self);
}

struct Aboard<C: Companion> {
    companion: &'static C,
    /// The companion's place in the order of registration.
    number: usize,
    state: C::State,
}

// It is only ever lent to its companion, who is told what a panic leaves behind.
impl<C: Companion> UnwindSafe for Aboard<C> {}
impl<C: Companion> RefUnwindSafe for Aboard<C> {}

impl<C: Companion> Aboard<C> {
    fn key(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

impl<C: Companion> Passenger for Aboard<C> {
    fn enter(&self) {
        let guard = self.companion.enter(&self.state);
        on_board(|open| open.keep(self.number, self.key(), guard));
    }

    fn leave(&self) {
        let guard = on_board(|open| open.give_back::<C::Guard>(self.number, self.key()));
        drop(guard);
    }
}

impl Captured {
    pub(crate) const NOTHING: &Captured = &Captured::none();

    /// Nothing.
    pub const fn none() -> Captured {
        Captured(None)
    }

    /// Whether there is nothing to enter.
    #[inline]
    pub fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Asks every companion, in the order of registration. One load if none is registered.
    ///
    /// # Panics
    ///
    /// If a companion does.
    #[inline]
    pub fn capture() -> Captured {
        if any() { Captured::ask() } else { Captured::none() }
    }

    #[inline(never)]
    fn ask() -> Captured {
        if INSIDE.get() {
            return Captured::none();
        }
        let nodes = successors(FIRST.get(), |node| node.next.get()).enumerate();
        let passengers: Vec<_> = inside(|| nodes.filter_map(|(n, node)| node.companion.capture(n)).collect());
        Captured((!passengers.is_empty()).then(|| Arc::new(passengers)))
    }

    /// Enters all of it on this thread, for the routine that is current.
    ///
    /// On a thread that is destroying its locals nothing happens.
    ///
    /// # Panics
    ///
    /// If a companion does; those entered before it are left.
    pub fn enter(&mut self) {
        if !self.is_none() {
            self.begin(slot::id().as_u64());
        }
    }

    /// As [`enter`](Self::enter), where the routine is not current yet: in a hook that runs before it.
    ///
    /// Without it, a [`Local::scope`](crate::Local::scope) that is the whole of the routine would enter the same a second time.
    ///
    /// # Panics
    ///
    /// As [`enter`](Self::enter).
    pub fn enter_for(&mut self, routine: RoutineId) {
        self.begin(routine.as_u64());
    }

    /// Leaves all of it, in the opposite order. Does nothing if it was not entered on this thread.
    ///
    /// # Panics
    ///
    /// If a companion's guard does when dropped; all others are left then, too.
    pub fn leave(&mut self) {
        self.end();
    }

    /// Enters until the result is dropped, for the current routine.
    #[inline]
    pub(crate) fn ride(&self) -> Ride<'_> {
        if !self.is_none() {
            self.begin(slot::id().as_u64());
        }
        Ride(self)
    }

    /// As [`ride`](Self::ride), for work that is dropped: without companions, if one panics.
    #[inline]
    pub(crate) fn ride_out(&self) -> Ride<'_> {
        if self.is_none() {
            return Ride(self);
        }
        catch_unwind(AssertUnwindSafe(|| self.ride())).unwrap_or(Ride(Captured::NOTHING))
    }

    /// Nothing, if the current routine carries companions already: a routine carries them once.
    pub(crate) fn unless_riding(self) -> Captured {
        let rides = !self.is_none() && on_board(|open| open.rider()) == Some(Some(slot::id().as_u64()));
        if rides { Captured::none() } else { self }
    }

    #[inline(never)]
    fn begin(&self, routine: u64) {
        let Some(passengers) = &self.0 else { return };
        // Inside a companion, or at a thread's exit, nothing is begun and nothing ended.
        if INSIDE.get() || on_board(|open| open.runs.push((self.key(), routine))).is_none() {
            return;
        }
        let mut entered = Entered { captured: self, passengers: &passengers[..0] };
        inside(|| {
            for (i, passenger) in passengers.iter().enumerate() {
                passenger.enter();
                entered.passengers = &passengers[..=i];
            }
        });
        mem::forget(entered);
    }

    #[inline(never)]
    fn end(&self) {
        if let Some(passengers) = self.0.as_ref().filter(|_| !INSIDE.get()) {
            drop(Entered { captured: self, passengers });
        }
    }

    fn key(&self) -> usize {
        self.0.as_ref().map_or(0, |all| Arc::as_ptr(all).addr())
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Captured").field(&self.0.as_ref().map_or(0, |all| all.len())).finish()
    }
}

/// Entered until dropped.
pub(crate) struct Ride<'a>(&'a Captured);

impl Drop for Ride<'_> {
    #[inline]
    fn drop(&mut self) {
        if !self.0.is_none() {
            self.0.end();
        }
    }
}

/// What was entered of it: left when dropped, the last first, also if some of it panics.
struct Entered<'a> {
    captured: &'a Captured,
    passengers: &'a [Box<dyn Passenger>],
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        on_board(|open| open.end_run(self.captured.key()));
        let last_first = self.passengers.iter().rev();
        let leave = |passenger| catch_unwind(AssertUnwindSafe(|| inside(|| Passenger::leave(passenger)))).err();
        let panic = last_first.map(AsRef::as_ref).filter_map(leave).reduce(|first, _| first);
        if let Some(panic) = panic.filter(|_| !panicking()) {
            resume_unwind(panic);
        }
    }
}

// ===== the thread =====

thread_local! {
    /// Whether a companion's own code runs.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
    static OPEN: RefCell<Open> = const { RefCell::new(Open { runs: Vec::new(), guards: Vec::new() }) };
}

/// What is entered on this thread. Guards are not `Send`, so they stay here while a hook has returned.
struct Open {
    /// What was entered, and the routine it is for.
    runs: Vec<(usize, u64)>,
    /// For each companion, by number: a `Kept` of its guards.
    guards: Vec<Option<Box<dyn Any>>>,
}

/// Guards and what they are of. Those that are left when the thread ends are never dropped: what they would put back is gone.
type Kept<G> = Vec<(usize, ManuallyDrop<G>)>;

/// `None` if the thread is destroying its locals, or an allocator asks that is called from within. No user code runs in `op`.
fn on_board<R>(op: impl FnOnce(&mut Open) -> R) -> Option<R> {
    OPEN.try_with(|open| open.try_borrow_mut().ok().map(|mut open| op(&mut open))).ok().flatten()
}

impl Open {
    fn rider(&self) -> Option<u64> {
        self.runs.last().map(|(_, routine)| *routine)
    }

    fn end_run(&mut self, key: usize) {
        if let Some(place) = self.runs.iter().rposition(|(run, _)| *run == key) {
            self.runs.remove(place);
        }
    }

    fn kept<G: 'static>(&mut self, number: usize) -> Option<&mut Kept<G>> {
        if self.guards.len() <= number {
            self.guards.resize_with(number + 1, || None);
        }
        self.guards[number].get_or_insert_with(|| Box::new(Kept::<G>::new())).downcast_mut()
    }

    fn keep<G: 'static>(&mut self, number: usize, key: usize, guard: G) {
        if let Some(kept) = self.kept(number) {
            kept.push((key, ManuallyDrop::new(guard)));
        }
    }

    fn give_back<G: 'static>(&mut self, number: usize, key: usize) -> Option<G> {
        let kept = self.kept::<G>(number)?;
        let place = kept.iter().rposition(|(of, _)| *of == key)?;
        Some(ManuallyDrop::into_inner(kept.remove(place).1))
    }
}

/// Runs a companion's code.
fn inside<R>(f: impl FnOnce() -> R) -> R {
    struct Reset(bool);
    impl Drop for Reset {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let _reset = Reset(INSIDE.replace(true));
    f()
}
