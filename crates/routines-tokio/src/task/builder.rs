//! Owns the builder of named tasks.

use std::future::Future;
use std::io;

use routines::{Carried, Kind};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet};

use crate::Relation;
use crate::hooks::wrapped;
use crate::work;

/// The twin of `tokio::task::Builder`, on every build: the name is the routine's, shown in dumps.
///
/// With the feature `tracing` and `--cfg tokio_unstable` the name is given to tokio too, whose own builder exists only there.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let task = routines_tokio::task::Builder::new().name("indexer").spawn(async { routines::current().name() }).unwrap();
/// assert_eq!(task.await.unwrap().as_deref(), Some("indexer"));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "call one of the `spawn` functions to start a task"]
pub struct Builder<'a> {
    name: Option<&'a str>,
    relation: Relation,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Builder::new()
    }
}

impl<'a> Builder<'a> {
    /// A task without a name that inherits.
    pub const fn new() -> Self {
        Builder { name: None, relation: Relation::Inherit }
    }

    /// Gives it a name.
    pub const fn name(mut self, name: &'a str) -> Self {
        self.name = Some(name);
        self
    }

    /// Starts it with an empty context.
    pub const fn detached(mut self) -> Self {
        self.relation = Relation::Detached;
        self
    }

    #[track_caller]
    pub(super) fn task<F: Future>(self, future: F) -> Carried<F> {
        work::routine(Kind::Task, self.relation, self.name).future(future)
    }

    #[track_caller]
    pub(super) fn job<F, R>(self, f: F) -> impl FnOnce() -> R + use<F, R>
    where
        F: FnOnce() -> R,
    {
        work::routine(Kind::Job, self.relation, self.name).job(f)
    }

    /// As [`task::spawn`](crate::task::spawn).
    ///
    /// # Errors
    ///
    /// As tokio's builder: none at present.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.task(future);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return wrapped(|| self.tokio().spawn(task));
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(wrapped(|| tokio::spawn(task)))
    }

    /// Spawns on the runtime of `handle`.
    ///
    /// # Errors
    ///
    /// As tokio's builder: none at present.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.task(future);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return wrapped(|| self.tokio().spawn_on(task, handle));
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(wrapped(|| handle.spawn(task)))
    }

    /// As [`task::spawn_local`](crate::task::spawn_local).
    ///
    /// # Errors
    ///
    /// As tokio's builder: none at present.
    ///
    /// # Panics
    ///
    /// Outside a local set.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = self.task(future);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return wrapped(|| self.tokio().spawn_local(task));
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(wrapped(|| tokio::task::spawn_local(task)))
    }

    /// Spawns on `set`.
    ///
    /// # Errors
    ///
    /// As tokio's builder: none at present.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = self.task(future);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return wrapped(|| self.tokio().spawn_local_on(task, set));
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(wrapped(|| set.spawn_local(task)))
    }

    /// As [`task::spawn_blocking`](crate::task::spawn_blocking).
    ///
    /// # Errors
    ///
    /// If the pool cannot start a thread, where tokio's builder exists; otherwise tokio panics.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let job = self.job(f);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return self.tokio().spawn_blocking(job);
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(tokio::task::spawn_blocking(job))
    }

    /// Runs a closure on the blocking pool of the runtime of `handle`.
    ///
    /// # Errors
    ///
    /// If the pool cannot start a thread, where tokio's builder exists; otherwise tokio panics.
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        let job = self.job(f);
        #[cfg(all(tokio_unstable, feature = "tracing"))]
        return self.tokio().spawn_blocking_on(job, handle);
        #[cfg(not(all(tokio_unstable, feature = "tracing")))]
        Ok(handle.spawn_blocking(job))
    }

    #[cfg(all(tokio_unstable, feature = "tracing"))]
    fn tokio(self) -> tokio::task::Builder<'a> {
        let builder = tokio::task::Builder::new();
        match self.name {
            Some(name) => builder.name(name),
            None => builder,
        }
    }
}
