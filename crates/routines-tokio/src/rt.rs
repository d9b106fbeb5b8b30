//! Owns the twins of tokio's runtimes.

use std::future::Future;
use std::io;
use std::ops::Deref;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::handle::Handle;
use crate::start::{job, task, twins};

/// The twin of [`tokio::runtime::Runtime`]: what is spawned through it inherits the context of the code that spawns it.
///
/// Made from tokio's own. It is that in everything else, which it dereferences to. `block_on` starts nothing: the future runs
/// in the routine that calls it, reads its values, and what it sets stays. Dropped with live tasks it drops each inside its
/// own context.
///
/// ```
/// use routines::Local;
/// use routines_tokio::runtime::Runtime;
///
/// static USER: Local<&str> = Local::new();
///
/// let runtime = Runtime::from(tokio::runtime::Builder::new_current_thread().build().unwrap());
/// let task = USER.sync_scope("ada", || runtime.spawn(async { USER.get() }));
/// assert_eq!(runtime.block_on(task).unwrap(), Some("ada"));
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
    runtime: tokio::runtime::Runtime,
}

impl Runtime {
    /// A multi-thread runtime with everything enabled.
    ///
    /// # Errors
    ///
    /// If the operating system lacks what it needs.
    #[cfg(feature = "rt-multi-thread")]
    pub fn new() -> io::Result<Self> {
        tokio::runtime::Runtime::new().map(Runtime::from)
    }

    /// A handle, to be cloned and given to other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    twins! {
        /// Spawns a task on the runtime, with the current context.
        pub fn spawn / spawn_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + Send + 'static,
            F::Output: Send + 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.runtime.spawn(task)
        }

        /// Runs a closure on the runtime's blocking pool, with the current context.
        pub fn spawn_blocking / spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
        where {
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        }
        with how {
            self.runtime.spawn_blocking(job(how, f))
        }
    }

    /// Ends the runtime, waiting this long for running jobs.
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// Ends the runtime without waiting for running jobs.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

impl Deref for Runtime {
    type Target = tokio::runtime::Runtime;

    fn deref(&self) -> &Self::Target {
        &self.runtime
    }
}

impl From<tokio::runtime::Runtime> for Runtime {
    fn from(runtime: tokio::runtime::Runtime) -> Self {
        Runtime { handle: runtime.handle().clone().into(), runtime }
    }
}

impl From<Runtime> for tokio::runtime::Runtime {
    fn from(runtime: Runtime) -> Self {
        runtime.runtime
    }
}

/// The twin of [`tokio::runtime::LocalRuntime`]: what is spawned through it inherits the context of the code that spawns it.
///
/// Made by [`new`](Self::new), or from tokio's own. It is that in everything else, which it dereferences to.
///
/// ```
/// use routines::Local;
/// use routines_tokio::runtime::LocalRuntime;
///
/// static USER: Local<&str> = Local::new();
///
/// let runtime = LocalRuntime::new().unwrap();
/// let task = USER.sync_scope("ada", || runtime.spawn_local(async { USER.get() }));
/// assert_eq!(runtime.block_on(task).unwrap(), Some("ada"));
/// ```
#[derive(Debug)]
pub struct LocalRuntime {
    handle: Handle,
    runtime: tokio::runtime::LocalRuntime,
}

impl LocalRuntime {
    /// A runtime on this thread, with everything enabled.
    ///
    /// # Errors
    ///
    /// If the operating system lacks what it needs.
    pub fn new() -> io::Result<Self> {
        tokio::runtime::LocalRuntime::new().map(LocalRuntime::from)
    }

    /// A handle, to be cloned and given to other threads.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    twins! {
        /// Spawns a task on the runtime, with the current context.
        pub fn spawn_local / spawn_local_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + 'static,
            F::Output: 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.runtime.spawn_local(task)
        }

        /// Runs a closure on the runtime's blocking pool, with the current context.
        pub fn spawn_blocking / spawn_blocking_detached<F, R>(&self, f: F) -> JoinHandle<R>
        where {
            F: FnOnce() -> R + Send + 'static,
            R: Send + 'static,
        }
        with how {
            self.runtime.spawn_blocking(job(how, f))
        }
    }

    /// Ends the runtime, waiting this long for running jobs.
    pub fn shutdown_timeout(self, duration: Duration) {
        self.runtime.shutdown_timeout(duration);
    }

    /// Ends the runtime without waiting for running jobs.
    pub fn shutdown_background(self) {
        self.runtime.shutdown_background();
    }
}

impl Deref for LocalRuntime {
    type Target = tokio::runtime::LocalRuntime;

    fn deref(&self) -> &Self::Target {
        &self.runtime
    }
}

impl From<tokio::runtime::LocalRuntime> for LocalRuntime {
    fn from(runtime: tokio::runtime::LocalRuntime) -> Self {
        LocalRuntime { handle: runtime.handle().clone().into(), runtime }
    }
}

impl From<LocalRuntime> for tokio::runtime::LocalRuntime {
    fn from(runtime: LocalRuntime) -> Self {
        runtime.runtime
    }
}
