//! Owns the twin of tokio-util's `TaskTracker`.

use std::future::Future;
use std::ops::Deref;

use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet};

use crate::start::{job, task, twins};

/// The twin of [`tokio_util::task::TaskTracker`]: what is spawned through it inherits the context of the code that spawns it.
///
/// It is tokio-util's own in everything else, which it dereferences to. When [`wait`](tokio_util::task::TaskTracker::wait) is over, no
/// routine of it is listed any more.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::TaskTracker;
///
/// static USER: Local<&str> = Local::new();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
/// USER.scope("ada", async {
///     let tracker = TaskTracker::new();
///     let task = tracker.spawn(async { USER.get() });
///     tracker.close();
///     tracker.wait().await;
///     assert_eq!(task.await.unwrap(), Some("ada"));
/// })
/// # );
/// ```
#[derive(Debug, Clone, Default)]
pub struct TaskTracker(tokio_util::task::TaskTracker);

impl TaskTracker {
    /// A tracker of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        TaskTracker::default()
    }

    twins! {
        /// Spawns a task on the current runtime, with the current context.
        ///
        /// # Panics
        ///
        /// Outside a tokio runtime.
        pub fn spawn / spawn_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn(task)
        }

        /// Spawns a task on this runtime, with the current context.
        pub fn spawn_on / spawn_on_detached<F>(&self, future: F, handle: &Handle) -> JoinHandle<F::Output>
        where {
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn_on(task, handle)
        }

        /// Spawns a task on the current `LocalSet` or `LocalRuntime`, with the current context.
        ///
        /// # Panics
        ///
        /// Outside both.
        pub fn spawn_local / spawn_local_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + 'static,
            F::Output: 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn_local(task)
        }

        /// Spawns a task on this `LocalSet`, with the current context.
        pub fn spawn_local_on / spawn_local_on_detached<F>(&self, future: F, local_set: &LocalSet) -> JoinHandle<F::Output>
        where {
            F: Future + 'static,
            F::Output: 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn_local_on(task, local_set)
        }

        /// Runs a closure on the blocking pool, with the current context.
        ///
        /// # Panics
        ///
        /// Outside a tokio runtime.
        pub fn spawn_blocking / spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
        where {
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        }
        with how {
            self.0.spawn_blocking(job(how, f))
        }

        /// Runs a closure on this runtime's blocking pool, with the current context.
        pub fn spawn_blocking_on / spawn_blocking_on_detached<F, R>(&self, f: F, handle: &Handle) -> JoinHandle<R>
        where {
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        }
        with how {
            self.0.spawn_blocking_on(job(how, f), handle)
        }
    }

    /// Whether the two track the same tasks.
    #[must_use]
    pub fn ptr_eq(left: &TaskTracker, right: &TaskTracker) -> bool {
        tokio_util::task::TaskTracker::ptr_eq(left, right)
    }
}

impl Deref for TaskTracker {
    type Target = tokio_util::task::TaskTracker;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<tokio_util::task::TaskTracker> for TaskTracker {
    fn from(tracker: tokio_util::task::TaskTracker) -> Self {
        TaskTracker(tracker)
    }
}

impl From<TaskTracker> for tokio_util::task::TaskTracker {
    fn from(tracker: TaskTracker) -> Self {
        tracker.0
    }
}
