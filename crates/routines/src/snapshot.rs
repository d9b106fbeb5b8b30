//! Owns snapshots: immutable captures of a context, and the ways to run under one.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;

use crate::carried::Carried;
use crate::context::{Context, Published};
use crate::error::SetError;
use crate::identity::{self, Identity};
use crate::local::{AnyLocal, Local, refused, sealed::Sealed};
use crate::registry::Kind;
use crate::shown::Shown;
use crate::slot;
use crate::table::{self, Table};
use crate::value::Taken;

/// An immutable capture of the values that cross to children.
///
/// Capturing costs one reference count, whatever the number of keys, and one call for each *derive* key bound. Values
/// of keys with policy [`Inherit::Never`](crate::Inherit::Never) are private to their routine and not part of it. A
/// snapshot keeps its values alive, also those of keys that are cleared later.
///
/// ```
/// use routines::{Local, Snapshot};
///
/// static USER: Local<&str> = Local::new();
///
/// let snapshot = USER.sync_scope("ada", Snapshot::capture);
/// assert_eq!(USER.get(), None);
/// assert_eq!(snapshot.sync_scope(|| USER.get()), Some("ada"));
/// ```
#[derive(Clone, Default)]
pub struct Snapshot(Option<Table>);

impl Snapshot {
    /// Captures the current context.
    #[inline]
    pub fn capture() -> Snapshot {
        Snapshot(identity::capture())
    }

    /// A snapshot of nothing: to run something with an empty context.
    pub const fn empty() -> Snapshot {
        Snapshot(None)
    }

    /// Replaces the current frame's context by this one; the frame's own end puts the outer one back as always.
    ///
    /// Values of *never* keys stay as they are: they belong to the routine. On a thread that is destroying its locals
    /// nothing happens.
    ///
    /// # Panics
    ///
    /// In a task that was started without a context of its own; [`try_restore`](Self::try_restore) returns the error.
    #[inline]
    #[track_caller]
    pub fn restore(&self) {
        if let Err(error) = self.try_restore() {
            refused::<()>(error, "the context from a snapshot");
        }
    }

    /// As [`restore`](Self::restore), without a panic.
    ///
    /// # Errors
    ///
    /// If there is no routine here to hold the values.
    pub fn try_restore(&self) -> Result<(), SetError> {
        let shared = self.revived();
        slot::replace(|cx| Context { shared: std::mem::replace(&mut cx.shared, shared), private: None })
    }

