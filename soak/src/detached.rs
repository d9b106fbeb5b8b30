//! Owns the one place whose plain spawns are detached by the runtime's policy, which goes by the file.

use std::future::Future;

use tokio::runtime::Handle;

use crate::ways::Started;

/// This file, as a place.
pub(crate) const PLACE: &str = "soak/src/detached.rs";

/// Spawns a plain task.
pub(crate) fn spawn(handle: &Handle, future: impl Future<Output = ()> + Send + 'static) -> Started {
    Started::Task(handle.spawn(future))
}
