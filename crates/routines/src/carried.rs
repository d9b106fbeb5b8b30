//! Owns the future wrapper: polls, completes and drops a future inside its own context.

use std::cell::Cell;
use std::future::Future;
use std::mem::offset_of;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use pin_project_lite::pin_project;

use crate::context::Context;
use crate::id::RoutineId;
use crate::identity::Identity;
use crate::slot::{self, Root};

pin_project! {
    /// A future that carries its context: what [`Local::scope`](crate::Local::scope),
    /// [`Snapshot::scope`](crate::Snapshot::scope), [`Bindings::scope`](crate::Bindings::scope) and
    /// [`FutureExt`](crate::FutureExt) return.
    ///
    /// Every poll, and the drop of the inner future, happens inside the context that was captured when the wrapper was
    /// made. Awaited by the routine that made it, it runs in that routine; polled anywhere else it becomes a routine of
    /// its own, a child of its maker, and keeps its id as it moves between threads.
    ///
    /// Costs one pointer swap each way per poll, whatever the number of keys, and 32 bytes.
    ///
    /// # Panics
    ///
    /// If polled after it completed.
    #[must_use = "futures do nothing unless polled: `.await` it or spawn it"]
    pub struct Carried<F> {
        #[pin]
        inner: Option<F>,
        cx: Context,
        who: Identity,
    }

    impl<F> PinnedDrop for Carried<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let inner = &mut this.inner;
            if inner.is_some() {
                this.who.settle_dropped(this.cx);
                let shown = Cell::new(this.cx.has_special());
                slot::run(this.cx, this.who.who(), || {
                    let _values = slot::Values(&shown);
                    inner.set(None);
                }, |_| false);
                if shown.get() {
                    this.who.mark_announced();
                }
            }
            this.who.end();
        }
    }
}

impl<F> Carried<F> {
    pub(crate) fn new(inner: F, (cx, who): (Context, Identity)) -> Self {
        Carried { inner: Some(inner), cx, who }
    }

    /// The id of the routine this future is, once that is decided; at once for futures made to be spawned.
    pub fn routine_id(&self) -> Option<RoutineId> {
        self.who.id().and_then(RoutineId::from_u64)
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
        let announce = this.who.announce(this.cx);
        let starts = this.who.starts();
        let inner = &mut this.inner;
        let step = || {
            if announce {
                slot::announce_current();
            }
            poll_inner(inner, task_cx, starts.then_some(root))
        };
        let polled = slot::run(this.cx, this.who.who(), step, Poll::is_pending);
        if polled.is_ready() {
            this.who.end();
        }
        polled
    }
}

/// Polls the inner future and, when it completes, drops it and the context's values before the frame ends.
#[inline]
fn poll_inner<F: Future>(
    inner: &mut Pin<&mut Option<F>>,
    task_cx: &mut TaskContext<'_>,
    root: Option<Root>,
) -> Poll<F::Output> {
    let Some(future) = inner.as_mut().as_pin_mut() else { polled_after_completion() };
    let root = root.map(slot::mark_root);
    let polled = future.poll(task_cx);
    drop(root);
    if polled.is_ready() {
        let _values = slot::Draining;
        inner.set(None);
    }
    polled
}

#[cold]
#[track_caller]
fn polled_after_completion() -> ! {
    panic!("a carried future was polled after it completed; it can be awaited once")
}
