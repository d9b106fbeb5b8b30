//! Deadlines and cancellation with cause, ambient: whatever a routine starts is told when its time is up or its client has left.
//!
//! What Go's `context.Context` carries by hand through every signature - done, deadline, cause - is current here: the code that
//! [checks](check) was handed nothing, and what it starts, on whatever thread or runtime, is below it.
//!
//! ```
//! use std::time::Duration;
//! use routines_cancel::{Cause, with_timeout};
//!
//! // Ten calls down, in a hot loop, in a crate that knows nothing of requests.
//! fn sum(rows: impl Iterator<Item = u64>) -> Result<u64, Cause> {
//!     let mut sum = 0;
//!     for row in rows {
//!         routines_cancel::check()?;
//!         sum += row;
//!     }
//!     Ok(sum)
//! }
//!
//! with_timeout(Duration::from_millis(20)).sync_scope(|| {
//!     assert_eq!(sum(0..10).unwrap(), 45);
//!     let thread = routines::thread::spawn(|| sum(std::iter::repeat(1)));
//!     assert!(matches!(thread.join().unwrap(), Err(Cause::DeadlineExceeded)));
//! });
//! ```
//!
//! # In Go, and here
//!
//! | Go | here |
//! |---|---|
//! | `ctx.Done()` | [`cancelled`]`().await`, blocking: [`wait`] |
//! | `ctx.Err()`, `context.Cause(ctx)` | [`check`]`()?`, [`cause`] |
//! | `ctx.Deadline()` | [`deadline`], [`remaining`] |
//! | `WithCancel`, `WithTimeout`, `WithDeadline` | [`with_cancel`], [`with_timeout`], [`with_deadline`], then [`scope`](Token::scope) or [`run`](Token::run) |
//! | `WithCancelCause`, `WithTimeoutCause` | [`Token::cancel_with`], [`with_timeout`]`(d).`[`with_cause`](Token::with_cause)`(c)` |
//! | `WithoutCancel` | [`shield`], [`sync_shield`]: values kept |
//! | `AfterFunc` | [`after_cancel`] |
//! | `defer cancel()` | [`Token::guard`] |
//!
//! # What is promised
//!
//! - A child is made where work is started, by the core's *derive* policy: no function here has to be called for it. The
//!   earliest deadline wins. What is started after the cancellation is born cancelled. Detached work is cut off.
//! - Nothing is stopped: work is told, and looks. [`until_cancelled`] and [`Token::run`] drop a future that is late.
//! - All that is below is cancelled before anybody is told of it, then parents are told before children. Callbacks run on the thread
//!   that cancels (for deadlines: a thread of this crate's), with nothing locked. A tree may be a million nodes deep or wide.
//! - A routine that starts nothing, cancels nothing and waits for no cancellation costs no node; nor does one that has ended, unless
//!   it had a deadline or a callback of its own that what it started outlives. A deadline that is later than its parent's costs no timer.
//!   A timer goes with its node, not at its moment.
//! - Deadlines are held to a millisecond, as far as the operating system wakes a thread in time.
//!
//! # What it costs
//!
//! [`check`] is one load while nothing in the process is cancelled. While something is - until its last handle is gone - it reads
//! the ambient token, as [`Local::with`](routines::Local::with) does. In the hottest loops take [`Token::current`] out of the
//! loop: its [`check`](Token::check) is one load always.

mod after;
mod ambient;
#[cfg(feature = "tokio-util")]
mod bridge;
mod cancelled;
mod cause;
mod contain;
mod node;
mod timer;
mod token;
mod wheel;

use std::future::Future;
use std::time::{Duration, Instant};

use routines::Carried;

pub use after::Stop;
pub use cancelled::{Cancelled, UntilCancelled};
pub use cause::Cause;
pub use token::{DropGuard, Token};

// ===== asking =====

/// The cause as an error, if the current routine is cancelled: cheap enough for a hot loop, see [the crate](crate#what-it-costs).
///
/// # Errors
///
/// Why it is cancelled.
///
/// ```
/// use routines_cancel::{check, with_cancel};
///
/// assert!(check().is_ok());
/// let token = with_cancel();
/// token.cancel();
/// assert_eq!(token.sync_scope(check).unwrap_err().to_string(), "cancelled");
/// ```
#[inline]
pub fn check() -> Result<(), Cause> {
    if !node::any_cancelled() {
        return Ok(());
    }
    match cause() {
        None => Ok(()),
        Some(cause) => Err(cause),
    }
}

/// Whether the current routine is cancelled. Costs what [`check`] does.
#[inline]
pub fn is_cancelled() -> bool {
    node::any_cancelled() && ambient::look(Token::is_cancelled).unwrap_or(false)
}

/// Why the current routine is cancelled; `None` while it is not.
pub fn cause() -> Option<Cause> {
    ambient::look(Token::cause).flatten()
}

/// When the current routine will be cancelled at the latest; `None` if it has no deadline.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::{deadline, with_timeout};
///
/// assert_eq!(deadline(), None);
/// let outer = with_timeout(Duration::from_secs(1));
/// // A later deadline inside changes nothing.
/// assert_eq!(outer.sync_scope(|| with_timeout(Duration::from_secs(9)).sync_scope(deadline)), outer.deadline());
/// ```
pub fn deadline() -> Option<Instant> {
    ambient::look(Token::deadline).flatten()
}

/// The time the current routine has left, zero once that is over; `None` if it has no deadline.
pub fn remaining() -> Option<Duration> {
    ambient::look(Token::remaining).flatten()
}

