//! Owns the builder of named tasks.

use std::future::Future;
use std::io;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet};

use crate::policy::Relation;
use crate::start::{How, job, task};
#[cfg(not(all(tokio_unstable, feature = "tracing")))]
use crate::unnamed;

/// Starts tasks and jobs that have a name: the twin of tokio's builder, which there is in unstable builds only.
///
/// The name is what dumps call the routine, in every build. tokio is told it too, for its console, in a build with
/// `--cfg tokio_unstable` and this crate's feature `tracing`.
///
/// ```
/// use routines_tokio::task;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let task = task::Builder::new().name("importer").spawn(async { routines::current().name() }).unwrap();
/// assert_eq!(task.await.unwrap().as_deref(), Some("importer"));
/// # });
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "builders do nothing unless used to start work"]
pub struct Builder<'a> {
    how: How<'a>,
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Builder { how: How::INHERIT }
    }
}

impl<'a> Builder<'a> {
    /// Work without a name, inheriting the context.
    pub fn new() -> Self {
        Builder::default()
    }

    /// Names the work.
    pub fn name(&self, name: &'a str) -> Self {
        Builder { how: How { name: Some(name), ..self.how } }
    }

    /// Starts it with an empty context.
    pub fn detached(&self) -> Self {
        Builder { how: How { relation: Relation::Detached, ..self.how } }
    }

    /// As [`spawn`](crate::spawn).
    ///
    /// # Errors
    ///
    /// None today: tokio's own signature has one.
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
        let (task, _wrapped) = task(self.how, future);
        named(self.how.name).spawn(task)
    }

    /// As [`spawn`](crate::spawn), on this runtime.
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let (task, _wrapped) = task(self.how, future);
        named(self.how.name).spawn_on(task, handle)
    }

    /// As [`spawn_local`](crate::task::spawn_local).
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// Outside a `LocalSet` and a `LocalRuntime`.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (task, _wrapped) = task(self.how, future);
        named(self.how.name).spawn_local(task)
    }

    /// As [`spawn_local`](crate::task::spawn_local), on this `LocalSet`.
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let (task, _wrapped) = task(self.how, future);
        named(self.how.name).spawn_local_on(task, local_set)
    }

    /// As [`spawn_blocking`](crate::spawn_blocking).
    ///
    /// # Errors
    ///
    /// Where tokio is told of names, those of its own builder: the pool is shut down, or the operating system cannot start a
    /// thread for it. Elsewhere the job is cancelled, or the call panics, as without a builder.
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
        named(self.how.name).spawn_blocking(job(self.how, f))
    }

    /// As [`spawn_blocking`](crate::spawn_blocking), on this runtime's pool.
    ///
    /// # Errors
    ///
    /// As [`spawn_blocking`](Self::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        named(self.how.name).spawn_blocking_on(job(self.how, f), handle)
    }
}

/// tokio's own builder of work of this name.
#[cfg(all(tokio_unstable, feature = "tracing"))]
fn named(name: Option<&str>) -> tokio::task::Builder<'_> {
    let builder = tokio::task::Builder::new();
    name.map_or_else(tokio::task::Builder::new, |name| builder.name(name))
}

/// tokio's own builder of work of this name in a set.
#[cfg(all(tokio_unstable, feature = "tracing"))]
pub(crate) fn named_in<'a, T: 'static>(
    set: &'a mut tokio::task::JoinSet<T>,
    name: Option<&'a str>,
) -> tokio::task::join_set::Builder<'a, T> {
    match name {
        Some(name) => set.build_task().name(name),
        None => set.build_task(),
    }
}

#[cfg(not(all(tokio_unstable, feature = "tracing")))]
fn named(_name: Option<&str>) -> unnamed::Builder {
    unnamed::Builder
}

#[cfg(not(all(tokio_unstable, feature = "tracing")))]
pub(crate) fn named_in<'a, T>(set: &'a mut tokio::task::JoinSet<T>, _name: Option<&str>) -> unnamed::InSet<'a, T> {
    unnamed::InSet(set)
}
