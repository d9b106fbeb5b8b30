//! Owns messages that carry their sender's context, and the ways to open them.

use std::fmt;
use std::future::Future;
use std::mem;

use super::{Carried, used_after_the_end};
use crate::context::Context;
use crate::identity::Identity;
use crate::job::Job;
use crate::registry::Kind;
use crate::snapshot::Snapshot;

/// # Messages
///
/// What goes through a channel, to an actor or into a queue loses its sender's context: the consumer runs with its own.
/// Send it in an envelope, a `Carried<M>`, and open that at the other end:
///
/// ```
/// use routines::{Carried, Local};
///
/// static USER: Local<String> = Local::new();
///
/// struct Deposit(u64);
///
/// let (sender, inbox) = std::sync::mpsc::channel::<Carried<Deposit>>();
/// let teller = std::thread::spawn(move || {
///     inbox.into_iter().map(|message| message.open(|Deposit(sum)| (USER.get(), sum))).collect::<Vec<_>>()
/// });
/// for (user, sum) in [("ada", 10), ("eve", 20)] {
///     USER.sync_scope(user.into(), || sender.send(Carried::message(Deposit(sum))).unwrap());
/// }
/// drop(sender);
/// assert_eq!(teller.join().unwrap(), [(Some("ada".into()), 10), (Some("eve".into()), 20)]);
/// ```
///
/// An envelope that is dropped without being opened drops its message inside the context. It pins the values it carries:
/// send [`detached_message`](Self::detached_message)s to where they are kept for long.
impl<T> Carried<T> {
    /// Puts the current context beside a message: captured now, in the sender.
    ///
    /// Values of *never* keys stay behind. Costs one reference count and an allocation, whatever the number of keys.
    #[track_caller]
    pub fn message(value: T) -> Self {
        Carried::inheriting(value)
    }

    /// An envelope of the same type without a context: its consumer starts empty, and is linked to the sender all the same.
    ///
    /// ```
    /// # use routines::{Carried, Local};
    /// static USER: Local<&str> = Local::new();
    ///
    /// let message = USER.sync_scope("ada", || Carried::detached_message(7));
    /// assert_eq!(message.open(|number| (number, USER.get())), (7, None));
    /// ```
    #[track_caller]
    pub fn detached_message(value: T) -> Self {
        Carried::detaching(value)
    }

    /// Handles the message in the sender's context, as a job of its own: a child of the sender, even if that is gone by
    /// now.
    ///
    /// The caller's context is back afterwards, also on panic. What the handler sets ends with it.
    ///
    /// # Panics
    ///
    /// If it is not a message but a future, or stream, that was polled to its end.
    pub fn open<R>(self, handler: impl FnOnce(T) -> R) -> R {
        let (value, carried) = self.take_apart(Kind::Job);
        Job::new(move || handler(value), carried).run()
    }

    /// As [`open`](Self::open), for a handler that awaits: returns the task, to be awaited or spawned.
    ///
    /// It is a routine from this call until it ends. The handler itself is called at the first poll; a task that is
    /// dropped before drops the message inside the context.
    ///
    /// ```
    /// # use routines::{Carried, Local};
    /// static USER: Local<&str> = Local::new();
    ///
    /// # futures_util::future::FutureExt::now_or_never(async {
    /// let message = USER.sync_scope("ada", || Carried::message(7));
    /// let handled = message.open_async(|number| async move { (number, USER.get()) });
    /// assert_eq!(handled.await, (7, Some("ada"))); // or `tokio::spawn(handled)`
    /// # }).unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn open_async<H, F>(self, handler: H) -> Carried<impl Future<Output = F::Output> + use<T, H, F>>
    where
        H: FnOnce(T) -> F,
        F: Future,
    {
        let (value, carried) = self.take_apart(Kind::Task);
        Carried::new(async move { handler(value).await }, carried)
    }

    /// The message, read outside its context: to route it, say.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn get_ref(&self) -> &T {
        self.inner.as_ref().unwrap_or_else(|| used_after_the_end())
    }

    /// The message without its context, to be handled in the caller's.
    ///
    /// # Panics
    ///
    /// As [`open`](Self::open).
    pub fn into_inner(mut self) -> T {
        let inner = self.inner.take();
        drop(Snapshot::of(mem::take(&mut self.cx)));
        inner.unwrap_or_else(|| used_after_the_end())
    }

    /// The context it carries.
    ///
    /// ```
    /// # use routines::{Carried, Local};
    /// static USER: Local<&str> = Local::new();
    ///
    /// let message = USER.sync_scope("ada", || Carried::message(7));
    /// assert_eq!(message.snapshot().get(&USER).as_deref(), Some(&"ada"));
    /// ```
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.who.seen_here(&self.cx))
    }

    fn take_apart(mut self, kind: Kind) -> (T, (Context, Identity)) {
        let inner = self.inner.take().unwrap_or_else(|| used_after_the_end());
        self.who.separate(kind, &mut self.cx);
        let who = mem::replace(&mut self.who, Identity::ended());
        (inner, (mem::take(&mut self.cx), who))
    }
}

/// Shows the named values it carries, and the message if it has not been taken.
impl<T: fmt::Debug> fmt::Debug for Carried<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Carried");
        shown.field("inner", &self.inner).field("context", &self.snapshot()).finish()
    }
}
