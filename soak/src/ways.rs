//! Owns the ways to start a unit: each is one that work moves by.

use std::sync::Arc;

use async_executor::Executor;
use corosensei::CoroutineResult;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use rand::{Rng, RngExt};
use routines::FutureExt as _;
use threadpool::ThreadPool;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle};

use crate::tally::Tally;
use crate::unit::Unit;

/// A way to start a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Where a run begins.
    Root,
    /// `tokio::spawn` on a runtime with hooks.
    Plain,
    /// The same, in a place that is detached.
    PlainDetached,
    /// `routines_tokio::spawn` on a runtime with hooks.
    Spawn,
    /// `routines_tokio::spawn_detached`.
    SpawnDetached,
    /// `tokio::spawn` of a future that carries its context.
    Carried,
    /// The same on a runtime without hooks.
    Elsewhere,
    /// `routines_tokio::spawn_blocking`.
    Blocking,
    /// `block_in_place` in a plain task.
    InPlace,
    /// `routines::thread::spawn`.
    Thread,
    /// `routines::thread::scope`.
    ScopedThread,
    /// A job bound for rayon.
    Rayon,
    /// A job bound for a thread pool.
    Pool,
    /// A job bound for crossbeam's scope.
    Crossbeam,
    /// A task of an executor that is not tokio.
    Smol,
    /// A future among others in its starter's own task.
    Unordered,
    /// A stackful coroutine.
    Coroutine,
    /// Awaited where it is made.
    InHand,
}

impl Way {
    pub(crate) const ALL: [Way; 18] = [
        Way::Root,
        Way::Plain,
        Way::PlainDetached,
        Way::Spawn,
        Way::SpawnDetached,
        Way::Carried,
        Way::Elsewhere,
        Way::Blocking,
        Way::InPlace,
        Way::Thread,
        Way::ScopedThread,
        Way::Rayon,
        Way::Pool,
        Way::Crossbeam,
        Way::Smol,
        Way::Unordered,
        Way::Coroutine,
        Way::InHand,
    ];

    pub(crate) fn any(random: &mut impl Rng) -> Way {
        loop {
            // Threads are dear.
            match Way::ALL[random.random_range(1..Way::ALL.len())] {
                Way::Thread | Way::ScopedThread | Way::Crossbeam if random.random_ratio(3, 4) => {}
                way => return way,
            }
        }
    }

    /// Whether such a unit reads its starter's values.
    pub(crate) fn inherits(self) -> bool {
        match self {
            Way::Root | Way::PlainDetached | Way::SpawnDetached => false,
            // Without hooks a plain task has no context.
            Way::Plain | Way::InPlace => routines_tokio::Flow::is_supported(),
            _ => true,
        }
    }

    /// Whether such a unit may wait for others, started by one that may or may not.
    pub(crate) fn waits(self, starter: bool) -> bool {
        match self {
            Way::Unordered | Way::InHand => starter,
            Way::Root | Way::Plain | Way::PlainDetached | Way::Spawn | Way::SpawnDetached => true,
            Way::Carried | Way::Elsewhere | Way::Smol => true,
            _ => false,
        }
    }

    /// Whether what is given to the executor carries its context by itself.
    pub(crate) fn is_wrapped(self) -> bool {
        !matches!(self, Way::Root | Way::Plain | Way::PlainDetached | Way::InPlace | Way::Unordered | Way::InHand)
    }
}

/// Where units run.
pub(crate) struct Host {
    pub(crate) tally: Arc<Tally>,
    pub(crate) hooked: Handle,
    pub(crate) bare: Handle,
    pub(crate) pool: ThreadPool,
    pub(crate) smol: Arc<Executor<'static>>,
}

/// A unit that was started.
pub(crate) enum Started {
    /// A task of tokio.
    Task(JoinHandle<()>),
    /// Something that tells its end, and cannot be aborted.
    Told(oneshot::Receiver<()>),
    /// A task that is aborted by being dropped.
    Smol(async_executor::Task<()>),
    /// A future that its starter polls.
    Held(BoxFuture<'static, ()>),
    /// Over already.
    Done,
}

impl Started {
    /// Whether it runs only while its starter polls it.
    pub(crate) fn is_held(&self) -> bool {
        matches!(self, Started::Held(_))
    }

