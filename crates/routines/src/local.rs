//! Owns the public key type: declares a key and reads, writes and scopes its value.

use std::any::TypeId;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::carried::Carried;
use crate::context::Context;
use crate::default;
use crate::error::{SetError, TrySetError};
use crate::identity::{Identity, bind_in};
use crate::key::{self, Inherit, Key, Meta, MetaIdentity, Retire, Show, Traits};
use crate::label::Label;
use crate::shown::{self, Shown};
use crate::slot;
use crate::value::{Taken, Value};

/// A key whose value each routine has for itself.
///
/// Declare it as a plain `static`, or make one at run time: dropping it then frees its slot and makes its values
/// unreadable everywhere at once (the memory of a value held by an idle routine is freed when that routine next runs or
/// ends). Values are `Send + Sync`, because children and snapshots share them.
///
/// Reads and writes are lock-free and cost the same for one key and for ten thousand, at any nesting depth, hit or miss.
///
/// ```
/// use routines::{Inherit, Local};
///
/// static REQUEST_ID: Local<String> = Local::new().named("request_id"); // inherited, shown in logs and dumps
/// static TX: Local<u32> = Local::new().inherit(Inherit::Never); // private to its routine
/// static SPAN: Local<u32> = Local::new().derive(|parent| parent + 1); // a child computes its own
/// static DEPTH: Local<u32> = Local::with_default(|| 0);
///
/// REQUEST_ID.sync_scope("req-7".into(), || {
///     TX.set(1);
///     SPAN.set(1);
///     let child = routines::thread::spawn(|| (REQUEST_ID.get(), TX.get(), SPAN.get(), DEPTH.get()));
///     assert_eq!(child.join().unwrap(), (Some("req-7".into()), None, Some(2), Some(0)));
/// });
/// assert_eq!(REQUEST_ID.get(), None);
/// ```
///
/// Values must be shareable between threads, since children share them:
///
/// ```compile_fail,E0277
/// static BAD: routines::Local<std::rc::Rc<u32>> = routines::Local::new();
/// ```
///
/// ```
/// static GOOD: routines::Local<std::sync::Arc<u32>> = routines::Local::new();
/// ```
///
/// A named key needs something to show:
///
/// ```compile_fail,E0277
/// struct Opaque;
/// static BAD: routines::Local<Opaque> = routines::Local::new().named("opaque");
/// ```
///
/// ```
/// struct Opaque;
/// static GOOD: routines::Local<Opaque> = routines::Local::new();
/// ```
pub struct Local<T: Send + Sync + 'static> {
    token: AtomicU64,
    meta: OnceLock<&'static Meta>,
    name: Option<&'static str>,
    show: Show,
    traits: Traits,
    policy: Inherit,
    derive: Option<fn(&T) -> T>,
    default: Option<fn() -> T>,
    of: PhantomData<fn() -> T>,
}

// ===== declaring =====

