//! Owns the twin of tokio's `JoinSet`, and of its builder of named tasks.

use std::fmt;
use std::future::Future;
use std::io;
use std::ops::{Deref, DerefMut};

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, LocalSet};

use crate::builder::named_in;
use crate::policy::Relation;
use crate::start::{How, job, task, twins};

/// The twin of [`tokio::task::JoinSet`]: what is spawned into it inherits the current context.
///
/// It is tokio's own in everything else, which it dereferences to.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::JoinSet;
///
/// static USER: Local<&str> = Local::new();
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(
/// USER.scope("ada", async {
///     let mut set = JoinSet::new();
///     set.spawn(async { USER.get() });
///     assert_eq!(set.join_next().await.unwrap().unwrap(), Some("ada"));
///     set.spawn_blocking_detached(|| USER.get());
///     assert_eq!(set.join_all().await, [None]);
/// })
/// # );
/// ```
pub struct JoinSet<T>(tokio::task::JoinSet<T>);

impl<T> JoinSet<T> {
    /// An empty set.
    pub fn new() -> Self {
        JoinSet(tokio::task::JoinSet::new())
    }
}

impl<T: 'static> JoinSet<T> {
    twins! {
        /// Spawns a task on the current runtime, with the current context.
        ///
        /// # Panics
        ///
        /// Outside a tokio runtime.
        pub fn spawn / spawn_detached<F>(&mut self, future: F) -> AbortHandle
        where {
            F: Future<Output = T> + Send + 'static,
            T: Send,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn(task)
        }

        /// Spawns a task on this runtime, with the current context.
        pub fn spawn_on / spawn_on_detached<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
        where {
            F: Future<Output = T> + Send + 'static,
            T: Send,
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
        pub fn spawn_local / spawn_local_detached<F>(&mut self, future: F) -> AbortHandle
        where {
            F: Future<Output = T> + 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn_local(task)
        }

        /// Spawns a task on this `LocalSet`, with the current context.
        pub fn spawn_local_on / spawn_local_on_detached<F>(&mut self, future: F, local_set: &LocalSet) -> AbortHandle
        where {
            F: Future<Output = T> + 'static,
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
        pub fn spawn_blocking / spawn_blocking_detached<F>(&mut self, f: F) -> AbortHandle
        where {
            F: FnOnce() -> T + Send + 'static,
            T: Send,
        }
        with how {
            self.0.spawn_blocking(job(how, f))
        }

        /// Runs a closure on this runtime's blocking pool, with the current context.
        pub fn spawn_blocking_on / spawn_blocking_on_detached<F>(&mut self, f: F, handle: &Handle) -> AbortHandle
        where {
            F: FnOnce() -> T + Send + 'static,
            T: Send,
        }
        with how {
            self.0.spawn_blocking_on(job(how, f), handle)
        }
    }

    /// Starts work that has a name: see [`task::Builder`](crate::task::Builder).
    pub fn build_task(&mut self) -> Builder<'_, T> {
        Builder { set: &mut self.0, how: How::INHERIT }
    }

    /// Waits for all, and gives what they returned in the order in which they ended.
    ///
    /// # Panics
    ///
    /// If one of them panicked or was aborted.
    pub async fn join_all(self) -> Vec<T> {
        self.0.join_all().await
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

impl<T> From<tokio::task::JoinSet<T>> for JoinSet<T> {
    fn from(set: tokio::task::JoinSet<T>) -> Self {
        JoinSet(set)
    }
}

impl<T> From<JoinSet<T>> for tokio::task::JoinSet<T> {
    fn from(set: JoinSet<T>) -> Self {
        set.0
    }
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        JoinSet::new()
    }
}

impl<T> fmt::Debug for JoinSet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Spawns each, with the context of the code that collects them.
impl<T, F> FromIterator<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn from_iter<I: IntoIterator<Item = F>>(futures: I) -> Self {
        let mut set = JoinSet::new();
        set.extend(futures);
        set
    }
}

/// Spawns each, with the context of the code that adds them.
impl<T, F> Extend<F> for JoinSet<T>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    #[track_caller]
    fn extend<I: IntoIterator<Item = F>>(&mut self, futures: I) {
        for future in futures {
            self.spawn(future);
        }
    }
}

/// The twin of tokio's builder of named tasks of a set, which there is in unstable builds only.
///
/// Made by [`JoinSet::build_task`]. The name is what dumps call the routine, and tokio is told it if the build lets it
/// ([`task::Builder`](crate::task::Builder)).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut set = routines_tokio::task::JoinSet::new();
/// set.build_task().name("resize").spawn(async { routines::current().name() }).unwrap();
/// assert_eq!(set.join_all().await, [Some("resize".to_owned())]);
/// # });
/// ```
#[must_use = "builders do nothing unless used to start work"]
pub struct Builder<'a, T> {
    set: &'a mut tokio::task::JoinSet<T>,
    how: How<'a>,
}

impl<'a, T: 'static> Builder<'a, T> {
    /// Names the work.
    pub fn name(mut self, name: &'a str) -> Self {
        self.how.name = Some(name);
        self
    }

    /// Starts it with an empty context.
    pub fn detached(mut self) -> Self {
        self.how.relation = Relation::Detached;
        self
    }

    /// As [`JoinSet::spawn`].
    ///
    /// # Errors
    ///
    /// None today: tokio's own signature has one.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let (task, _wrapped) = task(self.how, future);
        named_in(self.set, self.how.name).spawn(task)
    }

    /// As [`JoinSet::spawn_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        let (task, _wrapped) = task(self.how, future);
        named_in(self.set, self.how.name).spawn_on(task, handle)
    }

    /// As [`JoinSet::spawn_local`].
    ///
    /// # Errors
    ///
    /// None today.
    ///
    /// # Panics
    ///
    /// Outside a `LocalSet` and a `LocalRuntime`.
    #[track_caller]
    pub fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let (task, _wrapped) = task(self.how, future);
        named_in(self.set, self.how.name).spawn_local(task)
    }

    /// As [`JoinSet::spawn_local_on`].
    ///
    /// # Errors
    ///
    /// None today.
    #[track_caller]
    pub fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        let (task, _wrapped) = task(self.how, future);
        named_in(self.set, self.how.name).spawn_local_on(task, local_set)
    }

    /// As [`JoinSet::spawn_blocking`].
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
    pub fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        named_in(self.set, self.how.name).spawn_blocking(job(self.how, f))
    }

    /// As [`JoinSet::spawn_blocking_on`].
    ///
    /// # Errors
    ///
    /// As [`spawn_blocking`](Self::spawn_blocking).
    #[track_caller]
    pub fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        named_in(self.set, self.how.name).spawn_blocking_on(job(self.how, f), handle)
    }
}

impl<T> fmt::Debug for Builder<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("set", &self.set).field("how", &self.how).finish()
    }
}