    /// Waits for its end; what becomes of it is its own affair.
    pub(crate) async fn done(self) {
        match self {
            Started::Task(task) => drop(task.await),
            Started::Told(end) => drop(end.await),
            Started::Smol(task) => drop(std::panic::AssertUnwindSafe(task).catch_unwind().await),
            Started::Held(future) => drop(std::panic::AssertUnwindSafe(future).catch_unwind().await),
            Started::Done => {}
        }
    }

    /// Ends it where it is.
    pub(crate) fn abort(self) {
        if let Started::Task(task) = self {
            AbortHandle::abort(&task.abort_handle());
        }
    }

    /// Lets it go on alone, if it can.
    pub(crate) fn forget(self) {
        if let Started::Smol(task) = self {
            task.detach();
        }
    }
}

/// Catches an injected panic where the thread is not one to lose.
fn contained(unit: Unit) {
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| unit.run_here())));
}

fn told<F: FnOnce() + Send + 'static>(start: impl FnOnce(Box<dyn FnOnce() + Send>), work: F) -> Started {
    let (end, ended) = oneshot::channel();
    start(Box::new(move || {
        work();
        drop(end);
    }));
    Started::Told(ended)
}

/// Starts a unit.
pub(crate) fn start(host: &Arc<Host>, way: Way, unit: Unit) -> Started {
    match way {
        Way::Root | Way::Plain => Started::Task(host.hooked.spawn(unit.run())),
        Way::PlainDetached => crate::detached::spawn(&host.hooked, unit.run()),
        Way::Spawn => {
            let _hooked = host.hooked.enter();
            Started::Task(routines_tokio::spawn(unit.run()))
        }
        Way::SpawnDetached => {
            let _hooked = host.hooked.enter();
            Started::Task(routines_tokio::spawn_detached(unit.run()))
        }
        Way::Carried => Started::Task(host.hooked.spawn(unit.run().inherit())),
        Way::Elsewhere => Started::Task(host.bare.spawn(unit.run().inherit())),
        Way::Blocking => {
            let _hooked = host.hooked.enter();
            Started::Task(routines_tokio::spawn_blocking(|| unit.run_here()))
        }
        Way::InPlace => Started::Task(host.hooked.spawn(async { tokio::task::block_in_place(|| unit.run_here()) })),
        Way::Thread => told(|work| drop(routines::thread::spawn(work)), || contained(unit)),
        Way::ScopedThread => {
            routines::thread::scope(|scope| drop(scope.spawn(|| contained(unit)).join()));
            Started::Done
        }
        Way::Rayon => told(rayon::spawn, routines::bind(|| contained(unit))),
        Way::Pool => told(|work| host.pool.execute(work), routines::bind(|| contained(unit))),
        Way::Crossbeam => {
            let job = routines::bind(|| contained(unit));
            drop(crossbeam_utils::thread::scope(|scope| drop(scope.spawn(|_| job()).join())));
            Started::Done
        }
        Way::Smol => Started::Smol(host.smol.spawn(unit.run().inherit())),
        Way::Unordered => Started::Held(Box::pin(unordered(unit))),
        Way::Coroutine => {
            coroutine(unit);
            Started::Done
        }
        Way::InHand => Started::Held(Box::pin(unit.run().inherit())),
    }
}

/// Among others, in its starter's own task.
fn unordered(unit: Unit) -> impl Future<Output = ()> + Send {
    use futures::stream::{FuturesUnordered, StreamExt as _};
    let others = [unit.run().inherit().boxed(), futures::future::ready(()).boxed()];
    async move {
        let mut all: FuturesUnordered<_> = others.into_iter().collect();
        while all.next().await.is_some() {}
    }
}

/// A coroutine that yields half way through each poll of its unit.
fn coroutine(unit: Unit) {
    let mut coroutine = routines_coroutine::Coroutine::new(|yielder: &corosensei::Yielder<(), ()>, ()| {
        let mut future = Box::pin(unit.run());
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        while future.as_mut().poll(&mut cx).is_pending() {
            yielder.suspend(());
        }
    });
    let to_its_end = || while let CoroutineResult::Yield(()) = coroutine.resume(()) {};
    drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(to_its_end)));
}
