//! Owns streams that carry their context.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_core::{FusedStream, Stream};

use super::Carried;

/// Gives any stream a context.
///
/// Import it without its name where another crate's `StreamExt` is in use:
///
/// ```
/// use futures_util::{StreamExt, stream};
/// use routines::{Local, StreamExt as _};
///
/// static USER: Local<&str> = Local::new();
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let rows = || stream::iter([1, 2]).map(|row| (row, USER.get()));
/// let (inherited, detached) = USER.sync_scope("ada", || (rows().inherit(), rows().detached()));
///
/// // Consumed by someone else, later.
/// assert_eq!(inherited.collect::<Vec<_>>().await, [(1, Some("ada")), (2, Some("ada"))]);
/// assert_eq!(detached.collect::<Vec<_>>().await, [(1, None), (2, None)]);
/// # }).unwrap();
/// ```
///
/// A stream consumed by the routine that made it runs in that routine. Consumed anywhere else it is a routine of its
/// own, from its first poll until it ends or is dropped, with one id however it moves. Once it has ended it answers
/// `None` for good. `size_hint` sees the values too, but is no step of the routine: [`id`](crate::id()) there is the
/// caller's.
pub trait StreamExt: Stream + Sized {
    /// Carries the current context along: captured now, in the caller, whenever the first poll may be.
    ///
    /// It sees what a child sees, also when it is consumed here: values of *never* keys are not part of it.
    #[track_caller]
    fn inherit(self) -> Carried<Self> {
        Carried::inheriting(self)
    }

    /// Starts with an empty context: for streams that outlive the request that happens to open them.
    #[track_caller]
    fn detached(self) -> Carried<Self> {
        Carried::detaching(self)
    }
}

impl<S: Stream> StreamExt for S {}

impl<S: Stream> Stream for Carried<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, task_cx: &mut TaskContext<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        if this.inner.is_none() {
            return Poll::Ready(None);
        }
        this.run_part(|stream| stream.poll_next(task_cx), |item| matches!(item, Poll::Ready(None)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.look(S::size_hint).unwrap_or((0, Some(0)))
    }
}

impl<S: Stream> FusedStream for Carried<S> {
    fn is_terminated(&self) -> bool {
        self.inner.is_none()
    }
}
