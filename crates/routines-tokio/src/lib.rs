//! Starts tokio tasks and blocking jobs that keep the context of the code that starts them.
//!
//! Functions, types and modules have the names, arguments and return types of tokio's own, so that switching is a change of
//! one `use` line. Each has a twin, `..._detached`, that starts with an empty context: for accept loops, pools, timers and
//! whatever else outlives the request that happens to start it.
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
//! # What takes whose place
//!
//! | tokio's | here | empty context |
//! |---|---|---|
//! | `spawn`, `task::spawn_local` | [`spawn`], [`task::spawn_local`] | [`spawn_detached`], [`task::spawn_local_detached`] |
//! | `task::spawn_blocking` | [`spawn_blocking`] | [`spawn_blocking_detached`] |
//! | `task::JoinSet`, `task::LocalSet` | [`task::JoinSet`], [`task::LocalSet`] | their methods `..._detached` |
//! | `task::Builder`: named tasks | [`task::Builder`], on stable Rust too | [`.detached()`](task::Builder::detached) |
//! | `runtime::Handle`, `Runtime`, `LocalRuntime` | [`runtime`] | their methods `..._detached` |
//! | tokio-util's `TaskTracker` | `task::TaskTracker`, feature `tokio-util` | its methods `..._detached` |
//! | `task::block_in_place`, `block_on`, `select!`, `join!` | the same: they start nothing, and stay in the routine | |
//! | anything else that takes a future to spawn | [`future.inherit()`](routines::FutureExt::inherit) | [`future.detached()`](routines::FutureExt::detached) |
//!
//! # Panics, aborts, shutdowns
//!
//! Work that ends leaves nothing, however it ends: when its `JoinHandle` resolves its routine is not listed any more, its
//! values are dropped, and its thread is as it was. Futures and closures are dropped inside their context, also when they
//! are aborted, never polled, dropped with their runtime, or given to one that is shut down.
//!
//! # Plain `tokio::spawn`
//!
//! A task spawned by tokio's own function has no context. Once [`install`] has been called - every function here does -
//! it reads *unbound*, on every runtime flavour, and never the values of its worker thread, of the code that called
//! `block_on`, or of a `LocalSet`'s host; an unscoped `set` in it is refused. [`routines::id`] there is made from tokio's
//! task id. In a build with `--cfg tokio_unstable`, [`Flow`] makes such tasks inherit too.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;

use routines::runtime::{Tasks, add_tasks};

mod builder;
mod flow;
mod handle;
#[cfg(tokio_unstable)]
mod hooks;
#[cfg(not(tokio_unstable))]
#[path = "no_hooks.rs"]
mod hooks;
mod join_set;
mod local_set;
#[cfg_attr(not(tokio_unstable), allow(dead_code, reason = "only hooks ask it"))]
mod policy;
mod rt;
mod spawn;
mod start;
#[cfg(feature = "tokio-util")]
mod tracker;
#[cfg(not(all(tokio_unstable, feature = "tracing")))]
mod unnamed;
mod watch;

pub use flow::{Flow, Relation, Task};
pub use spawn::{spawn, spawn_blocking, spawn_blocking_detached, spawn_detached};
pub use watch::watch_workers;

#[cfg(feature = "macros")]
pub use routines_tokio_macros::{main, test};

/// For the attributes.
#[doc(hidden)]
#[cfg(feature = "macros")]
pub mod __private {
    pub use tokio;
}

/// The twin of [`tokio::task`]: what starts work is this crate's, everything else is tokio's own.
pub mod task {
    pub use tokio::task::*;

    pub use crate::builder::Builder;
    pub use crate::join_set::JoinSet;
    pub use crate::local_set::LocalSet;
    pub use crate::spawn::{
        spawn, spawn_blocking, spawn_blocking_detached, spawn_detached, spawn_local, spawn_local_detached,
    };
    #[cfg(feature = "tokio-util")]
    pub use crate::tracker::TaskTracker;

    /// The twin of `tokio::task::join_set`.
    pub mod join_set {
        pub use crate::join_set::{Builder, JoinSet};
    }
}

/// The twin of [`tokio::runtime`]: runtimes and handles whose spawns inherit.
///
/// A `Builder` stays tokio's: `Runtime::from(builder.build()?)`.
pub mod runtime {
    pub use tokio::runtime::{EnterGuard, Id, RuntimeFlavor, RuntimeMetrics, TryCurrentError};

    pub use crate::handle::Handle;
    pub use crate::rt::{LocalRuntime, Runtime};
}

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

/// What the attributes refuse, each beside what it should have been.
///
/// ```compile_fail
/// #[routines_tokio::main]
/// fn main() {}
/// ```
/// ```compile_fail
/// #[routines_tokio::main(flavour = "current_thread")]
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[routines_tokio::main(flavor = "current_thread", worker_threads = 2)]
/// async fn main() {}
/// ```
/// ```compile_fail
/// #[routines_tokio::main(flavor = "multi_thread", flavor = "multi_thread")]
/// async fn main() {}
/// ```
/// ```
/// #[routines_tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// async fn main() {}
/// ```
#[cfg(all(doctest, feature = "macros"))]
mod attributes {}

/// The project's pages, whose snippets are tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../docs/coming-from-go.md")]
    mod coming_from_go {}
}
