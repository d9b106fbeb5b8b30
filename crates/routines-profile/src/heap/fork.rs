//! Owns what `fork` asks for: that no lock of the profiler is held by a thread the child does not have.

use std::cell::Cell;
use std::sync::MutexGuard;

use super::accounts;
use super::live::{self, Shard};
use super::thread::Busy;
use crate::sys::alloc;

type Held = (Vec<MutexGuard<'static, Shard>>, MutexGuard<'static, std::collections::BTreeMap<Box<[u8]>, u32>>, Busy);

thread_local!(static HELD: Cell<Option<Held>> = const { Cell::new(None) });

/// Has the process's forks wait until nobody is within a lock, and hold them all meanwhile.
pub(super) fn prepare() {
    alloc::at_fork(before, after);
}

extern "C" fn before() {
    let hold = || Some((Busy::enter()?, live::freeze(), accounts::lock()));
    // A thread without thread-locals is ending, and does not fork but in another's exit handler.
    let _ended = HELD.try_with(|held| held.set(hold().map(|(busy, samples, book)| (samples, book, busy))));
}

/// In the parent and in the child, on the thread that forks.
extern "C" fn after() {
    let _ended = HELD.try_with(Cell::take);
}
