//! Owns the twin of `tokio::runtime::Handle`.

use std::future::Future;
use std::ops::Deref;

use routines::FutureExt;
use tokio::runtime::TryCurrentError;
use tokio::task::JoinHandle;

use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of [`tokio::runtime::Handle`]: what is spawned through it inherits, or is detached on request.
///
/// Everything that starts no work is tokio's own, reached through `Deref`.
///
/// ```
/// use routines::Local;
/// use routines_tokio::runtime::Handle;
///
/// static USER: Local<&str> = Local::new();
///
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// let handle = Handle::from(runtime.handle().clone());
/// let task = USER.sync_scope("ada", || handle.spawn(async { USER.get() }));
/// assert_eq!(handle.block_on(task).unwrap(), Some("ada"));
/// ```
#[derive(Debug, Clone)]
pub struct Handle(tokio::runtime::Handle);

impl Handle {
    /// The handle of the runtime this code runs on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; [`try_current`](Self::try_current) returns the error.
    #[track_caller]
    #[must_use]
    pub fn current() -> Self {
        Handle(tokio::runtime::Handle::current())
    }

    /// The handle of the runtime this code runs on.
    ///
    /// # Errors
    ///
    /// Outside a tokio runtime, and while a thread's locals are destroyed.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        tokio::runtime::Handle::try_current().map(Handle)
    }

    /// tokio's own handle.
    pub fn into_inner(self) -> tokio::runtime::Handle {
        self.0
    }

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
    pub fn spawn<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn(work))
    }

    /// As [`spawn`](Self::spawn), with an empty context.
    #[track_caller]
    pub fn spawn_detached<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn(work))
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

impl From<tokio::runtime::Handle> for Handle {
    fn from(handle: tokio::runtime::Handle) -> Self {
        Handle(handle)
    }
}

impl Deref for Handle {
    type Target = tokio::runtime::Handle;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
