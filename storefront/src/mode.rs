//! Owns the switch between a service that carries its context and one that does not: the only file with both ways.
//!
//! A service of your own needs none of this: it calls `routines_tokio::spawn` where this one calls `mode::spawn`. The
//! switch is here so that the same service code can be timed both ways, and so that the check can be seen to fail.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use routines::{Kind, Local, RoutineBuilder};
use routines_tokio::Flow;
use tokio::task::JoinHandle;

/// How work is started and lines are written, process-wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mode {
    /// Everything carries its context.
    On,
    /// Nothing does: tokio's and std's own functions, no binding, no look-up per line.
    Off,
    /// As `On`, but tasks are spawned by tokio's own function: what forgetting one call looks like.
    Forgetful,
    /// Nothing but tokio's own functions, on a runtime with hooks, which carry the context.
    Hooks,
}

static MODE: AtomicU8 = AtomicU8::new(Mode::On as u8);

/// Switches; call it while nothing is in flight.
pub(crate) fn set(mode: Mode) {
    // Relaxed: what is started after the switch is started by code that was told to by the same task or over a socket.
    MODE.store(mode as u8, Ordering::Relaxed);
    if mode == Mode::Hooks {
        HOOKED.store(true, Ordering::Relaxed);
    }
}

/// What a runtime's builder is told for [`Mode::Hooks`]: only the stockroom outlives the request that starts it.
pub(crate) fn flow() -> Flow {
    Flow::new().detach("src/service/stockroom.rs")
}

/// Whether nothing is ever wrapped, so that what is timed with context and without differs in nothing else.
static HOOKED: AtomicBool = AtomicBool::new(false);

fn is_hooked() -> bool {
    HOOKED.load(Ordering::Relaxed)
}

fn is_wrapping() -> bool {
    is_on() && !is_hooked()
}

/// Whether context is bound and lines look it up.
#[inline]
pub(crate) fn is_on() -> bool {
    MODE.load(Ordering::Relaxed) != Mode::Off as u8
}

fn is_forgetful() -> bool {
    MODE.load(Ordering::Relaxed) == Mode::Forgetful as u8
}

/// Runs `work` as a routine of its own, listed in dumps as `name`, with `key` bound to `value` in it and all it starts.
#[track_caller]
pub(crate) fn scope<T, F>(
    key: &'static Local<T>,
    value: T,
    name: impl fmt::Display,
    work: F,
) -> impl Future<Output = F::Output>
where
    T: Send + Sync + 'static,
    F: Future,
{
    let label = name.to_string();
    // Here and not in a closure or the future, so that the caller's line is what the dump shows.
    let routine = if is_wrapping() { Some(RoutineBuilder::new(Kind::Task).name(&label)) } else { None };
    async move {
        match routine {
            // `key.scope(value, work)` alone binds; the builder makes the request an entry of its own in the tree, above
            // all it starts, although axum spawned the connection's task without telling us.
            Some(routine) => key.scope(value, async { routine.future(work).await }).await,
            // The connection's task is a routine already, and serves one request at a time.
            None if is_hooked() && is_on() => {
                routines::set_name(label);
                key.scope(value, work).await
            }
            None => work.await,
        }
    }
}

/// Spawns a task that inherits.
#[track_caller]
pub(crate) fn spawn<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    if is_wrapping() && !is_forgetful() { routines_tokio::spawn(work) } else { tokio::spawn(work) }
}

/// Spawns a task that outlives the request which happens to start it, and therefore starts empty.
#[track_caller]
pub(crate) fn spawn_detached<F>(work: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    if is_wrapping() { routines_tokio::spawn_detached(work) } else { tokio::spawn(work) }
}

/// Runs a closure that may block, inheriting.
#[track_caller]
pub(crate) fn spawn_blocking<R: Send + 'static>(work: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    if is_hooked() {
        // No hook tells of a blocking job. tokio's other way to block is within a task.
        return tokio::spawn(async { tokio::task::block_in_place(work) });
    }
    if is_wrapping() { routines_tokio::spawn_blocking(work) } else { tokio::task::spawn_blocking(work) }
}

/// Spawns a thread that inherits.
#[track_caller]
pub(crate) fn thread(work: impl FnOnce() + Send + 'static) {
    if is_hooked() {
        // Nor of a thread.
        tokio::spawn(async { tokio::task::block_in_place(work) });
    } else if is_wrapping() {
        routines::thread::spawn(work);
    } else {
        std::thread::spawn(work);
    }
}

/// Makes a closure that runs in this context wherever it is sent.
#[track_caller]
pub(crate) fn bind(work: impl FnOnce() + Send + 'static) -> Box<dyn FnOnce() + Send> {
    if is_hooked() {
        return errand(work);
    }
    if is_wrapping() { Box::new(routines::bind(work)) } else { Box::new(work) }
}

/// Work that waits in a task of its own until it is called for: a plain task has the context, a plain closure has none.
fn errand(work: impl FnOnce() + Send + 'static) -> Box<dyn FnOnce() + Send> {
    let (call, called) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        if called.await.is_ok() {
            work();
        }
    });
    Box::new(move || _ = call.send(()))
}
