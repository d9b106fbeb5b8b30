//! Owns the twin of `tokio::task::LocalSet`.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of [`tokio::task::LocalSet`]: what is spawned on it inherits, or is detached on request.
///
/// Everything that starts no work - `run_until`, `block_on`, `enter` - is tokio's own, reached through `Deref`. No runtime hook
/// tells of a local set's tasks: those spawned by tokio's own `spawn_local` read unbound, and never their host's values.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::LocalSet;
///
/// static USER: Local<&str> = Local::new();
///
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let set = LocalSet::new();
/// let task = USER.sync_scope("ada", || set.spawn_local(async { USER.get() }));
/// assert_eq!(set.block_on(&runtime, task).unwrap(), Some("ada"));
/// ```
#[derive(Debug, Default)]
pub struct LocalSet(tokio::task::LocalSet);

impl LocalSet {
    /// An empty set.
    pub fn new() -> Self {
        LocalSet::default()
    }

    /// tokio's own set, with the tasks in it.
    pub fn into_inner(self) -> tokio::task::LocalSet {
        self.0
    }

    /// Spawns a task on this set that inherits the current context.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn_local(work))
    }

    /// As [`spawn_local`](Self::spawn_local), with an empty context.
    #[track_caller]
    pub fn spawn_local_detached<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_local(work))
    }
}

impl From<tokio::task::LocalSet> for LocalSet {
    fn from(set: tokio::task::LocalSet) -> Self {
        LocalSet(set)
    }
}

impl Deref for LocalSet {
    type Target = tokio::task::LocalSet;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Completes when all its tasks have.
impl Future for LocalSet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}
