//! The tokio runtime of the cases: one current-thread runtime for each thread that measures, and a way to be inside a task of it.

use std::future::Future;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

thread_local! {
    /// Leaked: a runtime that is dropped while its thread's locals are destroyed would be measured by nobody and could only fail.
    static RUNTIME: &'static Runtime = Box::leak(Box::new(build()));
}

/// A current-thread runtime without timers or sockets.
pub(crate) fn build() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime without drivers needs nothing of the system")
}

fn here() -> &'static Runtime {
    RUNTIME.with(|runtime| *runtime)
}

/// A current-thread runtime with timers, for the peers that need them.
pub(crate) fn with_timers() -> &'static Runtime {
    Box::leak(Box::new(Builder::new_current_thread().enable_time().build().expect("timers need nothing of the system")))
}

/// Runs a future on this thread's runtime, as its root: not as a task.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    here().block_on(future)
}

/// Runs a batch inside a task that tokio itself spawned.
pub(crate) fn in_task(batch: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    in_task_of(here(), batch)
}

/// The same, on this runtime.
pub(crate) fn in_task_of(runtime: &Runtime, batch: impl FnOnce() -> Duration + Send + 'static) -> Duration {
    runtime.block_on(async { tokio::spawn(async move { batch() }).await.expect("batches do not panic") })
}

/// How long it takes to spawn a task and await it, `n` times.
pub(crate) async fn spawn_and_join(n: u64, mut spawn: impl FnMut() -> JoinHandle<()>) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        spawn().await.expect("children do not panic");
    }
    start.elapsed()
}

/// The task that is spawned: as good as nothing.
pub(crate) async fn child() {
    black_box(());
}