impl<T: Send + Sync + 'static> Local<T> {
    /// A key that is unbound until set, inherited by children, and never shown.
    pub const fn new() -> Self {
        Local {
            token: AtomicU64::new(0),
            meta: OnceLock::new(),
            name: None,
            show: show_nothing,
            traits: Traits { labelled: false, redacted: false, unlogged: false },
            policy: Inherit::Share,
            derive: None,
            default: None,
            of: PhantomData,
        }
    }

    /// A key that reads as `default()` where nothing is bound.
    ///
    /// The value is made at the first read in a frame and stored there as if set, so it ends with the frame and children
    /// inherit it. Where nothing can be stored (a task without a context, a thread destroying its locals) it is made anew
    /// for every read. If `default` panics nothing is stored, and the next read runs it again.
    pub const fn with_default(default: fn() -> T) -> Self {
        let mut local = Local::new();
        local.default = Some(default);
        local
    }

    /// Shows the value in logs, dumps and profiles under `name`, by its `Debug`; strings and numbers keep their type.
    ///
    /// Naming is the opt-in for secrets' sake: an unnamed key is never shown anywhere. Writing a named key costs a lock of
    /// the routine's own record on top.
    pub const fn named(mut self, name: &'static str) -> Self
    where
        T: fmt::Debug,
    {
        self.show_as(name);
        self
    }

    pub(crate) const fn show_as(&mut self, name: &'static str)
    where
        T: fmt::Debug,
    {
        self.name = Some(name);
        self.show = show_debug::<T>;
    }

    /// As [`named`](Self::named), shown by the value's `Display`: for newtypes around an id.
    ///
    /// ```
    /// # use routines::Local;
    /// struct Tenant(u32);
    /// impl std::fmt::Display for Tenant {
    ///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "t-{}", self.0) }
    /// }
    /// static TENANT: Local<Tenant> = Local::new().named_display("tenant");
    ///
    /// let mut line = String::new();
    /// TENANT.sync_scope(Tenant(4), || routines::for_each_named(|name, value| line = format!("{name}={value}")));
    /// assert_eq!(line, "tenant=t-4");
    /// ```
    pub const fn named_display(mut self, name: &'static str) -> Self
    where
        T: fmt::Display,
    {
        self.name = Some(name);
        self.show = show_display::<T>;
        self
    }

    /// Shows that there is a value, and never which: as `[redacted]` in logs, dumps, pages and profiles.
    ///
    /// ```
    /// # use routines::Local;
    /// static TOKEN: Local<String> = Local::new().named("token").redacted();
    ///
    /// let mut line = String::new();
    /// TOKEN.sync_scope("hunter2".into(), || routines::for_each_named(|name, value| line = format!("{name}={value}")));
    /// assert_eq!(line, "token=[redacted]");
    /// ```
    pub const fn redacted(mut self) -> Self {
        self.traits.redacted = true;
        self
    }

    /// Shows the value in dumps and pages only, not to loggers: for what changes while it is bound, like the time left.
    pub const fn unlogged(mut self) -> Self {
        self.traits.unlogged = true;
        self
    }

    /// Makes the value a label of profiles: CPU time, memory and published contexts are told apart by it.
    ///
    /// A label has to be [named](Self::named), and to cross to children: a key with [`Inherit::Never`] is no label. Binding it
    /// costs building the record that profilers read, once a profiler is installed: see [`label`](crate::label).
    pub const fn labelled(mut self) -> Self
    where
        T: Label,
    {
        self.traits.labelled = true;
        self
    }

    /// Sets what children get: see [`Inherit`].
    pub const fn inherit(mut self, policy: Inherit) -> Self {
        self.policy = policy;
        self
    }

    /// Lets `derive` make a child's value from the parent's: it runs once per capture, in the parent.
    ///
    /// It may read and set locals. If it captures (spawns, takes a snapshot) it runs again for that capture, so it must not do
    /// so without an end.
    pub const fn derive(mut self, derive: fn(&T) -> T) -> Self {
        self.derive = Some(derive);
        self
    }

    /// The name the value is shown under, if any.
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }
}

impl<T: Send + Sync + 'static> Default for Local<T> {
    fn default() -> Self {
        Local::new()
    }
}

// ===== reading =====

