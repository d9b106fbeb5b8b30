//! Owns the twin of `tokio_util::task::TaskTracker`.

use std::future::Future;
use std::ops::Deref;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet};

use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of [`tokio_util::task::TaskTracker`]: what is spawned on it inherits, or is detached on request.
///
/// Everything that starts no work is tokio-util's own, reached through `Deref`.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::TaskTracker;
///
/// static USER: Local<&str> = Local::new();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(USER.scope("ada", async {
/// let tracker = TaskTracker::new();
/// let task = tracker.spawn(async { USER.get() });
/// tracker.close();
/// tracker.wait().await;
/// assert_eq!(task.await.unwrap(), Some("ada"));
/// # }));
/// ```
#[derive(Debug, Clone, Default)]
pub struct TaskTracker(tokio_util::task::TaskTracker);

impl TaskTracker {
    /// A tracker of nothing.
    #[must_use]
    pub fn new() -> Self {
        TaskTracker::default()
    }

    /// tokio-util's own tracker.
    pub fn into_inner(self) -> tokio_util::task::TaskTracker {
        self.0
    }

    /// Spawns a tracked task that inherits the current context.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
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
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_detached<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn(work))
    }

    /// Spawns a tracked task that inherits the current context on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn_on(work, handle))
    }

    /// As [`spawn_on`](Self::spawn_on), with an empty context.
    #[track_caller]
    pub fn spawn_on_detached<F>(&self, future: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_on(work, handle))
    }

    /// Spawns a tracked task that stays on this thread and inherits the current context.
    ///
    /// # Panics
    ///
    /// Outside a local set.
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
    ///
    /// # Panics
    ///
    /// Outside a local set.
    #[track_caller]
    pub fn spawn_local_detached<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_local(work))
    }

    /// Spawns a tracked task that inherits the current context on `set`.
    #[track_caller]
    pub fn spawn_local_on<F>(&self, future: F, set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn_local_on(work, set))
    }

    /// As [`spawn_local_on`](Self::spawn_local_on), with an empty context.
    #[track_caller]
    pub fn spawn_local_on_detached<F>(&self, future: F, set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_local_on(work, set))
    }

    /// Runs a tracked closure on the blocking pool with the current context.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
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
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let work = work::job(Detached, f);
        self.0.spawn_blocking(work)
    }

    /// Runs a tracked closure on the blocking pool of the runtime of `handle`.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(&self, f: F, handle: &Handle) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let work = work::job(Inherit, f);
        self.0.spawn_blocking_on(work, handle)
    }

    /// As [`spawn_blocking_on`](Self::spawn_blocking_on), with an empty context.
    #[track_caller]
    pub fn spawn_blocking_on_detached<F, R>(&self, f: F, handle: &Handle) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let work = work::job(Detached, f);
        self.0.spawn_blocking_on(work, handle)
    }
}

impl From<tokio_util::task::TaskTracker> for TaskTracker {
    fn from(tracker: tokio_util::task::TaskTracker) -> Self {
        TaskTracker(tracker)
    }
}

impl Deref for TaskTracker {
    type Target = tokio_util::task::TaskTracker;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
