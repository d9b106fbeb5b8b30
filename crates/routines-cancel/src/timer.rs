//! Owns deadlines: the process's wheel of them, and the one thread that waits.

use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError, Weak};
use std::thread;
use std::time::Instant;

use crate::cause::Cause;
use crate::node::Node;
pub(crate) use crate::wheel::Key;
use crate::wheel::Wheel;

struct Timers {
    wheel: Wheel<Weak<Node>>,
    /// When the thread looks next; `None` if it has nothing to wait for.
    wakes: Option<Instant>,
    /// What is to be cancelled on no caller's thread.
    soon: Vec<Weak<Node>>,
}

static TIMERS: Mutex<Timers> = Mutex::new(Timers { wheel: Wheel::new(), wakes: None, soon: Vec::new() });
static SOONER: Condvar = Condvar::new();
static THREAD: Once = Once::new();

fn lock() -> MutexGuard<'static, Timers> {
    TIMERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Cancels `node` at that moment. Starts the thread with the first timer of the process.
///
/// # Panics
///
/// If that thread cannot be started.
pub(crate) fn add(at: Instant, node: Weak<Node>) -> Key {
    start();
    let mut timers = lock();
    let key = timers.wheel.add(at, node);
    timers.wake_at(at);
    key
}

/// Cancels `node` as soon as the thread comes to it, which must have been started: for callers under somebody else's lock.
#[cfg(feature = "tokio-util")]
pub(crate) fn cancel_soon(node: Weak<Node>) {
    let mut timers = lock();
    timers.soon.push(node);
    timers.wake_at(Instant::now());
}

/// Nothing, if it has gone off or been removed.
pub(crate) fn remove(key: Key) {
    // Bound first: letting go of the last weak reference to a node frees its memory, which needs no lock.
    let removed = lock().wheel.remove(key);
    drop(removed);
}

/// How many are set.
pub(crate) fn pending() -> usize {
    lock().wheel.len()
}

impl Timers {
    fn wake_at(&mut self, at: Instant) {
        if self.wakes.is_none_or(|wakes| at < wakes) {
            self.wakes = Some(at);
            SOONER.notify_one();
        }
    }
}

/// Starts the thread, unless it runs: for those who must not do it later, where they would call [`cancel_soon`].
pub(crate) fn start() {
    // Forced: where a thread could not be started, the next one tries again.
    THREAD.call_once_force(|_| {
        thread::Builder::new()
            .name("routines-cancel".into())
            .spawn(serve)
            .expect("the thread that waits for deadlines must be startable");
    });
}

/// The thread: waits, takes what is due, cancels it with no lock held.
fn serve() {
    let mut timers = lock();
    loop {
        let due = timers.wheel.due(Instant::now());
        let soon = std::mem::take(&mut timers.soon);
        if due.is_empty() && soon.is_empty() {
            timers.wakes = timers.wheel.next();
            timers = match timers.wakes {
                Some(at) => wait_until(timers, at),
                None => SOONER.wait(timers).unwrap_or_else(PoisonError::into_inner),
            };
        } else {
            drop(timers);
            cancel(due, Cause::DeadlineExceeded);
            cancel(soon, Cause::Cancelled);
            timers = lock();
        }
    }
}

fn wait_until(timers: MutexGuard<'static, Timers>, at: Instant) -> MutexGuard<'static, Timers> {
    let time = at.saturating_duration_since(Instant::now());
    SOONER.wait_timeout(timers, time).unwrap_or_else(PoisonError::into_inner).0
}

fn cancel(nodes: Vec<Weak<Node>>, cause: Cause) {
    for node in nodes.iter().filter_map(Weak::upgrade) {
        node.cancel(None, cause.clone());
    }
}
