//! Owns the twin of `tokio::runtime::LocalRuntime`, which tokio has with `--cfg tokio_unstable` only.

use std::future::Future;
use std::ops::Deref;

use routines::FutureExt;
use tokio::task::JoinHandle;

use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of `tokio::runtime::LocalRuntime`: what is spawned on it inherits, or is detached on request.
///
/// Everything that starts no work is tokio's own, reached through `Deref`.
#[derive(Debug)]
pub struct LocalRuntime(tokio::runtime::LocalRuntime);

impl LocalRuntime {
    /// Runs a future to its end on this thread, as this thread's routine: it sees the caller's values, and what it sets stays.
    ///
    /// # Panics
    ///
    /// Inside an async task; [`task::block_in_place`](crate::task::block_in_place) goes around it.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        crate::install();
        self.0.block_on(future)
    }

    /// As [`block_on`](Self::block_on), with an empty context: what the future sets ends with it.
    ///
    /// # Panics
    ///
    /// Inside an async task.
    #[track_caller]
    pub fn block_on_detached<F: Future>(&self, future: F) -> F::Output {
        crate::install();
        self.0.block_on(future.detached())
    }

    /// Spawns a task that inherits the current context.
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

    /// Runs a closure on the blocking pool with the current context.
    #[track_caller]
    pub fn spawn_blocking<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let work = work::job(Inherit, f);
        self.0.spawn_blocking(work)
    }

    /// As [`spawn_blocking`](Self::spawn_blocking), with an empty context.
    #[track_caller]
    pub fn spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let work = work::job(Detached, f);
        self.0.spawn_blocking(work)
    }
}

impl From<tokio::runtime::LocalRuntime> for LocalRuntime {
    fn from(runtime: tokio::runtime::LocalRuntime) -> Self {
        LocalRuntime(runtime)
    }
}

impl Deref for LocalRuntime {
    type Target = tokio::runtime::LocalRuntime;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
