//! Owns HTTP bodies that carry their context.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use http_body::{Body, Frame, SizeHint};

use super::Carried;

/// Gives any HTTP body a context: a server polls it after the handler that made it has returned.
///
/// Import it without its name where another crate's `BodyExt` is in use:
///
/// ```
/// use bytes::Bytes;
/// use futures_util::stream;
/// use http_body::Frame;
/// use http_body_util::{BodyExt, StreamBody};
/// use routines::{BodyExt as _, Local};
///
/// static USER: Local<&str> = Local::new();
///
/// async fn handler() -> http::Response<impl http_body::Body<Data = Bytes, Error = std::convert::Infallible>> {
///     // Made row by row, while it is sent.
///     let rows = stream::once(async { Ok(Frame::data(Bytes::from(format!("for {:?}", USER.get())))) });
///     http::Response::new(StreamBody::new(rows).inherit())
/// }
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let response = USER.scope("ada", handler()).await;
/// let sent = response.into_body().boxed_unsync().collect().await.unwrap().to_bytes();
/// assert_eq!(sent, "for Some(\"ada\")");
/// # }).unwrap();
/// ```
///
/// A body polled by the routine that made it runs in that routine. Polled anywhere else it is a routine of its own,
/// from its first poll until it ends or is dropped, with one id however it moves. It ends with the `None` after its
/// last frame: servers that stop before, because `is_end_stream` or a length told them to, drop it. `is_end_stream` and
/// `size_hint` see the values too, but are no steps of the routine: [`id`](crate::id()) there is the caller's.
pub trait BodyExt: Body + Sized {
    /// Carries the current context along: captured now, in the caller, whenever the first poll may be.
    ///
    /// It sees what a child sees, also when it is polled here: values of *never* keys are not part of it.
    #[track_caller]
    fn inherit(self) -> Carried<Self> {
        Carried::inheriting(self)
    }

    /// Starts with an empty context.
    #[track_caller]
    fn detached(self) -> Carried<Self> {
        Carried::detaching(self)
    }
}

impl<B: Body> BodyExt for B {}

impl<B: Body> Body for Carried<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        task_cx: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        if this.inner.is_none() {
            return Poll::Ready(None);
        }
        this.run_part(|body| body.poll_frame(task_cx), |frame| matches!(frame, Poll::Ready(None)))
    }

    fn is_end_stream(&self) -> bool {
        self.look(B::is_end_stream).unwrap_or(true)
    }

    fn size_hint(&self) -> SizeHint {
        self.look(B::size_hint).unwrap_or_else(|| SizeHint::with_exact(0))
    }
}
