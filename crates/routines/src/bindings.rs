//! Owns sets of bindings: several keys at once, made ahead, inspected, and used as often as wanted.

use std::fmt;
use std::future::Future;
use std::panic::Location;

use crate::carried::Carried;
use crate::context::Context;
use crate::identity::{Identity, bind_in};
use crate::key::Key;
use crate::local::Local;
use crate::shown::Shown;
use crate::slot;
use crate::snapshot::{fmt_named, show_each};
use crate::table;
use crate::value::{Taken, Value};

/// Values for several keys, to be bound together in one scope.
///
/// ```
/// use routines::{Bindings, Local};
///
/// static USER: Local<String> = Local::new().named("user");
/// static CART: Local<u32> = Local::new();
///
/// let session = Bindings::new().with(&USER, "ada".to_string()).with(&CART, 3);
/// assert_eq!(session.len(), 2);
/// for _ in 0..2 {
///     assert_eq!(session.sync_scope(|| (USER.get(), CART.get())), (Some("ada".into()), Some(3)));
/// }
/// assert_eq!(format!("{session:?}"), r#"Bindings { user: "ada", unnamed: 1 }"#);
/// ```
#[derive(Clone, Default)]
#[must_use = "bindings do nothing until `scope` or `sync_scope` is called"]
pub struct Bindings(Context);

impl Bindings {
    /// No bindings.
    pub const fn new() -> Self {
        Bindings(Context::EMPTY)
    }

    /// Adds one, replacing an earlier one of the same key.
    pub fn with<T: Send + Sync + 'static>(mut self, key: &Local<T>, value: T) -> Self {
        bind_in(&mut self.0, key.key(), Value::new(value));
        self
    }

    /// Runs `f` with all of them bound on top of the current context, which is back afterwards, also on panic.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let mut cx = slot::context();
        self.bind(&mut cx);
        slot::run_once(&mut cx, f)
    }

    /// Carries the current context plus these bindings along with `future`.
    #[track_caller]
    pub fn scope<F: Future>(&self, future: F) -> Carried<F> {
        self.carry(future)
    }

    /// Carries the current context plus these bindings along with `stream`: see [`StreamExt`](crate::StreamExt).
    #[cfg(feature = "stream")]
    #[track_caller]
    pub fn scope_stream<S: futures_core::Stream>(&self, stream: S) -> Carried<S> {
        self.carry(stream)
    }

    #[track_caller]
    fn carry<T>(&self, inner: T) -> Carried<T> {
        Carried::new(inner, Identity::scoped(Location::caller(), |cx| self.bind(cx)))
    }

    /// The value bound for `key`.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Local<T>) -> Option<Taken<T>> {
        let key = key.key();
        self.revived().get(key.token).cloned()?.into_taken()
    }

    /// Whether there is a value for `key`.
    pub fn contains<T: Send + Sync + 'static>(&self, key: &Local<T>) -> bool {
        self.get(key).is_some()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.revived().each(&mut |_, _, _| len += 1);
        len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits the named ones in the order their keys were first used.
    pub fn for_each_named(&self, mut visit: impl FnMut(&'static str, Shown<'_>)) {
        show_each(self.revived().special(), &mut visit);
    }

    fn revived(&self) -> Context {
        let mut cx = self.0.clone();
        // Not the last references: `self` holds one of each.
        drop([table::revive(&mut cx.shared), table::revive(&mut cx.private)]);
        cx
    }

    fn bind(&self, cx: &mut Context) {
        let own = self.revived();
        // Nothing to put them on top of: the table is shared instead of made again.
        if cx.is_empty() {
            *cx = own;
            return;
        }
        own.each(&mut |token, meta, value| bind_in(cx, Key { token, meta }, value.clone()));
    }
}

impl fmt::Debug for Bindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_named(f, "Bindings", &self.revived())
    }
}
