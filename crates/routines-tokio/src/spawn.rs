//! Owns the free functions that start work on the current runtime.

use std::future::Future;

use tokio::task::JoinHandle;

use crate::start::{job, task, twins};

twins! {
    /// Spawns a task that inherits the current context; otherwise [`tokio::spawn`].
    ///
    /// The task is a routine from this call until it ends. The context is captured now, in the caller.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, as `tokio::spawn`.
    ///
    /// ```
    /// use routines::Local;
    ///
    /// static USER: Local<&str> = Local::new();
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
    /// USER.scope("ada", async {
    ///     let task = routines_tokio::spawn(async { USER.get() });
    ///     let pool = routines_tokio::spawn_detached(async { USER.get() });
    ///     assert_eq!((task.await.unwrap(), pool.await.unwrap()), (Some("ada"), None));
    /// })
    /// # );
    /// ```
    pub fn spawn / spawn_detached<F>(future: F) -> JoinHandle<F::Output>
    where {
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    }
    with how {
        let (task, _wrapped) = task(how, future);
        tokio::spawn(task)
    }

    /// Spawns a task that inherits the current context and stays on this thread; otherwise [`tokio::task::spawn_local`].
    ///
    /// # Panics
    ///
    /// Outside a `LocalSet` and a `LocalRuntime`.
    ///
    /// ```
    /// use routines::Local;
    /// use routines_tokio::runtime::LocalRuntime;
    /// use routines_tokio::task;
    ///
    /// static USER: Local<&str> = Local::new();
    ///
    /// let runtime = LocalRuntime::new().unwrap();
    /// runtime.block_on(USER.scope("ada", async {
    ///     let seen = task::spawn_local(async { std::rc::Rc::new(USER.get()) }).await.unwrap();
    ///     assert_eq!(*seen, Some("ada"));
    /// }));
    /// ```
    pub fn spawn_local / spawn_local_detached<F>(future: F) -> JoinHandle<F::Output>
    where {
        F: Future + 'static,
        F::Output: 'static,
    }
    with how {
        let (task, _wrapped) = task(how, future);
        tokio::task::spawn_local(task)
    }

    /// Runs a closure on the blocking pool with the current context; otherwise [`tokio::task::spawn_blocking`].
    ///
    /// The job is a routine from this call until it ends, also while it waits in the pool's queue.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// ```
    /// use routines::Local;
    ///
    /// static USER: Local<&str> = Local::new();
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
    /// USER.scope("ada", async {
    ///     let job = routines_tokio::spawn_blocking(|| USER.get());
    ///     assert_eq!(job.await.unwrap(), Some("ada"));
    /// })
    /// # );
    /// ```
    pub fn spawn_blocking / spawn_blocking_detached<F, R>(f: F) -> JoinHandle<R>
    where {
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    }
    with how {
        tokio::task::spawn_blocking(job(how, f))
    }
}
