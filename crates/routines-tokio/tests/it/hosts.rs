//! Owns the runtimes on which each way of starting work has to keep its promises.

use std::future::Future;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use routines_tokio::runtime::{Handle, LocalRuntime, Runtime};
use routines_tokio::task::LocalSet;
use tokio::runtime::{Builder, LocalOptions};

/// The file of the lines that occupy threads.
pub(crate) const FILE: &str = file!();

const WORKERS: usize = 2;

/// A runtime, perhaps with a `LocalSet` around what runs on it. It has one blocking thread, and [`WORKERS`] if it has any.
pub(crate) struct Host {
    pub(crate) name: &'static str,
    multi_thread: bool,
    handle: Handle,
    runtime: Option<Runtime>,
    local_runtime: Option<LocalRuntime>,
    set: Option<LocalSet>,
}

/// Where tasks that stay on their thread can run.
pub(crate) fn local_hosts() -> Vec<Host> {
    let mut hosts = vec![
        Host::shared("LocalSet on current_thread", plain(false)).with_set(),
        Host::shared("LocalSet on multi_thread", plain(true)).with_set(),
        Host::local("LocalRuntime", plain(false)),
    ];
    if cfg!(tokio_unstable) {
        hosts.push(Host::shared("LocalSet on hooked current_thread", hooked(false)).with_set());
        hosts.push(Host::local("hooked LocalRuntime", hooked(false)));
    }
    hosts
}

/// Where every other work can run.
pub(crate) fn hosts() -> Vec<Host> {
    let mut hosts = vec![
        Host::shared("current_thread", plain(false)),
        Host::shared("multi_thread", plain(true)),
        Host::shared("LocalSet on current_thread", plain(false)).with_set(),
        Host::local("LocalRuntime", plain(false)),
    ];
    if cfg!(tokio_unstable) {
        hosts.push(Host::shared("hooked current_thread", hooked(false)));
        hosts.push(Host::shared("hooked multi_thread", hooked(true)));
    }
    hosts
}

/// Those that have a `Runtime`.
pub(crate) fn runtimes() -> Vec<Host> {
    hosts().into_iter().filter(|host| host.runtime.is_some()).collect()
}

/// Those that have a `LocalRuntime`.
pub(crate) fn local_runtimes() -> Vec<Host> {
    local_hosts().into_iter().filter(|host| host.local_runtime.is_some()).collect()
}

/// Those that have a `LocalSet`.
pub(crate) fn local_sets() -> Vec<Host> {
    local_hosts().into_iter().filter(|host| host.set.is_some()).collect()
}

fn plain(multi_thread: bool) -> (bool, Builder) {
    let mut builder = if multi_thread { Builder::new_multi_thread() } else { Builder::new_current_thread() };
    if multi_thread {
        builder.worker_threads(WORKERS);
    }
    builder.max_blocking_threads(1);
    (multi_thread, builder)
}

/// As [`plain`], with hooks beside the wrappers: it has to make no difference.
fn hooked(multi_thread: bool) -> (bool, Builder) {
    let (multi_thread, mut builder) = plain(multi_thread);
    routines_tokio::Flow::new().install(&mut builder);
    (multi_thread, builder)
}

impl Host {
    fn shared(name: &'static str, (multi_thread, mut builder): (bool, Builder)) -> Self {
        let runtime = Runtime::from(builder.build().expect("a runtime"));
        let handle = runtime.handle().clone();
        Host { name, multi_thread, handle, runtime: Some(runtime), local_runtime: None, set: None }
    }

    fn local(name: &'static str, (multi_thread, mut builder): (bool, Builder)) -> Self {
        let runtime = LocalRuntime::from(builder.build_local(LocalOptions::default()).expect("a runtime"));
        let handle = runtime.handle().clone();
        Host { name, multi_thread, handle, runtime: None, local_runtime: Some(runtime), set: None }
    }

    fn with_set(self) -> Self {
        Host { set: Some(LocalSet::new()), ..self }
    }

    /// Runs the future as the calling routine.
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        match (&self.set, &self.local_runtime) {
            (Some(set), _) => set.block_on(self.runtime(), future),
            (None, Some(runtime)) => runtime.block_on(future),
            (None, None) => self.runtime().block_on(future),
        }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it has one")
    }

    pub(crate) fn local_runtime(&self) -> &LocalRuntime {
        self.local_runtime.as_ref().expect("it has one")
    }

    pub(crate) fn set(&self) -> &LocalSet {
        self.set.as_ref().expect("it has one")
    }

    /// Drops set and runtime, without waiting for jobs. Of the host only the handle is left.
    pub(crate) fn shut_down(&mut self) {
        self.set = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        if let Some(runtime) = self.local_runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// Shuts down, and goes on as if on it.
    pub(crate) fn after_shutdown<R>(mut self, f: impl FnOnce(&Host) -> R) -> R {
        let _set = self.set.as_ref().map(|set| set.enter());
        self.shut_down();
        let _runtime = self.handle.enter();
        f(&self)
    }

    /// Occupies all its threads but that of `block_on`, until the gate is dropped.
    pub(crate) fn close(&self) -> Gate {
        let handle: &tokio::runtime::Handle = &self.handle;
        let nudge = || drop(handle.spawn(async {}));
        let mut gate = Gate(vec![occupy(|wait| drop(handle.spawn_blocking(wait)), || ())]);
        for _ in 0..if self.multi_thread { WORKERS } else { 0 } {
            // One after the other: a worker that is blocked may have taken a second task with the first.
            gate.0.push(occupy(|wait| drop(handle.spawn(async { wait() })), nudge));
        }
        gate
    }
}

/// Starts a wait on some thread; it lasts until the sender is dropped.
///
/// A worker about to sleep may overlook a task, since another is awake to take it. If that one is blocked, the next spawn
/// wakes the sleeper: so there is a `nudge` for as long as nobody takes it.
fn occupy(start: impl FnOnce(Box<dyn FnOnce() + Send>), nudge: impl Fn()) -> Sender<()> {
    let (closed, is_closed) = channel();
    let (open, opens) = channel::<()>();
    start(Box::new(move || {
        closed.send(()).expect("the test waits");
        let _ = opens.recv();
    }));
    for _ in 0..10_000 {
        match is_closed.recv_timeout(Duration::from_millis(10)) {
            Err(RecvTimeoutError::Timeout) => nudge(),
            Err(RecvTimeoutError::Disconnected) => break,
            Ok(()) => return open,
        }
    }
    panic!("no thread took the wait");
}

/// Keeps a host's threads busy.
pub(crate) struct Gate(Vec<Sender<()>>);