impl<T: Send + Sync + 'static> Local<T> {
    /// A clone of the value, or `None` if nothing is bound here and the key has no default.
    ///
    /// Primitives are copied out of the slot; anything else is cloned from the shared value, with no borrow held.
    ///
    /// # Panics
    ///
    /// If the key's default reads the key itself.
    #[inline]
    #[track_caller]
    pub fn get(&self) -> Option<T>
    where
        T: Clone,
    {
        match self.read() {
            Some(value) => value.into_taken().map(Taken::into_owned),
            None if self.default.is_none() => None,
            None => Some(self.make_default()?.into_inner()),
        }
    }

    /// Runs `f` on the value in place, or returns `None` if nothing is bound.
    ///
    /// `f` may do anything with this and other keys: what it was lent stays valid to its end, and later reads see what it
    /// set. Costs a reference count trip unless the value is a primitive.
    ///
    /// # Panics
    ///
    /// If the key's default reads the key itself.
    ///
    /// ```
    /// # use routines::Local;
    /// static LOG: Local<Vec<u8>> = Local::new();
    ///
    /// LOG.set(vec![1]);
    /// LOG.with(|old| {
    ///     LOG.set(vec![2]);
    ///     assert_eq!(old, &[1]);
    /// });
    /// assert_eq!(LOG.with(|new| new[0]), Some(2));
    /// # LOG.remove();
    /// ```
    #[inline]
    #[track_caller]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        let value = match self.read() {
            Some(value) => value.into_taken()?,
            None => self.make_default()?,
        };
        Some(f(&value))
    }

    /// The value behind an [`Arc`], shared with the context; allocates only for a primitive.
    ///
    /// # Panics
    ///
    /// If the key's default reads the key itself.
    #[track_caller]
    pub fn get_arc(&self) -> Option<Arc<T>> {
        match self.read() {
            Some(value) => value.into_taken().map(Taken::into_arc),
            None => Some(self.make_default()?.into_arc()),
        }
    }

    /// Whether a value is bound here; a default that was not read yet does not count.
    #[inline]
    pub fn is_bound(&self) -> bool {
        self.read().is_some()
    }

    #[inline]
    fn read(&self) -> Option<Value> {
        // Acquire: pairs with the Release of `key::retire`. An unregistered key has token 0, which no value is under.
        slot::get(self.token.load(Ordering::Acquire))
    }

    #[cold]
    #[track_caller]
    fn make_default(&self) -> Option<Taken<T>> {
        let make = self.default?;
        let key = self.key();
        let Some(made) = default::once(key.token, make) else {
            panic!("the default of {} reads that local itself; compute it from something else", self.label())
        };
        let value = Value::new(made);
        drop(slot::write(key, Some(value.clone())));
        value.into_taken()
    }
}

// ===== writing =====

impl<T: Send + Sync + 'static> Local<T> {
    /// Binds `value` until the innermost frame ends, and gives back what was bound before.
    ///
    /// On a thread that is destroying its locals the value is dropped.
    ///
    /// # Panics
    ///
    /// In a task that was started without a context of its own, where other tasks on the thread would see the value;
    /// [`try_set`](Self::try_set) returns the error instead.
    #[inline]
    #[track_caller]
    pub fn set(&self, value: T) -> Option<Taken<T>> {
        let token = self.token.load(Ordering::Acquire);
        // Bound before by an unnamed key, and not captured since: in place; a primitive stays in registers.
        let Some(meta) = self.meta.get().filter(|_| !key::is_special(token)) else {
            return self.set_slow(Value::new(value));
        };
        if let Some(bits) = Value::bits_of(&value) {
            return match slot::exchange_bits(token, (Some(meta), bits)) {
                Some((was, old)) => was.and_then(|_| Value::Bits(old).into_taken()),
                None => self.set_slow(Value::Bits(bits)),
            };
        }
        match slot::exchange(token, (Some(meta), Value::new(value))) {
            Ok((was, old)) => was.and_then(|_| old.into_taken()),
            Err((_, value)) => self.set_slow(value),
        }
    }

    #[inline(never)]
    #[track_caller]
    fn set_slow(&self, value: Value) -> Option<Taken<T>> {
        match slot::write(self.key(), Some(value)) {
            Ok(mut displaced) => displaced.value.take().and_then(Value::into_taken),
            Err((refusal, _)) => refused(SetError::new(refusal), &self.label()),
        }
    }

    /// As [`set`](Self::set), without a panic.
    ///
    /// # Errors
    ///
    /// If there is no routine here to hold the value; the error holds it.
    pub fn try_set(&self, value: T) -> Result<Option<Taken<T>>, TrySetError<T>> {
        match slot::write(self.key(), Some(Value::new(value))) {
            Ok(mut displaced) => Ok(displaced.value.take().and_then(Value::into_taken)),
            Err((refusal, value)) => {
                Err(TrySetError::new(SetError::new(refusal), value.and_then(Value::into_taken::<T>)))
            }
        }
    }

    /// Unbinds the key until the innermost frame ends, and gives back what was bound.
    pub fn remove(&self) -> Option<Taken<T>> {
        if self.token.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut displaced = slot::write(self.key(), None).ok()?;
        displaced.value.take().and_then(Value::into_taken)
    }

    /// Unbinds the key everywhere: after this returns no routine reads an old value.
    ///
    /// The memory of a value held by another routine is freed at the latest when that routine next runs or ends.
    /// Snapshots and [`Bindings`](crate::Bindings) made before keep what they hold: they are immutable.
    ///
    /// Takes one process-wide lock; readers and writers of values never do.
    pub fn clear(&self) {
        key::retire(&self.token, Retire::Cleared);
        slot::refresh();
    }
}

