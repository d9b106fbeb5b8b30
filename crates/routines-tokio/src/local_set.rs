//! Owns the twin of tokio's `LocalSet`.

use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::JoinHandle;

use crate::start::{task, twins};

/// The twin of [`tokio::task::LocalSet`]: what is spawned on it inherits the context of the code that spawns it.
///
/// It is tokio's own in everything else, which it dereferences to. Whoever polls the set is only its host: neither side sees
/// the other's values.
///
/// ```
/// use routines::Local;
/// use routines_tokio::task::{LocalSet, spawn_local};
///
/// static USER: Local<&str> = Local::new();
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let set = LocalSet::new();
/// let before = USER.sync_scope("ada", || set.spawn_local(async { USER.get() }));
/// set.block_on(&runtime, USER.scope("eve", async {
///     assert_eq!(before.await.unwrap(), Some("ada"));
///     assert_eq!(spawn_local(async { USER.get() }).await.unwrap(), Some("eve"));
/// }));
/// ```
#[derive(Debug, Default)]
pub struct LocalSet(tokio::task::LocalSet);

impl LocalSet {
    /// A set without tasks.
    pub fn new() -> Self {
        LocalSet::default()
    }

    twins! {
        /// Spawns a task on the set, with the current context.
        pub fn spawn_local / spawn_local_detached<F>(&self, future: F) -> JoinHandle<F::Output>
        where {
            F: Future + 'static,
            F::Output: 'static,
        }
        with how {
            let (task, _wrapped) = task(how, future);
            self.0.spawn_local(task)
        }
    }
}

/// Runs the tasks until all have ended.
impl Future for LocalSet {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Deref for LocalSet {
    type Target = tokio::task::LocalSet;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl DerefMut for LocalSet {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl From<tokio::task::LocalSet> for LocalSet {
    fn from(set: tokio::task::LocalSet) -> Self {
        LocalSet(set)
    }
}

impl From<LocalSet> for tokio::task::LocalSet {
    fn from(set: LocalSet) -> Self {
        set.0
    }
}
