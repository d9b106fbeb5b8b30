//! Owns the wrapper of carried work: polls, completes and drops what it carries inside a context of its own.

#[cfg(feature = "body")]
mod body;
mod message;
#[cfg(feature = "sink")]
mod sink;
#[cfg(feature = "stream")]
mod stream;

use std::future::Future;
use std::mem::offset_of;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project_lite::pin_project;

use crate::context::Context;
use crate::id::RoutineId;
use crate::identity::Identity;
use crate::registry::Kind;
use crate::slot::{self, Root};

#[cfg(feature = "body")]
pub use body::BodyExt;
#[cfg(feature = "sink")]
pub use sink::SinkExt;
#[cfg(feature = "stream")]
pub use stream::StreamExt;

pin_project! {
    /// Something that carries its context: a future, a stream, a sink, a body, or a message.
    ///
    /// It is a `Future` if `T` is one, and with the features of the same names a `Stream`, a `Sink` or an
    /// [`http_body::Body`](https://docs.rs/http-body). Every poll of `T`, and its drop, happens inside the context that
    /// was captured when the wrapper was made. Polled by the routine that made it, it runs in that routine; polled
    /// anywhere else it becomes a routine of its own, a child of its maker, and keeps its id as it moves between
    /// threads.
    ///
    /// Made by [`Local::scope`](crate::Local::scope), [`Snapshot::scope`](crate::Snapshot::scope),
    /// [`Bindings::scope`](crate::Bindings::scope), [`FutureExt`](crate::FutureExt) and its sisters for streams, sinks and
    /// bodies; a message by [`Carried::message`].
    ///
    /// Costs one pointer swap each way per poll, whatever the number of keys, and 40 bytes.
    ///
    /// # Panics
    ///
    /// As a future, if polled after it completed. As a sink, if used after `T`, which is a stream as well, has ended: split
    /// such a thing first, and carry its halves. A stream or body that has ended goes on saying so.
    #[must_use = "carried work does nothing by itself: `.await`, poll or spawn it; a message is sent and opened"]
    #[project = Step]
    pub struct Carried<T> {
        #[pin]
        inner: Option<T>,
        cx: Context,
        who: Identity,
    }

    impl<T> PinnedDrop for Carried<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let inner = &mut this.inner;
            if inner.is_some() {
                this.who.drop_work(this.cx, || inner.set(None));
            }
            this.who.end();
        }
    }
}

impl<T> Carried<T> {
    pub(crate) fn new(inner: T, (cx, who): (Context, Identity)) -> Self {
        Carried { inner: Some(inner), cx, who }
    }

    /// With what a child of the current routine gets.
    #[track_caller]
    pub(crate) fn inheriting(inner: T) -> Self {
        Carried::new(inner, Identity::inheriting(Kind::Task, Location::caller()))
    }

    /// With an empty context.
    #[track_caller]
    pub(crate) fn detaching(inner: T) -> Self {
        Carried::new(inner, (Context::EMPTY, Identity::unborn(Kind::Task, Location::caller(), None)))
    }

    /// Looks at what is carried, from inside its context; `None` if it has ended.
    #[cfg(any(feature = "stream", feature = "body"))]
    fn look<R>(&self, look: impl FnOnce(&T) -> R) -> Option<R> {
        let inner = self.inner.as_ref()?;
        Some(slot::run_once(&mut self.who.seen_here(&self.cx), || look(inner)))
    }

    /// The id of the routine this is, once that is decided; at once for futures made to be spawned.
    pub fn routine_id(&self) -> Option<RoutineId> {
        self.who.id().and_then(RoutineId::from_u64)
    }
}

impl<T> Step<'_, T> {
    /// Runs one step of the work in its context. When that ends it, the work and the context's values are dropped in there.
    #[inline(always)]
    fn run<R>(&mut self, step: impl FnOnce(Pin<&mut T>) -> R, ends: impl Fn(&R) -> bool) -> R {
        let announce = self.who.announce(self.cx);
        let inner = &mut self.inner;
        let step = || {
            if announce {
                slot::announce_current();
            }
            let Some(work) = inner.as_mut().as_pin_mut() else { used_after_the_end() };
            let result = step(work);
            if ends(&result) {
                let _values = slot::Draining;
                inner.set(None);
            }
            result
        };
        let result = self.who.run(self.cx, step, |result| !ends(result));
        if ends(&result) {
            self.who.end();
        }
        result
    }

    /// As [`run`](Self::run), for work that is never the whole of a task.
    #[cfg(any(feature = "stream", feature = "sink", feature = "body"))]
    #[inline]
    fn run_part<R>(&mut self, step: impl FnOnce(Pin<&mut T>) -> R, ends: impl Fn(&R) -> bool) -> R {
        self.who.settle_part(self.cx);
        self.run(step, ends)
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, task_cx: &mut TaskContext<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        // Addresses are told from our own field: a reference to the pinned future, even a shared one, would alias its own.
        let at = std::ptr::from_ref::<Context>(this.cx).addr();
        this.who.settle((at, size_of::<Self>()), this.cx);
        let start = at.wrapping_sub(offset_of!(Self, cx));
        let root = Root { start, end: start.wrapping_add(size_of::<Self>()), size: size_of::<F>() };
        let root = this.who.starts().then_some(root);
        let step = |future: Pin<&mut F>| {
            let _root = root.map(slot::mark_root);
            future.poll(task_cx)
        };
        this.run(step, Poll::is_ready)
    }
}

#[cold]
#[track_caller]
fn used_after_the_end() -> ! {
    panic!(
        "carried work was polled after it completed; a future can be awaited once, a sink goes with the stream it is part of"
    )
}
