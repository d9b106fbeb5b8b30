//! The global allocator: the system's, with a tally that is kept only while someone asked for it.
//!
//! The only unsafe file of the package. Every call is handed on unchanged; while the tally is off, which it is for all timings, that
//! costs one load and one branch.

#![expect(
    unsafe_code,
    reason = "GlobalAlloc is an unsafe trait; published counters count always and would falsify the timings"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

/// Relaxed everywhere: the tallies are read by the thread that did the work, or after joining the threads that did.
static COUNTING: Alone = Alone(AtomicBool::new(false));
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);
static LIVE_BLOCKS: AtomicI64 = AtomicI64::new(0);

/// A cache line (and its neighbour, which processors fetch along) to itself: else whatever the linker puts beside the flag, when
/// written by one thread, would slow down each allocation of the other.
#[repr(align(128))]
struct Alone(AtomicBool);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What was allocated and not freed since [`start`], by all threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Live {
    /// Bytes, as asked for: what the system allocator adds to each block is not in here.
    pub(crate) bytes: i64,
    /// Allocations.
    pub(crate) blocks: i64,
}

impl Live {
    /// What is live now.
    pub(crate) fn now() -> Self {
        Self { bytes: LIVE_BYTES.load(Relaxed), blocks: LIVE_BLOCKS.load(Relaxed) }
    }

    /// What became live since `earlier`.
    pub(crate) fn since(earlier: Self) -> Self {
        let now = Self::now();
        Self { bytes: now.bytes - earlier.bytes, blocks: now.blocks - earlier.blocks }
    }
}

/// Counts from now on, for the rest of the process.
pub(crate) fn start() {
    COUNTING.0.store(true, Relaxed);
}

struct Counting;

impl Counting {
    #[inline]
    fn count(bytes: usize, sign: i64) {
        if COUNTING.0.load(Relaxed) {
            Self::count_slow(bytes, sign);
        }
    }

    #[cold]
    fn count_slow(bytes: usize, sign: i64) {
        LIVE_BYTES.fetch_add(sign * bytes as i64, Relaxed);
        LIVE_BLOCKS.fetch_add(sign, Relaxed);
    }
}

// SAFETY: every method hands its arguments to the system's allocator and returns what that returned; counting neither
// allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        Self::count(layout.size(), 1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        Self::count(layout.size(), -1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        Self::count(layout.size(), -1);
        Self::count(size, 1);
        // SAFETY: the caller keeps the contract of this very method.
        unsafe { System.realloc(block, layout, size) }
    }
}
