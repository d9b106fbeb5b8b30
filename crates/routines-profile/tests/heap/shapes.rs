//! Promises about blocks of every size and alignment, grown, zeroed and freed.

use std::alloc::{Layout, alloc, dealloc, realloc};

use super::{PERIOD, assert_near, labelled, live};

const BLOCK: usize = 64;
const BLOCKS: usize = 20_000;
const BYTES: u64 = (BLOCK * BLOCKS) as u64;

#[test]
fn small_blocks_are_estimated_by_bytes_and_by_number_and_gone_when_freed() {
    let held: Vec<Box<[u8; BLOCK]>> = labelled("small", || (0..BLOCKS).map(|_| Box::new([0; BLOCK])).collect());
    let found = live("small");
    // The vector that holds them is larger than a period, and so counted as it is.
    let bytes = found.bytes - (held.capacity() * size_of::<usize>()) as u64;
    assert_near(bytes, BYTES, BYTES / PERIOD as u64);
    assert_near(found.blocks, BLOCKS as u64, BYTES / PERIOD as u64);
    drop(held);
    assert_eq!(live("small").bytes, 0);
}

#[test]
fn a_block_far_larger_than_the_period_is_counted_as_it_is() {
    let held = labelled("large", || vec![1_u8; 100 * PERIOD]);
    assert_eq!(live("large").bytes, held.len() as u64);
    drop(held);
    assert_eq!(live("large").bytes, 0);
}

#[test]
fn a_block_that_grows_counts_as_large_as_it_is_and_for_who_made_it_grow() {
    let mut held = labelled("before", || Vec::<u8>::with_capacity(50 * PERIOD));
    labelled("after", || held.reserve_exact(200 * PERIOD));
    assert_eq!((live("before").bytes, live("after").bytes), (0, held.capacity() as u64));
    held.shrink_to(100 * PERIOD);
    assert_eq!(live("after").bytes, 0);
}

#[test]
fn a_zeroed_block_is_zero_and_counted() {
    let held = labelled("zeroed", || vec![0_u8; 100 * PERIOD]);
    assert!(held.iter().all(|byte| *byte == 0));
    assert_eq!(live("zeroed").bytes, held.len() as u64);
}

#[test]
fn over_aligned_blocks_are_aligned_and_counted() {
    #[repr(align(4096))]
    struct Page([u8; 4096]);
    let held = labelled("aligned", || (0..100).map(|_| Box::new(Page([7; 4096]))).collect::<Vec<_>>());
    assert!(held.iter().all(|page| (&raw const **page).addr() % 4096 == 0 && page.0[4095] == 7));
    assert_near(live("aligned").bytes, 100 * 4096, 400);
}

#[test]
#[expect(unsafe_code, reason = "only the allocator's own interface can ask for a block that there is not")]
fn a_block_whose_growth_fails_is_still_counted() {
    let layout = Layout::from_size_align(100 * PERIOD, 8).unwrap();
    // SAFETY: the layout is not of size zero.
    let block = labelled("failed", || unsafe { alloc(layout) });
    // SAFETY: from the call above, with its layout.
    let grown = unsafe { realloc(block, layout, isize::MAX as usize - 4096) };
    assert!(grown.is_null());
    assert_eq!(live("failed").bytes, layout.size() as u64);
    // SAFETY: it was not moved.
    unsafe { dealloc(block, layout) };
    assert_eq!(live("failed").bytes, 0);
}
