//! Owns the twins of `tokio::task`: the same names and types, and beside each a detached form.
//!
//! Whatever tokio's module has and starts no work is re-exported as it is. [`block_in_place`] keeps the routine: the closure runs
//! as the task that calls it. A routine's context is captured in the call, from the caller; it is a routine until it ends, is
//! aborted or dropped, or its runtime is shut down, and all of these happen inside its context.

mod builder;
mod join_set;
mod local_set;
#[cfg(feature = "tokio-util")]
mod tracker;

use std::future::Future;

pub use tokio::task::{
    AbortHandle, Id, JoinError, JoinHandle, LocalEnterGuard, Unconstrained, block_in_place, coop, id, try_id,
    unconstrained, yield_now,
};

pub use builder::Builder;
pub use join_set::{JoinSet, SetBuilder};
pub use local_set::LocalSet;
#[cfg(feature = "tokio-util")]
pub use tracker::TaskTracker;

use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// Spawns a task that inherits the current context; otherwise [`tokio::spawn`].
///
/// The task is a routine from this call until it ends. The context is captured now, in the caller.
///
/// # Panics
///
/// Outside a tokio runtime, as `tokio::spawn`.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = work::task(Inherit, future);
    wrapped(|| tokio::spawn(task))
}

/// Spawns a task that starts with an empty context; otherwise [`spawn`].
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn_detached<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let task = work::task(Detached, future);
    wrapped(|| tokio::spawn(task))
}

/// Spawns a task that stays on this thread and inherits the current context; otherwise [`tokio::task::spawn_local`].
///
/// # Panics
///
/// Outside a [`LocalSet`] or a `LocalRuntime`, as `tokio::task::spawn_local`.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = work::task(Inherit, future);
    wrapped(|| tokio::task::spawn_local(task))
}

/// Spawns a task that stays on this thread and starts with an empty context; otherwise [`spawn_local`].
///
/// # Panics
///
/// Outside a [`LocalSet`] or a `LocalRuntime`.
#[track_caller]
pub fn spawn_local_detached<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let task = work::task(Detached, future);
    wrapped(|| tokio::task::spawn_local(task))
}

/// Runs a closure on the blocking pool with the current context; otherwise [`tokio::task::spawn_blocking`].
///
/// The job is a routine from this call until it ends, also while it waits in the pool's queue.
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    tokio::task::spawn_blocking(work::job(Inherit, f))
}

/// Runs a closure on the blocking pool with an empty context; otherwise [`spawn_blocking`].
///
/// # Panics
///
/// Outside a tokio runtime.
#[track_caller]
pub fn spawn_blocking_detached<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    tokio::task::spawn_blocking(work::job(Detached, f))
}
