//! Owns the other thread: it does what must not be done in a hook, and the panicking thread waits only so long.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread::Builder;
use std::time::Duration;

/// Reports that may hang at once, each a thread.
const MOST: usize = 8;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static HERE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is such a thread.
pub(super) fn is_here() -> bool {
    HERE.get()
}

/// Which of the two writes: whoever takes it first.
#[derive(Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// Takes it; `false` if the other has.
    pub(super) fn take(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }
}

/// One of the [`MOST`] places, free again when dropped.
struct Place;

impl Place {
    fn find() -> Option<Place> {
        if RUNNING.fetch_add(1, Ordering::Relaxed) < MOST {
            return Some(Place);
        }
        RUNNING.fetch_sub(1, Ordering::Relaxed);
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `work` on a thread of its own and waits for its end. Returns `false` if `work` has not taken its turn by then,
/// and never will: it panicked, took too long, or there was no thread.
pub(super) fn run(patience: Duration, work: impl FnOnce(&Turn) + Send + 'static) -> bool {
    let Some(place) = Place::find() else { return false };
    let turn = Turn::default();
    let (ended, end) = sync_channel::<()>(0);
    let theirs = turn.clone();
    let spawned = Builder::new().name("panic report".into()).spawn(move || {
        HERE.set(true);
        // Dropped in reverse order, also when `work` panics: the waiting thread goes on last.
        let _ended = ended;
        let _place = place;
        work(&theirs);
    });
    if spawned.is_ok() {
        // Nothing is ever sent: what ends the wait is that the sender is gone, or the time.
        let _ = end.recv_timeout(patience);
    }
    !turn.take()
}
