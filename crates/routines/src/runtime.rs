//! Owns what a runtime's own crate tells the core: which task runs now.

use crate::slot;

/// Registers how to ask which task is running: a non-zero number that is stable for the task's life, or 0 outside every
/// task. Returns whether this was the first call; later ones change nothing.
///
/// From then on every access checks that the code running is the code the context belongs to (about two nanoseconds), so
/// that a task started without a context reads nothing instead of its thread's or its host's values. Register it before
/// starting threads: a thread that is already running begins to check at its next scope, poll or spawn.
///
/// `routines_tokio::install` calls this for tokio.
pub fn set_task_probe(probe: fn() -> u64) -> bool {
    slot::set_probe(probe)
}
