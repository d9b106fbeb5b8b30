//! Owns waiting: the futures that end with a cancellation, and the blocking wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::cause::Cause;
use crate::node::Dependent;
use crate::token::Token;

/// Resolves to the cause of a cancellation: what [`cancelled`](crate::cancelled) gives. Without a token it never does.
///
/// Wakes every task that waits, on the thread that cancels, before any callback. Costs nothing until it is polled, then a place in the
/// token's list.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Cancelled {
    token: Option<Token>,
    waiting: Option<Waiting>,
}

/// Where the token lists whom to wake.
#[derive(Debug)]
struct Waiting {
    at: usize,
    waker: Waker,
}

impl Cancelled {
    pub(crate) fn new(token: Option<Token>) -> Self {
        Cancelled { token, waiting: None }
    }

    fn leave(&mut self) {
        if let (Some(token), Some(waiting)) = (&self.token, self.waiting.take()) {
            token.0.forget(waiting.at);
        }
    }
}

impl Future for Cancelled {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cause> {
        let Some(token) = &self.token else { return Poll::Pending };
        if let Some(cause) = token.cause() {
            return Poll::Ready(cause);
        }
        if self.waiting.as_ref().is_some_and(|waiting| waiting.waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        let waker = cx.waker().clone();
        let added = token.0.add(Dependent::Waiter(waker.clone()));
        self.leave();
        match added {
            Ok(at) => self.waiting = Some(Waiting { at, waker }),
            Err((_, cause)) => return Poll::Ready(cause),
        }
        Poll::Pending
    }
}

impl Drop for Cancelled {
    fn drop(&mut self) {
        self.leave();
    }
}

pin_project! {
    /// Runs a future until it is done or the token is cancelled: see [`until_cancelled`](crate::until_cancelled).
    ///
    /// # Panics
    ///
    /// If polled after it was done.
    #[derive(Debug)]
    #[must_use = "a future does nothing until it is awaited"]
    pub struct UntilCancelled<F> {
        #[pin]
        future: Option<F>,
        cancelled: Cancelled,
    }
}

impl<F> UntilCancelled<F> {
    pub(crate) fn new(cancelled: Cancelled, future: F) -> Self {
        UntilCancelled { future: Some(future), cancelled }
    }
}

impl<F: Future> Future for UntilCancelled<F> {
    type Output = Result<F::Output, Cause>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let future = this.future.as_mut().as_pin_mut().expect("a future that was done is not polled again");
        if let Poll::Ready(cause) = Pin::new(this.cancelled).poll(cx) {
            this.future.set(None);
            return Poll::Ready(Err(cause));
        }
        let output = ready!(future.poll(cx));
        this.future.set(None);
        Poll::Ready(Ok(output))
    }
}

/// Blocks until the token is cancelled, or for that time. Without a token there is only the time.
pub(crate) fn wait(token: Option<Token>, time: Option<Duration>) -> Option<Cause> {
    let until = time.and_then(|time| Instant::now().checked_add(time));
    // Not the thread's own `park`: an executor above this call may be about to count on that.
    let (parker, unparker) = parking::pair();
    let waker = Waker::from(unparker);
    let mut cancelled = Cancelled::new(token);
    loop {
        if let Poll::Ready(cause) = Pin::new(&mut cancelled).poll(&mut Context::from_waker(&waker)) {
            return Some(cause);
        }
        match until {
            None => parker.park(),
            Some(until) if Instant::now() < until => _ = parker.park_deadline(until),
            Some(_) => return None,
        }
    }
}
