//! Owns the allocator under the profiler, which notices calls that interrupt another on their thread: only a signal handler's can.

#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Watched;

static INTERRUPTING: AtomicUsize = AtomicUsize::new(0);
thread_local!(static WITHIN: Cell<bool> = const { Cell::new(false) });

/// How many calls interrupted another.
pub(crate) fn interrupting() -> usize {
    INTERRUPTING.load(Ordering::Relaxed)
}

fn watch<R>(call: impl FnOnce() -> R) -> R {
    if WITHIN.replace(true) {
        INTERRUPTING.fetch_add(1, Ordering::Relaxed);
    }
    let returned = call();
    WITHIN.set(false);
    returned
}

// SAFETY: hands each call on to the system's allocator as it is.
unsafe impl GlobalAlloc for Watched {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract of this very method.
        watch(|| unsafe { System.alloc(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of this very method.
        watch(|| unsafe { System.dealloc(block, layout) });
    }
}