/// Reports a refused write at the line of the caller's caller.
#[cold]
#[track_caller]
pub(crate) fn refused<R>(error: SetError, what: &str) -> Option<R> {
    // Nothing panics at thread exit (R13).
    if error.is_thread_exit() {
        return None;
    }
    panic!("cannot set {what}: {error}")
}

// ===== scoping =====

impl<T: Send + Sync + 'static> Local<T> {
    /// Runs `f` with the key bound to `value`; what was bound before is back afterwards, also on panic.
    ///
    /// Works everywhere, also in a task without a context of its own. Costs no allocation for a primitive.
    #[inline]
    pub fn sync_scope<R>(&self, value: T, f: impl FnOnce() -> R) -> R {
        slot::scope(&self.token, self.key(), Value::new(value), f)
    }

    /// Carries the current context plus `value` for this key along with `future`: captured now, not at the first poll.
    ///
    /// A future that carries a context already keeps it, as it was when that was captured: for several keys at once there are
    /// [`Bindings`](crate::Bindings), where other libraries nest scopes.
    ///
    /// ```
    /// # use routines::Local;
    /// use routines::Bindings;
    ///
    /// static USER: Local<&str> = Local::new();
    /// static SHARD: Local<u64> = Local::new();
    ///
    /// # fn block_on<F: Future>(f: F) -> F::Output {
    /// #     let mut f = Box::pin(f);
    /// #     match f.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
    /// #         std::task::Poll::Ready(v) => v, _ => unreachable!() } }
    /// let user = block_on(USER.scope("ada", async { USER.get() }));
    /// assert_eq!(user, Some("ada"));
    /// assert_eq!(USER.get(), None);
    ///
    /// let both = Bindings::new().with(&USER, "ada").with(&SHARD, 7);
    /// assert_eq!(block_on(both.scope(async { (USER.get(), SHARD.get()) })), (Some("ada"), Some(7)));
    /// let nested = USER.scope("ada", SHARD.scope(7, async { (USER.get(), SHARD.get()) }));
    /// assert_eq!(block_on(nested), (None, Some(7)), "what is inside was captured first");
    /// ```
    #[track_caller]
    pub fn scope<F: Future>(&self, value: T, future: F) -> Carried<F> {
        self.carry(value, future)
    }

    /// As [`scope`](Self::scope), for a stream: see [`StreamExt`](crate::StreamExt).
    ///
    /// ```
    /// # use futures_util::{StreamExt, stream};
    /// # use routines::Local;
    /// static USER: Local<&str> = Local::new();
    ///
    /// # futures_util::future::FutureExt::now_or_never(async {
    /// let rows = stream::iter([1, 2]).map(|row| (row, USER.get()));
    /// let rows: Vec<_> = USER.scope_stream("ada", rows).collect().await;
    /// assert_eq!(rows, [(1, Some("ada")), (2, Some("ada"))]);
    /// # }).unwrap();
    /// ```
    #[cfg(feature = "stream")]
    #[track_caller]
    pub fn scope_stream<S: futures_core::Stream>(&self, value: T, stream: S) -> Carried<S> {
        self.carry(value, stream)
    }

    #[track_caller]
    fn carry<W>(&self, value: T, work: W) -> Carried<W> {
        let (key, value) = (self.key(), Value::new(value));
        let bind = |cx: &mut Context| bind_in(cx, key, value.clone());
        Carried::new(work, Identity::scoped(Location::caller(), bind))
    }
}