/// Resolves to the cause once the current routine is cancelled: the one that calls this, not the one that polls.
///
/// With nothing bound, it never does.
///
/// ```
/// use routines_cancel::{Cause, cancelled, with_cancel};
///
/// # futures_lite::future::block_on(async {
/// let token = with_cancel();
/// let told = token.scope(async { cancelled().await });
/// token.cancel_with(Cause::Disconnected);
/// assert!(matches!(told.await, Cause::Disconnected));
/// # });
/// ```
pub fn cancelled() -> Cancelled {
    Cancelled::new(ambient::own())
}

/// Blocks the thread until the current routine is cancelled; for ever with nothing bound.
pub fn wait() -> Cause {
    loop {
        if let Some(cause) = cancelled::wait(ambient::own(), None) {
            return cause;
        }
    }
}

/// As [`wait`], but no longer than that time: a sleep that ends early when there is nothing left to do it for.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::{wait_timeout, with_cancel};
///
/// assert!(wait_timeout(Duration::from_millis(1)).is_none());
/// let token = with_cancel();
/// let sleeper = token.sync_scope(|| routines::thread::spawn(|| wait_timeout(Duration::from_secs(3600))));
/// token.cancel();
/// assert!(sleeper.join().unwrap().is_some());
/// ```
pub fn wait_timeout(time: Duration) -> Option<Cause> {
    cancelled::wait(ambient::own(), Some(time))
}

// ===== being told =====

/// Has `f` called once when the current routine is cancelled; at once, here, if it is already. With nothing bound: never.
///
/// It runs on the thread that cancels, with the values that are bound here but with no token: what cleans up after a cancellation
/// is not cancelled itself. Keep it short; nothing is locked while it runs. Dropping the [`Stop`] takes it back.
///
/// ```
/// use std::sync::mpsc;
/// use routines_cancel::{after_cancel, with_cancel};
///
/// let (query, killed) = mpsc::channel();
/// let token = with_cancel();
/// let kill = token.sync_scope(|| after_cancel(move |cause| query.send(cause.to_string()).unwrap()));
/// token.cancel();
/// assert_eq!(killed.recv().unwrap(), "cancelled");
/// assert!(!kill.stop(), "too late to stop it");
/// ```
pub fn after_cancel(f: impl FnOnce(&Cause) + Send + 'static) -> Stop {
    match ambient::own() {
        Some(token) => after::register(&token, f),
        None => Stop::never(),
    }
}

/// Runs a future until it is done or the current routine is cancelled, whichever is first; then it is dropped.
///
/// # Errors
///
/// Why it was cancelled. Checked before each poll: what is cancelled already does not begin.
///
/// ```
/// use routines_cancel::{until_cancelled, with_cancel};
///
/// # futures_lite::future::block_on(async {
/// assert_eq!(until_cancelled(async { 7 }).await.unwrap(), 7);
/// let token = with_cancel();
/// token.cancel();
/// assert!(token.scope(async { until_cancelled(async { 7 }).await }).await.is_err());
/// # });
/// ```
pub fn until_cancelled<F: Future>(future: F) -> UntilCancelled<F> {
    UntilCancelled::new(cancelled(), future)
}

// ===== making tokens =====

/// A new child of the current token, or a root where there is none.
pub fn with_cancel() -> Token {
    match ambient::own() {
        Some(current) => current.child(),
        None => Token::new(),
    }
}

/// A new child of the current token that is cancelled after that time, if nothing above is before.
///
/// ```
/// use std::time::Duration;
/// use routines_cancel::{Cause, with_timeout};
///
/// # futures_lite::future::block_on(async {
/// let quick = with_timeout(Duration::from_secs(5)).run(async { 7 }).await;
/// assert_eq!(quick.unwrap(), 7);
/// # });
/// ```
///
/// # Panics
///
/// As [`Token::child_with_timeout`].
pub fn with_timeout(time: Duration) -> Token {
    match Instant::now().checked_add(time) {
        Some(at) => with_deadline(at),
        None => with_cancel(),
    }
}

/// As [`with_timeout`], by the moment.
///
/// # Panics
///
/// As [`Token::child_with_timeout`].
pub fn with_deadline(at: Instant) -> Token {
    match ambient::own() {
        Some(current) => current.child_with_deadline(at),
        None => Token::root(Some(at)),
    }
}

/// A new child of the current token which tells this cause when it is cancelled without one: see [`Token::with_cause`].
///
/// ```
/// use routines_cancel::with_cause;
///
/// let token = with_cause("another replica answered first");
/// token.cancel();
/// assert_eq!(token.cause().unwrap().to_string(), "another replica answered first");
/// ```
pub fn with_cause(cause: impl Into<Cause>) -> Token {
    with_cancel().with_cause(cause)
}

// ===== cutting off =====

/// Carries the current values along with `future`, which nothing cancels and no deadline ends: to finish a write after the client
/// has left. Go's `WithoutCancel`.
///
/// ```
/// use routines_cancel::{is_cancelled, shield, with_cancel};
///
/// # futures_lite::future::block_on(async {
/// let token = with_cancel();
/// token.cancel();
/// token.scope(async {
///     assert!(is_cancelled());
///     shield(async { assert!(!is_cancelled()) }).await;
/// }).await;
/// # });
/// ```
#[track_caller]
pub fn shield<F: Future>(future: F) -> Carried<F> {
    ambient::key().scope(ambient::Ambient::nothing(), future)
}

/// As [`shield`], for a closure.
pub fn sync_shield<R>(f: impl FnOnce() -> R) -> R {
    ambient::key().sync_scope(ambient::Ambient::nothing(), f)
}

// ===== looking for leaks =====

/// How many nodes exist in the process: for tests that look for leaks.
pub fn live_nodes() -> usize {
    node::live()
}

/// How many deadlines the process waits for: for tests that look for leaks.
pub fn pending_timers() -> usize {
    timer::pending()
}
