//! Owns waiting: the futures that end with a cancellation, and the blocking wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use event_listener::{EventListener, Listener};
use pin_project_lite::pin_project;

use crate::cause::Cause;
use crate::token::Token;

/// Resolves to the cause of a cancellation: what [`cancelled`](crate::cancelled) gives. Without a token it never does.
///
/// Wakes every task that waits, on the thread that cancels. Costs nothing until it is polled, then one allocation.
#[derive(Debug)]
#[must_use = "a future does nothing until it is awaited"]
pub struct Cancelled {
    token: Option<Token>,
    listener: Option<EventListener>,
}

impl Cancelled {
    pub(crate) fn new(token: Option<Token>) -> Self {
        Cancelled { token, listener: None }
    }
}

impl Future for Cancelled {
    type Output = Cause;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Cause> {
        let Cancelled { token, listener } = &mut *self;
        let Some(token) = token else { return Poll::Pending };
        loop {
            if let Some(cause) = token.cause() {
                *listener = None;
                return Poll::Ready(cause);
            }
            // Listened before looked again: a cancellation between the two is not missed.
            match listener {
                None => *listener = Some(token.0.listen()),
                Some(heard) => {
                    ready!(Pin::new(heard).poll(cx));
                    *listener = None;
                }
            }
        }
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
pub(crate) fn wait(token: Option<&Token>, time: Option<Duration>) -> Option<Cause> {
    let until = time.and_then(|time| Instant::now().checked_add(time));
    let Some(token) = token else {
        sleep_until(until);
        return None;
    };
    loop {
        let listener = token.0.listen();
        if let Some(cause) = token.cause() {
            return Some(cause);
        }
        match until {
            None => listener.wait(),
            Some(until) => {
                listener.wait_deadline(until)?;
            }
        }
    }
}

fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => std::thread::sleep(until.saturating_duration_since(Instant::now())),
        None => loop {
            std::thread::park();
        },
    }
}
