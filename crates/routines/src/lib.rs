//! An identity and a context for every unit of work - thread, task, blocking job - that follow the work wherever it goes.
//!
//! A Rust program needs facts about *the work being done* (request id, tenant, deadline) in code that was not handed
//! them: a logger, a database driver's callback, a helper ten calls down. Declare a [`Local`], bind it where the work
//! begins, and read it anywhere below, on whatever thread the work has moved to by then.
//!
//! ```
//! use routines::Local;
//!
//! static REQUEST_ID: Local<String> = Local::new().named("request_id");
//!
//! fn ten_calls_down() -> String {
//!     format!("[{}] loading", REQUEST_ID.get().unwrap_or_default())
//! }
//!
//! REQUEST_ID.sync_scope("req-7".into(), || {
//!     let worker = routines::thread::spawn(ten_calls_down);
//!     assert_eq!(worker.join().unwrap(), "[req-7] loading");
//! });
//! ```
//!
//! # Words
//!
//! - **routine**: a unit of execution with its own id and context: an OS thread, an async task, a blocking job, a
//!   coroutine. Exactly one is current at any point of any code.
//! - **local**: a key, [`Local<T>`](Local), whose value each routine has for itself.
//! - **context**: all values bound in a routine at one moment; **snapshot**: an immutable capture of it.
//! - **frame**: a stretch of execution with a context of its own: a routine's life, a scope, a run inside a snapshot.
//!   What is `set` inside a frame ends with the frame.
//! - **inherit** (a child gets the value at spawn), **detach** (it does not).
//!
//! # Where to look
//!
//! | to | use |
//! |---|---|
//! | know who runs | [`id()`], [`try_id`], [`current`], [`ids`], [`all`], [`dump`](fn@dump) |
//! | read, write, scope a value | [`Local`]; several keys at once: [`Bindings`] |
//! | capture and run later | [`Snapshot`] |
//! | start work | [`mod@thread`], [`bind`], [`FutureExt`]; on tokio the crate `routines-tokio` |
//! | give a callback its context | [`bind_fn`], [`bind_mut`] |
//! | send a message with its context: channels, actors, queues | [`Carried::message`], [`Carried::open`] |
//! | carry a stream, a sink, an HTTP body | `StreamExt`, `SinkExt`, `BodyExt`: features `stream`, `sink`, `body` |
//! | empty the frame's context | [`flush`] |
//! | use keys chosen at run time | [`Local::new`] at run time, [`Manager`] |
//! | take other libraries' ambient state along, as tracing spans | [`mod@companion`]; the crate `routines-companions` |
//! | show values in logs | [`for_each_named`]; the crate `routines-log` |
//!
//! # What it does not do
//!
//! - A future that is spawned without a wrapper inherits nothing: there is no hook for that on stable Rust. With a task
//!   probe registered (`routines-tokio` does it) it reads *unbound*, never another task's leftovers. On executors that
//!   cannot be asked for the current task (smol), that holds as long as nobody calls `set` outside a scope on their threads.
//! - Values need `Send + Sync`: a child shares them.
//! - It does not replace arguments. What a function needs in order to be correct belongs in its signature.

mod bindings;
mod carried;
mod clock;
pub mod companion;
mod context;

mod default;
#[cfg(feature = "dump")]
mod dump;
mod error;
mod held;
mod id;
mod identity;
mod job;
#[cfg(feature = "dump")]
mod json;
mod key;
pub mod label;
mod local;
mod manager;
mod registry;
mod routine;
pub mod runtime;
mod shown;
mod slot;
mod snapshot;
mod start;
pub mod strict;
mod table;
pub mod thread;
mod timing;
mod value;

pub use bindings::Bindings;
#[cfg(feature = "body")]
pub use carried::BodyExt;
pub use carried::Carried;
#[cfg(feature = "sink")]
pub use carried::SinkExt;
#[cfg(feature = "stream")]
pub use carried::StreamExt;
#[cfg(feature = "dump")]
pub use dump::{Dump, ParseDumpError, dump, quoted};
pub use error::{SetError, TrySetError};
pub use id::{ParseIdError, RoutineId};
pub use job::{Bound, bind, bind_fn, bind_mut};
pub use key::Inherit;
pub use local::{AnyLocal, Local};
pub use manager::{Manager, Symbol};
pub use registry::Kind;
pub use routine::{NamedValue, Routine, RoutineInfo, State, all, current, for_each_named, id, ids, set_name, try_id};
pub use shown::Shown;
pub use snapshot::{Guard, Snapshot, flush};
pub use start::{FutureExt, RoutineBuilder};
pub use timing::Timing;
pub use value::Taken;
