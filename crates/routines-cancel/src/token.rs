//! Owns tokens: the handle by which work is cancelled, asked about and run.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use routines::Carried;

use crate::after::{self, Stop};
use crate::ambient::{self, Ambient};
use crate::cancelled::{Cancelled, UntilCancelled, wait};
use crate::cause::Cause;
use crate::node::Node;

/// A handle to something that can be cancelled, with all that is started below it.
///
/// Clones are the same token. Work run by [`scope`](Self::scope) has it as its current token, and whatever that work starts
/// has a child of it. Dropping a token cancels nothing: see [`guard`](Self::guard) for that.
///
/// Cancelling tells parents before children and calls [callbacks](Self::after_cancel) on the thread that cancels, with nothing
/// locked. Asking whether it is cancelled is one load; making a child is an allocation and a place in its parent's list,
/// which both go with its last handle.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::{Cause, Token};
///
/// let server = Token::new();
/// let request = server.child_with_timeout(Duration::from_secs(5));
/// assert!(request.remaining() <= Some(Duration::from_secs(5)));
///
/// server.cancel_with(Cause::from("shutting down"));
/// assert_eq!(request.cause().unwrap().to_string(), "shutting down");
/// assert!(server.child().is_cancelled(), "too late is born cancelled");
/// ```
pub struct Token(pub(crate) Arc<Node>);

impl Token {
    fn of(node: Arc<Node>) -> Token {
        node.hold();
        Token(node)
    }
}

impl Clone for Token {
    fn clone(&self) -> Token {
        Token::of(self.0.clone())
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// # Making tokens
impl Token {
    /// A token of its own, below nothing.
    #[expect(clippy::new_without_default, reason = "two defaults would not be equal")]
    pub fn new() -> Token {
        Token::of(Node::root(None))
    }

    /// A root with a deadline, or without if that is beyond all time.
    pub(crate) fn root(deadline: Option<Instant>) -> Token {
        Token::of(Node::root(deadline))
    }

    /// The current routine's own token: cancelling it cancels this routine and what it starts, nothing above. `None` where
    /// nothing is bound.
    ///
    /// ```
    /// use routines_cancel::{Token, with_cancel};
    ///
    /// assert!(Token::current().is_none());
    /// with_cancel().sync_scope(|| {
    ///     let child = routines::thread::spawn(|| Token::current().unwrap().cancel());
    ///     assert!(child.join().unwrap());
    ///     assert!(!routines_cancel::is_cancelled(), "a child does not cancel its parent");
    /// });
    /// ```
    pub fn current() -> Option<Token> {
        ambient::own()
    }

    /// One that is cancelled when this one is.
    pub fn child(&self) -> Token {
        Token::of(self.0.child(None))
    }

    /// A child that is cancelled after that time, if its parent is not before.
    ///
    /// The same as [`child`](Self::child) if the time is beyond what the clock can tell. Sets no timer if the parent's deadline is earlier.
    ///
    /// # Panics
    ///
    /// If it is the process's first deadline, and the thread that waits for them cannot be started.
    pub fn child_with_timeout(&self, time: Duration) -> Token {
        Token::of(self.0.child(Instant::now().checked_add(time)))
    }

    /// A child that is cancelled at that moment, if its parent is not before: the earlier deadline wins. Born cancelled if the
    /// moment has passed.
    ///
    /// # Panics
    ///
    /// As [`child_with_timeout`](Self::child_with_timeout).
    pub fn child_with_deadline(&self, at: Instant) -> Token {
        Token::of(self.0.child(Some(at)))
    }

    /// The same token, which from now on tells this cause when it is cancelled without one: by [`cancel`](Self::cancel), its
    /// deadline, or its guard. The first such call counts, if it comes in time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use routines_cancel::with_timeout;
    ///
    /// let token = with_timeout(Duration::from_millis(20)).with_cause("the inventory took too long");
    /// assert_eq!(token.wait().to_string(), "the inventory took too long");
    /// ```
    pub fn with_cause(self, cause: impl Into<Cause>) -> Token {
        self.0.set_default_cause(cause.into());
        self
    }
}

/// # Cancelling
impl Token {
    /// Cancels it and everything below; `false` if it was cancelled already.
    ///
    /// All of it has been told when this returns, but for what another thread is telling at the same time.
    ///
    /// A callback that panics does not keep the others from being called; the panic goes no further than the panic hook.
    pub fn cancel(&self) -> bool {
        self.0.cancel(None, Cause::Cancelled)
    }

    /// As [`cancel`](Self::cancel), saying why.
    pub fn cancel_with(&self, cause: impl Into<Cause>) -> bool {
        self.0.cancel(Some(cause.into()), Cause::Cancelled)
    }

    /// Cancels it with [`Cause::Dropped`] when the guard is dropped, unless that is [disarmed](DropGuard::disarm): so that what
    /// a dropped future had started is told.
    ///
    /// ```
    /// use routines_cancel::Token;
    ///
    /// let token = Token::new();
    /// drop(token.guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn guard(&self) -> DropGuard {
        DropGuard { token: Some(self.clone()), cause: None }
    }
}

/// # Asking
impl Token {
    /// Whether it is cancelled. One load.
    #[inline]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }

