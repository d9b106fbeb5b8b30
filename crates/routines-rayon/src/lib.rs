//! rayon's joins, scopes, spawns and parallel iterators, with the context of the code that starts them.
//!
//! The functions have the names and arguments of rayon's own. What they run on a pool's thread is a routine of kind *job*, a
//! child of the code that started it; what they run on the caller's own thread is the caller's routine. Both see what a child
//! sees: values of *never* keys are not part of it, and what is set ends with the closure.
//!
//! ```
//! use routines::Local;
//!
//! static USER: Local<&str> = Local::new();
//!
//! USER.sync_scope("ada", || {
//!     let seen = routines_rayon::join(|| USER.get(), || USER.get());
//!     assert_eq!(seen, (Some("ada"), Some("ada")));
//! });
//! ```
//!
//! # Pools
//!
//! A pool's threads start empty, also the global pool's, whoever uses it first: rayon starts them by the standard library.
//! On a [`ThreadPool`](rayon::ThreadPool) of your own use [`ThreadPoolExt`].
//!
//! # Stolen work
//!
//! While a job waits - for the other branch of a join, for a scope - rayon runs other jobs on its stack. Those started here
//! run in their own contexts all the same. A job started by rayon's own functions runs in whatever context that stack has:
//! rayon cannot be asked which job runs. Where it matters, start every job here.
//!
//! # Cost
//!
//! A capture, a frame and two allocations for each closure: about a quarter of a microsecond for a [`join`] more than rayon's own.
//! Split work coarsely, or carry the context once around a whole parallel iterator: [`ParallelIteratorExt`].

mod iter;
mod pool;
mod scope;

pub use iter::{Inherit, ParallelIteratorExt};
pub use pool::ThreadPoolExt;
pub use scope::{Scope, ScopeFifo, in_place_scope, in_place_scope_fifo, scope, scope_fifo};

use routines::{Bound, Kind, RoutineBuilder, bind};

/// Runs two closures, perhaps at once, and returns both results; otherwise [`rayon::join`].
///
/// # Panics
///
/// With the panic of a closure, when both have ended.
#[track_caller]
pub fn join<A, B, RA, RB>(a: A, b: B) -> (RA, RB)
where
    A: FnOnce() -> RA + Send,
    B: FnOnce() -> RB + Send,
    RA: Send,
    RB: Send,
{
    rayon::join(bind(a), bind(b))
}

/// Runs a closure on the pool some time, in the caller's context; otherwise [`rayon::spawn`].
///
/// The job is a routine from this call until it ends.
#[track_caller]
pub fn spawn<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    rayon::spawn(RoutineBuilder::new(Kind::Job).job(f));
}

/// Runs a closure on the pool some time, with an empty context; otherwise [`spawn`].
#[track_caller]
pub fn spawn_detached<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    rayon::spawn(RoutineBuilder::new(Kind::Job).detached().job(f));
}

/// As [`spawn`], first in first out among the jobs of one thread; otherwise [`rayon::spawn_fifo`].
#[track_caller]
pub fn spawn_fifo<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    rayon::spawn_fifo(RoutineBuilder::new(Kind::Job).job(f));
}

/// As [`spawn_detached`], first in first out among the jobs of one thread.
#[track_caller]
pub fn spawn_fifo_detached<F>(f: F)
where
    F: FnOnce() + Send + 'static,
{
    rayon::spawn_fifo(RoutineBuilder::new(Kind::Job).detached().job(f));
}

/// Runs a closure on every thread of the pool, in the caller's context; otherwise [`rayon::broadcast`].
#[track_caller]
pub fn broadcast<F, R>(f: F) -> Vec<R>
where
    F: Fn(rayon::BroadcastContext<'_>) -> R + Sync,
    R: Send,
{
    let bound = Bound::here();
    rayon::broadcast(|thread| bound.call(|| f(thread)))
}
