//! Owns what stands in for tokio's builders of named tasks in builds where tokio has none.

use std::future::Future;
use std::io;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinHandle, JoinSet, LocalSet};

/// In place of `tokio::task::Builder`.
pub(crate) struct Builder;

impl Builder {
    #[track_caller]
    pub(crate) fn spawn<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(tokio::spawn(future))
    }

    #[track_caller]
    pub(crate) fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        Ok(handle.spawn(future))
    }

    #[track_caller]
    pub(crate) fn spawn_local<F>(self, future: F) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(tokio::task::spawn_local(future))
    }

    #[track_caller]
    pub(crate) fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<JoinHandle<F::Output>>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        Ok(local_set.spawn_local(future))
    }

    #[track_caller]
    pub(crate) fn spawn_blocking<F, R>(self, f: F) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Ok(tokio::task::spawn_blocking(f))
    }

    #[track_caller]
    pub(crate) fn spawn_blocking_on<F, R>(self, f: F, handle: &Handle) -> io::Result<JoinHandle<R>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        Ok(handle.spawn_blocking(f))
    }
}

/// In place of `tokio::task::join_set::Builder`.
pub(crate) struct InSet<'a, T>(pub(crate) &'a mut JoinSet<T>);

impl<T: 'static> InSet<'_, T> {
    #[track_caller]
    pub(crate) fn spawn<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.0.spawn(future))
    }

    #[track_caller]
    pub(crate) fn spawn_on<F>(self, future: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        Ok(self.0.spawn_on(future, handle))
    }

    #[track_caller]
    pub(crate) fn spawn_local<F>(self, future: F) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.0.spawn_local(future))
    }

    #[track_caller]
    pub(crate) fn spawn_local_on<F>(self, future: F, local_set: &LocalSet) -> io::Result<AbortHandle>
    where
        F: Future<Output = T> + 'static,
    {
        Ok(self.0.spawn_local_on(future, local_set))
    }

    #[track_caller]
    pub(crate) fn spawn_blocking<F>(self, f: F) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.0.spawn_blocking(f))
    }

    #[track_caller]
    pub(crate) fn spawn_blocking_on<F>(self, f: F, handle: &Handle) -> io::Result<AbortHandle>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        Ok(self.0.spawn_blocking_on(f, handle))
    }
}
