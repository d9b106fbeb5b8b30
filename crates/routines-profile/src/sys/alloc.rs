//! Owns the wrapped allocator, the header in front of the blocks that are counted, and the way to a thread's stack.
//!
//! Invariants, named where they are used:
//! - **HANDED ON**: the caller keeps the contract of this very method, and the inner allocator is asked for the same.
//! - **WIDE**: a block that is counted lies [`Wide::front`] bytes into one of [`Wide::layout`] of the inner allocator. Both follow from
//!   the layout the block was asked for, and by the contract of `GlobalAlloc` it comes back with that layout.
//! - **HEADER**: the eight bytes in front of such a block are within the inner one, aligned, and hold its account: written
//!   before the block is handed out, and by its owner only.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

use crate::heap::{self, HeapProfiler, Mode};

/// The number of an account, with an alignment that leaves what follows aligned for most.
type Header = u64;
const HEADER: usize = size_of::<Header>();

/// A layout with room for a header in front.
#[derive(Debug, Clone, Copy)]
struct Wide {
    layout: Layout,
    front: usize,
}

impl Wide {
    /// `None`: no block can be that large.
    #[inline]
    fn of(layout: Layout) -> Option<Wide> {
        let front = if layout.align() < HEADER { HEADER } else { layout.align() };
        let size = layout.size().checked_add(front)?;
        Some(Wide { layout: Layout::from_size_align(size, front).ok()?, front })
    }
}

// SAFETY: HANDED ON where nothing is counted. Where it is: WIDE, the inner block has the size asked for behind `front`, which is a
// multiple of the alignment asked for, and what the inner allocator did not give is not given. The bookkeeping does not unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for HeapProfiler<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if self.config.mode == Mode::Exact {
            // SAFETY: HANDED ON.
            return unsafe { self.counted(layout, A::alloc) };
        }
        // SAFETY: HANDED ON.
        let block = unsafe { self.inner.alloc(layout) };
        self.sample(block, layout.size());
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if self.config.mode == Mode::Exact {
            // SAFETY: HANDED ON.
            return unsafe { self.counted(layout, A::alloc_zeroed) };
        }
        // SAFETY: HANDED ON.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        self.sample(block, layout.size());
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.config.mode {
            // SAFETY: HANDED ON.
            Mode::Exact => return unsafe { self.dealloc_counted(block, layout) },
            Mode::Sampled(_) => drop(heap::freed(block.addr())),
            Mode::Off => {}
        }
        // SAFETY: HANDED ON.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match self.config.mode {
            // SAFETY: HANDED ON.
            Mode::Exact => unsafe { self.realloc_counted(block, layout, size) },
            // SAFETY: HANDED ON.
            Mode::Sampled(_) => unsafe { self.realloc_sampled(block, layout, size) },
            // SAFETY: HANDED ON.
            Mode::Off => unsafe { self.inner.realloc(block, layout, size) },
        }
    }
}

impl<A: GlobalAlloc> HeapProfiler<A> {
    #[inline]
    fn sample(&self, block: *mut u8, size: usize) {
        if let Mode::Sampled(period) = self.config.mode {
            heap::allocated(block.addr(), size, &self.config, period);
        }
    }

    /// Its sample is taken off before the address can be given to another thread, and put back if nothing came of it.
    #[inline]
    unsafe fn realloc_sampled(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let sample = heap::freed(block.addr());
        // SAFETY: HANDED ON.
        let moved = unsafe { self.inner.realloc(block, layout, size) };
        match sample {
            Some(sample) if moved.is_null() => heap::returned(block.addr(), sample),
            _ => self.sample(moved, size),
        }
        moved
    }

    #[inline]
    unsafe fn counted(&self, layout: Layout, alloc: unsafe fn(&A, Layout) -> *mut u8) -> *mut u8 {
        let Some(wide) = Wide::of(layout) else { return ptr::null_mut() };
        // SAFETY: HANDED ON, with a layout that is larger still.
        let outer = unsafe { alloc(&self.inner, wide.layout) };
        if outer.is_null() {
            return outer;
        }
        let account = heap::charge(layout.size(), &self.config);
        // SAFETY: WIDE: the inner block is of that layout, and new.
        unsafe { inside(outer, wide, account) }
    }