// ===== inside =====

impl<T: Send + Sync + 'static> Local<T> {
    fn class(&self) -> u64 {
        let never = if self.policy == Inherit::Never { key::NEVER } else { 0 };
        let special = if self.name.is_some() || self.derive.is_some() { key::SPECIAL } else { 0 };
        never | special
    }

    #[inline]
    pub(crate) fn key(&self) -> Key {
        let token = match self.token.load(Ordering::Acquire) {
            0 => key::register(&self.token, self.class()),
            token => token,
        };
        let meta = match self.meta.get() {
            Some(meta) => meta,
            None => self.describe(),
        };
        Key { token, meta }
    }

    #[cold]
    fn describe(&self) -> &'static Meta {
        let identity = MetaIdentity {
            name: self.name,
            of: TypeId::of::<T>(),
            show: self.show as usize,
            traits: self.traits,
            derive: self.derive.map_or(0, |derive| derive as usize),
        };
        let make = || Meta {
            name: self.name,
            show: if self.traits.redacted { show_redacted } else { self.show },
            traits: self.traits,
            derive: self.derive.map(|derive| -> key::Derive {
                Box::new(move |value| value.clone().into_taken::<T>().map(|parent| Value::new(derive(&parent))))
            }),
        };
        self.meta.get_or_init(|| key::intern(identity, make))
    }

    pub(crate) fn label(&self) -> String {
        match self.name {
            Some(name) => format!("the local `{name}`"),
            None => format!("an unnamed `Local<{}>`", std::any::type_name::<T>()),
        }
    }
}

fn show_nothing(_: &Value, _: &mut dyn FnMut(Shown<'_>)) {}

fn show_redacted(_: &Value, show: &mut dyn FnMut(Shown<'_>)) {
    show(Shown::Str("[redacted]"));
}

fn show_debug<T: fmt::Debug + Send + Sync + 'static>(value: &Value, show: &mut dyn FnMut(Shown<'_>)) {
    value.lend(|value: &T| show(shown::typed(value).unwrap_or(Shown::Debug(value))));
}

fn show_display<T: fmt::Display + Send + Sync + 'static>(value: &Value, show: &mut dyn FnMut(Shown<'_>)) {
    value.lend(|value: &T| show(shown::typed(value).unwrap_or(Shown::Display(value))));
}

impl<T: Send + Sync + 'static> Drop for Local<T> {
    fn drop(&mut self) {
        key::retire(&self.token, Retire::Dropped);
        if *self.token.get_mut() != 0 {
            slot::refresh();
        }
    }
}

// A panic leaves nothing half changed: values are put into a slot whole, after the last user code that could panic.
impl<T: Send + Sync + 'static> UnwindSafe for Local<T> {}
impl<T: Send + Sync + 'static> RefUnwindSafe for Local<T> {}

impl<T: Send + Sync + 'static> fmt::Debug for Local<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("name", &self.name).field("inherit", &self.policy).finish_non_exhaustive()
    }
}

/// Any [`Local`], whatever its type: what [`Snapshot::only`](crate::Snapshot::only) takes a list of.
///
/// Sealed: implemented by `Local` alone.
pub trait AnyLocal: sealed::Sealed + Sync {}

impl<T: Send + Sync + 'static> AnyLocal for Local<T> {}

#[expect(unnameable_types, reason = "that is what seals the trait")]
pub(crate) mod sealed {
    pub trait Sealed {
        fn raw_token(&self) -> u64;
    }
}

impl<T: Send + Sync + 'static> sealed::Sealed for Local<T> {
    fn raw_token(&self) -> u64 {
        self.token.load(Ordering::Acquire)
    }
}