    /// The cause as an error, if it is cancelled: for loops that end by `?`. One load.
    ///
    /// # Errors
    ///
    /// Why it is cancelled.
    #[inline]
    pub fn check(&self) -> Result<(), Cause> {
        match self.0.cause() {
            None => Ok(()),
            Some(cause) => Err(cause.clone()),
        }
    }

    /// Why it is cancelled; `None` while it is not.
    pub fn cause(&self) -> Option<Cause> {
        self.0.cause().cloned()
    }

    /// When it will be cancelled at the latest.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline()
    }

    /// The time left, zero once that is over; `None` without a deadline.
    pub fn remaining(&self) -> Option<Duration> {
        Some(self.deadline()?.saturating_duration_since(Instant::now()))
    }

    /// Resolves to the cause once it is cancelled.
    pub fn cancelled(&self) -> Cancelled {
        Cancelled::new(Some(self.clone()))
    }

    /// Blocks the thread until it is cancelled.
    pub fn wait(&self) -> Cause {
        loop {
            if let Some(cause) = wait(Some(self.clone()), None) {
                return cause;
            }
        }
    }

    /// As [`wait`](Self::wait), but no longer than that time.
    pub fn wait_timeout(&self, time: Duration) -> Option<Cause> {
        wait(Some(self.clone()), Some(time))
    }

    /// Has `f` called once when it is cancelled; at once, here, if it is already. See [`after_cancel`](crate::after_cancel).
    pub fn after_cancel(&self, f: impl FnOnce(&Cause) + Send + 'static) -> Stop {
        after::register(self, f)
    }
}

/// # Running work
impl Token {
    /// Carries the current context along with `future`, with this token as the current one. The future itself is not
    /// stopped by a cancellation: it is told. [`run`](Self::run) stops it.
    #[track_caller]
    pub fn scope<F: Future>(&self, future: F) -> Carried<F> {
        ambient::key().scope(Ambient::of(self.clone()), future)
    }

    /// Runs `f` with this token as the current one.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        ambient::key().sync_scope(Ambient::of(self.clone()), f)
    }

    /// As [`scope`](Self::scope), and drops the future when the token is cancelled: what a timeout is made of.
    ///
    /// The future is dropped inside its context. Once cancelled it is not polled any more.
    ///
    /// ```
    /// use std::time::Duration;
    /// use routines_cancel::{Cause, with_timeout};
    ///
    /// # futures_lite::future::block_on(async {
    /// let late = with_timeout(Duration::from_millis(1)).run(std::future::pending::<()>()).await;
    /// assert!(matches!(late, Err(Cause::DeadlineExceeded)));
    /// # });
    /// ```
    #[track_caller]
    pub fn run<F: Future>(&self, future: F) -> Carried<UntilCancelled<F>> {
        self.scope(UntilCancelled::new(self.cancelled(), future))
    }
}

/// How much is left of the deadline, and whether it is cancelled.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("cause", &self.cause()).field("remaining", &self.remaining()).finish()
    }
}

/// Cancels its token when dropped: see [`Token::guard`].
#[derive(Debug)]
#[must_use = "dropping it cancels at once"]
pub struct DropGuard {
    token: Option<Token>,
    cause: Option<Cause>,
}

impl DropGuard {
    /// The cause it tells instead of [`Cause::Dropped`], and of its token's [own](Token::with_cause).
    ///
    /// ```
    /// use routines_cancel::{Cause, Token};
    ///
    /// let token = Token::new();
    /// drop(token.guard().with_cause(Cause::Disconnected));
    /// assert!(matches!(token.cause(), Some(Cause::Disconnected)));
    /// ```
    pub fn with_cause(mut self, cause: impl Into<Cause>) -> DropGuard {
        self.cause = Some(cause.into());
        self
    }

    /// Gives the token back: nothing will be cancelled.
    pub fn disarm(mut self) -> Token {
        self.token.take().unwrap_or_else(|| unreachable!("only this and the drop take it"))
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = self.token.take() {
            token.0.cancel(self.cause.take(), Cause::Dropped);
        }
    }
}