    #[inline]
    unsafe fn dealloc_counted(&self, block: *mut u8, layout: Layout) {
        // It was allocated with this layout, so there is a wide one.
        let Some(wide) = Wide::of(layout) else { return };
        // SAFETY: WIDE: a block of that layout, which is still its owner's.
        let (outer, account) = unsafe { outside(block, wide) };
        heap::refund(account, layout.size(), &self.config);
        // SAFETY: WIDE: that is what the inner allocator gave, and its layout.
        unsafe { self.inner.dealloc(outer, wide.layout) }
    }

    #[inline]
    unsafe fn realloc_counted(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let longer = Layout::from_size_align(size, layout.align()).ok().and_then(Wide::of);
        let (Some(wide), Some(longer)) = (Wide::of(layout), longer) else { return ptr::null_mut() };
        // SAFETY: WIDE: a block of that layout, which is still its owner's.
        let (outer, account) = unsafe { outside(block, wide) };
        // SAFETY: WIDE: that is what the inner allocator gave, and its layout; the new size is one of a layout.
        let moved = unsafe { self.inner.realloc(outer, wide.layout, longer.layout.size()) };
        if moved.is_null() {
            return moved;
        }
        heap::refund(account, layout.size(), &self.config);
        let account = heap::charge(size, &self.config);
        // SAFETY: WIDE: of one alignment both have the same in front, so that the contents are where they were.
        unsafe { inside(moved, longer, account) }
    }
}

/// The block within that of the inner allocator, its account written in front.
///
/// # Safety
///
/// `outer` is a block of `wide.layout`, owned by the caller.
#[inline]
unsafe fn inside(outer: *mut u8, wide: Wide, account: u32) -> *mut u8 {
    // SAFETY: WIDE: within the block.
    let block = unsafe { outer.add(wide.front) };
    // SAFETY: HEADER: `front` is at least that long.
    let header = unsafe { block.sub(HEADER) }.cast::<Header>();
    // SAFETY: HEADER: aligned, as the block and `front` are at least for it.
    unsafe { header.write(account.into()) };
    block
}

/// The block of the inner allocator around this one, and its account.
///
/// # Safety
///
/// `block` is what [`inside`] returned for a layout that is as wide, owned by the caller.
#[inline]
unsafe fn outside(block: *mut u8, wide: Wide) -> (*mut u8, u32) {
    // SAFETY: HEADER: in front of the block.
    let header = unsafe { block.sub(HEADER) }.cast::<Header>();
    // SAFETY: HEADER: written when the block was handed out.
    let account = unsafe { header.read() } as u32;
    // SAFETY: WIDE: as long is what lies in front.
    (unsafe { block.sub(wide.front) }, account)
}

/// Visits the return addresses of the calls under way on this thread, the innermost first, until `visit` returns `false`.
pub(crate) fn each_return_address(visit: &mut dyn FnMut(usize) -> bool) {
    // SAFETY: needs a lock on Windows alone, where the unwinder is not safe to be used by two threads.
    #[cfg(not(windows))]
    unsafe {
        backtrace::trace_unsynchronized(|frame| visit(frame.ip().addr()));
    }
    #[cfg(windows)]
    let _none = visit;
}

/// Has `before` called before each `fork` of this process, and `after` after it, in the parent and in the child.
pub(crate) fn at_fork(before: extern "C" fn(), after: extern "C" fn()) {
    // SAFETY: the functions are there for the life of the process. If there is no memory for them, forks go unprepared.
    #[cfg(target_os = "linux")]
    unsafe {
        libc::pthread_atfork(Some(before), Some(after), Some(after));
    }
    #[cfg(not(target_os = "linux"))]
    let _none = (before, after);
}

/// Also run by Miri, which checks every pointer: `cargo +nightly miri test -p routines-profile --lib sys::alloc`.
#[cfg(test)]
mod tests {
    use super::*;

    static EXACT: HeapProfiler = HeapProfiler::exact();

