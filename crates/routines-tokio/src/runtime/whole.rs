//! Owns the twin of `tokio::runtime::Runtime`.

use std::future::Future;
use std::io;
use std::ops::Deref;

use routines::FutureExt;
use tokio::task::JoinHandle;

use super::Handle;
use crate::Relation::{Detached, Inherit};
use crate::hooks::wrapped;
use crate::work;

/// The twin of [`tokio::runtime::Runtime`]: what is spawned on it inherits, or is detached on request.
///
/// Tasks that live when it is shut down are dropped inside their contexts, and are not listed any more when that is over.
/// Everything that starts no work is tokio's own, reached through `Deref` and [`into_inner`](Self::into_inner).
///
/// ```
/// use routines::Local;
/// use routines_tokio::runtime::Runtime;
///
/// static USER: Local<&str> = Local::new();
///
/// let runtime = Runtime::new().unwrap();
/// let task = USER.sync_scope("ada", || runtime.spawn(async { USER.get() }));
/// assert_eq!(runtime.block_on(task).unwrap(), Some("ada"));
/// ```
#[derive(Debug)]
pub struct Runtime(tokio::runtime::Runtime);

impl Runtime {
    /// A runtime as [`tokio::runtime::Runtime::new`] makes it, with the hooks of [`Flow::new`](crate::Flow::new) where the
    /// build has hooks.
    ///
    /// # Errors
    ///
    /// If the operating system refuses threads or a selector.
    pub fn new() -> io::Result<Self> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        if crate::Flow::is_supported() {
            crate::Flow::new().install(&mut builder);
        }
        builder.enable_all().build().map(Runtime)
    }

    /// A handle to it.
    pub fn handle(&self) -> Handle {
        Handle::from(self.0.handle().clone())
    }

    /// tokio's own runtime: to shut it down, say.
    pub fn into_inner(self) -> tokio::runtime::Runtime {
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

impl From<tokio::runtime::Runtime> for Runtime {
    fn from(runtime: tokio::runtime::Runtime) -> Self {
        Runtime(runtime)
    }
}

impl Deref for Runtime {
    type Target = tokio::runtime::Runtime;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