    /// Runs `f` with exactly these values bound; the outer context is back afterwards, also on panic.
    #[inline]
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        slot::run_once(&mut self.context(), f)
    }

    /// Carries exactly these values along with `future`.
    #[track_caller]
    pub fn scope<F: Future>(&self, future: F) -> Carried<F> {
        self.carry(future)
    }

    /// Carries exactly these values along with `stream`: see [`StreamExt`](crate::StreamExt).
    #[cfg(feature = "stream")]
    #[track_caller]
    pub fn scope_stream<S: futures_core::Stream>(&self, stream: S) -> Carried<S> {
        self.carry(stream)
    }

    #[track_caller]
    fn carry<T>(&self, inner: T) -> Carried<T> {
        let who = Identity::unborn(Kind::Task, Location::caller(), None);
        Carried::new(inner, (self.context(), who))
    }

    /// Makes these values current until the guard is dropped: for start/stop instrumentation that has no closure to wrap.
    ///
    /// Prefer [`sync_scope`](Self::sync_scope) and [`scope`](Self::scope). The guard ends at the latest with the enclosing
    /// frame: a scope, a poll, a bound closure, the thread. Guards may be dropped in any order: current is always what the
    /// youngest live guard of the frame set, or the frame's own context. A leaked guard lasts until its frame ends.
    ///
    /// A guard held across `.await` ends when the task is suspended; that is reported once per line on standard error.
    ///
    /// ```
    /// # use routines::{Local, Snapshot};
    /// static USER: Local<&str> = Local::new();
    ///
    /// let snapshot = USER.sync_scope("ada", Snapshot::capture);
    /// let guard = snapshot.enter();
    /// assert_eq!(USER.get(), Some("ada"));
    /// drop(guard);
    /// assert_eq!(USER.get(), None);
    /// ```
    #[track_caller]
    pub fn enter(&self) -> Guard {
        Guard { number: slot::enter_guard(self.context(), Location::caller()), not_send: PhantomData }
    }

    /// The same capture, reduced to these keys.
    ///
    /// ```
    /// # use routines::{Local, Snapshot};
    /// static USER: Local<&str> = Local::new();
    /// static CART: Local<u32> = Local::new();
    ///
    /// let both = USER.sync_scope("ada", || CART.sync_scope(3, Snapshot::capture));
    /// let one = both.only(&[&USER]);
    /// assert_eq!(one.get(&USER).as_deref(), Some(&"ada"));
    /// assert!(one.get(&CART).is_none());
    /// ```
    #[must_use = "a reduced copy is returned, the snapshot itself is immutable"]
    pub fn only(&self, keys: &[&dyn AnyLocal]) -> Snapshot {
        let wanted: Vec<u64> = keys.iter().map(|key| Sealed::raw_token(*key)).collect();
        let mut shared = self.revived();
        let replaced = table::keep(&mut shared, |token| wanted.contains(&token));
        drop(replaced);
        Snapshot(shared)
    }

    /// The captured value of `key`.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Local<T>) -> Option<Taken<T>> {
        let key = key.key();
        let cx = self.context();
        let value = cx.get(key.token)?.clone();
        value.into_taken()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.context().each(&mut |_, _, _| len += 1);
        len
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the captured named values in the order their keys were first used.
    pub fn for_each_named(&self, mut visit: impl FnMut(&'static str, Shown<'_>)) {
        show_each(self.context().special(), &mut visit);
    }

    /// What crosses of a context.
    pub(crate) fn of(cx: Context) -> Snapshot {
        Snapshot(cx.shared)
    }

    fn context(&self) -> Context {
        Context { shared: self.revived(), private: None }
    }

    #[inline]
    fn revived(&self) -> Option<Table> {
        let mut shared = self.0.clone();
        // Not the last reference: `self` holds one.
        drop(table::revive(&mut shared));
        shared
    }
}

pub(crate) fn show_each(published: Published, visit: &mut dyn FnMut(&'static str, Shown<'_>)) {
    published.each_named(&mut |name, meta, value| (meta.show)(value, &mut |shown| visit(name, shown)));
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        if self.0.take().is_some() {
            // This may have been what kept replaced values of the current context alive.
            slot::refresh();
        }
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_named(f, "Snapshot", &self.context())
    }
}

/// Writes the named values, and the number of the others.
pub(crate) fn fmt_named(f: &mut fmt::Formatter<'_>, what: &str, cx: &Context) -> fmt::Result {
    let mut all = 0;
    cx.each(&mut |_, _, _| all += 1);
    let mut map = f.debug_struct(what);
    show_each(cx.special(), &mut |name, shown| {
        all -= 1;
        map.field(name, &format_args!("{shown:?}"));
    });
    map.field("unnamed", &all).finish()
}

/// Keeps a snapshot current until dropped: see [`Snapshot::enter`].
///
/// It stays on its thread:
///
/// ```compile_fail,E0277
/// fn assert_send<T: Send>(_: T) {}
/// assert_send(routines::Snapshot::empty().enter());
/// ```
///
/// ```
/// fn assert_send<T: Send>(_: T) {}
/// assert_send(routines::Snapshot::empty());
/// ```
#[must_use = "the values are current only while the guard lives; call `sync_scope` to run a closure with them"]
#[derive(Debug)]
pub struct Guard {
    number: u64,
    not_send: PhantomData<*mut ()>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Cannot panic: an unknown number is ignored, and values are dropped after every borrow.
        slot::leave_guard(self.number);
    }
}

/// Empties the current frame's context, *never* keys included; the frame's end puts the outer context back as always.
///
/// In a task without a context of its own there is nothing to empty.
///
/// ```
/// # use routines::Local;
/// static USER: Local<&str> = Local::new();
///
/// USER.sync_scope("ada", || {
///     routines::flush();
///     assert_eq!(USER.get(), None);
/// });
/// ```
pub fn flush() {
    // Refused only where nothing is bound.
    let _ = slot::replace(std::mem::take);
}