    fn layouts() -> impl Iterator<Item = Layout> {
        let aligns = (0..=7).map(|power| 1 << power);
        aligns.flat_map(|align| [1, 7, 8, 64, 1_000].map(|size| Layout::from_size_align(size, align).unwrap()))
    }

    fn fill(block: *mut u8, len: usize) {
        // SAFETY: the tests own blocks of at least that size.
        unsafe { block.write_bytes(0xa5, len) }
    }

    fn bytes<'a>(block: *mut u8, len: usize) -> &'a [u8] {
        // SAFETY: the tests have written that many bytes, or asked for zeroes.
        unsafe { std::slice::from_raw_parts(block, len) }
    }

    #[test]
    fn a_block_is_aligned_as_asked_and_all_of_it_is_its_owners() {
        for layout in layouts() {
            // SAFETY: no layout here is of size zero.
            let block = unsafe { EXACT.alloc(layout) };
            assert_eq!(block.addr() % layout.align(), 0, "{layout:?}");
            fill(block, layout.size());
            // SAFETY: from the call above, with its layout.
            unsafe { EXACT.dealloc(block, layout) };
        }
    }

    #[test]
    fn the_account_is_read_back_whatever_the_owner_writes() {
        for (layout, account) in layouts().zip(1..) {
            let wide = Wide::of(layout).unwrap();
            // SAFETY: no layout here is of size zero.
            let outer = unsafe { std::alloc::alloc(wide.layout) };
            // SAFETY: from the call above, with its layout.
            let block = unsafe { inside(outer, wide, account) };
            fill(block, layout.size());
            // SAFETY: from the call above, with its layout.
            assert_eq!(unsafe { outside(block, wide) }, (outer, account));
            // SAFETY: from the first call, with its layout.
            unsafe { std::alloc::dealloc(outer, wide.layout) };
        }
    }

    #[test]
    fn a_zeroed_block_is_zero() {
        for layout in layouts() {
            // SAFETY: no layout here is of size zero.
            let block = unsafe { EXACT.alloc_zeroed(layout) };
            assert!(bytes(block, layout.size()).iter().all(|byte| *byte == 0), "{layout:?}");
            // SAFETY: from the call above, with its layout.
            unsafe { EXACT.dealloc(block, layout) };
        }
    }

    #[test]
    fn a_block_keeps_its_contents_and_its_alignment_as_it_grows_and_shrinks() {
        for layout in layouts() {
            // SAFETY: no layout here is of size zero.
            let mut block = unsafe { EXACT.alloc(layout) };
            fill(block, layout.size());
            let mut old = layout;
            for size in [layout.size() * 50, layout.size().div_ceil(2)] {
                // SAFETY: from the call before, with its layout.
                block = unsafe { EXACT.realloc(block, old, size) };
                old = Layout::from_size_align(size, layout.align()).unwrap();
                assert_eq!(block.addr() % layout.align(), 0, "{layout:?}");
                let kept = size.min(layout.size());
                assert!(bytes(block, kept).iter().all(|byte| *byte == 0xa5), "{layout:?}");
            }
            // SAFETY: from the last call, with its layout.
            unsafe { EXACT.dealloc(block, old) };
        }
    }

    #[test]
    fn a_block_that_cannot_be_is_refused() {
        let most = isize::MAX as usize;
        for (size, align) in [(most, 1), (most - 7, 8), (most - 4095, 4096)] {
            let layout = Layout::from_size_align(size, align).unwrap();
            assert!(Wide::of(layout).is_none(), "{layout:?}");
            // SAFETY: the layout is none of size zero.
            assert!(unsafe { EXACT.alloc(layout) }.is_null());
        }
        let layout = Layout::new::<u64>();
        // SAFETY: the layout is none of size zero.
        let block = unsafe { EXACT.alloc(layout) };
        // SAFETY: from the call above; that many bytes are still a layout's size.
        assert!(unsafe { EXACT.realloc(block, layout, most - 7) }.is_null());
        // SAFETY: the block was not moved.
        unsafe { EXACT.dealloc(block, layout) };
    }
}
