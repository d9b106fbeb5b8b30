//! Owns sinks that carry their context.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_sink::Sink;

use super::Carried;

/// Gives any sink a context.
///
/// Import it without its name where another crate's `SinkExt` is in use:
///
/// ```
/// use futures_util::{SinkExt, sink};
/// use routines::{Local, SinkExt as _};
///
/// static USER: Local<&str> = Local::new();
///
/// # futures_util::future::FutureExt::now_or_never(async {
/// let audit = sink::unfold(0, async |lines, line: &str| {
///     assert_eq!(format!("{} by {:?}", line, USER.get()), "deposit by Some(\"ada\")");
///     Ok::<_, std::convert::Infallible>(lines + 1)
/// });
/// let mut audit = Box::pin(USER.sync_scope("ada", || audit.inherit()));
///
/// // Used by someone else, later.
/// audit.send("deposit").await.unwrap();
/// # }).unwrap();
/// ```
///
/// All four steps of a sink - `poll_ready`, `start_send`, `poll_flush`, `poll_close` - run in the context. A sink used
/// by the routine that made it runs in that routine; used anywhere else it is a routine of its own, from its first step
/// until it is dropped. Closing it does not end it: it may be half of something that goes on.
pub trait SinkExt<Item>: Sink<Item> + Sized {
    /// Carries the current context along: captured now, in the caller, whenever the first step may be.
    ///
    /// It sees what a child sees, also when it is used here: values of *never* keys are not part of it.
    #[track_caller]
    fn inherit(self) -> Carried<Self> {
        Carried::inheriting(self)
    }

    /// Starts with an empty context: for sinks that many share.
    #[track_caller]
    fn detached(self) -> Carried<Self> {
        Carried::detaching(self)
    }
}

impl<S: Sink<Item>, Item> SinkExt<Item> for S {}

impl<S: Sink<Item>, Item> Sink<Item> for Carried<S> {
    type Error = S::Error;

    fn poll_ready(self: Pin<&mut Self>, task_cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.project().run_part(|sink| sink.poll_ready(task_cx), |_| false)
    }

    fn start_send(self: Pin<&mut Self>, item: Item) -> Result<(), S::Error> {
        self.project().run_part(|sink| sink.start_send(item), |_| false)
    }

    fn poll_flush(self: Pin<&mut Self>, task_cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.project().run_part(|sink| sink.poll_flush(task_cx), |_| false)
    }

    fn poll_close(self: Pin<&mut Self>, task_cx: &mut TaskContext<'_>) -> Poll<Result<(), S::Error>> {
        self.project().run_part(|sink| sink.poll_close(task_cx), |_| false)
    }
}
