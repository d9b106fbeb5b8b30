//! Owns the twins of `tokio::runtime`: handles and runtimes whose spawns inherit, or are detached on request.
//!
//! A runtime is configured and built by tokio's own [`Builder`]; to have plain spawns inherit too, tell it with
//! [`Flow::install`](crate::Flow::install). Then `Runtime::from(builder.build()?)`.

mod handle;
#[cfg(tokio_unstable)]
mod local;
mod whole;

pub use tokio::runtime::{Builder, EnterGuard, RuntimeFlavor, RuntimeMetrics, TryCurrentError};

pub use handle::Handle;
#[cfg(tokio_unstable)]
pub use local::LocalRuntime;
pub use whole::Runtime;
