//! Owns the routines that are watched: families of a task and what that starts, about 100 000 routines a second.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use routines::Local;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;
use tokio::time::{interval, sleep};

use super::Account;

/// The name of [`SPAWNER`].
pub(super) const SPAWNER_NAME: &str = "spawner";
/// The routine that spawned the one that reads it, which a watcher compares with the parent on record; 0 where families begin.
static SPAWNER: Local<u64> = Local::new().named(SPAWNER_NAME).derive(|_| routines::id().as_u64());
/// What profiles are split by.
static TRIBE: Local<&'static str> = Local::new().named("tribe").labelled();

const TRIBES: [&str; 2] = ["even", "odd"];
/// Of each tribe in each millisecond; a family is two routines, most often.
const FAMILIES: u32 = 25;
/// Of each tribe at one time: what watchers have to tell of stays within bounds, however slow they are.
const ALIVE: usize = 2_000;
const MILLISECOND: Duration = Duration::from_millis(1);

/// All who start routines, and the page that shows these.
pub(super) struct Families {
    runtime: Runtime,
    tribes: Vec<task::JoinHandle<()>>,
    threads: JoinHandle<()>,
    page: SocketAddr,
}

impl Families {
    pub(super) fn start(account: &Arc<Account>) -> Result<Families, String> {
        let told = |error: std::io::Error| error.to_string();
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(told)?;
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).map_err(told)?;
        let page = listener.local_addr().map_err(told)?;
        drop(runtime.spawn(routines_inspect::serve(listener, routines_inspect::Options::default())));
        let _inside = runtime.enter();
        let tribe = |name| TRIBE.sync_scope(name, || routines_tokio::spawn(tribe(Arc::clone(account))));
        let tribes = SPAWNER.sync_scope(0, || TRIBES.map(tribe));
        let threads = std::thread::spawn({
            let account = Arc::clone(account);
            move || SPAWNER.sync_scope(0, || threads(&account))
        });
        drop(_inside);
        Ok(Families { runtime, tribes: tribes.into(), threads, page })
    }

    /// Where the page is.
    pub(super) fn page(&self) -> SocketAddr {
        self.page
    }

    pub(super) fn is_over(&self) -> bool {
        self.tribes.iter().all(task::JoinHandle::is_finished) && self.threads.is_finished()
    }

    pub(super) fn shut_down(self, patience: Duration) {
        self.runtime.shutdown_timeout(patience);
    }
}

async fn tribe(account: Arc<Account>) {
    let seats = Arc::new(Semaphore::new(ALIVE));
    let mut tick = interval(MILLISECOND);
    let mut number = 0;
    while !account.is_over() {
        tick.tick().await;
        for _ in 0..FAMILIES {
            // Never closed.
            let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
            let family =
                Family { account: Arc::clone(&account), spawner: routines::id().as_u64(), number, _seat: seat };
            let task = family.spawn();
            if number % 64 == 0 {
                // Before its first poll, or in the middle of it.
                task.abort();
            }
            number += 1;
        }
    }
    // All seats are free again: all families have ended.
    let _ = seats.acquire_many(ALIVE as u32).await;
}

/// A task, and what it starts.
struct Family {
    account: Arc<Account>,
    spawner: u64,
    number: u64,
    _seat: OwnedSemaphorePermit,
}

impl Family {
    fn spawn(self) -> task::JoinHandle<()> {
        self.account.started.fetch_add(1, Ordering::Relaxed);
        routines_tokio::spawn(self.live())
    }

    async fn live(self) {
        check(&self.account, self.spawner, self.number % 8 == 1);
        self.account.started.fetch_add(1, Ordering::Relaxed);
        let (account, me, checks) = (Arc::clone(&self.account), routines::id().as_u64(), self.number % 8 == 2);
        // Long enough to be seen, and few enough at a time to be told of quickly.
        let pause = MILLISECOND * (self.number % 16) as u32;
        let child = match self.number % 32 {
            3 => routines_tokio::spawn_blocking(move || check(&account, me, true)),
            _ => routines_tokio::spawn(async move {
                check(&account, me, checks);
                sleep(pause).await;
            }),
        };
        if self.number.is_multiple_of(2) {
            // Outlives its parent else.
            let _ = child.await;
        }
        sleep(pause).await;
    }
}

/// Threads, one after the other: they cost a hundred times a task.
fn threads(account: &Arc<Account>) {
    let spawner = routines::id().as_u64();
    while !account.is_over() {
        account.started.fetch_add(1, Ordering::Relaxed);
        let account = Arc::clone(account);
        let _ = routines::thread::spawn(move || check(&account, spawner, true)).join();
    }
}

/// What a routine finds on record of itself.
fn check(account: &Account, spawner: u64, checks: bool) {
    if checks {
        let parent = routines::current().info().and_then(|info| info.parent).map(|parent| parent.as_u64());
        account.compare(routines::id().as_u64(), parent, spawner, &account.by_itself);
    }
}
