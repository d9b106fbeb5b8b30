//! Owns the twin of a runtime's handle.

use std::future::Future;
use std::ops::Deref;

use tokio::runtime::TryCurrentError;
use tokio::task::JoinHandle;

use crate::start::{job, task, twins};

/// The twin of [`tokio::runtime::Handle`]: what is spawned through it inherits the context of the code that spawns it.
///
/// It is tokio's own in everything else, which it dereferences to. `block_on` starts nothing: the future runs in the routine
/// that calls it, reads its values, and what it sets stays.
///
/// ```
/// use routines::Local;
/// use routines_tokio::runtime::{Handle, Runtime};
///
/// static USER: Local<&str> = Local::new();
///
/// # let runtime = Runtime::from(tokio::runtime::Builder::new_current_thread().build().unwrap());
/// # runtime.block_on(async {
/// let handle = Handle::current();
/// // A thread that knows nothing of tokio, in the middle of its work.
/// let thread = std::thread::spawn(move || USER.sync_scope("ada", || handle.spawn(async { USER.get() })));
/// assert_eq!(thread.join().unwrap().await.unwrap(), Some("ada"));
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Handle(tokio::runtime::Handle);

impl Handle {
    /// The handle of the runtime this code runs on.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime; [`try_current`](Self::try_current) returns that as an error.
    #[track_caller]
    pub fn current() -> Self {
        tokio::runtime::Handle::current().into()
    }

    /// The handle of the runtime this code runs on.
    ///
    /// # Errors
    ///
    /// Outside a tokio runtime, and on a thread that is destroying its locals.
    pub fn try_current() -> Result<Self, TryCurrentError> {
        tokio::runtime::Handle::try_current().map(Handle::from)
    }

    twins! {
        /// Spawns a task on the runtime, with the current context.
        ///
        /// On a runtime that is shut down the future is dropped at once, inside its context.
        pub fn spawn / spawn_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn(task)
        }

        /// Runs a closure on the runtime's blocking pool, with the current context.
        ///
        /// On a runtime that is shut down the closure is dropped at once, inside its context.
        pub fn spawn_blocking / spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
        where {
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        }
        with how {
            self.0.spawn_blocking(job(how, f))
        }
    }
}

impl Deref for Handle {
    type Target = tokio::runtime::Handle;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<tokio::runtime::Handle> for Handle {
    fn from(handle: tokio::runtime::Handle) -> Self {
        crate::install();
        Handle(handle)
    }
}

impl From<Handle> for tokio::runtime::Handle {
    fn from(handle: Handle) -> Self {
        handle.0
    }
}
