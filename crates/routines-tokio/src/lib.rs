//! Starts tokio tasks and blocking jobs that keep the context of the code that starts them.
//!
//! The functions have the names, arguments and return types of tokio's own, so that switching is a change of one `use`
//! line. Each has a twin that starts with an empty context: for accept loops, pools, timers and whatever else outlives
//! the request that happens to start it.
//!
//! ```
//! use routines::Local;
//!
//! static REQUEST_ID: Local<String> = Local::new().named("request_id");
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! REQUEST_ID.scope("req-7".into(), async {
//!     let task = routines_tokio::spawn(async { REQUEST_ID.get() });
//!     let job = routines_tokio::spawn_blocking(|| REQUEST_ID.get());
//!     assert_eq!(task.await.unwrap().as_deref(), Some("req-7"));
//!     assert_eq!(job.await.unwrap().as_deref(), Some("req-7"));
//! }).await;
//! # });
//! ```
//!
//! # Plain `tokio::spawn`
//!
//! A task spawned by tokio's own function has no context. Once [`install`] has been called - every function here does -
//! it reads *unbound*, on every runtime flavour, and never the values of its worker thread, of the code that called
//! `block_on`, or of a `LocalSet`'s host; an unscoped `set` in it is refused. [`routines::id`] there is made from tokio's
//! task id.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use routines::runtime::{Tasks, add_tasks};

mod flow;
#[cfg(tokio_unstable)]
mod hooks;
#[cfg(not(tokio_unstable))]
#[path = "no_hooks.rs"]
mod hooks;
mod policy;
pub mod runtime;
pub mod task;
mod watch;
mod work;

pub use flow::{Flow, Relation, Task};
pub use task::{spawn, spawn_blocking, spawn_blocking_detached, spawn_detached, spawn_local, spawn_local_detached};
pub use watch::watch_workers;

/// Lets the core ask tokio which task is running, so that tasks without a context read nothing (rule R8).
///
/// Once per process is enough, and every function of this crate does it. Call it first in `main` if threads that use
/// locals are started before the first of those calls: a thread that is already running begins to check at its next scope,
/// poll or spawn. Returns whether this was the first call.
pub fn install() -> bool {
    let mut first = false;
    TASKS.get_or_init(|| {
        first = true;
        add_tasks(current_task, hooks::find)
    });
    first
}

/// tokio's tasks, as the core knows them; `None` if four other runtimes came first.
static TASKS: OnceLock<Option<Tasks>> = OnceLock::new();

/// The running tokio task's id; 0 outside every task, as in the future given to `block_on`.
#[inline]
fn current_task() -> u64 {
    tokio::task::try_id().map_or(0, task_number)
}

/// The number a task id displays as.
///
/// tokio offers the number only as text, which would cost a formatting per access. An id hashes as its number, so a
/// hasher that keeps what it is given reads it; the test `a_foreign_id_is_the_number_tokio_prints` watches that this holds.
/// Were it to change, ids would still be stable and distinct, only not the printed ones.
#[inline]
fn task_number(id: tokio::task::Id) -> u64 {
    let mut number = Number(0);
    id.hash(&mut number);
    number.finish()
}

struct Number(u64);

impl Hasher for Number {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

/// The project's pages, whose snippets are tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/coming-from-go.md")]
    mod coming_from_go {}
}
