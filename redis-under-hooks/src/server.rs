//! Owns the servers: mini-redis as its crate has it, on a runtime with hooks or without.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use routines::{Bindings, RoutineInfo};
use routines_tokio::Flow;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::{CONNECTION, SERVICE};

/// So long a routine may take to end after its server did.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running server.
pub(crate) struct Server {
    runtime: Runtime,
    task: JoinHandle<mini_redis::Result<()>>,
    stop: oneshot::Sender<()>,
    port: u16,
}

/// The number of a task to come.
pub(crate) fn next_connection() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    // Relaxed: the number publishes nothing but itself.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Server {
    /// Starts one on a free port of the loopback address, with a worker to itself.
    pub(crate) fn start(hooked: bool) -> Result<Server, Box<dyn Error>> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).enable_all();
        if hooked {
            Flow::new().install(&mut builder);
        }
        let runtime = builder.build()?;
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let port = listener.local_addr()?.port();
        let (stop, stopped) = oneshot::channel::<()>();
        let context = Bindings::new().with(&SERVICE, "mini-redis").with(&CONNECTION, 0);
        let task = context.sync_scope(|| runtime.spawn(mini_redis::server::run(listener, stopped)));
        Ok(Server { runtime, task, stop, port })
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Stops it and all its tasks.
    pub(crate) fn stop(self) -> Result<(), Box<dyn Error>> {
        drop(self.stop);
        self.runtime.block_on(self.task)?.map_err(|error| error.to_string())?;
        Ok(())
    }
}

/// Waits until so many connections are alive at once, or `goes_on` says that there is nothing to wait for; returns them.
pub(crate) fn see_connections(clients: u64, mut goes_on: impl FnMut() -> bool) -> Vec<RoutineInfo> {
    let mut most = Vec::new();
    while goes_on() && (most.len() as u64) < clients {
        let now: Vec<_> = routines::all().into_iter().filter(is_connection).collect();
        if now.len() > most.len() {
            most = now;
        }
        std::thread::yield_now();
    }
    most
}

/// Whether it was spawned by the server's accept loop.
fn is_connection(info: &RoutineInfo) -> bool {
    info.spawned_at.as_deref().is_some_and(|at| at.contains("mini-redis") && at.contains("server.rs"))
}

/// How many routines live once those that were ending have ended.
pub(crate) fn routines_after(before: usize) -> usize {
    let begin = Instant::now();
    loop {
        let live = routines::ids().len();
        if live <= before || begin.elapsed() > PATIENCE {
            return live;
        }
        std::thread::yield_now();
    }
}
