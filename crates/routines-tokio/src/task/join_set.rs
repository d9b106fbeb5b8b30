//! Owns the twin of `tokio::task::JoinSet`.

use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, LocalSet};

use super::Builder;
use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of [`tokio::task::JoinSet`]: what is spawned on it inherits, or is detached on request.
///
/// Everything that starts no work is tokio's own, reached through `Deref`.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::JoinSet;
///
/// static USER: Local<&str> = Local::new();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(USER.scope("ada", async {
/// let mut set = JoinSet::new();
/// set.spawn(async { USER.get() });
/// assert_eq!(set.join_next().await.unwrap().unwrap(), Some("ada"));
/// # }));
/// ```
pub struct JoinSet<T>(tokio::task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        JoinSet(tokio::task::JoinSet::new())
    }

    /// tokio's own set, with the tasks in it.
    pub fn into_inner(self) -> tokio::task::JoinSet<T> {
        self.0
    }
}

impl<T: 'static> JoinSet<T> {
    /// Spawns a task with a name: `set.build_task().name("indexer").spawn(future)`.
    pub fn build_task(&mut self) -> SetBuilder<'_, T> {
        SetBuilder { builder: Builder::new(), set: self }
    }

    /// Spawns a task that inherits the current context.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
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
    pub fn spawn_detached<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn(work))
    }

    /// Spawns a task that inherits the current context on the runtime of `handle`.
    #[track_caller]
    pub fn spawn_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn_on(work, handle))
    }

    /// As [`spawn_on`](Self::spawn_on), with an empty context.
    #[track_caller]
    pub fn spawn_on_detached<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_on(work, handle))
    }

    /// Spawns a task that stays on this thread and inherits the current context.
    ///
    /// # Panics
    ///
    /// Outside a local set.
    #[track_caller]
    pub fn spawn_local<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
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
    pub fn spawn_local_detached<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_local(work))
    }

    /// Spawns a task that inherits the current context on `set`.
    #[track_caller]
    pub fn spawn_local_on<F>(&mut self, future: F, set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let work = work::task(Inherit, future);
        wrapped(|| self.0.spawn_local_on(work, set))
    }

    /// As [`spawn_local_on`](Self::spawn_local_on), with an empty context.
    #[track_caller]
    pub fn spawn_local_on_detached<F>(&mut self, future: F, set: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let work = work::task(Detached, future);
        wrapped(|| self.0.spawn_local_on(work, set))
    }

    /// Runs a closure on the blocking pool with the current context.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
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
    pub fn spawn_blocking_detached<F>(&mut self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = work::job(Detached, f);
        self.0.spawn_blocking(work)
    }

    /// Runs a closure on the blocking pool of the runtime of `handle` with the current context.
    #[track_caller]
    pub fn spawn_blocking_on<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = work::job(Inherit, f);
        self.0.spawn_blocking_on(work, handle)
    }

    /// As [`spawn_blocking_on`](Self::spawn_blocking_on), with an empty context.
    #[track_caller]
    pub fn spawn_blocking_on_detached<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let work = work::job(Detached, f);
        self.0.spawn_blocking_on(work, handle)
    }
}

/// Spawns named tasks on a [`JoinSet`]: see [`JoinSet::build_task`].
#[must_use = "call one of the `spawn` functions to start a task"]
pub struct SetBuilder<'a, T> {
    builder: Builder<'a>,
    set: &'a mut JoinSet<T>,
}

impl<'a, T: 'static> SetBuilder<'a, T> {
    /// Gives the task a name.
    pub fn name(mut self, name: &'a str) -> Self {
        self.builder = self.builder.name(name);
        self
    }

    /// Starts it with an empty context.
    pub fn detached(mut self) -> Self {
        self.builder = self.builder.detached();
        self
    }

    /// Spawns a task.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let task = self.builder.task(future);
        wrapped(|| self.set.0.spawn(task))
    }

    /// Spawns a task that stays on this thread.
    ///
    /// # Panics
    ///
    /// Outside a local set.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        let task = self.builder.task(future);
        wrapped(|| self.set.0.spawn_local(task))
    }

    /// Runs a closure on the blocking pool.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking<F>(self, f: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        let job = self.builder.job(f);
        self.set.0.spawn_blocking(job)
    }
}

impl<T> fmt::Debug for SetBuilder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SetBuilder").field(&self.builder).finish()
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> From<tokio::task::JoinSet<T>> for JoinSet<T> {
    fn from(set: tokio::task::JoinSet<T>) -> Self {
        JoinSet(set)
    }
}

impl<T> Deref for JoinSet<T> {
    type Target = tokio::task::JoinSet<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T> DerefMut for JoinSet<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = JoinSet::new();
        futures.into_iter().for_each(|future| _ = set.spawn(future));
        set
    }
}
